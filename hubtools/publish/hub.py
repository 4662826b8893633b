"""The Hub as the publish wing sees it: who may write, what is there, plain LFS where Xet is not."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of

_REAL_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class RemoteFile:
    """A file in a repository: the SHA-256 of an LFS file, or git's SHA-1 of a regular one."""

    name: str
    bytes: int
    sha256: str | None
    blob_sha1: str


def endpoint() -> str:
    """The Hub's address."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


@contextmanager
def plain_lfs() -> Iterator[None]:
    """Switch Xet off for Hubs other than huggingface.co: the client has no fallback and fails
    hard where a server does not offer it (huggingface_hub issue 4507)."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_XET
    if endpoint().rstrip("/") != _REAL_HUB:
        constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def remote_head(repo: str, repo_type: str) -> str | None:
    """Commit hash of main; None if the repository does not exist."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info: Any = HfApi().repo_info(repo, repo_type=repo_type)
    except RepositoryNotFoundError:
        return None
    return str(info.sha)


def remote_files(repo: str, repo_type: str, revision: str) -> dict[str, RemoteFile]:
    """All files of a revision by name."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    found = {}
    tree = HfApi().list_repo_tree(repo, recursive=True, revision=revision, repo_type=repo_type)
    for entry in tree:
        if isinstance(entry, RepoFile):
            sha256 = entry.lfs.sha256 if entry.lfs else None
            found[entry.path] = RemoteFile(entry.path, entry.size, sha256, entry.blob_id)
    return found


def is_same(remote: RemoteFile | None, source: Path, size: int) -> bool:
    """True if the repository's file has the local file's content."""
    if remote is None or remote.bytes != size:
        return False
    if remote.sha256 is not None:
        return remote.sha256 == sha256_of(source)
    return remote.blob_sha1 == blob_sha1(source, size)


def blob_sha1(source: Path, size: int) -> str:
    """Git's hash of a file: SHA-1 of `blob <size>\\0` and the content."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_access(repo: str, repo_type: str) -> None:
    """Raise `HubtoolsError` if the token at hand cannot write to `repo`; sends nothing.

    Under a trusted publisher (HF_OIDC_RESOURCE) nobody is asked who they are; the resource must be
    the repository.
    """
    resource = os.environ.get("HF_OIDC_RESOURCE")
    if resource:
        wanted = f"{repo_type}s/{repo}" if repo_type != "model" else repo
        if resource.removeprefix("models/") != wanted:
            raise HubtoolsError(
                f"HF_OIDC_RESOURCE is {resource}, but the target is {wanted}.",
                hint="a trusted publisher writes to one repository; set it for this step",
            )
        return
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    if get_token() is None:
        raise HubtoolsError(
            f"There is no Hub token; {repo} cannot be written to.",
            hint="run `hf auth login`, or set HF_TOKEN to a token with write permission",
        )
    api = HfApi()
    try:
        api.auth_check(repo, repo_type=repo_type, write=True)
        return
    except RepositoryNotFoundError:
        pass  # it will be created, if the owner is one of ours
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            raise HubtoolsError(
                f"Your token may not write to {repo}.",
                hint="use a token with write permission for it",
            ) from error
        raise
    owners = _owners(api)
    owner = repo.partition("/")[0]
    if owner not in owners:
        raise HubtoolsError(
            f"{repo} does not exist, and you cannot create it: the token is of"
            f" {', '.join(owners) or 'nobody'}.",
            hint=f"use {owners[0]}/{repo.partition('/')[2]}" if owners else None,
        )


def _owners(api: Any) -> list[str]:
    who = api.whoami(cache=True)
    return [who["name"], *(org["name"] for org in who.get("orgs", []))]


def full_repo_id(name: str) -> str:
    """`name` with the token's own account in front if it has no owner."""
    if "/" in name:
        return name
    from huggingface_hub import HfApi, get_token

    if os.environ.get("HF_OIDC_RESOURCE") or get_token() is None:
        raise HubtoolsError(
            f"{name} has no owner.", hint="write it as owner/name, or log in: `hf auth login`"
        )
    return f"{_owners(HfApi())[0]}/{name}"
