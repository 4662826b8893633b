"""A report as SARIF 2.1.0, which code hosts show beside the lines it speaks of."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hubtools.addresses import placed_in
from hubtools.files import json_value
from hubtools.findings import Finding, Report, Rule, Severity, in_order, shortened
from hubtools.printable import as_json, printable
from hubtools.version import __version__

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"


def to_sarif(report: Report, prefix: str = "") -> str:
    """The report as one SARIF log with one run.

    `prefix` is the checked folder's path in the repository, with which all addresses begin; an
    absolute one becomes the base that they are relative to. Findings that a baseline hides are
    there with a suppression.
    """
    return printable(as_json(_log(report, prefix), indent=2))


def is_own_sarif(data: bytes) -> bool:
    """Whether these are the bytes of a log that `to_sarif` has made, and nobody has added to: what
    looks at SARIF notes there what a person says of a finding."""
    try:
        (run,) = json_value(data)["runs"]
        return (
            run["tool"]["driver"]["name"] == "hubtools"
            and run.keys() <= _OF_RUN
            and all(
                one.keys() <= _OF_RESULT and one.get("suppressions", _KNOWN) == _KNOWN
                for one in run["results"]
            )
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


_OF_RUN = frozenset({"tool", "automationDetails", "columnKind", "results", "originalUriBaseIds"})
_OF_RESULT = frozenset(
    {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"}
    | {"relatedLocations", "suppressions"}
)
_KNOWN = [{"kind": "external", "status": "accepted", "justification": "in the baseline"}]


def _log(report: Report, prefix: str) -> dict[str, Any]:
    absolute = os.path.isabs(prefix)
    applied = {rule.id: rule for rule in report.rules}
    for finding in (*report.findings, *report.known):
        applied.setdefault(finding.rule, Rule(finding.rule, finding.rule, finding.severity, ""))
    places = {id: number for number, id in enumerate(sorted(applied))}
    seen: Counter[str] = Counter()
    under = "" if absolute else prefix
    results = [
        _result(finding, places, under, seen, known=known)
        for findings, known in ((report.sorted(), False), (in_order(report.known), True))
        for finding in findings
    ]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "hubtools",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(applied[id]) for id in places],
            }
        },
        "automationDetails": {"id": f"hubtools/{quote(_bytes(report.subject))}"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    if absolute:
        run["originalUriBaseIds"] = {_ROOT: {"uri": Path(prefix).as_uri().rstrip("/") + "/"}}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    doc = rule.doc or rule.title
    happens = re.split(r"^(?:Example|Fix):", doc, flags=re.M)[0]
    more = f"`hubtools explain {rule.id}` prints this."
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", rule.title)),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": shortened(" ".join(happens.split()), _LONGEST)},
        "help": {"text": f"{doc}\n\n{more}", "markdown": f"{markdown(doc)}\n\n{more}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [_WINGS.get(rule.id[:1], "check")]},
    }


_LONGEST = 1024  # characters that GitHub shows of a description
_WINGS = {"D": "dataset", "C": "card", "P": "publish", "T": "training"}


def markdown(doc: str) -> str:
    """A rule's docstring with its marks set bold, each on a line of its own."""
    return re.sub(r"^(Example|Fix):", r"\n**\1:**", doc, flags=re.MULTILINE).strip()


def _result(
    finding: Finding, places: Mapping[str, int], prefix: str, seen: Counter[str], *, known: bool
) -> dict[str, Any]:
    key = finding.fingerprint
    seen[key] += 1
    said = finding.message + (f"\nFix: {finding.fix}" if finding.fix else "")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": places[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": said},
        "locations": [_location(finding.path, prefix, finding.line, finding.column)],
        "partialFingerprints": {"hubtools/v1": f"{key}:{seen[key]}"},
    }
    if finding.picture and finding.picture != finding.path:
        result["relatedLocations"] = [
            {"id": 1, "message": {"text": "the picture"}, **_location(finding.picture, prefix)}
        ]
    if known:
        result["suppressions"] = _KNOWN
    return result


def _location(
    path: str | None, prefix: str, line: int | None = None, column: int | None = None
) -> dict[str, Any]:
    joined = placed_in(prefix, path)
    # what speaks of no file speaks of the folder
    address = _address(joined) if path else f"{_address(joined)}/" if joined else "./"
    physical: dict[str, Any] = {"artifactLocation": {"uri": address, "uriBaseId": _ROOT}}
    if path and line is not None and line > 0:
        physical["region"] = {"startLine": line}
        if column is not None and column > 0:
            physical["region"]["startColumn"] = column
    return {"physicalLocation": physical}


def _address(path: str) -> str:
    # a colon in the first part would make it a scheme
    return quote(_bytes(path), safe="/~")


def _bytes(text: str) -> bytes:
    """The bytes of a name, as the file system has them where it is not UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
