"""Sana against its own pipeline."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.cards.snippet import snippet  # noqa: E402
from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.inference.embeddings import Prompts  # noqa: E402
from hubtools.inference.shots import Shot  # noqa: E402
from hubtools.manifest import SampleRecord  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling, family_of  # noqa: E402
from hubtools.models.registry import SUPPORTED  # noqa: E402
from hubtools.models.targets import target_of  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    Noting,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)

PLAIN = {"use_resolution_binning": False}


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """n - x."""
    return target


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent).sample / 2 + 0.5


def test_its_pipeline_arrives_at_the_picture(tiny_sana: Path) -> None:
    """Its scheduler says the moment in whole thousandths, cut off, and begins a little behind pure
    noise."""
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler.from_pretrained(tiny_sana / "scheduler")
    scheduler.set_timesteps(4)
    moments = [float(one) for one in scheduler.sigmas[:4]]
    told: list[float] = []

    def clock(arguments: Mapping[str, Any]) -> Any:
        told.append(moments[len(told)])
        return torch.tensor(told[-1])

    def exactly(arguments: Mapping[str, Any]) -> dict[str, Any]:
        mask = arguments["encoder_attention_mask"][0].bool()
        assert 0 <= 1000 * told[-1] - float(arguments["timestep"]) < 1
        return {
            **arguments,
            "timestep": torch.tensor([1000 * told[-1]]),
            "encoder_hidden_states": arguments["encoder_hidden_states"][:, mask],
            "encoder_attention_mask": None,
        }

    check_against_pipeline(
        tiny_sana,
        raw,
        clock,
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        size=(64, 96),
        steps=4,
        call={"guidance_scale": 1.0, **PLAIN},
        stripped=exactly,
        atol=2e-3,
    )


def test_captions_are_those_of_the_pipelines_call(tiny_sana: Path) -> None:
    """Only a prompt has the instruction before it; what is told is that and its end."""
    model = load(tiny_sana)
    pipeline, denoiser = model.pipeline, model.denoiser
    noting = Noting(denoiser, lambda arguments: arguments["hidden_states"] * 0)
    pipeline.transformer = noting
    pipeline(CAPTION, width=64, height=64, num_inference_steps=1, guidance_scale=4.5, **PLAIN)
    (call,) = noting.calls
    states, masks = call["encoder_hidden_states"], call["encoder_attention_mask"].bool()
    for caption, own, mask in zip(("", CAPTION), states, masks, strict=True):
        assert torch.equal(model.encode_caption(caption)["embeds"], own[mask])
    assert int(masks[0].sum()) == 1
    tokens = len(pipeline.tokenizer(CAPTION.lower()).input_ids) - 1
    assert tokens < int(masks[1].sum()) <= tokens + 3
    # Shots are drawn by the same words, whichever side they are on.
    words = Prompts(pipeline).embeddings([Shot("a tok", negative_prompt="a tok")])
    pipeline("a tok", "a tok", width=64, height=64, num_inference_steps=1, **PLAIN)
    unsaid, said = noting.calls[1]["encoder_hidden_states"]
    assert torch.equal(words["prompt_embeds"][0], said)
    assert torch.equal(words["negative_prompt_embeds"][0], unsaid)
    assert not torch.equal(said, unsaid)


@pytest.mark.parametrize("scale", [1.0, 0.001])
def test_the_loss_is_that_of_its_parts_and_of_padded_captions(
    tiny_sana: Path, scale: float
) -> None:
    model = load(tiny_sana, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    pipeline.transformer.register_to_config(timestep_scale=scale)
    call = inspect.signature(type(pipeline).__call__).parameters
    instruction = call["complex_human_instruction"].default
    noise = torch.randn(1, 32, 3, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels(64, 96)[None]).latent * 0.41407
        embeds, mask, _, _ = pipeline.encode_prompt(
            CAPTION, False, complex_human_instruction=instruction
        )
        assert embeds.shape == (1, 300, 16)
        answer = pipeline.transformer(
            hidden_states=0.3 * latents + 0.7 * noise,
            timestep=torch.tensor([700 * scale]),
            encoder_hidden_states=embeds,
            encoder_attention_mask=mask,
            return_dict=False,
        )[0]
        wanted = (answer - (noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(64, 96)), model.encode_caption(CAPTION)
    assert set(picture) == {"mean"}
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_what_it_is(tiny_sana: Path, tmp_path: Path) -> None:
    family = family_of(tiny_sana, "tiny")
    info = family.info(tiny_sana, None)
    assert (info.distilled, info.guided, info.shift.fixed) == (False, True, 3.0)
    assert (info.native_size, info.latent_factor, family.divisor) == (64, 32, 32)
    assert family.sampling(tiny_sana) == Sampling(20, 4.5)
    for name, size in (
        (str(tiny_sana), 64),
        ("Efficient-Large-Model/Sana_1600M_512px_diffusers", 512),
        ("Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", 1024),
        ("Efficient-Large-Model/Sana_1600M_4Kpx_BF16_diffusers", 4096),
    ):
        target = target_of(name)
        assert target is not None
        assert (target.name, target.size) == ("sana", size)
    sprint = tmp_path / "sprint"
    shutil.copytree(tiny_sana, sprint)
    index = json.loads((sprint / "model_index.json").read_text())
    index["_class_name"] = "SanaSprintPipeline"
    (sprint / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(HubtoolsError, match="was distilled to few steps on a clock of its own"):
        family_of(sprint, "sprint")


def test_the_snippet_of_a_card_draws_in_the_size_that_was_drawn_in() -> None:
    record = SampleRecord.model_construct(
        prompt="a tok", negative_prompt=None, seed=1, steps=2, guidance=4.5, width=64, height=96,
        scheduler="default", scheduler_class="", scheduler_options={}, prompt_weights=None,
        dtype="bfloat16",
    )  # fmt: skip
    text = snippet("a/b", "me/lora", "a.safetensors", record, None, SUPPORTED["sana"])
    assert "    use_resolution_binning=False,\n).images[0]" in text
    compile(text, "snippet", "exec")
