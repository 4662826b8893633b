"""What commands print. Data on stdout, everything else on stderr; five formats.

human  coloured text and tables for people (the default in a terminal and in a pipe)
json   one JSON document on stdout, of errors too (see `hubtools.cli.answer`)
agent  TSV or key=value lines, no colour, no truncation (auto when AI tools are driving)
quiet  only the essential value, one a line
auto   agent if the environment says an AI tool is driving, else human

Commands that print a report have `text` (the same as human), `jsonl`, `sarif`, `github` and `html`
as well, and may write it to files.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from hubtools.cli.answer import Answer
from hubtools.cli.joblog import tame_json
from hubtools.cli.sentences import as_printed, can_print, coloured, say, say_warning
from hubtools.printable import printable, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from hubtools.findings import Report

Format = Literal["human", "json", "quiet", "agent", "jsonl", "sarif", "github", "html"]
FORMATS = ("auto", "human", "json", "quiet", "agent")
TYPED = "hubtools.typed"  # where a context keeps the words of the command line
REPORT_FORMATS = ("text", "jsonl", "sarif", "github", "html")
F = TypeVar("F", bound=Callable[..., Any])

# Variables that common AI coding tools set in the shells they drive.
_AGENT_VARIABLES = ("AI_AGENT", "CLAUDECODE", "CURSOR_AGENT", "GEMINI_CLI", "CODEX_SANDBOX")


def output_options(*extra: str, report: bool = False) -> Callable[[F], F]:
    """Add `--format` and `-q`; the command gets an `out: Output` argument instead of them.
    `extra` names further formats the command knows. `report` adds `--report FILE`, `--verbose`."""

    def decorate(function: F) -> F:
        import functools

        @functools.wraps(function)
        def wrapper(
            *args: Any,
            format: str,
            quiet: bool,
            report_files: tuple[Path, ...] = (),
            verbose: bool = False,
            **kwargs: Any,
        ) -> Any:
            if report_files:
                from hubtools.reporting.formats import check_report_file

                for path in report_files:
                    check_report_file(path)  # before anything is done
            answer = click.get_current_context().find_object(Answer)
            out = Output.of(format, quiet, report_files, answer)
            out.verbose = verbose or format == "text"
            for note in kwargs["project"].notes if "project" in kwargs else ():
                out.note(note)
            result = function(*args, out=out, **kwargs)
            if answer is None:  # called by other means than `run`, which says it
                out.answer.say()
            return result

        options = [
            click.option("-q", "--quiet", is_flag=True, help="Same as --format quiet."),
            click.option(
                "--format",
                type=click.Choice([*FORMATS, *extra]),
                default="auto",
                help="How to print results.",
            ),
        ]
        if report:
            options.append(
                click.option(
                    "-v", "--verbose", is_flag=True,
                    help="List every finding, not only the first few of a rule.",
                )
            )  # fmt: skip
            options.append(
                click.option(
                    "--report", "report_files", multiple=True, metavar="FILE",
                    type=click.Path(path_type=Path, dir_okay=False),
                    help="Also write the report to FILE: .html, .sarif, .json, .jsonl or .txt.",
                )
            )  # fmt: skip
        decorated: Any = wrapper
        for option in reversed(options):
            decorated = option(decorated)
        return cast(F, decorated)

    return decorate


def shown_path(folder: Path) -> str:
    """A checked folder relative to where the command runs (empty if it is that), else absolute:
    what reports put before their paths."""
    from hubtools.whereabouts import from_here

    shown = Path(from_here(folder, above=False)).as_posix()
    return "" if shown == "." else shown


def typed_place() -> str:
    """The path that the command was given, as a shell takes it, behind a space; empty if none."""
    path = click.get_current_context().params.get("path")
    return f" {shlex.quote(str(path))}" if path is not None else ""


class _Unseen:
    """Stands for a progress display where nobody looks: rich need not be loaded."""

    def __enter__(self) -> _Unseen:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def add_task(self, *words: Any, **fields: Any) -> int:
        return 0

    def update(self, *words: Any, **fields: Any) -> None:
        pass


class Output:
    """One command's voice. Methods that print *data* write to stdout, all others to stderr."""

    def __init__(
        self, format: Format, report_files: Sequence[Path] = (), answer: Answer | None = None
    ) -> None:
        self.format: Format = format
        self.report_files = tuple(report_files)
        self.verbose = False  # whether every finding is listed
        self.answer = answer or Answer(format == "json")

    @classmethod
    def of(
        cls,
        name: str,
        quiet: bool,
        report_files: Sequence[Path] = (),
        answer: Answer | None = None,
    ) -> Output:
        """Resolve `auto`, `text` and `-q`."""
        if quiet:
            name = "quiet"
        if name == "text":
            name = "human"
        if name == "auto":
            agent = any(os.environ.get(variable) for variable in _AGENT_VARIABLES)
            name = "agent" if agent else "human"
        return cls(cast(Format, name), report_files, answer)

    @property
    def human(self) -> bool:
        """True when a person is to read it: colours, tables and progress bars make sense."""
        return self.format == "human"

    @property
    def wants_page(self) -> bool:
        """True if a report will be written as HTML, on stdout or to a file."""
        return self.format == "html" or any(
            path.suffix.lower() in (".html", ".htm") for path in self.report_files
        )

    def console(self, *, stderr: bool = True) -> Console:
        """A rich console; honours NO_COLOR and pipes by itself."""
        from rich.console import Console

        return Console(stderr=stderr, highlight=False, soft_wrap=True)

    def progress(self) -> Progress:
        """A progress display on stderr; silent unless a person looks at a terminal."""
        if not (self.human and sys.stderr.isatty()):
            return cast("Progress", _Unseen())
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console(),
            transient=True,
        )

    @contextmanager
    def following(
        self, doing: str, *, at_once: bool = True, then: str | None = None
    ) -> Iterator[Callable[[int, int | None], None]]:
        """A progress display of one task, and the function that is told `done` and `total`; with
        `at_once` off it shows only when that is called. `then` is what follows when all is done."""
        with self.progress() as progress:
            tasks: list[TaskID] = []

            def tell(done: int, total: int | None) -> None:
                if not tasks:
                    tasks.append(progress.add_task(doing, total=None, note=""))
                progress.update(tasks[0], completed=done, total=total)
                if then and total == done and len(tasks) == 1:
                    tasks.append(progress.add_task(then, total=None, note=""))

            if at_once:
                tell(0, None)
            yield tell

    def note(self, message: str) -> None:
        """A line about what is going on (stderr; silent in quiet)."""
        if self.format != "quiet":
            for line in message.split("\n"):
                say(visible(line))

    def warn(self, message: str) -> None:
        """A warning (stderr, always)."""
        say_warning(message)

    def hint(self, message: str) -> None:
        """What to do next (stderr; silent in quiet and json)."""
        if self.format in ("human", "agent"):
            say(f"Hint: {visible(message)}")

    def result(self, message: str, essential: str | None = None, **facts: Any) -> None:
        """The outcome of a command. human: `✓ message` and `key: value` lines (but 0 and no), with
        units; json: an object; agent: `key=value ...`; quiet: `essential`, else the first fact."""
        if self.format == "json":
            self.answer.put(facts, indent=None)
        elif self.format == "quiet":
            value = essential if essential is not None else next(iter(facts.values()), None)
            if value is not None:
                print(visible(str(value)))
        elif self.format == "agent":
            print(" ".join(f"{key}={_flat(value)}" for key, value in facts.items()))
        else:
            tick = "✓" if can_print("✓", sys.stdout) else "OK"
            green, plain = ("\x1b[32m", "\x1b[0m") if coloured(sys.stdout) else ("", "")
            say(f"{green}{tick}{plain} {visible(message)}", sys.stdout)
            for key, value in facts.items():
                # the sentence has said what there is none of
                if value is not None and not (isinstance(value, int) and value == 0):
                    name, told = _with_unit(key, value)
                    say(f"  {name.replace('_', ' ')}: {_flat(told)}", sys.stdout)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        right: Sequence[int] = (),
    ) -> None:
        """Rows as data. json: array of objects; agent: TSV with a header; quiet: first column;
        human: a table (`right`: indexes of right-aligned columns)."""
        if self.format == "json":
            self.answer.put([dict(zip(columns, row, strict=True)) for row in rows], indent=None)
        elif self.format == "quiet":
            for row in rows:
                print(visible(str(row[0])))
        elif self.format == "agent":
            print("\t".join(columns))
            for row in rows:
                print("\t".join(_flat(value) for value in row))
        else:
            self.lines(columns, rows, sys.stdout, right=right)

    def lines(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        stream: Any,
        *,
        right: Sequence[int] = (),
    ) -> None:
        """A table for people on stdout or stderr: whole lines in a pipe, else as wide as the
        terminal."""
        from hubtools.cli.tables import Painted, lines_of, width_of

        cells = [[v if isinstance(v, Painted) else _flat(v) for v in row] for row in rows]
        told = lines_of(
            columns, cells, right=right, width=width_of(stream), colours=coloured(stream)
        )
        for line in told:
            print(as_printed(line, stream), file=stream)

    def diff_line(self, line: str) -> None:
        """A line of a diff, coloured as `git diff` does; what is no line of a text is broken where
        the terminal ends."""
        from hubtools.cli.tables import prose, width_of

        line = as_printed(line, sys.stdout)
        colours = {"+": "32", "-": "31", "@": "36"}
        colour = colours.get(line[:1]) if coloured(sys.stdout) else None
        whole = line[:1] in ("+", "-", "@", " ")
        for part in [line] if whole else prose(line, width_of(sys.stdout)):
            print(f"\x1b[{colour}m{part}\x1b[0m" if colour else part)

    def data(self, text: str) -> None:
        """Raw data to stdout, without passwords in addresses."""
        print(printable(text))

    def report(
        self, report: Report, prefix: str = "", *, whole: bool = False, typed: str = ""
    ) -> None:
        """A check's report in the chosen format, and in the files that were asked for. `prefix` is
        the checked folder's path, with which the addresses of SARIF and GitHub begin; `whole`: what
        people are shown does too; `typed`: what makes the `hubtools fix` there mean that folder."""
        if self.format == "json":
            self.answer.add_report(report)
        self.write_report(report, prefix, typed)
        if self.format == "json":
            return
        from hubtools.reporting.placing import beside_placed, placed_in, typed_for

        shown = placed_in(report, prefix) if whole else beside_placed(report, Path(prefix))
        if self.format in ("jsonl", "sarif", "github", "html"):
            from hubtools.reporting.formats import ReportFormat, as_text

            if text := as_text(report, cast(ReportFormat, self.format), prefix):
                print_utf8(tame_json(text) if self.format in ("jsonl", "sarif") else text)
            print(printable(f"{shown.subject}: {shown.summary}"), file=sys.stderr)
        elif self.format == "quiet":
            for finding in shown.sorted():
                print(f"{visible(finding.place or shown.subject)}: {finding.rule}")
        elif self.format == "agent":
            print("severity\trule\tplace\tmessage\tfix")
            for finding in shown.sorted():
                cells = (finding.severity, finding.rule, finding.place, finding.message)
                print("\t".join(_flat(cell) for cell in (*cells, finding.fix or "")))
        else:
            from hubtools.cli.finding_lines import finding_lines
            from hubtools.cli.tables import prose, width_of

            width = width_of(sys.stdout)
            shown = typed_for(shown, typed)
            for line in finding_lines(shown, colours=coloured(sys.stdout), verbose=self.verbose):
                print("\n".join(prose(line, width)))

    def write_report(self, report: Report, prefix: str = "", typed: str = "") -> None:
        """The files that `--report` asked for. `prefix` and `typed` as for `report`."""
        for path in self.report_files:
            from hubtools.reporting.formats import write_report
            from hubtools.reporting.placing import typed_for

            write_report(typed_for(report, typed), path, prefix=prefix)
            self.note(f"wrote {path}")


def print_utf8(text: str) -> None:
    """JSON, HTML and commands of GitHub are UTF-8, whatever the terminal's encoding is."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.buffer.flush()
    else:
        print(text)


def _with_unit(key: str, value: Any) -> tuple[str, Any]:
    """A fact as people read it: `size: 1.16 MB` for `bytes: 1163488`."""
    if key == "bytes":
        from hubtools.files import human_bytes

        return "size", human_bytes(value)
    if key == "seconds":
        from hubtools.progress import duration

        return "time", duration(value)
    return key, value


def _flat(value: Any) -> str:
    """One line, no tabs: fit for a TSV cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(_flat(item) for item in value)
    return visible(" ".join(str(value).split()))
