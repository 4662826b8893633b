"""The files of a release: what goes into a repository, from where, and what stays out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from hubtools.dataset.folder import walk
from hubtools.errors import HubtoolsError
from hubtools.layout import METADATA_NAMES, RUN_MANIFEST
from hubtools.publish.ignored import ignored
from hubtools.publish.prune import KeepSnapshots, classify

RepoType = Literal["model", "dataset"]


@dataclass(frozen=True)
class ReleaseFile:
    """A file that is published: its name in the repository and its place on this disk."""

    name: str
    source: Path
    bytes: int


@dataclass(frozen=True)
class Release:
    """What would be in the repository. `excluded`: (name, reason)."""

    root: Path
    repo_type: RepoType
    files: tuple[ReleaseFile, ...]
    excluded: tuple[tuple[str, str], ...]


def kind_of(folder: Path) -> RepoType:
    """Whether `folder` is a run folder (a model) or a dataset folder. Raises `HubtoolsError` if
    it is neither."""
    if not folder.is_dir():
        raise HubtoolsError(f"There is no folder {folder}.", hint="give a run or dataset folder")
    if (folder / RUN_MANIFEST).is_file() or any(folder.glob("*.safetensors")):
        return "model"
    if any((folder / name).is_file() for name in METADATA_NAMES) or walk(folder).metadata:
        return "dataset"
    raise HubtoolsError(
        f"{folder} holds neither a LoRA nor a dataset.", hint="say which with --type"
    )


def collect(
    folder: Path,
    repo_type: RepoType,
    *,
    keep_snapshots: KeepSnapshots = "none",
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Release:
    """The files of the release at `folder`: for a model what `prune` keeps, for a dataset
    everything but junk, hidden files and links. What a `.gitignore` in the folder names stays out,
    unless a pattern of `keep` fits it."""
    if repo_type == "dataset":
        return _without_ignored(_dataset(folder), keep)
    plan = classify(folder, keep_snapshots=keep_snapshots, keep=keep, drop=drop)
    if plan.asks:
        raise HubtoolsError(
            f"hubtools does not know what to do with {plan.asks[0].path}: {plan.asks[0].reason}.",
            hint="decide with --keep PATTERN or --drop PATTERN",
        )
    files = [ReleaseFile(i.target or i.path, folder / i.path, i.bytes) for i in plan.kept]
    release = Release(
        folder,
        "model",
        tuple(sorted(files, key=lambda file: file.name)),
        tuple((item.path, item.reason) for item in plan.dropped),
    )
    return _without_ignored(release, keep)


def _without_ignored(release: Release, keep: Sequence[str]) -> Release:
    listed = [entry.name for entry in walk(release.root).entries]
    said = {
        name: line
        for name, line in ignored(release.root, listed).items()
        if not any(fnmatchcase(name, pattern) for pattern in keep)
    }
    if not said:
        return release
    files, excluded = [], list(release.excluded)
    for file in release.files:
        name = file.source.relative_to(release.root).as_posix()
        if name in said:
            excluded.append((name, f"named by {said[name]}; --keep PATTERN publishes it"))
        else:
            files.append(file)
    if not files:
        raise HubtoolsError(
            f"All that {release.root} holds is named by its .gitignore.",
            hint="publish it with --keep PATTERN, or change the .gitignore",
        )
    return replace(release, files=tuple(files), excluded=tuple(excluded))


def _dataset(folder: Path) -> Release:
    files, excluded = [], []
    for entry in walk(folder).entries:
        if entry.junk:
            excluded.append((entry.name, "left by other programs"))
        elif entry.link:
            excluded.append((entry.name, "a symbolic link; links are never followed"))
        elif entry.hidden:
            excluded.append((entry.name, "hidden"))
        elif entry.base.startswith(".tmp-") or entry.ending in (".tmp", ".part"):
            excluded.append((entry.name, "an unfinished file"))
        elif entry.ending in (".npz", ".pkl", ".pt", ".bin"):
            excluded.append((entry.name, "a cache or a pickle; not part of a dataset of pictures"))
        else:
            files.append(ReleaseFile(entry.name, folder / entry.name, entry.size))
    if not files:
        raise HubtoolsError(f"{folder} holds nothing to publish.")
    return Release(folder, "dataset", tuple(files), tuple(excluded))
