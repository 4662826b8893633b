"""Pictures are written by a thread of its own while the next ones are drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from hubtools.inference.png import save_picture
from hubtools.manifest import SampleRecord
from hubtools.rooted import Root

if TYPE_CHECKING:
    from PIL import Image

_MOST = 16  # pictures that wait to be written


class Writer:
    """Writes pictures and their records, one after the other in the order of `add`.

    `saved(place, record)` is called in the caller's thread, in that order, once both files are on
    the disk. What fails is raised there as well, by the next `look` or `add` or at the end. If the
    block is left by an exception, what was drawn is still written and told.
    """

    def __init__(self, folder: Root, saved: Callable[[int, SampleRecord], None]) -> None:
        self._folder, self._saved = folder, saved
        self._thread = ThreadPoolExecutor(1, "pictures")
        self._waiting: deque[tuple[int, SampleRecord, Future[None]]] = deque()

    def add(self, place: int, image: Image.Image, record: SampleRecord) -> None:
        """Write `image` to the file that `record` names; waits if too many wait."""
        while len(self._waiting) >= _MOST:
            self._tell()
        task = self._thread.submit(save_picture, image, self._folder, record)
        self._waiting.append((place, record, task))

    def look(self) -> None:
        """Tell of what has been written since; waits for nothing."""
        while self._waiting and self._waiting[0][2].done():
            self._tell()

    def _tell(self) -> None:
        place, record, task = self._waiting.popleft()
        task.result()
        self._saved(place, record)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while self._waiting:
                # the exception under way says more than a later one would
                with suppress(*([Exception] if kind else [])):
                    self._tell()
        finally:
            self._thread.shutdown()
