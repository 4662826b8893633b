"""Qwen-Image against its own pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import UsageError  # noqa: E402
from hubtools.inference.pipeline import draw  # noqa: E402
from hubtools.inference.shots import Shot  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.batches import MASK  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def packed(pictures: Any) -> Any:
    """(N, 16, h, w) as the pipeline packs it."""
    from diffusers import QwenImagePipeline

    count, channels, height, width = pictures.shape
    return QwenImagePipeline._pack_latents(pictures, count, channels, height, width)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """Packed n - x."""
    return packed(target)


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        latents = vae.encode(picture[None, :, None]).latent_dist.mode()
        return vae.decode(latents).sample[:, :, 0] / 2 + 0.5


@pytest.mark.parametrize("guided", [True, False])
def test_its_pipeline_arrives_at_the_picture(tiny_qwen_image: Path, guided: bool) -> None:
    check_against_pipeline(
        tiny_qwen_image,
        raw,
        lambda arguments: arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        # what is said where there is no negative prompt
        call={"true_cfg_scale": 4.0, "negative_prompt": " "} if guided else {"true_cfg_scale": 1.0},
        uncond=guided,
    )


def test_the_loss_is_that_of_its_parts(tiny_qwen_image: Path) -> None:
    model = load(tiny_qwen_image, NoiseOptions(density="uniform", shift=1.0))
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
        answer = pipeline.transformer(
            hidden_states=packed(0.3 * latents + 0.7 * noise),
            timestep=torch.tensor([0.7]),
            encoder_hidden_states=words,
            encoder_hidden_states_mask=mask,
            img_shapes=[[(1, 4, 3)]],
            return_dict=False,
        )[0]
        wanted = (answer - packed(noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(48, 64)), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_a_single_step_is_refused(tiny_qwen_image: Path, tmp_path: Path) -> None:
    """Its scheduler divides by zero, and the picture would be black."""
    base = resolve_base(str(tiny_qwen_image))
    pipeline = load_pipeline(base, device="cpu")
    shot = Shot("a tok", steps=1, guidance=4.0, width=64, height=64)
    with pytest.raises(UsageError, match="draws nothing in a single step"):
        draw(pipeline, [shot], tmp_path, names=["a"], base=base)


def test_captions_of_one_length_have_no_mask(tiny_qwen_image: Path) -> None:
    model = load(tiny_qwen_image)
    short, long = model.encode_caption("a tok"), model.encode_caption("a photo of a tok")
    assert MASK not in model.collate([short, short])
    assert model.collate([short, long])[MASK].sum(1).tolist() == [
        len(short["embeds"]),
        len(long["embeds"]),
    ]
