"""What `fix` does only when asked for by name, and how a step says which rules it satisfies."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from hubtools.errors import UsageError

# Names for --unsafe. They lose something or decide something that only the user knows.
UNSAFE: dict[str, str] = {
    "drop-rows": "remove records that are broken beyond repair, name no picture of the set, or"
    " contradict another record of the same picture (also sidecars that do)",
    "delete-duplicates": "keep one of pictures that are the same byte for byte, or pixel by pixel,"
    " preferring one with a caption",
    "delete-near-duplicates": "keep the best of pictures that are nearly the same; asked of one"
    " picture alone, it goes, or its copies if it is the best",
    "remove-small": "remove pictures smaller than the training resolution, with their records",
    "remove-damaged": "remove files that are no pictures or do not decode (never Git LFS pointers)",
    "remove-unlisted": "remove pictures that no record names",
    "remove-other-files": "remove files that outnumber the pictures (.md, .json, ...)",
    "scale-16-bit": "scale 16-bit and float grey to 8 bits",
    "flatten-alpha": "lay transparent pictures over a colour (white, or flatten-alpha=COLOUR)",
    "to-rgb": "convert CMYK, Lab and wide colours to sRGB through the embedded profile",
    "rotate": "turn the pixels of JPEG and WebP upright, which encodes them anew (quality 95)",
    "first-frame": "keep the first frame of an animation, as PNG",
    "convert": "HEIC, AVIF, JPEG XL and WebP to PNG (convert=jpeg: to JPEG, quality 95)",
    "copy-links": "replace linked pictures by copies of what they point to",
    "unhide": "rename pictures that begin with a dot",
    "rewrite-configs": "replace a `configs:` that cannot be loaded or leaves files out",
    "rename-column": "rename the only text column to dataset.caption_column",
    "add-trigger": "put dataset.trigger before captions that lack it, and spaces around it",
    "strip-html": "remove HTML tags from captions",
    "guess-encoding": "read captions that are not UTF-8 in the likeliest encoding, where it is not"
    " certain (dataset.caption_encoding says it for sure)",
    "spread-folders": "spread pictures of folders beyond 10,000 files over sub-folders",
}
_TAKES_VALUE = ("flatten-alpha", "convert")


@dataclass(frozen=True)
class Remedy:
    """What `fix` does about a rule: by default, and by which --unsafe names. `steps` do it,
    picture by picture if `each`: then it can be done for some of them."""

    safe: str | None = None
    unsafe: tuple[str, ...] = field(default=())
    steps: tuple[str, ...] = field(default=())
    each: bool = True


_Step = TypeVar("_Step", bound=Callable[..., object])
_FOUND: dict[str, Remedy] = {}
# By rule: module and name of a step, and what is said beside it.
_NOTED: dict[str, list[tuple[str, str, str | None, str | None, bool]]] = {}


def fixes(
    *ids: str, safe: str | None = None, unsafe: str | None = None, each: bool = False
) -> Callable[[_Step], _Step]:
    """Say beside a step which rules it satisfies. `safe`: what it does unasked, as the end of a
    sentence that begins with `hubtools fix`; `unsafe`: the name by which it is asked for the rest;
    `each`: it acts on each picture, record or file by itself, and heeds `Draft.acts_on`.

    `steps.REMEDIES` is the table of all of them.
    """
    if unsafe is not None and unsafe not in UNSAFE:
        raise ValueError(f"{unsafe!r} is no name of UNSAFE")

    def note(step: _Step) -> _Step:
        for id in ids:
            beside = _NOTED.setdefault(id, [])
            beside.append((step.__module__, step.__qualname__, safe, unsafe, each))
            beside.sort(key=lambda one: one[0])  # whichever module is imported first
            said = [one[2] for one in beside if one[2]]
            names = dict.fromkeys(one[3] for one in beside if one[3])
            steps = dict.fromkeys(f"{one[0]}.{one[1]}" for one in beside)
            one_by_one = all(one[4] for one in beside)
            _FOUND[id] = Remedy(", or ".join(said) or None, tuple(names), tuple(steps), one_by_one)
        return step

    return note


def known_remedies() -> dict[str, Remedy]:
    """What the steps that are imported have said, by rule."""
    return dict(sorted(_FOUND.items()))


@dataclass(frozen=True)
class Unsafe:
    """What was asked for by name, and with which values."""

    names: frozenset[str] = frozenset()
    colour: tuple[int, int, int] = (255, 255, 255)
    format: Literal["png", "jpeg"] = "png"


def parse_unsafe(given: Iterable[str]) -> Unsafe:
    """Read `--unsafe` values such as `flatten-alpha=black`. Raises `UsageError` for others."""
    names: set[str] = set()
    colour, format = (255, 255, 255), "png"
    for item in (part for value in given for part in value.split(",") if part.strip()):
        name, equals, value = item.strip().partition("=")
        name = name.lower().replace("_", "-")
        if name not in UNSAFE:
            near = difflib.get_close_matches(name, UNSAFE, n=1)
            raise UsageError(
                f"There is no unsafe fix {name!r}.",
                hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(UNSAFE)}",
            )
        if equals and name not in _TAKES_VALUE:
            raise UsageError(f"{name} takes no value, so {value!r} means nothing.")
        if equals and name == "flatten-alpha":
            colour = _colour(value)
        elif equals:
            format = {"jpg": "jpeg"}.get(value.lower(), value.lower())
            if format not in ("png", "jpeg"):
                raise UsageError(f"Pictures are converted to png or jpeg, not {value!r}.")
        names.add(name)
    return Unsafe(frozenset(names), colour, "jpeg" if format == "jpeg" else "png")


def _colour(value: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getcolor(value, "RGB")  # type: ignore[misc]
    except ValueError:
        raise UsageError(
            f"{value!r} is no colour.", hint="write e.g. white, black or #808080"
        ) from None
    return int(red), int(green), int(blue)
