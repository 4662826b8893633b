"""The Hub: who may write, what is there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import open_regular
from hubtools.hub.errors import asking, is_unreachable
from hubtools.hub.intact import intact
from hubtools.hub.marks import check_revision
from hubtools.hub.patience import api, be_patient
from hubtools.hub.tree import list_tree
from hubtools.patterns import regex


class Hashes(Protocol):
    """A file's content: its bytes, its SHA-256, and git's SHA-1 of it as a blob."""

    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def sha1(self) -> str: ...


@dataclass(frozen=True)
class RemoteFile:
    """A file in a repository: the SHA-256 of an LFS file, or git's SHA-1 of a regular one."""

    name: str
    bytes: int
    sha256: str | None
    blob_sha1: str

    @property
    def mark(self) -> str:
        """The hash by which the Hub knows its content."""
        return self.sha256 or self.blob_sha1

    def holds(self, content: Hashes) -> bool:
        """True if it has this content."""
        wanted = content.sha1 if self.sha256 is None else content.sha256
        return self.bytes == content.bytes and self.mark == wanted


@dataclass(frozen=True)
class Remote:
    """A repository at one moment. `head` and `private` are None if it does not exist."""

    head: str | None = None
    private: bool | None = None
    files: dict[str, RemoteFile] = field(default_factory=dict)


def endpoint() -> str:
    """The Hub's address."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def resource_of(repo: str, repo_type: str) -> str:
    """The path of a repository's page, and its name where a token for it is asked for:
    `owner/name` of a model, `datasets/owner/name`."""
    return repo if repo_type == "model" else f"{repo_type}s/{repo}"


def is_offline() -> bool:
    """True if the client may not ask the Hub (HF_HUB_OFFLINE)."""
    from huggingface_hub import constants

    asked = getattr(constants, "is_offline_mode", None)
    return bool(asked() if asked is not None else constants.HF_HUB_OFFLINE)


def cache_folder() -> Path:
    """Where the client keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def speaks_xet() -> bool:
    """True unless Xet is switched off (HF_HUB_DISABLE_XET)."""
    from huggingface_hub import constants

    return not constants.HF_HUB_DISABLE_XET


def has_token() -> bool:
    """True if there is a token, in the environment or from `hf auth login`."""
    from huggingface_hub import get_token

    return get_token() is not None


def check_repo_id(name: str) -> None:
    """Raises `ValueError` for what cannot be the name of a repository."""
    from huggingface_hub.utils._validators import validate_repo_id

    validate_repo_id(name)


def remote_head(repo: str, repo_type: str) -> str | None:
    """Commit hash of main; None if the repository does not exist."""
    return head_and_privacy(repo, repo_type)[0]


def head_and_privacy(repo: str, repo_type: str) -> tuple[str | None, bool | None]:
    """(commit hash of main, whether only its owners see it); Nones if there is no such
    repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        with asking(repo):
            info: Any = api().repo_info(repo, repo_type=repo_type)
    except RepositoryNotFoundError:
        return None, None
    return str(info.sha), bool(info.private)


def look(repo: str, repo_type: str) -> Remote:
    """The repository as it is now."""
    head, private = head_and_privacy(repo, repo_type)
    return Remote(head, private, remote_files(repo, repo_type, head) if head else {})


def seen_by_anybody(repo: str, repo_type: str) -> tuple[Remote, str]:
    """The repository as it looks without a token, and what is not known because of that."""
    try:
        remote = look(repo, repo_type) if "/" in repo else Remote()
    except Exception as error:
        if not is_unreachable(error):
            raise
        return Remote(), (
            "the Hub was not reached: this is the plan for a new repository, and nobody asked"
            f" whether you may write to {repo}"
        )
    there = "is public" if remote.head is not None else "is new, or cannot be seen without a token"
    return remote, f"there is no token: {repo} {there}; nobody asked whether you may write to it"


def remote_files(repo: str, repo_type: str, revision: str) -> dict[str, RemoteFile]:
    """All files of a revision by name."""
    found = {}
    with asking(f"files of {repo}"):
        for file in list_tree(repo, repo_type, revision):
            found[file.path] = RemoteFile(file.path, file.size, file.sha256, file.blob_id)
    return found


_OWNER = regex(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,95}")
_MOST = 20  # names whose last change is looked up


def last_changes(repo: str, repo_type: str, names: Iterable[str], revision: str) -> dict[str, str]:
    """Who changed files last, and when, in words; as far as the Hub tells."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoFile

    hub = api()
    try:
        with asking(f"history of {repo}"):
            infos = hub.get_paths_info(
                repo, list(names)[:_MOST], expand=True, revision=revision, repo_type=repo_type
            )
            commits = hub.list_repo_commits(repo, revision=revision, repo_type=repo_type)
    except (HfHubHTTPError, HubtoolsError):
        return {}  # it is said without
    authors = {commit.commit_id: ", ".join(commit.authors) for commit in commits}
    found = {}
    for info in infos:
        last = info.last_commit if isinstance(info, RepoFile) else None
        if last is not None:
            who = authors.get(last.oid)
            when = f"{last.date:%Y-%m-%d %H:%M} UTC" if last.date else ""
            found[info.path] = f"by {who} on {when}" if who else f"on {when}"
    return found


def open_file(repo: str, repo_type: str, revision: str, name: str) -> BinaryIO:
    """A file of a repository, to be read; it is fetched into the client's cache."""
    from huggingface_hub import hf_hub_download

    be_patient()
    check_revision(revision)
    with asking(f"{name} of {repo}"), intact(), without_bars():
        found = hf_hub_download(repo, name, revision=revision, repo_type=repo_type)
    return open_regular(Path(found))


@contextmanager
def without_bars() -> Iterator[None]:
    """In it the client shows no progress bars of its own."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    shown = not are_progress_bars_disabled()
    if shown:
        disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


_AT_ONCE = 50  # names in one question with their last commits


def untouched(
    repo: str, repo_type: str, names: Sequence[str], then: str | None, now: str
) -> set[str] | None:
    """Those of `names` that no commit after `then` has touched, up to `now`: a file that was
    deleted and came back is not among them, whatever it holds. None if the repository has no such
    commit `then` (its history was squashed, or it is another repository)."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoFile

    if then == now:
        return set(names)
    if then is None:
        return None

    def last(some: Sequence[str], revision: str) -> dict[str, str]:
        infos = api().get_paths_info(
            repo, list(some), expand=True, revision=revision, repo_type=repo_type
        )
        files = (info for info in infos if isinstance(info, RepoFile))
        return {file.path: file.last_commit.oid for file in files if file.last_commit}

    found: set[str] = set()
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        with asking(f"history of {repo}"):
            try:
                before = last(some, then)
            except HfHubHTTPError as error:
                if error.response is None or error.response.status_code != 404:
                    raise
                return None
            after = last(some, now)
        found |= {name for name in some if name in before and before[name] == after.get(name)}
    if len(found) < len(names):
        with asking(f"history of {repo}"):
            commits = api().list_repo_commits(repo, revision=now, repo_type=repo_type)
        if then not in {commit.commit_id for commit in commits}:
            return None
    return found


def check_access(repo: str, repo_type: str, *, pr: bool | None = None) -> None:
    """Raise `HubtoolsError` if the token at hand cannot write to `repo`; sends nothing. `pr`: what
    is written is a pull request, which everybody may open who sees the repository; None where none
    can be.

    Under a trusted publisher (HF_OIDC_RESOURCE) nobody is asked who they are; the resource must be
    the repository.
    """
    resource = os.environ.get("HF_OIDC_RESOURCE")
    if resource:
        wanted = resource_of(repo, repo_type)
        if resource.removeprefix("models/") != wanted:
            raise HubtoolsError(
                f"HF_OIDC_RESOURCE is {resource}, but the target is {wanted}.",
                hint="a trusted publisher writes to one repository; set it for this step",
                code="hub-refused",
            )
        return
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    if get_token() is None:
        raise HubtoolsError(
            f"There is no Hub token; {repo} cannot be written to.",
            hint="run `hf auth login`, or set HF_TOKEN to a token with write permission;"
            " `hubtools hub serve` is a Hub of this machine to try it on",
            code="hub-refused",
        )
    hub = api()
    try:
        hub.auth_check(repo, repo_type=repo_type, write=not pr)
        return
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        pass  # it will be created, if the owner is one of ours
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code == 403:
            raise HubtoolsError(
                f"Your token may not write to {repo}.",
                hint="use a token with write permission for it"
                + (", or open a pull request (--pr)" if pr is False else ""),
                code="hub-refused",
            ) from error
        raise
    known = owners()
    owner = repo.partition("/")[0]
    if owner not in known:
        raise HubtoolsError(
            f"{repo} does not exist, and you cannot create it: the token is of"
            f" {', '.join(known) or 'nobody'}.",
            hint=f"use {known[0]}/{repo.partition('/')[2]}" if known else None,
            code="hub-refused",
        )


def owners() -> list[str]:
    """The user that the token is of, and the organisations that they may write to."""
    hub = api()
    with asking("who the token is of"):
        who = hub.whoami(cache=True)
        names = [who["name"], *(org["name"] for org in who.get("orgs", []))]
        if not all(isinstance(name, str) and _OWNER.fullmatch(name) for name in names):
            raise TypeError("a name is no word")  # people type them as they are told
    return names


def pusher() -> str:
    """Whom the Hub calls the author of what is pushed: the token's user, or its own name for the
    workflows that a repository trusts. Nobody can be called like that."""
    return "[OIDC]" if os.environ.get("HF_OIDC_RESOURCE") else owners()[0]


def full_repo_id(name: str) -> str:
    """`name` with the token's own account in front if it has no owner."""
    if "/" in name:
        return name
    from huggingface_hub import get_token

    if os.environ.get("HF_OIDC_RESOURCE") or get_token() is None:
        raise UsageError(
            f"{name} has no owner.",
            hint=f"write it as OWNER/{name}, or log in: `hf auth login`",
        )
    return f"{owners()[0]}/{name}"
