"""The table that `validate` shows of the shot plan."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubtools.cli.output import Output


def show_coverage(facts: dict[str, Any], out: Output) -> None:
    """One line if the plan is met, else a row for each of its entries (stderr)."""
    entries = facts.get("coverage") or []
    if not entries:
        return
    found = [_judged(entry) for entry in entries]
    unplanned = facts.get("unplanned") or []
    rest = f", {len(unplanned)} of no shot that it names" if unplanned else ""
    if not any(judgement for judgement, _ in found):
        shots = ", ".join(f"{e['found']} {e['name'].replace('_', ' ')}" for e in entries)
        out.note(f"the shot plan is met: {shots}{rest}")
        return
    from hubtools.cli.tables import Painted

    rows = []
    for entry, (judgement, colour) in zip(entries, found, strict=True):
        names = entry["pictures"]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        planned = _range(entry["low"], entry["high"])
        name, judged = entry["name"].replace("_", " "), Painted(judgement, colour)
        rows.append((name, planned, entry["found"], judged, Painted(shown, "dim")))
    out.lines(("shot", "planned", "found", "", "pictures"), rows, sys.stderr)
    if unplanned:
        out.note(f"{len(unplanned)} of no shot that the plan names: {', '.join(unplanned[:3])}")


def _judged(entry: dict[str, Any]) -> tuple[str, str]:
    if entry["found"] < entry["low"]:
        return f"{entry['low'] - entry['found']} missing", "red"
    if entry["high"] is not None and entry["found"] > entry["high"]:
        return f"{entry['found'] - entry['high']} too many", "yellow"
    return "", "green"


def _range(low: int, high: int | None) -> str:
    return str(low) if low == high else f"{low}..{'' if high is None else high}"
