"""Files of a repository: how to upload them, and which there are."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from hubtools.localhub.access import check_contribute, check_write, repo_of
from hubtools.localhub.commits import branch_ref
from hubtools.localhub.history import last_changes
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.info import file_item
from hubtools.localhub.model import Repo, Snapshot
from hubtools.localhub.names import is_commit
from hubtools.localhub.patterns import IgnoreRules, LfsRules
from hubtools.localhub.problems import Problem, entry_not_found

_PAGE, _EXPANDED_PAGE = 1000, 50
_LFS_FROM = 10 * 1024 * 1024


def preupload(call: Call) -> Response:
    """For each file: Git LFS or regular, ignored or not, and what is there already."""
    repo = repo_of(call)
    revision = call.params["rev"]
    if call.flag("create_pr") or revision.startswith("refs/pr/"):
        check_contribute(call, repo)
    else:
        check_write(call, repo)
    branch_ref(revision)
    store = call.hub.store
    snapshot = store.snapshot(repo, revision)
    body = call.json()
    files = body.get("files")
    if not isinstance(files, list):
        raise Problem(400, '"files" must be an array')
    ignore_text = body.get("gitIgnore")
    if not isinstance(ignore_text, str):
        ignore_text = _text(call, snapshot, ".gitignore")
    ignore = IgnoreRules(ignore_text)
    attributes = LfsRules(_text(call, snapshot, ".gitattributes"))
    return answer(
        {
            "files": [_mode(item, snapshot, ignore, attributes) for item in files],
            "commitOid": snapshot.commit.oid,
        }
    )


def _text(call: Call, snapshot: Snapshot, path: str) -> str:
    return (call.hub.store.read_small(snapshot, path) or b"").decode("utf-8", "replace")


def _mode(
    item: Any, snapshot: Snapshot, ignore: IgnoreRules, attributes: LfsRules
) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        raise Problem(400, 'Every one of "files" needs a path.')
    path, size = item["path"], item.get("size")
    try:
        sample = base64.b64decode(item.get("sample") or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Problem(400, f'The sample of "{path}" is not base64.') from None
    big = isinstance(size, int) and size > _LFS_FROM
    tracked = attributes.tracks(path)
    lfs = big or (tracked if tracked is not None else _is_binary(sample))
    result = {
        "path": path,
        "uploadMode": "lfs" if lfs else "regular",
        "shouldIgnore": ignore.ignores(path) if path else False,
    }
    if path in snapshot.files:
        result["oid"] = snapshot.files[path].etag
    return result


def _is_binary(sample: bytes) -> bool:
    """True unless the first bytes are text (UTF-8; the last character may be cut)."""
    if b"\x00" in sample:
        return True
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(sample) - 3 or error.reason != "unexpected end of data"
    return False


def _items(
    call: Call, snapshot: Snapshot, paths: Sequence[str], expand: bool
) -> list[dict[str, Any]]:
    changes = last_changes(call.hub.store, snapshot, paths) if expand else {}
    items = []
    for path in paths:
        if path in snapshot.files:
            item = file_item(path, snapshot.files[path])
            if expand:
                item["securityFileStatus"] = {
                    "status": "unscanned",
                    "avScan": None,
                    "pickleImportScan": None,
                }
        else:
            item = {"type": "directory", "oid": snapshot.folders[path], "size": 0, "path": path}
        if path in changes:
            commit = changes[path]
            item["lastCommit"] = {"id": commit.oid, "title": commit.title, "date": commit.date}
        items.append(item)
    return items


def tree(call: Call) -> Response:
    snapshot, after = _place(call, repo_of(call))
    folder = call.params["path"].strip("/")
    if folder and folder not in snapshot.folders:
        if folder not in snapshot.files:
            raise entry_not_found(
                f'"{folder}" does not exist on "{call.params["rev"]}"', commit=snapshot.commit.oid
            )
        raise Problem(404, f'"{folder}" is a file, not a folder', code="EntryNotFound")
    prefix = f"{folder}/" if folder else ""
    paths: Sequence[str] = snapshot.tree.paths
    if prefix:  # everything below, and nothing else, sorts between these two
        paths = paths[bisect_left(paths, prefix) : bisect_left(paths, f"{folder}0")]
    if not call.flag("recursive"):
        paths = [path for path in paths if "/" not in path[len(prefix) :]]
    expand = call.flag("expand")
    size = call.number("limit", 0, _PAGE) or (_EXPANDED_PAGE if expand else _PAGE)
    start = bisect_right(paths, after) if after else 0
    page = paths[start : start + size]
    headers = {}
    if start + size < len(paths):
        cursor = f"{snapshot.commit.oid}:{page[-1]}"
        headers["Link"] = call.link({**call.query, "cursor": [cursor]})
    return answer(_items(call, snapshot, page, expand), headers=headers)


def _place(call: Call, repo: Repo) -> tuple[Snapshot, str]:
    """Where to go on reading a list: at the commit that it was begun at, whatever has come since,
    behind the path that was read last."""
    commit, colon, after = call.text("cursor").partition(":")
    if colon and is_commit(commit):
        try:
            return call.hub.store.snapshot(repo, commit), after
        except Problem:  # permanently deleted meanwhile
            pass
    return call.hub.store.snapshot(repo, call.params["rev"]), after


def paths_info(call: Call) -> Response:
    """Items for the paths that exist; the others are left out."""
    snapshot = call.hub.store.snapshot(repo_of(call), call.params["rev"])
    form = call.form()
    wanted = dict.fromkeys(path.strip("/") for path in form.get("paths", []))
    expand = form.get("expand", ["false"])[-1].lower() == "true"
    there = [path for path in wanted if path in snapshot.files or path in snapshot.folders]
    return answer(_items(call, snapshot, there, expand))


def add_routes(router: Router) -> None:
    router.add("POST", "api/{kinds}/{ns}/{name}/preupload/{rev}", preupload)
    router.add("GET", "api/{kinds}/{ns}/{name}/tree/{rev}/{path*}", tree)
    router.add("POST", "api/{kinds}/{ns}/{name}/paths-info/{rev}", paths_info)
