"""Processes that a signal hits at an exact moment.

A signal sent from outside arrives when the machine has time for it; on a busy one the process may
have ended before. These send it to themselves, the n-th time they are about to do what is named.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_HOOK = """
import os, re, sys
def hook(event, arguments, left=[{nth}]):
    if event in {events!r} and re.search({pattern!r}, repr(arguments)):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), {signal})
sys.addaudithook(hook)
"""
# `ctypes`: renames that must not replace anything go through the C library
RENAME = ("os.rename", "os.link", "ctypes.call_function")
MKDIR = ("os.mkdir",)

_HUBTOOLS = "\nfrom hubtools.cli.main import main\nmain()\n"


def doomed(
    events: tuple[str, ...],
    pattern: str,
    *words: str | Path,
    code: str = _HUBTOOLS,
    nth: int = 1,
    sent: signal.Signals = signal.SIGKILL,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `hubtools WORDS` (or `code`) until it is about to do one of `events` (of Python's audit
    table) with a name that `pattern` finds, for the `nth` time; then it gets the signal `sent`."""
    hook = _HOOK.format(events=events, pattern=pattern, nth=nth, signal=int(sent))
    done = subprocess.run(
        [sys.executable, "-c", hook + code, *map(str, words)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if sent == signal.SIGKILL:
        assert done.returncode == -signal.SIGKILL, f"it ended by itself: {done.stderr}"
    return done
