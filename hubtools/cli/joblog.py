"""The log of a job of GitHub Actions: its runner obeys lines that look like commands of its own
(`::set-output ...` at the start of a line, `##[add-mask]...` anywhere in one), and names of files,
settings and captions, which are printed there, are other people's.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from hubtools.patterns import regex

_LINES = regex(r"[^\r\n]+|[\r\n]+")
_COMMAND = regex(r"(\s*):(?=:)")


def is_job() -> bool:
    """True in a job of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def tame_json(text: str) -> str:
    """JSON that says the same and is no command."""
    return text.replace("##[", "##\\u005b") if is_job() else text


class _Log:
    """A stream of text in which nothing is a command; `buffer` is that below, for what is one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._blank = True  # nothing but blanks in this line so far

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._stream.write("".join(map(self._tame, _LINES.findall(text))))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def _tame(self, piece: str) -> str:
        if piece[0] in "\r\n":
            self._blank = True
            return piece
        if self._blank:
            piece = _COMMAND.sub(r"\1: ", piece, count=1) if _COMMAND.match(piece) else piece
            self._blank = not piece.strip()
        return piece.replace("##[", "## [")


@contextlib.contextmanager
def taming_job_log() -> Iterator[None]:
    """What is printed meanwhile is no command to the runner of a job; elsewhere nothing changes."""
    if not is_job():
        yield
        return
    with (
        contextlib.redirect_stdout(_Log(sys.stdout)),
        contextlib.redirect_stderr(_Log(sys.stderr)),
    ):
        yield
