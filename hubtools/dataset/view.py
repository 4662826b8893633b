"""Everything the dataset rules look at, gathered once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hubtools.dataset.copies.features import beside
from hubtools.dataset.folder.listing import (
    FOREIGN_ENDINGS,
    NO_PICTURES,
    PICTURE_ENDINGS,
    Entry,
    Listing,
)
from hubtools.dataset.folder.packed import Member, packed_pictures
from hubtools.dataset.loaders import TRAIN, Loaded, Mode, simulate
from hubtools.dataset.loaders.source import why_unread
from hubtools.dataset.metadata import MetadataFile, Row
from hubtools.dataset.metadata.likely import likely_metadata
from hubtools.dataset.metadata.sidecars import texts_beside
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.formats import format_behind, picture_format
from hubtools.dataset.pictures.private.besides import APART, besides, private_in
from hubtools.dataset.pictures.reading import head_of
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.rows import Rows, captions_in, shots_of
from hubtools.dataset.scan.scanning import scan_source
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.text.codepages import Belief, odd_texts
from hubtools.dataset.text.tokens import TokenCounter, token_counters
from hubtools.files import StrPath
from hubtools.frontmatter import Card, parse_card, unreadable_card
from hubtools.layout import CARD, PROJECT_FILE
from hubtools.limits import CAPTION, FRONT_MATTER
from hubtools.models.rows import Target
from hubtools.models.targets import chosen_target, size_of
from hubtools.settings import DatasetSettings
from hubtools.tinypeople import REPO_NAME, is_tiny_people

if TYPE_CHECKING:
    from hubtools.dataset.copies.duplicates import Group
    from hubtools.dataset.copies.similarity import Similarity
    from hubtools.dataset.pictures.private.reading import Private
    from hubtools.dataset.pictures.table import PictureTable
    from hubtools.dataset.sources.model import Contents, Source
    from hubtools.dataset.text.coverage import Covered


class ScanSource(Protocol):
    """Scans a source: what it holds, and the facts about its pictures."""

    def __call__(
        self,
        source: Source,
        begun_ns: int,
        *,
        on_picture: Callable[[int, int], None] | None = None,
        previews: dict[str, bytes] | None = None,
    ) -> tuple[Contents, Mapping[str, PictureFacts]]:
        """`begun_ns`: when it began. `previews` gets small copies by name, if there are few."""


@dataclass(frozen=True)
class Dataset(Rows):
    """One dataset, read. Rules only look; nothing here changes."""

    root: Path
    listing: Listing
    metadata: tuple[MetadataFile, ...]
    pictures: Mapping[str, PictureFacts]  # by name: files that a row names or whose ending fits
    settings: DatasetSettings
    resolution: int
    card: Card
    counters: tuple[TokenCounter, ...]  # of the target's text encoders, from narrow to wide
    source: Source
    contents: Contents
    target: Target | None = None
    previews: Mapping[str, bytes] = field(default_factory=dict)  # of some pictures, by name

    @property
    def counter(self) -> TokenCounter:
        """That of the encoder that reads most."""
        return self.counters[-1]

    @cached_property
    def captions(self) -> tuple[tuple[Row, str], ...]:
        """Captions with something in them that are no longer than `CAPTION`, with their rows; the
        one for all once, from the settings."""
        if self.settings.instance_prompt is not None:
            return ((Row(PROJECT_FILE, None, {}), self.settings.instance_prompt),)
        return tuple(
            [
                (row, caption)
                for row in self.rows
                for caption in captions_in(row, self.settings)
                if len(caption) <= CAPTION
            ]
        )

    @cached_property
    def long_captions(self) -> tuple[tuple[Row, str], ...]:
        """Rows whose caption is longer than any that rules look at."""
        if self.settings.instance_prompt is not None:
            return ()
        return tuple(
            (row, caption)
            for row in self.rows
            for caption in captions_in(row, self.settings)
            if len(caption) > CAPTION
        )

    @cached_property
    def table(self) -> PictureTable:
        """The pictures in columns."""
        return PictureTable.of(self.pictures)

    @cached_property
    def learnt(self) -> PictureTable:
        """The same without pictures that others are made from, and masks."""
        import numpy as np

        table, others = self.table, self.role_of
        if not others:
            return table
        kept = [row for row, name in enumerate(table.names) if name not in others]
        return table.taken(np.array(kept, dtype=np.int64))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Pictures to learn that are copies of each other. Files are read to make sure."""
        from hubtools.dataset.copies.search import groups_below

        return groups_below(
            self.source,
            self.learnt,
            radius=self.settings.near_radius,
            turns=self.settings.mirrored_copies,
            captioned=self.captioned,
        )

    @cached_property
    def likenesses(self) -> tuple[Similarity, ...]:
        """Pictures that a vision model takes for copies, if the settings name one; pairs that are
        in one of `groups` are left out."""
        if not self.settings.embeddings:
            return ()
        from hubtools.dataset.copies.similarity import likely_copies

        group_of: dict[str, int] = {}
        for number, group in enumerate(self.groups):
            for name in (group.best, *(copy.name for copy in group.copies)):
                group_of.setdefault(name, number)
        learnt = self.learnt
        names = [name for name, ok in zip(learnt.names, learnt.whole, strict=True) if ok]
        found = likely_copies(
            self.listing,
            names,
            self.settings.embeddings,
            digests={name: self.table[name].digest for name in names},
            place=beside(self.source.memory_place),
        )
        return tuple(
            pair
            for pair in found
            if pair.one not in group_of or group_of[pair.one] != group_of.get(pair.other)
        )

    @cached_property
    def packed(self) -> dict[str, Member]:
        """Where pictures that records name, and that are no files, are in archives."""
        return packed_pictures(self.listing, self.mentioned - self.listing.names)

    @cached_property
    def tables(self) -> dict[str, str]:
        """Files that are metadata by what they say, with the column that names pictures."""
        return likely_metadata(self.listing)

    @cached_property
    def disguised(self) -> dict[str, str]:
        """Files that are pictures by their first bytes, but neither by their name nor by a
        record's word: their format by name."""
        found: dict[str, str] = {}
        # what lies elsewhere would have to be fetched for it
        for entry in self.listing.entries if self.listing.opener is None else ():
            foreign = entry.ending in FOREIGN_ENDINGS
            odd = foreign or entry.ending not in PICTURE_ENDINGS | NO_PICTURES
            if odd and not (
                entry.hidden or entry.junk or entry.link or entry.name in self.pictures
            ):
                head = head_of(self.listing.place(entry.name), 16)
                format = format_behind(entry.ending, head) if foreign else picture_format(head)
                if format is not None:
                    found[entry.name] = format
        return found

    @cached_property
    def apart(self) -> dict[str, Private]:
        """Pictures and films that no loader takes for pictures, and that tell about people."""
        # what lies elsewhere would have to be fetched for it
        listed = self.listing.entries if self.listing.opener is None else ()
        names = [
            entry.name
            for entry in listed
            if (entry.ending in APART or entry.name in self.disguised)
            and not (entry.hidden or entry.junk or entry.link or entry.name in self.pictures)
        ]
        found = ((name, private_in(name, self.listing.open)) for name in names)
        return {name: private for name, private in found if private.there}

    @cached_property
    def besides(self) -> dict[str, str]:
        """Files beside the pictures that tell about people: what, by name."""
        near = self.listing.opener is None
        others = (entry for entry in self.listing.entries if entry.name not in self.pictures)
        return dict(besides(others, self.listing.open, near=near))

    @cached_property
    def odd_texts(self) -> dict[str, Belief | None]:
        """Captions beside the pictures that are not UTF-8, with the encoding that each is in."""
        # what lies elsewhere would have to be fetched for it
        near = self.listing.opener is None
        return odd_texts(dict(texts_beside(self.listing))) if near else {}

    @cached_property
    def splits_of(self) -> dict[str, set[str]]:
        """The splits in which the loader has each picture; empty if there is one split only."""
        splits = self.loaders[Mode.AUTO].splits
        if len(splits) < 2:
            return {}
        found: dict[str, set[str]] = {}
        for split in splits:
            for name in split.names:
                found.setdefault(name, set()).add(split.name)
        return found

    @cached_property
    def loaders(self) -> dict[Mode, Loaded]:
        """What each loader makes of it."""
        if self.contents.shards is not None:
            shards, troubled = self.contents.shards, dict(self._troubled)
            found = simulate(self.listing, (), shards=shards, troubled=troubled)
            return {loaded.mode: loaded for loaded in found}
        whole = self.table.whole.tolist()
        sound = (name for name, ok in zip(self.table.names, whole, strict=True) if ok)
        return {loaded.mode: loaded for loaded in simulate(self.listing, self.metadata, sound)}

    @property
    def _troubled(self) -> Iterator[tuple[str, str]]:
        """Pictures of shards that Pillow does not decode, and why."""
        whole = self.table.whole.tolist()
        unsound = [n for n, ok in zip(self.table.names, whole, strict=True) if not ok]
        for entry, what in self.source.stream([Entry(name, 0, 0) for name in unsound]):
            reason = why_unread(what) if isinstance(what, bytes) else str(what)
            if reason is not None:
                yield entry.name, reason

    @cached_property
    def captioned(self) -> frozenset[str]:
        """Names of the pictures that have a caption."""
        return frozenset(name for row, name in self.named if captions_in(row, self.settings))

    @cached_property
    def coverage(self) -> tuple[tuple[Covered, ...], tuple[str, ...]]:
        """The shot plan's entries with the training pictures that fulfil them, and the pictures
        that fulfil none; two empty ones if there is no plan."""
        train = self.loaders[Mode.AUTO].split(TRAIN)
        # of a set that does not load, all are shown: which would be trained on cannot be told
        shown = None if train is None else frozenset(train.names)
        return shots_of(
            ((row, name) for row, name in self.named if shown is None or name in shown),
            self.settings,
        )

    @property
    def license(self) -> tuple[str | None, str]:
        """(licence id, where it is written): the card's if it has one, else the settings'."""
        value = self.card.data.get("license")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) and value:
            return value, CARD
        return self.settings.license, PROJECT_FILE

    def where(self, row: Row) -> tuple[str, int | None]:
        """Path and line of a row, for a problem."""
        return row.source, row.line


def _titled(target: Target | None, base: StrPath | None) -> Target | None:
    """The base that comes with hubtools is smaller than others of its kind, and is told by name."""
    if target is None or base is None or not is_tiny_people(Path(base)):
        return target
    return target._replace(title=f"{REPO_NAME} ({target.title})")


# Endings that say what a file is.
_TOLD = PICTURE_ENDINGS | FOREIGN_ENDINGS | NO_PICTURES


def view(
    source: Path | Source,
    settings: DatasetSettings,
    *,
    resolution: int | None = None,
    base: StrPath | None = None,
    on_picture: Callable[[int, int], None] | None = None,
    previews: bool = False,
    scan: ScanSource | None = None,
) -> Dataset:
    """Read a dataset: a folder, or any source. `base`: the pipeline, a folder or a Hub id, that
    the target and its tokenizers are taken from unless `settings` name a target. `resolution` in
    pixels, default what the target was made for. `on_picture(done, total)` is called as pictures
    are read. `previews`: keep small copies of pictures that are read, if they are not too many.
    `scan` scans the pictures in another way than `scan_source`.

    Raises `HubtoolsError` if there is no such folder.
    """
    if isinstance(source, Path):
        source = LocalFolder(source)
    # here, not above: who reads only a card need not wait for numpy

    begun_ns = time.time_ns()
    target = _titled(chosen_target(settings.target, base), None if settings.target else base)
    made: dict[str, bytes] = {}
    contents, table = (scan or scan_source)(
        source, begun_ns, on_picture=on_picture, previews=made if previews else None
    )
    return Dataset(
        contents.listing.root,
        contents.listing,
        contents.metadata,
        table,
        settings,
        resolution or size_of(target),
        _card_of(contents.listing),
        token_counters(target, base),
        source,
        contents,
        target,
        made,
    )


def _card_of(listing: Listing) -> Card:
    if CARD not in listing.names:
        return Card({}, exists=False)
    try:
        with listing.open(CARD) as file:
            return parse_card(file.read(FRONT_MATTER + 1))
    except OSError as error:
        return unreadable_card(error)
