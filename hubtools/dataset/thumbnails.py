"""Pictures at the size in which the page shows them: decoded by the one reader, guarded as all
pictures of strangers are, two at a time, the last one asked for first."""

from __future__ import annotations

import io
import queue
import threading
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from PIL import Image

from hubtools.dataset.pictures.tasks import UPRIGHT
from hubtools.dataset.workers.guarded import run_guarded, shared_guard
from hubtools.dataset.workers.pool import Failure
from hubtools.limits import PICTURE

SMALL, LARGE = 320, 1600  # pixels of the longer side
_THREADS = 2
_LEAVING = 60.0  # seconds for the pictures under way
_KEPT = 96_000_000  # bytes of small pictures in memory; the browser keeps them too

# (name, side, digest): the same again is the same picture
_Asked = tuple[str, int, str]


class Opens(Protocol):
    """What pictures lie in: a folder that never leaves itself."""

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The file of that name, to be read."""


_Job = tuple[Opens, _Asked, Future[bytes | None]]


class Renderer:
    """JPEGs of the pictures of a folder. To be closed."""

    def __init__(self) -> None:
        self._queue: queue.LifoQueue[_Job | None] = queue.LifoQueue()
        self._kept: OrderedDict[_Asked, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, name=f"thumbnails-{number}", daemon=True)
            for number in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def jpeg(self, folder: Opens, name: str, side: int, digest: str) -> bytes | None:
        """The picture, upright, in RGB, its longer side at most `side` pixels; None if it cannot be
        read. Waits for its turn."""
        asked = (name, side, digest)
        with self._lock:
            if asked in self._kept:
                self._kept.move_to_end(asked)
                return self._kept[asked]
        answer: Future[bytes | None] = Future()
        self._queue.put((folder, asked, answer))
        made = answer.result()
        if made is not None and side <= SMALL:
            self._keep(asked, made)
        return made

    def close(self) -> None:
        """End the threads, and the processes that guard them."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:  # a picture that takes longer keeps nobody here
            thread.join(_LEAVING)

    def _keep(self, asked: _Asked, made: bytes) -> None:
        with self._lock:
            if asked not in self._kept:
                self._bytes += len(made)
            self._kept[asked] = made
            while self._bytes > _KEPT:
                _, old = self._kept.popitem(last=False)
                self._bytes -= len(old)

    def _work(self) -> None:
        with shared_guard():
            while (job := self._queue.get()) is not None:
                folder, (name, side, _), answer = job
                try:
                    answer.set_result(_rendered(folder, name, side))
                except Exception:  # nobody must wait for ever
                    answer.set_result(None)


def _rendered(folder: Opens, name: str, side: int) -> bytes | None:
    with folder.open(name) as file:
        data = file.read(PICTURE + 1)
    if len(data) > PICTURE:
        return None
    # its short side at least that of what is shown, where the shape is a usual one
    found = run_guarded(UPRIGHT, data, str(side * 2 // 3))
    if found is None or isinstance(found, Failure):
        return None
    width, height, pixels = found
    picture = Image.frombytes("RGB", (width, height), pixels)
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82)
    return out.getvalue()
