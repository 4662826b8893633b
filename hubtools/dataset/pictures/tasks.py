"""What a worker does with a picture, or with a list of pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import xxhash

from hubtools.dataset.pictures import decode
from hubtools.dataset.pictures.decode import pixel_digest, preview, thumbnail
from hubtools.dataset.pictures.facts import FIELDS
from hubtools.dataset.pictures.header import trusted_format
from hubtools.dataset.pictures.probe import (
    DecodedPicture,
    NeedsIsolation,
    OnPreview,
    begin,
    probe_bytes,
)
from hubtools.dataset.pictures.reading import Unreadable, read_picture

_values = attrgetter(*FIELDS)


# Entered to decode what is not plain. A worker puts in its place: wait until no other does.
turn: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


def _turn_for(data: bytes) -> contextlib.AbstractContextManager[None]:
    return (
        contextlib.nullcontext()
        if turn is contextlib.nullcontext or trusted_format(data)
        else turn()
    )


def _named(function: str) -> str:
    return f"{__name__}:{function}"


# What a worker is asked for (see `workers.worker`).
PROBE = _named("probe")
PROBE_ALL = _named("probe_all")
PROBE_AND_PREVIEW = _named("probe_and_preview")
PREVIEW = _named("look_again")
THUMB = _named("thumb")
PIXELS = _named("pixels")
UPRIGHT = _named("upright")


def probe(path: str | bytes, known: str | None, on_preview: OnPreview | None = None) -> Any:
    """The fields of `PictureFacts` without the name; None if the file is the known one."""
    try:
        data = read_picture(path)
    except Unreadable as error:
        return _values(error.facts)
    if known is not None and xxhash.xxh3_128_hexdigest(data) == known:
        return None
    return _probed(data, on_preview)


def _probed(data: bytes, on_preview: OnPreview | None = None) -> Any:
    try:
        return _values(probe_bytes(data, "", plain_only=True, on_preview=on_preview))
    except NeedsIsolation:
        with turn():
            return _values(probe_bytes(data, "", on_preview=on_preview))


def probe_all(jobs: Sequence[tuple[str | bytes, str | None]], mark: Callable[[int], None]) -> Any:
    """`probe` of each, told to `mark` before. Plain pictures are decoded one after the other and
    measured then: either half has its code in the processor's cache, which saves a tenth."""
    results: list[Any] = []
    for number, (path, known) in enumerate(jobs, start=1):
        mark(number)
        try:
            data = read_picture(path)
        except Unreadable as error:
            results.append(_values(error.facts))
            continue
        digest = xxhash.xxh3_128_hexdigest(data)
        begun = None if digest == known else begin(data, "", digest)
        if isinstance(begun, DecodedPicture):
            results.append(begun)
        elif begun is not None:
            results.append(_values(begun))
        else:
            results.append(None if digest == known else _probed(data))
    for number, begun in enumerate(results, start=1):
        if isinstance(begun, DecodedPicture):
            mark(number)
            results[number - 1] = _values(begun.finished())
    return results


probe_all.takes_lists = True  # type: ignore[attr-defined]


def probe_and_preview(path: str | bytes, known: str | None) -> tuple[Any, bytes | None]:
    """What `probe` answers, and the `decode.preview` if the picture was looked at."""
    previews: list[bytes] = []
    facts = probe(path, known, previews.append)
    return facts, previews[0] if previews else None


def look_again(path: str | bytes, known: str | None) -> bytes | None:
    """`decode.preview` of a picture that was found whole before; None if it cannot be read now."""
    try:
        data = read_picture(path)
        with _turn_for(data):
            return preview(data)
    except Exception:
        return None


def thumb(path: str | bytes, known: str | None) -> bytes | None:
    """Bytes of `decode.thumbnail`; None if the picture cannot be read."""
    try:
        data = read_picture(path)
        with _turn_for(data):
            result: bytes = thumbnail(data).tobytes()
    except Exception:
        return None
    return result


def pixels(path: str | bytes, known: str | None) -> str | None:
    """`decode.pixel_digest`; None if the picture cannot be read."""
    try:
        data = read_picture(path)
        with _turn_for(data):
            return pixel_digest(data)
    except Exception:
        return None


def upright(path: str | bytes, known: str | None) -> tuple[int, int, bytes] | None:
    """Width, height and RGB bytes of `decode.upright`, `known` pixels its short side; None if it
    cannot be read."""
    try:
        side = int(known or 0)
        picture = decode.upright(read_picture(path), side, side)
    except Exception:
        return None
    return picture.width, picture.height, picture.tobytes()
