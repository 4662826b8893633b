"""The dataset as it would be: what fixes change, and what the rules then look at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import xxhash

from hubtools.causes import NO_FILE
from hubtools.dataset.edits.references import (
    Reference,
    drop_records,
    is_free,
    learnt_by,
    point,
    references_in,
    relative,
)
from hubtools.dataset.edits.tables import Notes, Record, Table
from hubtools.dataset.fix.draft_file import File
from hubtools.dataset.fix.reading import read_table
from hubtools.dataset.fix.remedies import Unsafe
from hubtools.dataset.fix.scope import Only, Scope, by_origin
from hubtools.dataset.folder.listing import Entry, Listing
from hubtools.dataset.folder.names import escapes, fold
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, known_or_read
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.metadata.roles import roles_of
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.rows import role_columns
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.view import Dataset
from hubtools.dataset.workers.guarded import scan_one
from hubtools.findings import Finding
from hubtools.frontmatter import Card, parse_card
from hubtools.layout import CARD
from hubtools.limits import CARD_FILE


class Draft:
    """What a dataset would be after the fixes so far. Nothing on the disk is touched."""

    def __init__(
        self,
        looked: Dataset,
        unsafe: Unsafe,
        *,
        wanted: frozenset[str],
        leave: Mapping[str, str],
        ignores: Mapping[str, Sequence[str]] | None = None,
        only: Only | None = None,
        shards: Dataset | None = None,
    ) -> None:
        self.looked = looked
        self.shards = shards  # the same folder as the shards that it holds, if it does
        self.unsafe = unsafe
        self.left: dict[str, str] = dict(leave)  # file -> why it is left as it is
        self.partly: set[str] = set()  # those of them in which something else may be changed
        self.caption = looked.settings.caption_column
        self.changes = 0
        self.scrubbed: set[str] = set()  # pictures whose metadata has been looked at
        self.gone: dict[str, Notes] = {}
        self.facts: dict[str, PictureFacts] = dict(looked.pictures)
        self.tables: dict[str, Table] = {}
        self.files: dict[str, File] = {}
        self.scope = Scope(wanted, ignores or {}, by_origin(only, self.files))
        self._scratch = tempfile.TemporaryDirectory(prefix="hubtools-fix-")
        self._written: dict[bytes, Path] = {}
        self._view: tuple[object, Dataset] | None = None
        self._files_of: dict[str, tuple[object, bytes, MetadataFile]] = {}
        self._read_before = {file.name: file for file in looked.metadata}
        self.left |= {e.name: "it is no regular file" for e in looked.listing.entries if e.special}
        self._leave = frozenset(self.left)
        self.card: bytes | None = self._card()
        self.card_notes = Notes()
        metadata = {entry.name for entry in looked.listing.metadata}
        for entry in looked.listing.entries:
            if entry.name in metadata:
                self._load(entry)
            else:
                self.files[entry.name] = File(entry.name, entry)

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    # --- asking ------------------------------------------------------------------------------

    def wants(self, *rules: str) -> bool:
        """True if one of these rules was selected."""
        return any(rule in self.scope.wanted for rule in rules)

    def acts_on(self, rule: str, *names: str) -> bool:
        """Whether what these files are about may be changed for a rule that was selected."""
        if rule and rule not in self.scope.wanted:
            return False
        return self.scope.whole or self.scope.holds(rule, *names)

    def may(self, name: str) -> bool:
        """True if this unsafe fix was asked for."""
        return name in self.unsafe.names

    @property
    def names(self) -> frozenset[str]:
        """All files that are no metadata."""
        return self.view.listing.names

    def read(self, name: str) -> bytes:
        """The bytes of a file on the disk, before any edit; empty if it cannot be read, and then it
        is left as it is."""
        return self._read(self.files[name].origin)

    def content(self, name: str) -> bytes:
        """The bytes of a file with its edits so far (but for those that change no pixel)."""
        draft = self.files[name].draft
        return draft.read_bytes() if draft is not None else self.read(name)

    def _read(self, origin: str) -> bytes:
        try:
            return _whole(self.looked.listing, origin)
        except OSError as error:
            if error.errno not in NO_FILE:
                self.left.setdefault(origin, f"it cannot be read: {error.strerror}")
                self._leave |= {origin}
            return b""

    @property
    def view(self) -> Dataset:
        """The dataset as the rules would see it now."""
        state = self.state
        if self._view is None or self._view[0] != state:
            self._view = (state, self._look())
        return self._view[1]

    @property
    def state(self) -> object:
        """Something that differs after every change."""
        return self.changes, tuple((name, table.version) for name, table in self.tables.items())

    def finds(self, *rules: str) -> bool:
        """Whether these rules (that were selected) say anything of the draft."""
        if not self.scope.whole:
            return bool(self.findings(*rules))
        wanted = [rule for rule in rules if self.wants(rule) and DATASET_RULES.get(rule)]
        return bool(wanted) and DATASET_RULES.finds(self.view, select=wanted)

    def findings(self, *rules: str) -> list[Finding]:
        """What these rules (that were selected) say of the draft."""
        wanted = [rule for rule in rules if self.wants(rule) and DATASET_RULES.get(rule)]
        found = DATASET_RULES.run(self.view, select=wanted) if wanted else []
        return self.scope.within(found, self.view)

    def rows(self) -> Iterator[tuple[Table, Record, str]]:
        """(table, record, picture) of every record that names a file inside the folder."""
        for table in self.tables.values():
            for record in table.records:
                name = resolved(table.folder, record.values.get(FILE_NAME))
                if name is not None and not escapes(name):
                    yield table, record, name

    def editable(self, rule: str) -> Iterator[tuple[Table, Record]]:
        """The records that may be changed for a rule."""
        for table in self.tables.values():
            key = "" if self.scope.whole else self.learnt_key(table)
            for record in list(table.editable):
                value = record.values.get(key)
                first = value[0] if isinstance(value, list) and value else value
                if self.acts_on(rule, table.name, resolved(table.folder, first) or ""):
                    yield table, record

    def references(self) -> dict[str, list[Reference]]:
        """Where each file is named."""
        return references_in(self.tables.values(), self.files)

    # --- changing ----------------------------------------------------------------------------

    def changed(self) -> None:
        """Say that the draft is no longer what it was."""
        self.changes += 1

    def remove(self, name: str, rule: str, what: str) -> None:
        """Take a file that is no metadata out of the set, unless it is to be left alone."""
        if self.files[name].origin in self._leave:
            return
        file = self.files.pop(name)
        self.facts.pop(name, None)
        file.notes.add(rule, what)
        self.gone[file.origin] = file.notes
        self.changed()

    def remove_table(self, name: str, notes: Notes) -> None:
        """Take a metadata file out of the set."""
        table = self.tables.pop(name)
        if table.source is not None:
            table.notes.take(notes)
            self.gone[table.source] = table.notes
        self.changed()

    def remove_pictures(self, why: Mapping[str, tuple[str, str]]) -> None:
        """Take pictures out, each by a rule and for a reason, with the records that name them, and
        the further pictures of those records that no other record names; a picture stays if a
        record that must not be changed, or a column of further pictures (a mask), names it."""
        references, is_learnt = self.references(), learnt_by(self.learnt_key)
        gone: dict[int, tuple[Reference, str]] = {}  # by record
        for name, (rule, what) in why.items():
            places = references.get(name, [])
            if self.files[name].origin in self._leave:
                continue
            if not all(is_free(place) and is_learnt(place) for place in places):
                self.left[name] = "a record that cannot be changed names it"
                continue
            gone |= {id(place.record): (place, rule) for place in places}
            self.remove(name, rule, what)
        for other, places in references.items():
            # pictures of a row go together
            if other in why or other not in self.files or self.files[other].origin in self._leave:
                continue
            if all(id(place.record) in gone for place in places):
                self.remove(other, gone[id(places[0].record)][1], "its row is removed")
        drop_records(gone.values(), "remove the record of a removed picture")

    def learnt_key(self, table: Table) -> str:
        """The key of the pictures to learn."""
        return roles_of(table.columns(), role_columns(self.looked.settings)).image or FILE_NAME

    def rename(self, names: Mapping[str, str], rule: str, what: str) -> set[str]:
        """Give files new names, in the records as well; gives those that could be renamed."""
        references = self.references() if names else {}
        taken = {fold(name) for name in (*self.files, *self.tables)}
        done: set[str] = set()
        for old, new in names.items():
            free = fold(new) == fold(old) or fold(new) not in taken
            places = references.get(old, [])
            fits = all(is_free(p) and relative(p.table.folder, new) is not None for p in places)
            if self.files[old].origin in self._leave:
                continue  # it says why already
            if not free or not fits or new in self.files:
                why = "a record names it that must stay"
                self.left[old] = why if free else f"{new} exists already"
                continue
            for place in places:
                point(place, str(relative(place.table.folder, new)), rule)
            file = self.files.pop(old)
            file.entry = replace(file.entry, name=new)
            file.notes.add(rule, what)
            self.files[new] = file
            if old in self.facts:
                self.facts[new] = replace(self.facts.pop(old), name=new)
            taken.add(fold(new))
            done.add(old)
            self.changed()
        return done

    def edit(
        self,
        name: str,
        edit: str,
        facts: PictureFacts,
        rule: str,
        what: str,
        data: bytes | None = None,
    ) -> None:
        """Note an edit of a picture, and what it will then be; `data` if its pixels change."""
        file = self.files[name]
        file.edits = (*file.edits, edit)
        if data is not None:
            file.draft = self._scratch_file(data)
        file.notes.add(rule, what)
        self.facts[name] = facts
        self.changed()

    def write(self, name: str, text: str, rule: str, what: str) -> None:
        """Give a text file, that is no metadata, another content, in UTF-8."""
        file = self.files[name]
        data = text.encode("utf-8")
        file.text, file.draft = text, self._scratch_file(data)
        file.entry = replace(file.entry, size=len(data))
        file.notes.add(rule, what)
        self.changed()

    def take_back(self, card: bytes | None, changes: int) -> None:
        """Give the card its former text: what was tried did not help."""
        self.card, self.changes, self._view = card, changes, None

    def is_left(self, name: str) -> bool:
        """True for a file that is to be left as it is."""
        return self.files[name].origin in self._leave

    def may_edit(self, name: str) -> bool:
        """False for links, for what is left alone, and for what is no file of the set."""
        file = self.files.get(name)
        return file is not None and file.origin not in self._leave and not file.entry.link

    def ask(self, unsafe: Unsafe, wanted: frozenset[str], only: Only | None) -> None:
        """From now on steps do what is asked for here."""
        self.unsafe = unsafe
        self.scope = replace(self.scope, wanted=wanted, only=by_origin(only, self.files))

    # --- inside ------------------------------------------------------------------------------

    def _card(self) -> bytes | None:
        listing = self.looked.listing
        if CARD in (*listing.folders, *listing.linked_folders):
            self.left[CARD] = "it is a folder"
        if CARD not in listing.names:
            return None
        try:
            data = _whole(listing, CARD, CARD_FILE + 1)
            if len(data) <= CARD_FILE:
                return data
            self.left.setdefault(CARD, f"it has more than {CARD_FILE:,} bytes")
            return None
        except OSError as error:
            self.left.setdefault(CARD, f"it cannot be read: {error.strerror}")
            return None

    def _load(self, entry: Entry) -> None:
        looked, known = self.looked, self._read_before.get(entry.name)
        self.tables[entry.name] = read_table(
            looked.root, entry, looked.settings, self.unsafe,
            wanted=self.scope.wanted, known=known, left=self.left,
        )  # fmt: skip

    def metadata_of(self, table: Table) -> tuple[bytes, MetadataFile]:
        """A table's bytes as they would be, and what the reader makes of them."""
        read = self._read_before.get(table.source or "")
        if read is not None and read.partial:
            return read.data, replace(read, entry=replace(read.entry, name=table.name))
        state = (id(table), table.version, table.changed)
        known = self._files_of.get(table.name)
        if known is not None and known[0] == state:
            return known[1:]
        unchanged = not table.changed and table.source is not None
        data = self._read(table.source or "") if unchanged else table.render()
        before = known[2] if known is not None else self._read_before.get(table.name)
        self._files_of[table.name] = (state, data, known_or_read(table.name, data, before))
        return self._files_of[table.name][1:]

    def _look(self) -> Dataset:
        metadata = tuple(self.metadata_of(self.tables[name])[1] for name in sorted(self.tables))
        entries = [file.entry for file in self.files.values()]
        entries += [file.entry for file in metadata]
        if self.card is not None and CARD not in self.files:
            entries.append(Entry(CARD, len(self.card), 0))
        listing = replace(self.looked.listing.holding(entries), moved=self._moved())
        shown = self._shown(listing, metadata)
        card = parse_card(self.card) if self.card is not None else Card({}, exists=False)
        return replace(
            self.looked,
            source=LocalFolder(self.looked.root, listing),
            listing=listing,
            metadata=metadata,
            pictures=shown,
            card=card,
        )

    def _moved(self) -> dict[str, Path]:
        """Where the files lie that are not yet what, or where, they would be."""
        root = self.looked.root
        moved = {name: file.draft or root / file.origin for name, file in self.files.items()}
        for name, table in self.tables.items():
            moved[name] = self._scratch_file(self.metadata_of(table)[0])
        if self.card is not None:
            moved[CARD] = self._scratch_file(self.card)
        return moved

    def _scratch_file(self, data: bytes) -> Path:
        digest = xxhash.xxh3_128_digest(data)
        if digest not in self._written:
            path = Path(self._scratch.name) / str(len(self._written))
            path.write_bytes(data)
            self._written[digest] = path
        return self._written[digest]

    def _shown(
        self, listing: Listing, metadata: tuple[MetadataFile, ...]
    ) -> dict[str, PictureFacts]:
        """Facts of the files that count as pictures, by their name or as a record names them; those
        that only now do are looked at."""
        names = dict.fromkeys(entry.name for entry in listing.pictures)
        for file in metadata:
            names.update(dict.fromkeys(file.mentioned))
        found = {}
        for name in names:
            if name in self.files:
                if name not in self.facts:
                    self.facts[name] = scan_one(self.read(name), name)
                found[name] = self.facts[name]
        return found


def _whole(listing: Listing, name: str, most: int = -1) -> bytes:
    with listing.open(name) as file:
        return file.read(most)
