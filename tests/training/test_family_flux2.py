"""FLUX.2 against its own pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.flux2 import Flux2  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """Tokens of n - x."""
    return target.flatten(2).transpose(1, 2)


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent_dist.mode()).sample / 2 + 0.5


@pytest.mark.parametrize("guided", [True, False])
def test_its_pipeline_arrives_at_the_picture(tiny_flux2: Path, guided: bool) -> None:
    check_against_pipeline(
        tiny_flux2,
        raw,
        lambda arguments: arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 4.0 if guided else 1.0},
        uncond=guided,
    )


def test_dev_is_read_without_its_processor_and_told_its_guidance(tiny_flux2_dev: Path) -> None:
    check_against_pipeline(
        tiny_flux2_dev,
        raw,
        lambda arguments: arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 1.0},
    )
    family = Flux2()
    info = family.info(tiny_flux2_dev, None)
    assert (info.guided, info.distilled) == (False, False)
    text = load(tiny_flux2_dev, parts=("text",)).pipeline
    assert family.words(text, None) == {}  # it takes no negative prompt, encoded or not


def test_klein_is_known_by_its_pipeline(tiny_flux2: Path, tiny_klein: Path) -> None:
    family = Flux2()
    base, klein = family.info(tiny_flux2, None), family.info(tiny_klein, None)
    assert ((base.distilled, base.guided), (klein.distilled, klein.guided)) == (
        (False, True),
        (True, False),
    )
    assert family.sampling(tiny_flux2) == Sampling(50, 4.0)
    assert family.sampling(tiny_klein) == Sampling(4, 1.0)
    assert "single_transformer_blocks.1.attn.to_out" in base.targets
    assert "single_transformer_blocks.2.attn.to_out" not in base.targets


def test_the_loss_is_that_of_its_parts(tiny_flux2: Path) -> None:
    model = load(tiny_flux2, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 128, 4, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        latents = pipeline._patchify_latents(pipeline.vae.encode(pixels()[None]).latent_dist.mode())
        statistics = pipeline.vae.bn
        statistics.eval()
        latents = statistics(latents)
        words, word_ids = pipeline.encode_prompt(prompt=CAPTION)
        noisy = 0.3 * latents + 0.7 * noise
        answer = pipeline.transformer(
            hidden_states=pipeline._pack_latents(noisy),
            timestep=torch.tensor([0.7]),
            guidance=None,
            encoder_hidden_states=words,
            txt_ids=word_ids,
            img_ids=pipeline._prepare_latent_ids(noisy),
        ).sample
        wanted = (answer - pipeline._pack_latents(noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels()), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)
