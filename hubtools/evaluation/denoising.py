"""The loss on the same noise at the same moments, with a LoRA and without.

The training loss (arXiv:2006.11239, eq. 14) is drowned in the chance of its timesteps; with these
and the noise held fixed, two models can be compared on a dozen pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from hubtools.dataset.pictures.rgb import open_image
from hubtools.evaluation.measures import Floats
from hubtools.inference.adapters import apply_loras, remove_loras
from hubtools.inference.controls import opened
from hubtools.inference.embeddings import Said
from hubtools.inference.lora import said_by
from hubtools.inference.staged import LoraShots
from hubtools.models.families.batches import Conditions
from hubtools.models.families.protocol import FromPictures
from hubtools.models.seeds import seed_of
from hubtools.training.crops import geometry, pixels

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.models.families.batches import Tensors
    from hubtools.models.families.protocol import BaseInfo, Family, Model

# Moments of the noising process, 0 to 1, and draws of noise at each.
MOMENTS = (0.1, 0.3, 0.5, 0.7, 0.9)
DRAWS = 2


@dataclass(frozen=True)
class Encoded:
    """Pictures and captions as the family has encoded them, in order."""

    rows: Sequence[tuple[Tensors, Tensors]]

    def with_captions(
        self,
        examples: Sequence[Example],
        captions: Mapping[str, Tensors],
        info: BaseInfo | None = None,
    ) -> Encoded:
        """The same pictures, beside other answers of text encoders."""
        told = [captions[_said(example, info)] for example in examples]
        pairs = zip(self.rows, told, strict=True)
        return Encoded([(picture, text) for (picture, _), text in pairs])


def encode_captions(
    model: Model, examples: Sequence[Example], info: BaseInfo | None = None
) -> dict[str, Tensors]:
    """What the text encoders of `model` answer to each caption, each once; with what its picture is
    made from in view where the base, of which `info` tells, is shown that."""
    if info is None or not info.sees:
        captions = dict.fromkeys(example.caption for example in examples)
        return {caption: model.encode_caption(caption) for caption in captions}
    seeing = cast(FromPictures, model)
    asked = {_said(example, info): example for example in examples}
    return {
        said: seeing.encode_seen(example.caption, opened(_given(example, info)))
        for said, example in asked.items()
    }


def captions_under(
    model: Model,
    wanted: Sequence[LoraShots],
    examples: Sequence[Example],
    info: BaseInfo | None = None,
) -> dict[Said, dict[str, Tensors]]:
    """`encode_captions` for each state of the text encoders that `wanted` brings about, the bare
    base's (nothing said) included; leaves no LoRA in them."""
    found: dict[Said, dict[str, Tensors]] = {(): encode_captions(model, examples, info)}
    for one in wanted:
        weight = one.shots[0].lora_weight if one.shots else 0.0
        said = said_by(one.loras, weight)
        if said not in found:
            strengths = [(lora.file, lora.weight * weight) for lora in one.loras]
            apply_loras(model.pipeline, strengths)
            found[said] = encode_captions(model, examples, info)
    if len(found) > 1:
        remove_loras(model.pipeline)
    return found


def _given(example: Example, info: BaseInfo | None) -> tuple[Path, ...]:
    """What a picture is made from, of what the base takes."""
    return example.controls[: info.controls[1]] if info is not None else ()


def _said(example: Example, info: BaseInfo | None) -> str:
    """A caption's name among those that are encoded."""
    if info is None or not info.sees:
        return example.caption
    return "\0".join([example.caption, *map(str, _given(example, info))])


def encode(
    family: Family,
    model: Model,
    examples: Sequence[Example],
    captions: Mapping[str, Tensors],
    resolution: int,
    info: BaseInfo | None = None,
) -> Encoded:
    """Encode the middle square of each picture, or that around its focus, the VAE in float32, and
    put its caption, which is encoded, beside it; and what it is made from, if the base takes it."""
    rows = []
    for example in examples:
        picture = open_image(example.image)
        cut = geometry(
            picture.size, resolution, center_crop=True, seed=0, identity="", focus=example.focus
        )
        tensors = model.encode_picture(pixels(picture, cut, filter="lanczos", flip=False))
        told = family.picture_conditions(cut.framing(picture.size, flip=False))
        given = _given(example, info)
        if given:
            tensors |= cast(FromPictures, model).encode_references(opened(given))
        rows.append((tensors | told, captions[_said(example, info)]))
    return Encoded(rows)


def losses(model: Model, encoded: Encoded, device: str) -> Floats:
    """(pictures,) squared error of the prediction, weighed as training weighs it, a mean over
    `MOMENTS` and `DRAWS`.

    Noise is a function of picture, moment and draw alone, so that two calls see the same.
    """
    import torch

    was_training = model.denoiser.training
    model.denoiser.eval()
    found: list[float] = []
    try:
        for index, (picture, text) in enumerate(encoded.rows):
            shape = model.latent_shape(picture)
            count = len(MOMENTS) * DRAWS
            generator = torch.Generator().manual_seed(seed_of("evaluation", index))
            posterior = torch.zeros((count, *shape))  # its mean: no chance of its own
            noise = torch.randn((count, *shape), generator=generator)
            t = torch.tensor([moment for moment in MOMENTS for _ in range(DRAWS)])
            many = {
                key: value.expand(count, *value.shape).to(device) for key, value in picture.items()
            }
            captions = {
                key: value.expand(count, *value.shape[1:]).to(device)
                for key, value in model.collate([text]).items()
            }
            with torch.no_grad():
                latents = model.latents(many, posterior.to(device))
                noised = model.noised(latents, noise.to(device), t.to(device))
                answer = model.predict(noised, Conditions(many, captions))
            errors = (answer.float() - noised.target.float()).square().flatten(1).mean(1)
            found.append((errors * noised.weight).mean().item())
    finally:
        model.denoiser.train(was_training)
    return np.asarray(found)
