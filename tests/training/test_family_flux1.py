"""FLUX.1 against its own pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.flux1 import Flux1  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def packed(pictures: Any) -> Any:
    """(N, 16, h, w) as the pipeline packs it."""
    from diffusers import FluxPipeline

    count, channels, height, width = pictures.shape
    return FluxPipeline._pack_latents(pictures, count, channels, height, width)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """Packed n - x."""
    return packed(target)


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent_dist.mode()).sample / 2 + 0.5


@pytest.mark.parametrize(
    ("base", "uncond"), [("tiny_flux1", False), ("tiny_flux1", True), ("tiny_schnell", False)]
)
def test_its_pipeline_arrives_at_the_picture(
    base: str, uncond: bool, request: pytest.FixtureRequest
) -> None:
    """Guided against the empty prompt, which it may be asked for, that is the dropped caption."""
    check_against_pipeline(
        request.getfixturevalue(base),
        raw,
        lambda arguments: arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        # what dev is told while it learns
        call={"guidance_scale": 1.0}
        | ({"true_cfg_scale": 4.0, "negative_prompt": ""} if uncond else {}),
        uncond=uncond,
    )


def test_the_loss_is_that_of_its_parts(tiny_flux1: Path) -> None:
    model = load(tiny_flux1, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        config = pipeline.vae.config
        latents = pipeline.vae.encode(pixels(48, 64)[None]).latent_dist.mode()
        latents = (latents - config.shift_factor) * config.scaling_factor
        words, pooled, word_ids = pipeline.encode_prompt(CAPTION, None)
        answer = pipeline.transformer(
            hidden_states=packed(0.3 * latents + 0.7 * noise),
            timestep=torch.tensor([0.7]),
            guidance=torch.ones(1),
            pooled_projections=pooled,
            encoder_hidden_states=words,
            txt_ids=word_ids,
            img_ids=pipeline._prepare_latent_image_ids(1, 4, 3, "cpu", torch.float32),
            return_dict=False,
        )[0]
        wanted = (answer - packed(noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(48, 64)), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_schnell_is_known_by_its_denoiser(tiny_flux1: Path, tiny_schnell: Path) -> None:
    family = Flux1()
    dev, schnell = family.info(tiny_flux1, None), family.info(tiny_schnell, None)
    assert (dev.distilled, schnell.distilled) == (False, True)
    assert (dev.guided, schnell.guided) == (False, False)  # neither knows an empty caption
    assert family.sampling(tiny_schnell) == Sampling(4, 0.0)
    assert family.sampling(tiny_flux1) == Sampling(28, 3.5)
    assert schnell.shift.fixed == 1.0
