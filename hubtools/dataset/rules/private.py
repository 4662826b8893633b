"""D701, D706, D712 to D714: what pictures and the files beside them tell about people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity, shortened
from hubtools.leaks import local_paths

_FIX = "`hubtools fix` blanks it, and touches no pixel"
_FIX_APART = (
    "`hubtools fix` blanks it where it lies apart from the picture (HEIC, films); else leave the"
    " file out"
)


def _private(view: Dataset, field: str) -> Iterator[tuple[str, Any, str]]:
    """(picture, what it says, fix) of all files that are pictures to anybody."""
    table = view.table
    mask = table.column("gps") if field == "gps" else ~table.has(field, "")
    for facts in table.select(mask):
        yield facts.name, getattr(facts, field), _FIX if facts.format else _FIX_APART
    for name, private in view.apart.items():
        if value := getattr(private, field):
            yield name, value, _FIX_APART


@DATASET_RULES.rule(
    "D701", "A picture's metadata holds the place where it was taken", Severity.ERROR
)
def gps(view: Dataset) -> Iterator[Problem]:
    """Phones write the position into the picture. Published with the dataset, it may be somebody's
    home; parquet shards keep it too. Looked at are EXIF and XMP of pictures of every format, also
    of those that are called otherwise or that no loader takes, of further pictures in a file, and
    films behind a picture's end.

    Fix: `hubtools fix` blanks the position, and touches no pixel. It says what it cannot edit.
    """
    for name, _, fix in _private(view, "gps"):
        yield Problem("the picture's metadata holds a GPS position", fix, name)


@DATASET_RULES.rule("D706", "A picture's metadata names its owner or camera", Severity.WARNING)
def owner(view: Dataset) -> Iterator[Problem]:
    """Cameras write their serial number and their owner's name into each picture, Windows that of
    its user. With it, other pictures of the same person can be found. (Artist and copyright are
    meant to be read, and are no problem.)

    Fix: `hubtools fix` blanks the tags, and touches no pixel.
    """
    for name, said, fix in _private(view, "owner"):
        yield Problem(f"the picture's metadata holds {said}", fix, name)


@DATASET_RULES.rule("D712", "A picture's metadata names people or a place", Severity.WARNING)
def people(view: Dataset) -> Iterator[Problem]:
    """Photo programs write the names of people and where their faces are (XMP regions, persons of
    IPTC, keywords such as People|Jane), and the names of town and country.

    Fix: `hubtools fix` blanks them, and touches no pixel.
    """
    for name, said, fix in _private(view, "people"):
        yield Problem(f"the picture's metadata names {said}", fix, name)


@DATASET_RULES.rule("D713", "A file beside the pictures holds personal data", Severity.ERROR)
def besides(view: Dataset) -> Iterator[Problem]:
    """Exports and programs put files beside pictures that hold what was taken out of the pictures:
    Google Takeout's .json (positions, people, addresses), XMP with positions or names, Apple's
    .AAE, Picasa's faces, Windows' Zone.Identifier (where a file was downloaded), tracks of
    positions, films with one (the .MOV of a Live Photo). They are found by what is in them,
    whatever they are called. A file that no push takes along is a note.

    Example: IMG_1.jpg.supplemental-metadata.json
    Fix: `hubtools fix` takes them out; its journal keeps them until --purge.
    """
    junk = {entry.name for entry in view.listing.entries if entry.junk}
    found: dict[tuple[str, bool], list[str]] = {}
    for name, what in view.besides.items():
        found.setdefault((what, name in junk), []).append(name)
    for (what, left_out), names in found.items():
        shown = names[:20] if len(names) <= 20 else names[:1]
        for name in shown:
            many = f" ({plural(len(names), 'file')}: {some(names)})" if len(names) > 20 else ""
            yield Problem(
                f"the file is {what}{many}" + (", and is not pushed" if left_out else ""),
                "`hubtools fix` takes it out",
                name,
                severity=Severity.INFO if left_out else None,
            )


@DATASET_RULES.rule("D714", "A record names a path of a machine", Severity.WARNING)
def paths(view: Dataset) -> Iterator[Problem]:
    """A path into somebody's home folder tells the account's name, which is a person's name more
    often than not, and means nothing to anybody else. In a caption it is learnt as well.

    Example: {"file_name": "a.png", "source": "C:\\Users\\jane\\Pictures\\a.png"}
    Fix: remove it, or the column.
    """
    for row in view.rows:
        for key, value in row.values.items():
            if key == FILE_NAME:
                continue
            for text in _texts(value):
                if ("/" in text or "\\" in text) and (path := next(local_paths(text), None)):
                    yield Problem(
                        f"{key} holds the path {shortened(path[0])!r}",
                        "remove it",
                        *view.where(row),
                    )
                    break


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value of a record, as deep as records go."""
    pending = [value]
    seen = 0
    while pending and seen < 1000:
        one = pending.pop()
        seen += 1
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            pending += one.values()
        elif isinstance(one, (list, tuple)):
            pending += one
