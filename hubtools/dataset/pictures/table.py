"""Facts about many pictures in columns: some 150 bytes a picture, where objects take a thousand.

Rules ask for whole columns and get objects only for the rows they speak of.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import TYPE_CHECKING, Any

from hubtools.dataset.pictures.facts import PictureFacts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Array type codes of the columns, by field of PictureFacts: numbers as they are, texts as places
# in a list of texts. `name` has a list of its own, `digest` is two numbers.
NUMBERS = {
    "bytes": "q",
    "width": "q",
    "height": "q",
    "frames": "q",
    "orientation": "b",
    "gps": "b",
    "transparent": "b",
    "too_large": "b",
    "credentials": "b",
    "trailer_bytes": "q",
    "seen": "b",
    "hash": "Q",
    "grey": "Q",
    "brightness": "f",
    "darkest": "f",
    "lightest": "f",
    "contrast": "f",
    "information": "f",
    "sharpness": "f",
    "crispness": "f",
}
TEXTS = (
    "format", "kind", "mode", "problem", "owner", "people", "profile", "creator", "notice",
    "reserved", "trailer",
)  # fmt: skip
_FLAGS = ("gps", "transparent", "too_large", "seen", "credentials")
_COLUMNS = {**NUMBERS, **dict.fromkeys(TEXTS, "I"), "digest_high": "Q", "digest_low": "Q"}


class PictureTable(Mapping[str, PictureFacts]):
    """A mapping from name to facts, kept as columns. Rows are in the order they were added."""

    def __init__(self, facts: Iterable[PictureFacts] = ()) -> None:
        self.names: list[str] = []
        self._columns = {name: array(code) for name, code in _COLUMNS.items()}
        self.texts: list[str | None] = [None]
        self._text_places: dict[str | None, int] = {None: 0}
        self._rows: dict[str, int] | None = None
        for one in facts:
            self.add(one)

    @classmethod
    def of(cls, pictures: Mapping[str, PictureFacts]) -> PictureTable:
        """`pictures` itself if it is a table, else a table of it."""
        return pictures if isinstance(pictures, PictureTable) else cls(pictures.values())

    def add(self, facts: PictureFacts) -> None:
        """Append a row. The name must be new. Interrupted, it leaves the table as it was."""
        try:
            self._add(facts)
        except BaseException:
            for column in self._columns.values():
                del column[len(self.names) :]
            raise

    def _add(self, facts: PictureFacts) -> None:
        columns = self._columns
        for field in NUMBERS:
            columns[field].append(getattr(facts, field))
        for field in TEXTS:
            columns[field].append(self._place(getattr(facts, field)))
        digest = int(facts.digest or "0", 16)
        columns["digest_high"].append(digest >> 64)
        columns["digest_low"].append(digest & 0xFFFFFFFFFFFFFFFF)
        self._rows = None
        self.names.append(facts.name)  # last: only now the row is there

    def cut(self, prefix: str) -> None:
        """Take `prefix` off all names that begin with it."""
        self.names = [name.removeprefix(prefix) for name in self.names]
        self._rows = None

    def _place(self, text: str | None) -> int:
        place = self._text_places.get(text)
        if place is None:
            place = len(self.texts)
            self.texts.append(text)
            self._text_places[text] = place
        return place

    # --- as a mapping ------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def __getitem__(self, name: str) -> PictureFacts:
        return self.row(self.rows[name])

    def values(self) -> ValuesView[PictureFacts]:
        """All facts, made one by one as they are asked for."""
        return _Values(self)

    @property
    def rows(self) -> dict[str, int]:
        """Row by name."""
        if self._rows is None:
            self._rows = {name: row for row, name in enumerate(self.names)}
        return self._rows

    # --- as columns --------------------------------------------------------------------------

    def column(self, field: str) -> npt.NDArray[Any]:
        """A column of numbers or flags, one value a row. No rows may be added while it is held."""
        import numpy as np

        values = np.frombuffer(self._columns[field], dtype=self._columns[field].typecode)
        return values.view(np.bool_) if field in _FLAGS else values

    def has(self, field: str, *texts: str | None) -> npt.NDArray[np.bool_]:
        """For each row whether the text in `field` is one of `texts`."""
        import numpy as np

        places = [self._text_places[text] for text in texts if text in self._text_places]
        column = self.column(field)
        found = np.zeros(len(column), dtype=np.bool_)
        for place in places:
            found |= column == place
        return found

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """For each row whether the picture was decoded."""
        result: npt.NDArray[np.bool_] = self.has("problem", None) & ~self.column("too_large")
        return result

    @property
    def short(self) -> npt.NDArray[np.int64]:
        """The shorter side of each, in pixels."""
        import numpy as np

        sides: npt.NDArray[np.int64] = np.minimum(self.column("width"), self.column("height"))
        return sides

    @property
    def long(self) -> npt.NDArray[np.int64]:
        """The longer side of each, in pixels."""
        import numpy as np

        sides: npt.NDArray[np.int64] = np.maximum(self.column("width"), self.column("height"))
        return sides

    def named(self, endings: tuple[str, ...]) -> npt.NDArray[np.bool_]:
        """For each row whether its name ends so, in any case."""
        import numpy as np

        return np.array([name.lower().endswith(endings) for name in self.names], dtype=np.bool_)

    def select(self, mask: npt.NDArray[Any]) -> Iterator[PictureFacts]:
        """The facts of the rows for which `mask` is true."""
        for row in mask.nonzero()[0].tolist():
            yield self.row(row)

    def row(self, row: int) -> PictureFacts:
        """The facts in one row."""
        columns, texts = self._columns, self.texts
        values: dict[str, Any] = {field: columns[field][row] for field in NUMBERS}
        values |= {field: texts[columns[field][row]] for field in TEXTS}
        values |= {field: bool(values[field]) for field in _FLAGS}
        digest = columns["digest_high"][row] << 64 | columns["digest_low"][row]
        values["digest"] = f"{digest:032x}" if digest else ""
        return PictureFacts(self.names[row], **values)

    # --- as bytes ----------------------------------------------------------------------------

    def dump(self) -> dict[str, bytes]:
        """The columns as bytes, in this machine's order."""
        return {name: column.tobytes() for name, column in self._columns.items()}

    @classmethod
    def load(
        cls,
        names: Sequence[str],
        texts: Sequence[str | None],
        columns: Mapping[str, bytes],
        rows: npt.NDArray[Any] | None = None,
    ) -> PictureTable:
        """A table of what `dump` gave; `rows`: only these, in this order.

        Raises `ValueError` or `KeyError` if the parts do not fit each other.
        """
        import numpy as np

        table = cls()
        for name, column in table._columns.items():
            values = np.frombuffer(columns[name], dtype=column.typecode)
            if len(values) != len(names) or (name in TEXTS and (values >= len(texts)).any()):
                raise ValueError(f"column {name} does not fit")
            column.frombytes((values if rows is None else values[rows]).tobytes())
        table.names = list(names) if rows is None else [names[row] for row in rows.tolist()]
        table.texts = list(texts)
        table._text_places = {text: place for place, text in enumerate(texts)}
        return table

    @classmethod
    def joined(cls, tables: Sequence[PictureTable]) -> PictureTable:
        """One table of all rows. Names must differ."""
        import numpy as np

        result = cls()
        for table in tables:
            places = np.array([result._place(text) for text in table.texts], dtype=np.uint32)
            for name, column in table._columns.items():
                values = np.frombuffer(column, dtype=column.typecode)
                moved = places[values] if name in TEXTS else values
                result._columns[name].frombytes(moved.tobytes())
            result.names += table.names
        result._rows = None
        return result

    def taken(self, rows: npt.NDArray[Any]) -> PictureTable:
        """A new table of these rows, in this order."""
        return PictureTable.load(self.names, self.texts, self.dump(), rows)


class _Values(ValuesView[PictureFacts]):
    def __init__(self, table: PictureTable) -> None:
        super().__init__(table)
        self._table = table

    def __iter__(self) -> Iterator[PictureFacts]:
        return map(self._table.row, range(len(self._table)))
