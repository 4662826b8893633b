"""Tar files as the module `webdataset` reads them: members of one key, one after the other, are a
row, and the first five rows decide the columns.

After `datasets` 5.2, `packaged_modules/webdataset`: a name is cut at the first dot of its last
part; what is before it is the key, what is behind it the column.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from hubtools.dataset.loaders.endings import folder_endings
from hubtools.dataset.loaders.kinds import Kind, MixedError, fits, json_kind
from hubtools.dataset.loaders.model import Broken, LoadError, Split
from hubtools.dataset.loaders.parquet_files import DAMAGED, UNLOADED
from hubtools.dataset.shards.keys import names_role
from hubtools.dataset.shards.members import BROKEN, Members, Odd, content
from hubtools.dataset.shards.tar import split_name

DOTS = "D807"  # the rule about names with dots
LOOKED_AT = 5  # rows that decide the columns

_TEXTS = frozenset({"txt", "text", "transcript"})
_NUMBERS = frozenset({"cls", "cls2", "index", "inx", "id"})
_JSON = frozenset({"json", "jsn"})
DECODED = _TEXTS | _NUMBERS | _JSON
# what is decoded in ways that are not followed here, and what is unpacked first
OTHER = frozenset(
    ["ten", "tb", "mp", "msg", "npy", "npz", "cbor", "pth", "gz", "bz2", "xz", "zst", "lz4"]
)
IMAGES = frozenset(e[1:] for e in folder_endings("imagefolder") - {".grib"}) | {
    "grib", "h5", "hdf", "mpg", "mpeg",
}  # fmt: skip
_MEDIA = frozenset(
    e[1:] for m in ("audiofolder", "videofolder", "meshfolder") for e in folder_endings(m)
) - {"mpg", "mpeg"}
_KEYS = ("__key__", "__url__")


@dataclass
class Sample:
    """A row: its columns in their order; `json` are the values of those that hold JSON."""

    key: str
    fields: tuple[str, ...]
    json: dict[str, Any] = field(default_factory=dict)


@dataclass
class TarTable:
    """A tar file without its pictures. `prefix`: what goes before the names of members where the
    rest speaks of them; `odd`: what fails, or may, when it is read."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    prefix: str = ""
    odd: LoadError | None = None

    @classmethod
    def of(
        cls,
        name: str,
        members: Iterable[str],
        prefix: str = "",
        undecoded: Mapping[str, str] | None = None,
        json_of: Callable[[str], dict[str, Any]] = lambda key: {},
    ) -> TarTable:
        """From the names of all members in their order. `undecoded`: those whose content is none of
        their ending's, and why; `json_of` gives the JSON of a key, by column."""
        table = cls(name, prefix=prefix)
        key, fields = None, []
        for member in members:
            stem, column = split_name(member)
            base = member.rpartition("/")[2]
            if base.startswith((".", "__")) or "." not in base:
                continue
            if key is not None and stem != key:
                table.samples.append(Sample(key, tuple(fields), json_of(key)))
                fields = []
            key = stem
            if column in fields:
                table.stop(f"{name}: {member} is there twice in one row")
            fields.append(column)
        if key is not None:
            table.samples.append(Sample(key, tuple(fields), json_of(key)))
        for member, why in (undecoded or {}).items():
            table.stop(f"{name}: {member} {why}")
        return table

    @classmethod
    def read(cls, name: str, opened: BinaryIO, size: int) -> TarTable:
        """By one pass over an open file of so many bytes."""
        names: list[str] = []
        values: dict[str, dict[str, Any]] = {}
        undecoded: dict[str, str] = {}
        members = Members(opened, size)
        failed: str | None = None
        try:
            for member, info, tar in members:
                names.append(member)
                _take(member, info, tar, values, undecoded)
        except BROKEN as error:
            failed = f"{name} cannot be read as a tar file: {error}"
        table = cls.of(name, names, "", undecoded, lambda key: values.get(key, {}))
        if failed is not None:
            table.odd = LoadError(failed, rule=DAMAGED)
        elif members.odd.get(Odd.NAME):
            table.odd = LoadError(f"{name} has odd names, or one twice", sure=False, rule=UNLOADED)
        return table

    def stop(self, reason: str, *, sure: bool = True) -> None:
        """Say why it fails; the first reason counts."""
        self.odd = self.odd or LoadError(reason, sure=sure, rule=UNLOADED)


def _take(
    member: str,
    info: tarfile.TarInfo,
    tar: tarfile.TarFile,
    values: dict[str, dict[str, Any]],
    undecoded: dict[str, str],
) -> None:
    key, column = split_name(member)
    if column.rpartition(".")[2].lower() not in DECODED:
        return
    data = content(tar, info) or b""
    reason = why_undecoded(column, data)
    if reason is not None:
        undecoded[member] = reason
    elif column.rpartition(".")[2].lower() in _JSON:
        values.setdefault(key, {})[column] = json.loads(data)


def why_undecoded(column: str, data: bytes) -> str | None:
    """Why the content of a member is none of its ending's; None if it is."""
    ending = column.rpartition(".")[2].lower()
    try:
        if ending in _TEXTS:
            data.decode("utf-8")
        elif ending in _NUMBERS:
            int(data)
        elif ending in _JSON:
            json.loads(data)
    except (ValueError, RecursionError):
        kinds = {"cls": "is no whole number", "json": "is no JSON", "txt": "is not UTF-8"}
        kind = "txt" if ending in _TEXTS else "cls" if ending in _NUMBERS else "json"
        return kinds[kind]
    return None


def build(tables: Mapping[str, Sequence[TarTable]], troubled: Mapping[str, str]) -> list[Split]:
    """The splits of the files of each; `troubled`: why pictures do not decode, by name. Raises
    `LoadError`."""
    for table in (table for inside in tables.values() for table in inside):
        if table.odd is not None:
            raise table.odd
    # the last split's: `datasets` looks at what it saw last
    first = list(tables.values())[-1][0]
    kinds, columns = _features(first)
    pictures = tuple(column for column in columns if _ending(column) in IMAGES)
    splits = []
    for split, inside in tables.items():
        samples = [(table, sample) for table in inside for sample in table.samples]
        if not samples:
            raise LoadError(f"the split {split} has no rows", rule=UNLOADED)
        for table, sample in samples:
            _check_json(table, sample, kinds)
        splits.append(_split(split, samples, columns, pictures, troubled))
    return splits


def _ending(column: str) -> str:
    return column.rpartition(".")[2].lower()


def _features(table: TarTable) -> tuple[dict[str, Kind], tuple[str, ...]]:
    """The kinds of columns of JSON, and all columns in their order."""
    if not table.samples:
        raise LoadError(f"{table.name} holds no rows", rule=UNLOADED)
    looked = table.samples[:LOOKED_AT]
    first = looked[0]
    for sample in looked:
        if set(sample.fields) != set(first.fields):
            raise LoadError(
                f"{table.name}: the row {sample.key} has {', '.join(sample.fields)}, and the row"
                f" {first.key} has {', '.join(first.fields)}",
                rule=DOTS if has_dotted(table.samples) else UNLOADED,
            )
    odd = [column for column in first.fields if _ending(column) in OTHER | _MEDIA]
    if odd:
        raise LoadError(f"{table.name}: what becomes of .{odd[0]} is not followed", sure=False)
    kinds: dict[str, Kind] = {}
    for column in first.fields:
        if _ending(column) in _JSON:
            kinds[column] = _merged(table.name, column, [one.json.get(column) for one in looked])
    whole = len(table.samples) > 1
    return kinds, (*first.fields, *_KEYS) if whole else (*_KEYS, *first.fields)


def _merged(name: str, column: str, values: Sequence[Any]) -> Kind:
    try:
        kind = json_kind(values)
        each = [json_kind([value]) for value in values]
    except MixedError as mixed:
        raise LoadError(
            f"{name}: a value in .{column} is {mixed.first} first and {mixed.then} later",
            rule=UNLOADED,
        ) from None
    if _numbers_differ(each):
        raise LoadError(
            f"{name}: a number in .{column} is whole in one row and not in another", rule=UNLOADED
        )
    return kind


def _numbers_differ(kinds: Sequence[Kind]) -> bool:
    """True where one row has int64 and another double: Arrow does not merge them."""
    plain = {kind for kind in kinds if isinstance(kind, str)}
    if {"int64", "double"} <= plain:
        return True
    lists = [kind[1] for kind in kinds if isinstance(kind, tuple) and kind[0] == "list"]
    structs = [dict(kind[1]) for kind in kinds if isinstance(kind, tuple) and kind[0] == "struct"]
    keys = {key for struct in structs for key in struct}
    groups = [[struct[key] for struct in structs if key in struct] for key in keys]
    return any(_numbers_differ(group) for group in (*groups, lists) if group)


def _check_json(table: TarTable, sample: Sample, kinds: Mapping[str, Kind]) -> None:
    for column, kind in kinds.items():
        value = sample.json.get(column)
        if value is None:
            continue
        try:
            answer = fits(kind, json_kind([value]), [value])
        except MixedError:
            answer = None
        if not answer:
            raise LoadError(
                f"{table.name}: {sample.key}.{column} has values of another type than the first"
                " rows",
                sure=answer is False,
                rule=UNLOADED,
            )


def _split(
    name: str,
    samples: Sequence[tuple[TarTable, Sample]],
    columns: tuple[str, ...],
    pictures: tuple[str, ...],
    troubled: Mapping[str, str],
) -> Split:
    files: list[str | None] = []
    besides: list[tuple[tuple[str, str], ...]] = []
    broken: list[Broken] = []
    for row, (table, sample) in enumerate(samples):
        held = [
            (column, f"{table.prefix}{sample.key}.{column}")
            for column in pictures
            if column in sample.fields
        ]
        bad = next((member for _, member in held if member in troubled), None)
        if bad is not None:
            broken.append(Broken(row, bad, troubled[bad]))
        own = [member for column, member in held if column == pictures[0]]
        files.append(own[0] if own else None)
        besides.append(tuple(held[bool(own) :]))
    more = tuple(besides) if any(besides) else ()
    shown = tuple(files) if pictures else ()
    return Split(name, len(samples), columns, pictures, shown, tuple(broken), (), more)


# --- names with dots -----------------------------------------------------------------------------


def dotted(samples: Sequence[Sample]) -> Iterator[Sample]:
    """Rows of several pictures whose names were cut at a dot that was none before an ending:
    numbers (`photo.1.png`), or columns that are not the same in every row."""
    several = [one for one in samples if len(_stems(one)) > 1]
    if not several:
        return
    common = set.intersection(*(set(_stems(one)) for one in samples))
    for sample in several:
        stems = [stem for stem in _stems(sample) if stem]
        known = all(map(names_role, stems))
        numbers = any(part.isdigit() for stem in stems for part in stem.split("."))
        shared = set(_stems(sample)) == common and len(samples) > 1
        if numbers or not (known or shared):
            yield sample


def has_dotted(samples: Sequence[Sample]) -> bool:
    """True if there is a row of which `dotted` speaks, or pictures of the same key are apart."""
    keys: dict[str, set[str]] = {}
    for sample in samples:
        keys.setdefault(sample.key, set()).update(_stems(sample))
    merged = [Sample(key, tuple(f"{stem}.png" for stem in stems)) for key, stems in keys.items()]
    return any(True for _ in dotted(merged))


def _stems(sample: Sample) -> list[str]:
    """What stands before the ending, of the columns that hold pictures."""
    return [column.rpartition(".")[0] for column in sample.fields if _ending(column) in IMAGES]
