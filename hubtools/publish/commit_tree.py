"""A release beside the repository that it goes to: the folder, what is sent of it, and the tree
after the commit, each as a loader would see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import BinaryIO

from hubtools import frontmatter
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Entry, Listing, walk
from hubtools.dataset.loaders import Loaded, simulate
from hubtools.dataset.metadata import MetadataFile, read_all_metadata, read_metadata
from hubtools.findings import Problem, RuleBook
from hubtools.hub.client import Remote
from hubtools.layout import CARD
from hubtools.limits import FRONT_MATTER
from hubtools.publish.ledger import Beside
from hubtools.publish.release import LEFT_OUT, Release

COMPARISON_RULES: RuleBook[Comparison] = RuleBook()
_MOST = 50  # findings of one rule; the rest is counted


def _nothing(name: str) -> BinaryIO:
    raise FileNotFoundError(2, "No such file in the repository", name)


@dataclass(frozen=True)
class Comparison:
    """A release beside the repository that it goes to.

    `clashes`: files there that would be replaced or deleted and are not what was sent from here;
    the value is True if something was sent under that name. `who`: who changed them, in words.
    `deletes`: names that would be deleted. `proposes`: it is a pull request, which replaces
    nothing by itself. `fetch` opens a file of the repository. `beside`: another folder that was
    pushed there.
    """

    release: Release
    remote: Remote = field(default_factory=Remote)
    clashes: Mapping[str, bool] = field(default_factory=dict)
    who: Mapping[str, str] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    private: bool = True
    overwrite: bool = False
    proposes: bool = False
    fetch: Callable[[str], BinaryIO] = _nothing
    beside: Beside | None = None

    @cached_property
    def sent(self) -> frozenset[str]:
        """Names of the release."""
        return frozenset(file.name for file in self.release.files)

    @cached_property
    def staying(self) -> frozenset[str]:
        """Names in the repository that the commit leaves as they are."""
        return frozenset(self.remote.files.keys() - self.sent - set(self.deletes))

    @cached_property
    def names(self) -> frozenset[str]:
        """All names in the repository once this is there."""
        return self.sent | self.staying

    @cached_property
    def folder(self) -> Listing:
        """The dataset folder, as `validate` sees it, less what the user left out. What is sent is
        read as it was hashed."""
        listing = walk(self.release.root)
        dropped = {name for name, reason in self.release.excluded if reason == LEFT_OUT}
        kept = tuple(entry for entry in listing.entries if entry.name not in dropped)
        held = {file.name: file for file in self.release.files}

        def opener(name: str) -> BinaryIO:
            return self.release.open(held[name]) if name in held else listing.open(name)

        root = listing.root.resolve()  # loaders make labels of its name
        return replace(listing.holding(kept), root=root, opener=opener)

    @cached_property
    def release_only(self) -> Listing:
        """The dataset folder with nothing in it but the release."""
        sizes = {file.name: file.bytes for file in self.release.files}
        kept = (
            replace(entry, link=False, size=sizes[entry.name])
            for entry in self.folder.entries
            if entry.name in self.sent
        )
        return _listing(self.folder, kept)

    @cached_property
    def after(self) -> Listing:
        """The repository after the commit: what is sent, and what stays there."""
        there = (Entry(name, self.remote.files[name].bytes, 0) for name in self.staying)
        own = self.release_only

        def opener(name: str) -> BinaryIO:
            return self.fetch(name) if name in self.staying else own.open(name)

        return replace(_listing(own, (*own.entries, *there)), opener=opener)

    @cached_property
    def metadata(self) -> dict[str, MetadataFile]:
        """The metadata files of the folder by name."""
        return {file.name: file for file in read_all_metadata(self.folder)}

    @cached_property
    def metadata_after(self) -> dict[str, MetadataFile]:
        """Those of the repository after the commit."""
        known = {name: file for name, file in self.metadata.items() if name in self.sent}
        others = (e for e in self.after.metadata if e.name not in known)
        return known | {e.name: read_metadata(self.after, e) for e in others}

    @cached_property
    def may_load_otherwise(self) -> bool:
        """False if a loader surely makes the same of the folder and of the repository: it sees the
        same files, and no card says that it should look at hidden ones."""
        seen = {entry.name for entry in self.folder.entries if not entry.hidden}
        beside = any(not Entry(name, 0, 0).hidden for name in self.staying)
        if beside or not seen <= self.sent:
            return True
        special = {entry.name for entry in self.folder.entries} | self.staying
        return ".huggingface.yaml" in special or _has_configs(self.folder)


def loaded(listing: Listing, metadata: Iterable[MetadataFile]) -> tuple[Loaded, ...]:
    """What loaders make of it. Whether pictures decode is for `judged` to say."""
    sound = [entry.name for entry in listing.entries if entry.ending in PICTURE_ENDINGS]
    return simulate(listing, metadata, sound)


def _listing(like: Listing, entries: Iterable[Entry]) -> Listing:
    ordered = tuple(sorted(entries, key=lambda entry: entry.name))
    return replace(like, entries=ordered, linked_folders=(), unreadable=())


def _has_configs(listing: Listing) -> bool:
    if CARD not in listing.names:
        return False
    with listing.open(CARD) as file:
        card = frontmatter.parse(file.read(FRONT_MATTER + 1))
    return card.error is not None or bool(card.data.get("configs"))


def at_most(problems: list[Problem], what: str) -> Iterator[Problem]:
    """The first of them, and how many more there are of `what`."""
    yield from problems[:_MOST]
    if len(problems) > _MOST:
        rest = f"and {len(problems) - _MOST:,} more {what}"
        yield Problem(rest, severity=problems[0].severity)
