"""Columns give back what was put in."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.table import NUMBERS, TEXTS, PictureTable

texts = st.text(max_size=5)
levels = st.floats(0, 1e6, width=32)
facts = st.builds(
    PictureFacts,
    name=texts,
    bytes=st.integers(0, 2**40),
    digest=st.one_of(st.just(""), st.integers(1, 2**128 - 1).map("{:032x}".format)),
    format=st.none() | texts,
    kind=st.none() | texts,
    mode=texts,
    width=st.integers(0, 2**32),
    height=st.integers(0, 2**32),
    frames=st.integers(1, 2**32),
    orientation=st.integers(1, 8),
    gps=st.booleans(),
    transparent=st.booleans(),
    problem=st.none() | texts,
    too_large=st.booleans(),
    owner=texts,
    profile=texts,
    seen=st.booleans(),
    hash=st.integers(0, 2**64 - 1),
    grey=st.integers(0, 2**64 - 1),
    **dict.fromkeys(
        ("brightness", "darkest", "lightest", "contrast", "information", "sharpness", "crispness"),
        levels,
    ),
)


@given(st.lists(facts, unique_by=lambda one: one.name, max_size=8), st.data())
def test_what_goes_in_comes_out(rows: list[PictureFacts], data: st.DataObject) -> None:
    table = PictureTable(rows)
    assert list(table.values()) == rows
    assert dict(table) == {one.name: one for one in rows}
    assert list(PictureTable.load(table.names, table.texts, table.dump()).values()) == rows
    chosen = data.draw(
        st.lists(st.sampled_from(range(len(rows))), unique=True) if rows else st.just([])
    )
    taken = table.taken(np.array(chosen, dtype=np.int64))
    assert list(taken.values()) == [rows[row] for row in chosen]
    assert list(table.select(table.column("gps"))) == [one for one in rows if one.gps]
    assert table.has("kind", None, "a").tolist() == [one.kind in (None, "a") for one in rows]


def test_no_field_is_forgotten() -> None:
    assert {field.name for field in fields(PictureFacts)} == {*NUMBERS, *TEXTS, "name", "digest"}


def test_parts_that_do_not_fit_are_refused() -> None:
    table = PictureTable([PictureFacts("a", 1, "", problem="b")])
    with pytest.raises(ValueError, match="fit"):
        PictureTable.load(["a", "b"], table.texts, table.dump())
    with pytest.raises(ValueError, match="fit"):
        PictureTable.load(["a"], [None], table.dump())
    with pytest.raises(KeyError):
        PictureTable.load([], [], {})


def test_an_empty_table() -> None:
    table = PictureTable()
    assert list(table.select(table.whole & (table.short < 5) & (table.long > 2))) == []
    assert len(table.taken(np.array([], dtype=np.int64))) == 0
    assert PictureTable.of(table) is table
    one = PictureFacts("a", 1, "")
    assert PictureTable.of({"a": one})["a"] == replace(one)


@pytest.mark.parametrize("at", ["bytes", "sharpness", "problem", "digest"])
def test_an_interrupted_row_is_none(at: str) -> None:
    class Interrupted:
        def __getattr__(self, name: str) -> object:
            if name == at:
                raise KeyboardInterrupt
            return getattr(PictureFacts("b", 1, f"{1:032x}"), name)

    table = PictureTable([PictureFacts("a", 1, f"{2:032x}")])
    with pytest.raises(KeyboardInterrupt):
        table.add(Interrupted())  # type: ignore[arg-type]
    table.add(PictureFacts("c", 3, f"{3:032x}", mode="RGB"))
    assert list(table.values()) == [
        PictureFacts("a", 1, f"{2:032x}"), PictureFacts("c", 3, f"{3:032x}", mode="RGB"),
    ]  # fmt: skip
    assert {len(table.column(field)) for field in NUMBERS} == {2}
