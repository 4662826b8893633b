"""Texts and bytes in columns of parquet and arrow files, some rows at a time, and what no row
shows of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

from hubtools.leaks.headers import name_and_value, telling
from hubtools.patterns import regex
from hubtools.publish.contents.holes import HELD
from hubtools.publish.contents.member import Budget, Member, NotOpened
from hubtools.publish.contents.messages import behind_batches, message_batches
from hubtools.publish.contents.row_groups import between_columns, leaves_of, row_batches
from hubtools.publish.contents.unshown import (
    Dictionaries,
    as_bytes,
    between_values,
    check_places,
    longest,
    under_null_numbers,
    under_nulls,
)

_VALUE = HELD  # bytes of one value that are read
_PIECE = 256 << 20  # what a batch may count at once
_REPEATED = 32  # of a dictionary that comes again so little counts
_NOWHERE = "in no row"


def rows(kind: str, file: IO[bytes], budget: Budget) -> Iterator[Member]:
    """Each column's texts, batch by batch, and each cell of bytes as a file of its own; and what no
    row shows. Raises `NotOpened` if it cannot be read on."""

    try:
        import pyarrow
    except ImportError:
        raise NotOpened(
            f"the {kind} file can only be read with pyarrow: pip install 'hf-hubtools[shards]'"
        ) from None
    try:
        number = 1
        columns = _Columns(budget, as_stored=kind != "parquet")
        for batch in row_batches(file) if kind == "parquet" else message_batches(kind, file):
            budget.take(min(columns.cost(batch), _PIECE))
            names = [str(name) for name in batch.schema.names]
            for name, column in zip(names, batch.columns, strict=True):
                yield from columns.of(name, column, number)
            if places := _places(batch):
                yield Member("", places=places)
            yield from _pairs("", names, batch.columns, number)
            number += batch.num_rows
        yield from columns.rest()
        yield from between_columns(file) if kind == "parquet" else behind_batches(kind, file)
    except pyarrow.ArrowException as error:
        said = str(error).split("\n")[0][:80]
        raise NotOpened(f"the {kind} file is damaged ({said})") from None


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
    if not _is_text(kind):
        return []
    return _values(column)


class _Columns:
    """Texts and bytes of columns, in whatever these are nested. `as_stored`: the columns are the
    file's own buffers, in which more may stand than rows show."""

    def __init__(self, budget: Budget, *, as_stored: bool) -> None:
        self._stored, self._seen = as_stored, Dictionaries(budget)
        self._lengths: dict[int, int] = {}

    def cost(self, batch: Any) -> int:
        """Bytes of a batch; a dictionary that came before counts little."""
        total = batch.nbytes
        leaves = (leaf for column in batch.columns for leaf in leaves_of(column))
        for number, leaf in enumerate(leaves):
            if hasattr(leaf, "dictionary"):
                length = len(leaf.dictionary)
                if self._lengths.get(number) == length:
                    total -= leaf.dictionary.nbytes * (_REPEATED - 1) // _REPEATED
                self._lengths[number] = length
        return max(int(total), 0)

    def rest(self) -> Iterator[Member]:
        """Values of dictionaries that no row has named."""
        for name, values in self._seen.rest():
            yield from self.of(name, values, 0)

    def of(self, name: str, column: Any, first: int) -> Iterator[Member]:
        """All that is in a column whose first row is `first`; 0: it stands in no row."""
        from pyarrow import types

        kind = column.type
        if self._stored and not column.offset:
            yield from self._unshown(name, column)
        if types.is_dictionary(kind):
            yield from self._dictionary(name, column, first)
        elif _is_text(kind) or _is_bytes(kind):
            yield from self._cells(name, column, lambda n: first and first + n)
        elif types.is_struct(kind) or types.is_union(kind):
            names = [str(kind.field(number).name) for number in range(kind.num_fields)]
            parts = [column.field(number) for number in range(kind.num_fields)]
            for part, values in zip(names, parts, strict=True):
                yield from self.of(f"{name}.{part}", values, first)
            if types.is_struct(kind):
                yield from _pairs(f"{name}.", names, parts, first)
        elif types.is_run_end_encoded(kind):
            yield from self.of(name, column.values, first)
        elif (
            types.is_list(kind)
            or types.is_large_list(kind)
            or types.is_fixed_size_list(kind)
            or types.is_list_view(kind)
            or types.is_large_list_view(kind)
        ):
            inner = column.values if self._stored else column.flatten()
            if types.is_integer(inner.type) and len(inner) and (data := _as_bytes(inner)):
                yield _cell(f"{name}, from row {first}", data)
            yield from self.of(name, inner, first)
        elif types.is_map(kind):
            yield from self.of(name, column.keys, first)
            yield from self.of(name, column.items, first)
            yield from _pairs(f"{name}.", ["key", "value"], [column.keys, column.items], first)
        elif hasattr(column, "storage"):
            yield from self.of(name, column.storage, first)

    def _dictionary(self, name: str, column: Any, first: int) -> Iterator[Member]:
        """Each value once, at the first row that has it."""
        if (unnamed := self._seen.note(name, column)) is not None:
            yield from self.of(name, unnamed, 0)
        places: dict[int, int] = {}
        for number, index in enumerate(column.indices.to_pylist()):
            if index is not None:
                places.setdefault(index, first and first + number)
        values, at = column.dictionary.take(list(places)), list(places.values())
        if _is_text(values.type) or _is_bytes(values.type):
            yield from self._cells(name, values, at.__getitem__)
        else:
            yield from self.of(name, values, first)

    def _cells(self, name: str, column: Any, row: Callable[[int], int]) -> Iterator[Member]:
        """Texts as lines, bytes as files; `row` of each, from 1, or 0."""
        if longest(column) > _VALUE:
            yield Member(name, None, f"a cell of more than {_VALUE >> 20} MB is not opened")
            values = _short_values(column)
        else:
            values = _values(column)
        texts, is_text = [], _is_text(column.type)
        named = not is_text and telling(name.rpartition(".")[2])
        for number, value in enumerate(values):
            if value and is_text:
                texts.append((row(number), value))
            elif value:
                place = f"row {row(number)}" if row(number) else _NOWHERE
                yield _cell(f"{name}, {place}", value)
                if named and len(value) <= _CELL:
                    texts.append((row(number), value.decode("utf-8", "replace")))
        if texts:
            yield Member(name, texts=texts)

    def _unshown(self, name: str, column: Any) -> Iterator[Member]:
        """What the column's buffers hold beside its values. Raises what pyarrow raises where they
        contradict one another, before anything follows them."""
        kind = column.type
        check_places(column)
        if _is_text(kind) or _is_bytes(kind):
            as_bytes(column).validate(full=True)
            if (covered := under_nulls(column)) is not None:
                yield from self._cells(name, covered, lambda _: 0)
        elif data := under_null_numbers(column):
            yield _cell(f"{name}, {_NOWHERE}", data)
        for data in between_values(column):
            yield _cell(f"{name}, {_NOWHERE}", data)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_bytes(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _cell(name: str, data: bytes) -> Member:
    """A cell as a file; one that is too long is told."""
    if len(data) > _VALUE:
        return Member(name, None, f"a cell of more than {_VALUE >> 20} MB is not opened")
    return Member(name, io.BytesIO(data))


def _as_bytes(numbers: Any) -> bytes:
    """Bytes that were written as numbers; none if one of them is too large for that."""
    import numpy

    values = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    if values.dtype.itemsize > 1:
        if values.min() < 0 or values.max() > 255:
            return b""
        values = values.astype(numpy.uint8)
    return bytes(values.tobytes())


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        import pyarrow

        return [v.decode("latin-1") if v else v for v in column.cast(pyarrow.binary()).to_pylist()]


def _short_values(column: Any) -> list[Any]:
    """The values of texts or bytes, with nothing for those that are too long."""
    each = (column.slice(number, 1) for number in range(len(column)))
    return [None if longest(one) > _VALUE else _values(one)[0] for one in each]
