"""Findings in every form that people and machines read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import jsonschema
import pytest

from hubtools.errors import UsageError
from hubtools.findings import (
    Finding,
    Problem,
    Report,
    RuleBook,
    Severity,
    report_schema,
    to_json,
    to_jsonl,
    to_text,
)

BOOK: RuleBook[int] = RuleBook()


@BOOK.rule("X101", "Odd", Severity.WARNING)
def odd(number: int) -> Iterator[Problem]:
    """Odd numbers."""
    if number % 2:
        yield Problem(f"{number} is odd", "add one", "numbers.txt", number)


@BOOK.rule("X201", "Large", Severity.ERROR)
def large(number: int) -> Iterator[Problem]:
    """Large numbers."""
    if number > 10:
        yield Problem(f"{number} is large", severity=Severity.INFO if number < 20 else None)


def run(number: int, **options: object) -> list[tuple[str, str]]:
    return [(f.rule, f.severity.value) for f in BOOK.run(number, **options)]  # type: ignore[arg-type]


def test_rules_are_selected_ignored_and_made_strict() -> None:
    assert run(21) == [("X101", "warning"), ("X201", "error")]
    assert run(13) == [("X101", "warning"), ("X201", "info")]
    assert run(21, select=["x2"]) == [("X201", "error")]
    assert run(21, ignore=["X1"]) == [("X201", "error")]
    assert run(13, strict=True) == [("X101", "error"), ("X201", "info")]
    with pytest.raises(UsageError, match="X102") as caught:
        run(1, select=["X102"])
    assert "X101" in str(caught.value.hint)


def test_a_book_is_asked_up_to_the_first_finding() -> None:
    book = RuleBook[list[int]]()

    @book.rule("D001", "numbers", Severity.ERROR)
    def numbers(seen: list[int]) -> Iterator[Problem]:
        """What it means."""
        for number in range(5):
            seen.append(number)
            yield Problem(str(number))

    @book.rule("D002", "nothing", Severity.ERROR)
    def nothing(seen: list[int]) -> Iterator[Problem]:
        """What it means."""
        yield from ()

    seen: list[int] = []
    assert book.finds(seen)
    assert seen == [0]
    assert not book.finds(seen, select=["D002"])


def test_a_book_refuses_doubles_and_silence() -> None:
    with pytest.raises(ValueError, match="twice"):
        BOOK.rule("X101", "Again", Severity.INFO)(odd)
    with pytest.raises(ValueError, match="docstring"):
        BOOK.rule("X301", "Mute", Severity.INFO)(lambda number: [])


REPORT = Report("numbers", tuple(BOOK.run(21)), {"count": 1})


def test_text_is_as_compilers_write_it() -> None:
    assert to_text(REPORT).splitlines() == [
        "error X201: 21 is large",
        "numbers.txt:21: warning X101: 21 is odd",
        "    fix: add one",
        "numbers: 1 error, 1 warning",
    ]
    assert to_text(Report("numbers")) == "numbers: no problems found"


def test_json_has_all() -> None:
    told = json.loads(to_json(REPORT))
    assert (told["schema"], told["ok"], told["facts"]) == (1, False, {"count": 1})
    assert told["counts"] == {"error": 1, "warning": 1, "info": 0}
    assert told["findings"][1] == {
        "rule": "X101",
        "severity": "warning",
        "message": "21 is odd",
        "fix": "add one",
        "path": "numbers.txt",
        "line": 21,
        "column": None,
        "picture": None,
        "fingerprint": REPORT.sorted()[1].fingerprint,
    }
    assert told["suppressed"] == []
    jsonschema.validate(told, report_schema())


def test_json_lines_have_a_finding_each() -> None:
    known = replace(REPORT, findings=REPORT.findings[:1], known=REPORT.findings[1:])
    lines = [json.loads(line) for line in to_jsonl(known).splitlines()]
    assert [(line["rule"], line["suppressed"]) for line in lines] == [
        ("X101", False),
        ("X201", True),
    ]
    assert to_jsonl(Report("x")) == ""
    jsonschema.validate(json.loads(to_json(known)), report_schema())


def test_names_that_are_no_text_can_be_printed() -> None:
    report = Report("x", (Finding("X101", Severity.INFO, "\udcff", path="a\ud800"),))
    for text in (to_json(report), to_jsonl(report)):
        text.encode("utf-8")
        json.loads(text)
