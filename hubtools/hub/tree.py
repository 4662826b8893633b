"""The files of a repository, listed page by page and bounded: a server may answer anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from hubtools.errors import HubtoolsError
from hubtools.hub.patience import be_patient
from hubtools.limits import FILES
from hubtools.patterns import regex
from hubtools.rooted import LeadsOut, parts_of

_SIZE = 1 << 50  # bytes; no file is that large
SHA256 = regex(r"[0-9a-f]{64}")
_KINDS = {"dataset": "datasets", "model": "models", "space": "spaces"}


class TreeFile(NamedTuple):
    """A file as the Hub lists it. `blob_id`: Git's SHA-1; `sha256`: None unless it is in LFS."""

    path: str
    size: int
    blob_id: str
    sha256: str | None


def list_tree(
    repo: str, repo_type: str, revision: str, path: str | None = None, *, recursive: bool = True
) -> Iterator[TreeFile]:
    """All files of a revision, or those below `path` (right in it, if not `recursive`).

    Raises `HubtoolsError` for an answer that makes no sense or does not end, and what the client
    of the Hub raises (https://huggingface.co/docs/hub/api, `GET /api/datasets/{repo}/tree`).
    """
    import huggingface_hub
    from huggingface_hub import constants

    be_patient()
    client: Any = huggingface_hub.utils
    below = f"/{quote(path)}" if path else ""
    kind, branch = _KINDS[repo_type], quote(revision, safe="")
    url = f"{constants.ENDPOINT}/api/{kind}/{repo}/tree/{branch}{below}"
    seen: set[str] = set()
    names: set[str] = set()
    address: str | None = url
    params: dict[str, Any] | None = {"recursive": recursive, "expand": False}
    while address is not None:
        if address in seen or len(seen) > FILES:
            raise _senseless(repo, "its list of files does not end")
        seen.add(address)
        answer = client.http_backoff(
            "GET", address, params=params, headers=client.build_hf_headers()
        )
        client.hf_raise_for_status(answer)
        params = None  # the next address has them
        before = len(names)
        for file in _files(repo, answer):
            if file.path in names:
                raise _senseless(repo, f"it lists {file.path[:200]!r} twice")
            names.add(file.path)
            yield file
        address = answer.links.get("next", {}).get("url")
        if address is not None and urlsplit(address)[:2] != urlsplit(url)[:2]:
            raise _senseless(repo, "its list of files goes on at another server")
        if len(names) > FILES or (
            address is not None and len(names) == before and len(seen) > 1000
        ):
            raise _senseless(repo, f"it lists more than {FILES:,} files")


def _files(repo: str, answer: Any) -> Iterator[TreeFile]:
    try:
        page = answer.json()
    except (ValueError, RecursionError):
        raise _senseless(repo, "it is not JSON") from None
    if not isinstance(page, list):
        raise _senseless(repo, "it is not a list of files")
    for item in page:
        if not isinstance(item, dict) or not isinstance(item.get("path"), str):
            raise _senseless(repo, "it lists something that is not a file")
        if item.get("type") != "file":
            continue
        size = item.get("size")
        if type(size) is not int or not 0 <= size < _SIZE:
            raise _senseless(repo, f"{item['path'][:200]!r} has a size of {str(size)[:40]}")
        lfs = item.get("lfs")
        sha256 = lfs.get("oid") if isinstance(lfs, dict) else None
        if isinstance(sha256, str) and SHA256.fullmatch(sha256) is None:
            raise _senseless(repo, f"{item['path'][:200]!r} has the hash {sha256[:80]!a}")
        try:
            parts_of(item["path"])
        except LeadsOut:
            raise _senseless(repo, f"{item['path'][:200]!r} is no name of a file") from None
        yield TreeFile(
            item["path"], size, str(item.get("oid")), sha256 if isinstance(sha256, str) else None
        )


def _senseless(repo: str, what: str) -> HubtoolsError:
    return HubtoolsError(
        f"The Hub's answer about the files of {repo} makes no sense: {what}.",
        hint="check HF_ENDPOINT; try again later",
        code="hub-failed",
    )
