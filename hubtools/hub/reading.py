"""Files of a repository, read where they lie: nothing is kept on this disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from hubtools.hub.answers import MOST
from hubtools.hub.client import is_offline, resource_of
from hubtools.hub.download import snapshot_of
from hubtools.hub.patience import api, be_patient


def kept_dataset(repo: str, revision: str | None) -> Path | None:
    """While offline: the folder where the client's cache has a dataset repository; None online.
    Raises `FileNotFoundError` if it has none."""
    if not is_offline():
        return None
    return snapshot_of(repo, repo_type="dataset", revision=revision, local_only=True)


def commit_of(repo: str, repo_type: str, revision: str | None) -> str:
    """The commit of a revision (default main), as the Hub says it."""
    return str(api().repo_info(repo, repo_type=repo_type, revision=revision).sha)


def is_file(repo: str, repo_type: str, revision: str, path: str) -> bool | None:
    """True for a file, False for a folder, None if there is neither."""
    from huggingface_hub.hf_api import RepoFile

    there = api().get_paths_info(repo, [path], repo_type=repo_type, revision=revision)
    return isinstance(there[0], RepoFile) if there else None


def open_ranges(
    repo: str, commit: str, path: str, block: int, *, repo_type: str = "dataset"
) -> BinaryIO:
    """A file of a repository, read by ranges of `block` bytes."""
    from huggingface_hub import HfFileSystem

    be_patient()
    place = f"{resource_of(repo, repo_type)}@{commit}/{path}"
    found: Any = HfFileSystem().open(place, "rb", block_size=block)
    return found  # type: ignore[no-any-return]


def cached(repo: str, repo_type: str, commit: str, path: str) -> str | None:
    """Where the client's cache has a file of a commit; None if it has not."""
    from huggingface_hub import try_to_load_from_cache

    kept = try_to_load_from_cache(repo, path, repo_type=repo_type, revision=commit)
    return kept if isinstance(kept, str) else None


def get(repo: str, repo_type: str, commit: str, path: str, most: int) -> tuple[int, bytes]:
    """(status, bytes) of a file, by one request; the client's errors only where it is refused
    (401, 403), the bytes of an answer above 400 say nothing. Raises `HubtoolsError` if it has more
    than `most` bytes."""
    import huggingface_hub
    from huggingface_hub import constants, hf_hub_url

    be_patient()
    client: Any = huggingface_hub.utils
    url = hf_hub_url(repo, path, repo_type=repo_type, revision=commit)
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    answer = client.http_backoff(
        "GET",
        url,
        headers=client.build_hf_headers(),
        timeout=timeout,
        extensions={MOST: most},
    )
    if answer.status_code >= 400 and answer.status_code not in (401, 403):
        return int(answer.status_code), b""
    client.hf_raise_for_status(answer)
    return int(answer.status_code), answer.content
