"""Whom the trainer talks to. The command line draws bars; a library user may want silence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from hubtools.findings import Report, to_text
from hubtools.notebooks import Line, in_notebook

# (how much more is done, a short word such as the loss)
Advance = Callable[[int, str], None]


class Reporter(Protocol):
    """One voice for plans, notes, warnings and progress."""

    def note(self, sentence: str) -> None:
        """What is going on."""

    def warn(self, sentence: str) -> None:
        """What may be wrong."""

    def report(self, report: Report) -> None:
        """What a check found."""

    def progress(self, title: str, total: int, done: int = 0) -> AbstractContextManager[Advance]:
        """A context that yields an `Advance` for `total` units, of which `done` are done."""


class PlainReporter:
    """Lines of text; progress is a line at most every `every` seconds."""

    def __init__(
        self,
        note: Callable[[str], None],
        warn: Callable[[str], None] | None = None,
        *,
        every: float = 15.0,
    ) -> None:
        self._note = note
        self._warn = warn or (lambda sentence: note(f"Warning: {sentence}"))
        self._every = every

    def note(self, sentence: str) -> None:
        self._note(sentence)

    def warn(self, sentence: str) -> None:
        self._warn(sentence)

    def report(self, report: Report) -> None:
        self._note(to_text(report))

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        begun = time.monotonic()
        last, start = begun, done

        def advance(more: int, word: str) -> None:
            nonlocal last, done
            done += more
            now = time.monotonic()
            if now - last < self._every or done >= total:
                return
            last = now
            self._note(_so_far(title, done, total, (now - begun) / max(1, done - start), word))

        yield advance


class NotebookReporter(PlainReporter):
    """Sentences below a notebook's cell, and a line a progress that is written anew."""

    def __init__(self) -> None:
        super().__init__(print)

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        begun, start, line = time.monotonic(), done, Line()

        def advance(more: int, word: str) -> None:
            nonlocal done
            done += more
            each = (time.monotonic() - begun) / max(1, done - start)
            line.show(_so_far(title, done, total, each, word), ends=done >= total)

        yield advance


def _so_far(title: str, done: int, total: int, each: float, word: str) -> str:
    """`each`: seconds that one takes."""
    left = f", {duration(each * (total - done))} left" if done < total else ""
    return f"{title}: {done:,} of {total:,}{left}{f', {word}' if word else ''}"


def unasked() -> PlainReporter:
    """Who is told where nobody was named: who runs a notebook's cell, else nobody."""
    return NotebookReporter() if in_notebook() else silent()


def silent() -> PlainReporter:
    """Says nothing at all."""
    return PlainReporter(lambda sentence: None, lambda sentence: None)


class Steps:
    """Tells a reporter of a journey: a line as a step begins, ends or is skipped. `say`: who hears
    those lines, if not the reporter."""

    def __init__(self, reporter: Reporter, say: Callable[[str], None] | None = None) -> None:
        self.note, self.warn = reporter.note, reporter.warn
        self.report, self.progress = reporter.report, reporter.progress
        self._say = say or reporter.note

    def started(self, step: str, title: str) -> None:
        """`step` begins."""
        self._say(f"> {step}: {title}")

    def skipped(self, step: str, title: str, why: str) -> None:
        """`step` has nothing to do."""
        self._say(f"- {step}: skipped, {why}")

    def done(self, step: str, sentence: str, seconds: float) -> None:
        """`step` is finished."""
        self._say(f"  {step}: {sentence} [{duration(seconds)}]")


def duration(seconds: float) -> str:
    """`45 s`, `5 min 20 s`, `5 h 50 min`, `3 d 4 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    for big, name, small, rest in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= big:
            return f"{whole // big} {name} {whole % big // small} {rest}"
    return f"{whole // 60} min {whole % 60} s"
