"""Captions in files beside the pictures: which there are, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote

from hubtools.causes import is_out_of_reach
from hubtools.dataset.folder.listing import Listing
from hubtools.dataset.text.codepages import decode_text, decoded_as, odd_texts
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.limits import SIDECAR

SIDECARS = (".txt", ".caption", ".json")


def texts_beside(listing: Listing) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the texts that are called as a picture (a.txt or a.png.txt of a.png),
    without those that are too long for a caption. What cannot be read is passed by: who reads
    it, as `fix` does, tells."""
    stems = {picture.name.rpartition(".")[0] for picture in listing.pictures}
    stems |= {picture.name for picture in listing.pictures}
    for entry in listing.entries:
        if (
            entry.ending in SIDECARS
            and 0 < entry.size <= SIDECAR
            and not (entry.hidden or entry.junk or entry.link)
            and entry.name[: -len(entry.ending)] in stems
        ):
            try:
                with listing.open(entry.name) as file:
                    yield entry.name, file.read(SIDECAR)
            except OSError as error:
                if not is_out_of_reach(error):
                    raise


def how_to_caption(folder: StrPath, listing: Listing) -> str:
    """What makes a metadata file for the pictures of a folder that has none, as it is typed."""
    place = quote(str(folder))
    if next(texts_beside(listing), None) is not None:
        return f"`hubtools fix {place}` writes metadata.jsonl of the captions beside the pictures"
    return (
        f"`hubtools review {place}` is a page to write captions on; `hubtools caption {place}"
        " --template 'a photo'` writes one for all"
    )


def decoded_all(
    folder: Path, texts: Mapping[str, bytes], encoding: str | None = None, hint: str = ""
) -> dict[str, str]:
    """What the texts of a folder say. `encoding`: that of those that are not UTF-8.

    Raises `HubtoolsError` for one whose encoding is neither given nor certain.
    """
    odd = odd_texts(texts)
    found = {}
    for name, data in texts.items():
        belief = odd.get(name)
        if name not in odd:
            text = decode_text(data, encoding)
        elif encoding is not None:
            text = decoded_as(data, encoding)
        else:
            text = decoded_as(data, belief.codec) if belief is not None and belief.sure else None
        if text is None:
            likely = f", perhaps {belief.title}: {belief.evidence}" if belief is not None else ""
            given = f"not {encoding}" if encoding is not None else "not UTF-8"
            raise HubtoolsError(
                f"{folder / name} is {given}{likely}.",
                hint=hint
                or "save it as UTF-8, or say what it is in with --caption-encoding"
                f" {belief.codec if belief is not None else 'NAME'}",
                code="file-damaged",
            )
        found[name] = text
    return found
