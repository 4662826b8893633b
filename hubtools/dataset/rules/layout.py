"""D2xx: pictures and records that do not find each other, and names that mislead loaders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from typing import Any

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.folder.names import escapes, fold, trouble_of
from hubtools.dataset.folder.splits import infer_splits
from hubtools.dataset.loaders import Mode
from hubtools.dataset.loaders.endings import endings_of
from hubtools.dataset.metadata import FILE_NAME, Row
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.pictures.formats import proper_ending
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.rules.partners import text_columns
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity
from hubtools.layout import CARD, EXCLUDED_DIR, METADATA_NAMES

_EXPORT = "export it as PNG or JPEG"
_CONVERT = f"{_EXPORT}, or have `fix` do it: --unsafe convert"
_CONVERTED = frozenset([".heic", ".heif", ".avif", ".jxl"])


@DATASET_RULES.rule("D201", "A record's picture does not exist", Severity.ERROR)
def missing_picture(view: Dataset) -> Iterator[Problem]:
    """The loader does not look: the row loads, and the trainer stops with FileNotFoundError when
    it comes to this picture. Names that look equal may differ in case or in how an accented
    letter is composed (macOS writes them differently).

    Example: {"file_name": "A.png", ...}, and the file is called a.png
    Fix: correct the name, or add the picture; if it is gone for good, `hubtools fix --unsafe
    drop-rows` drops its record.
    """
    names = view.listing.names
    missing = [(row, name, "") for row, name in view.named if name not in names]
    missing += [
        (one.row, one.name, f" ({one.key})")
        for one in view.partners
        if one.name is not None and one.name not in names and not escapes(one.name)
    ]
    # D228 speaks of those in archives, D705 of folders that cannot be read
    missing = [
        one for one in missing if one[1] not in view.packed and not view.listing.hides(one[1])
    ]
    if not missing:
        return
    folded = {_fold(name): name for name in names}
    by_base: dict[str, list[str]] = {}
    for name in names:
        by_base.setdefault(_fold(name.rpartition("/")[2]), []).append(name)
    for row, name, column in missing:
        fix = "correct the name, or add the picture"
        if not column:
            fix += "; `hubtools fix --unsafe drop-rows` drops the record"
        near = folded.get(_fold(name))
        elsewhere = by_base.get(_fold(name.rpartition("/")[2]), [])
        if near is not None:
            difference = (
                "upper and lower case differ"
                if near.casefold() == name.casefold()
                else "accents are composed differently, or spaces differ"
            )
            fix = f"there is {near}: {difference}"
        elif elsewhere:
            fix = f"there is {elsewhere[0]}: names are relative to the metadata file"
        yield Problem(f"there is no picture {name}{column}", fix, *view.where(row))


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


@DATASET_RULES.rule("D202", "A picture has no record", Severity.ERROR)
def picture_without_row(view: Dataset) -> Iterator[Problem]:
    """Rows come from the metadata alone: a picture that it does not name is dropped without a
    word. A set of 21 pictures with one row trains for hours on one picture.

    Fix: add a record for it, or remove the picture.
    """
    if not view.metadata:
        return
    # D227 speaks of those in columns of texts
    covered = view.mentioned.union(*(names for _, _, names in text_columns(view)))
    lost = [entry.name for entry in view.listing.pictures if entry.name not in covered]
    if len(lost) > 20:
        yield Problem(
            f"{len(lost)} of {plural(len(view.listing.pictures), 'picture')} have no record and are"
            f" dropped in silence: {some(lost)}",
            "add a record for each",
            lost[0],
        )
        return
    for name in lost:
        yield Problem(
            "no record names this picture; the loader drops it in silence",
            "add a record for it, or remove it",
            name,
        )


@DATASET_RULES.rule("D203", "A picture has several records", Severity.ERROR)
def duplicate_row(view: Dataset) -> Iterator[Problem]:
    """Every record is a row: a picture named twice is trained twice as much, with both captions.
    A picture that is made from another one in each of them is not meant.

    Example: {"file_name": "a.png", "text": "a cat"} and {"file_name": "a.png", "text": "a dog"}
    Fix: remove one of the records.
    """
    for name, rows in view.rows_of.items():
        known: dict[tuple[str, ...], Row] = {}
        for row in rows if len(rows) > 1 else ():
            given = tuple(n for key in view.roles_at(row).controls for n in row.named(key))
            first = known.setdefault(given, row)
            if first is row:
                continue
            yield Problem(
                f"{name} has a record already, at {first.source}:{first.line or '?'}",
                "remove one of them",
                *view.where(row),
            )


@DATASET_RULES.rule("D204", "A record names a file outside the folder", Severity.ERROR)
def outside(view: Dataset) -> Iterator[Problem]:
    """Names must be relative and stay inside the dataset. Absolute paths, .. and addresses are
    refused by the loaders, and mean nothing on another machine.

    Example: {"file_name": "../other/a.png"} or {"file_name": "C:\\\\pictures\\\\a.png"}
    Fix: copy the picture into the folder and name it relative to the metadata file.
    """
    for row, name, raw in _raw_names(view):
        if name == raw and raw[0] not in "~./" and ":" not in raw and "\\" not in raw:
            continue  # nearly all, and there may be a million
        if isinstance(raw, str):
            drive = len(raw) > 2 and raw[1] == ":" and raw[2] in "\\/"
            climbs = os.path.normpath(raw).replace("\\", "/").startswith("../")
            if escapes(name) or escapes(raw) or climbs or drive:
                yield Problem(
                    f"{raw!r} leads out of the dataset; loading fails",
                    "copy the picture into the folder and name it relative to the metadata file",
                    *view.where(row),
                )


def _raw_names(view: Dataset) -> Iterator[tuple[Row, str, Any]]:
    """(row, file it names, as the record has it), of all columns."""
    for row, name in view.resolved():
        yield row, name, row.values.get(view.roles_at(row).image or FILE_NAME)
    for one in view.partners:
        value = one.row.values.get(one.key)
        for raw in value if isinstance(value, list) else [value]:
            found = resolved(one.row.source.rpartition("/")[0], raw)
            if found is not None and found == one.name:
                yield one.row, found, raw


@DATASET_RULES.rule("D205", "Captions lie outside the folders of their split", Severity.ERROR)
def root_metadata(view: Dataset) -> Iterator[Problem]:
    """With pictures in train/ and test/ the loader looks for metadata inside those folders. A
    metadata.jsonl at the root is ignored: the captions are gone, and the columns become image
    and label.

    Example: metadata.jsonl, train/a.png, test/b.png
    Fix: move the records into train/metadata.jsonl and test/metadata.jsonl (file names relative
    to those), or let the card's `configs:` name the files.
    """
    if _has_configs(view):
        return
    splits = infer_splits(_visible(view))
    if splits.reason != "folder":
        return
    ignored = [file for file in view.metadata if file.name in splits.dropped and file.rows]
    for file in ignored:
        yield Problem(
            f"{plural(len(file.rows), 'caption')} here {'is' if len(file.rows) == 1 else 'are'}"
            " ignored, because the loader takes"
            f" {some(splits.culprits)} for splits",
            "move the records into those folders, or let `hubtools card` write `configs:`",
            file.name,
        )


def _has_configs(view: Dataset) -> bool:
    configs = view.card.data.get("configs")
    return isinstance(configs, list) and any(
        isinstance(config, dict) and config.get("data_files") for config in configs
    )


def _visible(view: Dataset) -> list[str]:
    return [entry.name for entry in view.listing.entries if not entry.hidden]


@DATASET_RULES.rule("D206", "A name makes the loader drop the other pictures", Severity.ERROR)
def split_keyword(view: Dataset) -> Iterator[Problem]:
    """The loader guesses splits from words in names: train, test, val, dev, eval and the like,
    between dots, dashes, digits or spaces. As soon as one file matches, those that match nothing
    are dropped. A picture called dress-test-2.png turns a set of 21 into a test split of one.

    Example: dress-test-2.png, or a folder called "dev kit"
    Fix: rename the file or folder, or let the card's `configs:` name the files (`hubtools card`
    writes it).
    """
    if _has_configs(view):
        return
    splits = infer_splits(_visible(view))
    if splits.reason == "none":
        return
    pictures = {entry.name for entry in view.listing.pictures}
    lost = [name for name in splits.dropped if name in pictures]
    if lost:
        found = ", ".join(splits.files)
        yield Problem(
            f"the name makes the loader see the split {found} only, and drop"
            f" {plural(len(lost), 'other picture')}: {some(lost)}",
            "rename it, or let `hubtools card` write `configs:` into the card",
            splits.culprits[0],
        )


@DATASET_RULES.rule("D207", "Other files outnumber the pictures", Severity.ERROR)
def outvoted(view: Dataset) -> Iterator[Problem]:
    """The loader is chosen by the most frequent ending. One .txt or .json beside each picture is
    enough to load a dataset of texts, without a single picture.

    Example: a.png, a.txt, b.png, b.txt
    Fix: move the sidecar files out of the folder; their captions belong into metadata.jsonl.
    """
    module = view.loaders[Mode.AUTO].module if view.listing.pictures else None
    if module in (None, "imagefolder"):
        return
    names = [name for name in _visible(view) if name not in (CARD, *METADATA_NAMES)]
    if infer_splits(names).reason == "special":
        return  # D206 speaks of it
    endings = endings_of(str(module))
    others = [n for n in names if any("." + part in endings for part in n.lower().split(".")[1:])]
    yield Problem(
        f"{plural(len(others), 'other file')} outvote the pictures: load_dataset(path) and the Hub"
        f" take the module {module} and see no folder of pictures",
        "move them out of the dataset",
        others[0] if others else None,
    )


@DATASET_RULES.rule("D208", "A picture's ending is not loaded", Severity.WARNING)
def foreign(view: Dataset) -> Iterator[Problem]:
    """.heic, .avif, .jxl, .svg and raw files are pictures to you but not to the loader, which
    passes them by. So it does with a picture that has no ending, or one such as .jpg?w=300. Of a
    picture that a record names it is an error.

    Example: IMG_0042.HEIC
    Fix: export them as PNG or JPEG (`hubtools fix --unsafe convert`); give the others an ending.
    """
    named = view.mentioned
    for entry in view.listing.entries:
        if entry.ending in FOREIGN_ENDINGS and not entry.junk:
            if entry.name in view.disguised:
                continue  # it is said below
            if entry.name in named and entry.ending == ".avif":
                continue  # decodes when a record names it
            facts = view.pictures.get(entry.name)
            other = facts is not None and facts.format and proper_ending(facts.format)
            if other and other not in FOREIGN_ENDINGS:
                continue  # D303 says what its content is
            yield Problem(
                f"{entry.ending} files are not loaded",
                _CONVERT if entry.ending in _CONVERTED else _EXPORT,
                entry.name,
                severity=Severity.ERROR if entry.name in named else None,
            )
    for name, format in view.disguised.items():
        yield Problem(
            f"the content is {format}, but no loader takes a file of this name for a picture",
            f"give it the ending {proper_ending(format)}",
            name,
        )


@DATASET_RULES.rule("D209", "A picture is hidden or linked", Severity.WARNING)
def hidden(view: Dataset) -> Iterator[Problem]:
    """Names that begin with a dot (or folders with two underscores) are passed by, linked folders
    are not entered, and a linked file is uploaded as a copy of what it points to, wherever that
    is.

    Example: .a.png, or a folder that is a link to ~/Pictures
    Fix: rename it, or put the file itself there.
    """
    kept = view.root.parent.name == "snapshots"  # by the Hub's client, as links to its blobs
    for entry in view.listing.entries:
        if entry.junk or entry.base in METADATA_NAMES:
            continue
        picture = entry.ending in PICTURE_ENDINGS
        if entry.name.startswith(f"{EXCLUDED_DIR}/"):
            continue  # hidden on purpose
        if picture and entry.hidden and entry.name not in view.mentioned:
            yield Problem("the name hides the picture from the loader", "rename it", entry.name)
        elif entry.link and picture and (entry.outside or not kept):
            yield Problem(
                "the picture is a symbolic link; hubtools does not publish what links point to",
                "put the file itself there",
                entry.name,
            )
    for folder in view.listing.linked_folders:
        yield Problem(
            "the folder is a symbolic link; the loader does not enter it",
            "put the folder itself there",
            folder,
        )


@DATASET_RULES.rule("D210", "Metadata at two levels names the same picture", Severity.ERROR)
def doubled_metadata(view: Dataset) -> Iterator[Problem]:
    """A metadata file at the root and one in a sub-folder that speak of the same pictures give
    every picture twice.

    Example: metadata.jsonl names cats/a.png, and so does cats/metadata.jsonl, as a.png
    Fix: keep one of the two files.
    """
    twice: dict[tuple[str, str], int] = {}
    for rows in view.rows_of.values():
        sources = sorted({row.source for row in rows}) if len(rows) > 1 else ()
        if len(sources) > 1:
            twice[sources[0], sources[1]] = twice.get((sources[0], sources[1]), 0) + 1
    for (one, other), count in twice.items():
        yield Problem(
            f"{one} and {other} both name {plural(count, 'picture')}", "keep one of them", other
        )


@DATASET_RULES.rule("D211", "An ending is written in mixed case", Severity.WARNING)
def mixed_case(view: Dataset) -> Iterator[Problem]:
    """Endings are looked up all lower or all upper case: .JpEg is passed by.

    Example: holiday.JpEg
    Fix: write it in lower case.
    """
    for entry in view.listing.pictures:
        written = entry.name[-len(entry.ending) :]
        if written not in (entry.ending, entry.ending.upper()) and entry.name not in view.mentioned:
            yield Problem(f"{written} is passed by", "write the ending in lower case", entry.name)


@DATASET_RULES.rule("D221", "Windows cannot have a file of this name", Severity.WARNING)
def portable_names(view: Dataset) -> Iterator[Problem]:
    """Who downloads or clones the dataset on Windows (or, for names that differ in case or in how
    accents are composed, on a Mac) gets an error, or one file in place of two.

    Example: CON.png, aux.jpg, a?b.png, "a.png ", Hat.png beside hat.png
    Fix: rename it.
    """
    troubles = dict(name_troubles(view))
    if len(troubles) > 20:
        first, reason = next(iter(troubles.items()))
        yield Problem(
            f"Windows cannot have {plural(len(troubles), 'file')} of these names"
            f" ({some(troubles)}): {reason}, for one",
            "rename them",
            first,
        )
        return
    for name, reason in troubles.items():
        yield Problem(f"Windows cannot have a file of this name: {reason}", "rename it", name)


def name_troubles(view: Dataset) -> Iterator[tuple[str, str]]:
    """(file, why Windows cannot have it), for D221."""
    seen: dict[str, str] = {}
    for entry in view.listing.entries:
        if entry.junk or entry.hidden:
            continue
        other = seen.setdefault(fold(entry.name), entry.name)
        reason = next(filter(None, map(trouble_of, entry.name.split("/"))), None)
        if other != entry.name:
            reason = f"it is taken for {other}, on a Mac too"
        if reason is not None:
            yield entry.name, reason
