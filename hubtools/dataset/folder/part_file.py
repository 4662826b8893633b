"""How a file of partial results is recognised."""

from __future__ import annotations

from pathlib import Path

from hubtools.files import StrPath

MAGIC = b"hubtools partial\n"


def is_partial(path: StrPath) -> bool:
    """True for a file that begins like a partial result."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
