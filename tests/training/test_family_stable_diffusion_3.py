"""Stable Diffusion 3 against its own pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import Sampling  # noqa: E402
from hubtools.models.families.stable_diffusion_3 import StableDiffusion3  # noqa: E402
from hubtools.models.lookup import instead_of, license_row  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    Noting,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)

BOTH = pytest.mark.parametrize("name", ["tiny_sd3", "tiny_sd3_clips"])


def raw(target: Any, arguments: Mapping[str, Any]) -> Any:
    """n - x as it is."""
    return target


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        return vae.decode(vae.encode(picture[None]).latent_dist.mode()).sample / 2 + 0.5


@BOTH
def test_its_pipeline_arrives_at_the_picture(name: str, request: pytest.FixtureRequest) -> None:
    check_against_pipeline(
        request.getfixturevalue(name),
        raw,
        lambda arguments: arguments["timestep"] / 1000,
        lambda vae, picture: decoded(vae, picture).clamp(0, 1),
        call={"guidance_scale": 1.0},
    )


@BOTH
def test_captions_are_made_without_the_denoiser(name: str, request: pytest.FixtureRequest) -> None:
    base = request.getfixturevalue(name)
    model, alone = load(base), load(base, parts=("text",))
    assert alone.pipeline.transformer is None
    noting = Noting(model.denoiser, lambda arguments: arguments["hidden_states"] * 0)
    model.pipeline.transformer = noting
    model.pipeline(CAPTION, width=64, height=64, num_inference_steps=1, guidance_scale=4.0)
    (call,) = noting.calls
    for row, caption in enumerate(("", CAPTION)):  # the dropped one is what it is guided against
        told = alone.encode_caption(caption)
        assert told["embeds"].shape == (77 + 256, 48)
        assert torch.allclose(call["encoder_hidden_states"][row], told["embeds"], atol=1e-5)
        assert torch.allclose(call["pooled_projections"][row], told["pooled"], atol=1e-5)
        assert bool(told["embeds"][77:].any()) == (name == "tiny_sd3")


def test_the_loss_is_that_of_its_parts(tiny_sd3: Path) -> None:
    model = load(tiny_sd3, NoiseOptions(density="uniform", shift=1.0))
    pipeline = model.pipeline
    noise = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels(48, 64)[None]).latent_dist.mode()
        latents = (latents - 0.0609) * 1.5305
        words, _, pooled, _ = pipeline.encode_prompt(CAPTION, None, None)
        answer = pipeline.transformer(
            hidden_states=0.3 * latents + 0.7 * noise,
            timestep=torch.tensor([700.0]),
            pooled_projections=pooled,
            encoder_hidden_states=words,
            return_dict=False,
        )[0]
        wanted = (answer - (noise - latents)).square().mean()
    picture, caption = model.encode_picture(pixels(48, 64)), model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_what_its_files_tell(tiny_sd3: Path, tmp_path: Path) -> None:
    family = StableDiffusion3()
    info = family.info(tiny_sd3, None)
    assert (info.native_size, info.shift.fixed, info.guided) == (64, 3.0, True)
    # the second attention of 3.5 medium is left as it is
    assert "attn.to_q" in info.targets
    assert "transformer_blocks.0.attn.to_add_out" in info.targets
    assert not [name for name in info.targets if "attn2" in name or "blocks.1." in name]
    path = tmp_path / "base/transformer/config.json"
    shutil.copytree(tiny_sd3, tmp_path / "base")
    told = json.loads(path.read_text())
    for changes, wanted in (
        ({}, Sampling(40, 4.5)),
        ({"dual_attention_layers": []}, Sampling(28, 3.5)),
        ({"qk_norm": None, "dual_attention_layers": []}, Sampling(28, 7.0)),
    ):
        path.write_text(json.dumps(told | changes))
        assert family.sampling(tmp_path / "base") == wanted


def test_captions_with_t5_are_not_taken_for_those_without(tiny_sd3: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(tiny_sd3, bare)
    index = json.loads((bare / "model_index.json").read_text())
    without = {key: [None, None] for key in ("text_encoder_3", "tokenizer_3")}
    (bare / "model_index.json").write_text(json.dumps(index | without))
    family = StableDiffusion3()
    here, there = resolve_base(str(tiny_sd3)), resolve_base(str(bare))
    assert family.identity(here, tiny_sd3, "text") != family.identity(there, bare, "text")
    windows = [family.info(base, None).caption_tokens for base in (tiny_sd3, bare)]
    assert windows == [256, 77]


def test_its_terms_and_its_distilled_variant() -> None:
    large = "stabilityai/stable-diffusion-3.5-large"
    assert instead_of(f"{large}-turbo", "sd3") == large
    assert instead_of(large, "sd3") is None
    terms = license_row(large)
    assert terms is not None
    assert (terms.kind, terms.name) == ("restricted", "stabilityai-ai-community")
