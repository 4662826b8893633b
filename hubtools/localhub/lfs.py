"""Git LFS: the batch API, uploads, verification, and the administration of a repository's objects.

The API is https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md with the `basic` transfer.
The Hub hands out signed upload links which take no token; so does this one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.responses import Response

from hubtools.localhub.access import (
    check_contribute,
    check_gate,
    find_named,
    find_repo,
    repo_of,
    writable_repo_of,
)
from hubtools.localhub.history import purge_objects
from hubtools.localhub.http import Call, Handler, Router, answer
from hubtools.localhub.model import Content, Repo
from hubtools.localhub.names import KINDS, is_sha256
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store

LFS_TYPE = {"Content-Type": "application/vnd.git-lfs+json"}
UPLOAD = "_lfs"
_PAGE = 1000


def _repo(call: Call) -> Repo:
    name = call.params["git"]
    if not name.endswith(".git"):
        raise Problem(404, "Sorry, we can't find the page you are looking for.")
    return find_repo(call, call.params["kind"], call.params["ns"], name.removesuffix(".git"))


def batch(call: Call) -> Response:
    """Which objects to send where; an object that is there already gets no `actions`."""
    repo = _repo(call)
    body = call.json()
    operation, objects = body.get("operation"), body.get("objects")
    if body.get("hash_algo", "sha256") != "sha256" or not isinstance(objects, list):
        raise Problem(422, "The Git LFS batch needs objects with SHA-256 ids.")
    if len(objects) > _PAGE:  # the client asks about 256 at once, git-lfs about 100
        raise Problem(413, f"A Git LFS batch has at most {_PAGE:,} objects here.")
    transfers = body.get("transfers") or ["basic"]
    if not isinstance(transfers, list) or "basic" not in transfers:
        raise Problem(
            422,
            "This Hub takes uploads by plain Git LFS only: set HF_HUB_DISABLE_XET=1.",
        )
    if operation == "upload":
        check_contribute(call, repo)
    elif operation == "download":
        check_gate(call, repo)
    else:
        raise Problem(422, "The operation of a Git LFS batch is upload or download.")
    return answer(
        {
            "transfer": "basic",
            "objects": [_object(call, repo, str(operation), item) for item in objects],
            "hash_algo": "sha256",
        },
        headers=LFS_TYPE,
    )


def _object(call: Call, repo: Repo, operation: str, item: Any) -> dict[str, Any]:
    sha256 = item.get("oid") if isinstance(item, dict) else None
    size = item.get("size") if isinstance(item, dict) else None
    valid = is_sha256(sha256) and isinstance(size, int) and size >= 0
    if not valid or not isinstance(sha256, str) or not isinstance(size, int):
        return {
            "oid": str(sha256),
            "size": size if isinstance(size, int) else 0,
            "error": {"code": 422, "message": "An object needs a SHA-256 and a size."},
        }
    result: dict[str, Any] = {"oid": sha256, "size": size}
    there = call.hub.store.has_object(repo.id, sha256, size)
    key = call.hub.store.sign(operation, repo.id, sha256, size)
    href = call.url(f"{UPLOAD}/{repo.id}/{sha256}/{size}/{key}")
    if operation == "download":
        if not there:
            result["error"] = {"code": 404, "message": "The repository has no such object."}
        else:
            result["actions"] = {"download": {"href": href, "header": {}}}
    elif not there:
        verify = call.url(f"{repo.url_path}.git/info/lfs/objects/verify")
        result["actions"] = {
            "upload": {"href": href, "header": {}},
            "verify": {"href": verify, "header": {}},
        }
    return result


def verify(call: Call) -> Response:
    repo = _repo(call)
    check_contribute(call, repo)
    body = call.json()
    sha256, size = body.get("oid"), body.get("size")
    if not is_sha256(sha256) or not isinstance(size, int):
        raise Problem(422, "An object needs a SHA-256 and a size.")
    if not call.hub.store.has_object(repo.id, str(sha256), size):
        raise Problem(404, f"The object {sha256} ({size} bytes) did not arrive.")
    return answer({"oid": sha256, "size": size}, headers=LFS_TYPE)


def upload_target(store: Store, segments: list[str]) -> tuple[int, str, int]:
    """(repository, SHA-256, bytes) of a signed upload address. Raises `Problem` 403 for any
    other."""
    if len(segments) == 5 and segments[1].isdecimal() and segments[3].isdecimal():
        _, repo_id, sha256, size, key = segments
        if is_sha256(sha256) and store.signed(key, "upload", repo_id, sha256, size):
            return int(repo_id), sha256, int(size)
    raise Problem(403, "This is not an upload address of this Hub.")


def download_target(store: Store, segments: list[str]) -> Content:
    """The object of a signed download address. Raises `Problem` 403 for any other, 404 if it is
    gone."""
    if len(segments) == 5 and segments[3].isdecimal():
        _, repo_id, sha256, size, key = segments
        if is_sha256(sha256) and store.signed(key, "download", repo_id, sha256, size):
            if not store.blobs.has(sha256, int(size)):
                raise Problem(404, "The object was deleted.")
            return Content(int(size), opener=partial(store.blobs.open, sha256))
    raise Problem(403, "This is not a download address of this Hub.")


def list_files(call: Call) -> Response:
    """Every Git LFS object of a repository, in pages of 1000: what is there all the while is in the
    list, whatever comes and goes between two pages."""
    repo = repo_of(call)
    size = call.number("limit", _PAGE, _PAGE) or _PAGE
    pushed, _, sha256 = call.text("cursor").rpartition("/")
    with call.hub.store.database.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM lfs_objects WHERE repo = ? AND (pushed, sha256) > (?, ?)"
            " ORDER BY pushed, sha256 LIMIT ?",
            (repo.id, pushed, sha256, size + 1),
        ).fetchall()
    headers = {}
    if len(rows) > size:
        last = rows[size - 1]
        cursor = f"{last['pushed']}/{last['sha256']}"
        headers["Link"] = call.link({**call.query, "cursor": [cursor]})
    return answer(
        [
            {
                "fileOid": row["sha256"],
                "oid": row["sha256"],
                "filename": row["filename"],
                "size": row["size"],
                "ref": row["ref"],
                "pushedAt": row["pushed"],
            }
            for row in rows[:size]
        ],
        headers=headers,
    )


def delete_files(call: Call) -> Response:
    repo = writable_repo_of(call)
    deletions = call.json().get("deletions")
    hashes = deletions.get("sha") if isinstance(deletions, dict) else None
    if (
        not isinstance(deletions, dict)
        or not isinstance(hashes, list)
        or not all(is_sha256(item) for item in hashes)
    ):
        raise Problem(400, '"deletions.sha" must be an array of SHA-256')
    purge_objects(call.hub.store, repo, hashes, bool(deletions.get("rewriteHistory", True)))
    return answer({"success": True})


def duplicate(call: Call) -> Response:
    """Let another repository use objects of this one, without sending the bytes again."""
    repo = repo_of(call)
    check_gate(call, repo)
    body = call.json()
    target, files = body.get("target"), body.get("files")
    if not isinstance(target, dict) or not isinstance(files, list):
        raise Problem(400, "A duplication needs a target and files.")
    if target.get("type") not in KINDS:
        raise Problem(400, f'The "type" of the target must be one of [{", ".join(KINDS)}]')
    namespace, _, name = str(target.get("name")).partition("/")
    goal = find_named(call, target["type"], namespace, name)
    check_contribute(call, goal)
    failed = []
    for item in files:
        sha256 = item.get("sha256") if isinstance(item, dict) else None
        if not is_sha256(sha256) or not call.hub.store.share_object(repo, goal, str(sha256)):
            failed.append({"sha256": str(sha256), "error": "The repository has no such object."})
    return answer({"success": not failed, "failed": failed})


def add_routes(router: Router) -> None:
    for prefix, kind in (("", "model"), ("datasets/", "dataset"), ("spaces/", "space")):

        def of(handler: Handler, kind: str = kind) -> Handler:
            def with_kind(call: Call) -> Response:
                call.params["kind"] = kind
                return handler(call)

            return with_kind

        router.add("POST", f"{prefix}{{ns}}/{{git}}/info/lfs/objects/batch", of(batch))
        router.add("POST", f"{prefix}{{ns}}/{{git}}/info/lfs/objects/verify", of(verify))
    repo = "api/{kinds}/{ns}/{name}"
    router.add("GET", f"{repo}/lfs-files", list_files)
    router.add("POST", f"{repo}/lfs-files/batch", delete_files)
    router.add("POST", f"{repo}/lfs-files/duplicate", duplicate)
