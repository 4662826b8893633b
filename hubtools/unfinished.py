"""Names of files that are not what they will be yet, which a kill leaves."""

from __future__ import annotations

import os
import re
import secrets

from hubtools.patterns import regex

TEMPORARY = ".tmp-"  # first letters of files that are being written
# what a killed write leaves: nobody else's names look like this
LEFT_OVER = regex(r"\.tmp-[0-9a-f]{16}(\.[^/]*)?", re.DOTALL)


def temporary_for(name: str) -> str:
    """A name for a file (without folders) while it is written; it ends as `name` does."""
    return TEMPORARY + secrets.token_hex(8) + os.path.splitext(name)[1][:16]
