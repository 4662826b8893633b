"""Where the run of a job lies on the Hub: a pull request in a private repository of its own.

States hold more than is published, so the repository is made for runs alone and never is the one
that the LoRA is published in. Each run has a pull request, which is known by its title: a job that
goes on with a run writes to the same one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.files import open_regular
from hubtools.hub.client import RemoteFile, head_and_privacy, remote_files
from hubtools.hub.commit import Repository
from hubtools.hub.download import fetched
from hubtools.hub.errors import status_of
from hubtools.layout import (
    LORA_WEIGHTS,
    LOSS_CHART,
    METRICS,
    PROJECT_FILE,
    RUN_MANIFEST,
    SAMPLES_DIR,
    SNAPSHOTS_DIR,
    STATE_DIR,
)
from hubtools.publish.content import content_of
from hubtools.rooted import Root

_FILES = frozenset({LORA_WEIGHTS, LOSS_CHART, METRICS, PROJECT_FILE, RUN_MANIFEST})
_FOLDERS = frozenset({SAMPLES_DIR, SNAPSHOTS_DIR, STATE_DIR})
_KINDS = frozenset({".safetensors", ".json", ".jsonl", ".png", ".toml"})
_LOOKED_AT = 50  # open pull requests


@dataclass(frozen=True)
class Place:
    """A run's pull request in a repository."""

    repo: str
    pr: int

    @property
    def ref(self) -> str:
        """Its branch."""
        return f"refs/pr/{self.pr}"

    def files(self) -> tuple[str, dict[str, RemoteFile]]:
        """(commit, the run's files at it)."""
        commit = Repository(self.repo, "model").commit_at(self.ref)
        every = remote_files(self.repo, "model", commit)
        return commit, {name: file for name, file in every.items() if belongs(name)}


def belongs(name: str) -> bool:
    """Whether a file of this name is one of a run that may be fetched: no pickle, nothing that a
    shell or another program would read on its own."""
    path = PurePosixPath(name)
    if any(part.startswith(".") for part in path.parts):
        return False
    if len(path.parts) == 1:
        return name in _FILES
    return path.parts[0] in _FOLDERS and path.suffix in _KINDS


def state_of(name: str) -> str | None:
    """The folder of a state that a file is of: `step-000500`; None for any other file."""
    parts = name.split("/")
    return parts[1] if parts[0] == STATE_DIR and len(parts) > 2 else None


def check_private(repo: str) -> bool:
    """Whether the repository is there. Raises `ChecksFailed` if everybody can read it."""
    head, private = head_and_privacy(repo, "model")
    if head is not None and not private:
        raise ChecksFailed(
            f"{repo} is public, and everybody could read the states of the run.",
            hint="name another with --run-repo OWNER/NAME; it is made, private",
        )
    return head is not None


def find_place(repo: str, title: str) -> Place | None:
    """The open pull request of this title, the last if there are several."""
    repository = Repository(repo, "model")
    for number in islice(repository.open_prs(), _LOOKED_AT):
        found = repository.pr(number)
        if found.opened.split(" ", 2)[2] == title:
            return Place(repo, number)
    return None


def open_place(repo: str, title: str) -> Place:
    """A new pull request; the repository is made, private, if it is not there."""
    repository = Repository(repo, "model")
    if not check_private(repo):
        try:
            repository.create(private=True)
        except Exception as error:
            if status_of(error) != 409:  # somebody was faster
                raise
            check_private(repo)
    return Place(repo, repository.open_pr(title).number)


def bring(
    place: Place,
    root: Root,
    *,
    states: bool,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, int]:
    """Fetch the run's files into `root`, and compare each with the checksum that the
    Hub lists: (commit, how many). With `states` those to resume from too. `on_file` is told how
    many of how many are there.

    Raises `HubtoolsError` for a file that is not what the Hub says.
    """
    commit, files = place.files()
    wanted = [name for name in sorted(files) if states or state_of(name) is None]
    for done, name in enumerate(wanted):
        on_file(done, len(wanted))
        source = fetched(place.repo, name, revision=commit, bar=False)
        with open_regular(source) as file:
            if not files[name].holds(content_of(file, source)):
                raise HubtoolsError(
                    f"{name} of {place.repo} is not what the Hub lists; it is not used.",
                    hint="fetch it again",
                    code="hub-failed",
                )
            file.seek(0)
            with root.replacing(name) as written:
                shutil.copyfileobj(file, written, 1 << 20)
    return commit, len(wanted)
