"""Read metadata.jsonl, .csv and .parquet without ever stopping at the first mistake.

The `datasets` loader names neither file nor line when a record is broken. Here every record that
can be read is read, and what cannot is a `Trouble` with its place.
"""

from __future__ import annotations

from itertools import filterfalse
from operator import itemgetter
from pathlib import Path

from hubtools.causes import advice_on, is_at_limit
from hubtools.dataset.folder.listing import Entry, Listing
from hubtools.dataset.metadata.bounded import Budget, settle, within
from hubtools.dataset.metadata.delimited import read_csv
from hubtools.dataset.metadata.jsonl import read_jsonl, read_plain_jsonl
from hubtools.dataset.metadata.model import Kind, MetadataFile, Trouble
from hubtools.dataset.metadata.parquet import read_parquet
from hubtools.dataset.text.codepages import belief_of
from hubtools.files import open_regular


def read_metadata(
    where: Path | Listing, entry: Entry, budget: Budget | None = None
) -> MetadataFile:
    """Read the file `entry` of a folder or a listing, as far as `budget` allows. Never raises for
    its contents; unreadable files are a trouble."""
    budget = budget or Budget()
    try:
        if isinstance(where, Path):
            opened = open_regular(where / entry.name)
        else:
            opened = where.open(entry.name)
        with opened as file:
            # the beginning of a table has records; that of a parquet file says nothing
            beyond = entry.ending == ".parquet" and entry.size > budget.cost + 1
            data = b"" if beyond else file.read(budget.cost + 1)
    except OSError as error:
        if is_at_limit(error):
            raise  # this machine is at its limits; the file may be whole
        found = MetadataFile(entry)
        reason = error.strerror or str(error)
        what = f"cannot be read: {reason}"
        found.troubles.append(Trouble(Kind.ENCODING, what, fix=advice_on(reason)))
        return found
    return parse_metadata(entry, data, budget, max(entry.size, len(data)))


def read_all_metadata(listing: Listing) -> tuple[MetadataFile, ...]:
    """All metadata files of a listing, as far as one budget allows."""
    budget = Budget()
    return tuple(read_metadata(listing, entry, budget) for entry in listing.metadata)


def parse_metadata(
    entry: Entry, data: bytes, budget: Budget | None = None, size: int = 0
) -> MetadataFile:
    """Read a metadata file from its bytes; the ending of `entry` says how. Never raises. `size`:
    bytes of the whole file, where `data` is only its beginning."""
    budget = budget or Budget()
    found = MetadataFile(entry, data=data)
    if entry.ending == ".parquet":
        read_parquet(data, max(size, len(data)), budget, found)
    else:
        found.data = data = within(data, max(size, len(data)), budget, found)
        _read_text(data, found)
    columns = dict.fromkeys(found.columns)
    known = set(columns)
    # while it runs, `known` grows
    for values in filterfalse(known.issuperset, map(itemgetter(2), found.rows)):
        known.update(values)
        columns.update(dict.fromkeys(values))
    found.columns = list(columns)
    settle(budget, found)
    return found


def known_or_read(name: str, data: bytes, known: MetadataFile | None) -> MetadataFile:
    """What the reader makes of the file `name` of these bytes, which may be `known`."""
    if known is not None and known.name == name and known.data == data:
        return known
    return parse_metadata(Entry(name, len(data), 0), data)


def _read_text(data: bytes, found: MetadataFile) -> None:
    if not data[:4096].strip() and not data.strip():
        _nothing_in(found)
    elif found.entry.ending == ".csv":
        text = _decode(data, found)
        if text is not None and not _nothing_in(found, text):
            read_csv(text, found)
    else:
        told = len(found.troubles)
        lines = read_plain_jsonl(data, found)
        if lines is not None:
            later = found.troubles[told:]
            del found.troubles[told:]
            text = _decode(data, found)
            found.troubles += later
            if text is not None and not _nothing_in(found, text):
                read_jsonl(text, found, lines)


def _nothing_in(found: MetadataFile, text: str = "") -> bool:
    """True, and told, if `text` is blank."""
    if text.strip():
        return False
    if found.partial:
        return True
    found.troubles.append(
        Trouble(Kind.EMPTY, "holds no record", 1, fix="write one record a picture")
    )
    return True


def _decode(data: bytes, found: MetadataFile) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data[:200].count(b"\0") > 20:
        found.troubles.append(
            Trouble(Kind.ENCODING, "is UTF-16, which no loader reads", fix="save it as UTF-8")
        )
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        belief = belief_of(data)
        likely = ""
        if belief is not None:
            likely = f"; it {'is' if belief.sure else 'may be'} {belief.title}: {belief.evidence}"
        fix = "save it as UTF-8"
        if belief is None or not belief.sure:
            name = belief.codec if belief is not None else "NAME"
            fix += f" (`hubtools fix --caption-encoding {name}`, if it is that)"
        found.troubles.append(
            Trouble(
                Kind.ENCODING,
                f"byte 0x{data[error.start]:02x} is not UTF-8{likely}",
                line,
                column,
                fix,
            )
        )
        return data.decode("utf-8", errors="replace")
