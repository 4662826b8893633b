"""Texts and bytes in columns of parquet and arrow files, some rows at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import IO, Any

from hubtools.leaks.headers import name_and_value, telling
from hubtools.patterns import regex
from hubtools.publish.contents.member import Budget, Member, NotOpened

# Rows that are read together, bytes of them by their average, and bytes of one value that are read.
_ROWS, _TOGETHER, _VALUE = 256, 32 << 20, 64 << 20
_GAP = 24  # bytes that hold nothing packed
_PIECE = 256 << 20  # what a piece of a column may say it unpacks to


def rows(kind: str, file: IO[bytes], budget: Budget) -> Iterator[Member]:
    """Each column's texts, batch by batch, and each cell of bytes as a file of its own. Raises
    `NotOpened` if it cannot be read on."""

    try:
        import pyarrow
    except ImportError:
        raise NotOpened(
            f"the {kind} file can only be read with pyarrow: pip install 'hf-hubtools[shards]'"
        ) from None
    try:
        number = 1
        for batch in _batches(kind, file, budget):
            budget.take(min(batch.nbytes, _PIECE))
            if places := _places(batch):
                yield Member("", places=places)
            names = [str(name) for name in batch.schema.names]
            for name, column in zip(names, batch.columns, strict=True):
                yield from _column(name, column, number)
            yield from _pairs("", names, batch.columns, number)
            number += batch.num_rows
        if kind == "parquet":
            yield from uncovered(file)
    except pyarrow.ArrowException as error:
        said = str(error).split("\n")[0][:80]
        raise NotOpened(f"the {kind} file is damaged ({said})") from None


def _batches(kind: str, file: IO[bytes], budget: Budget) -> Iterator[Any]:
    import pyarrow

    if kind == "parquet":
        yield from _of_parquet(file, budget)
    elif kind == "arrow":
        reader = pyarrow.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from pyarrow.ipc.open_stream(file)


def _of_parquet(file: IO[bytes], budget: Budget) -> Iterator[Any]:
    """Values that repeat are kept as a dictionary: a small file may hold many copies of one."""
    import pyarrow
    from pyarrow import parquet

    size = file.seek(0, 2)
    file.seek(0)
    table = parquet.ParquetFile(file, pre_buffer=False)
    schema, metadata = table.schema, table.metadata
    texts = [
        schema.column(number).path
        for number in range(metadata.num_columns)
        if schema.column(number).physical_type == "BYTE_ARRAY"
    ]
    table = parquet.ParquetFile(file, pre_buffer=False, read_dictionary=texts, buffer_size=1 << 16)
    together = _ROWS
    for group in range(metadata.num_row_groups):
        piece = metadata.row_group(group)
        each = piece.total_byte_size // max(1, piece.num_rows)
        together = max(1, min(together, _TOGETHER // max(1, each)))
        for number in range(metadata.num_columns):
            said = piece.column(number).total_uncompressed_size
            if said > _PIECE and said > 40 * size:
                raise NotOpened("a column of the parquet file unpacks to far more than the file")
    for batch in table.iter_batches(batch_size=together, use_threads=False):
        yield pyarrow.RecordBatch.from_arrays(batch.columns, schema=batch.schema)
    keys = metadata.metadata or {}
    if keys:
        pair = [
            f"{k.decode('utf-8', 'replace')} = {v.decode('utf-8', 'replace')}"
            for k, v in keys.items()
            if k != b"ARROW:schema"
        ]
        yield pyarrow.RecordBatch.from_pydict({"(file)": pair})


_PLACE = regex(r"(?i)(?:^|[_.: ])(?:gps|geo)?_?(?:lat|lon|lng|long|latitude|longitude)\Z")
_IN_ONE = regex(r"(?i)gps|geo|location|lat_?l|place|position|coord")


def _places(batch: Any) -> str:
    """Columns whose names are those of positions, a line of JSON each row."""
    from pyarrow import types

    chosen = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        kind = column.type
        plain = types.is_dictionary(kind) or types.is_primitive(kind) or types.is_string(kind)
        nested = types.is_struct(kind) or types.is_list(kind) or types.is_fixed_size_list(kind)
        if (_PLACE.search(str(name)) or _IN_ONE.search(str(name))) and (plain or nested):
            chosen[str(name)] = column.slice(0, 64) if nested else column
    rows = zip(*(_values(column) for column in chosen.values()), strict=False)
    return "\n".join(json.dumps(dict(zip(chosen, row, strict=True)), default=str) for row in rows)


_CELL = 2000  # letters of a value that may have its name in another column


def _pairs(where: str, names: list[str], columns: list[Any], first: int) -> Iterator[Member]:
    """Values of one column whose names, of secrets, stand in another."""
    pair = name_and_value(names)
    if pair is None:
        return
    called, held = pair
    rows = zip(_texts(columns[called]), _texts(columns[held]), strict=False)
    texts = [
        (first + number, f'{name}="{value}"')
        for number, (name, value) in enumerate(rows)
        if name and value and len(value) <= _CELL and telling(name)
    ]
    if texts:
        yield Member(f"{where}{names[held]}", texts=texts)


def _texts(column: Any) -> list[str | None]:
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)):
        return []
    return _values(column)


def _column(name: str, column: Any, first: int) -> Iterator[Member]:
    """Texts of a column, in whatever it is nested, and its bytes."""
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        yield from _of_dictionary(name, column, first)
    elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        texts = [(first + n, text) for n, text in enumerate(_values(column)) if text]
        if texts:
            yield Member(name, texts=texts)
    elif (
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    ):
        for number, data in enumerate(_values(column)):
            if data:
                yield Member(f"{name}, row {first + number}", io.BytesIO(data[:_VALUE]))
        if telling(name.rpartition(".")[2]):
            texts = [
                (first + number, data.decode("utf-8", "replace"))
                for number, data in enumerate(_values(column))
                if data and len(data) <= _CELL
            ]
            yield from [Member(name, texts=texts)] if texts else []
    elif types.is_struct(kind) or types.is_union(kind):
        names = [str(kind.field(number).name) for number in range(kind.num_fields)]
        parts = [column.field(number) for number in range(kind.num_fields)]
        for part, values in zip(names, parts, strict=True):
            yield from _column(f"{name}.{part}", values, first)
        if types.is_struct(kind):
            yield from _pairs(f"{name}.", names, parts, first)
    elif types.is_run_end_encoded(kind):
        yield from _column(name, column.values, first)
    elif (
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
    ):
        inner = column.flatten()
        if types.is_integer(inner.type) and len(inner) and (data := _as_bytes(inner)):
            yield Member(f"{name}, from row {first}", io.BytesIO(data[:_VALUE]))
        yield from _column(name, inner, first)
    elif types.is_map(kind):
        yield from _column(name, column.keys, first)
        yield from _column(name, column.items, first)
        yield from _pairs(f"{name}.", ["key", "value"], [column.keys, column.items], first)
    elif hasattr(column, "storage"):
        yield from _column(name, column.storage, first)


def _as_bytes(numbers: Any) -> bytes:
    """Bytes that were written as numbers; none if one of them is too large for that."""
    import numpy

    values = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    if values.dtype.itemsize > 1:
        if values.min() < 0 or values.max() > 255:
            return b""
        values = values.astype(numpy.uint8)
    return bytes(values.tobytes())


def uncovered(file: IO[bytes]) -> Iterator[Member]:
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
        if start - place > _GAP:
            file.seek(place)
            yield Member("(between its columns)", io.BytesIO(file.read(min(start - place, _VALUE))))
        place = max(place, stop)


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        import pyarrow

        return [v.decode("latin-1") if v else v for v in column.cast(pyarrow.binary()).to_pylist()]


def _of_dictionary(name: str, column: Any, first: int) -> Iterator[Member]:
    """Each value once, at the first row that has it."""

    places: dict[int, int] = {}
    for number, index in enumerate(column.indices.to_pylist()):
        if index is not None:
            places.setdefault(index, first + number)
    texts = []
    for place, value in zip(
        places.values(), _values(column.dictionary.take(list(places))), strict=True
    ):
        if isinstance(value, str):
            texts.append((place, value))
        elif value:
            yield Member(f"{name}, row {place}", io.BytesIO(value[:_VALUE]))
            if len(value) <= _CELL and telling(name.rpartition(".")[2]):
                texts.append((place, value.decode("utf-8", "replace")))
    if texts:
        yield Member(name, texts=texts)
