"""D1xx: the metadata files themselves."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PUT_PICTURES
from hubtools.dataset.loaders import Mode, Outcome
from hubtools.dataset.metadata import Kind
from hubtools.dataset.metadata.likely import is_note
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.text.trigger import one_for_all
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity


def _troubles(view: Dataset, kind: Kind, consequence: str) -> Iterator[Problem]:
    for file in view.metadata:
        for trouble in file.troubles:
            if trouble.kind is kind:
                yield Problem(
                    f"{trouble.message}; {consequence}",
                    trouble.fix,
                    file.name,
                    trouble.line,
                    trouble.column,
                )


@DATASET_RULES.rule("D101", "A metadata record is not JSON", Severity.ERROR)
def bad_json(view: Dataset) -> Iterator[Problem]:
    """One broken line makes `load_dataset` fail for the whole dataset, and its message names
    neither the file nor the line.

    Example: {"file_name": "a.png", "text": "a cat",}
    Fix: what the finding says; here, remove the comma before the closing bracket.
    """
    yield from _troubles(view, Kind.JSON, "no loader reads a set with a broken record")


@DATASET_RULES.rule("D102", "Records are spread over several lines", Severity.ERROR)
def multi_line(view: Dataset) -> Iterator[Problem]:
    """JSON Lines is one record a line. Spread records happen to load while the file is smaller
    than one read block (about 320 kB) and fail with "Missing a name for object member" beyond it:
    it works until the set grows.

    Example: a line with {"file_name": "a.png", and a second one with "text": "a cat"}
    Fix: write each record on one line.
    """
    yield from _troubles(view, Kind.MULTI_LINE, "it loads while small and fails when it grows")


@DATASET_RULES.rule("D103", "The metadata is one JSON array", Severity.ERROR)
def array(view: Dataset) -> Iterator[Problem]:
    """The loaders read JSON Lines, not a JSON document, and fail on the opening bracket.

    Example: [{"file_name": "a.png", "text": "a cat"}, {"file_name": "b.png", "text": "a dog"}]
    Fix: write each record on a line of its own, without brackets and commas between.
    """
    yield from _troubles(view, Kind.ARRAY, "loading fails")


@DATASET_RULES.rule("D104", "A metadata line is not a JSON object", Severity.ERROR)
def not_object(view: Dataset) -> Iterator[Problem]:
    """Every line must be an object with file_name and the caption; anything else fails to load.

    Example: ["a.png", "a cat"]
    Fix: write {"file_name": "a.png", "text": "..."}.
    """
    yield from _troubles(view, Kind.NOT_OBJECT, "loading fails")


@DATASET_RULES.rule("D105", "A key appears twice in one record", Severity.ERROR)
def duplicate_key(view: Dataset) -> Iterator[Problem]:
    """Python keeps the last of the two, Arrow, which the loaders use, refuses the file.

    Example: {"file_name": "a.png", "text": "a cat", "text": "a black cat"}
    Fix: keep one of them.
    """
    yield from _troubles(view, Kind.DUPLICATE_KEY, "loading fails")


@DATASET_RULES.rule("D106", "The metadata is not UTF-8", Severity.ERROR)
def encoding(view: Dataset) -> Iterator[Problem]:
    """Metadata must be UTF-8. Spreadsheets and old editors write UTF-16 or a code page.

    Example: a metadata.csv that Excel saved as "Unicode text", or "Café" with the byte E9 for its é
    Fix: save the file as UTF-8 (a byte order mark does no harm).
    """
    yield from _troubles(view, Kind.ENCODING, "loading fails or captions become mojibake")


@DATASET_RULES.rule("D107", "The metadata file is empty", Severity.ERROR)
def empty(view: Dataset) -> Iterator[Problem]:
    """An empty metadata file makes loading fail with "list index out of range".

    Fix: write one record a picture, or remove the file.
    """
    yield from _troubles(view, Kind.EMPTY, "loading fails")


@DATASET_RULES.rule("D108", "A CSV row has too many or too few fields", Severity.ERROR)
def csv_columns(view: Dataset) -> Iterator[Problem]:
    """A caption with a comma outside quotes shifts the columns: part of the caption is then taken
    for a path or lost.

    Example: a.png,a cat, sleeping
    Fix: a.png,"a cat, sleeping"
    """
    yield from _troubles(view, Kind.CSV_COLUMNS, "columns shift from here on this row")


@DATASET_RULES.rule("D109", "A CSV quote is never closed", Severity.ERROR)
def csv_quote(view: Dataset) -> Iterator[Problem]:
    """Everything up to the next quote becomes one caption; the rows in between disappear without
    a word.

    Example: a.png,"a cat
    Fix: close the quote; a quote inside a text is written twice.
    """
    yield from _troubles(view, Kind.CSV_QUOTE, "the following rows become part of one caption")


@DATASET_RULES.rule("D110", "A CSV column name has spaces around it", Severity.ERROR)
def csv_header(view: Dataset) -> Iterator[Problem]:
    """`file_name, text` makes a column called " text": the caption column is then not found.

    Example: file_name, text
    Fix: write the header without spaces behind the commas.
    """
    yield from _troubles(view, Kind.CSV_HEADER, "the column is not found by its name")


@DATASET_RULES.rule("D111", "A CSV file is separated by semicolons or tabs", Severity.ERROR)
def csv_delimiter(view: Dataset) -> Iterator[Problem]:
    """Spreadsheets in many countries write semicolons; the loaders expect commas and find no
    file_name column.

    Example: file_name;text
    Fix: export it with commas.
    """
    yield from _troubles(view, Kind.CSV_DELIMITER, "the loader sees a single column")


@DATASET_RULES.rule("D112", "A parquet file cannot be read", Severity.ERROR)
def parquet(view: Dataset) -> Iterator[Problem]:
    """metadata.parquet is damaged, cut off or something else.

    Fix: write it again.
    """
    yield from _troubles(view, Kind.PARQUET, "loading fails")


_ALMOST = {
    "metadata.json", "metadata.json1", "metadata.jsonlines", "metadata.ndjson", "metadata.txt",
    "metadata.jsonl.txt", "metadata.csv.txt", "metadata.tsv", "metadata.xlsx", "metadata.jsonl.gz",
    "metadata.yaml", "metadata.yml", "captions.jsonl", "captions.json", "meta.jsonl",
    "metadata.jsonl.bak", "metadata (1).jsonl", "metadata.parq",
}  # fmt: skip


@DATASET_RULES.rule("D113", "A metadata file has a name that no loader looks for", Severity.ERROR)
def misnamed(view: Dataset) -> Iterator[Problem]:
    """Only metadata.jsonl, metadata.csv and metadata.parquet are read, spelt exactly so. With any
    other name the pictures load without captions, and nothing says so.

    A file of any other name counts as metadata too if its records name the pictures of the folder
    and there is no other: labels.csv, metadata1000.jsonl. `metadata_filenames` of a config in the
    card helps `load_dataset(path)` alone. Where a metadata file that loaders read lies beside it,
    it is a warning.

    Example: Metadata.jsonl, metadata.json, metadata.json1, captions.jsonl
    Fix: rename the file.
    """
    right = {entry.name for entry in view.listing.metadata}
    for entry in view.listing.entries:
        if entry.name in right or entry.hidden or entry.junk:
            continue
        folded = entry.base.lower()
        if folded in _ALMOST or folded in ("metadata.jsonl", "metadata.csv", "metadata.parquet"):
            if is_note(view.listing, entry):
                continue
            others = any(name.rpartition("/")[0] == entry.folder for name in right)
            fix = "remove it" if others else "rename it to metadata.jsonl"
            if folded.endswith(".xlsx"):
                fix = "export it as CSV (UTF-8) called metadata.csv" + (", or " + fix) * others
            yield Problem(
                f"{entry.base} is not read by any loader; only metadata.jsonl, .csv and .parquet"
                " are",
                fix,
                entry.name,
                severity=Severity.WARNING if others else None,
            )
        elif entry.name in view.tables:
            yield Problem(
                f"{entry.base} is not read by any loader, and its column {view.tables[entry.name]}"
                " names the pictures; only metadata.jsonl, .csv and .parquet are read",
                f"rename it to metadata{_form(entry.ending)}: `hubtools fix` does it, and names the"
                " columns of pictures as loaders want them",
                entry.name,
            )


def _form(ending: str) -> str:
    return {".tsv": ".csv", ".csv": ".csv", ".parquet": ".parquet"}.get(ending, ".jsonl")


@DATASET_RULES.rule("D114", "Metadata in two formats", Severity.ERROR)
def two_formats(view: Dataset) -> Iterator[Problem]:
    """A dataset with metadata.jsonl and metadata.csv fails with "Found metadata files with
    different extensions".

    Example: metadata.jsonl, and the metadata.csv it was made from
    Fix: keep one format.
    """
    endings = sorted({entry.ending for entry in view.listing.metadata})
    if len(endings) > 1:
        first = view.listing.metadata[0]
        yield Problem(
            f"metadata comes in {' and '.join(endings)}; loading fails",
            "keep one of them",
            first.name,
        )


def _labels(view: Dataset) -> str:
    """`, and with a column label made of the folders a, b`."""
    splits = view.loaders[Mode.AUTO].splits
    if not splits or "label" not in splits[0].columns:
        return ""
    folders = sorted({one.rpartition("/")[0].rpartition("/")[2] for one in splits[0].names})
    return f", and with a column `label` made of the folders {some(folders)}"


@DATASET_RULES.rule("D120", "There are no pictures, or they have no metadata", Severity.ERROR)
def no_metadata(view: Dataset) -> Iterator[Problem]:
    """Without pictures there is nothing to train on. Without a metadata file they have no captions,
    and a text-to-image trainer has nothing to learn words from. Pictures in an archive that loads
    are a note.

    Fix: put pictures into the folder, or let `hubtools init NAME --from PICTURES` make a project of
    them. Then write metadata.jsonl, one line a picture: {"file_name": "a.png", "text": "..."}.
    Captions beside the pictures as .txt files are read by other trainers only; `hubtools fix` and
    `hubtools init --from` take them over. `hubtools caption` writes the file: from a template, or
    with a model that describes the pictures. One caption for all, dataset.instance_prompt, needs
    no metadata.
    """
    if view.metadata or (view.settings.instance_prompt and view.listing.pictures):
        return
    if not view.listing.pictures:
        zips = [entry.name for entry in view.listing.entries if entry.ending == ".zip"]
        auto = view.loaders[Mode.AUTO] if zips else None
        if auto is not None and auto.outcome is not Outcome.RAISES and auto.splits:
            whole = auto.outcome is Outcome.LOADS
            yield Problem(
                f"the pictures are in {some(zips)}, which is not looked into here"
                + ("" if whole else f"; loading stops at {auto.reason}"),
                f"hubtools validate {quote(str(zips[0]))}",
                severity=Severity.INFO if whole else None,
            )
        else:
            foreign = sum(one.ending in FOREIGN_ENDINGS for one in view.listing.entries)
            but = f" that loaders read, but {plural(foreign, 'other')}" if foreign else ""
            fix = "make PNG or JPEG of them, as D208 says" if foreign else PUT_PICTURES
            yield Problem(f"the folder holds no pictures{but}", fix)
        return
    sidecars = {
        entry.name[: -len(entry.ending)]: entry.name
        for entry in view.listing.entries
        if entry.ending in (".txt", ".caption", ".json") and entry.name not in view.besides
    }
    count = len(view.listing.pictures)
    told = [
        names
        for picture in view.listing.pictures
        if (names := {picture.name, picture.name.rpartition(".")[0]} & sidecars.keys())
    ]
    if told:
        files = sorted({sidecars[stem] for stems in told for stem in stems})
        which = (
            plural(count, "picture") if len(told) == count else f"{len(told)} of {count} pictures"
        )
        yield Problem(
            f"the captions of {which} are in {plural(len(files), 'file')} beside them"
            f" ({some(files)}), which the Hub's loaders do not read",
            "write them into metadata.jsonl: `hubtools fix` does it",
        )
    else:
        yield Problem(
            f"{plural(count, 'picture')} and no metadata.jsonl: they would load without captions"
            f"{_labels(view)}",
            f"describe them: `hubtools caption --template {quote(one_for_all(view.settings))}`"
            " writes a metadata.jsonl to correct by hand, with --model ID instead a model describes"
            " each",
        )
