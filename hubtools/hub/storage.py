"""What a repository holds beside main: large files of its history and of pull requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from hubtools.errors import HubtoolsError
from hubtools.hub.client import open_file, remote_files
from hubtools.hub.errors import asking
from hubtools.hub.marks import COMMIT
from hubtools.hub.patience import api
from hubtools.rooted import Root

_MOST_FILES = 100_000
_SHA256 = 64  # letters of one
_MOST_COMMITS = 300  # commits and pull requests that are looked through for a file


class StoredFile(NamedTuple):
    """A large file in a repository's storage. `ids`: all that the Hub calls it by, its SHA-256 (or
    Git's) among them; `name`: one that it had; `raw`: as the client has it."""

    sha256: str
    ids: frozenset[str]
    name: str
    bytes: int
    raw: Any


def stored_files(repo: str, repo_type: str) -> list[StoredFile]:
    """All of them, each once, whether a branch has them or not (`GET .../lfs-files`)."""
    found: dict[str, StoredFile] = {}
    with asking(f"storage of {repo}"):
        for info in islice(api().list_lfs_files(repo, repo_type=repo_type), _MOST_FILES):
            ids = (str(info.file_oid), str(info.oid))
            if not all(COMMIT.fullmatch(id) for id in ids):
                raise HubtoolsError(
                    f"The Hub's list of the large files of {repo} makes no sense:"
                    f" {', '.join(ids)[:120]!a} is no hash.",
                    hint="check HF_ENDPOINT; try again later",
                    code="hub-failed",
                )
            sha256 = next((id for id in ids if len(id) == _SHA256), ids[0])
            name = str(info.filename or sha256)
            size = int(info.size)
            found.setdefault(sha256, StoredFile(sha256, frozenset(ids), name, size, info))
    return sorted(found.values(), key=lambda file: (file.name, file.sha256))


def delete_stored(repo: str, repo_type: str, files: Iterable[StoredFile]) -> None:
    """Delete large files for good, also from the history. Nothing brings them back."""
    with asking(f"storage of {repo}"):
        api().permanently_delete_lfs_files(
            repo, [file.raw for file in files], rewrite_history=True, repo_type=repo_type
        )


def places_of(repo: str, repo_type: str, wanted: Iterable[str]) -> dict[str, tuple[str, str]]:
    """{SHA-256: (revision, name)} of large files: the newest revision that has each, pull requests
    after the commits of main. Those that none of the last few hundred has are missing."""
    left = set(wanted)
    found: dict[str, tuple[str, str]] = {}
    for revision in islice(_revisions(repo, repo_type), _MOST_COMMITS):
        if not left:
            break
        for name, file in remote_files(repo, repo_type, revision).items():
            if file.sha256 in left:
                left.discard(file.sha256)
                found[file.sha256] = (revision, name)
    return found


def _revisions(repo: str, repo_type: str) -> Iterator[str]:
    with asking(f"history of {repo}"):
        commits = api().list_repo_commits(repo, repo_type=repo_type)
        refs = api().list_repo_refs(repo, repo_type=repo_type, include_pull_requests=True)
    yield from (str(commit.commit_id) for commit in commits)
    others = [*refs.branches, *refs.tags, *(refs.pull_requests or ())]
    yield from (str(ref.target_commit) for ref in others)


def save(
    repo: str, repo_type: str, revision: str, name: str, root: Root, target: str, sha256: str
) -> bool:
    """Copy a file of a revision into an open folder, where nothing may have its name; False, and
    nothing is kept, if it has not that hash."""
    digest = hashlib.sha256()
    with (
        suppress(_OtherBytes),
        open_file(repo, repo_type, revision, name) as source,
        root.filling(target) as file,
    ):
        while block := source.read(1 << 20):
            digest.update(block)
            file.write(block)
        if digest.hexdigest() != sha256:
            raise _OtherBytes
    return digest.hexdigest() == sha256


class _OtherBytes(Exception):
    """What was written is not to take its place."""
