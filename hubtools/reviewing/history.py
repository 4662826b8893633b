"""What was applied to a folder, for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubtools.dataset.edits.journal import unfinished, would
from hubtools.dataset.edits.journal_files import journals

_LINES = 12  # of each


def history(folder: Path) -> dict[str, Any]:
    """The fixes of a folder, the last one first, and one that was interrupted."""
    fixes = [
        {
            "id": one.id,
            "state": one.state,
            "files": len(one.steps),
            "ours": one.ours,
            "lines": list(one.lines(_LINES)),
        }
        for one in reversed(journals(folder))
    ]
    broken = unfinished(folder)
    told = broken and {"id": broken.id, "ours": broken.ours, "would": would(broken)}
    return {"fixes": fixes, "unfinished": told}
