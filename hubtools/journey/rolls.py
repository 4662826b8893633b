"""Folders as cameras and exports leave them: what is a picture, what is packed, what is left."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, Entry, Listing
from hubtools.dataset.pictures.formats import format_behind
from hubtools.dataset.pictures.reading import head_of
from hubtools.errors import HubtoolsError
from hubtools.findings import shortened

_PACKED = (".parquet", ".tar", ".tgz", ".tar.gz")
_NEEDS = {".heic": "pillow_heif", ".heif": "pillow_heif", ".jxl": "pillow_jxl"}
_PACKAGES = {"pillow_heif": "pillow-heif", "pillow_jxl": "pillow-jxl-plugin"}
_NAMES = 3
_SHOWN = 5


def check_pictures(source: Path, listing: Listing) -> None:
    """Raises `HubtoolsError` for a folder without pictures."""
    if listing.pictures or foreign_pictures(listing):
        return
    foreign = sum(entry.ending in FOREIGN_ENDINGS for entry in listing.entries)
    raise HubtoolsError(
        f"{source} holds no pictures"
        + (f" but {foreign} that are not loaded." if foreign else "."),
        hint=next(iter(left_sentences(source, listing, made=False)), "")
        or f"known endings: {', '.join(sorted(PICTURE_ENDINGS)[:8])}, ...",
        code="nothing-there",
    )


def is_packed(source: Path, listing: Listing | None = None) -> bool:
    """Whether pictures are packed in shards: parquet or tar, in a file or a folder."""
    if listing is None or not source.is_dir():
        return source.name.endswith(_PACKED)
    there = any(entry.name.endswith(_PACKED) and not entry.hidden for entry in listing.entries)
    return there and not listing.pictures


def foreign_pictures(listing: Listing) -> list[str]:
    """Pictures that no loader takes, and that `fix` makes ones that they do take, with what is
    installed."""
    return [
        entry.name
        for entry in listing.entries
        if entry.ending in FOREIGN_ENDINGS
        and not (entry.hidden or entry.junk or entry.link)
        and (entry.ending in _readable() or _misnamed(listing, entry))
    ]


def _readable() -> set[str]:
    return {".avif", *(one for one, module in _NEEDS.items() if find_spec(module) is not None)}


def _misnamed(listing: Listing, entry: Entry) -> bool:
    """Whether its content is a picture that loaders take, as a JPEG called .HEIC is."""
    if listing.opener is not None:  # it would have to be fetched
        return False
    return format_behind(entry.ending, head_of(listing.place(entry.name), 16)) is not None


def unentered(listing: Listing) -> list[str]:
    """A sentence on folders whose pictures nobody sees here, if there are any."""
    told = []
    for names, why in (
        (listing.unreadable, "cannot be read"),
        (listing.linked_folders, "is a link to a folder"),
    ):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            told.append(f"{shortened(names[0], 200)}{more} {why}: what lies there is left.")
    return told


def left_sentences(source: Path, listing: Listing, *, made: bool = True) -> list[str]:
    """What of a folder of pictures is not taken over into a project, if it is `made`, in
    sentences."""
    taken = {entry.name for entry in listing.pictures} | set(foreign_pictures(listing))
    stems = {name.rpartition(".")[0] for name in taken}
    strays: list[str] = []
    counts: Counter[str] = Counter()
    lacking: dict[str, str] = {}
    for entry in listing.entries:
        beside = entry.ending in (".txt", ".caption") and entry.name.rpartition(".")[0] in stems
        if entry.name in taken or beside or entry.hidden or entry.junk:
            continue
        if entry.ending in _NEEDS:
            lacking.setdefault(entry.ending, entry.name)
        elif entry.ending in (".txt", ".caption"):
            strays.append(entry.name)
        counts[entry.ending or "no ending"] += 1
    again = " with --force takes them, as long as nothing is changed in the project"
    said = [
        f"{counts.pop(ending)} {ending} left, such as {name}: decoding needs `pip install"
        f" {_PACKAGES[_NEEDS[ending]]}`; then the same command{again if made else ' takes them'}."
        for ending, name in lacking.items()
    ]
    if counts:
        told = ", ".join(f"{count} {ending}" for ending, count in counts.most_common(_SHOWN))
        more = f" and {len(counts) - _SHOWN} kinds more" if len(counts) > _SHOWN else ""
        said.append(f"Of {source} other files are left: {told}{more}.")
    if strays:
        more = f" and {len(strays) - _NAMES} more" if len(strays) > _NAMES else ""
        names = ", ".join(shortened(name, 200) for name in strays[:_NAMES])
        said.append(f"No picture that is taken has the name of a text: {names}{more}.")
    return said
