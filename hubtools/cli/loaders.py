"""The table that `validate` shows: what each loader makes of the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubtools.cli.output import Output


def show_loaders(loaders: dict[str, dict[str, Any]], out: Output) -> None:
    """One line if the three calls of `datasets` agree and lose nothing, else a table (stderr)."""
    from hubtools.dataset.loaders.summary import agreement, summaries
    from hubtools.printable import visible

    if (said := agreement(loaders)) is not None:
        out.note(f"all loaders agree: {said}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("loader", "module", "rows", "columns", "lost", "outcome"):
        table.add_column(column, header_style="bold", overflow="fold")
    reasons: dict[str, list[str]] = {}
    for loader in summaries(loaders):
        if loader.reason:
            reasons.setdefault(loader.reason, []).append(loader.name)
        colour = {
            "loads": "red" if loader.lost else "green",
            "by chance": "yellow",
            "may raise": "yellow",
        }
        table.add_row(
            loader.name,
            loader.module,
            Text(visible(loader.rows)),
            Text(visible(loader.columns)),
            Text(str(loader.lost or ""), style="red"),
            Text(loader.outcome, style=colour.get(loader.outcome, "red")),
        )
    console = Console(stderr=True, highlight=False)
    console.print(table)
    for reason, names in reasons.items():
        console.print(Text(f"{'; '.join(names)}: {visible(reason)}", style="dim"), soft_wrap=True)
