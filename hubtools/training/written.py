"""LoRA files that a run writes over: those that somebody has changed since are kept.

A LoRA has no room for a sum of itself, as equal LoRAs are equal files: the sums of those that a run
has written lie in `.hubtools/written.json` of the run until it is finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from hubtools.models.tensors import dump_tensors
from hubtools.rooted import Root
from hubtools.rooted.outputs import (
    drop_replaced,
    keep_replaced,
    note_written,
    sums_written,
    tell_kept,
)

if TYPE_CHECKING:
    from torch import Tensor


class _Summing:
    """An open file that is written once from its beginning to its end, and its sum."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)


@contextmanager
def written_lora(root: Root, name: str, note: Callable[[str], None]) -> Iterator[BinaryIO]:
    """A file of an open run folder to write, as `Root.replacing`. One that lies there, and is not
    what this run wrote, nor what it writes now, is kept in `.hubtools/replaced` and told."""
    replaced: list[str] = []

    def check() -> None:
        if root.is_file(name) and root.sha256(name) != sums_written(root).get(name):
            replaced.append(keep_replaced(root, name))

    with root.replacing(name, check=check) as file:
        summing = _Summing(file)
        yield cast(BinaryIO, summing)
    now = summing.sha256.hexdigest()  # of the file, somebody may have changed it by now
    note_written(root, name, now)
    for kept in replaced:
        if not drop_replaced(root, name, kept, now):  # else nobody has changed it
            tell_kept(root, name, kept, note)


def written_tensors(root: Root, name: str, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors to a file of an open folder; answers the hex SHA-256 of what was written, which
    another process may have exchanged by now."""
    with root.replacing(name) as file:
        summing = _Summing(file)
        dump_tensors(cast(BinaryIO, summing), tensors)
    return summing.sha256.hexdigest()
