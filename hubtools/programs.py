"""Programs that are installed, by their full path.

By its bare name Windows looks for a program in the working directory first, other systems do where
PATH says so, and a folder of pictures may hold a `git.exe`.
"""

from __future__ import annotations

import os
from pathlib import Path

# Of Windows' endings those that are programs: a script would read its words anew.
_ENDINGS = (".exe", ".com") if os.name == "nt" else ("",)


def program(name: str, folders: str | None = None) -> str | None:
    """The full path of the program that people call `name`; None if the absolute ones of the
    folders, which are written as in PATH (default: those of PATH), have none. A name with a folder
    in it is taken as it is."""
    if len(Path(name).parts) > 1:
        return name if _runs(Path(name)) else None
    if folders is None:
        folders = os.environ.get("PATH", os.defpath)
    for folder in map(Path, folders.split(os.pathsep)):
        for ending in _ENDINGS if folder.is_absolute() else ():
            path = folder / (name if name.lower().endswith(ending) else name + ending)
            if _runs(path):
                return str(path)
    return None


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
