"""A report as the summary of a job of GitHub Actions: Markdown, the worst first, bounded."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from hubtools.findings import Report, Severity
from hubtools.printable import visible

_MOST = 100  # findings that are listed; GitHub takes a megabyte
_LONG = 400  # letters of a cell
_MARKS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def to_summary(report: Report, facts: Mapping[str, str]) -> str:
    """`facts` become a table above the findings. What comes from files is shown as text: no
    Markdown, HTML or link of theirs works."""
    verdict = "passed" if report.ok else "failed"
    lines = [f"### hubtools: {_text(report.subject)} {verdict}, {_text(report.summary)}", ""]
    if facts:
        lines += ["| | |", "|---|---|"]
        lines += [f"| {_text(name)} | {_text(value)} |" for name, value in facts.items()]
        lines.append("")
    found = report.sorted()
    if found:
        lines += ["| | rule | where | what | fix |", "|---|---|---|---|---|"]
        for one in found[:_MOST]:
            cells = (_MARKS[one.severity], one.rule, one.place, one.message, one.fix or "")
            lines.append(f"| {' | '.join(_text(cell) for cell in cells)} |")
        if len(found) > _MOST:
            lines += ["", f"and {len(found) - _MOST:,} more, in the log"]
    return "\n".join([*lines, "", ""])


def _text(value: str) -> str:
    """In a table's cell, as it is. Addresses of the Hub stay links only by themselves."""
    text = visible(value)
    text = text if len(text) <= _LONG else f"{text[:_LONG]}..."
    return re.sub(r"([\\`*_{}\[\]|~!])", r"\\\1", html.escape(" ".join(text.split())))
