"""Xet over HTTP, as far as uploads need it: the client chunks, compresses and sends; the files are
put together here at once, by the client's own library, and kept as Git LFS objects like any other.

https://huggingface.co/docs/xet/en/api describes the addresses. Downloads stay plain HTTP.
"""

from __future__ import annotations

import hmac
import importlib.util
import threading
from collections.abc import Callable, Iterator
from functools import partial
from io import SEEK_END
from typing import Any

from starlette.responses import Response

from hubtools.localhub.access import check_contribute, check_write, repo_of
from hubtools.localhub.downloads import ranged
from hubtools.localhub.http import XET, Call, Check, Router, answer
from hubtools.localhub.model import Content
from hubtools.localhub.names import is_sha256
from hubtools.localhub.problems import Problem
from hubtools.localhub.xet import Area
from hubtools.localhub.xetformat import (
    LARGEST_SHARD,
    LARGEST_XORB,
    NotXet,
    XetFile,
    parse_shard,
    plain_bytes,
)

STALLED = 60.0  # seconds in which nothing was unpacked
_LATER = {"Retry-After": "1"}
# A shard waits for requests that are answered by the same threads.
_shards = threading.BoundedSemaphore(8)


class _Stalled:
    """Calls `act` once nothing has moved for `seconds` (at most twice that)."""

    def __init__(self, seconds: float, act: Callable[[], object]) -> None:
        self._seconds, self._act = seconds, act
        self._moved, self._over = False, threading.Event()
        threading.Thread(target=self._watch, name="xet-stalled", daemon=True).start()

    def moves(self) -> None:
        self._moved = True

    def over(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._seconds):
            if not self._moved:
                self._act()
                return
            self._moved = False


def write_token(call: Call) -> Response:
    repo = repo_of(call)
    if call.flag("create_pr") or call.params["rev"].startswith("refs/pr/"):
        user = check_contribute(call, repo)
    else:
        check_write(call, repo)
        user = call.require_user()
    if importlib.util.find_spec("hf_xet") is None:
        raise Problem(501, "This Hub runs without hf_xet: set HF_HUB_DISABLE_XET=1 for plain HTTP")
    area = call.hub.store.xet.open(repo.id, user.name)
    url, until = _url(call, area), int(area.until)
    headers = {
        "X-Xet-Cas-Url": url,
        "X-Xet-Access-Token": area.token,
        "X-Xet-Token-Expiration": str(until),
    }
    return answer({"casUrl": url, "accessToken": area.token, "exp": until}, headers=headers)


def read_token(call: Call) -> Response:
    repo_of(call)
    raise Problem(501, "This Hub hands out files by plain HTTP, not by Xet")


def _url(call: Call, area: Area) -> str:
    return call.url(f"{XET}/{area.key}")


def _area(call: Call) -> Area:
    """The area of the address. Raises `Problem` 401 without its token."""
    area = call.hub.store.xet.find(call.params["area"])
    _, _, token = call.headers.get("authorization", "").partition(" ")
    if area is None or not hmac.compare_digest(area.token.encode(), token.strip().encode()):
        raise Problem(401, "This Xet token is not valid (any more)")
    return area


def _at_most(size: int) -> Check:
    """Who may send, and how much of one thing: nothing is kept of anybody else."""

    def check(call: Call, come: int) -> None:
        _area(call)
        if come > size:
            raise Problem(413, f"The request is larger than {size >> 20} MiB.")

    return check


def _hash(call: Call) -> str:
    if not is_sha256(call.params["hash"]):
        raise Problem(400, "This is no hash of Xet")
    return call.params["hash"]


def known_chunk(call: Call) -> Response:
    """Which other file has that chunk: none that this client has not sent itself."""
    _area(call)
    raise Problem(404, "Send it")


def xorb(call: Call) -> Response:
    area, name = _area(call), _hash(call)
    body = call.body
    assert body is not None
    try:
        new = call.hub.store.xet.keep(area, name, body, body.seek(0, SEEK_END))
    except NotXet:
        raise Problem(400, "This is no xorb") from None
    return answer({"was_inserted": new})


def shard(call: Call) -> Response:
    """Put the files of a shard together. Raises `Problem` 400 if they are not what it says."""
    area = _area(call)
    try:
        files = parse_shard(call.bytes(LARGEST_SHARD))
    except NotXet:
        raise Problem(400, "This is no shard") from None
    if not _shards.acquire(blocking=False):
        raise Problem(429, "Too many files at once", headers=_LATER)
    try:
        for file in files:
            _check(area, file)
            if file.sha256 is not None:
                _put_together(call, area, file, file.sha256)
    finally:
        _shards.release()
    return answer({"result": 1})


def _check(area: Area, file: XetFile) -> None:
    for segment in file.segments:
        if segment.xorb not in area.xorbs or segment.end > len(area.xorbs[segment.xorb]):
            raise Problem(400, f"The chunks of {segment.xorb} did not arrive")
        if area.xorbs[segment.xorb].size(segment) != segment.size:
            raise Problem(400, f"The chunks of {segment.xorb} have another size")


def _put_together(call: Call, area: Area, file: XetFile, sha256: str) -> None:
    store = call.hub.store
    if store.has_object(area.repo, sha256, file.size):
        return
    incoming = store.blobs.receive()
    try:
        for block in _blocks(call, area, file):
            incoming.write(block)
        if (incoming.sha256, incoming.size) != (sha256, file.size):
            raise Problem(400, f"What arrived has the SHA-256 {incoming.sha256}, not {sha256}.")
        store.keep_object(area.repo, incoming)
    finally:
        incoming.discard()


def _blocks(call: Call, area: Area, file: XetFile) -> Iterator[bytes]:
    """The bytes of a file, as they stand there, or unpacked by the client's library, which asks
    this Hub for its parts."""
    if all(area.xorbs[segment.xorb].plain(segment) for segment in file.segments):
        for segment in file.segments:
            with call.hub.store.xet.opened(area, segment.xorb) as xorb:
                yield from plain_bytes(xorb, area.xorbs[segment.xorb], segment)
        return
    with area.unpacking:
        area.files[file.hash] = file
        try:
            yield from _unpacked(call, area, file)
        finally:
            del area.files[file.hash]


def _unpacked(call: Call, area: Area, file: XetFile) -> Iterator[bytes]:
    import hf_xet  # type: ignore[import-untyped]

    if area.session is None:  # it has threads of its own; one for all files is enough
        area.session = hf_xet.XetSession()
    # what is no packed chunk is asked for again and again, as if it had been damaged on its way;
    # nothing else wakes who waits for it
    stalled = _Stalled(STALLED, area.session.sigint_abort)
    try:
        group = area.session.new_download_stream_group(
            endpoint=_url(call, area), token=area.token, token_expiry_unix_secs=int(area.until)
        )
        for block in group.download_stream(hf_xet.XetFileInfo(file.hash, file.size)):
            stalled.moves()
            yield block
        group.finish()
    except GeneratorExit:
        raise
    except BaseException as error:  # also the abort's KeyboardInterrupt, and panics of Rust
        area.session = None
        why = f"The chunks that arrived make no file: {error or 'they cannot be unpacked'}"
        raise Problem(400, why) from None
    finally:
        stalled.over()


def reconstruction(call: Call) -> Response:
    """How a file of this area, or the range of it that is asked for, is made of xorbs."""
    area = _area(call)
    file = area.files.get(_hash(call))
    if file is None:
        raise Problem(404, "There is no such file")
    start, end = call.range(file.size) or (0, file.size)
    offset, segments = file.between(start, end)
    parts: dict[str, list[dict[str, Any]]] = {}
    for segment in segments:
        offsets = area.xorbs[segment.xorb].offsets
        parts.setdefault(segment.xorb, []).append(
            {
                "range": {"start": segment.start, "end": segment.end},
                "url": f"{_url(call, area)}/x/{area.token}/{segment.xorb}",
                "url_range": {"start": offsets[segment.start], "end": offsets[segment.end] - 1},
            }
        )
    terms = [
        {
            "hash": segment.xorb,
            "unpacked_length": segment.size,
            "range": {"start": segment.start, "end": segment.end},
        }
        for segment in segments
    ]
    return answer({"offset_into_first_range": offset, "terms": terms, "fetch_info": parts})


def part(call: Call) -> Response:
    """A range of a xorb; the address carries the token."""
    area = call.hub.store.xet.find(call.params["area"])
    name = _hash(call)
    known = area is not None and hmac.compare_digest(area.token, call.params["token"])
    if area is None or not known or name not in area.xorbs:
        raise Problem(404, "There is no such xorb")
    content = Content(
        area.xorbs[name].offsets[-1], opener=partial(call.hub.store.xet.opened, area, name)
    )
    return ranged(call, content, {"ETag": f'"{name}"', "Content-Type": "application/octet-stream"})


def add_routes(router: Router) -> None:
    repo = "api/{kinds}/{ns}/{name}"
    router.add("GET", f"{repo}/xet-read-token/{{rev}}", read_token)
    router.add("GET", f"{repo}/xet-write-token/{{rev}}", write_token)
    area = f"{XET}/{{area}}"
    router.add("GET", f"{area}/v1/chunks/{{prefix}}/{{hash}}", known_chunk)
    router.add("POST", f"{area}/v1/xorbs/{{prefix}}/{{hash}}", xorb, _at_most(LARGEST_XORB))
    router.add("POST", f"{area}/v1/shards", shard, _at_most(LARGEST_SHARD))
    router.add("GET", f"{area}/v1/reconstructions/{{hash}}", reconstruction)
    router.add("GET", f"{area}/x/{{token}}/{{hash}}", part)
