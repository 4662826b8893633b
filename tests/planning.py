"""Plans that no command would save, in an envelope that is right in itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubtools.plans import Kind, SavedPlan, state_of


def forged(root: Path, operations: list[dict[str, Any]], kind: Kind = "fix", **changes: Any) -> str:
    """A plan for `root` as it is, as this user would have sealed it."""
    options = {"unsafe": []} if kind == "fix" else {}
    saved = SavedPlan(kind, root.name, root.name, None, state_of(root), options, tuple(operations))
    return json.dumps(saved.to_dict() | changes)


def tree(root: Path) -> dict[str, bytes]:
    """Bytes by name; hubtools' own bookkeeping is another at each time."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".hubtools" not in path.parts
    }
