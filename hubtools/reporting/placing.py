"""Findings of a folder as one sees them from elsewhere."""

from __future__ import annotations

from dataclasses import replace

from hubtools.findings import Report


def placed_in(report: Report, folder: str) -> Report:
    """The report with paths that begin with that of its folder (empty or `.`: as they are)."""
    if folder in ("", "."):
        return report
    found = (
        one.placed(path=f"{folder}/{one.path}") if one.path else one for one in report.findings
    )
    return replace(report, findings=tuple(found))
