"""Files that are named as a LoRA is, and are none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubtools.commands.weights import convert, export
from hubtools.conversion.adapter import read_adapter
from hubtools.errors import HubtoolsError, UsageError
from hubtools.models.registry import TARGETS

SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
LAYER = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
FLAT = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


def halves(down: tuple[int, ...] = (4, 768), up: tuple[int, ...] = (320, 4)) -> dict[str, Any]:
    return {f"{LAYER}.lora_A.weight": torch.ones(down), f"{LAYER}.lora_B.weight": torch.ones(up)}


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ((), (320, 4)), ((4, 768), ()), ((4,), (4,)), ((0, 768), (320, 0)), ((4, 0), (0, 4)),
        ((4, 768), (320, 8)), ((4, 768, 1, 1), (320, 4, 3, 3)),
    ],
)  # fmt: skip
def test_shapes_that_make_no_change(
    down: tuple[int, ...], up: tuple[int, ...], tmp_path: Path
) -> None:
    save_file(halves(down, up), tmp_path / "one.safetensors")
    with pytest.raises(HubtoolsError, match="make no change of a layer") as caught:
        convert(tmp_path / "one.safetensors", tmp_path / "to.safetensors", base_model=SD15)
    assert caught.value.code == "file-damaged"
    assert not (tmp_path / "to.safetensors").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({f"{LAYER}.lora_B.bias": (320,)}, "has biases"),
        ({f"{LAYER}.lora_mid.weight": (4, 4, 3, 3)}, "three parts a layer"),
        ({f"{LAYER}.lora_A.two.weight": (4, 768), f"{LAYER}.lora_B.two.weight": (320, 4)}, "twice"),
    ],
)
def test_what_would_be_lost_is_refused(
    more: dict[str, tuple[int, ...]], said: str, tmp_path: Path
) -> None:
    tensors = halves() | {name: torch.ones(shape) for name, shape in more.items()}
    save_file(tensors, tmp_path / "one.safetensors")
    with pytest.raises(HubtoolsError, match=said):
        convert(tmp_path / "one.safetensors", tmp_path / "to.safetensors", base_model=SD15)


def test_what_is_no_part_of_it_is_told(tmp_path: Path) -> None:
    save_file(halves() | {"something.else": torch.ones(3)}, tmp_path / "one.safetensors")
    done = convert(tmp_path / "one.safetensors", tmp_path / "to.safetensors", base_model=SD15)
    assert "something.else" in " ".join(done.mended)


def test_numbers_that_grow_too_large_are_told_before_anything_is_written(tmp_path: Path) -> None:
    save_file({name: one * 1e5 for name, one in halves().items()}, tmp_path / "one.safetensors")
    with pytest.raises(HubtoolsError, match="too large for fp16"):
        export(
            tmp_path / "one.safetensors", "diffusers", tmp_path / "to.safetensors", dtype="fp16",
            base_model=SD15,
        )  # fmt: skip
    assert not (tmp_path / "to.safetensors").exists()


def test_eight_bits_are_multiplied_in_more(tmp_path: Path) -> None:
    small = torch.float8_e4m3fn
    tensors = {
        f"{FLAT}.lora_down.weight": torch.ones(4, 768).to(small),
        f"{FLAT}.lora_up.weight": torch.ones(320, 4).to(small),
        f"{FLAT}.alpha": torch.tensor(2.0),
    }
    save_file(tensors, tmp_path / "one.safetensors")
    convert(tmp_path / "one.safetensors", tmp_path / "to.safetensors", base_model=SD15)
    assert float(load_file(tmp_path / "to.safetensors")[f"{LAYER}.lora_B.weight"][0, 0]) == 0.5


def test_alphas_of_single_layers_count(tmp_path: Path) -> None:
    other = LAYER.replace("to_k", "to_v")
    tensors = halves() | {
        f"{other}.lora_A.weight": torch.ones(16, 768),
        f"{other}.lora_B.weight": torch.ones(320, 16),
    }
    save_file(tensors, tmp_path / "one.safetensors")
    done = convert(tmp_path / "one.safetensors", tmp_path / "to.safetensors", base_model=SD15)
    assert done.difference.whole == 0
    scales = read_adapter(done.path, TARGETS["sd15"]).layers
    assert {layer.scale for layer in scales.values()} == {1.0}


def test_what_peft_wrote_beside_its_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "adapter_model.safetensors"
    inner = LAYER.removeprefix("unet.")
    save_file(
        {f"base_model.model.{inner}.lora_A.weight": torch.ones(4, 768),
         f"base_model.model.{inner}.lora_B.weight": torch.ones(320, 4)}, file,
    )  # fmt: skip
    said = {"r": 4, "lora_alpha": 2}
    (tmp_path / "adapter_config.json").write_text(json.dumps(said))
    assert [one.scale for one in read_adapter(file, TARGETS["sd15"]).layers.values()] == [0.5]
    # alpha over the root of the rank
    (tmp_path / "adapter_config.json").write_text(json.dumps(said | {"use_rslora": True}))
    assert [one.scale for one in read_adapter(file, TARGETS["sd15"]).layers.values()] == [1.0]
    (tmp_path / "adapter_config.json").unlink()
    (tmp_path / "adapter_config.json").mkdir()
    with pytest.raises(IsADirectoryError):  # not as if it were not there
        read_adapter(file, TARGETS["sd15"])


def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path) -> None:
    save_file(halves(), tmp_path / "one.safetensors")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "adapter_config.json").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export(tmp_path / "one.safetensors", "peft", tmp_path / "to", base_model=SD15)
    assert (tmp_path / "to" / "adapter_config.json").read_text() == "mine"
    file = tmp_path / "to" / "adapter_model.safetensors"
    save_file(halves(), file)
    with pytest.raises(UsageError, match="is the LoRA itself"):
        export(file, "peft", tmp_path / "to", base_model=SD15, overwrite=True)


def test_a_pickle_of_one_number_that_claims_to_be_many(tmp_path: Path) -> None:
    content = io.BytesIO()
    many = torch.ones(1).expand(10**7, 10**7)
    torch.save(halves() | {f"{LAYER}.lora_A.weight": many}, content)
    (tmp_path / "one.bin").write_bytes(content.getvalue())
    with pytest.raises(HubtoolsError, match="one half is missing"):
        convert(
            tmp_path / "one.bin", tmp_path / "to.safetensors", base_model=SD15, allow_pickle=True
        )
