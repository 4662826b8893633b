"""Z-Image against its own pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.z_image import ZImage  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    Noting,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """A list of x - n, each with one frame."""
    return [-one[:, None] for one in target]


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent_dist.mode()).sample / 2 + 0.5


def test_its_pipeline_arrives_at_the_picture(tiny_z_image: Path) -> None:
    check_against_pipeline(
        tiny_z_image,
        raw,
        lambda arguments: 1 - arguments["t"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 0.0},
    )


def test_a_dropped_caption_is_what_it_is_guided_against(tiny_z_image: Path) -> None:
    model = load(tiny_z_image)
    pipeline = model.pipeline
    noting = Noting(model.denoiser, lambda arguments: [one * 0 for one in arguments["x"]])
    pipeline.transformer = noting
    pipeline(CAPTION, width=64, height=64, num_inference_steps=1, guidance_scale=4.0)
    said, unsaid = noting.calls[0]["cap_feats"]
    assert torch.equal(said, model.encode_caption(CAPTION)["embeds"])
    assert torch.equal(unsaid, model.encode_caption("")["embeds"])


def test_the_loss_is_that_of_its_parts(tiny_z_image: Path) -> None:
    model = load(tiny_z_image, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        config = pipeline.vae.config
        latents = pipeline.vae.encode(pixels()[None]).latent_dist.mode()
        latents = (latents - config.shift_factor) * config.scaling_factor
        words, _ = pipeline.encode_prompt(CAPTION, "cpu", False)
        noisy = 0.3 * latents + 0.7 * noise
        (answer,) = pipeline.transformer(
            [noisy[0][:, None]], torch.tensor([0.3]), words, return_dict=False
        )[0]
        wanted = (-answer[:, 0] - (noise - latents)[0]).square().mean()
    picture, caption = model.encode_picture(pixels()), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_turbo_is_known_by_its_scheduler(tiny_z_image: Path, tmp_path: Path) -> None:
    family = ZImage()
    base = family.info(tiny_z_image, None)
    assert (base.distilled, base.guided, base.shift.fixed) == (False, True, 6.0)
    assert family.sampling(tiny_z_image).guidance == 4.0
    shutil.copytree(tiny_z_image, tmp_path / "turbo")
    path = tmp_path / "turbo/scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shift": 3.0}))
    turbo = family.info(tmp_path / "turbo", None)
    assert (turbo.distilled, turbo.guided) == (True, False)
    assert (
        family.sampling(tmp_path / "turbo").steps,
        family.sampling(tmp_path / "turbo").guidance,
    ) == (9, 0.0)
