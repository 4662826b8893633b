"""The table that `validate` shows: what each loader makes of the folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubtools.cli.output import Output


_COLOURS = {"ok": "green", "warning": "yellow", "error": "red", "": "dim"}


def show_loaders(loaders: dict[str, dict[str, Any]], out: Output) -> None:
    """One line if the three calls of `datasets` agree and lose nothing, else a table (stderr)."""
    from hubtools.dataset.loaders.summary import agreement, summaries

    if (said := agreement(loaders)) is not None:
        out.note(f"all loaders agree: {said}")
        return
    from hubtools.cli.tables import Painted

    rows = []
    reasons: dict[str, list[str]] = {}
    for loader in summaries(loaders):
        if loader.reason:
            reasons.setdefault(loader.reason, []).append(loader.name)
        lost = Painted(str(loader.lost or ""), "red")
        outcome = Painted(loader.outcome, _COLOURS[loader.mark])
        rows.append((loader.name, outcome, loader.rows, lost, loader.columns, loader.module))
    out.lines(("loader", "outcome", "rows", "lost", "columns", "module"), rows, sys.stderr)
    for reason, names in reasons.items():
        out.note(f"{'; '.join(names)}: {reason}")
