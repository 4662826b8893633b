"""A report as text of any format, and as a file whose ending says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from hubtools.causes import cannot_be
from hubtools.errors import UsageError
from hubtools.files import StrPath, check_replaceable, json_value
from hubtools.findings import (
    Finding,
    Report,
    Severity,
    finding_dict,
    to_dict,
    to_json,
    to_jsonl,
    to_text,
)
from hubtools.leaks import masked, without_password
from hubtools.printable import printable
from hubtools.reporting.github import to_github
from hubtools.reporting.page import to_html
from hubtools.reporting.sarif import is_own_sarif, to_sarif
from hubtools.rooted.outputs import writing_over
from hubtools.summed import (
    JSON_SUM,
    are_summed_lines,
    is_summed_text,
    json_was_changed,
    summed_json,
    summed_lines,
    summed_text,
)

ReportFormat = Literal["text", "json", "jsonl", "sarif", "github", "html"]

_ENDINGS: dict[str, ReportFormat] = {
    ".html": "html", ".htm": "html", ".json": "json", ".jsonl": "jsonl", ".sarif": "sarif",
    ".txt": "text",
}  # fmt: skip


def format_of(path: StrPath) -> ReportFormat:
    """What the ending of a file asks for. Raises `UsageError` for one that asks for nothing."""
    try:
        return _ENDINGS[Path(path).suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{path} has no ending that tells how to write a report.",
            hint=f"known are {', '.join(_ENDINGS)}",
        ) from None


def check_report_file(path: StrPath) -> None:
    """Raises `UsageError` for an ending that asks for nothing, and `HubtoolsError` if a file is
    there that is no report."""
    is_one = _IS_ONE[format_of(path)]
    check_replaceable(path, "a report", is_one)


# What hubtools writes has these keys and no others: another one is a person's note, or of a program
# that judges findings.
_KEYS = to_dict(Report("", ())).keys()
_OF_FINDING = finding_dict(Finding("X1", Severity.INFO, "")).keys()


def _is_json_report(data: bytes) -> bool:
    if json_was_changed(data):
        return False
    try:
        content = json_value(data)
        found = [*content["findings"], *content["suppressed"]]
        return content.keys() - {JSON_SUM} == _KEYS and all(
            one.keys() == _OF_FINDING for one in found
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


_IS_ONE: dict[ReportFormat, Callable[[bytes], bool]] = {
    "json": _is_json_report,
    "jsonl": are_summed_lines,
    "sarif": lambda data: is_own_sarif(data) and not json_was_changed(data),
    "html": is_summed_text,
    "text": is_summed_text,
}


def as_text(report: Report, format: ReportFormat, prefix: str = "") -> str:
    """The report in one format, without a line end behind it, and without passwords in addresses.
    `prefix` is the checked folder's path in the repository, with which paths in SARIF and in
    GitHub's annotations begin."""
    text = masked(without_password(_as_text(report, format, prefix)))
    if format == "html":
        return summed_text(text, "<!-- ", " -->").removesuffix("\n")
    return text


def _as_text(report: Report, format: ReportFormat, prefix: str) -> str:
    if format == "json":
        return to_json(report)
    if format == "jsonl":
        return to_jsonl(report)
    if format == "github":
        return printable(to_github(report, prefix))
    if format == "sarif":
        return to_sarif(report, prefix)
    if format == "html":
        return to_html(report)
    return printable(to_text(report))


def write_report(report: Report, path: StrPath, *, prefix: str = "") -> None:
    """Write the report to a .html, .sarif, .json, .jsonl or .txt file; see `as_text`. Raises
    `HubtoolsError` if it cannot be written, or if something else is there. A report in a file
    carries a sum of the rest, by which one that a person has changed is known: JSON and SARIF as
    `sha256_of_the_rest`, JSON lines in the last one, text as its last line."""
    check_report_file(path)
    format = format_of(path)
    text = as_text(report, format, prefix)
    data = f"{text}\n".encode() if text else b""
    if format in ("json", "sarif"):
        data = summed_json(data, bag=format == "sarif")
    elif format == "jsonl" and data:
        data = summed_lines(data)
    elif format == "text":
        data = summed_text(text, "").encode()
    try:
        with writing_over(Path(path), check_report_file, private=report.private) as file:
            file.write(data)
    except OSError as error:
        raise cannot_be("written", path, error) from None
