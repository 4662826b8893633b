"""What the Hub's client makes names of files of: the ETag of a file, the commit that it is of, a
revision, the hash in a list of files, the address of the storage. A server that is no Hub may say
`../../x`, or `local:///home/me`."""

from __future__ import annotations

from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.patterns import regex
from hubtools.rooted import LeadsOut, parts_of

COMMIT = regex(r"[0-9a-f]{40}|[0-9a-f]{64}")  # Git's names of commits: SHA-1 or SHA-256
_ETAG = regex(r"(?!\.)[^/\\:\x00-\x1f\x7f]{1,200}")  # one part of a path, on any system
_ETAGS = ("x-linked-etag", "etag")
_SHA256 = regex(r"[0-9a-f]{64}")
_STORAGE = "x-xet-cas-url"
_TIME = "x-xet-token-expiration"
# To the library for Xet, `local://` and `memory://` are storages too: folders that it makes.
_WEB = regex(r"https?://[A-Za-z0-9._\[\]:-]+(?:/[\x21-\x5b\x5d-\x7e]*)?")
_SECONDS = regex(r"\d{1,12}")  # since 1970; the library takes no more than 64 bits


def check_marks(answer: Any, request: Any) -> None:
    """Raises `HubtoolsError` for an answer whose commit is none, whose storage is at no
    address of the web, or whose ETag, where a file is asked about (`HEAD`), is no file's name."""
    if _STORAGE in answer.headers:
        check_storage(answer.headers[_STORAGE], answer.headers.get(_TIME, "0"), request)
    commit = answer.headers.get("x-repo-commit")
    if commit is not None and COMMIT.fullmatch(commit) is None:
        raise _senseless(request, f"its commit is {commit[:80]!a}")
    if request.method != "HEAD" or answer.status_code >= 400:
        return
    for name in _ETAGS:
        etag = answer.headers.get(name)
        if etag is not None and _ETAG.fullmatch(etag.lstrip("W/").strip('"')) is None:
            raise _senseless(request, f"its ETag is {etag[:80]!a}")


def check_storage(address: object, ends: object, request: Any) -> None:
    """Raises `HubtoolsError` if a storage of Xet is at no address of the web, or its token ends at
    no time (seconds since 1970)."""
    if not isinstance(address, str) or _WEB.fullmatch(address) is None:
        raise _senseless(request, f"its storage is at {str(address)[:80]!a}")
    if _SECONDS.fullmatch(str(ends)) is None:
        raise _senseless(request, f"its token ends at {str(ends)[:80]!a}")


def check_said(said: Any, request: Any) -> None:
    """Raises `HubtoolsError` for what the API says, whatever was asked and wherever that was led,
    if the commit of a repository is none, or the SHA-256 of a listed file."""
    commit = said.get("sha") if isinstance(said, dict) else None
    if commit is not None and (not isinstance(commit, str) or COMMIT.fullmatch(commit) is None):
        raise _senseless(request, f"its commit is {str(commit)[:80]!a}")
    for one in said if isinstance(said, list) else ():
        lfs = one.get("lfs") if isinstance(one, dict) else None
        for name in ("oid", "sha256"):
            digest = lfs.get(name) if isinstance(lfs, dict) else None
            if digest is not None and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
                raise _senseless(request, f"a file of it has the hash {str(digest)[:80]!a}")


def check_revision(revision: str | None) -> None:
    """Raises `HubtoolsError` for what cannot be a branch, a tag or a commit."""
    try:
        parts_of(revision or "main")
    except LeadsOut:
        raise HubtoolsError(
            f"{str(revision)[:80]!a} is no revision of a repository.",
            hint="give a branch, a tag or a commit",
            code="bad-setting",
        ) from None


def _senseless(request: Any, what: str) -> HubtoolsError:
    return HubtoolsError(
        f"The Hub's answer to {request.method} {request.url.path[:200]} makes no sense: {what}.",
        hint="check HF_ENDPOINT; try again later",
        code="hub-failed",
    )
