"""What a weight file holds is read from its header, whatever its name."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.weights import Holds, read_header

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("names", "holds"),
    [
        (["unet.a.to_q.lora_A.weight", "unet.a.to_q.lora_B.weight"], Holds.LORA),
        (["unet.a.lora.down.weight", "unet.a.lora.up.weight"], Holds.LORA),
        (
            ["lora_unet_a.lora_down.weight", "lora_unet_a.lora_up.weight", "lora_unet_a.alpha"],
            Holds.LORA,
        ),
        (["a.lora_A.weight", "a.lora_B.weight", "a.lora_magnitude_vector"], Holds.LORA),
        (
            ["a.base_layer.weight", "a.lora_A.default.weight", "a.lora_B.default.weight"],
            Holds.FULL_WITH_LORA,
        ),
        (
            ["a.lora_A.weight", "a.lora_B.weight", "x.weight", "y.weight", "z.weight"],
            Holds.FULL_WITH_LORA,
        ),
        (["a.lora_A.weight.exp_avg", "a.lora_A.weight.exp_avg_sq"], Holds.OPTIMIZER),
        (["conv_in.weight"], Holds.MODEL),
        ([], Holds.MODEL),
    ],
)
def test_kinds(tmp_path: Path, make_weights: Make, names: list[str], holds: Holds) -> None:
    path = make_weights(tmp_path / "x.safetensors", {key: [4, 8] for key in names})
    header = read_header(path)
    assert header.holds is holds
    lora = any("lora_A" in name or "down" in name for name in names)
    assert header.rank == (4 if lora else None)


def test_metadata_and_rank_of_a_file_by_the_library(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    tensors = {"a.lora_A.weight": torch.zeros(3, 8), "a.lora_B.weight": torch.zeros(8, 3)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"step": "7"})
    header = read_header(tmp_path / "x.safetensors")
    assert (header.holds, header.rank, header.metadata) == (Holds.LORA, 3, {"step": "7"})


@pytest.mark.parametrize("change", [-1, -60, 1])
def test_what_the_library_would_not_open_is_damaged(
    tmp_path: Path, make_lora_file: Make, change: int
) -> None:
    path = make_lora_file(tmp_path / "x.safetensors")
    assert read_header(path).holds is Holds.LORA
    os.truncate(path, path.stat().st_size + change)
    assert read_header(path).holds is Holds.DAMAGED
    safetensors = pytest.importorskip("safetensors")
    with pytest.raises(safetensors.SafetensorError):
        safetensors.safe_open(path, framework="np")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_damaged_at_worst(tmp_path: Path, data: bytes, prefixed: bool) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(data)) + data if prefixed else data)
    assert read_header(path).holds in (Holds.DAMAGED, Holds.MODEL)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["__metadata__", "a.lora_A.b", "x"]), json_values))
def test_any_header_is_read_or_damaged(tmp_path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    header = read_header(path)
    assert header.rank is None or isinstance(header.rank, int)
