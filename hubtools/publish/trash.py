"""Move what is not worth publishing aside, and bring it back."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.files import no_link, stamped_folder, sync_folder, write_json
from hubtools.layout import RUN_MANIFEST, TRASH_DIR, WORK_DIR
from hubtools.publish.prune import Item, PrunePlan, Verdict

_LIST = "files.json"


def apply(plan: PrunePlan) -> Path | None:
    """Move all dropped files to a new trash below the run folder; give it (None if there was
    nothing to move). The list of moves is written first, so that `undo` works after a kill at
    any moment.

    Raises `HubtoolsError` if something is undecided or the run is not finished (its states are
    what it would resume from).
    """
    if plan.asks:
        raise HubtoolsError(
            f"{len(plan.asks)} files are undecided: {', '.join(i.path for i in plan.asks[:3])}.",
            hint="decide with --keep PATTERN or --drop PATTERN",
        )
    if _unfinished(plan.root):
        raise HubtoolsError(
            f"The run in {plan.root} is not finished; pruning would take what it resumes from.",
            hint="finish it with `hubtools train`, then prune",
        )
    moved = plan.dropped
    promoted = [item for item in plan.kept if item.target]
    if not moved and not promoted:
        return None
    trash = _new_trash(plan.root)
    moves = [{"from": item.path, "to": item.path} for item in moved]
    write_json(trash / _LIST, {"schema": 1, "moves": moves, "promoted": _promotions(promoted)})
    for item in promoted:
        _promote(plan.root, item)
    for item in moved:
        target = trash / "files" / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(plan.root / item.path, target)
    _remove_empty_folders(plan.root)
    sync_folder(plan.root)
    return trash


def _promotions(items: list[Item]) -> list[dict[str, str]]:
    return [{"from": item.path, "to": str(item.target)} for item in items]


def _promote(root: Path, item: Item) -> None:
    """Give the newest checkpoint's LoRA the usual name at the top; never over another file."""
    assert item.target is not None
    target = root / item.target
    if target.exists():
        raise HubtoolsError(f"{target} is in the way.", hint="move it aside")
    os.replace(root / item.path, target)


def _unfinished(root: Path) -> bool:
    try:
        content = json.loads((root / RUN_MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False  # not one of ours; it has no state we know of
    return isinstance(content, dict) and content.get("status") in ("running", "interrupted")


def _place(root: Path) -> Path:
    """The folder of all trashes."""
    return no_link(root / WORK_DIR / TRASH_DIR)


def _new_trash(root: Path) -> Path:
    return stamped_folder(_place(root))


def trashes(root: Path) -> list[Path]:
    """All trashes of a run folder, oldest first."""
    parent = _place(root)
    return sorted(path for path in parent.glob("*") if (path / _LIST).is_file())


def undo(root: Path) -> int:
    """Bring back the newest trash of the run folder; give the number of files restored.

    Raises `HubtoolsError` if there is none, or if a file would be overwritten (nothing is moved
    then).
    """
    found = trashes(root)
    if not found:
        raise HubtoolsError(f"{root} has no trash to bring back.")
    trash = found[-1]
    pending = [(here, there) for here, there in _moves_back(root, trash) if os.path.lexists(here)]
    for _, there in pending:
        blocked = _in_the_way(root, there)
        if blocked is not None:
            raise HubtoolsError(
                f"{blocked} exists again; bringing the trash back would overwrite it.",
                hint="move it aside and undo again",
            )
    for here, there in pending:
        there.parent.mkdir(parents=True, exist_ok=True)
        os.replace(here, there)
    (trash / _LIST).unlink()
    _remove_empty_folders(trash)
    for folder in (trash, trash.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return len(pending)


def _moves_back(root: Path, trash: Path) -> list[tuple[Path, Path]]:
    """(where a file is, where it was) of all that `apply` listed, nothing outside the folder."""
    try:
        content = json.loads((trash / _LIST).read_bytes())
        promoted = [(root, m["to"], m["from"]) for m in content["promoted"]]
        moved = [(trash / "files", m["to"], m["from"]) for m in content["moves"]]
    except (ValueError, KeyError, TypeError):
        raise HubtoolsError(f"{trash / _LIST} is damaged; nothing was moved.") from None
    moves = []
    for base, to, origin in [*promoted, *moved]:
        for name in (to, origin):
            if not isinstance(name, str) or name.startswith("/") or ".." in name.split("/"):
                raise HubtoolsError(
                    f"{trash / _LIST} names {name!r}, which is not in {root}; nothing was moved."
                )
        moves.append((base / to, root / origin))
    return moves


def _in_the_way(root: Path, path: Path) -> Path | None:
    """What keeps a file from going to `path`: one that is there, or a parent that is no folder
    (links count; they may lead out)."""
    if os.path.lexists(path):
        return path
    for parent in path.relative_to(root).parents:
        place = root / parent
        if place != root and os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            return place
    return None


def purge(root: Path) -> int:
    """Delete all trashes of the run folder for good; give the bytes freed."""
    import shutil

    freed = 0
    for trash in trashes(root):
        freed += sum(p.lstat().st_size for p in trash.rglob("*") if p.is_file())
        shutil.rmtree(trash)
    return freed


def _remove_empty_folders(root: Path) -> None:
    """Folders that moving has emptied; hubtools' own stays."""
    for folder, _, _ in os.walk(root, topdown=False):
        path = Path(folder)
        if path == root or WORK_DIR in path.relative_to(root).parts:
            continue
        if not any(path.iterdir()):
            path.rmdir()


__all__ = ["Verdict", "apply", "purge", "trashes", "undo"]
