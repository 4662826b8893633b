"""Metadata files that no loader would read, or that it would read as something else."""

from __future__ import annotations

import csv
import io
import json
import random
from typing import Any

from hostile.texts import spoilt, word

NAMES = ("metadata.jsonl", "metadata.jsonl", "metadata.csv", "metadata.parquet")


def value(random: random.Random, depth: int = 0) -> Any:
    """Something that JSON can hold."""
    what = random.randrange(12)
    if what < 6:
        return word(random)
    if what == 6:
        return random.choice([0, -1, 2**63, 10**400, 0.1, 1e308, float("nan"), float("inf")])
    if what == 7:
        return random.choice([None, True, False])
    if what < 10 and depth < 3:
        return [value(random, depth + 1) for _ in range(random.randrange(3))]
    if depth < 3:
        return {word(random): value(random, depth + 1) for _ in range(random.randrange(3))}
    return "x"


def records(random: random.Random, names: list[str]) -> list[dict[str, Any]]:
    """A record for most of the names."""
    found = []
    for name in names:
        if random.random() < 0.15:
            continue
        record: dict[str, Any] = {}
        key = random.choice(["file_name"] * 8 + ["filename", "image", "File_Name", "file_names"])
        record[key] = name if random.random() < 0.85 else value(random)
        record[random.choice(["text"] * 6 + ["prompt", word(random)])] = (
            f"tok, {name[:9]}" if random.random() < 0.6 else value(random)
        )
        if random.random() < 0.3:
            extra = random.choice(["mask_file_name", "image", "label", word(random)])
            record[extra] = random.choice([name, value(random)])
        found += [record] * random.choice([1, 1, 1, 1, 2])
    return found


def written(random: random.Random, rows: list[dict[str, Any]], name: str) -> bytes:
    """The records in some form, that of the name or another."""
    if name.endswith(".parquet"):
        return _parquet(random, rows)
    form = random.choice(["lines", "lines", "spread", "array", "commas", "csv"])
    if name.endswith(".csv") and random.random() < 0.9:
        form = "csv"
    if form == "csv":
        return _csv(random, rows)
    ascii_only = random.random() < 0.3
    texts = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    if form == "spread":
        texts = [json.dumps(row, indent=1, ensure_ascii=ascii_only) for row in rows]
    text = {"array": "[" + ",\n".join(texts) + "]", "commas": ",\n".join(texts)}.get(
        form, "\n".join(texts)
    )
    if random.random() < 0.05:
        text += '\n{"a": ' + "[" * 100_000
    return (text + random.choice(["\n", "", "\r\n", "\n\n"])).encode("utf-8", "surrogatepass")


def _csv(random: random.Random, rows: list[dict[str, Any]]) -> bytes:
    header = list(dict.fromkeys(key for row in rows for key in row)) or ["file_name"]
    if random.random() < 0.2:
        header.insert(random.randrange(len(header) + 1), random.choice(["", header[0], " x "]))
    out = io.StringIO()
    style = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(out, delimiter=random.choice(",,,;\t"), quoting=style)
    writer.writerow(header)
    for row in rows:
        cells = [row.get(key, "") for key in header]
        if random.random() < 0.05:
            cells = cells[: random.randrange(len(cells) + 1)] + ["more"] * random.randrange(3)
        writer.writerow(cells)
    return out.getvalue().encode("utf-8", "surrogatepass")


def _parquet(random: random.Random, rows: list[dict[str, Any]]) -> bytes:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet

        out = io.BytesIO()
        parquet.write_table(arrow.Table.from_pylist(rows), out)
        return out.getvalue()
    except Exception:  # Arrow cannot hold everything
        return b"PAR1" + random.randbytes(60) + b"PAR1"


def hostile(random: random.Random) -> tuple[str, bytes]:
    """(name, bytes) of a metadata file about pictures that need not be there."""
    name = random.choice(NAMES)
    rows = records(random, [f"{n}.png" for n in range(random.randrange(6))])
    data = written(random, rows, name)
    return name, spoilt(random, data) if random.random() < 0.6 else data
