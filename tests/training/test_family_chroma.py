"""Chroma against its own pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.models.families.batches import Conditions  # noqa: E402
from hubtools.models.families.noise import Noised, NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling, family_of  # noqa: E402
from hubtools.models.lookup import instead_of  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    Noting,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)


def packed(pictures: Any) -> Any:
    """(N, 16, h, w) as the pipeline packs it."""
    from diffusers import ChromaPipeline

    count, channels, height, width = pictures.shape
    return ChromaPipeline._pack_latents(pictures, count, channels, height, width)


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """Packed n - x."""
    return packed(target)


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent_dist.mode()).sample / 2 + 0.5


def test_its_pipeline_arrives_at_the_picture(tiny_chroma: Path) -> None:
    check_against_pipeline(
        tiny_chroma,
        raw,
        lambda arguments: arguments["timestep"],
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 3.0},
        uncond=True,
    )


def test_of_the_padding_one_token_is_read(tiny_chroma: Path) -> None:
    model = load(tiny_chroma)
    noting = Noting(model.denoiser, lambda arguments: arguments["hidden_states"] * 0)
    model.pipeline.transformer = noting
    model.pipeline(CAPTION, width=64, height=64, num_inference_steps=1, guidance_scale=3.0)
    for call, caption in zip(noting.calls, (CAPTION, ""), strict=True):
        own = len(model.pipeline.tokenizer(caption).input_ids)
        told = model.encode_caption(caption)["attended"]
        assert told.tolist() == [1.0] * (own + 1) + [0.0] * (511 - own)
        assert call["attention_mask"][0].tolist() == told.tolist() + [1.0] * 16


def test_the_loss_is_that_of_its_parts(tiny_chroma: Path) -> None:
    model = load(tiny_chroma, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        config = pipeline.vae.config
        latents = pipeline.vae.encode(pixels(48, 64)[None]).latent_dist.mode()
        latents = (latents - config.shift_factor) * config.scaling_factor
        words = pipeline.tokenizer(
            CAPTION, padding="max_length", max_length=512, return_tensors="pt"
        )
        states = pipeline.text_encoder(words.input_ids, attention_mask=words.attention_mask)[0]
        read = torch.arange(512 + 12) <= words.attention_mask.sum()
        read[512:] = True
        answer = pipeline.transformer(
            hidden_states=packed(0.3 * latents + 0.7 * noise),
            timestep=torch.tensor([0.7]),
            encoder_hidden_states=states,
            txt_ids=torch.zeros(512, 3),
            img_ids=pipeline._prepare_latent_image_ids(1, 4, 3, "cpu", torch.float32),
            attention_mask=read[None].float(),
            return_dict=False,
        )[0]
        wanted = (answer - packed(noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(48, 64)), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_blocks_computed_twice_answer_the_same(tiny_chroma: Path) -> None:
    """diffusers leaves the mask out of the single blocks then."""
    model = load(tiny_chroma)
    caption = model.collate([model.encode_caption(CAPTION)])
    latents = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    noised = Noised(latents, torch.tensor([0.7]), latents, torch.ones(1))
    denoiser = model.denoiser.requires_grad_(True)

    def answered() -> tuple[Any, Any]:
        denoiser.zero_grad()
        answer = model.predict(noised, Conditions({}, caption))
        answer.square().mean().backward()
        return answer.detach(), denoiser.context_embedder.weight.grad.clone()

    once = answered()
    denoiser.enable_gradient_checkpointing()
    twice = answered()
    assert torch.equal(once[0], twice[0])
    assert torch.allclose(once[1], twice[1], rtol=1e-4, atol=1e-7)


def test_what_it_is(tiny_chroma: Path) -> None:
    family = family_of(tiny_chroma, "tiny")
    info = family.info(tiny_chroma, None)
    assert (info.distilled, info.guided, info.shift.fixed) == (False, True, 1.0)
    assert family.sampling(tiny_chroma) == Sampling(40, 3.0)
    assert not [name for name in info.targets if "distilled" in name]
    assert instead_of("lodestones/Chroma1-Flash", "chroma") == "lodestones/Chroma1-HD"
    assert instead_of("lodestones/Chroma1-HD", "chroma") is None


def test_the_package_that_its_schedule_asks_for_is_named(
    tiny_chroma: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_chroma, folder)
    path = folder / "scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_beta_sigmas": True}))
    load(folder)
    place = "diffusers.schedulers.scheduling_flow_match_euler_discrete.is_scipy_available"
    monkeypatch.setattr(place, lambda: False)
    with pytest.raises(HubtoolsError, match="not installed: Make sure to install scipy") as told:
        load(folder)
    assert told.value.code == "missing-package"
