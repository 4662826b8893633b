"""Whose the other end of a connection of this machine is. Other users of it see the words of every
process: an address that a browser was started with is known to them, with the token in it.

Format of the tables: proc(5), /proc/net/tcp.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TABLES = tuple(Path("/proc/net") / name for name in ("tcp", "tcp6"))
_ROOT = 0


def is_of_another(theirs: int, ours: int) -> bool:
    """Whether the end at port `theirs` of a connection to our port `ours` belongs to another user
    of this machine than this one and root. False where nobody can tell: on other systems than
    Linux, and for what comes out of another network namespace (of a container)."""
    if not hasattr(os, "geteuid") or os.geteuid() == _ROOT:
        return False  # whose browser root looks with, nobody knows
    return bool(_users(theirs, ours) - {os.geteuid(), _ROOT})


def _users(theirs: int, ours: int) -> set[int]:
    found = set()
    for table in _TABLES:
        with suppress(OSError, ValueError, IndexError):
            for line in table.read_text("ascii").splitlines()[1:]:
                parts = line.split()
                if parts[1].endswith(f":{theirs:04X}") and parts[2].endswith(f":{ours:04X}"):
                    found.add(int(parts[7]))
    return found
