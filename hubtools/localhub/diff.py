"""The difference of two commits as git shows it."""

from __future__ import annotations

import difflib

from hubtools.localhub.gitids import lfs_pointer
from hubtools.localhub.model import File, Snapshot
from hubtools.localhub.store import Store

_NO_FILE = "0" * 40
_LONGEST = 256 * 1024  # a longer text is not compared line by line


def diff_of(store: Store, before: Snapshot, after: Snapshot) -> str:
    """A unified diff, file by file; a Git LFS file shows its pointer."""
    parts: list[str] = []
    for path in sorted({*before.files, *after.files}):
        old, new = before.files.get(path), after.files.get(path)
        if old == new:
            continue
        parts.append(f"diff --git a/{path} b/{path}\n")
        if old is None:
            parts.append("new file mode 100644\n")
        if new is None:
            parts.append("deleted file mode 100644\n")
        ids = [(file.oid if file else _NO_FILE) for file in (old, new)]
        parts.append(f"index {ids[0]}..{ids[1]}\n")
        left, right = _text(store, before, path, old), _text(store, after, path, new)
        if left is None or right is None:
            parts.append(f"Binary files a/{path} and b/{path} differ\n")
            continue
        for line in difflib.unified_diff(
            left,
            right,
            f"a/{path}" if old else "/dev/null",
            f"b/{path}" if new else "/dev/null",
        ):
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def _text(store: Store, snapshot: Snapshot, path: str, file: File | None) -> list[str] | None:
    """The lines of a text file; None for anything else."""
    if file is None:
        return []
    if file.sha256 is not None:
        data: bytes | None = lfs_pointer(file.sha256, file.size)
    else:
        data = store.read_small(snapshot, path, _LONGEST)
    try:
        return data.decode("utf-8").splitlines(keepends=True) if data is not None else None
    except UnicodeDecodeError:
        return None
