"""Uploads by Xet: what a client sends is kept in an area of its own until its files are put
together, and a while longer, since the client leaves out later what it has sent before.

An area belongs to one user and one repository, and is gone an hour after its last token, and when
the Hub stops: its address is never used again, and so no client believes that something is there.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO

from hubtools.localhub.problems import Problem
from hubtools.localhub.xetformat import Chunks, XetFile, chunks_of
from hubtools.rooted import Root

LIFETIME = 3600  # seconds a token is good for
_MOST_CHUNKS = 4_000_000  # of an area: 70 MB of memory, usually 250 GB of files
_FOLDER = "xet"
_AREA = re.compile(r"[0-9a-f]{32}")


@dataclass
class Area:
    """What one user sends to one repository."""

    key: str
    token: str
    repo: int
    user: str
    until: float  # of time.time()
    files: dict[str, XetFile] = field(default_factory=dict)  # those that are unpacked right now
    xorbs: dict[str, Chunks] = field(default_factory=dict)
    session: Any = None  # of the client's library, once something had to be unpacked
    unpacking: threading.Lock = field(default_factory=threading.Lock)

    @property
    def chunks(self) -> int:
        """How many are known, in all xorbs."""
        return sum(map(len, self.xorbs.values()))


class Areas:
    """All of a Hub, below `xet` in its folder."""

    def __init__(self, place: Root) -> None:
        self._place = place
        self._areas: dict[str, Area] = {}
        self._lock = threading.Lock()
        if place.is_folder(_FOLDER):  # of a killed process; we hold the lock of the root
            for name in place.list(_FOLDER):
                if _AREA.fullmatch(name) and place.is_folder(f"{_FOLDER}/{name}"):
                    place.remove_tree(f"{_FOLDER}/{name}")

    def open(self, repo: int, user: str) -> Area:
        """The area of a user and a repository, its time begun anew."""
        now = time.time()
        self._drop(lambda area: area.until < now)
        with self._lock:
            for area in self._areas.values():
                if (area.repo, area.user) == (repo, user):
                    area.until = now + LIFETIME
                    return area
            area = Area(secrets.token_hex(16), secrets.token_hex(32), repo, user, now + LIFETIME)
            self._areas[area.key] = area
            return area

    def find(self, key: str) -> Area | None:
        """The area of that key, if its time is not over."""
        area = self._areas.get(key)
        return area if area is not None and area.until >= time.time() else None

    def clear(self) -> None:
        """Drop them all."""
        self._drop(lambda area: True)

    def _drop(self, over: Callable[[Area], bool]) -> None:
        with self._lock:
            gone = [key for key, area in self._areas.items() if over(area)]
            for key in gone:
                del self._areas[key]
        for key in gone:
            self._place.remove_tree(f"{_FOLDER}/{key}")

    def keep(self, area: Area, xorb: str, data: IO[bytes], size: int) -> bool:
        """Keep a xorb of `size` bytes; False if it was there. Raises `NotXet`, and `Problem` 413
        for more of them than an area may have."""
        if xorb in area.xorbs:
            return False
        chunks = chunks_of(data, size)
        if area.chunks + len(chunks) > _MOST_CHUNKS:
            raise Problem(413, "These are more chunks than this Hub keeps in an hour")
        data.seek(0)
        part = f"{_FOLDER}/{area.key}/{secrets.token_hex(8)}.part"
        with self._place.create(part) as file:
            shutil.copyfileobj(data, file, 1 << 20)
        self._place.rename(part, _name(area, xorb), replace=True, sync=False)
        area.xorbs[xorb] = chunks
        return True

    def opened(self, area: Area, xorb: str) -> BinaryIO:
        """The bytes of a xorb. Raises `FileNotFoundError`."""
        return self._place.opened(_name(area, xorb))


def _name(area: Area, xorb: str) -> str:
    return f"{_FOLDER}/{area.key}/{xorb}"
