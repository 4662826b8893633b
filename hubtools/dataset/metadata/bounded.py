"""How much of a metadata file is read: what is beyond the limits is left out, and told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubtools.dataset.metadata.model import Kind, MetadataFile, Trouble
from hubtools.dataset.metadata.named import FILE_NAME
from hubtools.files import human_bytes
from hubtools.limits import COLUMNS, DEPTH, LINE, RECORD_COST, RECORDS, json_cost

_PIECE = 1 << 20  # bytes that are weighed together
_SPLIT = "split the dataset into several, or remove what does not belong here"


@dataclass
class Budget:
    """What the metadata files of one dataset may still take together."""

    cost: int = RECORD_COST
    records: int = RECORDS


def within(data: bytes, size: int, budget: Budget, found: MetadataFile) -> bytes:
    """As much of `data` as is read; lines that are too long are blank. `size`: bytes of the whole
    file, of which `data` may be the beginning."""
    cut = size > len(data)
    data = _without_long_lines(data, found)
    start, left = 0, budget.cost
    while start < len(data):
        end = data.find(b"\n", start + _PIECE) + 1 or len(data)
        left -= json_cost(data[start:end])
        if left < 0:
            break
        start, budget.cost = end, left
    if start == len(data) and not cut:
        return data
    line = data.count(b"\n", 0, start) + 1
    budget.cost = 0
    found.troubles.append(
        Trouble(
            Kind.TOO_LARGE,
            f"the file has {human_bytes(size)}, and only {human_bytes(start)} of it are read;"
            f" what begins on line {line} is left out",
            line,
            fix=_SPLIT,
        )
    )
    return data[:start]


def _without_long_lines(data: bytes, found: MetadataFile) -> bytes:
    if len(data) <= LINE:
        return data
    kept: list[bytes] = []
    start = begin = 0
    while len(data) - start > LINE:
        end = data.rfind(b"\n", start, start + LINE + 1) + 1
        if end:
            start = end
            continue
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data.count(b"\n", 0, start) + 1
        found.troubles.append(
            Trouble(
                Kind.LIMIT,
                f"the line has more than {human_bytes(LINE)}, and is not read",
                line,
                fix="write one record a line; a caption has some words",
            )
        )
        kept.append(data[begin:start])
        start = begin = end
    return b"".join([*kept, data[begin:]])


def deepest(value: Any) -> bool:
    """True if lists and objects lie in each other deeper than `DEPTH`."""
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def too_deep(number: int | None) -> Trouble:
    """What is said of a record that is nested too deeply."""
    return Trouble(
        Kind.LIMIT,
        f"lists or objects lie in each other more than {DEPTH} deep; the record is not read",
        number,
        fix="write a flat record: file_name, the caption, and what else there is to say",
    )


def settle(budget: Budget, found: MetadataFile) -> None:
    """Take away rows and columns beyond the limits, once all are read."""
    rows = found.rows
    if len(rows) > budget.records:
        found.troubles.append(
            Trouble(
                Kind.TOO_LARGE,
                f"there are {len(rows):,} records, and {RECORDS:,} of a dataset are read;"
                f" {len(rows) - budget.records:,} of this file are left out",
                rows[budget.records].line,
                fix=_SPLIT,
            )
        )
        del rows[budget.records :]
    budget.records -= len(rows)
    columns = found.columns
    if len(columns) > COLUMNS:
        found.troubles.append(
            Trouble(
                Kind.COLUMNS,
                f"there are {len(columns):,} columns, and {COLUMNS:,} are read;"
                f" {columns[COLUMNS]!a:.80} and those behind it are left out",
                1,
                fix="remove columns; data belongs into the values, not into their names",
            )
        )
        kept = [FILE_NAME] * (FILE_NAME in columns[COLUMNS:]) + columns[:COLUMNS]
        found.columns = kept
        known = set(kept)
        for row in rows:
            if len(row.values) > COLUMNS or not known.issuperset(row.values):
                for name in [name for name in row.values if name not in known]:
                    del row.values[name]
