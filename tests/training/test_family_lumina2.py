"""Lumina-Image 2 against its own pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.inference.embeddings import Prompts  # noqa: E402
from hubtools.inference.shots import Shot  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling, family_of  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """x - n."""
    return -target


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent_dist.mode()).sample / 2 + 0.5


def without_padding(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A call of the pipeline, which pads captions and says so by a mask."""
    mask = arguments["encoder_attention_mask"][0].bool()
    return {
        **arguments,
        "encoder_hidden_states": arguments["encoder_hidden_states"][:, mask],
        "encoder_attention_mask": arguments["encoder_attention_mask"][:, mask],
    }


def test_its_pipeline_arrives_at_the_picture(tiny_lumina2: Path) -> None:
    """Every second call is that of the dropped caption; guidance keeps the length of the answer,
    which a predictor of one answer does not notice."""
    check_against_pipeline(
        tiny_lumina2,
        raw,
        lambda arguments: 1 - arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 4.0},
        uncond=True,
        stripped=without_padding,
    )


def test_only_a_prompt_has_words_before_it(tiny_lumina2: Path) -> None:
    model = load(tiny_lumina2)
    pipeline = model.pipeline
    with torch.no_grad():
        said, mask, unsaid, other = pipeline.encode_prompt("a tok", True, negative_prompt="a tok")
        _, _, dropped, nothing = pipeline.encode_prompt("a tok", True)
    words = Prompts(pipeline).embeddings([Shot("a tok", negative_prompt="a tok")])
    assert set(words) == {
        "prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds",
        "negative_prompt_attention_mask",
    }  # fmt: skip
    assert torch.equal(words["prompt_embeds"], said)
    assert torch.equal(words["negative_prompt_embeds"], unsaid)
    assert torch.equal(words["prompt_attention_mask"], mask)
    assert int(other.sum()) < int(mask.sum())
    assert torch.equal(model.encode_caption("a tok")["embeds"], said[0][mask[0].bool()])
    assert int(nothing.sum()) == 1
    assert torch.equal(model.encode_caption("")["embeds"], dropped[0, :1])


def test_the_loss_is_that_of_its_parts_and_of_padded_captions(tiny_lumina2: Path) -> None:
    model = load(tiny_lumina2, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        config = pipeline.vae.config
        latents = pipeline.vae.encode(pixels(48, 64)[None]).latent_dist.mode()
        latents = (latents - config.shift_factor) * config.scaling_factor
        words = pipeline.tokenizer(
            f"{pipeline.system_prompt} <Prompt Start> {CAPTION}",
            padding="max_length", max_length=256, truncation=True, return_tensors="pt",
        )  # fmt: skip
        states = pipeline.text_encoder(**words, output_hidden_states=True).hidden_states[-2]
        answer = pipeline.transformer(
            hidden_states=0.3 * latents + 0.7 * noise,
            timestep=torch.tensor([0.3]),
            encoder_hidden_states=states,
            encoder_attention_mask=words["attention_mask"],
            return_dict=False,
        )[0]
        wanted = (-answer - (noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(48, 64)), model.encode_caption(CAPTION)
    assert len(caption["embeds"]) < 256
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_what_it_is(tiny_lumina2: Path) -> None:
    family = family_of(tiny_lumina2, "tiny")
    info = family.info(tiny_lumina2, None)
    assert (info.distilled, info.guided, info.shift.fixed) == (False, True, 6.0)
    assert (info.native_size, info.latent_factor) == (64, 8)
    assert family.sampling(tiny_lumina2) == Sampling(30, 4.0)
