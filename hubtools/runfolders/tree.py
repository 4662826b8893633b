"""The files below a folder, links unfollowed."""

from __future__ import annotations

import os
import stat

from hubtools.layout import WORK_DIR
from hubtools.rooted import Root


def files_below(root: Root) -> list[tuple[str, os.stat_result]]:
    """(relative name, lstat) of everything that is no folder; links are not followed and hubtools'
    own folder is left out."""
    found, todo = [], [""]
    while todo:
        folder = todo.pop()
        for entry in root.list(folder):
            if entry == WORK_DIR:
                continue
            name = f"{folder}/{entry}" if folder else entry
            facts = root.stat(name)
            if facts is None:
                continue  # gone since
            if stat.S_ISDIR(facts.st_mode):
                todo.append(name)
            else:
                found.append((name, facts))
    return sorted(found, key=lambda one: one[0])
