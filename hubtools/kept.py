"""Files in the user's cache that only save time: what is in them can be found out again.

One that cannot be read or written is no reason to fail, and none to be silent either: everything
would be done anew each time. It is said once in the life of the process, as a `NotKept` warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from hubtools.causes import cannot_be, is_absent
from hubtools.errors import HubtoolsError
from hubtools.files import replacing

_TOLD: set[Path] = set()  # folders


class NotKept(UserWarning):
    """What was found out cannot be kept for the next run, or what an earlier run kept cannot be
    read."""


class Kept(UserWarning):
    """What a person has changed is replaced, and kept elsewhere."""


def read_kept(place: Path) -> bytes | None:
    """The bytes of the file; None if it is not there. One that cannot be read is told."""
    try:
        return place.read_bytes()
    except OSError as error:
        if not is_absent(error):
            _tell(place, "read", error)
        return None


def write_kept(place: Path, pieces: Iterable[bytes]) -> bool:
    """Write the file, atomically; if that cannot be done it is told. Says whether it was."""
    try:
        with replacing(place) as file:
            file.writelines(pieces)
    except OSError as error:
        _tell(place, "written", error)
        return False
    return True


def _tell(place: Path, done: str, error: OSError) -> None:
    tell_once(
        place,
        cannot_be(done, place, error),
        "Until that is mended, the work that it saves is done again each time",
        "give another cache folder with HUBTOOLS_CACHE",
    )


def tell_once(place: Path, error: HubtoolsError, means: str, advice: str) -> None:
    """Warn, once for a folder, that something there cannot be kept, of what that `means`."""
    if place.parent in _TOLD:
        return
    _TOLD.add(place.parent)
    hint = f"{error.hint}; or " if error.hint else ""
    warnings.warn(f"{error.message} {means}: {hint}{advice}.", NotKept, stacklevel=4)
