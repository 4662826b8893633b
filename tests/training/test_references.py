"""Families that make pictures from others, against their own pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.batches import Conditions, stacked_pictures  # noqa: E402
from hubtools.models.families.flow import as_tokens, patched  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import family_of  # noqa: E402
from tests.oracles import (  # noqa: E402
    CAPTION,
    check_against_pipeline,
    load,
    our_loss,
    pixels,
)
from tests.references import given, shrink  # noqa: E402

PLAIN = NoiseOptions(density="uniform", shift=1.0)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def packed(target: Any, arguments: Mapping[str, Any]) -> Any:
    """n - x in tokens, and answers to the tokens of other pictures, which are cut off."""
    own = as_tokens(patched(target))
    rest = arguments["hidden_states"].shape[1] - own.shape[1]
    return torch.cat([own, torch.full((1, rest, own.shape[2]), 9.0)], dim=1)


def tokens(target: Any, arguments: Mapping[str, Any]) -> Any:
    own = as_tokens(target)
    rest = arguments["hidden_states"].shape[1] - own.shape[1]
    return torch.cat([own, torch.full((1, rest, own.shape[2]), 9.0)], dim=1)


def decoded(vae: Any, picture: Any) -> Any:
    with torch.no_grad():
        film = picture[None, :, None] if "Qwen" in type(vae).__name__ else picture[None]
        shown = vae.decode(vae.encode(film).latent_dist.mode()).sample / 2 + 0.5
    return (shown[:, :, 0] if shown.dim() == 5 else shown).clamp(0, 1)


def clock(arguments: Mapping[str, Any]) -> Any:
    return arguments["timestep"]


def test_kontext_is_called_as_by_its_pipeline(tiny_kontext: Path) -> None:
    check_against_pipeline(
        tiny_kontext, packed, clock, decoded,
        call={"image": given(), "guidance_scale": 1.0, "max_area": 64 * 48}, given=[given()],
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("base", ["tiny_flux2", "tiny_flux2_dev"])
def test_flux2_is_called_as_by_its_pipeline(
    base: str, count: int, request: pytest.FixtureRequest
) -> None:
    pictures = [given(), given(64, 112, 1)][:count]
    check_against_pipeline(
        request.getfixturevalue(base), tokens, clock, decoded,
        call={"image": pictures, "guidance_scale": 1.0}, given=pictures,
    )  # fmt: skip


def test_klein_is_guided_with_the_pictures_in_view(tiny_flux2: Path) -> None:
    check_against_pipeline(
        tiny_flux2, tokens, clock, decoded,
        call={"image": [given()], "guidance_scale": 4.0}, given=[given()], uncond=True,
    )  # fmt: skip


@pytest.mark.parametrize(("base", "count"), [("edit", 1), ("edit_plus", 1), ("edit_plus", 2)])
def test_qwen_edit_is_called_as_by_its_pipeline(
    base: str, count: int, request: pytest.FixtureRequest
) -> None:
    pictures = [given(), given(64, 112, 1)][:count]
    check_against_pipeline(
        request.getfixturevalue(f"tiny_qwen_{base}"), packed, clock, decoded,
        call={"image": pictures if base == "edit_plus" else pictures[0],
              "true_cfg_scale": 4.0, "negative_prompt": " "},
        given=pictures, seen=True, uncond=True,
    )  # fmt: skip


def test_the_loss_of_kontext_is_that_of_its_parts(tiny_kontext: Path) -> None:
    model = load(tiny_kontext, PLAIN)
    pipeline, vae = model.pipeline, model.pipeline.vae
    noise = torch.randn(1, 16, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():

        def latents_of(shown: Any) -> Any:
            middle = vae.encode(shown).latent_dist.mode()
            return (middle - vae.config.shift_factor) * vae.config.scaling_factor

        def packed_as(latents: Any) -> Any:
            return pipeline._pack_latents(latents, *latents.shape)

        latents = latents_of(pixels(48, 64)[None])
        processor = pipeline.image_processor
        # of the sizes there are, the one whose shape is the nearest to 96 x 64
        other = latents_of(processor.preprocess(processor.resize(given(), 64, 64), 64, 64))
        words, pooled, word_ids = pipeline.encode_prompt(CAPTION, None)
        ids = pipeline._prepare_latent_image_ids(1, 4, 3, "cpu", torch.float32)
        other_ids = pipeline._prepare_latent_image_ids(1, 4, 4, "cpu", torch.float32)
        other_ids[:, 0] = 1
        answer = pipeline.transformer(
            hidden_states=torch.cat([packed_as(0.3 * latents + 0.7 * noise), packed_as(other)], 1),
            timestep=torch.tensor([0.7]),
            guidance=torch.ones(1),
            pooled_projections=pooled,
            encoder_hidden_states=words,
            txt_ids=word_ids,
            img_ids=torch.cat([ids, other_ids]),
            return_dict=False,
        )[0][:, :12]
        wanted = (answer - packed_as(noise - latents)).square().mean()
    picture = model.encode_picture(pixels(48, 64)) | model.encode_references([given()])
    caption = model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_the_loss_of_flux2_is_that_of_its_parts(tiny_flux2: Path, count: int) -> None:
    model = load(tiny_flux2, PLAIN)
    pipeline = model.pipeline
    noise = torch.randn(1, 128, 4, 3, generator=torch.Generator().manual_seed(1))
    shown = [given(), given(64, 112, 1)][:count]
    with torch.no_grad():
        latents = pipeline._encode_vae_image(pixels(48, 64)[None], None)
        seen = [pipeline.image_processor.preprocess(one) for one in shown]
        others, other_ids = pipeline.prepare_image_latents(
            seen, 1, generator=None, device="cpu", dtype=torch.float32
        )
        words, word_ids = pipeline.encode_prompt(prompt=CAPTION)
        noisy = 0.3 * latents + 0.7 * noise
        answer = pipeline.transformer(
            hidden_states=torch.cat([pipeline._pack_latents(noisy), others], 1),
            timestep=torch.tensor([0.7]),
            guidance=None,
            encoder_hidden_states=words,
            txt_ids=word_ids,
            img_ids=torch.cat([pipeline._prepare_latent_ids(noisy), other_ids], 1),
            return_dict=False,
        )[0][:, :12]
        wanted = (answer - pipeline._pack_latents(noise - latents)).square().mean()
    picture = model.encode_picture(pixels(48, 64)) | model.encode_references(shown)
    caption = model.encode_caption(CAPTION)
    assert our_loss(model, picture, caption, noise, 0.7) == pytest.approx(float(wanted), rel=1e-5)


def test_the_loss_of_qwen_edit_is_that_of_its_parts(tiny_qwen_edit: Path) -> None:
    model = load(tiny_qwen_edit, PLAIN)
    pipeline, shown = model.pipeline, given(64, 64)
    noise = torch.randn(1, 16, 1, 8, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():

        def packed_as(latents: Any) -> Any:
            return pipeline._pack_latents(latents, 1, 16, *latents.shape[-2:])

        latents = pipeline._encode_vae_image(pixels(48, 64)[None, :, None], None)
        seen = pipeline.image_processor.preprocess(shown, 64, 64)[:, :, None]
        others = packed_as(pipeline._encode_vae_image(seen, None))
        words, mask = pipeline.encode_prompt(CAPTION, shown, "cpu")
        answer = pipeline.transformer(
            hidden_states=torch.cat([packed_as(0.3 * latents + 0.7 * noise), others], 1),
            timestep=torch.tensor([0.7]),
            encoder_hidden_states=words,
            encoder_hidden_states_mask=mask,
            img_shapes=[[(1, 4, 3), (1, 4, 4)]],
            return_dict=False,
        )[0][:, :12]
        wanted = (answer - packed_as(noise - latents)).square().mean()
    picture = model.encode_picture(pixels(48, 64)) | model.encode_references([shown])
    caption = model.encode_seen(CAPTION, [shown])
    found = our_loss(model, picture, caption, noise[:, :, 0], 0.7)
    assert found == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("base", ["tiny_kontext", "tiny_flux2"])
def test_what_it_is_made_from_decides_the_loss(base: str, request: pytest.FixtureRequest) -> None:
    model = load(request.getfixturevalue(base), PLAIN)
    picture, caption = model.encode_picture(pixels()), model.encode_caption(CAPTION)
    noise = torch.randn(1, *model.latent_shape(picture), generator=torch.Generator().manual_seed(1))
    losses = {
        our_loss(model, picture | model.encode_references(shown), caption, noise, 0.7)
        for shown in ([given()], [given(seed=1)], [given(64, 96)])
    }
    assert len({*losses, our_loss(model, picture, caption, noise, 0.7)}) == 4


@pytest.mark.parametrize("base", ["tiny_kontext", "tiny_flux2", "tiny_qwen_edit"])
def test_a_batch_of_other_sizes_is_as_each_alone(base: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(base)
    model = load(folder, PLAIN)
    sees = family_of(folder, "tiny").info(folder, None).sees
    shown = [[given()], [given(64, 160, 1)], [given(96, 64, 2)]]
    rows = [model.encode_picture(pixels()) | model.encode_references(one) for one in shown]
    said = [
        model.encode_seen(CAPTION, one) if sees else model.encode_caption(CAPTION) for one in shown
    ]
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(3, *model.latent_shape(rows[0]), generator=generator)
    noise = torch.randn(latents.shape, generator=generator)

    def answered(which: list[int]) -> Any:
        noised = model.noised(latents[which], noise[which], torch.full((len(which),), 0.5))
        batch = stacked_pictures([rows[one] for one in which])
        with torch.no_grad():
            captions = model.collate([said[one] for one in which])
            return model.predict(noised, Conditions(batch, captions))

    alone = torch.cat([answered([one]) for one in range(3)])
    assert torch.allclose(answered([0, 1, 2]), alone, atol=2e-5)
    assert torch.allclose(answered([0, 2]), alone[[0, 2]], atol=2e-5)
    assert not torch.allclose(alone[0], alone[2], atol=1e-3)


def test_what_each_base_takes(
    tiny_kontext: Path,
    tiny_flux1: Path,
    tiny_flux2: Path,
    tiny_qwen_image: Path,
    tiny_qwen_edit: Path,
    tiny_qwen_edit_plus: Path,
) -> None:
    def takes(folder: Path) -> tuple[tuple[int, int], bool]:
        info = family_of(folder, "tiny").info(folder, None)
        return info.controls, info.sees

    assert takes(tiny_flux1) == takes(tiny_qwen_image) == ((0, 0), False)
    assert takes(tiny_kontext) == ((0, 1), False)
    assert takes(tiny_flux2) == ((0, 10), False)
    assert takes(tiny_qwen_edit) == ((1, 1), True)
    assert takes(tiny_qwen_edit_plus) == ((1, 3), True)
