"""What one file of a release tells: whoever opens it asks all that is to be known of its bytes.

Rules on secrets, people, positions, kinds and pointers each need a file's bytes. A hundred thousand
pictures would be opened a million times; so each is read once, and the rules are answered from what
was noted then.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import BinaryIO, cast

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.private.besides import besides, private_in
from hubtools.dataset.pictures.private.reading import Private
from hubtools.dataset.text.positions import columns_of
from hubtools.leaks.stream import is_text
from hubtools.publish.content import SMALL
from hubtools.publish.contents import Kind, Leak, scan
from hubtools.publish.contents.containers import packing
from hubtools.publish.contents.keepers import keeps_secrets
from hubtools.publish.contents.people import is_picture
from hubtools.publish.kinds import unexpected

# Large, and no place for pictures.
_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".gguf", ".onnx", ".npy", ".npz")
_TABLES = (".jsonl", ".ndjson", ".json", ".geojson", ".csv", ".tsv", ".txt")
_TABLE = 1 << 20  # bytes of a table that are looked at
_HEAD = 4096
_KNOWN: dict[tuple[str, bool], Private] = {}  # by hash, and whether it is called weights
_MOST_KNOWN = 1 << 17
_UNTOLD = Private()


@dataclass(frozen=True)
class Reading:
    """What a file holds that must not be published (`leaks`), what it tells about people
    (`private`, and `beside`: that of a file beside pictures), which of its names are of a kind that
    nobody expects (`odd`: name, why), the columns with positions (`columns`), and whether it is a
    Git LFS `pointer`."""

    leaks: tuple[Leak, ...] = ()
    private: Private = _UNTOLD
    beside: str | None = None
    odd: tuple[tuple[str, str], ...] = ()
    columns: str | None = None
    pointer: bool = False


_NOTHING = Reading()


def read(
    names: Sequence[str],
    stored: str,
    size: int,
    sha256: str | None,
    repo_type: str,
    file: BinaryIO,
) -> Reading:
    """Read a file of `size` bytes to its end: by its name and the others that it goes by. `stored`:
    what it is called on this disk; `sha256`: its hash, if it is known. Raises `OSError` only where
    `file` itself does."""
    if size <= SMALL and not isinstance(file, io.BytesIO):
        file = io.BytesIO(file.read(size + 1))  # a search looks at most places several times
    leaks = tuple(_leaks(names, size, file))
    file.seek(0)
    head = file.read(_HEAD)
    beside = next((one.what for one in besides([Entry(names[0], size, 0)], _again(file))), None)
    told = Reading(
        leaks,
        _private(stored, sha256, head, file),
        beside,
        tuple(_odd(names, repo_type, head)),
        _columns(names[0], file),
        100 <= size <= 200 and head.startswith(b"version https://git-lfs"),
    )
    return told if told != _NOTHING else _NOTHING  # a hundred thousand are one


def _again(file: BinaryIO) -> Callable[[str], BinaryIO]:
    """Opens what is open already, from its start, and leaves it open."""

    def open(_: str) -> BinaryIO:
        file.seek(0)
        return cast("BinaryIO", nullcontext(file))

    return open


def _leaks(names: Sequence[str], size: int, file: BinaryIO) -> Iterator[Leak]:
    yield from scan(names[0], file, size)
    for name in names[1:]:
        if (why := keeps_secrets(name, file)) is not None:
            yield Leak(Kind.SECRET, names[0], why[0], None, False, why[1])


def _private(name: str, sha256: str | None, head: bytes, file: BinaryIO) -> Private:
    # by its content: size and time of a file are what its owner wants them to be
    known = (sha256 or "", name.lower().endswith(_WEIGHTS))
    if sha256 is not None and known in _KNOWN:
        return _KNOWN[known]
    looked = is_picture(head) or not (packing(head) is not None or is_text(head) or known[1])
    told = private_in(name, _again(file)) if looked else _UNTOLD
    if sha256 is not None:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[known] = told
    return told


def _odd(names: Sequence[str], repo_type: str, head: bytes) -> Iterator[tuple[str, str]]:
    for name in names:
        # what is stored by its hash has no ending
        if name != names[0] and "." not in name.rpartition("/")[2].strip("."):
            continue
        if (why := unexpected(repo_type, name, head)) is not None:
            yield name, why


def _columns(name: str, file: BinaryIO) -> str | None:
    if not name.lower().endswith(_TABLES):
        return None
    file.seek(0)
    return columns_of(file.read(_TABLE).decode("utf-8", "replace")) or None
