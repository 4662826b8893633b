"""What is said of a LoRA file is what diffusers' own loader does with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from hubtools.errors import HubtoolsError
from hubtools.inference.lora import WeightedLora, check_loras, resolve_lora
from hubtools.layout import LORA_WEIGHTS
from hubtools.lorafile.faults import faults_of
from hubtools.lorafile.look import Weights, look
from hubtools.models.registry import TARGETS
from hubtools.models.rows import Target
from tests import lorafiles

# (fixture of a tiny pipeline, its family)
FAMILIES = [
    ("tiny_base", "sd15"),
    ("tiny_sdxl", "sdxl"),
    ("tiny_flux2", "flux2"),
    ("tiny_z_image", "z-image"),
    ("tiny_krea2", "krea2"),
    ("tiny_chroma", "chroma"),
    ("tiny_lumina2", "lumina2"),
    ("tiny_sana", "sana"),
]
PREFIX = {"sd15": "unet.", "sdxl": "unet."}


def looked(path: Path) -> Weights:
    return look(lambda: path.open("rb"), path.stat().st_size)


def carried(pipeline: Any) -> int:
    """Tensors of adapters whose numbers are those of a file: no file here holds a zero half."""
    from hubtools.models.loading import denoiser_of

    named = denoiser_of(pipeline).named_parameters()
    return sum("lora_" in name and bool(p.detach().any()) for name, p in named)


def variants(state: dict[str, Any], prefix: str) -> dict[str, dict[str, Any]]:
    halves = [name for name in state if "lora_A" in name]
    return {
        "good": {prefix + name: one for name, one in state.items()},
        "peft-names": {f"base_model.model.{name}": one for name, one in state.items()},
        "lost-prefix": dict(state),
        "adapter-keys": {
            prefix + name.replace(".weight", ".default.weight"): one for name, one in state.items()
        },
        "part": {
            prefix
            + (name.replace("lora_A", "lora.down").replace("lora_B", "lora.up") if "to_v" in name
               else name): one
            for name, one in state.items()
        },
        "halves": {prefix + name: state[name] for name in halves},
    }  # fmt: skip


@pytest.mark.parametrize(("fixture", "family"), FAMILIES)
def test_the_stock_loader_takes_what_is_said(
    fixture: str, family: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from diffusers import DiffusionPipeline
    from peft import LoraConfig, get_peft_model_state_dict

    from hubtools.models.loading import denoiser_of

    base: Target = TARGETS[family]
    folder = str(request.getfixturevalue(fixture))
    pipeline = DiffusionPipeline.from_pretrained(folder)
    denoiser: Any = denoiser_of(pipeline)
    denoiser.add_adapter(LoraConfig(r=4, target_modules=["to_q", "to_k", "to_v"]))
    rng = numpy.random.default_rng(0)
    state = {
        name: rng.normal(size=tuple(one.shape)).astype("float32")
        for name, one in get_peft_model_state_dict(denoiser).items()
    }
    denoiser.delete_adapters(["default"])
    for kind, tensors in variants(state, PREFIX.get(family, "transformer.")).items():
        path = lorafiles.save(tmp_path / kind / LORA_WEIGHTS, tensors)
        held = looked(path)
        faults = [fault.kind for fault in faults_of(held, base)]
        try:
            pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
            taken = carried(pipeline)
        except Exception:
            taken = 0
            pipeline = DiffusionPipeline.from_pretrained(folder)
        else:
            pipeline.unload_lora_weights()
        if kind == "good" or (kind, family) == ("peft-names", "flux2"):
            assert (taken, faults) == (len(tensors), []), kind
        else:
            assert faults == [kind]
            assert taken < len(state), kind
        if kind != "halves" and kind != "adapter-keys":
            assert len(held.taken(base)) == taken, kind


@pytest.mark.parametrize("kind", [kind for kind in lorafiles.BAD if kind not in ("zero", "part")])
def test_generate_says_so_before_the_base_is_loaded(
    kind: str, tiny_base: Path, tmp_path: Path
) -> None:
    path = lorafiles.save(tmp_path / "a.safetensors", lorafiles.BAD[kind][1])
    lora = WeightedLora(resolve_lora(str(path)))
    with pytest.raises(HubtoolsError) as caught:
        check_loras([lora], str(tiny_base), lambda text: None)
    assert "is not drawn with as it is meant" in str(caught.value)


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    made = lorafiles.kohya(lorafiles.good(), alpha=2)
    held = looked(lorafiles.save(tmp_path / "a.safetensors", made))
    assert (held.kind, held.format, held.families) == ("lora", "kohya", ("sd15",))
    assert (held.ranks, held.alphas) == ((4,), (2.0,))
    assert held.strengths(header=True) == held.strengths(header=False) == (0.5,)
    assert held.targets == ("to_k", "to_q")
    said = '{"unet.r": 4, "unet.lora_alpha": 8}'
    path = lorafiles.save(tmp_path / "b.safetensors", lorafiles.good(), lora_adapter_metadata=said)
    held = looked(path)
    assert held.strengths(header=True) == (2.0,)
    assert held.strengths(header=False) == (1.0,)
    held = looked(lorafiles.save(tmp_path / "c.safetensors", lorafiles.loha()))
    assert (held.kind, held.taken(), len(held.taken_by_comfyui())) == ("loha", frozenset(), 8)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("number", [0.0, -0.0, 1e-3, numpy.inf, numpy.nan])
def test_numbers_of_every_format(tmp_path: Path, dtype: str, number: float) -> None:
    made = {}
    for name, one in lorafiles.good().items():
        full = numpy.full(one.shape, number, "float32")
        made[name] = (
            (full.view("uint32") >> 16).astype("uint16") if dtype[0] == "b" else full.astype(dtype)
        )
    held = looked(lorafiles.save(tmp_path / "a.safetensors", made))
    kinds = [fault.kind for fault in faults_of(held)]
    assert kinds == ([] if number == 1e-3 else ["zero" if number == 0 else "not-finite"])


def test_comfyui_does_not_know_what_diffusers_calls_the_layers_of_some(tmp_path: Path) -> None:
    for layer, width, family, taken in (
        ("layers.0.attn.to_q", 2304, None, 0),
        ("layers.0.attention.to_q", 3840, None, 2),
        ("transformer_blocks.0.attn1.to_q", 2240, None, 0),
        ("transformer_blocks.0.attn1.to_q", 1152, None, 2),
        ("transformer_blocks.0.attn1.to_q", 1152, "sana", 0),
        ("transformer_blocks.0.attn1.to_q", 1152, "of-tomorrow", 2),
        ("transformer_blocks.0.attn.to_gate", 6144, None, 2),
    ):
        state = {
            f"transformer.{layer}.lora_A.weight": numpy.ones((4, width), "float32"),
            f"transformer.{layer}.lora_B.weight": numpy.ones((width, 4), "float32"),
        }
        held = looked(lorafiles.save(tmp_path / "a.safetensors", state))
        assert len(held.taken_by_comfyui(family)) == taken, (layer, width, family)
        assert len(held.taken()) == 2
