"""Where the links and pictures of a page lead."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from hubtools.localhub.model import Snapshot
from hubtools.localhub.names import KIND_OF_PLURAL, path_fault, repo_prefix
from hubtools.localhub.pages.html import path
from hubtools.localhub.pages.parameters import drawn_with
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store


def parts_of(address: str) -> SplitResult:
    """An address taken apart; of one that is none, such as `http://[`, nothing is left."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


class There(NamedTuple):
    """A repository: its address on this Hub, and whether this Hub has it."""

    href: str
    here: bool


@dataclass(frozen=True)
class Place:
    """Where the links of a page lead: a snapshot, the key that opens its files, their store, and
    which repositories this Hub has."""

    snapshot: Snapshot
    key: str | None
    store: Store | None  # None: what is in its files is not shown
    has: Callable[[str, str, str], bool]  # kind, namespace, name

    def file(self, name: str) -> str:
        """The address of a file's bytes."""
        where = path(self.snapshot.repo.url_path, "resolve", self.snapshot.commit.oid, name)
        return f"{where}?key={self.key}" if self.key else where

    def page(self, name: str) -> str:
        """The address of a file's page."""
        return path(self.snapshot.repo.url_path, "blob", "main", name)

    def own(self, address: str) -> str | None:
        """The repository's file an address in a card means; None if it means none of them."""
        parts = parts_of(address)
        name = unquote(parts.path)
        if parts.scheme or parts.netloc:
            # Cards written for the Hub name their pictures by full address.
            match = re.search(r"/(?:resolve|blob|raw)/[^/]+/(.+)$", name)
            repo = f"/{self.snapshot.repo.full_name}/"
            name = match[1] if match and repo in name else ""
        name = name.removeprefix("./").removeprefix("/")
        return name if path_fault(name) is None and name in self.snapshot.files else None

    def repository(self, address: str) -> There | None:
        """The repository that an address of the real Hub means; None if it means none, or
        something in one."""
        parts = parts_of(address)
        names = [part for part in parts.path.split("/") if part]
        kind = KIND_OF_PLURAL.get(names[0], "model") if names else "model"
        names = names[kind != "model" :]
        if parts.netloc != "huggingface.co" or len(names) != 2:
            return None
        here = self.has(kind, names[0], names[1])
        return There(path(repo_prefix(kind) + "/".join(names)), here)

    def drawn_with(self, name: str) -> list[tuple[str, str]]:
        """What the picture says of how it was drawn."""
        if self.store is None:
            return []
        try:
            with self.store.open(self.snapshot, name)[1].open() as file:
                return drawn_with(file)
        except (Problem, OSError):
            return []
