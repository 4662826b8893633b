"""Steps without peft's wrapper, clipping and seeds that nobody needs learn the same, bit by bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.adapter import add_lora  # noqa: E402
from hubtools.training.lean import make_lean  # noqa: E402
from hubtools.training.loop import clip, has_dropout  # noqa: E402


@pytest.fixture
def denoiser(tiny_base: Path) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(str(tiny_base), subfolder="unet")


def learning(denoiser: Any, **settings: Any) -> dict[str, Any]:
    """Parameters of a LoRA that has begun to learn."""
    denoiser.requires_grad_(False).train()
    layers = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in"]
    said = TrainSettings(target_modules=layers, **settings)
    parameters = add_lora(denoiser, said, said.lora_alpha or said.rank)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in parameters.items():
        if "lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return parameters


def answer(denoiser: Any) -> Any:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    wide = denoiser.config.cross_attention_dim
    captions = torch.randn(2, 77, wide, generator=generator)
    return denoiser(latents, torch.tensor([3, 700]), captions, return_dict=False)[0]


def gradients(denoiser: Any, parameters: dict[str, Any]) -> list[Any]:
    for parameter in parameters.values():
        parameter.grad = None
    answer(denoiser).square().mean().backward()
    return [parameter.grad for parameter in parameters.values()]


@pytest.mark.parametrize("alpha", [None, 10.0])
def test_answers_and_gradients_are_those_of_peft(denoiser: Any, alpha: float | None) -> None:
    parameters = learning(denoiser, rank=4, lora_alpha=alpha)
    said, learnt = answer(denoiser), gradients(denoiser, parameters)
    keys = list(denoiser.state_dict())
    assert make_lean(denoiser) == len(parameters) / 2
    assert torch.equal(answer(denoiser), said)
    assert all(map(torch.equal, gradients(denoiser, parameters), learnt))
    assert list(denoiser.state_dict()) == keys

    denoiser.disable_adapters()
    bare = answer(denoiser)
    denoiser.enable_adapters()
    assert not torch.equal(bare, said)
    denoiser.set_adapters(["default"], [0.0])
    assert torch.equal(answer(denoiser), bare)
    denoiser.set_adapters(["default"], [1.0])
    denoiser.fuse_lora()
    assert torch.allclose(answer(denoiser), said, atol=1e-5)
    denoiser.unfuse_lora()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert answer(denoiser).dtype == torch.bfloat16


def test_what_is_no_plain_lora_stays_with_peft(denoiser: Any) -> None:
    assert not has_dropout(denoiser)
    learning(denoiser, rank=4, lora_dropout=0.5)
    assert has_dropout(denoiser)
    assert make_lean(denoiser) == 0
    assert not torch.equal(answer(denoiser), answer(denoiser))


@pytest.mark.parametrize("limit", [0.0, 0.5, 1e6])
def test_clipping_is_that_of_pytorch(limit: float) -> None:
    def fresh() -> list[Any]:
        generator = torch.Generator().manual_seed(2)
        found = [torch.nn.Parameter(torch.zeros(size, 7)) for size in (3, 40, 1)]
        for one in found[1:]:
            one.grad = torch.randn(one.shape, generator=generator)
        return found

    ours, theirs = fresh(), fresh()
    norm = clip(ours, limit)
    assert torch.equal(norm, torch.nn.utils.clip_grad_norm_(theirs, limit or float("inf")))
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        assert torch.equal(one.grad, other.grad)
    ours[1].grad[0] = float("nan")
    assert not clip(ours, limit).isfinite()
