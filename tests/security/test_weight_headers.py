"""A weight file is what its bytes are, not what its header claims."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.weights import MAX_HEADER, Holds, read_header


def write(path: Path, header: bytes | dict[str, Any], data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def tensor(shape: list[Any], begin: int, end: int, dtype: str = "F16") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


LORA = "unet.to_q.lora_A.weight"
LIES: dict[str, tuple[bytes | dict[str, Any], int]] = {
    "1e18 bytes in none": ({LORA: tensor([10**9, 10**9 // 2], 0, 10**18)}, 0),
    "1e18 elements in no bytes": ({LORA: tensor([10**9, 10**9], 0, 0)}, 0),
    "more elements than 64 bits": ({LORA: tensor([2**62, 2**62, 0], 0, 0)}, 0),
    "too few bytes": ({LORA: tensor([4, 4], 0, 30)}, 30),
    "overlapping": ({LORA: tensor([4], 0, 8), "b": tensor([4], 4, 12)}, 12),
    "a gap": ({LORA: tensor([4], 0, 8), "b": tensor([4], 10, 18)}, 18),
    "not at the start": ({LORA: tensor([4], 2, 10)}, 10),
    "backwards": ({LORA: tensor([4], 8, 0)}, 0),
    "negative": ({LORA: tensor([-4], 0, 8)}, 8),
    "a number with a point": ({LORA: tensor([4.0], 0, 8)}, 8),
    "true": ({LORA: tensor([True], 0, 2)}, 2),
    "no such type": ({LORA: tensor([4], 0, 8, "F17")}, 8),
    "a type that is a list": ({LORA: {**tensor([4], 0, 8), "dtype": ["F16"]}}, 8),
    "three offsets": ({LORA: {**tensor([4], 0, 8), "data_offsets": [0, 4, 8]}}, 8),
    "no tensor": ({LORA: 5}, 0),
    "metadata of numbers": ({"__metadata__": {"step": 5}, LORA: tensor([4], 0, 8)}, 8),
    "bytes behind": ({LORA: tensor([4], 0, 8)}, 9),
    "a key twice": (
        b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[0]}}',
        4,
    ),
    "deep": (b"[" * 100_000, 0),
    "deep in an object": (b'{"a":' * 100_000, 0),
    "not UTF-8": (b'{"\xff":1}', 0),
    "a space first": (b" {}", 0),
}


@pytest.mark.parametrize("lie", LIES)
def test_claims_that_the_bytes_do_not_keep(tmp_path: Path, lie: str) -> None:
    header, size = LIES[lie]
    path = write(tmp_path / "x.safetensors", header, b"\0" * size)
    found = read_header(path)
    assert found.holds is Holds.DAMAGED
    assert found.problem
    assert (found.tensors, found.metadata, found.rank) == ({}, {}, None)


def test_headers_that_are_too_long(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for length in (1 << 60, (1 << 64) - 1, 9):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        assert read_header(path).problem == "its header is longer than the file"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEADER + 1))
        file.truncate(8 + MAX_HEADER + 1)
    assert read_header(path).problem == "its header has more than 100 MB"


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"a":[],', "\U0001f600".encode()])
def test_a_long_header_takes_little_memory(tmp_path: Path, unit: bytes) -> None:
    text = b'{"a":["' + unit * (30_000_000 // len(unit)) if unit[0] > 127 else b'{"a":['
    text += unit * (30_000_000 // len(unit)) if unit[0] <= 127 else b'"'
    path = write(tmp_path / "x.safetensors", text)
    tracemalloc.start()
    try:
        assert read_header(path).holds is Holds.DAMAGED
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    path = tmp_path / "x.safetensors"
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        read_header(path)


extents = st.integers(-1, 4) | st.sampled_from([2**31, 2**63, 10**18, True, 1.5, None])
tensors = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F16", "F32", "BOOL", "F4", "I64", "X", 3]),
        "shape": st.lists(extents, max_size=3),
        "data_offsets": st.lists(st.integers(0, 40) | extents, min_size=1, max_size=3),
    }
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    header=st.dictionaries(st.sampled_from(["a.lora_A.b", "b", "c"]), tensors, max_size=3),
    fit=st.booleans(),
    size=st.integers(0, 40),
)
def test_the_library_opens_what_is_not_damaged_and_nothing_else(
    tmp_path: Path, header: dict[str, dict[str, Any]], fit: bool, size: int
) -> None:
    safetensors = pytest.importorskip("safetensors")
    if fit:  # most random headers are wrong in every way: put these in order
        size = 0
        for entry in header.values():
            bits = {"F16": 16, "F32": 32, "BOOL": 8, "F4": 4, "I64": 64}.get(entry["dtype"], 8)
            count = 1
            for extent in entry["shape"]:
                count *= extent if type(extent) is int and 0 <= extent < 5 else 1
            entry["data_offsets"] = [size, size + count * bits // 8]
            size += count * bits // 8
    path = write(tmp_path / "x.safetensors", header, b"\0" * size)
    try:
        safetensors.deserialize(path.read_bytes())
        opens = True
    except safetensors.SafetensorError:
        opens = False
    assert (read_header(path).holds is not Holds.DAMAGED) == opens
