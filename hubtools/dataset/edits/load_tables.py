"""Read a metadata file as a table that can be changed, with what is broken repaired where that is
certain."""

from __future__ import annotations

from collections import Counter

from hubtools.dataset.edits.read_csv import read_csv
from hubtools.dataset.edits.read_jsonl import read_jsonl, stays
from hubtools.dataset.edits.tables import BEYOND, IS_PARQUET, REPAIRED, Form, Record, Table
from hubtools.dataset.metadata import Kind, MetadataFile, known_or_read
from hubtools.dataset.text.codepages import decode_text

RULE_OF = {
    Kind.JSON: "D101",
    Kind.MULTI_LINE: "D102",
    Kind.ARRAY: "D103",
    Kind.NOT_OBJECT: "D104",
    Kind.DUPLICATE_KEY: "D105",
    Kind.ENCODING: "D106",
    Kind.EMPTY: "D107",
    Kind.CSV_COLUMNS: "D108",
    Kind.CSV_QUOTE: "D109",
    Kind.CSV_HEADER: "D110",
    Kind.CSV_DELIMITER: "D111",
    Kind.PARQUET: "D112",
    Kind.TOO_LARGE: "D124",
    Kind.LIMIT: "D125",
    Kind.COLUMNS: "D126",
}


def troubles_of(found: MetadataFile) -> Counter[str]:
    """Rule ids of what the reader found wrong with a file, counted."""
    return Counter(RULE_OF[trouble.kind] for trouble in found.troubles)


def load_table(
    name: str,
    data: bytes,
    *,
    caption: str,
    resolve_doubt: bool,
    source: str | None = None,
    encoding: str | None = None,
    guess: bool = False,
    known: MetadataFile | None = None,
) -> Table:
    """Read a metadata file as far as it can be understood; `name` says how (its ending).

    `resolve_doubt`: of two different values under one key take the last, drop what cannot be read.
    `encoding`, `guess`: as `decode_text` has them.
    `known`: what the reader has made of the file before; it counts where the bytes are the same.
    What the reading alone has repaired is in `notes`, and `changed` says that it has.
    """

    source = source or name
    ending = name.rpartition(".")[2]
    if ending == "parquet":
        found = known_or_read(name, data, known)
        if found.partial:
            return Table(name, source, "parquet", locked=BEYOND)
        records = [Record(row.values) for row in found.rows]
        return Table(name, source, "parquet", records, locked=IS_PARQUET)
    form: Form = "csv" if ending == "csv" else "jsonl"
    table = Table(name, source, form)
    found = known_or_read(name, data, known)
    if found.partial:
        table.locked = BEYOND
        return table
    text = decode_text(data, encoding, guess=guess)
    # what is written must be read again as the same
    if text is None or decode_text(text.encode("utf-8", "replace")) != text:
        table.locked = (
            "its encoding is not certain; say it: --caption-encoding NAME, or"
            " dataset.caption_encoding"
        )
        return table
    last: MetadataFile | None = None  # what was made of what would be written
    if form == "csv":
        read_csv(text, table, caption, resolve_doubt)
        _settle(table, caption, resolve_doubt)
    else:
        table.records = read_jsonl(text, name, resolve_doubt, found)
        for _ in range(4):  # what is left when commas are gone may be an array, or nothing
            again = table.render()
            if again == data:
                break
            last = known_or_read(name, again, last)
            if stays(again, last):
                break
            records = read_jsonl(again.decode("utf-8"), name, resolve_doubt, last)
            if Table(name, source, form, records).render() == again:
                break
            table.records = records
        else:
            table.locked = "its records can be read in more than one way"
    written = table.render() if table.locked is None else b""
    if decode_text(written) != written.decode("utf-8"):
        table.locked = "its encoding is unknown"
    if table.locked is None:
        before = troubles_of(found)
        after = before if written == data else troubles_of(known_or_read(name, written, last))
        for rule in sorted(before - after):
            if rule != "D107":  # nothing is left to write; the planner decides
                unread = rule == "D101" and resolve_doubt
                table.touch(rule, REPAIRED[rule] + (", remove what is beyond it" if unread else ""))
    return table


def _settle(table: Table, caption: str, resolve_doubt: bool) -> None:
    """Read what would be written until it stays as it is: a row that was put together, or a quote
    that was taken away, may make others readable."""

    before: bytes | None = None
    for _ in range(4):
        data = table.render()
        if table.locked is not None or data == before:
            return
        again = Table(table.name, table.source, "csv")
        read_csv(data.decode("utf-8"), again, caption, resolve_doubt)
        before, table.locked = data, again.locked
        table.header, table.records = again.header, again.records
    table.locked = "its rows can be read in more than one way"
