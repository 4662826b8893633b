"""What the open pull requests of a repository hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from hubtools.errors import HubtoolsError
from hubtools.hub.client import RemoteFile, pusher, remote_files
from hubtools.hub.commit import Repository
from hubtools.hub.errors import asking

_MOST = 20  # open pull requests that are looked into


def proposed(
    repo: str,
    repo_type: str,
    holds: Callable[[Mapping[str, RemoteFile]], bool],
    *,
    mine: bool = False,
) -> int | None:
    """The number of the newest open pull request whose files, by their names, are those that are
    looked for; None if none of the newest is. `mine`: only those of the token's user are looked
    into."""
    repository = Repository(repo, repo_type)
    try:
        author = pusher() if mine else None
    except HubtoolsError:
        return None
    with asking(f"pull requests of {repo}"):
        opened = list(islice(repository.open_prs(author), _MOST))
    found = (one for one in opened if holds(remote_files(repo, repo_type, f"refs/pr/{one}")))
    return next(found, None)


def of_earlier_pushes(repo: str, repo_type: str, title: str) -> list[int]:
    """The numbers of the open pull requests that the token's user has opened with this title, the
    last first; none where it is nobody's."""
    try:
        author = pusher()
    except HubtoolsError:
        return []
    with asking(f"pull requests of {repo}"):
        return list(islice(Repository(repo, repo_type).open_prs(author, title), _MOST))
