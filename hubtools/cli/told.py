"""Findings as a terminal shows them: those of one rule together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubtools.findings import Finding, Report, Severity
from hubtools.printable import visible

FEW = 3  # findings of one rule that are told in full
_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_BOLD, _DIM, _GREEN = "1", "2", "32"


def told(report: Report, *, colours: bool, verbose: bool) -> Iterator[str]:
    """Lines, the worst first. Of a rule with many findings the first few and one fix, unless
    `verbose`; the last line sums up."""
    titles = {rule.id: rule.title for rule in report.rules}
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in report.sorted():
        groups.setdefault((finding.rule, finding.severity), []).append(finding)
    voice = _Voice(colours)
    for (rule, _), found in groups.items():
        if verbose or len(found) < FEW or rule not in titles:
            for finding in found:
                yield from voice.one(finding)
        else:
            yield from voice.group(titles[rule], found)
    worst = _GREEN if report.ok else _COLOURS[Severity.ERROR]
    yield voice.paint(f"{visible(report.subject)}: {report.summary}", worst)


class _Voice:
    def __init__(self, colours: bool) -> None:
        self.colours = colours

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colours else text

    def one(self, finding: Finding) -> Iterator[str]:
        yield f"{self._place(finding)}{self._mark(finding)}: {visible(finding.message)}"
        yield from self._fix(finding.fix)

    def group(self, title: str, found: Sequence[Finding]) -> Iterator[str]:
        yield f"{self._mark(found[0])}: {title} ({len(found)} findings)"
        for finding in found[:FEW]:
            yield f"    {self._place(finding)}{visible(finding.message)}"
        if len(found) > FEW:
            yield self.paint(f"    and {len(found) - FEW} more; --verbose lists all", _DIM)
        yield from self._fix(next((one.fix for one in found if one.fix), None))

    def _mark(self, finding: Finding) -> str:
        return self.paint(f"{finding.severity} {finding.rule}", _COLOURS[finding.severity])

    def _place(self, finding: Finding) -> str:
        said = visible(finding.shown_place)
        return self.paint(f"{said}:", _BOLD) + " " if said else ""

    def _fix(self, fix: str | None) -> Iterator[str]:
        if fix:
            yield f"    {self.paint('fix:', _DIM)} {visible(fix)}"
