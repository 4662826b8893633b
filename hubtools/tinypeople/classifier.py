"""A small network that reads the attributes of a drawn person off a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hubtools.causes import says_nothing_of_file
from hubtools.errors import HubtoolsError

if TYPE_CHECKING:
    from PIL import Image

SIZE = 128


class AttributeClassifier(nn.Module):
    """(n, 3, 128, 128) pictures in -1..1 to {attribute: (n, values) logits}.

    Strided convolutions down to 8x8 places; each head then looks at the mean and the maximum over
    them, and at the four quarters of the picture, for what depends on where it is.
    """

    def __init__(self, sizes: Mapping[str, int], width: int = 24) -> None:
        super().__init__()
        self.sizes, self.width = dict(sizes), width
        layers: list[nn.Module] = []
        channels = 3
        for level in range(4):
            out = width * min(2**level, 5)
            layers += [
                nn.Conv2d(channels, out, 3, stride=2, padding=1),
                nn.GroupNorm(4, out),
                nn.SiLU(),
            ]
            if level:
                layers += [nn.Conv2d(out, out, 3, padding=1), nn.GroupNorm(4, out), nn.SiLU()]
            channels = out
        self.body = nn.Sequential(*layers)
        features = channels * 6
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(features, 96), nn.SiLU(), nn.Linear(96, size))
                for name, size in sizes.items()
            }
        )

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of every attribute."""
        places = self.body(pictures)
        quarters = nn.functional.adaptive_avg_pool2d(places, 2).flatten(1)
        seen = torch.cat([places.mean((2, 3)), places.amax((2, 3)), quarters], dim=1)
        return {name: head(seen) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, pictures: Sequence[Image.Image]) -> dict[str, NDArray[np.float32]]:
        """{attribute: (n, values) probabilities} of pictures of any size."""
        found: dict[str, list[torch.Tensor]] = {name: [] for name in self.sizes}
        for first in range(0, len(pictures), 64):
            logits = self(as_tensor(pictures[first : first + 64]))
            for name, rows in logits.items():
                found[name].append(rows.softmax(1))
        return {
            name: torch.cat(rows).numpy() if rows else np.zeros((0, self.sizes[name]), np.float32)
            for name, rows in found.items()
        }


def as_tensor(pictures: Sequence[Image.Image]) -> torch.Tensor:
    """(n, 3, 128, 128) in -1..1; other sizes are scaled."""
    arrays = []
    for picture in pictures:
        picture = picture.convert("RGB")
        if picture.size != (SIZE, SIZE):
            factor = picture.width // SIZE
            whole = picture.size == (SIZE * factor, SIZE * factor)
            picture = picture.reduce(factor) if whole else picture.resize((SIZE, SIZE))
        arrays.append(np.asarray(picture))
    stacked = torch.from_numpy(np.stack(arrays))
    return stacked.permute(0, 3, 1, 2).float() / 127.5 - 1


def write_classifier(path: Path, model: AttributeClassifier) -> None:
    """Weights in half precision, with what is needed to build the network again."""
    from safetensors.torch import save_file

    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, path, metadata={"sizes": json.dumps(model.sizes), "width": str(model.width)})


def read_classifier(path: Path) -> AttributeClassifier:
    """What `write_classifier` wrote, float32, in eval mode. Raises `HubtoolsError` if the file is
    missing or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            notes: dict[str, Any] = file.metadata() or {}
            model = AttributeClassifier(json.loads(notes["sizes"]), int(notes["width"]))
            model.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        if says_nothing_of_file(error):
            raise
        raise HubtoolsError(
            f"{path.name} is missing or damaged.",
            hint="install hubtools again",
            code="file-not-found",
        ) from error
    return model.eval().requires_grad_(False)
