"""A folder of this machine offered as a read-only repository, without copying it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import is_absent
from hubtools.errors import UsageError
from hubtools.files import open_regular
from hubtools.localhub.database import Database
from hubtools.localhub.gitids import blob_hasher, blob_id, commit_id, lfs_pointer
from hubtools.localhub.model import Commit, File, Repo, Snapshot, Tree
from hubtools.localhub.names import is_commit, is_sha256, path_fault
from hubtools.localhub.patterns import LfsRules, default_gitattributes
from hubtools.localhub.trees import folders_of

_SKIPPED = {".git", ".cache", "__pycache__"}
_LFS_FROM = 10 * 1024 * 1024
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class _Found:
    """A file of the folder: where it is in truth, and what tells that it has not changed."""

    path: Path
    size: int
    mtime_ns: int


def opened(place: Path) -> BinaryIO:
    """The file at a place that was looked at. Raises `FileNotFoundError` where a link has taken its
    place since, or that of a folder on the way to it: it may lead anywhere."""
    file = open_regular(place)
    try:
        same = os.path.realpath(place) == str(place)
        if not same or not os.path.samestat(os.fstat(file.fileno()), os.lstat(place)):
            raise FileNotFoundError(errno.ENOENT, "it was exchanged for a link", str(place))
    except BaseException:
        file.close()
        raise
    return file


class Mount:
    """`folder` as a repository. Its files are looked at anew on every request; each is hashed
    when first asked for and again only when its size or modification time change.

    `pick`: the files that it has by name, and where they lie, in place of all.
    `commit`: the id to answer with (that of the copy the folder was made from); without it one is
    made from names, sizes and times. Links are followed if they stay in the folder, or lead to the
    `blobs` of the Hub cache the folder is a snapshot of; any other link is left out.
    """

    def __init__(
        self,
        repo: Repo,
        folder: Path,
        database: Database,
        commit: str | None = None,
        pick: Callable[[], Mapping[str, Path]] | None = None,
    ) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder} cannot be mounted: it is not a folder.")
        if commit is not None and not is_commit(commit):
            raise UsageError(f"{commit!r} is not a commit id (40 hexadecimal digits).")
        self._folder = folder.resolve()
        self._repo = repo
        self._database = database
        self._commit = commit
        self._pick = pick
        self._lfs = LfsRules(default_gitattributes(repo.kind))
        self._hashing = threading.Lock()
        self._known: dict[str, tuple[_Found, tuple[str, str]]] = {}
        blobs = self._folder.parent.parent / "blobs"
        self._cache_blobs = blobs if self._folder.parent.name == "snapshots" else None

    @property
    def folder(self) -> Path:
        """Where it lies, without links."""
        return self._folder

    def snapshot(self, repo: Repo) -> Snapshot:
        """The folder as it is now. Reads each new file once to hash it."""
        found = self._scan()
        listing = "\n".join(f"{p} {f.size} {f.mtime_ns}" for p, f in sorted(found.items()))
        files = {path: self._file(path, file) for path, file in sorted(found.items())}
        root, folders, _ = folders_of(files)
        newest = max((file.mtime_ns for file in found.values()), default=0)
        date = _iso(newest)
        oid = self._commit or commit_id(root, (), repo.namespace, date, listing)
        commit = Commit(oid, root, f"Mounted from {self._folder.name}", "", repo.namespace, date)
        return Snapshot(repo, commit, Tree(files, dict(sorted(folders.items()))))

    def open(self, path: str) -> Path | None:
        """Where the bytes of `path` are; None if there is no such file (any more)."""
        if path_fault(path):
            return None
        place = self._folder / path if self._pick is None else self._pick().get(path)
        found = None if place is None else self._look(place)
        return found.path if found else None

    def _scan(self) -> dict[str, _Found]:
        result: dict[str, _Found] = {}
        if self._pick is not None:
            for name, place in self._pick().items():
                if path_fault(name) is None and (found := self._look(place)):
                    result[name] = found
            return result
        for parent, folders, names in os.walk(self._folder, onerror=_unless_gone):
            folders[:] = [name for name in folders if name not in _SKIPPED]
            for name in names:
                path = Path(parent, name)
                relative = path.relative_to(self._folder).as_posix()
                if path_fault(relative) is None and (found := self._seen(path)):
                    result[relative] = found
        return result

    def _seen(self, path: Path) -> _Found | None:
        """`_look` at what a walk has come to, which entered no link: only the last part may be."""
        try:
            status = path.lstat()
        except OSError as error:
            _unless_gone(error)
            return None
        if stat.S_ISLNK(status.st_mode):
            return self._look(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        return _Found(path, status.st_size, status.st_mtime_ns)

    def _look(self, path: Path) -> _Found | None:
        try:
            real = path.resolve(strict=True)
            status = real.stat()
        except OSError as error:
            _unless_gone(error)
            return None
        inside = real.is_relative_to(self._folder) or (
            self._cache_blobs is not None and real.parent == self._cache_blobs
        )
        if not inside or not stat.S_ISREG(status.st_mode):
            return None
        return _Found(real, status.st_size, status.st_mtime_ns)

    def _file(self, path: str, found: _Found) -> File:
        sha1, sha256 = self._hashes(found)
        big = self._lfs.tracks(path) or found.size > _LFS_FROM
        if not sha256 or (sha1 and not big) or not found.size:
            return File(sha1, found.size)
        return File(blob_id(lfs_pointer(sha256, found.size)), found.size, sha256)

    def _hashes(self, found: _Found) -> tuple[str, str]:
        """(git id, SHA-256); one of them is '' for a blob of the Hub's cache, which is named by
        what it is and need not be read."""
        if self._cache_blobs is not None and found.path.parent == self._cache_blobs:
            name = found.path.name
            if _ETAG.fullmatch(name):
                return ("", name) if is_sha256(name) else (name, "")
        key = str(found.path)
        known = self._known.get(key)
        if known is not None and known[0] == found:
            return known[1]
        # One at a time: two requests for a big file must not read it twice.
        with self._hashing:
            with self._database.reading() as connection:
                row = connection.execute("SELECT * FROM hashes WHERE path = ?", (key,)).fetchone()
            if row and (row["size"], row["mtime_ns"]) == (found.size, found.mtime_ns):
                self._known[key] = found, (row["sha1"], row["sha256"])
                return row["sha1"], row["sha256"]
            sha1, sha256 = blob_hasher(found.size), hashlib.sha256()
            with opened(found.path) as source:
                while block := source.read(1 << 20):
                    sha1.update(block)
                    sha256.update(block)
            hashes = sha1.hexdigest(), sha256.hexdigest()
            self._known[key] = found, hashes
            with self._database.writing() as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)",
                    (key, found.size, found.mtime_ns, *hashes),
                )
            return hashes


def _unless_gone(error: OSError) -> None:
    """A repository without the files that cannot be read would look whole."""
    if not is_absent(error):
        raise error


def _iso(nanoseconds: int) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
