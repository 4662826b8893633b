"""Krea 2 against its own pipeline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.batches import MASK  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling, family_of  # noqa: E402
from hubtools.models.lookup import instead_of  # noqa: E402
from hubtools.models.targets import target_of  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    Noting,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def packed(pictures: Any) -> Any:
    """(N, 16, h, w) as tokens of two by two cells, channels first among their numbers."""
    count, channels, height, width = pictures.shape
    cut = pictures.view(count, channels, height // 2, 2, width // 2, 2)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(count, height * width // 4, 4 * channels)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """Packed n - x."""
    return packed(target)


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        latents = vae.encode(picture[None, :, None]).latent_dist.mode()
        return vae.decode(latents).sample[:, :, 0] / 2 + 0.5


def without_padding(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A call of the pipeline, which pads captions and says so by a mask."""
    mask = arguments["encoder_attention_mask"][0]
    return {
        **arguments,
        "encoder_hidden_states": arguments["encoder_hidden_states"][:, mask],
        "encoder_attention_mask": None,
        "position_ids": arguments["position_ids"][int((~mask).sum()) :],
    }


@pytest.mark.parametrize("base", ["tiny_krea2", "tiny_krea2_turbo"])
def test_its_pipeline_arrives_at_the_picture(base: str, request: pytest.FixtureRequest) -> None:
    guided = base == "tiny_krea2"
    check_against_pipeline(
        request.getfixturevalue(base),
        raw,
        lambda arguments: arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 4.5 if guided else 0.0},
        uncond=guided,
        stripped=without_padding,
    )


def test_the_loss_is_that_of_its_parts_and_of_padded_captions(tiny_krea2: Path) -> None:
    model = load(tiny_krea2, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        config = pipeline.vae.config
        latents = pipeline.vae.encode(pixels(48, 64)[None, :, None]).latent_dist.mode()[:, :, 0]
        mean, deviation = (
            torch.tensor(values).view(1, 16, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        latents = (latents - mean) / deviation
        words, mask = pipeline.encode_prompt(CAPTION, device="cpu")
        assert words.shape == (1, 512, 12, 16)
        answer = pipeline.transformer(
            hidden_states=packed(0.3 * latents + 0.7 * noise),
            timestep=torch.tensor([0.7]),
            encoder_hidden_states=words,
            encoder_attention_mask=mask,
            position_ids=pipeline.prepare_position_ids(512, 4, 3, "cpu"),
            return_dict=False,
        )[0]
        wanted = (answer - packed(noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(48, 64)), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_captions_are_those_of_the_pipelines_call(tiny_krea2: Path) -> None:
    model = load(tiny_krea2)
    tokenizer = model.pipeline.tokenizer  # as long as its pipeline counts on
    assert len(tokenizer(model.pipeline.prompt_template_encode_prefix).input_ids) == 34
    assert len(tokenizer(model.pipeline.prompt_template_encode_suffix).input_ids) == 5
    noting = Noting(model.denoiser, lambda arguments: arguments["hidden_states"] * 0)
    model.pipeline.transformer = noting
    model.pipeline(CAPTION, width=64, height=64, num_inference_steps=1, guidance_scale=4.5)
    for call, caption in zip(noting.calls, (CAPTION, ""), strict=True):
        ours = model.encode_caption(caption)["embeds"]
        assert torch.equal(ours, without_padding(call)["encoder_hidden_states"][0])
    short, long = model.encode_caption("a tok"), model.encode_caption(CAPTION)
    lengths = [len(short["embeds"]), len(long["embeds"])]
    batch = model.collate([short, long])
    assert batch["embeds"].shape == (2, lengths[1], 12, 16)
    assert batch[MASK].sum(1).tolist() == lengths


def test_turbo_is_known_by_its_pipeline(tiny_krea2: Path, tiny_krea2_turbo: Path) -> None:
    family = family_of(tiny_krea2, "tiny")
    base, turbo = family.info(tiny_krea2, None), family.info(tiny_krea2_turbo, None)
    assert (base.distilled, turbo.distilled) == (False, True)
    assert (base.guided, turbo.guided) == (True, False)
    assert family.sampling(tiny_krea2) == Sampling(28, 4.5)
    assert family.sampling(tiny_krea2_turbo) == Sampling(8, 0.0)
    assert turbo.shift.factor(64) == turbo.shift.factor(4096) == math.exp(1.15)
    assert base.shift.factor(4096) == pytest.approx(math.exp(0.5 + 0.65 * 3840 / 6144))
    assert instead_of("krea/Krea-2-Turbo", "krea2") == "krea/Krea-2-Raw"
    for name, target in (("krea/Krea-2-Raw", "krea2"), ("b/FLUX.1-Krea-dev", "flux")):
        found = target_of(name)
        assert found is not None
        assert found.name == target
