"""Which rules `fix` can satisfy, and what it does only when asked for by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from hubtools.errors import UsageError

# Names for --unsafe. They lose something or decide something that only the user knows.
UNSAFE: dict[str, str] = {
    "drop-rows": "remove records that are broken beyond repair, name no picture of the set, or"
    " contradict another record of the same picture (also sidecars that do)",
    "delete-duplicates": "keep one of pictures that are the same byte for byte, or pixel by pixel,"
    " preferring one with a caption",
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
    """What `fix` does about a rule: by default, and by which --unsafe names."""

    safe: str | None = None
    unsafe: tuple[str, ...] = field(default=())


def _safe(text: str, *unsafe: str) -> Remedy:
    return Remedy(text, unsafe)


def _by_name(*names: str) -> Remedy:
    return Remedy(None, names)


REMEDIES: dict[str, Remedy] = {
    "D101": _safe("repairs commas, quotes, brackets, comments and control characters", "drop-rows"),
    "D102": _safe("writes each record on one line"),
    "D103": _safe("writes each record of the array on a line"),
    "D104": _by_name("drop-rows"),
    "D105": _safe("keeps one of two equal values", "drop-rows"),
    "D106": _safe("writes UTF-8, where the encoding is certain", "guess-encoding"),
    "D107": _safe("removes the empty file, or fills it from sidecars"),
    "D108": _safe("joins a caption that its commas have split; fills short rows"),
    "D109": _safe("takes the open quote away"),
    "D110": _safe("writes the names without spaces"),
    "D111": _safe("separates by commas"),
    "D113": _safe("makes a metadata.jsonl, metadata.csv or metadata.parquet of it", "drop-rows"),
    "D114": _safe("writes all records into metadata.jsonl"),
    "D115": _safe("renames the column that holds the names of pictures"),
    "D116": _safe("completes a number to the picture it means", "drop-rows"),
    "D117": _safe("renames the column"),
    "D118": _safe("writes the column in one type"),
    "D119": _safe("writes null where the key is missing"),
    "D120": _safe("makes metadata.jsonl of captions beside the pictures (.txt, .caption, .json)"),
    "D121": _safe("writes file_name first"),
    "D122": _safe("removes columns that are empty, or say the same; names the others"),
    "D201": _safe("corrects case, accents, spaces, folder and ending", "drop-rows"),
    "D202": _safe("takes the caption from a sidecar", "remove-unlisted"),
    "D203": _safe("removes records that say the same", "drop-rows"),
    "D204": _safe("names the picture of the set that is meant", "drop-rows"),
    "D205": _safe("moves the records into the folders of their split, or writes `configs:`"),
    "D206": _safe("writes `configs:` into the card"),
    "D207": _safe("takes sidecar captions into the metadata", "drop-rows", "remove-other-files"),
    "D208": _safe("gives a picture without a picture's ending the right one", "convert"),
    "D209": _by_name("unhide", "copy-links"),
    "D210": _safe("removes records that say the same", "drop-rows"),
    "D211": _safe("writes the ending in lower case"),
    "D214": _by_name("rewrite-configs"),
    "D217": _safe("writes `configs:` into the card"),
    "D218": _safe("writes the caption behind file_name"),
    "D220": _by_name("rewrite-configs"),
    "D221": _safe("gives it a name that every system can have"),
    "D301": _by_name("remove-damaged"),
    "D302": _by_name("remove-damaged"),
    "D303": _safe("renames the picture after its content", "convert"),
    "D304": _by_name("remove-small"),
    "D305": _by_name("flatten-alpha"),
    "D307": _by_name("to-rgb"),
    "D308": _by_name("scale-16-bit"),
    "D309": _safe("turns the pixels of a PNG, bit for bit", "rotate"),
    "D310": _by_name("first-frame"),
    "D316": _by_name("to-rgb"),
    "D401": _by_name("delete-duplicates"),
    "D402": _by_name("delete-duplicates"),
    "D501": _by_name("rename-column"),
    "D502": _safe("takes the caption from a sidecar"),
    "D504": _by_name("add-trigger"),
    "D505": _by_name("add-trigger"),
    "D507": _safe("reads garbled text anew, removes invisible characters", "strip-html"),
    "D508": _safe("joins a list of tags with commas, writes a number as text"),
    "D517": _safe("writes UTF-8, where the encoding is certain", "guess-encoding"),
    "D606": _safe("removes dataset_info from the card"),
    "D701": _safe("blanks position, serial numbers and maker notes, and touches no pixel"),
    "D702": _by_name("spread-folders"),
    "D704": _safe("removes it"),
    "D706": _safe("blanks them, with serial numbers and maker notes, and touches no pixel"),
    "D711": _safe("cuts it off, and touches no pixel"),
    "D712": _safe("blanks the names, with all that D701 speaks of, and touches no pixel"),
    "D713": _safe("takes them out; the journal keeps them"),
}


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
