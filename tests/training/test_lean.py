"""Steps without peft's wrapper, clipping and seeds that nobody needs learn the same, bit by bit;
those whose narrow heads are filled up, to the last bits."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from hubtools.models import attention  # noqa: E402
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


def answer(denoiser: Any, side: int = 8, **more: Any) -> Any:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, 4, side, side, generator=generator)
    wide = denoiser.config.cross_attention_dim
    captions = torch.randn(2, 77, wide, generator=generator)
    return denoiser(latents, torch.tensor([3, 700]), captions, return_dict=False, **more)[0]


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


@pytest.mark.parametrize("seen", [77, 300])
@pytest.mark.parametrize("width", [3, 4, 8, 10, 12, 15])
def test_attention_of_narrow_heads_is_the_same(
    width: int, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(width)
    given = [
        torch.randn(2, tokens, 4, width, generator=generator).requires_grad_()
        for tokens in (attention.QUERIES, seen, seen)
    ]
    towards = torch.randn(2, 4, attention.QUERIES, width, generator=generator)

    def learnt(attend: Any) -> list[Any]:
        answer = attend(*(one.transpose(1, 2) for one in given))
        return [answer.detach(), *torch.autograd.grad((answer * towards).sum(), given)]

    wide = []

    def counted(*given: Any, **more: Any) -> Any:
        wide.append(given[0].shape[-1])
        return plain(*given, **more)

    plain = torch.nn.functional.scaled_dot_product_attention
    wanted = learnt(plain)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    found = learnt(attention.attended)
    assert wide == [attention.WIDTH]
    assert all(
        torch.allclose(one, other, rtol=1e-4, atol=2e-6)
        for one, other in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize(
    ("width", "queries", "dtype"),
    [(16, 256, "float32"), (10, 255, "float32"), (10, 256, "float64")],
)
def test_other_heads_are_left_as_they_are(width: int, queries: int, dtype: str) -> None:
    given = [torch.randn(1, 2, queries, width, dtype=getattr(torch, dtype)) for _ in range(3)]
    plain = torch.nn.functional.scaled_dot_product_attention(*given)
    assert torch.equal(attention.attended(*given), plain)


def test_a_lean_attention_is_that_of_diffusers(denoiser: Any) -> None:
    denoiser.requires_grad_(False)
    plain, longer = answer(denoiser), answer(denoiser, 16)
    mask = torch.ones(2, 77)
    mask[:, 40:] = 0
    masked = answer(denoiser, encoder_attention_mask=mask)
    names = [name for name, _ in denoiser.named_modules()]
    assert attention.make_lean(denoiser) == sum(name.endswith(("attn1", "attn2")) for name in names)
    assert torch.equal(answer(denoiser), plain)
    assert torch.equal(answer(denoiser, encoder_attention_mask=mask), masked)
    assert torch.allclose(answer(denoiser, 16), longer, rtol=1e-4, atol=1e-5)
    assert torch.equal(answer(denoiser, cross_attention_kwargs={"scale": 1.0}), plain)

    # a copy has its own weights, and another processor takes the place of the pass
    other = deepcopy(denoiser)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert not answer(other).any()
    assert torch.equal(answer(denoiser), plain)
    denoiser.set_attn_processor(SameForAll())
    assert not torch.equal(answer(denoiser), plain)


class SameForAll:
    """A processor that lets nothing through."""

    def __call__(self, layer: Any, hidden_states: Any, **more: Any) -> Any:
        return torch.zeros_like(hidden_states)


def test_with_narrow_heads_filled_up_a_lora_learns_the_same(denoiser: Any) -> None:
    other = deepcopy(denoiser)
    assert {one.to_q.out_features // one.heads for one in attentions(other)} == {4, 8}
    assert attention.make_lean(other)
    assert make_lean(other) == 0

    def trained(denoiser: Any) -> Any:
        parameters = learning(denoiser, rank=4)
        make_lean(denoiser)
        optimizer = torch.optim.SGD(parameters.values(), lr=0.1)
        before = torch.cat([one.detach().flatten() for one in parameters.values()])
        for _ in range(2):
            optimizer.zero_grad()
            answer(denoiser, 16).square().mean().backward()
            optimizer.step()
        return torch.cat([one.detach().flatten() for one in parameters.values()]) - before

    one, two = trained(denoiser), trained(other)
    assert float(one.norm()) > 0.001
    assert not torch.equal(one, two)
    assert float((one - two).norm() / one.norm()) < 1e-4


def attentions(denoiser: Any) -> list[Any]:
    return [one for one in denoiser.modules() if hasattr(one, "to_q")]
