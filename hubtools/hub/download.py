"""Files and folders of repositories: from the client's cache, or else from the Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hubtools.errors import HubtoolsError
from hubtools.hub.client import cache_folder
from hubtools.hub.errors import asking, is_not_cached, is_unreachable, status_of
from hubtools.hub.intact import intact
from hubtools.hub.marks import COMMIT, check_revision
from hubtools.hub.patience import api, be_patient
from hubtools.hub.tree import list_tree
from hubtools.nearest import as_path


class ModelInfo(NamedTuple):
    """A model repository: its files, and the front matter of its card, which anybody wrote."""

    files: tuple[str, ...]
    card: Mapping[str, Any]


def model_info(repo: str, revision: str | None = None) -> ModelInfo:
    """What the Hub says of a model repository. Unlike a download, this does not try for half a
    minute to reach a Hub that is not there. Raises what the client raises."""
    info = api().model_info(repo, revision=revision)
    card = vars(info.card_data) if info.card_data is not None else {}
    return ModelInfo(tuple(sibling.rfilename for sibling in info.siblings or ()), card)


def fetched(
    repo: str,
    name: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    local_only: bool = False,
    bar: bool = True,
) -> Path:
    """A file of a repository in the client's cache, downloaded unless it is there; with
    `local_only` the Hub is not asked; `bar` off: the client shows none. Raises what the client
    raises, and `HubtoolsError` for a large file whose SHA-256 is another than the Hub's."""
    from huggingface_hub import hf_hub_download

    be_patient()
    check_revision(revision)
    with asking(f"{name} of {repo}"), intact(), closed_bars(shown=bar) as kind:
        found = hf_hub_download(
            repo,
            name,
            repo_type=repo_type,
            revision=revision,
            local_files_only=local_only,
            tqdm_class=kind,
        )
    return Path(found)


def snapshot_of(
    repo: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    patterns: Sequence[str] | None = None,
    local_only: bool = False,
) -> Path:
    """The folder of a commit in the client's cache, with the files that `patterns` name (default
    all) downloaded; with `local_only` the Hub is not asked. Its name is the commit. Raises what the
    client raises, and `HubtoolsError` for a list of files that makes no sense."""
    from huggingface_hub import snapshot_download

    be_patient()
    check_revision(revision)
    with asking(f"files of {repo}"), intact(), closed_bars() as bar:
        if repo_type == "dataset" and not local_only:
            _judge_names(repo, repo_type, revision)
        found = snapshot_download(
            repo,
            repo_type=repo_type,
            revision=revision,
            allow_patterns=None if patterns is None else list(patterns),
            local_files_only=local_only,
            tqdm_class=bar,
        )
    return Path(found)


def _judge_names(repo: str, repo_type: str, revision: str | None) -> None:
    """Raise `HubtoolsError` for names that lead out of a folder, before the client makes files of
    them. A commit of which it has files already was judged then."""
    try:
        info: Any = api().repo_info(repo, repo_type=repo_type, revision=revision)
        kept = cache_folder() / f"{repo_type}s--{repo.replace('/', '--')}" / "snapshots"
        if COMMIT.fullmatch(str(info.sha)) is None:
            raise TypeError("its commit is no hash")
        if not (kept / info.sha).is_dir():
            for _ in list_tree(repo, repo_type, info.sha):
                pass
    except Exception as error:
        # the client, which is answered alike, takes what it has, or raises this
        if not is_unreachable(error) and status_of(error) is None:
            raise


@contextmanager
def closed_bars(*, shown: bool = True) -> Iterator[type[Any]]:
    """A class of progress bars of the client, which end with this: the client leaves those of a
    snapshot open, with the cursor in the middle of them. Unless `shown` they show nothing."""
    from huggingface_hub.utils.tqdm import tqdm

    made: list[Any] = []

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            hidden = {} if shown else {"disable": True}
            super().__init__(*args, **{**options, **hidden})  # type: ignore[no-untyped-call]
            made.append(self)

    try:
        yield Bar
    finally:
        for one in reversed(made):
            one.close()


def snapshot(
    repo: str, patterns: Sequence[str], is_whole: Callable[[Path], bool] = lambda folder: True
) -> Path:
    """The folder where the cache has those files of a model repository; fetched if it has none,
    or if `is_whole` says that some are missing. Its name is the commit.

    Raises `HubtoolsError` if it is not cached and the Hub cannot be reached, and the client's
    errors for what the Hub answers.
    """
    try:
        found = snapshot_of(repo, patterns=patterns, local_only=True)
        if is_whole(found):
            return found
    except FileNotFoundError as error:
        if not is_not_cached(error):
            raise
    try:
        model_info(repo)
        return snapshot_of(repo, patterns=patterns)
    except Exception as error:
        if not is_unreachable(error):
            raise
        raise HubtoolsError(
            f"{repo} is not in the local cache, and the Hub cannot be reached.",
            hint="go online once, or give a local folder",
            code="hub-unreachable",
            missing=as_path(repo),
        ) from error
