"""A dataset of shards as a project has it: loose pictures and their metadata."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from hubtools.dataset.folder.listing import walk
from hubtools.dataset.packing.unpack import unshard
from hubtools.journey.copying import Aside, is_copy, refuse_to_mix
from hubtools.journey.said import caption_column
from hubtools.layout import WORK_DIR
from hubtools.rooted import Root


def unpack(source: Path, target: Path, *, aside: Aside | None) -> tuple[int, str]:
    """Unpack shards into the folder `target`; give (pictures, caption column). Raises
    `HubtoolsError` if something else is there and there is no `aside` for it."""
    busy = target.is_dir() and any(target.iterdir())
    # a name that nothing has: what a killed run has left there may have become somebody's
    inner = f"{WORK_DIR}/unpacked-{secrets.token_hex(8)}"
    place = target.parent / inner if busy else target
    pictures = unshard(source, place).pictures
    if busy:
        try:
            names = [entry.name for entry in walk(place).entries]
            if aside is None:
                refuse_to_mix(target, {name: (place, name) for name in names}, {})
            with (
                Root(target.parent) as above,
                above.inside(inner) as given,
                above.inside(target.name) as root,
            ):
                for name in names:
                    if aside is not None and not is_copy(target / name, place / name):
                        aside.keep(f"{target.name}/{name}")
                    if not root.exists(name):
                        with given.open(name) as file, root.filling(name) as copy:
                            shutil.copyfileobj(file, copy, 1 << 20)
        finally:
            with Root(target.parent) as root:
                root.remove_tree(inner)
    return pictures, caption_column(target, list(walk(target).metadata))
