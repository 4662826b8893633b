"""The ids git would give: of a blob, of a Git LFS pointer, of a tree and of a commit.

Ids are real, so that `verify_repo_checksums` and the no-op detection of the client hold. Objects
are not stored in git's format: the Hub's client never speaks git.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def _object_id(kind: bytes, body: bytes) -> str:
    return hashlib.sha1(kind + b" %d\x00" % len(body) + body, usedforsecurity=False).hexdigest()


def blob_id(data: bytes) -> str:
    """git's SHA-1 of a file with content `data`."""
    return _object_id(b"blob", data)


def blob_hasher(size: int) -> hashlib._Hash:
    """A SHA-1 that gives the git id of a file of `size` bytes once its content is fed to it."""
    return hashlib.sha1(b"blob %d\x00" % size, usedforsecurity=False)


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The Git LFS pointer file (spec version 1) that stands for a big file in the tree."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    ).encode()


def tree_id(entries: Iterable[tuple[str, str, bool]]) -> str:
    """git's SHA-1 of a folder of (name, id, is a folder)."""

    def key(entry: tuple[str, str, bool]) -> bytes:
        return entry[0].encode() + (b"/" if entry[2] else b"")

    body = b"".join(
        (b"40000 " if folder else b"100644 ") + name.encode() + b"\x00" + bytes.fromhex(oid)
        for name, oid, folder in sorted(entries, key=key)
    )
    return _object_id(b"tree", body)


def commit_id(tree: str, parents: Iterable[str], author: str, date: str, message: str) -> str:
    """An id for a commit, made as git makes it (the date keeps its milliseconds)."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {author} {date}", "", message]
    return _object_id(b"commit", "\n".join(lines).encode("utf-8", "surrogatepass"))
