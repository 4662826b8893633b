"""What a repository holds beside main: large files of its history and of pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from hubtools.hub.client import asking, open_file, remote_files
from hubtools.hub.patience import api

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


def save(repo: str, repo_type: str, revision: str, name: str, target: Path) -> None:
    """Copy a file of a revision to a new file. Raises `FileExistsError` if one is there."""
    import shutil

    target.parent.mkdir(parents=True, exist_ok=True)
    with open_file(repo, repo_type, revision, name) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
