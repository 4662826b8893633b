"""How a file of partial results is recognised."""

from __future__ import annotations

from hubtools.causes import is_out_of_reach
from hubtools.files import StrPath, open_regular

MAGIC = b"hubtools partial\n"


def is_partial(path: StrPath) -> bool:
    """True for a file that begins like a partial result."""
    try:
        with open_regular(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        return False
