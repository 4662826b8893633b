"""What the open pull requests of a repository hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from hubtools.hub.client import RemoteFile, remote_files
from hubtools.hub.commit import Repository
from hubtools.hub.errors import asking

_MOST = 20  # open pull requests that are looked into


def proposed(
    repo: str, repo_type: str, holds: Callable[[Mapping[str, RemoteFile]], bool]
) -> int | None:
    """The number of the newest open pull request whose files, by their names, are those that are
    looked for; None if none of the newest is."""
    with asking(f"pull requests of {repo}"):
        opened = tuple(islice(Repository(repo, repo_type).open_prs(), _MOST))
    found = (one for one in opened if holds(remote_files(repo, repo_type, f"refs/pr/{one}")))
    return next(found, None)
