"""What is sent to a repository: commits, pull requests, tags."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hubtools.hub.errors import is_unreachable, status_of
from hubtools.hub.patience import WAITS, api


def addition(name: str, payload: bytes | str | io.BufferedReader) -> tuple[Any, str]:
    """(a file of a commit: bytes, the path of a file, or one that is open; the hex SHA-256 of what
    the client will send, which it computes now)."""
    from huggingface_hub import CommitOperationAdd

    made = CommitOperationAdd(path_in_repo=name, path_or_fileobj=payload)
    return made, made.upload_info.sha256.hex()


def regular(name: str, data: bytes) -> Any:
    """A file of a commit that is no large one, whatever the Hub would make of its name now."""
    made, _ = addition(name, data)
    made._upload_mode = "regular"  # nobody is asked
    return made


def deletion(name: str) -> Any:
    """A file that a commit takes away."""
    from huggingface_hub import CommitOperationDelete

    return CommitOperationDelete(path_in_repo=name, is_folder=False)


def copy(name: str, revision: str) -> Any:
    """A file as an earlier revision of the repository has it."""
    from huggingface_hub import CommitOperationCopy

    return CommitOperationCopy(src_path_in_repo=name, path_in_repo=name, src_revision=revision)


class Committed(NamedTuple):
    """A commit, and the pull request that it opened, if it did."""

    commit: str
    pr_url: str | None


class PullRequest(NamedTuple):
    """A pull request. `opened` tells it from another of its number."""

    number: int
    url: str
    status: str
    is_pull_request: bool
    opened: str


class Repository:
    """A repository to be written to. Methods raise what the client raises."""

    def __init__(self, repo: str, repo_type: str) -> None:
        self._api = api()
        self._repo = repo
        self._where: dict[str, Any] = {"repo_type": repo_type}

    def create(self, *, private: bool) -> None:
        """Make it (a Space with gradio). Where the answer is lost it is asked for again, a few
        times. What is there already raises an error of status 409."""
        sdk = "gradio" if self._where["repo_type"] == "space" else None
        waits = list(WAITS)
        while True:
            try:
                self._api.create_repo(
                    self._repo, private=private, exist_ok=False, space_sdk=sdk, **self._where
                )
            except Exception as error:
                if status_of(error) == 409 and len(waits) < len(WAITS) and self._is_new(private):
                    return
                if not is_unreachable(error) or not waits:
                    raise
                time.sleep(waits.pop(0))
            else:
                return

    def _is_new(self, private: bool) -> bool:
        """True for a repository as one is made: with the first commit alone, and as private."""
        if bool(self._api.repo_info(self._repo, **self._where).private) != private:
            return False
        commits = self._api.list_repo_commits(self._repo, **self._where)
        return len(commits) == 1

    def upload(self, changes: Sequence[Any], **where: Any) -> None:
        """Send the large files of a commit ahead of it: until then nobody can read them. `where`:
        `revision` or `create_pr`, as for the commit."""
        from huggingface_hub import CommitOperationAdd

        self._api.preupload_lfs_files(
            self._repo,
            [change for change in changes if isinstance(change, CommitOperationAdd)],
            free_memory=False,
            **self._where,
            **where,
        )

    def commit(self, changes: Sequence[Any], **options: Any) -> Committed:
        """One commit of what `addition` and `deletion` gave; `options` as the client's
        `create_commit` takes them."""
        info = self._api.create_commit(self._repo, list(changes), **self._where, **options)
        return Committed(str(info.oid), info.pr_url)

    def tag(self, name: str, commit: str) -> None:
        """Give a commit a tag, unless it is there."""
        self._api.create_tag(self._repo, tag=name, revision=commit, exist_ok=True, **self._where)

    def tags(self) -> dict[str, str]:
        """The commit of each tag."""
        refs = self._api.list_repo_refs(self._repo, **self._where)
        return {str(ref.name): str(ref.target_commit) for ref in refs.tags}

    def commit_at(self, revision: str) -> str:
        """The commit hash of a branch, a tag or a pull request."""
        return str(self._api.repo_info(self._repo, revision=revision, **self._where).sha)

    # --- pull requests ---------------------------------------------------------------------------

    def open_prs(self, author: str | None = None, title: str | None = None) -> Iterator[int]:
        """Numbers of the open pull requests, the last first; of those of an `author`, and with a
        `title`, alone."""
        found = self._api.get_repo_discussions(
            self._repo, discussion_type="pull_request", discussion_status="open", **self._where
        )
        return (
            one.num
            for one in found
            if (author or one.author) == one.author and (title or one.title) == one.title
        )

    def open_pr(self, title: str) -> PullRequest:
        """A new one, a draft."""
        return _pr(self._api.create_pull_request(self._repo, title=title, **self._where))

    def pr(self, number: int) -> PullRequest:
        """That one."""
        return _pr(self._api.get_discussion_details(self._repo, number, **self._where))

    def set_pr(self, number: int, status: Any) -> None:
        """Make it `open` or `closed`."""
        self._api.change_discussion_status(self._repo, number, status, **self._where)

    def merge_pr(self, number: int) -> None:
        """Put its commits on main."""
        self._api.merge_pull_request(self._repo, number, **self._where)


def _pr(found: Any) -> PullRequest:
    opened = f"{found.author} {found.created_at.isoformat()} {found.title}"
    url = str(getattr(found, "url", ""))
    return PullRequest(int(found.num), url, str(found.status), bool(found.is_pull_request), opened)
