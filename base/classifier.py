"""A small network that reads the attributes of a drawn person off a picture."""

from __future__ import annotations

import torch
from torch import nn


class AttributeClassifier(nn.Module):
    """(n, 3, 128, 128) pictures in -1..1 to {attribute: (n, values) logits}.

    Strided convolutions down to 8x8 places; each head then looks at the mean and the maximum over
    them, and at the four quarters of the picture, for what depends on where it is.
    """

    def __init__(self, sizes: dict[str, int], width: int = 24) -> None:
        super().__init__()
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
                name.replace(" ", "_"): nn.Sequential(
                    nn.Linear(features, 96), nn.SiLU(), nn.Linear(96, size)
                )
                for name, size in sizes.items()
            }
        )
        self.names = {name.replace(" ", "_"): name for name in sizes}

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits of every attribute."""
        places = self.body(pictures)
        quarters = nn.functional.adaptive_avg_pool2d(places, 2).flatten(1)
        seen = torch.cat([places.mean((2, 3)), places.amax((2, 3)), quarters], dim=1)
        return {self.names[key]: head(seen) for key, head in self.heads.items()}
