"""What tables hold that no row shows: values of dictionaries that no row names any more, what lies
under nulls and between values, batches that no list names, cells that are too long."""

from __future__ import annotations

import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import time
from typing import Any

import numpy
import pyarrow
import pytest
from pyarrow import ipc, parquet

from hubtools.publish.contents import Kind, scan

TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xYzAbCd"
TEXTS = [f"a person in a hat, number {n}, who stands beside an old tree" for n in range(6)]
SECRET = f"ask me: {TOKEN} is what I use"
ROWS = pyarrow.array(range(6), pyarrow.int32())
LAST_IS_NULL = pyarrow.py_buffer(bytes([0b00011111]))


def stored(column: Any, form: str, compression: str = "zstd") -> bytes:
    out, table = io.BytesIO(), pyarrow.table({"n": ROWS[: len(column)], "text": column})
    if form == "parquet":
        parquet.write_table(table, out, compression=compression)
        return out.getvalue()
    options = ipc.IpcWriteOptions(compression=compression)
    make = ipc.new_file if form == "arrow" else ipc.new_stream
    with make(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


def read(data: bytes, name: str = "a.parquet") -> list[tuple[Kind, str]]:
    return [(leak.kind, leak.secret) for leak in scan(name, io.BytesIO(data), len(data))]


def dictionary(values: Any) -> Any:
    return pyarrow.DictionaryArray.from_arrays(ROWS, pyarrow.array(values))


@pytest.mark.parametrize("compression", ["zstd", "gzip", "snappy"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_category_that_no_row_names_in_parquet(compression: str, as_bytes: bool) -> None:
    values = [*TEXTS, SECRET]
    column = dictionary([text.encode() for text in values] if as_bytes else values)
    assert (Kind.SECRET, TOKEN) in read(stored(column, "parquet", compression))
    assert not read(stored(dictionary([*TEXTS, "a cat"]), "parquet", compression))


def test_in_every_group_of_rows() -> None:
    out = io.BytesIO()
    schema = pyarrow.schema({"text": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())})
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for values in ([*TEXTS, "one"], [*TEXTS, SECRET], [*TEXTS, "three"]):
            writer.write_table(pyarrow.table({"text": dictionary(values)}, schema=schema))
    assert (Kind.SECRET, TOKEN) in read(out.getvalue())


VALUES = {
    "texts": [*TEXTS, SECRET],
    "bytes": [text.encode() for text in (*TEXTS, SECRET)],
    "lists": [[text] for text in (*TEXTS, SECRET)],
    "records": [{"a": text} for text in (*TEXTS, SECRET)],
}


@pytest.mark.parametrize("form", ["arrow", "stream"])
@pytest.mark.parametrize("values", VALUES)
def test_a_category_that_no_row_names_in_arrow(values: str, form: str) -> None:
    assert (Kind.SECRET, TOKEN) in read(stored(dictionary(VALUES[values]), form), "a.arrow")


@pytest.mark.parametrize("form", ["arrow", "stream", "parquet"])
def test_categories_of_numbers_are_read(form: str) -> None:
    for values in (range(7), [n / 2 for n in range(7)]):
        assert not read(stored(dictionary(list(values)), form), "a.arrow")


def under_a_null(kind: Any) -> Any:
    whole = pyarrow.array([*TEXTS[:5], SECRET]).cast(kind)
    return pyarrow.Array.from_buffers(kind, 6, [LAST_IS_NULL, *whole.buffers()[1:]], 1)


def lists(kind: str) -> Any:
    texts = pyarrow.array([*TEXTS[:5], SECRET])
    if kind == "a null list":
        places = pyarrow.py_buffer(numpy.arange(7, dtype="<i4").tobytes())
        return pyarrow.ListArray.from_buffers(
            pyarrow.list_(pyarrow.string()), 6, [LAST_IS_NULL, places], 1, children=[texts]
        )
    if kind == "a view of lists":
        return pyarrow.ListViewArray.from_arrays(
            pyarrow.array([0, 2], pyarrow.int32()), pyarrow.array([2, 3], pyarrow.int32()), texts
        )
    kind_of = pyarrow.list_(pyarrow.string(), 1)
    return pyarrow.FixedSizeListArray.from_buffers(kind_of, 6, [LAST_IS_NULL], 1, children=[texts])


LISTS = ("a null list", "a view of lists", "pairs")


@pytest.mark.parametrize("form", ["arrow", "stream"])
@pytest.mark.parametrize("kind", LISTS)
def test_lists_that_no_row_shows(kind: str, form: str) -> None:
    assert TOKEN not in str(lists(kind).to_pylist())
    assert (Kind.SECRET, TOKEN) in read(stored(lists(kind), form), "a.arrow")


@pytest.mark.parametrize("form", ["arrow", "stream"])
@pytest.mark.parametrize(
    "kind",
    [pyarrow.string(), pyarrow.large_string(), pyarrow.binary(), pyarrow.large_binary()],
    ids=str,
)
def test_what_a_null_covers(kind: Any, form: str) -> None:
    assert (Kind.SECRET, TOKEN) in read(stored(under_a_null(kind), form), "a.arrow")
    shown = pyarrow.array([*TEXTS[:5], None]).cast(kind)
    assert not read(stored(shown, form), "a.arrow")


@pytest.mark.parametrize("kind", [pyarrow.string_view(), pyarrow.binary_view()], ids=str)
def test_what_no_view_leads_to(kind: Any) -> None:
    whole = pyarrow.array([*TEXTS[:5], SECRET]).cast(kind)
    views = bytes(whole.buffers()[1])[: 5 * 16] + bytes(16)
    column = pyarrow.Array.from_buffers(
        kind, 6, [None, pyarrow.py_buffer(views), *whole.buffers()[2:]]
    )
    assert TOKEN not in str(column.to_pylist())
    out = stored(column, "arrow")
    held = b"".join(map(bytes, filter(None, ipc.open_file(out).get_batch(0).column(1).buffers())))
    assert TOKEN.encode() in held  # the writer keeps it
    assert (Kind.SECRET, TOKEN) in read(out, "a.arrow")
    assert not read(stored(pyarrow.array(TEXTS).cast(kind), "arrow"), "a.arrow")


def test_a_number_that_a_null_covers() -> None:
    letters = SECRET.encode().ljust(48)
    column = pyarrow.Array.from_buffers(
        pyarrow.int64(), 6, [pyarrow.py_buffer(b"\0"), pyarrow.py_buffer(letters)], 6
    )
    assert (Kind.SECRET, TOKEN) in read(stored(column, "arrow"), "a.arrow")


def test_batches_that_the_list_at_the_end_leaves_out() -> None:
    first, hidden = (stored(pyarrow.array(texts), "arrow") for texts in (TEXTS, [SECRET] * 6))
    footer = len(first) - 10 - int.from_bytes(first[-10:-6], "little")
    end = b"\xff\xff\xff\xff\0\0\0\0"
    body = hidden[8 : hidden.rfind(end)]
    schema = 8 + int.from_bytes(body[4:8], "little")  # its message has no body
    place = first.rfind(end, 0, footer)
    data = first[:place] + body[schema:] + first[place:]
    assert (Kind.SECRET, TOKEN) in read(data, "a.arrow")
    behind = first[:footer] + hidden + first[footer:]
    assert (Kind.SECRET, TOKEN) in read(behind, "a.arrow")
    stream = stored(pyarrow.array(TEXTS), "stream")
    assert (Kind.SECRET, TOKEN) in read(stream + hidden, "a.arrow")
    assert not read(first, "a.arrow")
    assert not read(stream, "a.arrow")


# --- what contradicts itself, and what is long ----------------------------------------------------

FALSE = {
    "a text": ([0, 10, 2_000_000_000, 30], ["a" * 10, "b" * 10, "c" * 10]),
    "texts": ([0, 2_000_000_000, 2_000_000_001, 2_100_000_000], ["a" * 10, "b" * 10, "c" * 10]),
    "backwards": ([0, 20, 10, 30], ["a" * 10, "b" * 10, "c" * 10]),
    "lists": ([0, 10, 2_000_000_000, 30], [["a"] * 10, ["b"] * 10, ["c"] * 10]),
    "places": ([0, 10, 2_000_000_000, 30], [[1.0] * 10, [2.0] * 10, [3.0] * 10]),
}
READS = """
import io, sys
from hubtools.publish.contents import scan
data = sys.stdin.buffer.read()
print(*(leak.kind for leak in scan("a.arrow", io.BytesIO(data), len(data))))
"""


@pytest.mark.parametrize("kind", FALSE)
def test_places_that_lead_out_of_a_buffer_are_told(kind: str) -> None:
    out, (places, column) = io.BytesIO(), FALSE[kind]
    name = "gps" if kind == "places" else "text"
    table = pyarrow.table({name: column})
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    true = struct.pack("<4i", 0, 10, 20, 30)
    assert out.getvalue().count(true) == 1
    data = out.getvalue().replace(true, struct.pack("<4i", *places))
    done = subprocess.run(
        [sys.executable, "-c", READS],
        input=data,
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout.split()) == (0, [b"unread"]), done.stderr[-500:]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("column", ["bytes", "texts", "category", "views"])
def test_a_cell_that_is_too_long_is_told(
    column: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.publish.contents import tables

    monkeypatch.setattr(tables, "_VALUE", 100_000)
    long = "a plain line of a log, nothing to see\n" * 4000 + SECRET
    values = ["a short one", long.encode() if column == "bytes" else long, f"beside {SECRET}"]
    cells = pyarrow.array([v if isinstance(v, bytes) else v.encode() for v in values])
    kind = {"bytes": pyarrow.binary(), "views": pyarrow.string_view()}.get(column, pyarrow.string())
    cells = cells.cast(kind)
    data = stored(cells.dictionary_encode() if column == "category" else cells, form)
    found = list(scan("a", io.BytesIO(data), len(data)))
    assert Kind.UNREAD in {leak.kind for leak in found}
    (beside,) = (leak for leak in found if leak.kind is Kind.SECRET)  # the others are read
    assert beside.secret == TOKEN
    assert "row 3" in beside.place or beside.line == 3


def test_lists_of_texts_in_many_groups_are_read_to_their_end() -> None:
    out = io.BytesIO()
    texts = [[f"a word {n % 7}"] for n in range(2000)]
    parquet.write_table(pyarrow.table({"tags": [*texts, [SECRET]]}), out, row_group_size=700)
    assert read(out.getvalue()) == [(Kind.SECRET, TOKEN)]


@pytest.mark.parametrize("nested", [False, True])
def test_a_dictionary_that_is_given_up_is_read_once(nested: bool) -> None:
    texts: list[Any] = [
        f"a caption of one picture, number {n}" + " more" * 9 for n in range(60_000)
    ]
    texts.append(SECRET)
    out = io.BytesIO()
    column = [[text] for text in texts] if nested else texts
    parquet.write_table(pyarrow.table({"text": column}), out)
    start = time.process_time()
    assert read(out.getvalue()) == [(Kind.SECRET, TOKEN)]
    assert time.process_time() - start < 20


def test_rows_are_counted_where_a_dictionary_is_given_up() -> None:
    texts = [f"a caption of one picture, number {n}" for n in range(3000)]
    texts[2345] = SECRET
    out = io.BytesIO()
    table = pyarrow.table({"text": texts})
    parquet.write_table(table, out, dictionary_pagesize_limit=10_000, data_page_size=5_000)
    data = out.getvalue()
    found = list(scan("a.parquet", io.BytesIO(data), len(data)))
    assert [(leak.line, leak.secret) for leak in found] == [(2346, TOKEN)]


@pytest.mark.parametrize("begin", [b"ORC", b"Obj\x01"])
def test_tables_that_are_not_opened_are_told(begin: bytes) -> None:
    assert read(begin + bytes(range(256)) * 4, "a.bin") == [(Kind.UNREAD, "")]
    assert not read(begin.rstrip(b"\x01") + b"s in a wood of old trees, by a river", "a.txt")


def test_what_fills_the_last_block_of_a_member_of_a_tar() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        facts = tarfile.TarInfo("a.txt")
        facts.size = 10
        archive.addfile(facts, io.BytesIO(b"0123456789"))
    data = bytearray(out.getvalue())
    assert not read(bytes(data), "a.tar")
    packed = gzip.compress(SECRET.encode())
    data[600 : 600 + len(packed)] = packed
    assert (Kind.SECRET, TOKEN) in read(bytes(data), "a.tar")
