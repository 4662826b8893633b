"""Copies that hashes cannot find, crops and marked pictures, by the features of a vision model.

How alike two different pictures look to a model hangs on the set: photographs of many things have
cosines of 0.7, drawings of one figure of 0.95. So a pair counts by its distance (1 - cosine) as a
share of what is usual around both: that to their fifth neighbours. A pair below it, each among the
nearest of the other, is laid one over the other at every place and scale, and told only if the grey
levels agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hubtools.causes import is_out_of_reach
from hubtools.dataset.copies.features import Features
from hubtools.dataset.pictures.tasks import UPRIGHT
from hubtools.dataset.workers.guarded import run_guarded
from hubtools.dataset.workers.pool import Failure
from hubtools.errors import HubtoolsError
from hubtools.vision.encoders import encoder_identity, picture_encoder

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.dataset.folder.listing import Listing
    from hubtools.vision.encoders import PictureEncoder

# Measured on planted copies: docs/datasets.md. Unrelated pictures agree to 0.72 at most, a figure
# drawn in one pose with other clothes to 0.93; parts and marked copies mostly to 0.95 and more.
SHARE, AGREE = 1.0, 0.94
_NEIGHBOUR = 5
# Below this many pictures nothing is usual.
ENOUGH = 8
_BATCH = 16
_BLOCK = 8_000_000  # distances at a time, 4 bytes each
_KEEP_EVERY = 30.0  # seconds
_SKETCHES = 64  # 0.4 MB each
# Pixels of the shorter side that are enough for any encoder.
_SIDE = 512


@dataclass(frozen=True)
class Similarity:
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
    *,
    digests: Mapping[str, str] | None = None,
    place: Path | None = None,
) -> list[Similarity]:
    """Pairs among the pictures `names` that are more alike than others and agree where one is laid
    over the other, the likest first.

    `model`: auto, dinov2, efficientnet-lite0, a Hub id or a folder (see
    `vision.encoders.picture_encoder`); pictures that cannot be read are passed over. `digests` of
    their bytes, by name: pictures whose digest is in the memory at `place` (see `features`) are not
    read, and PyTorch is loaded only if there are others. Raises `HubtoolsError` if there is no such
    model.
    """
    if len(names) < ENOUGH:
        return []

    keys = {name: (digests or {}).get(name) or f"name {name}" for name in names}
    identity = encoder_identity(model)
    seen = Features.load(place, identity) if place else Features(identity)
    work = _Work(listing, keys, seen, place)
    try:
        work.show(model, note)
        read = [name for name in names if keys[name] in work.seen]
        if len(read) < ENOUGH:
            return []
        near = close_pairs(work.seen.of([keys[name] for name in read]))
        return work.agreeing([(read[a], read[b], share) for a, b, share in near])
    finally:
        work.keep()  # also when interrupted


@dataclass
class _Work:
    """A search going on: `keys` of the pictures by name, and what was `seen` of them so far."""

    listing: Listing
    keys: Mapping[str, str]
    seen: Features
    place: Path | None = None
    changed: bool = False
    kept_at: float = field(default_factory=time.monotonic)

    def keep(self, patience: float = 0) -> None:
        """Write down what is new, if that was last done `patience` seconds ago."""
        if self.place and self.changed and time.monotonic() - self.kept_at >= patience:
            self.seen.save(self.place, self.keys.values())
            self.changed, self.kept_at = False, time.monotonic()

    def show(self, model: str, note: Callable[[str], None]) -> None:
        """Show the model the pictures that it has not seen."""
        waiting = list({key: name for name, key in self.keys.items()}.items())
        waiting = [(key, name) for key, name in waiting if key not in self.seen]
        encoder = None
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            read = [(key, opened(self.listing, name)) for key, name in batch]
            whole = [(key, picture) for key, picture in read if picture is not None]
            if not whole:
                continue
            if encoder is None:
                encoder = _encoder(model, note)
                identity = encoder.identity
                if identity != self.seen.identity:  # the other could not be loaded
                    self.seen = Features(identity)
                    self.show(model, note)
                    return
            rows = encoder.encode([picture for _, picture in whole])
            for (key, _), row in zip(whole, rows, strict=True):
                self.seen.add(key, row)
            self.changed = True
            self.keep(_KEEP_EVERY)

    def agreeing(self, near: Sequence[tuple[str, str, float]]) -> list[Similarity]:
        """Those of the pairs that are `near` which agree, the likest first."""

        @lru_cache(maxsize=_SKETCHES)
        def sketch(name: str) -> Sketch | None:
            picture = opened(self.listing, name)
            return None if picture is None else Sketch.of(picture)

        found = []
        for one, other, share in sorted(near):  # all pairs of one together
            a, b = sorted((self.keys[one], self.keys[other]))
            agree = self.seen.pairs.get((a, b))
            if agree is None:
                first, second = sketch(one), sketch(other)
                if first is None or second is None:
                    continue
                agree = self.seen.pairs[a, b] = overlap(first, second)
                self.changed = True
                self.keep(_KEEP_EVERY)
            if agree >= AGREE:
                found.append(Similarity(one, other, share, agree))
        return sorted(found, key=lambda pair: (pair.share, pair.one, pair.other))


def _encoder(model: str, note: Callable[[str], None]) -> PictureEncoder:
    try:
        import torch
    except ImportError:
        raise HubtoolsError(
            "Looking for copies with a vision model needs PyTorch, which is not installed.",
            hint="pip install 'hf-hubtools[train]', or leave dataset.embeddings out",
            code="missing-package",
        ) from None

    return picture_encoder(model, "cuda" if torch.cuda.is_available() else "cpu", note)


def opened(listing: Listing, name: str) -> Image.Image | None:
    """The picture upright and in RGB, not much larger than an encoder needs it; None if it cannot
    be read."""
    from PIL import Image

    try:
        with listing.open(name) as file:
            data = file.read()
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        return None
    found = run_guarded(UPRIGHT, data, str(_SIDE))
    if found is None or isinstance(found, Failure):  # whatever is wrong with it, other rules tell
        return None
    width, height, pixels = found
    return Image.frombytes("RGB", (width, height), pixels)


def close_pairs(features: npt.NDArray[Any], share: float = SHARE) -> list[tuple[int, int, float]]:
    """(row, row, share) of pairs whose distance is below `share` of the smaller of the
    distances to their fifth neighbours, the likest first. `features`: (n, d)."""
    lengths = np.linalg.norm(features.astype(np.float32), axis=1, keepdims=True)
    unit = (features / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    count = len(unit)
    block = max(16, _BLOCK // count)
    kth = min(_NEIGHBOUR, count - 2)
    usual = np.empty(count, np.float32)
    near: list[tuple[int, int, float]] = []
    for start in range(0, count, block):
        apart = 1 - unit[start : start + block] @ unit.T
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
_SMALLEST = 8


@dataclass(frozen=True)
class Sketch:
    """A picture in grey levels, small: the `ground` that others are laid over, with what their
    correlation with it needs, and the `pieces` to lay over others, one a scale."""

    ground: npt.NDArray[np.float64]
    spectrum: npt.NDArray[np.complex128]
    sums: npt.NDArray[np.float64]  # of all above and to the left; one row and column more
    squares: npt.NDArray[np.float64]
    pieces: tuple[npt.NDArray[np.float64], ...]

    @classmethod
    def of(cls, picture: Image.Image) -> Sketch:
        """Draw it."""
        grey = picture.convert("L")
        pieces = tuple(_small(grey, _LONG * scale) for scale in _SCALES)
        ground = pieces[0] - pieces[0].mean()  # small numbers: their squares lose less
        return cls(ground, np.fft.rfft2(ground), _summed(ground), _summed(ground**2), pieces)


def overlap(one: Image.Image | Sketch, other: Image.Image | Sketch) -> float:
    """How well the smaller of the two fits into the other at its best place and scale, from
    nearly half to whole: the correlation of grey levels, 1 for the very same."""
    one, other = (o if isinstance(o, Sketch) else Sketch.of(o) for o in (one, other))
    return max(_fits(one, other), _fits(other, one))


def _fits(part: Sketch, whole: Sketch) -> float:
    height, width = whole.ground.shape
    pieces = []
    for piece in part.pieces:
        if piece.shape[0] > height + 1 or piece.shape[1] > width + 1:
            continue
        cut = piece[:height, :width]
        if min(cut.shape) >= _SMALLEST:
            # the mean of what lies below falls out, since the piece has none
            pieces.append(cut - cut.mean())
    if not pieces:
        return -1.0
    padded = np.zeros((len(pieces), height, width))
    for layer, piece in zip(padded, pieces, strict=True):
        layer[: piece.shape[0], : piece.shape[1]] = piece
    # as long as a piece lies within the ground, going round is the same as not
    spectra = np.conj(np.fft.rfft2(padded)) * whole.spectrum
    alike = np.fft.irfft2(spectra, s=(height, width))
    best = -1.0
    for layer, piece in zip(alike, pieces, strict=True):
        h, w = piece.shape
        spread = _windows(whole.squares, h, w) - _windows(whole.sums, h, w) ** 2 / piece.size
        energy = np.maximum(spread * (piece**2).sum(), 1e-6)
        best = max(best, float((layer[: height - h + 1, : width - w + 1] / np.sqrt(energy)).max()))
    return best


def _summed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)


def _windows(summed: npt.NDArray[np.float64], h: int, w: int) -> npt.NDArray[np.float64]:
    """The sum in each window of (h, w)."""
    rows = summed[h:] - summed[:-h]
    result: npt.NDArray[np.float64] = rows[:, w:] - rows[:, :-w]
    return result


def _small(grey: Image.Image, long: float) -> npt.NDArray[np.float64]:
    from PIL import Image as Pillow

    factor = long / max(grey.size)
    size = (max(1, round(grey.width * factor)), max(1, round(grey.height * factor)))
    return np.asarray(grey.resize(size, Pillow.Resampling.BOX), np.float64)
