"""Rows of a parquet file, a bounded number at a time: whoever reads rows goes through here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from hubtools.limits import COLUMNS

if TYPE_CHECKING:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

_HELD = 64_000_000  # bytes that are unpacked at once, if each value were the largest
_MOST = 1024  # rows that are
_FEW_BYTES, _FEW = 4_000_000, 64  # bytes by the average, and rows, where rows hold pictures


def open_parquet(file: Any) -> parquet.ParquetFile:
    """A parquet file, by path or open, to be read a few rows at a time. Raises what
    `parquet_errors` lists."""
    import pyarrow.parquet as parquet

    # a small buffer: else a whole column of a row group is read at once
    return parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)


def parquet_errors() -> tuple[type[Exception], ...]:
    """What opening and reading a damaged file raises."""
    import pyarrow as arrow

    return (arrow.ArrowException, OSError, ValueError, EOFError)


def told_of(error: BaseException) -> str:
    """The first line of what Arrow says, without the full stop."""
    if isinstance(error, UnicodeDecodeError) or "Invalid UTF8" in str(error):
        return "a text in it is not UTF-8"
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]


def batches(
    file: parquet.ParquetFile,
    columns: Sequence[str] | None = None,
    *,
    row_groups: Sequence[int] | None = None,
    bound: Literal["largest", "average"] = "largest",
) -> Iterator[arrow.RecordBatch]:
    """The rows in order; `columns` None: all of them. A batch is as many rows as fit into 64 MB if
    each value were as large as a whole piece of its column (`largest`), or about 4 MB by the
    `average` row, for rows that hold pictures."""
    count = _by_largest(file) if bound == "largest" else _by_average(file)
    yield from file.iter_batches(count, row_groups, columns, use_threads=False)


def _by_largest(file: parquet.ParquetFile) -> int:
    whole = file.metadata
    largest = max(
        (
            whole.row_group(group).column(column).total_uncompressed_size
            for group in range(min(whole.num_row_groups, 1000))
            for column in range(min(whole.num_columns, COLUMNS))
        ),
        default=1,
    )
    return max(1, min(_MOST, _HELD // max(1, largest)))


def _by_average(file: parquet.ParquetFile) -> int:
    whole = file.metadata
    size: int = sum(whole.row_group(n).total_byte_size for n in range(whole.num_row_groups))
    return max(1, min(_FEW, _FEW_BYTES * int(whole.num_rows) // (size + 1)))
