"""The one shape in which every check answers: rules, findings, and a report of both.

A rule is a function with the `RuleBook.rule` decorator: it looks at its wing's context and yields
`Problem`s. Its docstring is what `hubtools explain ID` prints.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, cast

from hubtools.errors import UsageError
from hubtools.leaks import hide, without_password
from hubtools.limits import FINDINGS, SAID
from hubtools.notebooks import table
from hubtools.patterns import regex
from hubtools.printable import as_json, number, printable, visible

if TYPE_CHECKING:
    from hubtools.exhibits import Exhibits

Context = TypeVar("Context")

REPORT_SCHEMA = 1


def plural(count: float, noun: str) -> str:
    """`1 picture`, `2,000 pictures`, `0.5 epochs`."""
    return f"{number(count)} {nouns(count, noun)}"


def nouns(count: float, noun: str) -> str:
    """`picture` for one, `pictures` for any other number."""
    return noun if count == 1 else f"{noun}s"


def shortened(text: str, longest: int = 60) -> str:
    """The text, or the beginning of it if it is longer than so many characters. Secrets are taken
    out first: half of one is no longer known for what it is."""
    text = hide(text)
    return text if len(text) <= longest else text[: longest - 3] + "..."


class Severity(StrEnum):
    """How bad it is. `--strict` turns warnings into errors; info never fails a check."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True)
class Rule:
    """A check with a stable id: `D` dataset, `C` card, `P` publish, `T` training."""

    id: str
    title: str
    severity: Severity
    doc: str


class Problem(NamedTuple):
    """What a rule function yields: the place, what happens if nothing is done, and the fix."""

    message: str
    fix: str | None = None
    path: str | None = None
    line: int | None = None
    column: int | None = None
    severity: Severity | None = None  # when it differs from the rule's own


@dataclass(frozen=True)
class Finding:
    """A problem with its rule and severity. `path` is relative to the report's root, `/`-joined;
    `line` and `column` count from 1; `picture` is the one it speaks of, be it `path` itself
    or that of the record there."""

    rule: str
    severity: Severity
    message: str
    fix: str | None = None
    path: str | None = None
    line: int | None = None
    column: int | None = None
    picture: str | None = None

    def __post_init__(self) -> None:
        """No report shows a secret, nor a password that stands in an address."""
        object.__setattr__(self, "message", hide(without_password(self.message)))
        if self.fix:
            object.__setattr__(self, "fix", hide(without_password(self.fix)))

    def placed(self, **places: str | None) -> Finding:
        """The same with another `path` or `picture`; its texts are not looked through again."""
        if all(getattr(self, name) == place for name, place in places.items()):
            return self
        changed = object.__new__(Finding)
        changed.__dict__.update(self.__dict__, **places)
        return changed

    @property
    def fingerprint(self) -> str:
        """32 hex digits that stay when lines move: of rule, path, picture and what is said, without
        the numbers of lines and rows in it."""
        said = _LINES.sub(r"\1 #", " ".join(self.message.split()))
        picture = self.picture if self.picture != self.path else None
        parts = "\0".join((self.rule, self.path or "", picture or "", said))
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def shown_place(self) -> str:
        """`place`, and the picture of the record there: `metadata.jsonl:3 (a.png)`."""
        other = self.picture if self.picture != self.path else None
        return f"{self.place} ({other})" if self.place and other else self.place

    @property
    def place(self) -> str:
        """`metadata.jsonl:3:14`, as compilers write it; empty if it speaks of no file."""
        parts = [self.path or ""]
        if self.path and self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


# `line 3`, `lines 3 and 7`, `rows 1, 2 and 5`
_LINES = regex(r"\b(lines?|rows?|records?)\s+\d+(?:(?:,| and| to|-)\s*\d+)*")


class RuleBook(Generic[Context]):
    """The rules of one wing, all taking the same context."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Rule, Callable[[Context], Iterable[Problem]]]] = {}
        self._chosen: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Rule, ...]] = {}
        self._beginnings = {""}  # of all ids

    def rule(
        self, id: str, title: str, severity: Severity
    ) -> Callable[[Callable[[Context], Iterable[Problem]]], Callable[[Context], Iterable[Problem]]]:
        """Register the decorated function as rule `id`."""

        def register(
            function: Callable[[Context], Iterable[Problem]],
        ) -> Callable[[Context], Iterable[Problem]]:
            if id in self._rules:
                raise ValueError(f"rule {id} is defined twice")
            doc = inspect.getdoc(function)
            if not doc:
                raise ValueError(f"rule {id} has no docstring: explain would have nothing to say")
            self._rules[id] = (Rule(id, title, severity, doc), function)
            self._beginnings |= {id[:length] for length in range(1, len(id) + 1)}
            self._chosen.clear()
            return function

        return register

    def __iter__(self) -> Iterator[Rule]:
        return iter(sorted((rule for rule, _ in self._rules.values()), key=lambda rule: rule.id))

    def get(self, id: str) -> Rule | None:
        """The rule with this id, if it is in this book."""
        entry = self._rules.get(id)
        return entry[0] if entry else None

    def check_prefixes(self, prefixes: Iterable[str]) -> None:
        """Raise `UsageError` for a prefix with which no rule's id begins."""
        for prefix in prefixes:
            if prefix.upper() not in self._beginnings:
                near = difflib.get_close_matches(prefix.upper(), self._rules, n=1)
                raise UsageError(
                    f"No rule is called {prefix!r}.",
                    hint=f"did you mean {near[0]}?" if near else "see `hubtools explain --all`",
                )

    def chosen(self, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> tuple[Rule, ...]:
        """The rules whose ids start with a prefix in `select` (all if empty) and with none in
        `ignore`. Raises `UsageError` for a prefix that matches no rule."""
        asked = (tuple(select), tuple(ignore))
        if asked not in self._chosen:  # `fix` asks for the same few again and again
            self.check_prefixes((*select, *ignore))
            chosen = tuple(prefix.upper() for prefix in select)
            dropped = tuple(prefix.upper() for prefix in ignore)
            self._chosen[asked] = tuple(
                rule
                for rule, _ in self._rules.values()
                if (not chosen or rule.id.startswith(chosen)) and not rule.id.startswith(dropped)
            )
        return self._chosen[asked]

    def finds(self, context: Context, *, select: Sequence[str] = ()) -> bool:
        """Whether the `chosen` rules find anything: asked up to the first finding."""
        return any(True for rule in self.chosen(select) for _ in self._rules[rule.id][1](context))

    def run(
        self,
        context: Context,
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        strict: bool = False,
    ) -> list[Finding]:
        """Apply the `chosen` rules. `strict` makes warnings errors."""
        findings = []
        for chosen in self.chosen(select, ignore):
            rule, function = self._rules[chosen.id]
            count = 0
            for count, problem in enumerate(function(context), start=1):
                if count > FINDINGS:
                    continue
                severity = problem.severity or rule.severity
                if strict and severity is Severity.WARNING:
                    severity = Severity.ERROR
                findings.append(
                    Finding(
                        rule.id,
                        severity,
                        shortened(problem.message, SAID),
                        problem.fix and shortened(problem.fix, SAID),
                        problem.path,
                        problem.line,
                        problem.column,
                    )
                )
            if count > FINDINGS:
                findings.append(_more(rule, count, strict))
        return findings


def _more(rule: Rule, count: int, strict: bool) -> Finding:
    worse = strict and rule.severity is Severity.WARNING
    return Finding(
        rule.id,
        Severity.ERROR if worse else rule.severity,
        f"there are {count:,} findings of this rule; only the first {FINDINGS:,} are told",
        "mend these first",
    )


_MOST = 100  # findings of a report in a notebook
_HEAD = ("", "rule", "where", "finding", "fix")


@dataclass(frozen=True)
class Report:
    """All findings of one check over one thing, and a few facts about that thing.

    `subject` names what was looked at; `facts` are small JSON values shown above the findings.
    `rules` are those that were applied; `known` are findings that a baseline hides; `exhibits` is
    what the HTML page shows beside them. `private`: it speaks of files that their owner alone may
    read, and so may its own.
    """

    subject: str
    findings: tuple[Finding, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    rules: tuple[Rule, ...] = field(default=(), repr=False)
    known: tuple[Finding, ...] = field(default=(), repr=False)
    exhibits: Exhibits | None = field(default=None, repr=False, compare=False)
    private: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Its subject may be an address."""
        object.__setattr__(self, "subject", hide(without_password(self.subject)))

    def __str__(self) -> str:
        """As `validate --format text` tells it, without colours."""
        return to_text(self)

    def sorted(self) -> list[Finding]:
        """Worst first, then by place, then by rule."""
        return in_order(self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings have exactly this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def ok(self) -> bool:
        """True if there is no error."""
        return self.count(Severity.ERROR) == 0

    def _repr_html_(self) -> str:
        """As a notebook shows it: findings, the worst first."""
        found = self.sorted()
        rows = [(f.severity, f.rule, f.shown_place, f.message, f.fix or "") for f in found[:_MOST]]
        more = [("", "", "", f"and {len(found) - _MOST} more", "")] if found[_MOST:] else []
        return table(f"{self.subject}: {self.summary}", _HEAD if rows else (), [*rows, *more])

    @property
    def summary(self) -> str:
        """`2 errors, 1 warning` or `no problems found`."""
        words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
        parts = [plural(n, noun) for level, noun in words.items() if (n := self.count(level))]
        told = ", ".join(parts or [f"no {'new problems' if self.known else 'problems found'}"])
        return told + (f", and {len(self.known)} that the baseline knows" if self.known else "")


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first, then by place, then by rule."""
    return sorted(
        findings,
        key=lambda f: (_ORDER[f.severity], f.path or "", f.line or 0, f.rule, f.message),
    )


def to_dict(report: Report) -> dict[str, Any]:
    """The report as JSON values. `schema` grows by one when a key changes its meaning."""
    return {
        "schema": REPORT_SCHEMA,
        "subject": report.subject,
        "ok": report.ok,
        "facts": report.facts,
        "counts": {severity.value: report.count(severity) for severity in Severity},
        "findings": [finding_dict(finding) for finding in report.sorted()],
        "suppressed": [finding_dict(finding) for finding in in_order(report.known)],
    }


_FIELDS = tuple(field.name for field in fields(Finding))


def finding_dict(finding: Finding) -> dict[str, Any]:
    """A finding as JSON values."""
    values = {name: getattr(finding, name) for name in _FIELDS}
    for name in ("path", "picture"):  # a name may hold a token
        values[name] = values[name] and hide(values[name])
    return values | {"fingerprint": finding.fingerprint}


def report_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of what `to_dict` gives."""
    file = Path(__file__).parent / "data" / "report.schema.json"
    return cast(dict[str, Any], json.loads(file.read_text(encoding="utf-8")))


def to_json(report: Report) -> str:
    """`to_dict`, as text; data/report.schema.json describes it."""
    return printable(as_json(to_dict(report), indent=2))


def to_jsonl(report: Report) -> str:
    """One finding a line, worst first; what a baseline hides comes last, as `suppressed`."""
    lines = [finding_dict(finding) | {"suppressed": False} for finding in report.sorted()]
    lines += [finding_dict(finding) | {"suppressed": True} for finding in in_order(report.known)]
    return printable("\n".join(map(as_json, lines)))


Style = Literal["bold", "dim", "good"]


class Voice:
    """How people read findings. A command line that has colours overrides `paint`."""

    def paint(self, text: str, style: Severity | Style) -> str:
        """The text as it is shown."""
        return text

    def finding(self, finding: Finding) -> Iterator[str]:
        """A finding in full."""
        yield f"{self.place(finding)}{self.mark(finding)}: {visible(finding.message)}"
        yield from self.fix(finding.fix)

    def mark(self, finding: Finding) -> str:
        """How bad it is, and its rule."""
        return self.paint(f"{finding.severity} {finding.rule}", finding.severity)

    def place(self, finding: Finding) -> str:
        """Where it is; empty if it speaks of no file."""
        said = visible(finding.shown_place)
        return self.paint(f"{said}:", "bold") + " " if said else ""

    def fix(self, fix: str | None) -> Iterator[str]:
        """What mends it, if that is known."""
        if fix:
            yield f"    {self.paint('fix:', 'dim')} {visible(fix)}"

    def sum(self, report: Report) -> str:
        """The last line."""
        text = f"{visible(report.subject)}: {report.summary}"
        return self.paint(text, "good" if report.ok else Severity.ERROR)


def to_text(report: Report) -> str:
    """Plain text, one finding a block; colours are added by the command line, not here."""
    voice = Voice()
    lines = [line for finding in report.sorted() for line in voice.finding(finding)]
    return "\n".join([*lines, voice.sum(report)])
