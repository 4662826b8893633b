"""What columns hold that no row shows: values of dictionaries that no row names, and in arrow files
what lies under nulls and between values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubtools.publish.contents.member import Budget, NotOpened

_LEAST = 24  # bytes that hold nothing packed, and no token


class Dictionaries:
    """Which values of each column's dictionary rows have named so far."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._known: dict[str, tuple[Any, Any]] = {}

    def note(self, name: str, column: Any) -> Any | None:
        """Take note of the values that a column names. If it has another dictionary than before:
        the values of that one that no row has named, as an array."""
        import numpy

        dictionary, rest = column.dictionary, None
        old, named = self._known.get(name, (None, None))
        if old is not None and not _goes_on(old, dictionary):
            rest = self._unnamed(old, named)
            old = None
        indices = column.indices.drop_null().to_numpy(zero_copy_only=False).astype("int64")
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(dictionary):
            raise NotOpened("a column names values that its dictionary does not hold")
        if old is None:
            named = numpy.zeros(len(dictionary), dtype=bool)
        elif len(dictionary) > len(named):
            named = numpy.concatenate([named, numpy.zeros(len(dictionary) - len(named), bool)])
        named[indices] = True
        self._known[name] = dictionary, named
        return rest

    def rest(self) -> Iterator[tuple[str, Any]]:
        """(column, values that no row has named) of those that are still known."""
        for name, (dictionary, named) in self._known.items():
            if (values := self._unnamed(dictionary, named)) is not None:
                yield name, values

    def _unnamed(self, dictionary: Any, named: Any) -> Any | None:
        import pyarrow

        if named.all():
            return None
        values = dictionary.filter(pyarrow.array(~named))
        self._budget.take(values.nbytes)
        return values


def _goes_on(old: Any, new: Any) -> bool:
    """True if one is the other, or begins with it."""
    if len(new) < len(old) or new.type != old.type:
        return False
    return bool(new.slice(0, len(old)).equals(old))


def as_bytes(column: Any) -> Any:
    """A column of texts or bytes as one of bytes, which asks for no encoding."""
    import pyarrow
    from pyarrow import types

    kind = column.type
    if types.is_string(kind):
        return column.view(pyarrow.binary())
    if types.is_large_string(kind):
        return column.view(pyarrow.large_binary())
    return column.view(pyarrow.binary_view()) if types.is_string_view(kind) else column


def check_places(column: Any) -> None:
    """Raise `NotOpened` for lists that lead out of their values: pyarrow would follow them."""
    import numpy
    from pyarrow import types

    kind = column.type
    views = types.is_list_view(kind) or types.is_large_list_view(kind)
    if not (views or types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind)):
        return
    starts = column.offsets.to_numpy().astype("int64")
    if not len(starts):
        return
    held = len(column.items if types.is_map(kind) else column.values)
    sizes = column.sizes.to_numpy() if views else numpy.diff(starts)
    ends = starts + sizes if views else starts
    if starts.min() < 0 or ends.max() > held or (len(sizes) and sizes.min() < 0):
        raise NotOpened("lists in a column lead out of their values")


def under_nulls(column: Any) -> Any | None:
    """The values of a column of texts or bytes that nulls cover, as an array; None where nothing
    is covered. (A view that a null covers may lead anywhere: see `between_values`.)"""
    import pyarrow

    if not column.null_count or column.buffers()[0] is None or _is_view(column.type):
        return None
    bare = pyarrow.Array.from_buffers(
        column.type, len(column), [None, *column.buffers()[1:]], offset=column.offset
    )
    covered = bare.filter(column.is_null())
    return covered if longest(covered) else None


def longest(column: Any) -> int:
    """Bytes of the longest value of texts or bytes."""
    import numpy
    from pyarrow import compute

    if not _is_view(column.type):
        return compute.max(compute.binary_length(column)).as_py() or 0
    views = column.drop_null()
    start = 4 * views.offset
    each = numpy.frombuffer(views.buffers()[1] or b"", "<i4")[start : start + 4 * len(views) : 4]
    return int(each.max(initial=0))


def _is_view(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string_view(kind) or types.is_binary_view(kind))


def between_values(column: Any) -> Iterator[bytes]:
    """Pieces of the own buffers of an arrow column, which begins where they do, that none of its
    values covers, nor a null."""
    from pyarrow import types

    kind, count, buffers = column.type, len(column), column.buffers()
    sizes: list[int] = [-(-count // 8)]
    wide = types.is_large_string(kind) or types.is_large_binary(kind) or types.is_large_list(kind)
    if types.is_string(kind) or types.is_binary(kind) or wide or types.is_list(kind):
        sizes.append((count + 1) * (8 if wide else 4))
    elif _is_view(kind):
        sizes.append(16 * count)
    elif types.is_primitive(kind) or types.is_fixed_size_binary(kind):
        sizes.append(-(-count * kind.bit_width // 8))
    for buffer, size in zip(buffers, sizes, strict=False):
        if buffer is not None:
            yield from _piece(buffer, size, buffer.size)
    if _is_view(kind):
        yield from _between_views(column)
    elif len(sizes) > 1 and not types.is_primitive(kind) and not types.is_list(kind):
        yield from _around_values(column, wide)


def under_null_numbers(column: Any) -> bytes:
    """The bytes of numbers that nulls cover."""
    import numpy
    from pyarrow import types

    data = column.buffers()[1] if types.is_primitive(column.type) and column.null_count else None
    width = column.type.bit_width // 8 if data is not None else 0
    if data is None or not width:
        return b""
    start, count = column.offset, len(column)
    each = numpy.frombuffer(data, "u1", count * width, start * width).reshape(count, width)
    covered = each[column.is_null().to_numpy(zero_copy_only=False)].tobytes()
    return covered if len(covered) > _LEAST and covered.strip(b"\0") else b""


def _around_values(column: Any, wide: bool) -> Iterator[bytes]:
    """Before the first and behind the last value."""
    import numpy
    from pyarrow import types

    if types.is_fixed_size_binary(column.type) or types.is_large_list(column.type):
        return
    _, places, data = column.buffers()
    if data is None or places is None or not places.size:
        return
    ends = numpy.frombuffer(places, "<i8" if wide else "<i4", len(column) + 1, 0)
    yield from _piece(data, 0, int(ends[0]))
    yield from _piece(data, int(ends[-1]), data.size)


def _between_views(column: Any) -> Iterator[bytes]:
    """Parts of the buffers of views that no view leads to (Arrow columnar format, 1.4)."""
    import numpy

    _, views, *held = column.buffers()
    if views is None:
        return
    each = numpy.frombuffer(views, "<i4", 4 * len(column)).reshape(-1, 4)
    shown = column.is_valid().to_numpy(zero_copy_only=False)
    each = each[shown & (each[:, 0] > 12)]
    for number, data in enumerate(held):
        place, mine = 0, each[each[:, 2] == number]
        for length, _, _, start in mine[numpy.argsort(mine[:, 3], kind="stable")].tolist():
            yield from _piece(data, place, start)
            place = max(place, start + length)
        yield from _piece(data, place, data.size)


def _piece(buffer: Any, start: int, end: int) -> Iterator[bytes]:
    if end - start > _LEAST and (data := bytes(buffer.slice(start, end - start))).strip(b"\0"):
        yield data
