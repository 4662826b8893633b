"""Copies that hashes cannot find, crops and marked pictures, by the features of a vision model.

How alike two different pictures look to a model hangs on the set: photographs of many things have
cosines of 0.7, drawings of one figure of 0.95. So a pair counts by its distance (1 - cosine) as a
share of what is usual around both: that to their fifth neighbours. A pair below it, each among the
nearest of the other, is laid one over the other at every place and scale, and told only if the grey
levels agree.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.dataset.folder import Listing
    from hubtools.vision.encoders import PictureEncoder

# Measured on planted copies: docs/datasets.md. Unrelated pictures agree to 0.72 at most, a figure
# drawn in one pose with other clothes to 0.93; parts and marked copies mostly to 0.95 and more.
SHARE, AGREE = 1.0, 0.94
_NEIGHBOUR = 5
# Below this many pictures nothing is usual.
ENOUGH = 8
_BATCH, _BLOCK = 64, 1024
# Pixels of the shorter side that are enough for any encoder.
_SIDE = 512


@dataclass(frozen=True)
class Likeness:
    """Two pictures that may be one. `share` is their distance as a share of what is usual there:
    0 for the same, 1 for any two; `agree` the correlation where they lie over each other."""

    one: str
    other: str
    share: float
    agree: float


def likely_copies(
    listing: Listing,
    names: Sequence[str],
    model: str,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[Likeness]:
    """Pairs among the pictures `names` that are more alike than others and agree where one is laid
    over the other, the likest first.

    `model`: auto, dinov2, efficientnet-lite0, a Hub id or a folder (see
    `vision.encoders.picture_encoder`); pictures that cannot be read are passed over. Raises
    `HubtoolsError` if there is no such model.
    """
    if len(names) < ENOUGH:
        return []
    encoder = _encoder(model, note)
    read: list[str] = []
    features: list[npt.NDArray[Any]] = []
    for start in range(0, len(names), _BATCH):
        batch = [(name, opened(listing, name)) for name in names[start : start + _BATCH]]
        whole = [(name, picture) for name, picture in batch if picture is not None]
        if whole:
            features.append(encoder.encode([picture for _, picture in whole]).astype(np.float32))
            read += [name for name, _ in whole]
    if len(read) < ENOUGH:
        return []
    found = []
    for a, b, share in close_pairs(np.concatenate(features)):
        one, other = opened(listing, read[a]), opened(listing, read[b])
        if one is None or other is None:
            continue
        agree = overlap(one, other)
        if agree >= AGREE:
            found.append(Likeness(read[a], read[b], share, agree))
    return found


def _encoder(model: str, note: Callable[[str], None]) -> PictureEncoder:
    from hubtools.errors import HubtoolsError

    try:
        import torch
    except ImportError:
        raise HubtoolsError(
            "Looking for copies with a vision model needs PyTorch, which is not installed.",
            hint="pip install 'hf-hubtools[train]', or leave dataset.embeddings out",
        ) from None
    from hubtools.vision.encoders import picture_encoder

    return picture_encoder(model, "cuda" if torch.cuda.is_available() else "cpu", note)


def opened(listing: Listing, name: str) -> Image.Image | None:
    """The picture upright and in RGB, not much larger than an encoder needs it; None if it cannot
    be read."""
    from PIL import Image, ImageOps

    from hubtools.dataset.load import to_rgb

    try:
        with listing.open(name) as file:
            data = file.read()
        with Image.open(io.BytesIO(data)) as picture:
            picture.draft(None, (_SIDE, _SIDE))
            picture.load()
            upright = to_rgb(ImageOps.exif_transpose(picture))
    except Exception:  # whatever is wrong with it, other rules tell
        return None
    factor = min(upright.size) // _SIDE
    return upright.reduce(factor) if factor > 1 else upright


def close_pairs(features: npt.NDArray[Any], share: float = SHARE) -> list[tuple[int, int, float]]:
    """(row, row, share) of pairs whose distance is below `share` of the smaller of the
    distances to their fifth neighbours, the likest first. `features`: (n, d)."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = (features / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    count = len(unit)
    kth = min(_NEIGHBOUR, count - 2)
    usual = np.empty(count, np.float32)
    near: list[tuple[int, int, float]] = []
    for start in range(0, count, _BLOCK):
        apart = 1 - unit[start : start + _BLOCK] @ unit.T
        rows = np.arange(len(apart))
        apart[rows, start + rows] = np.inf
        usual[start : start + len(apart)] = np.partition(apart, kth - 1, axis=1)[:, kth - 1]
        found = (apart < share * usual[start : start + len(apart), None]).nonzero()
        near += [
            (start + int(a), int(b), float(apart[a, b]))
            for a, b in zip(*found, strict=True)
            if start + a < b
        ]
    pairs = [
        (a, b, max(0.0, distance / float(min(usual[a], usual[b]))))
        for a, b, distance in near
        if distance < share * min(usual[a], usual[b])
    ]
    return sorted(pairs, key=lambda pair: pair[2])


# --- the proof ------------------------------------------------------------------------------------

_LONG = 64  # pixels of the longer side in which parts are looked for
_SCALES = tuple(step / 100 for step in (*range(100, 70, -2), *range(70, 44, -4)))


def overlap(one: Image.Image, other: Image.Image) -> float:
    """How well the smaller of the two fits into the other at its best place and scale, from
    nearly half to whole: the correlation of grey levels, 1 for the very same."""
    return max(_fits(one, other), _fits(other, one))


def _fits(part: Image.Image, whole: Image.Image) -> float:
    ground = _grey(whole, _LONG)
    best = -1.0
    for scale in _SCALES:
        piece = _grey(part, _LONG * scale)
        height, width = piece.shape
        if height > ground.shape[0] + 1 or width > ground.shape[1] + 1 or min(piece.shape) < 8:
            continue
        piece = piece[: ground.shape[0], : ground.shape[1]]
        windows = np.lib.stride_tricks.sliding_window_view(ground, piece.shape)
        piece = piece - piece.mean()
        # the mean of a window falls out, since the piece has none
        alike = np.tensordot(windows, piece, axes=2)
        count = piece.size
        spread = windows.var(axis=(2, 3)) * count * float((piece**2).sum())
        score = alike / np.sqrt(np.maximum(spread, 1e-6))
        best = max(best, float(score.max()))
    return best


def _grey(picture: Image.Image, long: float) -> npt.NDArray[np.float32]:
    from PIL import Image as Pillow

    factor = long / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return np.asarray(picture.convert("L").resize(size, Pillow.Resampling.BOX), np.float32)
