"""`/ns/name/resolve/main/path`: a file's bytes, whole or in part, with the headers the client
caches by. Never as HTML: what somebody uploaded must not run in a browser as a page of this Hub."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from hubtools.localhub.access import check_gate, repo_of
from hubtools.localhub.http import Call, Router
from hubtools.localhub.model import Content, Moved, Repo
from hubtools.localhub.problems import Problem, repo_not_found

_BLOCK = 1 << 20
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
}
_TEXT_WORDS = (
    ".txt .md .jsonl .csv .tsv .yaml .yml .toml .ini .cfg .py .js .css .html .htm .xml .log .sh"
    " .gitattributes .gitignore"
)
_TEXT = _TEXT_WORDS.split()
# Even an SVG opened by itself may not run scripts.
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox"


def content_type(path: str) -> str:
    """The media type a file is served with; never one a browser executes."""
    name = PurePosixPath(path).name.lower()
    suffix = PurePosixPath(name).suffix
    if suffix in _TYPES:
        return _TYPES[suffix]
    if suffix in _TEXT or name in _TEXT or name in ("license", "notice", "dockerfile"):
        return "text/plain; charset=utf-8"
    return "application/octet-stream"


def page_key(call: Call, repo: Repo) -> str:
    """The key a page puts into links to the files of a private repository: whoever may open the
    page may see its pictures, and a browser sends no token."""
    return call.hub.store.sign("page", repo.id)


def _readable(call: Call) -> Repo:
    key = call.text("key")
    if key and call.hub.open_pages:
        moved: Moved | None = None
        try:
            repo = call.hub.store.find(call.params["kind"], call.params["ns"], call.params["name"])
        except Moved as error:
            moved, repo = error, error.repo
        if repo is None or not call.hub.store.signed(key, "page", repo.id):
            raise repo_not_found(call.user is None)
        if moved is not None:
            raise moved
        return repo
    repo = repo_of(call)
    check_gate(call, repo)
    return repo


def resolve(call: Call) -> Response:
    """A file at a revision."""
    repo = _readable(call)
    snapshot = call.hub.store.snapshot(repo, call.params["rev"])
    path = call.params["path"]
    file, content = call.hub.store.open(snapshot, path)
    name = PurePosixPath(path).name
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    how = "attachment" if call.flag("download") else "inline"
    headers = {
        "ETag": f'"{file.etag}"',
        "X-Repo-Commit": snapshot.commit.oid,
        "Accept-Ranges": "bytes",
        "Content-Type": content_type(path),
        "Content-Disposition": f"{how}; filename*=UTF-8''{quote(name)}; filename=\"{plain}\"",
        "Content-Security-Policy": _SANDBOX,
    }
    if file.sha256 is not None:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
    if call.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return ranged(call, content, headers)


def ranged(call: Call, content: Content, headers: dict[str, str]) -> Response:
    """`content`, or the one range of it that was asked for. Raises `Problem` 416."""
    start, end, status = 0, content.size, 200
    if call.headers.get("if-range") in (None, headers["ETag"]) and (
        asked := call.range(content.size)
    ):
        start, end = asked
        status = 206
        headers = headers | {"Content-Range": f"bytes {start}-{end - 1}/{content.size}"}
    headers = headers | {"Content-Length": str(end - start)}
    if call.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if content.data is not None:
        return Response(content.data[start:end], status, headers)
    try:
        # Opened now: a file deleted later on stays readable to the end.
        source = content.open()
    except FileNotFoundError:
        raise Problem(404, "Entry not found", code="EntryNotFound") from None
    return StreamingResponse(_blocks(source, start, end), status, headers)


async def _blocks(source: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `start` to `end`; the next ones are read while the last are sent."""
    source.seek(start)
    left = end - start
    ahead = asyncio.ensure_future(run_in_threadpool(source.read, min(_BLOCK, left)))
    try:
        while block := await ahead:  # empty if truncated under our hands: a short answer
            left -= len(block)
            if not left:
                yield block
                break
            ahead = asyncio.ensure_future(run_in_threadpool(source.read, min(_BLOCK, left)))
            yield block
    finally:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await ahead  # a file that is being read cannot be closed
        source.close()


def add_routes(router: Router) -> None:
    for prefix, kind in (("datasets/", "dataset"), ("spaces/", "space"), ("", "model")):

        def handler(call: Call, kind: str = kind) -> Response:
            call.params["kind"] = kind
            return resolve(call)

        for word in ("resolve", "raw"):
            router.add("GET", f"{prefix}{{ns}}/{{name}}/{word}/{{rev}}/{{path*}}", handler)
    for word in ("resolve", "raw"):
        router.add("GET", f"api/{{kinds}}/{{ns}}/{{name}}/{word}/{{rev}}/{{path*}}", resolve)
