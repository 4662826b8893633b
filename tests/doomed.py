"""Processes that a signal hits at an exact moment.

A signal sent from outside arrives when the machine has time for it; on a busy one the process may
have ended before. These send it to themselves, the n-th time they are about to do what is named.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import forkserver

# `ctypes`: renames that must not replace anything go through the C library
RENAME = ("os.rename", "os.link", "ctypes.call_function")
MKDIR = ("os.mkdir",)


def watch_for(events: Sequence[str], pattern: str, nth: int, number: int) -> None:
    """Send this process a signal the n-th time that one of `events` has a name like `pattern`."""
    left = [nth]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events and re.search(pattern, repr(arguments)):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), number)

    sys.addaudithook(hook)


def doomed(
    events: tuple[str, ...],
    pattern: str,
    *words: str | Path,
    code: str | None = None,
    nth: int = 1,
    sent: signal.Signals = signal.SIGKILL,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `hubtools WORDS` (or `code`) until it is about to do one of `events` (of Python's audit
    table) with a name that `pattern` finds, for the `nth` time; then it gets the signal `sent`."""
    dies: dict[str, Any] = {"events": events, "pattern": pattern, "nth": nth, "number": int(sent)}
    if code is None:
        done = forkserver.call(*words, cwd=cwd, dies=dies)
    else:
        before = f"from tests.doomed import watch_for\nwatch_for(**{dies!r})\n"
        done = subprocess.run(
            [sys.executable, "-c", before + code, *map(str, words)],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(forkserver.ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if sent == signal.SIGKILL:
        assert done.returncode == -signal.SIGKILL, f"it ended by itself: {done.stderr}"
    return done
