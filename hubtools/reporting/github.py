"""Workflow commands of GitHub Actions: what stands beside the lines of a pull request."""

from __future__ import annotations

from collections.abc import Mapping

from hubtools.addresses import placed_in
from hubtools.findings import Report, Severity
from hubtools.printable import visible


def _escape(text: str, *, in_property: bool) -> str:
    if not text.isprintable():
        text = "\n".join(map(visible, text.split("\n")))
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def github_command(kind: str, message: str, properties: Mapping[str, str]) -> str:
    """A workflow command of GitHub: `kind` is error, warning or notice. Escaping as its docs on
    workflow commands ask."""
    pairs = ",".join(f"{k}={_escape(v, in_property=True)}" for k, v in properties.items())
    return f"::{kind} {pairs}::{_escape(message, in_property=False)}"


def to_github(report: Report, prefix: str = "") -> str:
    """GitHub workflow commands, one a finding; `prefix` is the checked folder's path in the
    repository."""
    kinds = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    lines = []
    for finding in report.sorted():
        properties = {}
        if finding.path:
            properties["file"] = placed_in(prefix, finding.path)
            if finding.line is not None:
                properties["line"] = str(finding.line)
            if finding.column is not None:
                properties["col"] = str(finding.column)
        properties["title"] = finding.rule
        message = finding.message + (f" Fix: {finding.fix}" if finding.fix else "")
        lines.append(github_command(kinds[finding.severity], message, properties))
    return "\n".join(lines)
