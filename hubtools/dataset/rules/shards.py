"""D805 to D812: what the loaders make of parquet and WebDataset shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.loaders import Mode, Outcome
from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.loaders.parquet_files import DAMAGED, DIFFER, ParquetTable, check_table
from hubtools.dataset.loaders.shards import splits_of_shards
from hubtools.dataset.loaders.tar_files import DOTS, TarTable, dotted
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.files import human_bytes
from hubtools.findings import Problem, Severity
from hubtools.layout import CARD
from hubtools.limits import VIEWED_GROUP
from hubtools.patterns import regex


def parquet_tables(view: Dataset) -> list[ParquetTable]:
    """The parquet shards that can be read, in the order in which they are loaded: the first one
    decides the columns."""
    tables = {
        name: one
        for name, one in (view.contents.shards or {}).items()
        if isinstance(one, ParquetTable) and one.error is None
    }
    try:
        splits = splits_of_shards(tuple(tables), _card(view))
    except LoadError:  # which belong together cannot be told
        return []
    order = dict.fromkeys(name for names in splits.values() for name in names)
    return [tables[name] for name in order if name in tables]


def _card(view: Dataset) -> str | None:
    if CARD not in view.listing.names:
        return None
    with suppress(OSError, UnicodeDecodeError):
        return view.listing.read(CARD).decode("utf-8")
    return None


@DATASET_RULES.rule("D805", "Shards have different columns", Severity.ERROR)
def shards_differ(view: Dataset) -> Iterator[Problem]:
    """The first shard decides the columns of all. One more in a later shard stops `load_dataset`
    with CastError, after everything before it was read; so does a column of another type. A column
    that a later shard lacks is filled with nothing, and nothing says so. That is a warning.

    Example: `text` in train-00000-of-00002.parquet, `caption` in train-00001-of-00002.parquet
    Fix: `hubtools fix` writes the shards with the same columns.
    """
    tables = parquet_tables(view)
    first = tables[0].features if tables else {}
    fix = "write all shards with the same columns: `hubtools fix` does it"
    auto = view.loaders[Mode.AUTO]
    if auto.rule == DIFFER and tables and (auto.reason or "").startswith(tables[0].name):
        yield Problem(f"loading fails: {auto.reason} (of the card)", "correct dataset_info", CARD)
    for table in tables[1:]:
        try:
            check_table(table, first)
        except LoadError as error:
            if error.rule == DIFFER:
                reason = error.reason.removeprefix(f"{table.name} ").removeprefix(f"{table.name}: ")
                said = f"{reason}: loading stops here" if error.sure else reason
                yield Problem(said, fix, table.name)
            continue
        lacks = [name for name in first if name not in table.features]
        if lacks:
            yield Problem(
                f"it lacks {', '.join(lacks)}, which the first shard has: there its rows get"
                " nothing",
                fix,
                table.name,
                severity=Severity.WARNING,
            )


@DATASET_RULES.rule("D806", "Pictures in a shard are not declared to be pictures", Severity.ERROR)
def undeclared(view: Dataset) -> Iterator[Problem]:
    """Loaders make a picture of a column only where the schema of the first shard (or `features:`
    of the card) says `Image`, and its values are bytes and path. Else a trainer gets bytes, a
    text or a dictionary, and stops; the Hub's viewer shows letters.

    Example: a column of bytes that pandas wrote; Base64; bytes and path without the feature
    Fix: `hubtools fix` writes them as pictures; no picture changes.
    """
    auto = view.loaders[Mode.AUTO]
    tables = parquet_tables(view)
    if auto.splits:
        shown = {name for split in auto.splits for name in split.pictures}
    else:
        shown = (
            {name for name, one in tables[0].features.items() if one.picture} if tables else set()
        )
    odd: dict[str, list[ParquetTable]] = {}
    for table in tables:
        for column in table.named:
            if column not in shown:
                odd.setdefault(column, []).append(table)
    for column, inside in odd.items():
        yield Problem(
            f"{column} holds pictures as {_form(inside[0], column)}, and nothing says that they are"
            f" pictures ({plural(len(inside), 'shard')})",
            "write the Image feature: `hubtools fix` does it",
            inside[0].name,
        )


def _form(table: ParquetTable, column: str) -> str:
    text = str(table.schema.field(column).type)
    if text.startswith("struct"):
        return "bytes and path"
    if "list" in text:
        return "lists"
    return "bytes" if "binary" in text else "Base64"


@DATASET_RULES.rule("D807", "Names with dots make one row of several pictures", Severity.ERROR)
def dotted_names(view: Dataset) -> Iterator[Problem]:
    """WebDataset cuts a name at its first dot: photo.1.png, photo.2.png and photo.3.png are one row
    with the columns 1.png, 2.png and 3.png. Of three pictures one row is left, or loading stops
    since rows have different columns.

    Fix: `hubtools fix` writes other names (photo-1.png); no picture changes.
    """
    for table in (view.contents.shards or {}).values():
        odd = list(dotted(table.samples)) if isinstance(table, TarTable) else []
        if odd:
            first = odd[0]
            names = some([f"{first.key}.{column}" for column in first.fields])
            count = sum(len(one.fields) for one in odd)
            yield Problem(
                f"{plural(count, 'file')} become {plural(len(odd), 'row')}, for names are cut at"
                f" their first dot: {names}",
                "write names without dots: `hubtools fix` does it",
                table.name,
            )
    auto = view.loaders[Mode.AUTO]
    if auto.rule == DOTS:
        yield Problem(f"loading fails: {auto.reason}", "write names without dots")


@DATASET_RULES.rule("D812", "Files of a WebDataset are in no row", Severity.ERROR)
def dropped_members(view: Dataset) -> Iterator[Problem]:
    """The first five samples decide the columns. What a later one has besides is dropped without a
    word: its caption where the first ones have none, its picture where that has another ending.

    Example: 0001.png, 0002.png, ... and 0100.jpg
    Fix: give all samples the same endings; `hubtools unshard` and `hubtools shard` do it.
    """
    splits = view.loaders[Mode.AUTO].splits
    columns = set(splits[0].columns) if splits else set()
    for table in (view.contents.shards or {}).values() if columns else ():
        if not isinstance(table, TarTable):
            continue
        lost = [
            f"{one.key}.{name}"
            for one in table.samples
            for name in one.fields
            if name not in columns
        ]
        if lost:
            yield Problem(
                f"{plural(len(lost), 'file')} of {plural(len(table.samples), 'row')} {_are(lost)}"
                f" in no row, for the first rows have other endings: {some(lost)}",
                "give all samples the same endings",
                table.name,
            )


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


_SERIES = regex(r"(.*?)(\d{5})-of-(\d{5})(\.[\w.]+)")
_NUMBERED = regex(r"(.*?)(\d{3,})(\.(?:tar(?:\.gz)?|tgz|parquet))")
_MOST = 100_000


@DATASET_RULES.rule("D808", "A shard of a series is missing", Severity.ERROR)
def missing_shard(view: Dataset) -> Iterator[Problem]:
    """The names say how many shards there are, and some are not there: an upload or a download
    broke off. What is there loads, and nothing says that it is not all. Gaps in numbers, where no
    name says how many there are, are a warning.

    Example: train-00000-of-00005.parquet alone
    Fix: fetch the missing shards, or write them again. If this is all, `hubtools unshard` and
    `hubtools shard` give the rest true names.
    """
    told: dict[tuple[str, int, str], set[int]] = {}
    counted: dict[tuple[str, int, str], set[int]] = {}
    for entry in view.listing.entries:
        if entry.hidden or entry.junk:
            continue
        if match := _SERIES.fullmatch(entry.name):
            told.setdefault((match[1], int(match[3]), match[4]), set()).add(int(match[2]))
        elif (match := _NUMBERED.fullmatch(entry.name)) and view.contents.shards is not None:
            counted.setdefault((match[1], len(match[2]), match[3]), set()).add(int(match[2]))
    for (stem, total, ending), there in told.items():
        gone = [n for n in range(min(total, _MOST)) if n not in there]
        if gone:
            yield Problem(
                f"{len(gone)} of {plural(total, 'shard')} of {stem}*-of-{total:05}{ending}"
                f" {'is' if len(gone) == 1 else 'are'} missing:"
                f" {some([f'{stem}{n:05}-of-{total:05}{ending}' for n in gone])}",
                "fetch or write the missing ones",
                f"{stem}{min(there):05}-of-{total:05}{ending}",
            )
    for (stem, width, ending), there in counted.items():
        last = max(there)
        if last - min(there) >= min(_MOST, 10 * len(there) + 10):
            continue  # the numbers count something else
        gone = [n for n in range(min(there), last) if n not in there]
        if gone:
            yield Problem(
                f"the numbers of the shards {stem}* have gaps:"
                f" {some([f'{stem}{n:0{width}}{ending}' for n in gone])}",
                "fetch or write the missing ones, if there are any",
                f"{stem}{last:0{width}}{ending}",
                severity=Severity.WARNING,
            )


@DATASET_RULES.rule("D809", "A row group is larger than the Hub's viewer reads", Severity.WARNING)
def large_groups(view: Dataset) -> Iterator[Problem]:
    """The viewer reads a row group of a parquet file at once, up to 300 MB; of larger ones it shows
    no rows. Random access and streaming read as much for every row.

    Fix: `hubtools fix` writes row groups of 100 rows or 24 MB.
    """
    for table in parquet_tables(view):
        sizes = [size for _, size in table.groups if size > VIEWED_GROUP]
        if sizes:
            yield Problem(
                f"{plural(len(sizes), 'row group')} of up to {human_bytes(max(sizes))}; the viewer"
                f" reads {human_bytes(VIEWED_GROUP)}",
                "write smaller ones: `hubtools fix` does it",
                table.name,
            )


@DATASET_RULES.rule("D810", "A shard has paths in place of pictures", Severity.ERROR)
def paths_only(view: Dataset) -> Iterator[Problem]:
    """A column names picture files of the machine on which the table was made, and the pictures
    themselves are not in it. It loads everywhere, as texts.

    Example: {"image": "/home/me/pictures/a.png"}
    Fix: write the shards again from the pictures (`hubtools shard`).
    """
    for table in parquet_tables(view):
        if table.named:
            continue
        for column in dict.fromkeys(key for row in table.values for key in row):
            texts = [row.get(column) for row in table.values]
            named = [text for text in texts if isinstance(text, str) and _is_picture(text)]
            if named and len(named) == len([text for text in texts if text is not None]):
                yield Problem(
                    f"{column} holds paths such as {named[0]!a}, and no picture is in the shard",
                    "write it again from the pictures: `hubtools shard`",
                    table.name,
                )


def _is_picture(text: str) -> bool:
    return "." + text.rpartition(".")[2].lower() in PICTURE_ENDINGS | FOREIGN_ENDINGS


# What has a rule that says it.
_SAID = frozenset({DIFFER, DOTS, DAMAGED, "D605", "D606"})


@DATASET_RULES.rule("D811", "Shards cannot be loaded", Severity.ERROR)
def unloaded(view: Dataset) -> Iterator[Problem]:
    """Why `load_dataset` fails on shards, where no other rule says it: samples of a WebDataset with
    different members, a text beside a picture that is not UTF-8, several configs without a default,
    a shard without rows, other files that outnumber the shards. Where loading may fail it is a
    note.

    Fix: what the finding says; `hubtools unshard` and `hubtools shard` write them anew.
    """
    if view.contents.shards is None:
        return
    auto = view.loaders[Mode.AUTO]
    if auto.outcome in (Outcome.RAISES, Outcome.MAY_RAISE) and auto.rule not in _SAID:
        fails = auto.outcome is Outcome.RAISES
        yield Problem(
            f"loading {'fails' if fails else 'may fail'}: {auto.reason}",
            "correct what it names, or write the shards anew",
            severity=None if fails else Severity.INFO,
        )
    elif auto.outcome is Outcome.LOADS and auto.module not in ("parquet", "webdataset"):
        yield Problem(
            f"`load_dataset` reads the module {auto.module}, for other files outnumber the shards",
            "remove the other files, or name the shards in `configs:` of the card",
        )
