"""The Stable Diffusion family against the formulas it implements."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import families, family_of  # noqa: E402
from hubtools.models.families.stable_diffusion import (  # noqa: E402
    StableDiffusion,
    StableDiffusionModel,
)
from hubtools.settings import TrainSettings  # noqa: E402
from tests.oracles import loss_of  # noqa: E402

CAPTION = "a photo of lora-misato-token, front view"


def load(
    folder: Path, snr_gamma: float | None, prediction: str | None = None
) -> StableDiffusionModel:
    family = StableDiffusion()
    return family.load(
        resolve_base(str(folder)),
        family.info(folder, prediction),
        variant=None,
        dtype=torch.float32,
        noise=NoiseOptions(snr_gamma),
    )


def test_facts_come_from_the_configuration(tiny_base: Path, tiny_v_base: Path) -> None:
    family = family_of(tiny_base, "tiny")
    assert isinstance(family, StableDiffusion)
    info = family.info(tiny_base, None)
    assert (info.native_size, info.latent_factor, info.caption_tokens) == (64, 8, 77)
    assert info.prediction_type == "epsilon"
    assert family.info(tiny_v_base, None).prediction_type == "v_prediction"
    assert family.info(tiny_v_base, "epsilon").prediction_type == "epsilon"


def test_foreign_pipelines_are_refused_with_a_sentence(tiny_base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps(index | {"_class_name": "AuraFlowPipeline"}))
    with pytest.raises(HubtoolsError, match="AuraFlowPipeline, which hubtools cannot train yet"):
        family_of(other, "x/aura")
    (other / "model_index.json").write_text("[]")
    with pytest.raises(HubtoolsError, match="names no pipeline class"):
        family_of(other, "x")
    (other / "model_index.json").unlink()
    with pytest.raises(HubtoolsError, match="no model_index"):
        family_of(other, "x")


def test_inpainting_models_and_odd_schedulers_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    config = json.loads((other / "unet/config.json").read_text())
    (other / "unet/config.json").write_text(json.dumps(config | {"in_channels": 9}))
    with pytest.raises(HubtoolsError, match="takes 9 channels"):
        StableDiffusion().info(other, None)
    (other / "unet/config.json").write_text(json.dumps(config))
    path = other / "scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "sample"}))
    with pytest.raises(HubtoolsError, match="predicts 'sample'"):
        StableDiffusion().info(other, None)


def test_every_family_says_what_it_recognises() -> None:
    names = [name for family in families() for name in family.pipelines]
    assert names
    assert len(names) == len(set(names))


def test_noise_and_targets_are_those_of_diffusers(tiny_base: Path, tiny_v_base: Path) -> None:
    from diffusers import DDPMScheduler

    torch.manual_seed(1)
    latents, noise = torch.randn(5, 4, 8, 8), torch.randn(5, 4, 8, 8)
    when = torch.tensor([0.0, 0.0999999, 0.1, 0.5, 0.99999])
    for base, v_prediction in ((tiny_base, False), (tiny_v_base, True)):
        model = load(base, None)
        scheduler = DDPMScheduler.from_config(model.pipeline.scheduler.config)
        noised = model.noised(latents, noise, when)
        assert noised.timesteps.tolist() == [0, 99, 100, 500, 999]
        expected = scheduler.add_noise(latents, noise, noised.timesteps)
        assert torch.allclose(noised.latents, expected, atol=1e-6)
        velocity = scheduler.get_velocity(latents, noise, noised.timesteps)
        assert torch.allclose(noised.target, velocity if v_prediction else noise, atol=1e-6)
        assert noised.weight.tolist() == [1.0] * 5


@pytest.mark.parametrize("base", ["tiny_base", "tiny_v_base"])
def test_its_pipeline_arrives_at_the_picture(
    base: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a predictor in the UNet's place that answers our target of the noise that leads from the
    clean latents to these; captions, the dropped one included, are those of the calls."""
    from diffusers import EulerDiscreteScheduler

    model = load(request.getfixturevalue(base), None)
    # the scheduler of its files leaves the noise of the first timestep in
    scheduler = EulerDiscreteScheduler.from_config(model.pipeline.scheduler.config)
    model.pipeline.scheduler = scheduler
    soft = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(3)) * 2 - 1
    pixels = torch.nn.functional.interpolate(soft, (64, 64), mode="bilinear")[0]
    encoded = {name: one[None] for name, one in model.encode_picture(pixels).items()}
    clean = model.latents(encoded, torch.zeros(1, 4, 8, 8))
    captions = [model.encode_caption(text)["embeds"] for text in ("", CAPTION)]
    moments: list[int] = []

    def oracle(noisy: Any, timestep: Any, encoder_hidden_states: Any, **options: Any) -> Any:
        assert torch.allclose(encoder_hidden_states, torch.stack(captions), atol=1e-5)
        moment = torch.full((2,), (float(timestep) + 0.5) / 1000)
        alpha = model.noise.alphas[model.noise.timesteps(moment)].view(-1, 1, 1, 1)
        noised = model.noised(clean, (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt(), moment)
        assert torch.allclose(noised.latents, noisy, atol=1e-5)
        moments.append(int(timestep))
        return (noised.target,)

    monkeypatch.setattr(model.denoiser, "forward", oracle)
    image = model.pipeline(
        CAPTION, num_inference_steps=5, guidance_scale=2.0, height=64, width=64,
        generator=torch.Generator().manual_seed(3), output_type="pt",
    ).images  # fmt: skip
    with torch.no_grad():
        shown = model.pipeline.vae.decode(encoded["mean"]).sample
    assert (image - (shown / 2 + 0.5).clamp(0, 1)).abs().max() < 2e-3
    assert len(moments) == 5


@pytest.mark.parametrize("dropped", [False, True])
@pytest.mark.parametrize("base", ["tiny_base", "tiny_v_base"])
def test_the_loss_is_that_of_its_parts(
    base: str, dropped: bool, request: pytest.FixtureRequest
) -> None:
    """With the alphas of the paper's code, min-SNR of 5."""
    model, predicts_noise = load(request.getfixturevalue(base), 5.0), base == "tiny_base"
    generator = torch.Generator().manual_seed(2)
    noise, posterior = torch.randn((2, 1, 4, 8, 8), generator=generator)
    pixels = torch.rand((3, 64, 64), generator=generator) * 2 - 1
    caption = "" if dropped else CAPTION
    ours = loss_of(
        model, [model.encode_picture(pixels)], [model.encode_caption(caption)], posterior, noise,
        torch.tensor([0.6005]), prediction="epsilon" if predicts_noise else "v_prediction",
    )  # fmt: skip

    pipeline, step = model.pipeline, 600
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    kept = float(torch.cumprod(1 - betas, dim=0)[step])
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels[None]).latent_dist
        clean = (latents.mean + latents.std * posterior) * 0.18215
        ids = pipeline.tokenizer(
            [caption], padding="max_length", max_length=77, return_tensors="pt"
        ).input_ids
        noisy = kept**0.5 * clean + (1 - kept) ** 0.5 * noise
        words = pipeline.text_encoder(ids).last_hidden_state
        answer = pipeline.unet(noisy, torch.tensor([step]), words).sample
    wanted = noise if predicts_noise else kept**0.5 * noise - (1 - kept) ** 0.5 * clean
    snr = kept / (1 - kept)
    weight = min(snr, 5) / (snr if predicts_noise else snr + 1)
    theirs = float((answer - wanted).square().mean()) * weight
    assert ours == pytest.approx(theirs, rel=2e-5)


def test_min_snr_weights(tiny_base: Path, tiny_v_base: Path) -> None:
    latents = torch.zeros(1000, 4, 1, 1)
    when = (torch.arange(1000, dtype=torch.float64) + 0.5).div(1000).float()
    for base, v_prediction in ((tiny_base, False), (tiny_v_base, True)):
        model = load(base, 5.0)
        alphas = model.noise.alphas.double()
        snr = alphas / (1 - alphas)
        clipped = torch.minimum(snr, torch.full_like(snr, 5.0))
        expected = clipped / (snr + 1) if v_prediction else clipped / snr
        found = model.noised(latents, latents, when).weight.double()
        assert torch.allclose(found, expected, rtol=1e-4)
        assert float(found.max()) <= 1.0 + 1e-6


def test_min_snr_survives_zero_terminal_snr(tiny_v_base: Path, tmp_path: Path) -> None:
    other = tmp_path / "zero"
    shutil.copytree(tiny_v_base, other)
    path = other / "scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rescale_betas_zero_snr": True}))
    last = torch.tensor([0.9999])
    zero = torch.zeros(1, 4, 8, 8)
    model = load(other, 5.0)
    # diffusers keeps a hair of signal, 2^-24, for the last step
    assert float(model.noise.alphas[-1]) < 1e-6
    model.noise.alphas[-1] = 0.0
    assert model.noised(zero, zero, last).weight.tolist() == [0.0]
    epsilon = load(other, 5.0, "epsilon")
    epsilon.noise.alphas[-1] = 0.0
    assert epsilon.noised(zero, zero, last).weight.tolist() == [1.0]


def test_encoders_answer_as_the_pipeline_does(tiny_base: Path) -> None:
    model = load(tiny_base, None)
    pipeline = model.pipeline
    embeds, _ = pipeline.encode_prompt("photo of a girl", "cpu", 1, False)
    found = model.encode_caption("photo of a girl")["embeds"]
    assert torch.allclose(found, embeds[0], atol=1e-6)
    pixels = torch.rand(3, 64, 64) * 2 - 1
    picture = model.encode_picture(pixels)
    assert model.latent_shape(picture) == (4, 8, 8)
    with torch.no_grad():
        mode = pipeline.vae.encode(pixels[None]).latent_dist.mode()
    batch = {key: value[None] for key, value in picture.items()}
    latents = model.latents(batch, torch.zeros(1, 4, 8, 8))
    assert torch.allclose(latents, mode * pipeline.vae.config.scaling_factor, atol=1e-6)
    shifted = model.latents(batch, torch.ones(1, 4, 8, 8)) - latents
    scaled = picture["std"] * pipeline.vae.config.scaling_factor
    assert torch.allclose(shifted[0], scaled, atol=1e-5)


def test_a_lora_has_its_names_both_ways_and_the_same_values(tiny_base: Path) -> None:
    from hubtools.models.families.protocol import family_for
    from hubtools.training.adapter import add_lora, lora_tensors

    model = load(tiny_base, None)
    family = family_for(model.pipeline)
    for targets in (["to_q", "to_out.0"], ["to_q", "conv1"]):
        fresh = load(tiny_base, None)
        settings = TrainSettings(rank=2, target_modules=targets)
        add_lora(fresh.denoiser, settings, 2.0)
        published = lora_tensors(fresh)
        own = family.convert_lora(published, "peft")
        assert all(".lora_A." in name or ".lora_B." in name for name in own)
        again = family.convert_lora(own, "diffusers")
        assert set(again) == set(published)
        assert all(torch.equal(again[name], published[name]) for name in again)
        assert family.convert_lora(own, "peft").keys() == own.keys()


def test_what_a_picture_asks_of_the_call(tiny_base: Path) -> None:
    from hubtools.inference.shots import Shot

    asked = StableDiffusion().call_arguments(Shot("a", steps=3, guidance=2.0, width=64, height=72))
    size = {"width": 64, "height": 72}
    wanted = {"num_inference_steps": 3, "guidance_scale": 2.0, "guidance_rescale": 0.0}
    assert asked == wanted | size
    assert StableDiffusion().divisor == 8


def test_a_tokenizer_without_a_length_reads_what_its_encoder_reads(
    tiny_base: Path, tmp_path: Path
) -> None:
    """Many exported bases lack it; transformers then says 10^30, and padding to that fails."""
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    path = other / "tokenizer/tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["model_max_length"]
    path.write_text(json.dumps(config))
    plain, found = load(tiny_base, None), load(other, None)
    assert torch.equal(
        found.encode_caption("photo of a girl")["embeds"],
        plain.encode_caption("photo of a girl")["embeds"],
    )
