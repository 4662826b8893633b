"""What a server answers is bounded: one that is no Hub may send any number of bytes, or a few that
unpack to very many.

Answers of the API (but for the log of a job) are read whole, up to `ANSWER` bytes and as many
values as memory has room for.
Of a file, no more is taken than was asked for: the bytes of its `Range`, what the caller says by
the extension `MOST`, or as many as the server has said that it has (the client asks that first, by
`HEAD`). No file is begun that the disk has no room for, and none goes on when there is hardly any
left; what the client has written of it until then it takes away.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.hub.marks import check_said
from hubtools.hub.origins import note_actions
from hubtools.hub.pace import on_the_way, paced, within
from hubtools.hub.sizes import SIZES, refuse_without_room, with_room
from hubtools.limits import ANSWER, JSON_COST, LOG_LINE, json_cost
from hubtools.patterns import regex

MOST = "hubtools.most"  # extension of a request: bytes of the answer, unpacked
_API = "hubtools.api"
_SIZE = "hubtools.size"  # the same, of a file that the client writes to the disk
_BLOCK = 1 << 18
_LONGEST = 900.0  # seconds in which an answer of the API has come, if drop by drop
_LOG = regex(r"/api/jobs/[^/]+/[^/]+/logs$")
_RANGE = regex(r"bytes=(\d{1,18})-(\d{1,18})")


class TooLong(HubtoolsError):
    """An answer of which no more is read."""

    default_code = "hub-failed"


def ask_bounded(request: Any, below: Any) -> None:
    """Before it is sent over `below`: note what bounds the answer, also where the server leads on
    to another address, and ask for no packing that cannot be unpacked bit by bit. Raises
    `HubtoolsError` for a file that the disk has no room for."""
    known = request.extensions
    if request.headers.get("accept-encoding", "") != "identity":
        request.headers["accept-encoding"] = "gzip"
    if MOST in known or _API in known or _SIZE in known:
        return
    path = request.url.path
    if _LOG.search(path):
        known[MOST] = ANSWER  # told line by line for as long as a job runs, so not read ahead
    elif "/api/" in path or "/info/lfs/" in path:
        known[_API] = True
    elif match := _RANGE.fullmatch(request.headers.get("range", "")):
        request.headers["accept-encoding"] = "identity"  # a range of the file, not of its packing
        known[MOST] = max(0, int(match[2]) - int(match[1]) + 1)
    elif request.method == "GET":
        known[_SIZE] = SIZES.of(request, below)
        refuse_without_room(known[_SIZE] or 0)


def bounded(answer: Any, request: Any) -> Any:
    """The answer, unpacked and bounded. Raises `TooLong` for one of the API that is too
    large; others raise it when they are read."""
    import httpx2

    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if request.method == "HEAD":
        SIZES.note(answer, request)
        return answer
    if not isinstance(answer.stream, httpx2.SyncByteStream):
        return answer
    api = _API in request.extensions
    most = ANSWER if api else request.extensions.get(MOST)
    # these are read whole by the client
    if (answer.status_code >= 300 or request.method != "GET") and not api:
        most = ANSWER
    blocks: Iterable[bytes] = answer.stream
    if answer.has_redirect_location:
        blocks = on_the_way(blocks, request)
    elif api:
        blocks = within(_LONGEST, blocks, request)
    elif not _LOG.search(request.url.path):
        blocks = paced(blocks, request)
    if most is None:  # the client writes it to the disk
        most, blocks = request.extensions.get(_SIZE), with_room(blocks)
    below = answer.stream

    class Bounded(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            counted = _counted(_unpacked(blocks, packing, request), most, request)
            return _lined(counted, request) if _LOG.search(request.url.path) else counted

        def close(self) -> None:
            below.close()

    for name in ("content-encoding", "content-length") if packing != "identity" else ():
        if name in answer.headers:
            del answer.headers[name]
    answer.stream = Bounded()
    if api:
        try:
            data = b"".join(answer.stream)
        finally:
            below.close()
        if json_cost(data) > JSON_COST:
            raise _too_much(request, "holds more values than are read")
        said = _parsed(data)
        SIZES.note_tree(said, request)
        note_actions(said, request)
        if answer.status_code < 400:  # the client reads them all
            check_said(said, request)
        answer.stream = httpx2.ByteStream(data)
    return answer


def _parsed(data: bytes) -> Any:
    """None if it is no JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _counted(blocks: Iterable[bytes], most: int | None, request: Any) -> Iterator[bytes]:
    count = 0
    for block in blocks:
        count += len(block)
        if most is not None and count > most:
            raise _too_much(request, f"is longer than {most:,} bytes")
        yield block


def _lined(blocks: Iterable[bytes], request: Any) -> Iterator[bytes]:
    """The client holds a line several times while it is read."""
    count = 0  # bytes of the line that goes on
    for block in blocks:
        first, *others = block.split(b"\n")
        if max([count + len(first), *map(len, others)]) > LOG_LINE:
            raise _too_much(request, f"has a line of more than {LOG_LINE:,} bytes")
        count = len(others[-1]) if others else count + len(first)
        yield block


def _unpacked(blocks: Iterable[bytes], packing: str, request: Any) -> Iterator[bytes]:
    if packing in ("identity", ""):
        yield from blocks
        return
    if packing not in ("gzip", "x-gzip"):
        raise _too_much(request, f"is packed as {packing[:40]!a}, which nobody asked for")
    stream, within = zlib.decompressobj(31), False
    for block in blocks:
        left, within = block, True
        while left or stream.unconsumed_tail:
            try:
                piece = stream.decompress(stream.unconsumed_tail or left, _BLOCK)
            except zlib.error:
                raise _too_much(request, "is damaged") from None
            left = b""
            if piece:
                yield piece
            if stream.eof:
                left = stream.unused_data
                stream, within = zlib.decompressobj(31), bool(left)
    if within:
        raise _too_much(request, "is damaged")


def _too_much(request: Any, what: str) -> TooLong:
    path = request.url.path
    return TooLong(
        f"The Hub's answer to {request.method} {path[:200]} {what}; it is not read.",
        hint="check HF_ENDPOINT; try again later",
    )
