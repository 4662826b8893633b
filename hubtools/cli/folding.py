"""Lists of files to be read: many of one folder, for one reason, are one line."""

from __future__ import annotations

from collections.abc import Iterable

_EACH = 4  # files of a folder that are listed one by one

Row = tuple[str, str, int, str]  # path, verdict, bytes, reason


def folded(rows: Iterable[Row], whole: Iterable[str] = ()) -> list[Row]:
    """The same with one row for all files of a folder that have one verdict and one reason, where
    they are more than four. Rows of a verdict in `whole` stay as they are."""
    kept = frozenset(whole)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        path, verdict, _, reason = row
        folder = path if verdict in kept else path.rpartition("/")[0]
        groups.setdefault((folder, verdict, reason), []).append(row)
    found: list[Row] = []
    for (folder, verdict, reason), members in groups.items():
        if folder and len(members) > _EACH:
            size = sum(row[2] for row in members)
            found.append((f"{folder}/ ({len(members)} files)", verdict, size, reason))
        else:
            found += members
    return found
