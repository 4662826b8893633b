"""D123 and D212 to D220: what loaders would make of the folder, where no other rule says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hubtools.dataset.loaders import Loaded, Mode, Outcome, Split
from hubtools.dataset.loaders.kinds import BOOL, FLOAT, INT, TIME, csv_kind, csv_value, json_kind
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity
from hubtools.layout import CARD, METADATA_NAMES, WORK_DIR

# The three that read records; DreamBooth scripts read bare folders of pictures.
_DATASETS = (Mode.AUTO, Mode.IMAGEFOLDER, Mode.DIFFUSERS)
_CALLS = {
    Mode.AUTO: "load_dataset(path) and the Hub's viewer",
    Mode.IMAGEFOLDER: 'load_dataset("imagefolder", data_dir=...)',
    Mode.DIFFUSERS: "the diffusers text-to-image scripts",
    Mode.DREAMBOOTH: "the DreamBooth scripts",
}


def _told(view: Dataset, rule: str | None) -> Iterator[tuple[str, Loaded]]:
    """(who, result) of each way of reading that stops for a reason that `rule` speaks of; ways
    that stop for the same reason are told together."""
    by_reason: dict[str, list[Mode]] = {}
    for mode in _DATASETS:
        loaded = view.loaders[mode]
        stops = loaded.outcome in (Outcome.RAISES, Outcome.MAY_RAISE, Outcome.BY_CHANCE)
        if stops and loaded.rule == rule:
            by_reason.setdefault(loaded.reason or "", []).append(mode)
    for modes in by_reason.values():
        who = "every loader" if len(modes) == len(_DATASETS) else _and(_CALLS[m] for m in modes)
        yield who, view.loaders[modes[0]]


def _and(words: Iterator[str]) -> str:
    return " and ".join(words)


def _failure(who: str, loaded: Loaded, reason: str | None = None) -> str:
    verb = "fails" if loaded.outcome is Outcome.RAISES else "may fail"
    return f"loading {verb} for {who}: {reason or loaded.reason}"


@DATASET_RULES.rule("D212", "Metadata files disagree about their columns", Severity.ERROR)
def columns_differ(view: Dataset) -> Iterator[Problem]:
    """The splits of a dataset must have the same columns, of the same types: otherwise
    `load_dataset` fails. Within one split the columns of one metadata file are taken for all, and
    which one it is changes from run to run: the other's captions are then lost without a word.
    Where all of them have the same columns after all, it is a note.

    Example: {"file_name": "a.png", "text": "..."} in train/, {"file_name": "b.png", "caption":
    "..."} in test/; or a column that is a number in one and only null in the other.
    Fix: give all metadata files the same keys, in the same order, with the same types.
    """
    for who, loaded in _told(view, "D212"):
        fix = "give all metadata files the same columns and types"
        if loaded.outcome is not Outcome.BY_CHANCE:
            yield Problem(_failure(who, loaded), fix)
            continue
        found = {frozenset(c for s in one.splits for c in s.columns) for one in loaded.alternatives}
        fails = any(one.outcome is Outcome.RAISES for one in loaded.alternatives)
        yield Problem(
            f"{loaded.reason} (for {who})",
            fix,
            severity=None if fails or len(found) > 1 else Severity.INFO,
        )


@DATASET_RULES.rule("D213", "A split is left without rows", Severity.ERROR)
def split_without_rows(view: Dataset) -> Iterator[Problem]:
    """As soon as one split has metadata, rows come from metadata alone: a later split that has
    pictures but no records is empty, and loading stops with "corresponds to no data".

    Example: train/metadata.jsonl and train/a.png, but in test only b.png
    Fix: write a metadata file for that split as well, or take its folder away.
    """
    if not view.listing.pictures and not view.metadata:
        return  # D120 speaks of it
    if view.loaders[Mode.AUTO].rule in ("D206", "D207"):
        return  # and they of other files in the place of the pictures
    for who, loaded in _told(view, "D213"):
        yield Problem(
            _failure(who, loaded),
            "give every split records of its own, or remove what makes the split",
        )


@DATASET_RULES.rule("D214", "The card's `configs:` cannot be loaded", Severity.ERROR)
def bad_configs(view: Dataset) -> Iterator[Problem]:
    """`configs:` in README.md decides which files `load_dataset` and the Hub read. A pattern that
    names nothing, a split name with a dash or several configs without a default make both fail;
    scripts that read the folder itself go on working, so nobody notices at home.

    Example: `split: my-split`, `path: images/**.png`
    Fix: correct the entry; `hubtools card` writes one that fits.
    """
    for who, loaded in _told(view, "D214"):
        place, _, reason = (loaded.reason or "").partition(": ")
        name, _, line = place.partition(":")
        at = int(line) if name == CARD and line.isdecimal() else None
        reason = reason if name == CARD else loaded.reason or ""
        yield Problem(
            _failure(who, loaded, reason), "correct `configs:` in the front matter", CARD, at
        )


@DATASET_RULES.rule("D215", "A loader fails on the whole set", Severity.ERROR)
def fails(view: Dataset) -> Iterator[Problem]:
    """What is left of the reasons for which loading raises, after those that have a rule of their
    own: `::` in a name, splits that would be read by different modules, pictures in zip archives
    with label folders, broken archives, and the like. Where it may fail, and need not, it is a
    warning.

    Fix: what the finding says; `hubtools validate --format json` has the whole answer of every
    loader under facts.loaders.
    """
    for who, loaded in _told(view, None):
        sure = loaded.outcome is Outcome.RAISES
        if loaded.outcome is Outcome.MAY_RAISE and loaded.splits:
            continue  # rows are known: only the decoding of files that are no pictures is not
        yield Problem(
            _failure(who, loaded),
            "change what the finding names",
            severity=None if sure else Severity.WARNING,
        )


@DATASET_RULES.rule("D216", "Loaders read the dataset differently", Severity.WARNING)
def disagree(view: Dataset) -> Iterator[Problem]:
    """Nothing fails and nothing is lost, and yet the loaders do not give the same rows. Where only
    splits are ignored this is no more than a note: the diffusers text-to-image scripts read
    everything below the folder as train, your test and validation pictures too.

    Likewise load_dataset("imagefolder", ...) knows nothing of the card's `configs:`.

    Fix: train from a folder that holds the training pictures only; hubtools itself trains on the
    split train as `load_dataset(path)` gives it.
    """
    ways = [view.loaders[mode] for mode in _DATASETS]
    auto, folder, diffusers = ways
    if auto.outcome is not Outcome.LOADS or auto.lost or any(map(_again, auto.splits)):
        return  # there is worse to say
    if view.card.data.get("configs") and folder.shape != auto.shape:
        yield Problem(
            f"{_CALLS[Mode.IMAGEFOLDER]} does not read the card's `configs:`, and gets"
            f" {_rows(folder) or 'nothing'}",
            "load it by its path",
            CARD,
            severity=Severity.INFO,
        )
    elif folder.outcome is not Outcome.LOADS or folder.lost:
        return
    if diffusers.outcome is not Outcome.LOADS or diffusers.lost:
        return
    held = sum(split.rows or 0 for split in auto.splits if split.name != "train")
    totals = {sum(split.rows or 0 for split in way.splits) for way in (auto, diffusers)}
    columns = {split.columns for way in (auto, diffusers) for split in way.splits}
    if len(totals) == 1 and len(columns) == 1:
        if held:
            yield Problem(
                f"the diffusers text-to-image scripts know no splits: they would train on"
                f" {plural(held, 'row')} of {_splits(auto)} too",
                "give them a folder without those pictures",
                severity=Severity.INFO,
            )
    else:
        said = "; ".join(f"{_CALLS[way.mode]}: {_rows(way)}" for way in (auto, diffusers))
        yield Problem(f"the loaders disagree: {said}", "let `hubtools card` write `configs:`")


def _splits(loaded: Loaded) -> str:
    return " and ".join(split.name for split in loaded.splits if split.name != "train")


def _rows(loaded: Loaded) -> str:
    return ", ".join(
        f"{plural(split.rows or 0, 'row')} in {split.name} ({', '.join(split.columns)})"
        for split in loaded.splits
    )


def _again(split: Split) -> list[str]:
    """Pictures that are more than one row, where rows do not come from records."""
    counts = Counter(name for name in split.files if name)
    return [name for name, count in counts.items() if count > 1]


@DATASET_RULES.rule("D217", "A picture is loaded twice", Severity.ERROR)
def twice(view: Dataset) -> Iterator[Problem]:
    """A path that holds two words for the same split (train/training/a.png, train_train_1.png)
    matches two patterns of the loader, or `configs:` names a file by two patterns: without
    metadata it is then a row each time.

    Example: train/training/a.png
    Fix: rename the folder or file, or write patterns that do not overlap.
    """
    if view.metadata:
        return  # rows come from records then, and D203 looks at those
    for split in view.loaders[Mode.AUTO].splits:
        if again := _again(split):
            yield Problem(
                f"{plural(len(again), 'picture')} of the split {split.name} would be loaded more"
                " than once",
                "rename the folder or file, or correct the patterns of `configs:`",
                again[0],
            )


@DATASET_RULES.rule("D218", "The captions are not the second column", Severity.INFO)
def not_second(view: Dataset) -> Iterator[Problem]:
    """The diffusers text-to-image scripts take the second column for the caption unless they are
    told: with {"file_name", "id", "text"} they train on the ids.

    Example: {"file_name": "a.png", "id": "0001", "text": "a cat"}
    Fix: write the caption right behind file_name, or start them with --caption_column.
    """
    column = view.settings.caption_column
    loaded = view.loaders[Mode.DIFFUSERS]
    for split in loaded.splits[:1]:
        if column in split.columns and len(split.columns) > 1 and split.columns[1] != column:
            yield Problem(
                f"the diffusers scripts would take the column {split.columns[1]} for captions",
                f"write {column} right behind file_name, or give them --caption_column={column}",
                view.metadata[0].name if view.metadata else None,
            )


@DATASET_RULES.rule("D219", "DreamBooth scripts stop at a file", Severity.WARNING)
def dreambooth(view: Dataset) -> Iterator[Problem]:
    """The DreamBooth scripts open everything that lies in --instance_data_dir as a picture: a text
    file, a folder, even .DS_Store stops them with UnidentifiedImageError or IsADirectoryError.
    Only folders without metadata are meant for them, so only those are looked at. The folder
    .hubtools, which `fix` and `review` make, stops them too; it is not told, as it is never
    published: give those scripts a copy without it.

    Fix: leave nothing but pictures at the top of the folder.
    """
    loaded = view.loaders[Mode.DREAMBOOTH]
    if view.metadata or not any("/" not in entry.name for entry in view.listing.pictures):
        return
    if loaded.outcome is Outcome.RAISES:
        name, _, why = (loaded.reason or "").rpartition(": ")
        if name == WORK_DIR:
            return
        yield Problem(
            f"the DreamBooth scripts open everything here as a picture, and stop at it: {why}",
            "leave nothing but pictures at the top of the folder",
            name,
        )


@DATASET_RULES.rule("D220", "The card's `configs:` leave files out", Severity.WARNING)
def left_out(view: Dataset) -> Iterator[Problem]:
    """A pattern like `*.png` names the pictures but not metadata.jsonl: `load_dataset` and the
    Hub's viewer then show pictures without captions, and nothing says so. Pictures that no pattern
    names are not shown at all.

    Example: configs: [{config_name: default, data_files: "*.png"}]
    Fix: let the patterns name the metadata files too, e.g. `path: "**"`.
    """
    if not view.card.data.get("configs"):
        return
    lost = [one for one in view.loaders[Mode.AUTO].lost if "none of the splits" in one.reason]
    metadata = [one.name for one in lost if one.name.rpartition("/")[2] in METADATA_NAMES]
    pictures = [one.name for one in lost if one.name not in metadata]
    for name in metadata:
        yield Problem(
            f"no pattern of `configs:` names {name}: its captions are not loaded",
            "let the patterns name the metadata files too",
            CARD,
        )
    if pictures:
        yield Problem(
            f"no pattern of `configs:` names {plural(len(pictures), 'picture')}: {some(pictures)}",
            "widen the patterns, or remove the files",
            CARD,
        )


_READ_AS = {TIME: "dates", BOOL: "true or false", INT: "numbers", FLOAT: "numbers"}


@DATASET_RULES.rule("D123", "Captions are read as dates or numbers", Severity.ERROR)
def captions_become(view: Dataset) -> Iterator[Problem]:
    """If every caption of a file looks like a date, the loader makes times of them; in a CSV file
    numbers and true or false as well (007 becomes 7). The trainer then finds no text.

    Example: {"file_name": "a.png", "text": "2024-05-01"} in every record
    Fix: describe the pictures in words.
    """
    column = view.settings.caption_column
    for file in view.metadata:
        values = [row.values.get(column) for row in file.rows]
        first = next((value for value in values if value is not None), None)
        text = first.strip() if isinstance(first, str) else ""
        if not text or (text[0].isalpha() and text.lower() not in ("true", "false")):
            continue  # one look at the first spares one at all
        texts = [value if isinstance(value, str) else None for value in values]
        if file.entry.ending == ".csv":
            kind = csv_kind(csv_value(text) if text is not None else None for text in texts)
        elif file.entry.ending == ".jsonl":
            kind = json_kind(texts)
        else:
            continue
        read_as = _READ_AS.get(kind) if isinstance(kind, str) else None
        if read_as:
            yield Problem(
                f"every caption ({first!r}, ...) is read as {read_as}, not as text",
                "describe the pictures in words",
                *view.where(file.rows[0]),
            )
