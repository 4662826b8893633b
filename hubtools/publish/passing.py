"""A release of many pictures, read file by file while worker processes decode what has passed.

The search for secrets takes about as long as the decoding; one behind the other, each would wait
for the other's end with a processor that has nothing to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.scan_cache import ScanCache, place_of
from hubtools.dataset.scan.scanning import POOL_FILES, scan_stream
from hubtools.dataset.sources.model import Read
from hubtools.publish.release import Decoded, Release, ReleaseFile
from hubtools.rooted import Root


def decoded_in_passing(release: Release, root: Root) -> Release:
    """`release.looked_at(root)`, with the facts of those pictures that were held in memory and that
    no earlier scan knows. Raises as `HashedFile.at`."""
    pictures_there = (file for file in release.files if Entry(file.name, 0, 0).is_picture)
    if sum(1 for _ in islice(pictures_there, POOL_FILES)) < POOL_FILES:
        return release.looked_at(root)
    begun_ns = time.time_ns()
    memory = ScanCache.load(place_of(release.root))
    files: list[ReleaseFile] = []

    def pictures() -> Iterator[Read]:
        for file, data in release.each_looked_at(root):
            files.append(file)
            entry = _entry(file)
            if data is not None and entry.is_picture and memory.row(entry) is None:
                yield entry, data

    table = scan_stream(memory, pictures())
    return replace(release, opened=root, files=tuple(files), decoded=Decoded(table, begun_ns))


def _entry(file: ReleaseFile) -> Entry:
    """A file as a walk lists it, at the moment when it was hashed."""
    assert file.hashed is not None
    _, _, size, mtime_ns, ctime_ns = file.hashed.stamp
    return Entry(file.name, size, mtime_ns, ctime_ns=ctime_ns)
