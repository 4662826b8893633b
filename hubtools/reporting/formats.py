"""A report as text of any format, and as a file whose ending says which."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from hubtools import findings
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath, write_text
from hubtools.findings import Report
from hubtools.leaks import masked, without_password
from hubtools.reporting.page import to_html
from hubtools.reporting.sarif import to_sarif

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


def as_text(report: Report, format: ReportFormat, prefix: str = "") -> str:
    """The report in one format, without a line end behind it, and without passwords in addresses.
    `prefix` is the checked folder's path in the repository, with which paths in SARIF and in
    GitHub's annotations begin."""
    return masked(without_password(_as_text(report, format, prefix)))


def _as_text(report: Report, format: ReportFormat, prefix: str) -> str:
    if format == "json":
        return findings.to_json(report)
    if format == "jsonl":
        return findings.to_jsonl(report)
    if format == "github":
        return findings.printable(findings.to_github(report, prefix))
    if format == "sarif":
        return to_sarif(report, prefix)
    if format == "html":
        return to_html(report)
    return findings.printable(findings.to_text(report))


def write_report(report: Report, path: StrPath, *, prefix: str = "") -> None:
    """Write the report to a .html, .sarif, .json, .jsonl or .txt file; see `as_text`. Raises
    `HubtoolsError` if it cannot be written."""
    text = as_text(report, format_of(path), prefix)
    try:
        write_text(Path(path), f"{text}\n" if text else "")
    except OSError as error:
        raise HubtoolsError(f"{path} cannot be written: {error.strerror}.") from None
