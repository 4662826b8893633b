"""Files that lie elsewhere: on the Hub, or at an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from hubtools.addresses import bare
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.sources.model import MAX_STREAMED, identified
from hubtools.dataset.sources.retrying_file import (
    TRIES,
    as_os_error,
    one_line,
    pause,
    readable_errors,
    retrying_file,
)
from hubtools.dataset.sources.store import Store, scheme_of
from hubtools.errors import HubtoolsError, UsageError
from hubtools.hub import reading
from hubtools.hub.answers import TooLong
from hubtools.hub.tree import list_tree
from hubtools.patterns import regex

_HUB = regex(
    r"hf://datasets/(?P<repo>[^/@]+/[^/@]+)(?:@(?P<revision>refs/(?:pr|convert)/[^/]+|[^/]+))?"
    r"(?:/(?P<path>.*))?"
)
_HOW = "write it as hf://datasets/owner/name, hf://datasets/owner/name@revision/folder"
_BLOCK = 4 << 20  # bytes asked for at once of a file that is read in order


def store_at(address: str) -> Store | Path:
    """The files at an address, or the folder of this machine that is a copy of them. Raises
    `HubtoolsError` if there is nothing of the kind."""
    return HubStore.at(address) if scheme_of(address) == "hf" else FsspecStore(address)


# --- the Hub -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HubStore:
    """A dataset repository at one commit, or what lies below `path` in it."""

    repo: str
    commit: str
    path: str  # without / around it; empty for all
    told: str  # as the user wrote it

    @classmethod
    def at(cls, address: str) -> HubStore | Path:
        """What an address `hf://datasets/...` means; while offline, where the Hub client keeps its
        copy of it. Raises `HubtoolsError`."""
        repo, revision, path = _parsed(address)
        with readable_errors(address):
            try:
                kept = reading.kept_dataset(repo, revision)
            except FileNotFoundError:
                raise HubtoolsError(
                    f"{address} is not in the cache of the Hub client, and HF_HUB_OFFLINE is set.",
                    hint="unset HF_HUB_OFFLINE, or fetch it first: `hf download`",
                    code="hub-unreachable",
                ) from None
            if kept is not None:
                return kept / path
            commit = reading.commit_of(repo, "dataset", revision)
            if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
                raise ValueError("the commit is not a hash")
        return cls(repo, commit, path, address)

    @property
    def name(self) -> str:
        """The address, with the commit that was read."""
        below = f"/{self.path}" if self.path else ""
        return f"hf://datasets/{self.repo}@{self.commit}{below}"

    @cached_property
    def _found(self) -> tuple[bool, list[Entry]]:
        with readable_errors(self.told):
            single = False
            if self.path:
                there = reading.is_file(self.repo, "dataset", self.commit, self.path)
                single = there is True
            if self.path and there is None:
                raise HubtoolsError(
                    f"There is no {self.path} in {self.repo} at {self.commit}.",
                    code="file-not-found",
                )
            # a file is listed with those beside it
            folder = self.path.rpartition("/")[0] if single else self.path
            entries = [
                identified(item.path[len(folder) :].lstrip("/"), item.size, item.blob_id)
                for item in list_tree(
                    self.repo, "dataset", self.commit, folder or None, recursive=not single
                )
                if not single or item.path == self.path
            ]
        return single, sorted(entries, key=lambda entry: entry.name)

    @property
    def single(self) -> bool:
        """True if the address names a file."""
        return self._found[0]

    def entries(self) -> list[Entry]:
        """By one listing of the repository's tree."""
        return self._found[1]

    def open(self, name: str) -> BinaryIO:
        """By ranges, nothing is kept on the disk."""
        with as_os_error(name):
            file = reading.open_ranges(self.repo, self.commit, self._inside(name), _BLOCK)
            return retrying_file(file, name)

    def read(self, entry: Entry) -> bytes | str:
        """By one request, unless the Hub client has the file in its cache."""
        _check_size(entry)
        inside = self._inside(entry.name)
        kept = reading.cached(self.repo, "dataset", self.commit, inside)
        if kept is not None:
            return kept
        most = entry.size or MAX_STREAMED
        try:
            with readable_errors(self.told):
                status, data = reading.get(self.repo, "dataset", self.commit, inside, most)
        except TooLong:
            raise Unreadable(0, f"more than the {most:,} bytes came that it should have") from None
        if status >= 400:
            raise Unreadable(0, f"it cannot be read: the Hub answered HTTP {status}")
        return _whole(entry, data)

    def _inside(self, name: str) -> str:
        if self.single:
            return self.path
        return f"{self.path}/{name}" if self.path else name


def _parsed(address: str) -> tuple[str, str | None, str]:
    match = _HUB.fullmatch(address)
    if match is None:
        kind = "a model" if re.match(r"hf://(models/)?[^/]+/[^/]+", address) else "no dataset"
        kind = "a Space" if address.startswith("hf://spaces/") else kind
        if address.startswith("hf://datasets/"):
            raise UsageError(f"{address} is no address of a dataset repository.", hint=_HOW)
        raise HubtoolsError(f"{address} names {kind}, not a dataset.", hint=_HOW, code="wrong-kind")
    revision = unquote(match["revision"]) if match["revision"] else None
    path = (match["path"] or "").strip("/")
    return match["repo"], revision, path


# --- any address -------------------------------------------------------------------------------


class FsspecStore:
    """What lies at an address, through whatever file system of fsspec knows it."""

    def __init__(self, address: str) -> None:
        self._address = address
        scheme = address.partition("://")[0]
        with readable_errors(address):
            import fsspec

            try:
                self._fs, path = fsspec.core.url_to_fs(address)
            except ImportError as error:
                web = scheme in ("http", "https")
                words = " ".join(str(error).split())
                raise HubtoolsError(
                    f"Reading {scheme}:// needs a package that is not installed"
                    f" ({'aiohttp' if web else words}).",
                    hint="pip install 'hf-hubtools[url]'" if web else None,
                    code="missing-package",
                ) from None
            except ValueError as error:
                raise UsageError(
                    f"{address} is no address that can be read: {error}.",
                    hint="hf://, http(s):// and, with their packages, s3://, gs://, az://, ...",
                ) from None
        self._root = str(path)

    @property
    def name(self) -> str:
        """The address, without what may be a secret in it."""
        return bare(self._address)

    @cached_property
    def _found(self) -> tuple[bool, dict[str, str], list[Entry]]:
        """(whether it is a file, path by name, the files)."""
        with readable_errors(self._address):
            if self._looks_like_a_file():
                info = self._fs.info(self._root)
                if info.get("type") == "file":
                    name = unquote(self._root.partition("?")[0].rstrip("/").rpartition("/")[2])
                    return True, {name: self._root}, [_entry(name, info)]
            found = self._fs.find(self._root, detail=True)
            cut = len(self._root.rstrip("/"))
            paths, entries = {}, []
            for path, info in sorted(found.items()):
                inside = path[cut:].lstrip("/")
                if info.get("type") == "file" and inside and not set("?#") & set(inside):
                    name = unquote(inside) if "http" in self._address[:4] else inside
                    paths[name] = path
                    entries.append(_entry(name, info))
            if not entries:
                raise HubtoolsError(
                    f"There is nothing at {self.name}.",
                    hint="check the address",
                    code="file-not-found",
                )
        return False, paths, sorted(entries, key=lambda entry: entry.name)

    def _looks_like_a_file(self) -> bool:
        """Web servers call everything a file, folders end in no suffix."""
        base = self._root.partition("?")[0].rpartition("/")[2]
        return "." in base or not self._address.startswith("http")

    @property
    def single(self) -> bool:
        """True if the address names a file."""
        return self._found[0]

    def entries(self) -> list[Entry]:
        """As the file system lists them."""
        return self._found[2]

    def open(self, name: str) -> BinaryIO:
        """By ranges where the server knows them."""
        path = self._found[1].get(name)
        if path is None:
            raise FileNotFoundError(2, "No such file", name)
        with as_os_error(name):
            return retrying_file(self._fs.open(path, "rb", block_size=_BLOCK), name)

    def read(self, entry: Entry) -> bytes | str:
        """All of it, tried three times."""
        _check_size(entry)
        path = self._found[1][entry.name]
        for attempt in range(1, TRIES + 1):
            try:
                return _whole(entry, self._bytes_of(path, entry.size or MAX_STREAMED))
            except FileNotFoundError:
                raise Unreadable(0, "it is no longer there") from None
            except Unreadable:
                raise
            except Exception as error:  # every file system has its own
                if attempt == TRIES:
                    raise self._gone(error) from None
                pause(attempt)
        raise AssertionError

    def _bytes_of(self, path: str, most: int) -> bytes:
        if not self._address.startswith("http"):
            data: bytes = self._fs.cat_file(path)
            return data
        # a web server sends what it likes, whatever it has said before
        parts, left = [], most
        with self._fs.open(path, "rb", block_size=0) as file:
            while left >= 0 and (part := file.read(min(_BLOCK, left + 1))):
                parts.append(part)
                left -= len(part)
        if left < 0:
            raise Unreadable(0, f"more than the {most:,} bytes came that it should have")
        return b"".join(parts)

    def _gone(self, error: Exception) -> Exception:
        status = getattr(error, "status", None)
        if isinstance(status, int):
            return Unreadable(0, f"it cannot be read: the server answered HTTP {status}")
        names = {kind.__name__ for kind in type(error).__mro__}
        if "ClientConnectorError" in names or not names & {"ClientPayloadError", "OSError"}:
            return HubtoolsError(
                f"{self.name} cannot be reached any more: {one_line(error)}.",
                hint="run the same command again; it continues where it stopped",
                code="hub-unreachable",
            )
        return Unreadable(0, f"it cannot be read: {one_line(error)}")


# What file systems call that by which a file is known again, best first.
_IDENTITIES = (
    "ETag", "etag", "md5", "md5Hash", "sha256", "checksum", "generation", "version_id",
    "LastModified", "last_modified", "Last-Modified", "mtime", "modified", "updated", "created",
)  # fmt: skip


def _entry(name: str, info: dict[str, Any]) -> Entry:
    identity = next((str(info[key]) for key in _IDENTITIES if info.get(key)), "")
    return identified(name, int(info.get("size") or 0), identity)


def _check_size(entry: Entry) -> None:
    if entry.size > MAX_STREAMED:
        raise Unreadable(entry.size, f"it has {entry.size:,} bytes; no picture is that large")


def _whole(entry: Entry, data: bytes) -> bytes:
    if entry.size and len(data) != entry.size:
        raise Unreadable(
            len(data),
            f"it changed while it was read: {entry.size:,} bytes were listed, {len(data):,} came",
        )
    return data
