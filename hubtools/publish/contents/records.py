"""Names and values in SQLite databases and in pickles. No pickle is opened: its strings are listed
as `pickletools` reads them, which calls nothing."""

from __future__ import annotations

import contextlib
import io
import pickletools
import re
from collections.abc import Iterator
from typing import IO

from hubtools.publish.contents.member import Budget, Member, NotOpened

_SQLITE = b"SQLite format 3\0"
_MOST = 64 << 20  # bytes of a database that are held
_TEXTS = 16 << 20  # bytes of lines
_CELL = 2000
_STEPS = 2_000  # times ten thousand instructions of SQLite's machine
# How pickles begin: of protocol 2 to 5, and of those before.
_PICKLE = re.compile(
    rb"\x80[\x02-\x05]|\((?:[dlt]p\d{1,3}\n|[dlt]?\}?q\0)|[\]})]q\0"
    rb"|c(?:copy_reg|collections|__builtin__|builtins|numpy[\w.]{0,30})\n"
)


def records(file: IO[bytes], head: bytes, budget: Budget) -> Iterator[Member]:
    """Each table, or the strings of a pickle, as a file of lines. Raises `NotOpened` if it cannot
    be read."""
    if head.startswith(_SQLITE):
        yield from _tables(file, budget)
    elif _PICKLE.match(head):
        yield _strings(file, budget)


def _tables(file: IO[bytes], budget: Budget) -> Iterator[Member]:
    """Nothing of the database is run: views and triggers are not asked, and its schema is not
    trusted (https://www.sqlite.org/security.html)."""
    try:
        import sqlite3
    except ImportError:
        raise NotOpened("the database can only be read with Python's sqlite3 module") from None
    file.seek(0)
    data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise NotOpened(f"the tables of a database of more than {_MOST >> 20} MB are not read")
    budget.take(len(data))
    # one that was left with a write-ahead log says so in its header, and asks for that file
    data = data[:18] + b"\1\1" + data[20:]
    steps = iter(range(_STEPS))
    base = sqlite3.connect(":memory:")
    try:
        base.deserialize(data)
        base.text_factory = lambda value: value.decode("utf-8", "replace")
        base.execute("PRAGMA trusted_schema=OFF")
        base.execute("PRAGMA cell_size_check=ON")
        base.execute("PRAGMA query_only=ON")
        base.set_progress_handler(lambda: next(steps, None) is None, 10_000)
        found = base.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
        ).fetchmany(1000)
        for (name,) in found:
            quoted = str(name).replace('"', '""')
            asked = f'SELECT * FROM "{quoted}"'  # noqa: S608 - a name cannot be a parameter
            yield _lines(str(name), base.execute(asked), budget)
    except (sqlite3.Error, ValueError, OverflowError, MemoryError) as error:
        raise NotOpened(f"the database is damaged ({str(error)[:80]})") from None
    finally:
        base.close()


def _lines(name: str, rows: object, budget: Budget) -> Member:
    out, size = io.BytesIO(), 0
    header = [column[0] for column in rows.description]  # type: ignore[attr-defined]
    for row in (header, *_some(rows)):
        cells = [" ".join(_text(cell)[:_CELL].replace("\t", " ").split("\n")) for cell in row]
        line = ("\t".join(cells) + "\n").encode("utf-8", "replace")
        size += len(line)
        if size > _TEXTS:
            break
        out.write(line)
    budget.take(size)
    out.seek(0)
    return Member(f"table {name}", out)


def _some(rows: object) -> Iterator[tuple[object, ...]]:
    yield from rows  # type: ignore[misc]


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell[:_CELL].decode("utf-8", "replace")
    return "" if cell is None else str(cell)


def _strings(file: IO[bytes], budget: Budget) -> Member:
    """Two strings in one line where one follows the other: of a dict, the key and its value."""
    file.seek(0)
    data = file.read(_MOST)
    out, before, size = io.BytesIO(), "", 0
    with contextlib.suppress(ValueError, IndexError, UnicodeError, OverflowError, KeyError):
        for code, value, _ in pickletools.genops(data):
            if isinstance(value, bytes) and len(value) <= _CELL:
                value = value.decode("utf-8", "replace")
            if not isinstance(value, str) or "GLOBAL" in code.name:
                continue
            text = " ".join(value[:_CELL].split())
            line = f'{before[:100]}: "{text}"\n'.encode("utf-8", "replace")
            size += len(line)
            if size > _TEXTS:
                break
            out.write(line)
            before = text.replace('"', "")
    budget.take(size)
    out.seek(0)
    return Member("(strings)", out)
