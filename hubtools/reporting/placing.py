"""Findings of a folder as one sees them from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hubtools.addresses import placed_in as below
from hubtools.findings import Report
from hubtools.whereabouts import from_here

# Those that name no folder yet.
_COMMANDS = re.compile("`hubtools (fix|caption|review|card)(?=`| --)")


def typed_for(report: Report, words: str) -> Report:
    """The report with `words`, such as the folder behind a space, behind the `hubtools fix`,
    `caption`, `review` and `card` of its fixes: so that they mean that folder where one types them.
    """
    if not words:
        return report
    found = [
        one.placed(fix=_COMMANDS.sub(lambda match: match[0] + words, one.fix)) if one.fix else one
        for one in report.findings
    ]
    return replace(report, findings=tuple(found))


def beside_placed(report: Report, folder: Path) -> Report:
    """The report of `folder` with what lies beside that (`../class/a.png`) as one sees it from
    here; paths in the folder stay."""
    start = from_here(folder)
    if not any((one.path or one.picture or "").startswith("../") for one in report.findings):
        return report

    def seen(path: str | None) -> str | None:
        is_beside = path is not None and path.startswith("../")
        return Path(from_here(Path(below(start, path)))).as_posix() if is_beside else path

    found = (one.placed(path=seen(one.path), picture=seen(one.picture)) for one in report.findings)
    return replace(report, findings=tuple(found))


def placed_in(report: Report, folder: str) -> Report:
    """The report with paths that begin with that of its folder (empty or `.`: as they are), and so
    with its subject, where that is a file in the folder."""
    if folder in ("", "."):
        return report
    found = (
        one.placed(path=below(folder, one.path)) if one.path else one for one in report.findings
    )
    above, _, name = folder.rpartition("/")
    file = report.subject.startswith(f"{name}/")
    subject = f"{above}/{report.subject}" if above and file else report.subject
    return replace(report, findings=tuple(found), subject=subject)
