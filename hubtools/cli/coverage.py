"""The table that `validate` shows of the shot plan."""

from __future__ import annotations

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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("shot", "planned", "found", "", "pictures"):
        table.add_column(column, header_style="bold", no_wrap=True, overflow="ellipsis")
    for entry, (judgement, colour) in zip(entries, found, strict=True):
        names = entry["pictures"]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        table.add_row(
            entry["name"].replace("_", " "),
            _range(entry["low"], entry["high"]),
            str(entry["found"]),
            Text(judgement, style=colour),
            Text(shown, style="dim"),
        )
    console = Console(stderr=True, highlight=False)
    console.print(table)
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
