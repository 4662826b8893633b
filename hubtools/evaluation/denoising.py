"""The loss on the same noise at the same moments, with a LoRA and without.

The training loss (arXiv:2006.11239, eq. 14) is drowned in the chance of its timesteps; with these
and the noise held fixed, two models can be compared on a dozen pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubtools.dataset.pictures.rgb import open_image
from hubtools.evaluation.measures import Floats
from hubtools.models.families.batches import Conditions
from hubtools.models.seeds import seed_of
from hubtools.training.crops import geometry, pixels

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.models.families.batches import Tensors
    from hubtools.models.families.protocol import Family, Model

# Moments of the noising process, 0 to 1, and draws of noise at each.
MOMENTS = (0.1, 0.3, 0.5, 0.7, 0.9)
DRAWS = 2


@dataclass(frozen=True)
class Encoded:
    """Pictures and captions as the family has encoded them, in order."""

    rows: Sequence[tuple[Tensors, Tensors]]


def encode_captions(model: Model, examples: Sequence[Example]) -> dict[str, Tensors]:
    """What the text encoders of `model` answer to each caption, each once."""
    captions = dict.fromkeys(example.caption for example in examples)
    return {caption: model.encode_caption(caption) for caption in captions}


def encode(
    family: Family,
    model: Model,
    examples: Sequence[Example],
    captions: Mapping[str, Tensors],
    resolution: int,
) -> Encoded:
    """Encode the middle square of each picture, the VAE in float32, and put its caption, which is
    encoded, beside it."""
    rows = []
    for example in examples:
        picture = open_image(example.image)
        cut = geometry(picture.size, resolution, center_crop=True, seed=0, identity="")
        tensors = model.encode_picture(pixels(picture, cut, filter="lanczos", flip=False))
        told = family.picture_conditions(cut.framing(picture.size, flip=False))
        rows.append((tensors | told, captions[example.caption]))
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
