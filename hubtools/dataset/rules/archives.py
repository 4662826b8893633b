"""D228: records beside an archive that holds their pictures."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity


@DATASET_RULES.rule("D228", "Records name pictures that are in an archive", Severity.ERROR)
def packed(view: Dataset) -> Iterator[Problem]:
    """Loaders look into a zip file, but metadata beside it speaks of files beside it: every row
    fails when it is asked for. Metadata of pictures in an archive lies in the archive. Tar files
    are read in another way (WebDataset): each record lies in a file of its own behind its picture.

    Example: images.zip and metadata.jsonl
    Fix: `hubtools fix` puts the metadata into the archive.
    """
    found: dict[tuple[str, str], list[tuple[int | None, str]]] = {}
    for row, name in view.named if view.packed else ():
        if name in view.packed:
            place = (row.source, view.packed[name].archive)
            found.setdefault(place, []).append((row.line, name))
    for (source, archive), rows in found.items():
        packable = archive.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))
        yield Problem(
            f"the pictures of {plural(len(rows), 'record')} are in {archive}"
            f" ({some([name for _, name in rows])}), and no loader finds them there",
            f"put the metadata into {archive}: `hubtools fix` does it"
            if packable
            else f"unpack it beside the metadata: tar xf {archive}",
            source,
            rows[0][0],
        )
