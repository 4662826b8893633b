"""Folders of a LoRA, whose pictures are those of its card and nothing to learn."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from hubtools.dataset.folder.listing import walk
from hubtools.errors import UsageError
from hubtools.files import written
from hubtools.layout import FIXES_DIR, PROJECT_FILE, RUN_MANIFEST, WORK_DIR
from hubtools.modelfiles import SAFE
from hubtools.whereabouts import from_here


def holds_lora(folder: Path) -> bool:
    """Whether a folder is a run, or has weights and no pictures to learn: no metadata, no caption
    beside a picture, and at its top no picture but those that are called after the weights."""
    if (folder / RUN_MANIFEST).is_file():
        return True
    weights = written(folder, f"*{SAFE}")
    if not weights or (folder / PROJECT_FILE).is_file():
        return False
    listing = walk(folder)
    stems = tuple(one.name.removesuffix(SAFE) for one in weights)
    if listing.metadata:
        return False
    for one in listing.pictures:
        stem = one.name.removesuffix(one.ending)
        captioned = not listing.names.isdisjoint((f"{stem}.txt", f"{stem}.caption"))
        if captioned or ("/" not in one.name and not one.name.startswith(stems)):
            return False
    return True


def refuse_lora(folder: Path) -> None:
    """Raise `UsageError` if a folder that was named as a dataset is that of a LoRA. One in which
    something was changed as in a dataset is not looked at: that may be taken back."""
    if not folder.is_dir() or (folder / WORK_DIR / FIXES_DIR).is_dir() or not holds_lora(folder):
        return
    where = quote(from_here(folder))
    below = sorted({one.folder for one in walk(folder).pictures if one.folder})
    learn = f"; to learn the pictures in {below[0]}, name that folder" if len(below) == 1 else ""
    raise UsageError(
        f"{folder} is the folder of a LoRA, and no dataset.",
        hint=f"`hubtools inspect {where}` shows the LoRA, `hubtools push {where} OWNER/NAME"
        f" --dry-run` checks what would be published{learn}",
        code="wrong-kind",
    )
