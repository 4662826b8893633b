"""`--format json` answers with one JSON document, whatever happens.

A command puts what it has to say into the `Answer`; it is printed once, when the command is over
(or earlier, by a command that goes on serving). What libraries print meanwhile goes to stderr.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from hubtools.addresses import without_password
from hubtools.cli.joblog import tame_json
from hubtools.errors import HubtoolsError
from hubtools.leaks import masked
from hubtools.printable import as_json

if TYPE_CHECKING:
    from hubtools.findings import Report


class Answer:
    """The one JSON document of a run of the command line.

    `wanted` says whether there is to be one. A command that says one thing answers with that, be
    it a report, facts or rows; several reports are `{"ok", "reports"}`. An error is
    `{"error": {"code", "message", "hint"}}`, beside it what was there before: `report`, `reports`
    or `answer`.
    """

    def __init__(self, wanted: bool = False) -> None:
        self.wanted = wanted
        self.stream: IO[str] | None = None
        self._value: Any = None
        self._exact = False
        self._indent: int | None = 2
        self._reports: list[dict[str, Any]] = []
        self._reasons: list[dict[str, Any]] = []
        self._many = False
        self._said = False

    def put(self, value: Any, *, exact: bool = False, indent: int | None = 2) -> None:
        """What the command answers. `exact`: a plan, which a later command takes as it is; secrets
        and passwords in addresses are taken out of anything else."""
        self._value, self._exact, self._indent = value, exact, indent

    def add_report(self, report: Report) -> None:
        """A report, which is an answer; several may follow each other."""
        self._reports.append(_as_json(report))

    def add_reason(self, report: Report) -> None:
        """A report that is shown beside an error only."""
        self._reasons.append(_as_json(report))

    def several(self) -> None:
        """Reports are a list, even if there is only one."""
        self._many = True

    def say(self, error: HubtoolsError | None = None) -> None:
        """Print it, unless it was said before; `error` is why the command did not get further."""
        if not self.wanted or self._said:
            return
        self._said = True
        parts = self._parts(self._reports if error is None else self._reports or self._reasons)
        if error is not None:
            document: Any = {"error": error.to_dict()} | parts
        elif "reports" in parts:
            document = {"ok": all(one["ok"] for one in parts["reports"])} | parts
        else:
            document = next(iter(parts.values())) if len(parts) == 1 else parts
        if error is not None or not self._exact:
            document = _clean(document)
        indent = self._indent if error is None else 2
        _write(as_json(document, indent=indent), self.stream)

    def _parts(self, reports: list[dict[str, Any]]) -> dict[str, Any]:
        parts: dict[str, Any] = {} if self._value is None else {"answer": self._value}
        if len(reports) > 1 or (reports and self._many):
            parts["reports"] = reports
        elif reports:
            parts["report"] = reports[0]
        return parts


def _as_json(report: Report) -> dict[str, Any]:
    from hubtools.findings import to_dict

    return to_dict(report)


def _clean(value: Any) -> Any:
    """Each text without secrets, and without passwords in addresses; numbers that JSON knows."""
    if isinstance(value, dict):
        return {_clean(str(key)): _clean(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return masked(without_password(str(value)))


def _write(text: str, stream: IO[str] | None) -> None:
    """JSON is UTF-8, whatever the terminal's encoding is."""
    stream = stream or sys.stdout
    stream.flush()
    if hasattr(stream, "buffer"):
        stream.buffer.write(tame_json(text).encode("utf-8", "backslashreplace") + b"\n")
        stream.buffer.flush()
    else:
        print(text, file=stream, flush=True)


@contextlib.contextmanager
def answering(answer: Answer, group: click.Group, arguments: Sequence[str]) -> Iterator[None]:
    """Prepare `answer` for this command line. If it asks for JSON, stdout is kept for the document,
    and whatever else is printed meanwhile goes to stderr."""
    answer.wanted, answer.stream = _scanned(arguments), sys.stdout  # should loading be interrupted
    answer.wanted = asks_for_json(group, arguments)
    if not answer.wanted:
        yield
        return
    answer.wanted = _speaks(arguments)
    with _kept_stdout() as answer.stream, contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _kept_stdout() -> Iterator[IO[str]]:
    """stdout; what children and libraries in C write to its descriptor goes to stderr."""
    stream = sys.stdout
    try:
        stream.flush()
        out, err = stream.fileno(), sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # no file of the system
        yield stream
        return
    kept = os.dup(out)
    try:
        os.dup2(err, out)
        with open(kept, "w", encoding="utf-8", closefd=False) as copy:
            yield copy
    finally:
        os.dup2(kept, out)
        os.close(kept)


def _speaks(arguments: Sequence[str]) -> bool:
    """False in a training of several processes, for all but the first of them."""
    return arguments[:1] != ["train"] or os.environ.get("RANK", "0") == "0"


def asks_for_json(group: click.Group, arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, be it wrong in whatever other way."""
    if not any(word.endswith("json") for word in arguments):
        return False  # without all the options of the command, which are read once more
    words = list(arguments)
    parent = click.Context(group, resilient_parsing=True, **group.context_settings)
    command: click.Command | None = group
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        try:
            command = command.get_command(parent, words.pop(0))
        except Exception:  # it cannot be loaded; running it will say why
            return _scanned(words)
    if command is None or isinstance(command, click.Group):
        return _scanned(words)
    context = click.Context(command, parent=parent, resilient_parsing=True)
    context.ignore_unknown_options = context.allow_extra_args = True
    while True:
        try:
            found, _, _ = command.make_parser(context).parse_args(list(words))
        except click.UsageError:  # of an option at the end that lacks its value
            if not words:
                return False
            words.pop()
            continue
        if "format" not in {parameter.name for parameter in command.params}:
            return _scanned(words)
        if not {"--format", "--format=json"}.isdisjoint(_flat(found)):
            return _scanned(words)  # an option that lacks its value has taken it
        helping = command.get_help_option(context)
        if helping is not None and found.get(helping.name or ""):
            return False
        return found.get("format") == "json" and not found.get("quiet")


def _flat(found: Mapping[Any, Any]) -> Iterator[str]:
    """The texts among the values of options, those of options with several one by one."""
    for value in found.values():
        if isinstance(value, (list, tuple)):
            yield from _flat(dict(enumerate(value)))
        elif isinstance(value, str):
            yield value


def _scanned(words: Sequence[str]) -> bool:
    """Of a command that nobody knows."""
    pairs = itertools.pairwise([*words, ""])
    return any(pair == ("--format", "json") or pair[0] == "--format=json" for pair in pairs)
