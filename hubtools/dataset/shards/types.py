"""Arrow types of metadata columns, found out row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hubtools.dataset.shards.rows import Sample, column_of
from hubtools.errors import HubtoolsError

_AT_ONCE = 1000


@dataclass
class _Column:
    type: Any = None  # pyarrow.DataType, of what was seen so far
    waiting: list[tuple[str, Any]] = field(default_factory=list)  # (place, value)
    present: int = 0
    nulls: int = 0


class Columns:
    """Collects the columns of a dataset: their order, their types, and whether a row without a
    value had no key or said null."""

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed
        self._columns: dict[str, _Column] = {}
        self.files: dict[str, str] = {}  # column of pictures -> key that names them
        self._rows = 0

    def add(self, sample: Sample) -> None:
        """Look at a row. Raises `HubtoolsError` if its values do not fit those before."""
        self._rows += 1
        for key in sample.files:
            self._clash(column_of(key), key, sample)
            self.files[column_of(key)] = key
        for key, value in sample.values.items():
            column = self._columns.setdefault(key, _Column())
            column.present += 1
            column.nulls += value is None
            if not self._typed or key in sample.files or value is None:
                continue
            if key in self.files:
                raise HubtoolsError(
                    f"{sample.place}: the column {key!r} would be lost: {self.files[key]} becomes"
                    f" the column {key!r}.",
                    hint="give it another name",
                    code="file-not-usable",
                )
            column.waiting.append((sample.place, value))
            if len(column.waiting) >= _AT_ONCE:
                self._settle(key, column)

    def _clash(self, name: str, key: str, sample: Sample) -> None:
        if self.files.get(name) == key:
            return
        if name in self.files or name in self._columns or not name:
            raise HubtoolsError(
                f"{sample.place}: {key} becomes the column {name!r}, which there is already.",
                hint="give one of them another name",
                code="file-not-usable",
            )

    @property
    def absent(self) -> list[str]:
        """Columns in which null stands for a key that the row does not have."""
        return [
            key
            for key, column in self._columns.items()
            if column.present < self._rows and not column.nulls
        ]

    def schema(self) -> dict[str, Any]:
        """Column -> pyarrow type, pictures (of type None) included, in order of appearance."""
        of_key = {key: column for column, key in self.files.items()}
        found: dict[str, Any] = {}
        for key, column in self._columns.items():
            if key in of_key:
                found[of_key[key]] = None
                continue
            self._settle(key, column)
            found[key] = _null() if column.type is None else column.type
            _refuse_empty(key, found[key])
        return found

    def _settle(self, key: str, column: _Column) -> None:
        import pyarrow as arrow

        waiting, column.waiting = column.waiting, []
        try:
            column.type = _joined(column.type, (value for _, value in waiting))
        except (arrow.ArrowException, ValueError, TypeError, OverflowError):
            for place, value in waiting:
                try:
                    column.type = _joined(column.type, [value])
                except (arrow.ArrowException, ValueError, TypeError, OverflowError):
                    raise HubtoolsError(
                        f"{place}: {key} is {value!r}, but {_said(column.type)} in rows before.",
                        hint="a column of a parquet file has one type; make them alike, or shard"
                        " with --format webdataset",
                        code="file-not-usable",
                    ) from None


def _null() -> Any:
    import pyarrow as arrow

    return arrow.null()


def _joined(known: Any, values: Iterable[Any]) -> Any:
    import pyarrow as arrow

    found = arrow.array(list(values)).type
    if known is None:
        return found
    fields = [arrow.schema([arrow.field("x", kind)]) for kind in (known, found)]
    return arrow.unify_schemas(fields, promote_options="permissive").field("x").type


def _said(kind: Any) -> str:
    name = str(kind)
    plain = {"string": "a text", "int64": "a whole number", "double": "a number", "bool": "true or"
             " false"}  # fmt: skip
    return plain.get(name, name)


def _refuse_empty(key: str, kind: Any) -> None:
    import pyarrow as arrow

    if arrow.types.is_struct(kind):
        if kind.num_fields == 0:
            raise HubtoolsError(
                f"The column {key!r} holds only empty objects, which parquet cannot write.",
                hint="remove it, or shard with --format webdataset",
                code="nothing-there",
            )
        for index in range(kind.num_fields):
            _refuse_empty(f"{key}.{kind.field(index).name}", kind.field(index).type)
    elif arrow.types.is_list(kind):
        _refuse_empty(key, kind.value_type)
