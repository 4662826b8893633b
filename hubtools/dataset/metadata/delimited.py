"""CSV: rows of fields, and where quotes, commas and headers go wrong."""

from __future__ import annotations

import csv
import io
from typing import Any

from hubtools.dataset.folder.listing import PICTURE_ENDINGS
from hubtools.dataset.metadata.model import Kind, MetadataFile, Row, Trouble
from hubtools.limits import COLUMNS


def read_csv(text: str, found: MetadataFile) -> None:
    header_line = text.split("\n", 1)[0].rstrip("\r")
    if "," not in header_line and (";" in header_line or "\t" in header_line):
        mark = ";" if ";" in header_line else "\t"
        found.troubles.append(
            Trouble(
                Kind.CSV_DELIMITER,
                f"columns are separated by {'semicolons' if mark == ';' else 'tabs'}, not commas",
                1,
                header_line.index(mark) + 1,
                "save it as comma-separated values",
            )
        )
    else:
        mark = ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=False)
    header: list[str] | None = None
    try:
        begin = 1
        for fields in reader:
            line, begin = begin, reader.line_num + 1
            if header is None and len(fields) > COLUMNS:
                found.troubles.append(
                    Trouble(
                        Kind.COLUMNS,
                        f"there are {len(fields):,} columns, and files of up to {COLUMNS:,} are"
                        " read; this one is not",
                        line,
                        fix="remove columns",
                    )
                )
                return
            if header is None:
                header = column_names(fields)
                found.columns = header
                found.nameless = [
                    made for made, name in zip(header, fields, strict=True) if made != name.strip()
                ]
                for name in fields:
                    if name != name.strip():
                        found.troubles.append(
                            Trouble(
                                Kind.CSV_HEADER,
                                f"the column {name!r} has spaces around its name",
                                1,
                                fix="remove the spaces",
                            )
                        )
                continue
            if not fields:
                continue
            if len(fields) != len(header):
                long = len(fields) > len(header)
                found.troubles.append(
                    Trouble(
                        Kind.CSV_COLUMNS,
                        f"{len(fields)} fields for {len(header)} columns",
                        line,
                        fix='put texts that hold a comma into "double quotes"' if long else None,
                    )
                )
                if long:
                    continue
            if any(swallows_rows(value) for value in fields):
                found.troubles.append(
                    Trouble(
                        Kind.CSV_QUOTE,
                        "a quote is opened here and closed lines later; the rows between are lost",
                        line,
                        fix='close the quote; a quote inside a text is written ""',
                    )
                )
            values: dict[str, Any] = dict(zip(header, fields, strict=False))
            found.rows.append(Row(found.name, line, values))
    except csv.Error as error:
        found.troubles.append(Trouble(Kind.CSV_QUOTE, str(error), reader.line_num))


def column_names(header: list[str]) -> list[str]:
    """Names of the columns of a CSV file, without spaces around them. One without a name, or with
    that of another, gets the name that pandas (and so the loader) gives it."""
    names: dict[str, None] = {}
    last: dict[str, int] = {}  # number given to a name, so that none is tried twice
    for place, name in enumerate(header):
        base = name.strip() or f"Unnamed: {place}"
        made = base
        while made in names:
            last[base] = last.get(base, 0) + 1
            made = f"{base}.{last[base]}"
        names[made] = None
    return list(names)


def swallows_rows(value: str) -> bool:
    """True for a field of several lines that read as rows: an open quote has swallowed them."""
    lines = value.split("\n")[1:]
    names = (line.partition(",")[0].strip().lower() for line in lines)
    return len(lines) > 3 or any(name.endswith(tuple(PICTURE_ENDINGS)) for name in names)
