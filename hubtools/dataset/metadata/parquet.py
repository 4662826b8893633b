"""Parquet: all rows, where it is one, and where they fit.

A few kilobytes of parquet can unpack to gigabytes, and its footer need not tell: what it says is
read by a worker process, which has a limit on its memory and hands over what fits.
"""

from __future__ import annotations

import json
from typing import Any

from hubtools.dataset.metadata.bounded import Budget
from hubtools.dataset.metadata.model import Kind, MetadataFile, Row, Trouble
from hubtools.dataset.metadata.parquet_rows import ROWS
from hubtools.dataset.workers.guarded import run_in_worker
from hubtools.files import human_bytes

_FIX = "write fewer or shorter values, or several datasets"


def read_parquet(data: bytes, size: int, budget: Budget, found: MetadataFile) -> None:
    """`size`: bytes of the whole file, where `data` is only its beginning."""
    try:
        import pyarrow.ipc  # noqa: F401
    except ImportError:
        _tell(
            found,
            "reading parquet needs pyarrow, which is not installed",
            "pip install 'hf-hubtools[train]'",
        )
        return
    if size > len(data):
        _tell(found, f"the file has {human_bytes(size)}; it is not read", _FIX, Kind.TOO_LARGE)
        return
    answer = run_in_worker(ROWS, data, json.dumps([budget.cost, budget.records]))
    if not isinstance(answer, dict):
        reason = getattr(answer, "reason", "its reader gave no answer")
        _tell(found, f"is not read: {reason}", _FIX, Kind.TOO_LARGE)
        return
    if "error" in answer:
        _tell(found, f"is not a readable parquet file: {answer['error']}", "write it again")
        return
    found.columns = answer["columns"]
    found.types = answer["types"]
    if "told" in answer:
        _tell(found, answer["told"], _FIX, Kind.TOO_LARGE)
    budget.cost -= answer["cost"]
    _take(answer["rows"], found)


def _take(stream: bytes, found: MetadataFile) -> None:
    import pyarrow as arrow

    with arrow.ipc.open_stream(arrow.py_buffer(stream)) as reader:
        for batch in reader:
            rows: list[dict[str, Any]] = batch.to_pylist()
            found.rows.extend(Row(found.name, None, values) for values in rows)


def _tell(found: MetadataFile, what: str, fix: str, kind: Kind = Kind.PARQUET) -> None:
    found.troubles.append(Trouble(kind, what, fix=fix))
