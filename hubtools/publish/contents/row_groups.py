"""Row groups of a parquet file, some rows at a time, and what in the file belongs to none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any

from hubtools.publish.contents.holes import HELD
from hubtools.publish.contents.member import Member, NotOpened
from hubtools.publish.contents.unshown import longest

# Rows that are read together, and bytes of them by their average.
_ROWS, _TOGETHER = 256, 32 << 20
_PIECE = 256 << 20  # bytes that a piece of a column may say it unpacks to
_GAP = 24  # bytes that hold nothing packed
_AGAIN = 3  # times that a group is begun anew for some of its columns


def row_batches(file: IO[bytes]) -> Iterator[Any]:
    """Rows of all groups, and what the file says of itself. A value that repeats is kept once, in
    a dictionary, as far as the file does so: a small file may hold many copies of one. Raises
    `NotOpened` where a column unpacks to far more than the file."""
    import pyarrow
    from pyarrow import parquet

    size = file.seek(0, 2)
    file.seek(0)
    table = parquet.ParquetFile(file, pre_buffer=False)
    metadata = table.metadata
    for group in range(metadata.num_row_groups):
        piece = metadata.row_group(group)
        for number in range(metadata.num_columns):
            said = piece.column(number).total_uncompressed_size
            if said > _PIECE and said > 40 * size:
                raise NotOpened("a column of the parquet file unpacks to far more than the file")
    texts = {
        number: table.schema.column(number).path
        for number in range(metadata.num_columns)
        if table.schema.column(number).physical_type == "BYTE_ARRAY"
    }
    for group in range(metadata.num_row_groups):
        for batch in _of_group(file, metadata, group, texts):
            yield pyarrow.RecordBatch.from_arrays(batch.columns, schema=batch.schema)
    pair = [
        f"{k.decode('utf-8', 'replace')} = {v.decode('utf-8', 'replace')}"
        for k, v in (metadata.metadata or {}).items()
        if k != b"ARROW:schema"
    ]
    if pair:
        yield pyarrow.RecordBatch.from_pydict({"(file)": pair})


def _of_group(file: IO[bytes], metadata: Any, group: int, texts: dict[int, str]) -> Iterator[Any]:
    """Writers give a dictionary up where it grows too long, and pyarrow would make a longer one
    with each batch from there on: such a column is read from there as it is."""
    from pyarrow import parquet

    piece = metadata.row_group(group)
    each = piece.total_byte_size // max(1, piece.num_rows)
    together = max(1, min(_ROWS, _TOGETHER // max(1, each)))
    done, plain, begun = 0, set[int](), 0
    while True:
        kept = [path for number, path in texts.items() if number not in plain]
        table = parquet.ParquetFile(
            file, metadata=metadata, pre_buffer=False, read_dictionary=kept, buffer_size=1 << 16
        )
        place, grown = 0, set[int]()
        lengths: dict[int, int] = {}
        for batch in table.iter_batches(batch_size=together, row_groups=[group], use_threads=False):
            leaves = [leaf for column in batch.columns for leaf in leaves_of(column)]
            for number in texts if len(leaves) == metadata.num_columns else ():
                length = _length(leaves[number])
                if number not in plain and length > lengths.setdefault(number, length):
                    grown.add(number)
                    most = longest(leaves[number].dictionary)
                    together = max(1, min(together, _TOGETHER // max(1, most)))
            if grown:
                break
            if place + batch.num_rows > done:
                yield batch.slice(max(0, done - place))
            place += batch.num_rows
            done = max(done, place)
        if not grown:
            return
        begun += 1
        plain |= grown if begun < _AGAIN else set(texts)


def leaves_of(column: Any) -> Iterator[Any]:
    """The columns of values in a nested column, in the order of parquet."""
    from pyarrow import types

    kind = column.type
    if types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from leaves_of(column.field(number))
    elif types.is_map(kind):
        yield from leaves_of(column.keys)
        yield from leaves_of(column.items)
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        yield from leaves_of(column.values)
    elif hasattr(column, "storage"):
        yield from leaves_of(column.storage)
    else:
        yield column


def _length(leaf: Any) -> int:
    """Values in its dictionary."""
    return len(leaf.dictionary) if hasattr(leaf, "dictionary") else 0


def between_columns(file: IO[bytes]) -> Iterator[Member]:
    """Bytes of a parquet file that belong to no column and not to its footer."""
    from pyarrow import parquet

    size = file.seek(0, 2)
    file.seek(size - 8)
    end = size - 8 - int.from_bytes(file.read(4), "little")
    file.seek(0)
    metadata = parquet.ParquetFile(file, pre_buffer=False).metadata
    covered = [(0, 4)]
    for group in range(metadata.num_row_groups):
        piece = metadata.row_group(group)
        for number in range(metadata.num_columns):
            column = piece.column(number)
            starts = [column.data_page_offset, column.dictionary_page_offset or 0]
            start = min(place for place in starts if place > 0) if any(starts) else 0
            covered.append((start, start + column.total_compressed_size))
    place = 0
    for start, stop in [*sorted(covered), (end, end)]:
        yield from gap(file, place, start, "(between its columns)")
        place = max(place, stop)


def gap(file: IO[bytes], start: int, end: int, name: str) -> Iterator[Member]:
    """What stands between two places that nothing else covers."""
    if end - start > HELD:
        yield Member(name, None, f"more than {HELD >> 20} MB of it belong to nothing")
    elif end - start > _GAP:
        file.seek(start)
        if (data := file.read(end - start)).strip(b"\0"):
            yield Member(name, io.BytesIO(data))
