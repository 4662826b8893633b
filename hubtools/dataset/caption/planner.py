"""Every caption before and after, and the plan of `fix` that writes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from hubtools.causes import cannot_be
from hubtools.dataset.caption.edits import (
    Edit,
    check_columns,
    fill,
    inserting,
    pair,
    placeholders,
    renaming,
    replacing,
)
from hubtools.dataset.caption.embedded import read_embedded
from hubtools.dataset.caption.exchange import EMBEDDED, Source, read_sidecars
from hubtools.dataset.caption.model import Captioner
from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal import fingerprint
from hubtools.dataset.edits.load_tables import load_table
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.edits.references import learnt_in, relative, table_for
from hubtools.dataset.edits.tables import Record, Table
from hubtools.dataset.folder.appearing import read_own
from hubtools.dataset.folder.listing import Listing, walk
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.pictures.reading import read_file
from hubtools.dataset.rows import role_columns
from hubtools.dataset.scan.scanning import scan
from hubtools.dataset.text.blank import is_blank
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath
from hubtools.front_edits import with_key
from hubtools.frontmatter import parse_card
from hubtools.layout import CARD
from hubtools.limits import RECORD_COST
from hubtools.printable import visible
from hubtools.settings import DatasetSettings

MACHINE = "machine-generated"
_ANNOTATIONS = "annotations_creators"
# Columns that every picture has.
_GIVEN = ("trigger", "stem", "folder", FILE_NAME)


@dataclass(frozen=True)
class Change:
    """A picture's caption before (None: it had none) and after; `how` says where it is from."""

    picture: str
    before: str | None
    after: str
    how: str


@dataclass(frozen=True)
class CaptionPlan:
    """What `caption` would do. `kept`: pictures that have a caption and keep it; `without`: those
    that have none afterwards; `unreadable`: those that would have got one, and why they do not."""

    plan: FixPlan
    changes: tuple[Change, ...]
    kept: int
    without: tuple[str, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def diff(self) -> Iterator[str]:
        """Lines to read: each picture with its captions before and after."""
        for change in self.changes:
            yield f"@@ {_printable(change.picture)} ({change.how}) @@"
            if change.before is not None:
                yield f"-{_printable(change.before)}"
            yield f"+{_printable(change.after)}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "changes": [vars(change) for change in self.changes],
            "kept": self.kept,
            "without": list(self.without),
            "unreadable": dict(self.unreadable),
            "files": [op.target for op in self.plan.operations],
        }


def plan_captions(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    template: str | None = None,
    source: Source | None = None,
    source_dir: Path | None = None,
    model: str | None = None,
    prompt: str | None = None,
    max_new_tokens: int = 60,
    device: str | None = None,
    replace: Sequence[str] = (),
    regex: bool = False,
    trigger_rename: Sequence[str] = (),
    trigger_insert: bool = False,
    overwrite: bool = False,
    on_picture: Callable[[int, int], None] | None = None,
) -> CaptionPlan:
    """Work out new captions for the pictures of `folder`; nothing is changed.

    Captions come from text files beside the pictures (or in `source_dir`) as the trainer `source`
    has them, or out of the pictures (`embedded`), from a `model` (folder or Hub id), from a
    `template`: pictures that have a caption keep it unless `overwrite`. Then all captions are
    edited: `replace` and `trigger_rename` are `OLD=NEW` (`regex`: the former are regular
    expressions), `trigger_insert` puts
    `settings.trigger` before those that lack it. Raises `UsageError` for anything that cannot be,
    `HubtoolsError` if metadata must be repaired first.
    """
    settings = settings or DatasetSettings()
    if sum((source is not None, model is not None, template is not None)) > 1:
        raise UsageError("Captions come from --import, --model or --template: choose one.")
    if source == EMBEDDED and source_dir is not None:
        raise UsageError("Embedded captions are in the pictures; there is no folder to read.")
    edits = _edits(settings, replace, regex, trigger_rename, trigger_insert)
    if source is None and model is None and template is None and not edits:
        raise UsageError(
            "There is nothing to do.",
            hint="give --template, --model, --import, --replace, --trigger-insert or"
            " --trigger-rename",
        )
    album = _Album(Path(folder), settings)
    free = [item for item in album.items if overwrite or item.caption is None]
    unreadable: dict[str, str] = {}
    if model is not None or template is not None:
        # nobody should be told what is seen where nothing is
        unreadable = album.unreadable({item.picture for item in free})
        free = [item for item in free if item.picture not in unreadable]
    new: dict[str, str] = {}
    how: dict[str, str] = {}
    if source == EMBEDDED:
        within = read_embedded(album.root, [item.picture for item in free], on_picture)
        new = {picture: found.caption for picture, found in within.items()}
        how = {picture: f"from its {found.place}" for picture, found in within.items()}
    elif source is not None:
        names = [item.picture for item in album.items]
        said = read_sidecars(
            source,
            source_dir or album.root,
            names,
            settings.trigger,
            settings.caption_encoding,
        )
        new = {item.picture: said[item.picture] for item in free if item.picture in said}
    elif model is not None:
        new = _ask(album, free, model, prompt, max_new_tokens, device, on_picture)
    elif template is not None:
        new = _filled(album, free, template, settings.trigger)
    usual = f"from {source}" if source else model or "template"
    changes, kept = [], 0
    for item in album.items:
        after = new.get(item.picture, item.caption)
        origin = how.get(item.picture, usual) if item.picture in new else "edited"
        if source or model or template:
            kept += item.picture not in new and item.caption is not None
        for edit in edits if after is not None else ():
            after = edit(str(after))
        if after is not None and after != item.caption:
            changes.append(Change(item.picture, item.caption, after, origin))
            album.put(item, after, f"caption pictures ({origin})")
    without = tuple(i.picture for i in album.items if i.caption is None and i.picture not in
                    {change.picture for change in changes})  # fmt: skip
    machine = model is not None and any(change.picture in new for change in changes)
    return CaptionPlan(album.plan(machine=machine), tuple(changes), kept, without, unreadable)


def _edits(
    settings: DatasetSettings,
    replace: Sequence[str],
    regex: bool,
    trigger_rename: Sequence[str],
    trigger_insert: bool,
) -> list[Edit]:
    edits = [replacing(*pair("--replace", value), regex=regex) for value in replace]
    edits += [renaming(*pair("--trigger-rename", value)) for value in trigger_rename]
    if trigger_insert:
        if not settings.trigger:
            raise UsageError("No trigger is set.", hint="add --trigger WORD", code="bad-setting")
        edits.append(inserting(settings.trigger))
    return edits


def _ask(
    album: _Album,
    free: list[_Item],
    model: str,
    prompt: str | None,
    max_new_tokens: int,
    device: str | None,
    on_picture: Callable[[int, int], None] | None,
) -> dict[str, str]:
    captioner = Captioner(model, prompt=prompt, max_new_tokens=max_new_tokens, device=device)
    paths = [album.root / item.picture for item in free]
    said = captioner.captions(paths, on_picture)
    pairs = zip(free, said, strict=True)
    return {item.picture: caption for item, caption in pairs if not is_blank(caption)}


def _filled(album: _Album, free: list[_Item], template: str, trigger: str | None) -> dict[str, str]:
    names = placeholders(template)
    if "trigger" in names and not trigger and not any("trigger" in i.values for i in album.items):
        raise UsageError(
            "The template has {trigger}, but none is set.",
            hint="add --trigger WORD",
            code="bad-setting",
        )
    check_columns(template, {*_GIVEN, *(key for item in album.items for key in item.values)})
    found: dict[str, str] = {}
    for item in free:
        stem = os.path.splitext(item.picture.rpartition("/")[2])[0]
        place = {"trigger": trigger, "stem": stem, "folder": item.picture.rpartition("/")[0]}
        text = fill(template, place | {k: v for k, v in item.values.items() if v is not None})
        if text:
            found[item.picture] = text
    return found


@dataclass
class _Item:
    """A picture with its record, if it has one."""

    picture: str
    table: Table | None
    record: Record | None
    caption: str | None
    values: dict[str, Any] = field(default_factory=dict)


class _Album:
    """The pictures of a dataset with their captions, in the order of the metadata."""

    def __init__(self, root: Path, settings: DatasetSettings) -> None:
        self.root = root
        self._column = settings.caption_column
        self._told = role_columns(settings)
        self._listing: Listing = walk(root)
        self._tables: dict[str, Table] = {}
        for entry in self._listing.metadata:
            self._tables[entry.name] = self._load(entry.name)
        self.items = list(self._items())

    def _load(self, name: str) -> Table:
        try:
            data = read_own(self.root, name, RECORD_COST)
        except OSError as error:
            raise cannot_be("read", self.root / name, error) from None
        table = load_table(name, data, caption=self._column, resolve_doubt=False)
        raw = any(record.raw for record in table.records)
        if table.locked is not None or table.changed or raw:
            reason = table.locked or "it has records that must be repaired first"
            raise HubtoolsError(
                f"{self.root / name} cannot be edited: {reason}.",
                hint=f"`hubtools fix {quote(str(self.root))}`, or write a metadata.jsonl",
                code="file-not-usable",
            )
        return table

    def _items(self) -> Iterator[_Item]:
        seen: set[str] = set()
        for table, record, name, roles in learnt_in(self._tables.values(), self._told):
            if name is None or name not in self._listing.names:
                continue  # validate says so; there is no picture to caption
            seen.add(name)
            # a caption tells of what is learnt, not of what it is made from
            others = (key for key, _ in roles.others)
            seen.update(n for key in others for n in _listed(table, record, key))
            value = record.values.get(self._column)
            if value is not None and not isinstance(value, str):
                raise HubtoolsError(
                    f"{self.root / table.name}: {self._column} of {name} is no text.",
                    hint=f"`hubtools fix {quote(str(self.root))}` first, or another"
                    " --caption-column",
                    code="file-damaged",
                )
            caption = None if value is None or is_blank(value) else value
            yield _Item(name, table, record, caption, record.values)
        for entry in self._listing.pictures:
            if entry.name not in seen:
                yield _Item(entry.name, None, None, None)

    def unreadable(self, names: Container[str]) -> dict[str, str]:
        """Those of the pictures that no trainer can read, and why."""
        entries = [entry for entry in self._listing.entries if entry.name in names]
        # what `validate` knows is not read again; what is found here is its to keep
        table = scan(self.root, entries, keep=False)
        return {facts.name: facts.problem for facts in table.values() if facts.problem is not None}

    def put(self, item: _Item, caption: str, why: str) -> None:
        """Give a picture this caption, and a record if it has none."""
        if item.table is not None and item.record is not None:
            item.table.put(item.record, item.record.values | {self._column: caption}, "", why)
            return
        table = table_for(self._tables, item.picture)
        values = {FILE_NAME: relative(table.folder, item.picture), self._column: caption}
        table.add(values, "", why)

    def plan(self, *, machine: bool) -> FixPlan:
        """The files to write; the card says `machine-generated` if a model has captioned."""
        operations = []
        for name, table in self._tables.items():
            if table.changed:
                text = table.render().decode("utf-8")
                operations.append(self._write(name, text, table.notes.why))
        if machine and (card := self._card()) is not None:
            operations.append(self._write(CARD, card, ("say who wrote the captions",)))
        return FixPlan(self.root, tuple(operations))

    def _write(self, name: str, text: str, why: tuple[str, ...]) -> Operation:
        there = (self.root / name).exists()
        before = fingerprint(self.root / name) if there else None
        return Operation(Action.WRITE, name if there else None, name, (), why, before, text)

    def _card(self) -> str | None:
        """The card with its new front matter; None if it says so already."""
        path = self.root / CARD
        old = read_file(path) if path.is_file() else None
        said = parse_card(old or b"").data.get(_ANNOTATIONS)
        creators = [said] if isinstance(said, str) else list(said or [])
        if MACHINE in creators:
            return None
        card = with_key(old, _ANNOTATIONS, [*creators, MACHINE])
        if card is None:
            raise HubtoolsError(
                f"The front matter of {path} cannot be changed for certain.",
                hint=f"write `{_ANNOTATIONS}: [{MACHINE}]` there yourself",
                code="file-not-usable",
            )
        return card.decode("utf-8")


def _listed(table: Table, record: Record, key: str) -> Iterator[str]:
    value = record.values.get(key)
    for item in value if isinstance(value, list) else [value]:
        name = resolved(table.folder, item)
        if name is not None:
            yield name


def _printable(text: str) -> str:
    text = visible(text)
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)
