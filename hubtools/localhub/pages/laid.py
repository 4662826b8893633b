"""What an outlook says of a repository, whose files are laid out as a folder for it."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from hubtools.errors import HubtoolsError
from hubtools.findings import Finding
from hubtools.localhub.model import Snapshot
from hubtools.localhub.outlook import Outlook, Reading
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store
from hubtools.rooted import Root

_MOST_FILES, _MOST_BYTES = 50_000, 4 << 30  # of a dataset that is read for its page
_HEAD = 1 << 20  # bytes of a large file that checks of a card may look at
_BLOCK = 1 << 20
_KEPT = 4
T = TypeVar("T")


@dataclass
class _Shelf(Generic[T]):
    """The last few answers to one question, and the folders that they read from."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: OrderedDict[tuple[int, str], tuple[T, contextlib.ExitStack]] = field(
        default_factory=OrderedDict
    )

    def get(self, snapshot: Snapshot, ask: Callable[[contextlib.ExitStack], T]) -> T:
        key = (snapshot.repo.id, snapshot.commit.oid)
        with self.lock:
            if key not in self.known:
                with contextlib.ExitStack() as stack:
                    answer = ask(stack)
                    self.known[key] = answer, stack.pop_all()
                while len(self.known) > _KEPT:
                    self.known.popitem(last=False)[1][1].close()
            self.known.move_to_end(key)
            return self.known[key][0]

    def has(self, snapshot: Snapshot) -> bool:
        return (snapshot.repo.id, snapshot.commit.oid) in self.known

    def clear(self) -> None:
        with self.lock:
            while self.known:
                self.known.popitem()[1][1].close()


def _as_typed(found: Finding, folder: Path) -> Finding:
    """A finding with FOLDER, which the reader fills in, for the folder that was laid out."""
    made = f"{folder.parent.name}/{folder.name}"
    if made not in found.message and made not in (found.fix or ""):
        return found
    place = re.compile(rf"'[^'`]*{re.escape(made)}'|[^\s'`]*{re.escape(made)}(?![\w.-])")
    fix = None if found.fix is None else place.sub("FOLDER", found.fix)
    return replace(found, message=place.sub("FOLDER", found.message), fix=fix)


class Judged:
    """Asks an outlook about snapshots, once each."""

    def __init__(self, store: Store, outlook: Outlook) -> None:
        self._store, self._outlook = store, outlook
        self._cards: _Shelf[Sequence[Finding]] = _Shelf()
        self._files: _Shelf[Sequence[Finding]] = _Shelf()
        self._datasets: _Shelf[Reading] = _Shelf()

    def card(self, snapshot: Snapshot) -> Sequence[Finding]:
        """What is wrong with the card; nothing if it cannot be judged."""
        return self._findings(self._cards, snapshot, self._outlook.card)

    def files(self, snapshot: Snapshot) -> Sequence[Finding]:
        """What speaks against files being there; nothing if they cannot be judged."""
        return self._findings(self._files, snapshot, self._outlook.files)

    def _findings(
        self,
        shelf: _Shelf[Sequence[Finding]],
        snapshot: Snapshot,
        ask: Callable[[Path, str], Sequence[Finding]],
    ) -> Sequence[Finding]:
        def asked(stack: contextlib.ExitStack) -> Sequence[Finding]:
            if len(snapshot.files) > _MOST_FILES:
                return ()
            with contextlib.suppress(HubtoolsError), self._folder(snapshot, whole=False) as folder:
                found = ask(folder, snapshot.repo.kind)
                return found if snapshot.repo.mount else [_as_typed(one, folder) for one in found]
            return ()

        return shelf.get(snapshot, asked)

    def dataset(self, snapshot: Snapshot) -> Reading:
        """The rows and the findings of a dataset. Raises `Problem` if it cannot be read."""
        size = sum(file.size for file in snapshot.files.values())
        if len(snapshot.files) > _MOST_FILES or size > _MOST_BYTES:
            raise Problem(413, "This dataset is too large to be looked at here.")

        def asked(stack: contextlib.ExitStack) -> Reading:
            try:
                folder = stack.enter_context(self._folder(snapshot, whole=True))
                found = self._outlook.dataset(folder)
            except HubtoolsError as error:
                raise Problem(422, error.message) from None
            if snapshot.repo.mount:
                return found
            told = [_as_typed(one, folder) for one in found.findings]
            return replace(found, findings=told)

        return self._datasets.get(snapshot, asked)

    def records(self, snapshot: Snapshot, *, read: bool) -> Sequence[Finding]:
        """What is found in a dataset; nothing of one that cannot be read, or that nobody has read
        yet unless it is to be `read`."""
        if not read and not self._datasets.has(snapshot):
            return ()
        try:
            return self.dataset(snapshot).findings
        except Problem:
            return ()

    @contextmanager
    def _folder(self, snapshot: Snapshot, *, whole: bool) -> Iterator[Path]:
        """The folder of a mount; else one with the files of the snapshot, of the large ones the
        beginning unless `whole`."""
        if snapshot.repo.mount is not None:
            yield snapshot.repo.mount.folder
            return
        with self._store.blobs.view() as made, made.inside(snapshot.repo.name, create=True) as root:
            for name, file in snapshot.files.items():
                self._put(snapshot, name, root, file.size if whole else _HEAD)
            yield root.path

    def _put(self, snapshot: Snapshot, name: str, root: Root, most: int) -> None:
        # deleted for good: checks say that it is missing; two names may be one on this disk
        with contextlib.suppress(Problem, FileExistsError):
            file, content = self._store.open(snapshot, name)
            with content.open() as source, root.create(name) as target:
                left = min(most, file.size)
                while left and (block := source.read(min(left, _BLOCK))):
                    left -= target.write(block)
                os.ftruncate(target.fileno(), file.size)

    def close(self) -> None:
        """Delete the folders."""
        for shelf in (self._cards, self._files, self._datasets):
            shelf.clear()
