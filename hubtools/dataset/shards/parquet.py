"""Parquet shards as `datasets` reads them: pictures are struct<bytes, path>, the path relative."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hubtools.causes import says_nothing_of_file
from hubtools.dataset.metadata.parquet_batches import (
    batches,
    open_parquet,
    parquet_errors,
    told_of,
)
from hubtools.dataset.shards.held import Form, keys_of, picture_forms, picture_in
from hubtools.dataset.shards.rows import Sample
from hubtools.dataset.shards.stored import Stored
from hubtools.errors import HubtoolsError
from hubtools.files import json_value

if TYPE_CHECKING:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

_KEY = b"hubtools"
# The Hub's viewer reads a row group at once; and as much is held in memory while writing.
ROWS_A_GROUP = 100
BYTES_A_GROUP = 24_000_000


def _picture() -> arrow.DataType:
    import pyarrow as arrow

    return arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])


def parquet_schema(columns: Mapping[str, Any], description: Mapping[str, Any]) -> arrow.Schema:
    """The schema of a shard: `columns` by type (None: pictures), those of pictures first, and what
    `datasets` and hubtools want to know."""
    import pyarrow as arrow

    pictures = [name for name, kind in columns.items() if kind is None]
    fields = [(name, _picture()) for name in pictures]
    fields += [(name, kind) for name, kind in columns.items() if kind is not None]
    # columns that are not named here have the features that their Arrow types stand for
    features = {name: {"_type": "Image"} for name in pictures}
    return arrow.schema(
        fields,
        metadata={
            b"huggingface": json.dumps({"info": {"features": features}}).encode(),
            _KEY: json.dumps({**description, "order": list(columns)}).encode(),
        },
    )


def opened_writer(
    file: BinaryIO, schema: arrow.Schema, pictures: Collection[str]
) -> parquet.ParquetWriter:
    """Arrow's writer as shards want it; `pictures` are the columns that hold them."""
    import pyarrow.parquet as parquet

    plain = [leaf for one in schema if one.name in pictures for leaf in _leaves(one)]
    other = [leaf for one in schema if one.name not in pictures for leaf in _leaves(one)]
    return parquet.ParquetWriter(
        file,
        schema,
        # pictures are compressed already, and neither repeat nor have an order
        compression=dict.fromkeys(plain, "none") | dict.fromkeys(other, "snappy"),
        use_dictionary=other or False,
        write_statistics=other or False,
        write_page_index=True,
        # a picture more or less then changes only the chunks around it on the Hub
        use_content_defined_chunking=True,
    )


class ParquetWriter:
    """Writes row groups of at most 100 rows or 24 MB of pictures."""

    def __init__(self, file: BinaryIO, schema: arrow.Schema, files: Mapping[str, str]) -> None:
        self._schema = schema
        self._files = files  # column -> key
        self._writer = opened_writer(file, schema, files)
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Mapping[str, Any]] = []
        self._names: dict[str, list[str | None]] = {column: [] for column in self._files}
        self._data = {column: bytearray() for column in self._files}
        self._offsets = {column: [0] for column in self._files}

    def add(self, sample: Sample, pictures: Mapping[str, bytes]) -> None:
        """Append a row with the bytes of its pictures, by file column."""
        held = sum(map(len, self._data.values()))
        coming = sum(map(len, pictures.values()))
        if self._rows and (len(self._rows) >= ROWS_A_GROUP or held + coming > BYTES_A_GROUP):
            self._flush()
        self._rows.append(sample.values)
        for column, key in self._files.items():
            self._names[column].append(sample.files.get(key))
            self._data[column] += pictures.get(key, b"")
            self._offsets[column].append(len(self._data[column]))

    def _flush(self) -> None:
        import pyarrow as arrow

        arrays = []
        for field in self._schema:
            if field.name in self._files:
                arrays.append(self._pictures(field.name))
            else:
                values = [row.get(field.name) for row in self._rows]
                arrays.append(arrow.array(values, field.type))
        self._writer.write_table(arrow.Table.from_arrays(arrays, schema=self._schema))
        self._clear()

    def _pictures(self, column: str) -> Any:
        """The column, around the bytes that are there: not copied."""
        import pyarrow as arrow

        names = self._names[column]
        offsets = self._offsets[column]
        if offsets[-1] >= 2**31:
            raise HubtoolsError(
                f"{names[0]} is larger than 2 GB; a shard cannot hold it.", code="too-large"
            )
        data = arrow.BinaryArray.from_buffers(
            arrow.binary(),
            len(names),
            [
                None,
                arrow.array(offsets, arrow.int32()).buffers()[1],
                arrow.py_buffer(self._data[column]),
            ],
        )
        missing = arrow.array([name is None for name in names])
        paths = arrow.array(names, arrow.string())
        return arrow.StructArray.from_arrays([data, paths], fields=list(_picture()), mask=missing)

    def close(self) -> None:
        """Write what is still held, and the end of the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file, whatever state it is in."""
        self._writer.close()


def _leaves(field: arrow.Field) -> list[str]:
    """Names of a column's leaves as parquet counts them."""
    import pyarrow as arrow

    def below(kind: Any) -> Iterator[str]:
        if arrow.types.is_struct(kind):
            for index in range(kind.num_fields):
                child = kind.field(index)
                yield from (f".{child.name}{rest}" for rest in below(child.type))
        elif arrow.types.is_list(kind) or arrow.types.is_large_list(kind):
            yield from (f".list.element{rest}" for rest in below(kind.value_type))
        else:
            yield ""

    return [field.name + rest for rest in below(field.type)]


class ParquetReader:
    """Reads a shard a few rows at a time. Raises `HubtoolsError` if it is damaged."""

    def __init__(self, path: Path, opener: Callable[[], BinaryIO]) -> None:
        self._path = path
        self.description: dict[str, Any] | None = None
        self.skipped: list[str] = []
        try:
            self._opened = opener()
            self._file = open_parquet(self._opened)
            self._schema = self._file.schema_arrow
            known = (self._schema.metadata or {}).get(_KEY)
            if known:
                self.description = json_value(known)
        except parquet_errors() as error:
            if says_nothing_of_file(error):
                raise
            raise self._broken(error) from None

    def __iter__(self) -> Iterator[Stored]:
        try:
            yield from self._rows()
        except parquet_errors() as error:
            if says_nothing_of_file(error):
                raise
            raise self._broken(error) from None
        finally:
            self._opened.close()

    def _rows(self) -> Iterator[Stored]:
        files = self._files()
        if not files:
            raise HubtoolsError(
                f"{self._path} has no column of pictures.",
                hint="a column of pictures holds `bytes` and `path`, as `datasets` writes them",
                code="file-damaged",
            )
        absent = frozenset(self.description["absent"] if self.description else ())
        order = self._order()
        for batch in batches(self._file, bound="average"):
            for row in batch.to_pylist():
                yield _stored(row, order, files, self._forms, absent)

    def _files(self) -> dict[str, str]:
        """What a record calls the columns of pictures."""
        # a row of lists is several pictures, for which a folder has no name
        self._forms = {n: f for n, f in picture_forms(self._file).items() if f is not Form.LIST}
        pictures = keys_of(self._forms)
        if self.description is None:
            return pictures
        files: dict[str, str] = self.description["files"]
        if not pictures.keys() >= files.keys():
            raise self._broken(ValueError("it names pictures that it does not hold"))
        return files

    def _order(self) -> list[str]:
        names = self._schema.names
        order = self.description.get("order") if self.description else names
        if not isinstance(order, list) or not all(name in names for name in order):
            raise self._broken(ValueError("it names columns that it does not hold"))
        return order

    def _broken(self, error: Exception) -> HubtoolsError:
        return HubtoolsError(
            f"{self._path} is no whole parquet file: {told_of(error)}.", code="file-damaged"
        )


def _stored(
    row: dict[str, Any],
    order: list[str],
    files: dict[str, str],
    forms: Mapping[str, Form],
    absent: frozenset[str],
) -> Stored:
    values: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}
    for column in order:
        key = files.get(column, column)
        value = row[column]
        if value is None and key in absent:
            continue
        if column in files and value is not None:
            values[key] = value.get("path") if isinstance(value, dict) else None
            if (data := picture_in(value, forms[column])) is not None:
                pictures[key] = data
        else:
            values[key] = value
    return Stored(values, pictures)
