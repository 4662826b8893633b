"""The words the store speaks in."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from hubtools.localhub.gitids import lfs_pointer
from hubtools.localhub.names import repo_prefix

Visibility = Literal["public", "private"]


@dataclass(frozen=True, slots=True)
class File:
    """A file in a tree. `oid` is git's id of its content or, with Git LFS, of its pointer;
    `size` is that of the content in bytes; `sha256` is set exactly for Git LFS."""

    oid: str
    size: int
    sha256: str | None = None

    @property
    def pointer_size(self) -> int:
        """Bytes of the Git LFS pointer."""
        return len(lfs_pointer(self.sha256 or "", self.size))

    @property
    def etag(self) -> str:
        """What a download is cached under: SHA-256 of a Git LFS file, git id of any other."""
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Repo:
    """A repository as of one moment."""

    id: int
    kind: str
    namespace: str
    name: str
    visibility: Visibility = "public"
    gated: str = ""
    sdk: str | None = None
    created: str = ""
    mount: Mounted | None = field(default=None, compare=False)

    @property
    def full_name(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def private(self) -> bool:
        return self.visibility != "public"

    @property
    def url_path(self) -> str:
        """`datasets/namespace/name`: the path of its page."""
        return repo_prefix(self.kind) + self.full_name


class Moved(Exception):
    """The repository has another name now; `repo` is what it is by now. Not for everybody, if the
    repository is private."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo.full_name)
        self.repo = repo


@dataclass(frozen=True)
class Commit:
    """A commit; `tree` is the id of its root folder, `date` ISO 8601 UTC with milliseconds."""

    oid: str
    tree: str
    title: str
    message: str
    author: str
    date: str
    parent: str | None = None
    merged: str | None = None


@dataclass(frozen=True)
class Tree:
    """Every file, and every folder's git id, by its path; both sorted by path."""

    files: Mapping[str, File]
    folders: Mapping[str, str]

    @cached_property
    def paths(self) -> Sequence[str]:
        """Files and folders, sorted."""
        return sorted((*self.folders, *self.files))


@dataclass(frozen=True)
class Snapshot:
    """A repository at a commit."""

    repo: Repo
    commit: Commit
    tree: Tree

    @property
    def files(self) -> Mapping[str, File]:
        """Every file by its path."""
        return self.tree.files

    @property
    def folders(self) -> Mapping[str, str]:
        """Every folder's git id by its path."""
        return self.tree.folders


@dataclass(frozen=True)
class Content:
    """The bytes of a file: in memory, or on disk."""

    size: int
    data: bytes | None = None
    opener: Callable[[], BinaryIO] | None = None

    def open(self) -> BinaryIO:
        """To be read. Raises `FileNotFoundError` if it is gone."""
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.opener is not None
        return self.opener()

    def read_all(self) -> bytes:
        """Everything. For files that are known to be small."""
        with self.open() as file:
            return file.read()


class Mounted(Protocol):
    """A folder of this machine that stands for a repository."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        ...

    def snapshot(self, repo: Repo) -> Snapshot:
        """The folder as it is now."""
        ...

    def open(self, path: str) -> Path | None:
        """Where the bytes of `path` are; None if there is no such file (any more)."""
        ...


def now() -> str:
    """This moment as the Hub writes it: `2026-01-02T03:04:05.678Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
