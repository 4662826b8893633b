"""How long files of a Hub are, as it said itself, and whether the disk has room for them."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hubtools.errors import HubtoolsError
from hubtools.patterns import regex

_ADDRESSES = 100_000  # that are remembered
_LEFT = 100_000_000  # bytes of the disk that no download takes
_LOOK = 1 << 26  # bytes that are written between two looks at it
_TREE = regex(r"(.*)/api/(models|datasets|spaces)/([^/]+(?:/[^/]+)?)/tree/([^/]+)\Z")


class Sizes:
    """Sizes in bytes by the addresses that files are fetched from."""

    def __init__(self) -> None:
        self._lock, self._known = threading.Lock(), dict[str, int]()

    def note(self, answer: Any, request: Any) -> None:
        """Keep what an answer to `HEAD` says of the file, here and where it leads on to."""
        said = answer.headers.get("x-linked-size", "")
        onward = answer.headers.get("location", "")
        if not said and not onward and answer.status_code == 200:
            said = answer.headers.get("content-length", "")
        if answer.status_code >= 400 or not re.fullmatch(r"\d{1,18}", said):
            return
        self._keep(str(request.url), int(said))
        if onward:
            self._keep(str(request.url.join(onward)), int(said))

    def note_tree(self, entries: Any, request: Any) -> None:
        """Keep what an answer of the API says, if it is a list of files."""
        address = str(request.url).partition("?")[0]
        if (tree := _TREE.match(address)) is None:
            return
        kind = "" if tree[2] == "models" else f"/{tree[2]}"
        folder = f"{tree[1]}{kind}/{tree[3]}/resolve/{tree[4]}/"
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("type") == "file":
                name, size = entry.get("path"), entry.get("size")
                if isinstance(name, str) and type(size) is int and 0 <= size < 10**18:
                    self._keep(folder + quote(name), size)

    def of(self, request: Any, below: Any) -> int | None:
        """Bytes of the file that is asked for; the Hub is asked over `below` if it has not said
        yet. None if it does not say."""
        import httpx2

        with self._lock:
            known = self._known.get(str(request.url))
        if known is not None or "/resolve/" not in request.url.path:
            return known
        headers = [(name, value) for name, value in request.headers.items() if name != "range"]
        asks = httpx2.Request(
            "HEAD", request.url, headers=headers, extensions=dict(request.extensions)
        )
        answer = below.handle_request(asks)
        answer.close()
        self.note(answer, asks)
        with self._lock:
            return self._known.get(str(request.url))

    def _keep(self, address: str, size: int) -> None:
        with self._lock:
            self._known[address] = size
            while len(self._known) > _ADDRESSES:
                del self._known[next(iter(self._known))]


SIZES = Sizes()


def refuse_without_room(size: int) -> None:
    """Raises `HubtoolsError` if the disk of the client's cache has no room for so many bytes."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    place = next((folder for folder in (cache, *cache.parents) if folder.is_dir()), None)
    free = None if place is None else shutil.disk_usage(place).free
    if free is not None and size + _LEFT > free:
        more = size + _LEFT - free
        what = f"A download of {size:,} bytes" if size else "The rest of a download"
        raise HubtoolsError(
            f"{what} does not fit on the disk of {cache}: {free:,} bytes are free, of which"
            f" {_LEFT:,} are to stay free.",
            hint=f"free {more:,} bytes more, or set HF_HOME to a folder on another disk",
            code="disk-full",
        )


def with_room(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same blocks, as long as the disk has room."""
    written = 0
    for block in blocks:
        written += len(block)
        if written > _LOOK:
            refuse_without_room(0)
            written = 0
        yield block
