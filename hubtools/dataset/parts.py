"""Partial results: a dataset checked in pieces, on as many machines as there are.

What is found of one picture depends on nothing but its bytes. A job of an array therefore looks at
its share of the pictures (`Part`: by a hash of their names, so that all jobs agree) and writes the
facts down; `merge` puts the pieces together and goes on as if it had looked at all pictures itself.
Nothing else is reduced: the rules see the same table, in the same order.

A partial file is

    hubtools partial\\n     what it is
    32 hex digits           XXH3-128 of all that follows
    a line of JSON          form, engine, byteorder, source, fingerprint, part [i, n], total,
                            count, texts, and the length in bytes of each part
    parts                   `names`, parted by NUL bytes, and the columns of `PictureTable`

`form` grows by one when that changes, `engine` when the same bytes would be judged otherwise.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from hubtools.causes import cannot_be
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.folder.part_file import MAGIC
from hubtools.dataset.pictures.packed import pack, unpack
from hubtools.dataset.pictures.probe import ENGINE
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.scan.daft_engine import engine_named
from hubtools.dataset.scan.scanning import scan_source
from hubtools.dataset.sources.model import Contents, Source
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath, check_replaceable, read_within
from hubtools.leaks import without_password
from hubtools.rooted.outputs import writing_over

if TYPE_CHECKING:
    from hubtools.dataset.pictures.table import PictureTable
    from hubtools.findings import Report

_FORM = 1
_MOST_SHARES = 999_999
_MOST = 1 << 30  # bytes of a partial result


@dataclass(frozen=True)
class Part:
    """Share `number` (from 1) of `of`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """`2/5`. Raises `UsageError`."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(
                f"{text!r} is no share.", hint="write i/n with i from 1 to n, e.g. --shard 2/5"
            )
        return cls(int(match[1]), int(match[2]))

    def has(self, entry: Entry) -> bool:
        """Whether a picture is in this share; its name decides."""
        name = entry.name.encode("utf-8", "surrogateescape")
        return xxhash.xxh3_64_intdigest(name) % self.of == self.number - 1


@dataclass(frozen=True)
class Written:
    """What `validate_part` wrote: `pictures` of `total` are in `path`."""

    path: Path
    pictures: int
    total: int


@shared_guard()
def validate_part(
    source: StrPath | Source,
    part: Part | str,
    path: StrPath,
    *,
    engine: str = "local",
    on_picture: Callable[[int, int], None] | None = None,
) -> Written:
    """Look at one share of the pictures of a dataset and write a partial result to `path`.

    `engine`: local or daft. Raises `HubtoolsError` if there is no such source.
    """
    _check_free(path)
    part = Part.parse(part) if isinstance(part, str) else part
    opened = open_source(source)
    contents, table = scan_source(
        opened, time.time_ns(), part.has, on_picture=on_picture, engine=engine_named(engine)
    )
    head = {
        "form": _FORM,
        "engine": ENGINE,
        "byteorder": sys.byteorder,
        "source": opened.name,
        "where": _where(source),
        "fingerprint": _fingerprint(contents),
        "part": [part.number, part.of],
        "total": len(contents.pictures),
        "count": len(table),
        "texts": table.texts,
    }
    parts = {"names": os.fsencode("\0".join(table.names)), **table.dump()}
    with writing_over(Path(path), _check_free) as file:
        file.writelines(pack(MAGIC, head, parts))
    return Written(Path(path), len(table), len(contents.pictures))


def _check_free(path: StrPath) -> None:
    check_replaceable(path, "a partial result", lambda data: data.startswith(MAGIC))


def _where(source: StrPath | Source) -> str | None:
    if not isinstance(source, (str, os.PathLike)):
        return None
    if "://" in str(source):
        return without_password(str(source))
    return str(Path(source).absolute())


def _fingerprint(contents: Contents) -> str:
    """Equal for the same pictures by name and size. Times are left out: copies of a folder on two
    machines are one dataset."""
    digest = xxhash.xxh3_128()
    for name, size in sorted((entry.name, entry.size) for entry in contents.pictures):
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


# --- merging -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    path: Path
    head: dict[str, Any]
    table: PictureTable


def _read(path: Path) -> _Piece:
    try:
        data = read_within(path, _MOST)
    except OSError as error:
        raise cannot_be("read", path, error) from None
    try:
        head, parts = unpack(MAGIC, data)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise HubtoolsError(
            f"{path} is no partial result, or a damaged one.",
            hint="write it again: `hubtools validate SOURCE --shard i/n --partial FILE`",
            code="wrong-kind",
        ) from None
    if (head.get("form"), head.get("engine"), head.get("byteorder")) != (
        _FORM,
        ENGINE,
        sys.byteorder,
    ):
        raise HubtoolsError(
            f"{path} was written by another version of hubtools, or on another kind of machine.",
            hint="write all of them with one version",
            code="other-version",
        )
    try:
        _check_head(head)
        names = os.fsdecode(parts.pop("names")).split("\0")[: head["count"]]
        return _Piece(path, head, PictureTable.load(names, head["texts"], parts))
    except (ValueError, KeyError, TypeError):
        raise HubtoolsError(f"{path} is a damaged partial result.", code="file-damaged") from None


def _check_head(head: dict[str, Any]) -> None:
    """Raises `ValueError` if a partial result does not say what it is of."""
    number, of = head["part"]
    texts = (*head["texts"], head["where"])
    if (
        not all(type(one) is int for one in (number, of, head["count"], head["total"]))
        or not 1 <= number <= of <= _MOST_SHARES
        or head["count"] < 0
        or not all(isinstance(head[key], str) for key in ("source", "fingerprint"))
        or not all(one is None or isinstance(one, str) for one in texts)
    ):
        raise ValueError("its head makes no sense")


def merge_parts(
    partials: Sequence[StrPath],
    source: StrPath | Source | None = None,
    settings: Any = None,
    **options: Any,
) -> Report:
    """The report that `validate` gives, from the partial results of all shares.

    `source` is where the dataset lies now; default where the first of them found it. Its metadata
    is read, and those pictures that may be copies of each other. Other `options` are those of
    `validate`. Raises `HubtoolsError` if a share is missing, comes twice, or is of other data.
    """
    from hubtools.dataset.validate import validate

    if not partials:
        raise UsageError("There is nothing to merge.", hint="give the files of all shares")
    pieces = [_read(Path(path)) for path in partials]
    _check(pieces)
    where = source if source is not None else pieces[0].head.get("where")
    if where is None:
        raise UsageError("Where the pictures lie is not known.", hint="give the source as well")
    # the file may be a stranger's, and so the address; the Hub is asked anyway
    if source is None and "://" in str(where) and not str(where).startswith("hf://"):
        raise UsageError(
            f"The pictures lie at {where}, as {pieces[0].path} says; no address is asked because"
            " a file says so.",
            hint="if you mean that place, give it as the source, last",
        )
    return validate(where, settings, scan=partial(_together, pieces), **options)


def _check(pieces: Sequence[_Piece]) -> None:
    first = pieces[0]
    shares: dict[int, Path] = {}
    for piece in pieces:
        sources = piece.head["source"], first.head["source"]
        # a copy on another machine may have another name; another commit is other data
        far = any("://" in source for source in sources)
        if piece.head["fingerprint"] != first.head["fingerprint"] or (
            far and sources[0] != sources[1]
        ):
            raise HubtoolsError(
                f"{piece.path} is of other data than {first.path}"
                f" ({sources[0]}{f', {sources[1]}' if sources[0] != sources[1] else ', changed'}).",
                hint="merge what was made of one dataset, while it did not change",
                code="file-changed",
            )
        number, of = piece.head["part"]
        if of != first.head["part"][1]:
            raise HubtoolsError(
                f"{piece.path} is share {number} of {of}, {first.path} one of"
                f" {first.head['part'][1]}.",
                hint="merge shares that were cut alike",
                code="nothing-there",
            )
        if number in shares:
            raise HubtoolsError(
                f"{piece.path} and {shares[number]} are both share {number} of {of}.",
                hint="give each share once",
                code="nothing-there",
            )
        shares[number] = piece.path
    of = first.head["part"][1]
    missing = [str(number) for number in range(1, of + 1) if number not in shares]
    if missing:
        told = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise HubtoolsError(
            f"Of {of} shares, {told} {'is' if len(missing) == 1 else 'are'} missing.",
            hint=f"hubtools validate SOURCE --shard {missing[0]}/{of} --partial FILE",
        )


def _together(
    pieces: Sequence[_Piece], source: Source, begun_ns: int, **_: Any
) -> tuple[Contents, PictureTable]:
    import numpy as np

    for _read_by in source.first() or ():
        pass
    contents = source.look()
    if _fingerprint(contents) != pieces[0].head["fingerprint"]:
        raise HubtoolsError(
            f"{source.name} is not what {pieces[0].path} was made of, or has changed since.",
            hint="give the right source, or check all shares again",
            code="file-changed",
        )
    table = PictureTable.joined([piece.table for piece in pieces])
    rows = [table.rows.get(entry.name, -1) for entry in contents.pictures]
    if -1 in rows or len(rows) != len(table):
        raise HubtoolsError(
            f"The shares do not hold all pictures of {source.name}.",
            hint="check them again",
            code="nothing-there",
        )
    return contents, table.taken(np.array(rows, dtype=np.int64))
