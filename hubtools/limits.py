"""What the Hub takes (hub-docs, storage limits, as of August 2026)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

IN_FOLDER = 10_000  # entries of one folder; a push with more is rejected after the upload
IN_REPO = 100_000  # files; recommended
LARGE_FILE, TOO_LARGE_FILE = 200 * 10**9, 500 * 10**9  # bytes; recommended, refused


def crowded_folders(names: Iterable[str]) -> dict[str, int]:
    """Folders of more entries than the Hub takes, and how many they have: files and sub-folders
    right in them. `names` are files relative to the repository, with `/`; the top level is ""."""
    counts = Counter(name.rpartition("/")[0] for name in names)
    known = {""}
    for folder in list(counts):
        while folder not in known:
            known.add(folder)
            folder = folder.rpartition("/")[0]
            counts[folder] += 1
    return {folder: count for folder, count in counts.items() if count > IN_FOLDER}
