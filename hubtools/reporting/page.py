"""A report as one HTML file that needs nothing else: pictures, style and script are inside.

Everything that comes from a dataset is escaped by the template, or travels as JSON that the script
puts in place as text. The content policy of the page allows its own style and script and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from hubtools.exhibits import Exhibits
from hubtools.findings import Finding, Report, Rule, Severity, in_order
from hubtools.version import __version__

# Findings of one rule that the page holds; more make it slow and are all the same.
MOST_OF_A_RULE = 1000
_HERE = Path(__file__).parent


def to_html(report: Report) -> str:
    """The page."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}';"
        f" script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    shown, left = _held(report)
    exhibits = report.exhibits or Exhibits()
    page = _template().render(
        report=report,
        exhibits=exhibits,
        policy=policy,
        style=style,
        script=script,
        data=_data(shown, report.rules, exhibits),
        groups=_groups(report),
        left=left,
        most=MOST_OF_A_RULE,
        stale=report.facts.get("baseline", {}).get("stale", ()),
        verdict="ok" if report.ok else "error",
        words_top=max((word.captions for word in exhibits.words.table), default=1)
        if exhibits.words
        else 1,
        version=__version__,
        count=lambda severity: report.count(Severity(severity)),
    )
    return _utf8(page)


def _utf8(text: str) -> str:
    """In a page, a name that is not UTF-8 has question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _held(report: Report) -> tuple[list[tuple[Finding, bool]], int]:
    """(finding, whether it is known) for the page, and how many are left out."""
    counts: Counter[str] = Counter()
    shown, left = [], 0
    for findings, known in ((report.findings, False), (report.known, True)):
        for finding in in_order(findings):
            counts[finding.rule] += 1
            if counts[finding.rule] <= MOST_OF_A_RULE:
                shown.append((finding, known))
            else:
                left += 1
    return shown, left


def _groups(report: Report) -> list[dict[str, Any]]:
    """What was found by rule, for the table: worst first."""
    counts: dict[tuple[str, Severity], int] = {}
    for finding in report.sorted():
        key = (finding.rule, finding.severity)
        counts[key] = counts.get(key, 0) + 1
    titles = {rule.id: rule.title for rule in report.rules}
    return [
        {"rule": rule, "severity": severity.value, "title": titles.get(rule, ""), "count": count}
        for (rule, severity), count in counts.items()
    ]


def _data(shown: list[tuple[Finding, bool]], rules: tuple[Rule, ...], exhibits: Exhibits) -> str:
    """What the script reads, safe inside a script element."""
    used = {finding.rule for finding, _ in shown}
    value = {
        "rules": {
            rule.id: {"title": rule.title, "doc": rule.doc} for rule in rules if rule.id in used
        },
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "message": finding.message,
                "fix": finding.fix or "",
                "place": finding.place,
                "picture": finding.picture or "",
                "known": known,
            }
            for finding, known in shown
        ],
        "pictures": {
            name: base64.b64encode(data).decode("ascii")
            for name, data in exhibits.thumbnails.items()
        },
        "blank": dict(exhibits.blank),
    }
    text = _utf8(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    # no end of a script element, no comment, and no line ends that only JavaScript knows
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _part(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_part("page.html.jinja"))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
