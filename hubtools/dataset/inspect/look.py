"""What is known of each picture and of all of them together."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hubtools.dataset.pictures.facts import PictureFacts

# More of a picture's area than this falls to the cut only in unusual shapes: 3:2 loses a third.
MUCH_CUT = 0.4
_ASPECTS = (
    ("1:2 and narrower", 0.58), ("2:3", 0.71), ("3:4", 0.87), ("1:1", 1.15), ("4:3", 1.41),
    ("3:2", 1.64), ("16:9", 1.95), ("2:1 and wider", float("inf")),
)  # fmt: skip
SHAPES = tuple(name for name, _ in _ASPECTS)


@dataclass(frozen=True)
class Crop:
    """How the trainer cuts a picture: resized to (width, height), then `size` at (left, top)."""

    width: int
    height: int
    left: int
    top: int
    size: tuple[int, int]


@dataclass(frozen=True)
class InspectedPicture:
    """One picture as the trainer will see it. Pixels of the upright picture.

    `scale` is what it is resized by, `box` (left, top, right, bottom) what is left of it in its own
    pixels, `kept` that share of its area. `warnings` are sentences, `controls` the pictures that
    its first record makes it from.
    """

    name: str
    width: int
    height: int
    format: str | None
    bytes: int
    caption: str | None
    tokens: int
    scale: float
    resized: tuple[int, int]
    box: tuple[int, int, int, int]
    kept: float
    warnings: tuple[str, ...]
    controls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """All pictures of `root` that can be read (`seen`), those that cannot (`broken`: why), metadata
    files that cannot be read whole (`unread`: why, first), and figures."""

    root: Path
    resolution: int
    seen: tuple[InspectedPicture, ...]
    broken: dict[str, str]
    tokens_by: str
    room: int
    unread: dict[str, str] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Figures of the whole set."""
        captions = [one for one in self.seen if one.caption]
        facts: dict[str, Any] = {
            "pictures": len(self.seen),
            "broken": len(self.broken),
            "bytes": sum(one.bytes for one in self.seen),
            "formats": dict(Counter(one.format or "?" for one in self.seen).most_common()),
            "resolution": self.resolution,
            "width": _spread([one.width for one in self.seen]),
            "height": _spread([one.height for one in self.seen]),
            "aspects": self.aspects(),
            "upscaled": sum(one.scale > 1 for one in self.seen),
            "area_kept": _mean([one.kept for one in self.seen]),
            "captions": len(captions),
            "different_captions": len({one.caption for one in captions}),
            "tokens": _spread([one.tokens for one in captions]),
            "tokens_counted_by": self.tokens_by,
            "too_long": sum(one.tokens > self.room for one in captions),
        }
        return facts

    def aspects(self) -> dict[str, int]:
        """How many pictures have which shape, by the nearest usual one."""
        found = Counter(aspect_of(one.width, one.height) for one in self.seen)
        return {name: found[name] for name, _ in _ASPECTS if found[name]}

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "summary": self.summary(),
            "pictures": [asdict(one) for one in self.seen],
            "broken": self.broken,
            "unread": self.unread,
        }


def aspect_of(width: int, height: int) -> str:
    """The usual shape that is nearest, width first."""
    return next(name for name, below in _ASPECTS if width / height < below)


def inspect_picture(
    facts: PictureFacts, cut: Crop, captions: Sequence[str], tokens: int, room: int,
    resolution: int, controls: tuple[str, ...] = (),
) -> InspectedPicture:  # fmt: skip
    """Put together what is known of a picture; `captions` are those of its records."""
    width, height = facts.upright_size
    across, down = width / cut.width, height / cut.height
    box = (
        round(cut.left * across), round(cut.top * down),
        round((cut.left + cut.size[0]) * across), round((cut.top + cut.size[1]) * down),
    )  # fmt: skip
    kept = cut.size[0] * cut.size[1] / (cut.width * cut.height)
    scale = cut.width / width if width <= height else cut.height / height
    caption = captions[0] if captions else None
    notes = []
    if scale > 1:
        notes.append(
            f"enlarged {scale:.2f} times: its shorter side is {min(width, height)}, the training"
            f" resolution {resolution}; the LoRA learns the blur"
        )
    if 1 - kept > MUCH_CUT:
        notes.append(f"{1 - kept:.0%} of it is cut off")
    if not caption:
        notes.append("it has no caption")
    elif tokens > room:
        notes.append(f"its caption has {tokens} tokens; after {room} nothing is read")
    if len(captions) > 1:
        notes.append(f"{len(captions)} records name it")
    if facts.transparent:
        notes.append("what is transparent becomes white")
    if facts.frames > 1:
        notes.append(f"of its {facts.frames} frames only the first is seen")
    return InspectedPicture(
        facts.name, width, height, facts.format, facts.bytes, caption, tokens, scale,
        (cut.width, cut.height), box, kept, tuple(notes), controls,
    )  # fmt: skip


def _spread(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(statistics.fmean(known), 4) if known else None
