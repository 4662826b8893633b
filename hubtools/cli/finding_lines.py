"""Findings as a terminal shows them: those of one rule together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubtools.findings import Finding, Report, Severity, Style, Voice
from hubtools.printable import visible

FEW = 3  # findings of one rule that are told in full
_COLOURS: dict[Severity | Style, str] = {
    Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36", "bold": "1", "dim": "2",
    "good": "32",
}  # fmt: skip


def finding_lines(
    report: Report, *, colours: bool, verbose: bool, all_by: str = "; --verbose lists all"
) -> Iterator[str]:
    """Lines, the worst first. Of a rule with many findings the first few and one fix, unless
    `verbose`; the last line sums up. `all_by`: what is said behind the number of further ones."""
    titles = {rule.id: rule.title for rule in report.rules}
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in report.sorted():
        groups.setdefault((finding.rule, finding.severity), []).append(finding)
    voice = _Coloured() if colours else Voice()
    for (rule, _), found in groups.items():
        if verbose or len(found) < FEW or rule not in titles:
            for finding in found:
                yield from voice.finding(finding)
        else:
            yield from _group(voice, titles[rule], found, all_by)
    yield voice.sum(report)


class _Coloured(Voice):
    def paint(self, text: str, style: Severity | Style) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m"


def _group(voice: Voice, title: str, found: Sequence[Finding], all_by: str) -> Iterator[str]:
    yield f"{voice.mark(found[0])}: {title} ({len(found)} findings)"
    for finding in found[:FEW]:
        yield f"    {voice.place(finding)}{visible(finding.message)}"
    if len(found) > FEW:
        yield voice.paint(f"    and {len(found) - FEW} more{all_by}", "dim")
    yield from voice.fix(next((one.fix for one in found if one.fix), None))
