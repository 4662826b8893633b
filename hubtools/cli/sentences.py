"""What is said on stderr (errors, warnings, hints, notes), and results: as wide as the terminal."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from hubtools.printable import visible
from hubtools.whereabouts import told_from_here


def coloured(stream: Any) -> bool:
    """Whether colours are shown there: on a terminal, unless NO_COLOR is set."""
    return not os.environ.get("NO_COLOR") and stream.isatty()


def can_print(text: str, stream: Any) -> bool:
    """Whether the stream's encoding has all letters of `text`."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def as_printed(line: str, stream: Any) -> str:
    """The line, with letters that the stream's encoding lacks spelt out."""
    if can_print(line, stream):
        return line
    return line.encode("ascii", "backslashreplace").decode("ascii")


def say_error(message: str, hint: str | None = None) -> None:
    """`Error: ...` and `Hint: ...` on stderr."""
    red, plain = ("\x1b[31m", "\x1b[0m") if coloured(sys.stderr) else ("", "")
    say(f"{red}Error:{plain} {visible(message)}")
    if hint:
        say(f"Hint: {visible(hint)}")


def say_warning(message: str) -> None:
    """`Warning: ...` on stderr."""
    yellow, plain = ("\x1b[33m", "\x1b[0m") if coloured(sys.stderr) else ("", "")
    say(f"{yellow}Warning:{plain} {visible(message)}")


def say(sentence: str, stream: TextIO | None = None) -> None:
    """A sentence on `stream` (default stderr), as wide as the terminal, with paths as short as they
    are true; what is to be typed next stays one line."""
    stream = stream or sys.stderr
    sentence = told_from_here(sentence)
    lines = [sentence]
    if stream.isatty() and not sentence.startswith("Hint: next: "):
        from hubtools.cli.tables import prose, width_of

        lines = list(prose(sentence, width_of(stream)))
    print("\n".join(lines), file=stream, flush=True)
