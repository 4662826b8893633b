"""Bases held in few bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from hubtools.errors import UsageError
from hubtools.models.quantised import Kind, packed, quantise, unpacked
from hubtools.training.train import train

KINDS: tuple[Kind, ...] = ("nf4", "int8", "fp8")
# Of appendix E of the paper on QLoRA.
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(128, 64)
        self.small = nn.Linear(64, 8)
        self.odd = nn.Linear(100, 64)
        self.norm = nn.LayerNorm(64)


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj_in = nn.Linear(128, 128)
        self.blocks = nn.ModuleList([Block(), Block()])


def test_nf4_is_that_of_the_paper() -> None:
    weight = torch.tensor([[level * 3.5 for level in NF4] * 4])
    codes, scales = packed(weight, "nf4")
    assert torch.allclose(unpacked(codes, scales, "nf4", torch.float32), weight, atol=2e-6)
    assert scales.tolist() == [[3.5]]
    # 3 lies nearer to 2.53 (0.72) than to 3.5 (1)
    other, scales = packed(torch.tensor([[3.5, 3.0] + [0.0] * 62]), "nf4")
    assert torch.allclose(
        unpacked(other, scales, "nf4", torch.float32)[0, :3],
        torch.tensor([3.5, NF4[14] * 3.5, 0.0]),
    )


@settings(deadline=None, max_examples=30)
@given(
    kind=st.sampled_from(KINDS),
    rows=st.integers(1, 5),
    blocks=st.integers(1, 3),
    scale=st.floats(-20, 20),
    seed=st.integers(0, 2**31),
)
def test_what_is_unpacked_is_as_near_as_the_kind_is(
    kind: Kind, rows: int, blocks: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn((rows, 64 * blocks), generator=generator) * math.exp(scale)
    weight[0] = 0
    codes, scales = packed(weight, kind)
    back = unpacked(codes, scales, kind, torch.float32)
    size = 64 if kind == "nf4" else 64 * blocks
    largest = weight.reshape(rows, -1, size).abs().amax(-1, keepdim=True)
    off = (back - weight).abs().reshape(rows, -1, size)
    # half the widest gap between levels; half a step; half of 2^-3 of the number itself
    share = {"nf4": (1 - 0.6961928) / 2, "int8": 0.5 / 127, "fp8": 2**-4}[kind]
    assert (off <= largest * share * 1.001).all()
    assert torch.equal(back[0], torch.zeros(64 * blocks))
    bits = 8 * (codes.nbytes + scales.nbytes) / weight.numel()
    assert bits == pytest.approx(4.5 if kind == "nf4" else 8 + 32 / (64 * blocks))


@pytest.mark.parametrize("kind", KINDS)
def test_only_large_layers_of_blocks_are_changed(kind: Kind) -> None:
    denoiser = Denoiser().to(torch.bfloat16)
    before = denoiser.blocks[1].to_q.weight.detach().clone()
    assert quantise(denoiser, kind) == 2
    changed = {name for name, module in denoiser.named_modules() if hasattr(module, "codes")}
    assert changed == {"blocks.0.to_q", "blocks.1.to_q"}
    after = denoiser.blocks[1].to_q.weight
    assert after.dtype == torch.bfloat16
    assert (after - before).norm() < before.norm() * 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_it_answers_and_goes_back_as_its_numbers_do(kind: Kind) -> None:
    torch.manual_seed(0)
    denoiser = Denoiser()
    quantise(denoiser, kind)
    layer = denoiser.blocks[0].to_q
    plain = nn.Linear(128, 64)
    plain.weight.data, plain.bias.data = layer.weight.detach(), layer.bias.detach()
    x = torch.randn(3, 5, 128, requires_grad=True)
    other = x.detach().clone().requires_grad_(True)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda one: (kept.append(one.nbytes), one)[1], lambda one: one
    ):
        answer = layer(x)
    expected = plain(other)
    assert torch.allclose(answer, expected, atol=1e-6)
    assert sum(kept) <= layer.codes.nbytes + layer.scales.nbytes  # and not the numbers
    (answer**2).sum().backward()
    (expected**2).sum().backward()
    assert x.grad is not None
    assert other.grad is not None
    assert torch.allclose(x.grad, other.grad, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_on_it_is_saved_read_back_and_resumed(
    kind: Kind, make_project: Callable[..., Any]
) -> None:
    whole = {"target_modules": ["to_v", "ff.net.2"], "quantize": kind, "max_train_steps": 4}
    manifest = train(make_project(name="straight", **whole), skip_validation=True)
    assert manifest.status == "finished"
    if kind != "nf4":
        return
    resumed = make_project(name="parts", checkpointing_steps=2, **whole)
    train(resumed, skip_validation=True)
    for path in (resumed.run_dir / "state").glob("step-000004"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    (resumed.run_dir / "pytorch_lora_weights.safetensors").unlink()
    train(resumed, skip_validation=True, resume="latest")
    name = "pytorch_lora_weights.safetensors"
    first = load_file(make_project(name="straight").run_dir / name)
    second = load_file(resumed.run_dir / name)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    exact = make_project(name="exact", **(whole | {"quantize": None}))
    train(exact, skip_validation=True)
    other = load_file(exact.run_dir / name)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_flux_reads_its_lora_back_on_it(make_project: Callable[..., Any], tiny_flux1: Path) -> None:
    """Its loader looks for weights, of which a quantised layer has none; DoRA for their norm."""
    base = {"pretrained_model_name_or_path": str(tiny_flux1), "target_modules": ["ff.net.2"]}
    project = make_project(quantize="int8", use_dora=True, max_train_steps=1, **base)
    assert train(project, skip_validation=True).status == "finished"


def test_a_base_without_such_layers_is_refused() -> None:
    from hubtools.settings import TrainSettings
    from hubtools.training.device import quantise_as_set

    with pytest.raises(UsageError, match="no layer that can be held so"):
        quantise_as_set(nn.Linear(4, 4), TrainSettings(quantize="nf4"))


def test_the_plan_counts_it(make_project: Callable[..., Any], tmp_path: Path) -> None:
    from hubtools.models.blank import bytes_of

    with torch.device("meta"):
        denoiser = Denoiser().to(torch.bfloat16)
    before = bytes_of(denoiser)
    quantise(denoiser, "nf4")
    layer = 128 * 64
    assert bytes_of(denoiser) == before - 2 * (2 * layer) + 2 * (layer // 2 + layer // 64 * 4)
