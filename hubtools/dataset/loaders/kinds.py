"""The column types that Arrow and pandas infer, as far as loading depends on them.

A kind is a word for a scalar, `("list", kind)` or `("struct", ((key, kind), ...))` with the keys
sorted, because `datasets` compares features as dictionaries. Rules measured with pyarrow 26
(`pyarrow.json.read_json`) and pandas 3 (`read_csv`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from hubtools.patterns import regex

Kind = str | tuple[Any, ...]

NULL, BOOL, INT, FLOAT, STRING, LARGE, TIME = (
    "null", "bool", "int64", "double", "string", "large_string", "timestamp[s]",
)  # fmt: skip
TEXTS = frozenset({STRING, LARGE})


class MixedError(Exception):
    """Values of one column that Arrow does not put together; `at` counts them from 0."""

    def __init__(self, first: str, then: str, at: int) -> None:
        super().__init__(f"{first} and {then}")
        self.first, self.then, self.at = first, then, at
        self.nested = False  # within a list or an object


_WORDS = {
    bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list",
    dict: "an object",
}  # fmt: skip


def json_kind(values: Iterable[Any]) -> Kind:
    """The type Arrow gives a column of JSON values. Raises `MixedError`."""
    listed = list(values)
    types = set(map(type, listed)) - {type(None)}
    if not types:
        return NULL
    if types <= {int, float}:
        whole = types == {int} and all(v is None or -(2**63) <= v < 2**63 for v in listed)
        return INT if whole else FLOAT
    if len(types) > 1:
        _complain(listed)
    (only,) = types
    if only is bool:
        return BOOL
    if only is str:
        return TIME if all(v is None or _is_time(v) for v in listed) else STRING
    present = [v for v in listed if v is not None]
    try:
        if only is list:
            return ("list", json_kind(item for value in present for item in value))
        inner = {key: json_kind(values) for key, values in columns_of(present).items()}
    except MixedError as mixed:
        mixed.nested = True
        raise
    return ("struct", tuple(sorted(inner.items())))


def _complain(values: list[Any]) -> None:
    words = [(at, _WORDS.get(type(v), "something else")) for at, v in enumerate(values)]
    words = [(at, word) for at, word in words if values[at] is not None]
    first = words[0][1]
    for at, word in words:
        if word != first:
            raise MixedError(first, word, at)


_SPARSE = 1_000_000  # empty cells from which on they are not written out


def _sparse(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """The columns without what rows lack, but for one None."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.items():
            found.setdefault(key, []).append(value)
    for column in found.values():
        if len(column) < len(rows):
            column.append(None)
    return found


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Columns in the order of first appearance, None where a row lacks the key."""
    found: dict[str, list[Any]] = {}
    if rows and all(map(rows[0].keys().__eq__, map(dict.keys, rows))):
        return {key: list(map(itemgetter(key), rows)) for key in rows[0]}
    cells = 0
    for count, row in enumerate(rows):
        if row.keys() != found.keys():
            for key in row:
                found.setdefault(key, [None] * count)
        cells += len(row)
        if len(found) * count > _SPARSE + 4 * cells:
            return _sparse(rows)
        for key, column in found.items():
            column.append(row.get(key))
    return found


_TIME = regex(
    r"\d{4}-\d\d-\d\d(?:[ T]\d\d(?::?\d\d(?::?\d\d)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


# What pandas 3 reads as nothing.
_NOTHING = frozenset(
    [
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    ]
)  # fmt: skip
_TRUTH = frozenset({"True", "TRUE", "true", "False", "FALSE", "false"})
_INT = regex(r"\s*[+-]?\d+\s*", re.ASCII)
_FLOAT = regex(
    r"\s*[+-]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d+)?\s*|[+-]?(?:inf|infinity)",
    re.ASCII | re.I,
)


def csv_value(text: str) -> str | None:
    """A CSV field, None if pandas takes it for nothing."""
    return None if text in _NOTHING else text


def csv_kind(values: Iterable[str | None]) -> Kind:
    """The type pandas, and Arrow after it, gives a CSV column (`csv_value` already applied)."""
    listed = list(values)
    if not listed:
        return NULL
    texts = [value for value in listed if value is not None]
    # one look at the first text spares the patterns for nearly every column of captions
    if not texts:
        return FLOAT
    if texts[0] in _TRUTH:
        return BOOL if all(text in _TRUTH for text in texts) else LARGE
    if not _FLOAT.fullmatch(texts[0]) or not all(_FLOAT.fullmatch(text) for text in texts):
        return LARGE
    if len(texts) == len(listed) and all(_INT.fullmatch(text) for text in texts):
        return INT if all(-(2**63) <= int(text) < 2**63 for text in texts) else FLOAT
    return FLOAT


_INTS = regex(r"u?int\d+")
_FLOATS = frozenset({FLOAT, "float", "halffloat"})


def fits(schema: Kind, kind: Kind, values: Iterable[Any]) -> bool | None:
    """Whether values of `kind` can be written into a column of `schema`; None if not known.

    `datasets` calls str(), int(), float() or bool() on each value first (`Value.encode_example`).
    """
    if schema in (kind, BOOL) or kind == NULL or schema in TEXTS:
        return True
    if schema == NULL:
        return False
    if isinstance(schema, tuple):
        return _fits_nested(schema, kind, values)
    whole = _INTS.fullmatch(schema) is not None
    if whole or schema in _FLOATS:
        if isinstance(kind, tuple) or kind == TIME:
            return False
        return _converts(int if whole else float, values)
    if schema == TIME:
        return kind == INT
    return None


def _converts(convert: Callable[[Any], object], values: Iterable[Any]) -> bool:
    try:
        for value in values:
            if value is not None:
                convert(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _fits_nested(schema: tuple[Any, ...], kind: Kind, values: Iterable[Any]) -> bool | None:
    present = [value for value in values if value is not None]
    if schema == ("struct", ()):
        return True  # it has no keys to look for
    if isinstance(kind, str):
        # a text is taken for a list of its characters
        return True if schema == ("list", STRING) and kind == STRING else _maybe(schema, kind)
    if schema[0] == "list":
        if kind[0] == "list":
            return fits(schema[1], kind[1], (item for value in present for item in value))
        return True if schema[1] == STRING or kind == ("struct", ()) else None
    if kind[0] != "struct":
        return False
    inner = dict(kind[1])
    answers = [
        fits(wanted, inner[key], (value.get(key) for value in present))
        for key, wanted in schema[1]
        if key in inner
    ]
    return False if False in answers else None if None in answers else True


def _maybe(schema: tuple[Any, ...], kind: str) -> bool | None:
    return None if schema[0] == "list" and kind == STRING else False


def has_gaps(kind: Kind, values: Iterable[Any]) -> bool:
    """True for a list of several items with a null among them, at any depth: `datasets` 5.2 writes
    some of them and fails on others with "index ... is out-of-bounds"."""
    if isinstance(kind, str):
        return False
    present = [value for value in values if value is not None]
    if kind[0] == "list":
        if any(len(value) > 1 and None in value for value in present):
            return True
        return has_gaps(kind[1], [item for value in present for item in value])
    return any(has_gaps(inner, [v.get(key) for v in present]) for key, inner in kind[1])
