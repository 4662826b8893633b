"""SDXL against its own pipeline and against formulas written down once more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.batches import Conditions, stacked  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Framing, family_of  # noqa: E402
from hubtools.models.families.stable_diffusion_xl import (  # noqa: E402
    StableDiffusionXL,
    StableDiffusionXLModel,
)
from hubtools.settings import TrainSettings  # noqa: E402
from tests.oracles import loss_of  # noqa: E402

FAMILY = StableDiffusionXL()
CAPTION = "photo of a girl in a red hat"
# Of a picture of 100x77 pixels, resized to 83x64 and cut at 12 from the left.
FRAMING = Framing((100, 77), (12, 0), (64, 64))


def load(
    folder: Path, snr_gamma: float | None = None, prediction: str | None = None
) -> StableDiffusionXLModel:
    return FAMILY.load(
        resolve_base(str(folder)),
        FAMILY.info(folder, prediction),
        variant=None,
        dtype=torch.float32,
        noise=NoiseOptions(snr_gamma),
    )


@pytest.fixture(scope="module")
def model(tiny_sdxl: Path) -> StableDiffusionXLModel:
    torch.set_num_threads(1)
    return load(tiny_sdxl)


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.rand((3, 64, 64), generator=torch.Generator().manual_seed(1)) * 2 - 1


def changed(folder: Path, to: Path, file: str, **values: Any) -> Path:
    shutil.copytree(folder, to)
    path = to / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return to


# --- recognised, measured, refused -------------------------------------------------------------


def test_facts_come_from_the_configuration(tiny_sdxl: Path) -> None:
    assert isinstance(family_of(tiny_sdxl, "tiny"), StableDiffusionXL)
    assert resolve_base(str(tiny_sdxl)).family == "stable-diffusion-xl"
    info = FAMILY.info(tiny_sdxl, None)
    assert (info.native_size, info.latent_factor, info.caption_tokens) == (64, 8, 77)
    assert (info.prediction_type, info.latent_scale) == ("epsilon", 0.13025)
    assert info.caption_bytes == 4 * (77 * (32 + 48) + 40)
    assert not info.distilled


@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("unet/config.json", {"projection_class_embeddings_input_dim": 80}, "SDXL's refiner"),
        ("unet/config.json", {"in_channels": 9}, "inpainting"),
        ("unet/config.json", {"in_channels": 8}, "InstructPix2Pix"),
        ("unet/config.json", {"time_cond_proj_dim": 256}, "latent consistency"),
        ("unet/config.json", {"addition_time_embed_dim": "many"}, "wrong value"),
        ("vae/config.json", {"latent_channels": None}, "takes 4 channels"),
        ("scheduler/scheduler_config.json", {"_class_name": "EDMEulerScheduler"}, "EDM"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow_prediction"}, "predicts"),
    ],
)
def test_what_cannot_be_trained_is_named(
    tiny_sdxl: Path, tmp_path: Path, file: str, values: dict[str, Any], words: str
) -> None:
    other = changed(tiny_sdxl, tmp_path / "other", file, **values)
    with pytest.raises(HubtoolsError, match=words):
        FAMILY.info(other, None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("StableDiffusionXLImg2ImgPipeline", "as a refiner does"),
        ("StableDiffusionXLInpaintPipeline", "inpainting"),
        ("StableDiffusionXLInstructPix2PixPipeline", "as it is told"),
        ("StableDiffusionXLControlNetPipeline", "control pictures"),
        ("StableDiffusionInpaintPipeline", "inpainting"),
        ("WonderPipeline", "cannot use yet"),
    ],
)
def test_pipelines_for_something_else_are_named(tmp_path: Path, kind: str, words: str) -> None:
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler/scheduler_config.json").write_text("{}")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    with pytest.raises(HubtoolsError, match=f"{kind}.*{words}"):
        resolve_base(str(tmp_path))


@pytest.mark.parametrize(
    ("values", "distilled"),
    [
        ({"timestep_spacing": "trailing"}, True),
        ({"_class_name": "LCMScheduler"}, True),
        ({"timestep_spacing": "trailing", "prediction_type": "v_prediction"}, False),
        ({"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}, False),
        ({"timestep_spacing": "trailing", "_class_name": "DDIMScheduler"}, False),
    ],
)
def test_distilled_bases_are_known_by_their_scheduler(
    tiny_sdxl: Path, tmp_path: Path, values: dict[str, Any], distilled: bool
) -> None:
    other = changed(tiny_sdxl, tmp_path / "x", "scheduler/scheduler_config.json", **values)
    info, usual = FAMILY.info(other, None), FAMILY.sampling(other)
    # who draws without guidance never sees a dropped caption again
    assert (info.distilled, info.guided) == (distilled, not distilled)
    assert (usual.steps, usual.guidance) == ((4, 1.0) if distilled else (30, 5.0))
    assert usual.rescale == (0.7 if values.get("rescale_betas_zero_snr") else 0.0)


# --- captions and sizes are those of the pipeline's own call ------------------------------------


class _Seen(Exception):
    pass


def first_call(pipeline: Any, **arguments: Any) -> SimpleNamespace:
    """What the denoiser gets first when the pipeline is called."""
    found: dict[str, Any] = {}

    def look(module: Any, args: Any, options: dict[str, Any]) -> None:
        found.update(options | {"sample": args[0], "timestep": args[1]})
        raise _Seen

    hook = pipeline.unet.register_forward_pre_hook(look, with_kwargs=True)
    try:
        with pytest.raises(_Seen):
            pipeline(num_inference_steps=2, **arguments)
    finally:
        hook.remove()
    return SimpleNamespace(**found)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("caption", [CAPTION, "a red hat, " * 60])
def test_captions_are_those_of_the_pipelines_first_call(
    tiny_sdxl: Path, tmp_path: Path, zeros: bool, caption: str
) -> None:
    from diffusers import StableDiffusionXLPipeline

    name = "model_index.json"
    folder = changed(tiny_sdxl, tmp_path / "x", name, force_zeros_for_empty_prompt=zeros)
    stock = StableDiffusionXLPipeline.from_pretrained(str(folder))
    stock.set_progress_bar_config(disable=True)
    call = first_call(stock, prompt=caption, guidance_scale=5.0, height=64, width=80)
    model = load(folder)
    dropped, said = model.encode_caption(""), model.encode_caption(caption)
    ours = model.collate([dropped, said])
    assert torch.equal(ours["embeds"], call.encoder_hidden_states)
    assert torch.equal(ours["pooled"], call.added_cond_kwargs["text_embeds"])
    assert bool(dropped["embeds"].any()) is not zeros
    assert bool(dropped["pooled"].any()) is not zeros
    told = FAMILY.picture_conditions(Framing((80, 64), (0, 0), (80, 64)))["time_ids"]
    assert (
        call.added_cond_kwargs["time_ids"].tolist()
        == [told.tolist()] * 2
        == [[64.0, 80.0, 0.0, 0.0, 64.0, 80.0]] * 2
    )


def test_another_dropped_caption_is_another_cache(tiny_sdxl: Path, tmp_path: Path) -> None:
    name = "model_index.json"
    other = changed(tiny_sdxl, tmp_path / "x", name, force_zeros_for_empty_prompt=False)
    before, after = (
        {part: FAMILY.identity(resolve_base(str(f)), f, part) for part in ("text", "picture")}
        for f in (tiny_sdxl, other)
    )  # fmt: skip
    assert before["text"] != after["text"]
    assert before["picture"] == after["picture"]
    second = next((other / "text_encoder_2").glob("*.safetensors"))
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    assert FAMILY.identity(resolve_base(str(other)), other, "text") != after["text"]


def test_heights_come_first_and_mirrored_cuts_are_counted_from_the_other_side() -> None:
    from hubtools.training.crops import Geometry

    cut = Geometry(width=83, height=64, left=12, top=0, size=(64, 64))
    told = {
        flip: FAMILY.picture_conditions(cut.framing((100, 77), flip=flip))["time_ids"].tolist()
        for flip in (False, True)
    }
    assert told[False] == [77.0, 100.0, 0.0, 12.0, 64.0, 64.0]
    assert told[True] == [77.0, 100.0, 0.0, 83.0 - 64.0 - 12.0, 64.0, 64.0]


# --- the loss, written once more ---------------------------------------------------------------


def alphas() -> torch.Tensor:
    """Cumulative, from the numbers of the paper's code."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, dim=0)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("dropped", [False, True])
def test_the_loss_is_that_of_the_pipelines_own_parts(
    tiny_sdxl: Path, pixels: torch.Tensor, prediction: str, dropped: bool
) -> None:
    model = load(tiny_sdxl, 5.0, prediction)
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn((1, 4, 8, 8), generator=generator)
    posterior = torch.randn((1, 4, 8, 8), generator=generator)
    picture = model.encode_picture(pixels) | FAMILY.picture_conditions(FRAMING)
    caption = model.encode_caption("" if dropped else CAPTION)
    ours = loss_of(
        model, [picture], [caption], posterior, noise, torch.tensor([0.6005]), prediction=prediction
    )

    pipeline, step = model.pipeline, 600
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels[None]).latent_dist
        clean = (latents.mean + latents.std * posterior) * 0.13025
        ids = [
            words([CAPTION], padding="max_length", max_length=77, return_tensors="pt").input_ids
            for words in (pipeline.tokenizer, pipeline.tokenizer_2)
        ]
        first = pipeline.text_encoder(ids[0], output_hidden_states=True).hidden_states
        second = pipeline.text_encoder_2(ids[1], output_hidden_states=True)
        states = torch.cat([first[len(first) - 2], second.hidden_states[-2]], dim=2)
        pooled = second.text_embeds
        if dropped:
            states, pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        kept = float(alphas()[step])
        noisy = kept**0.5 * clean + (1 - kept) ** 0.5 * noise
        answer = pipeline.unet(
            noisy,
            torch.tensor([step]),
            encoder_hidden_states=states,
            added_cond_kwargs={
                "text_embeds": pooled,
                "time_ids": torch.tensor([[77, 100, 0, 12, 64, 64]]),
            },
        ).sample
    velocity = kept**0.5 * noise - (1 - kept) ** 0.5 * clean
    wanted = noise if prediction == "epsilon" else velocity
    snr = kept / (1 - kept)
    weight = min(snr, 5) / (snr if prediction == "epsilon" else snr + 1)
    theirs = float((answer - wanted).square().mean()) * weight
    assert ours == pytest.approx(theirs, rel=2e-5)


def test_a_batch_is_its_pictures_one_by_one(tiny_sdxl: Path, pixels: torch.Tensor) -> None:
    model, generator = load(tiny_sdxl, 5.0), torch.Generator().manual_seed(2)
    whole = Framing((64, 64), (0, 0), (64, 64))
    pictures = [
        model.encode_picture(one) | FAMILY.picture_conditions(framing)
        for one, framing in ((pixels, FRAMING), (-pixels, whole))
    ]
    captions = [model.encode_caption(text) for text in (CAPTION, "")]
    posterior, noise = torch.randn((2, 2, 4, 8, 8), generator=generator)
    t = torch.tensor([0.6005, 0.2005])

    def loss(chosen: list[int]) -> float:
        return loss_of(
            model, [pictures[number] for number in chosen],
            [captions[number] for number in chosen], posterior[chosen], noise[chosen], t[chosen],
            prediction="epsilon",
        )  # fmt: skip

    assert loss([0]) != pytest.approx(loss([1]), rel=1e-3)
    assert loss([0, 1]) == pytest.approx(loss([0]) + loss([1]), rel=1e-5)


# --- sign, clock and scale ---------------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 7])
def test_the_pipelines_scheduler_follows_our_targets_to_the_picture(
    tmp_path: Path,
    tiny_sdxl: Path,
    pixels: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    prediction: str,
    steps: int,
) -> None:
    file = "scheduler/scheduler_config.json"
    model = load(changed(tiny_sdxl, tmp_path / "x", file, prediction_type=prediction))
    encoded = stacked([model.encode_picture(pixels)])
    clean = model.latents(encoded, torch.zeros(1, 4, 8, 8))
    moments: list[int] = []

    def oracle(noisy: Any, timestep: Any, *args: Any, **options: Any) -> tuple[Any]:
        """Our target of the noise that leads from the clean latents to these."""
        moment = torch.tensor([(float(timestep) + 0.5) / 1000])
        alpha = model.noise.alphas[model.noise.timesteps(moment)].view(-1, 1, 1, 1)
        noised = model.noised(clean, (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt(), moment)
        assert torch.allclose(noised.latents, noisy, atol=1e-5)
        assert noised.timesteps.tolist() == [int(timestep)]
        moments.append(int(timestep))
        return (noised.target,)

    monkeypatch.setattr(model.denoiser, "forward", oracle)
    for kind in ("latent", "np"):
        found = model.pipeline(
            CAPTION, num_inference_steps=steps, guidance_scale=1.0, height=64, width=64,
            generator=torch.Generator().manual_seed(3), output_type=kind,
        ).images  # fmt: skip
        if kind == "latent":
            assert torch.allclose(found, clean, atol=2e-4)
        else:
            with torch.no_grad():
                shown = model.pipeline.vae.decode(encoded["mean"]).sample
            shown = (shown / 2 + 0.5).clamp(0, 1)
            assert abs(torch.from_numpy(found).permute(0, 3, 1, 2) - shown).max() < 2e-3
    assert len(moments) == 2 * steps


def test_latents_with_a_mean_and_spread_of_their_own(
    model: StableDiffusionXLModel, pixels: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = model.pipeline.vae
    plain = model.encode_picture(pixels)
    vae.register_to_config(latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[2.0, 2.0, 4.0, 4.0])
    try:
        found = model.encode_picture(pixels)
    finally:
        vae.register_to_config(latents_mean=None, latents_std=None)
    assert torch.allclose(found["mean"][2], (plain["mean"][2] - 3) / 4)
    assert torch.allclose(found["std"][2], plain["std"][2] / 4)


# --- the LoRA ----------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", [["to_k", "to_q", "to_v", "to_out.0"], ["to_q", "conv1"]])
def test_stock_diffusers_loads_every_tensor_of_a_lora(
    tiny_sdxl: Path, pixels: torch.Tensor, tmp_path: Path, targets: list[str]
) -> None:
    from diffusers import StableDiffusionXLPipeline

    from hubtools.rooted import Root
    from hubtools.training.adapter import add_lora, lora_tensors, write_lora

    trained = load(tiny_sdxl)
    settings = TrainSettings(rank=2, target_modules=targets)
    for name, parameter in add_lora(trained.denoiser, settings, 2.0).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(len(name)))
    with Root(tmp_path) as root:
        write_lora(root, "lora.safetensors", trained, settings, 1)
    fresh = StableDiffusionXLPipeline.from_pretrained(str(tiny_sdxl))
    fresh.load_lora_weights(str(tmp_path), weight_name="lora.safetensors")
    loaded = [name for name, _ in fresh.unet.named_parameters() if "lora_" in name]
    published = lora_tensors(trained)
    assert len(loaded) == len(published) > 0
    assert all(name.startswith("unet.") for name in published)
    noised = trained.noised(torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8), torch.tensor([0.5]))
    conditions = Conditions(
        stacked([FAMILY.picture_conditions(FRAMING)]),
        trained.collate([trained.encode_caption(CAPTION)]),
    )
    with torch.no_grad():
        ours = trained.predict(noised, conditions)
        theirs = fresh.unet(
            noised.latents,
            noised.timesteps,
            conditions.captions["embeds"],
            added_cond_kwargs={
                "text_embeds": conditions.captions["pooled"],
                "time_ids": conditions.pictures["time_ids"],
            },
        ).sample
    assert torch.allclose(ours, theirs, atol=1e-5)


# --- the two text encoders of a prompt ----------------------------------------------------------


def shots(prompt: str, negative: str | None) -> list[Any]:
    from hubtools.inference.shots import Shot

    return [Shot(prompt, negative, seed=3, steps=2, guidance=5.0, width=64, height=64)]


@pytest.mark.parametrize("negative", [None, "", "blurry"])
def test_plain_pictures_are_those_of_diffusers(
    model: StableDiffusionXLModel, tiny_sdxl: Path, tmp_path: Path, negative: str | None
) -> None:
    from PIL import Image

    from hubtools.inference.pipeline import draw

    base = resolve_base(str(tiny_sdxl))
    draw(model.pipeline, shots(CAPTION, negative), tmp_path, names=["x"], base=base)
    stock = model.pipeline(
        CAPTION, negative_prompt=negative, num_inference_steps=2, guidance_scale=5.0,
        width=64, height=64, generator=torch.Generator("cpu").manual_seed(3),
    ).images[0]  # fmt: skip
    with Image.open(tmp_path / "x.png") as ours:
        assert ours.tobytes() == stock.tobytes()


def test_weights_and_windows_reach_both_encoders(model: StableDiffusionXLModel) -> None:
    from hubtools.inference.embeddings import Prompts, can_weigh

    assert can_weigh(model.pipeline)
    read = Prompts(model.pipeline)

    def said(prompt: str, negative: str | None = None) -> dict[str, torch.Tensor]:
        return read.embeddings(shots(prompt, negative))

    plain, heavy = said("a red hat"), said("a (red:1.5) hat")
    moved = (heavy["prompt_embeds"] - plain["prompt_embeds"])[0]
    assert not moved[[place for place in range(77) if place != 2]].any()
    assert moved[2, :32].any()  # the first encoder's
    assert moved[2, 32:].any()
    assert torch.equal(heavy["pooled_prompt_embeds"], plain["pooled_prompt_embeds"])
    one = said("a (red:1.0) hat")
    assert all(torch.equal(one[key], plain[key]) for key in plain)
    long = said("a red sky, " * 40)
    assert long["prompt_embeds"].shape == (1, 3 * 77, 80)
    assert long["negative_prompt_embeds"].shape == (1, 3 * 77, 80)
    assert not long["negative_prompt_embeds"].any()
    assert not long["negative_pooled_prompt_embeds"].any()
    short = said("a red sky, " * 18)
    assert torch.equal(long["prompt_embeds"][:, :77], short["prompt_embeds"])
    assert torch.equal(long["pooled_prompt_embeds"], short["pooled_prompt_embeds"])


def test_what_was_kept_is_drawn_without_text_encoders(
    model: StableDiffusionXLModel, tiny_sdxl: Path, tmp_path: Path
) -> None:
    from hubtools.inference.embeddings import Prompts
    from hubtools.inference.pipeline import draw

    base = resolve_base(str(tiny_sdxl))
    asked = shots("a (red:1.4) hat " * 30, "dark")
    draw(model.pipeline, asked, tmp_path / "whole", names=["x"], base=base)
    read = Prompts(load(tiny_sdxl).pipeline)
    read.keep(asked)
    stages = FAMILY.load(
        base,
        FAMILY.info(tiny_sdxl, None),
        variant=None,
        dtype=torch.float32,
        noise=NoiseOptions(),
        parts=("picture", "denoiser"),
    )
    assert stages.pipeline.text_encoder_2 is None
    read.close(stages.pipeline)
    draw(stages.pipeline, asked, tmp_path / "parts", names=["x"], base=base, prompts=read)
    assert (tmp_path / "whole/x.png").read_bytes() == (tmp_path / "parts/x.png").read_bytes()


def test_the_vae_decodes_in_float32_beside_a_denoiser_in_half_precision(
    tiny_sdxl: Path, tmp_path: Path
) -> None:
    from hubtools.inference.pipeline import draw

    seen: list[tuple[Any, bool]] = []
    model = FAMILY.load(
        resolve_base(str(tiny_sdxl)),
        FAMILY.info(tiny_sdxl, None),
        variant=None,
        dtype=torch.bfloat16,
        noise=NoiseOptions(),
    )
    vae = model.pipeline.vae
    look: Callable[..., None] = lambda module, args: seen.append(  # noqa: E731
        (args[0].dtype, torch.is_autocast_enabled("cpu"))
    )
    vae.decoder.register_forward_pre_hook(look)
    for number, upcast in enumerate((True, False)):
        vae.register_to_config(force_upcast=upcast)
        base = resolve_base(str(tiny_sdxl))
        draw(model.pipeline, shots(CAPTION, None), tmp_path, names=[str(number)], base=base)
    assert seen[0] == (torch.float32, False)
    assert seen[1][1] is True
    assert "decode" not in vars(vae)
