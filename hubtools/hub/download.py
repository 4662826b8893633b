"""Folders of models: from the cache, or else from the Hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.hub.errors import is_unreachable


def snapshot(
    repo: str, patterns: Sequence[str], is_whole: Callable[[Path], bool] = lambda folder: True
) -> Path:
    """The folder where the cache has those files of a model repository; fetched if it has none,
    or if `is_whole` says that some are missing. Its name is the commit.

    Raises `HubtoolsError` if it is not cached and the Hub cannot be reached, and the client's
    errors for what the Hub answers.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    files = list(patterns)
    try:
        found = Path(snapshot_download(repo, allow_patterns=files, local_files_only=True))
        if is_whole(found):
            return found
    except LocalEntryNotFoundError:
        pass
    try:
        HfApi().model_info(repo)  # unlike a download, this does not try for half a minute
        return Path(snapshot_download(repo, allow_patterns=files))
    except Exception as error:
        if not is_unreachable(error):
            raise
        raise HubtoolsError(
            f"{repo} is not in the local cache, and the Hub cannot be reached.",
            hint="go online once, or give a local folder",
            code="hub-unreachable",
        ) from error
