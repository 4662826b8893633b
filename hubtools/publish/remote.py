"""`prune --remote`: what of a repository on the Hub is worth keeping, by the same judgement as of a
run folder.

The repository is laid out as a folder without its bytes: texts are fetched, of a weight file the
header, and all else is empty space of the right size, marked by the Hub's hash. What `classify`
says of that folder is the plan. Files go by a pull request, which somebody may close or undo; large
files that are in the history or in pull requests alone go for good, after they were saved here.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.files import not_replaced
from hubtools.findings import plural
from hubtools.hub.client import Remote, RemoteFile, look
from hubtools.hub.commit import Repository, deletion
from hubtools.hub.errors import asking
from hubtools.hub.reading import get, open_ranges
from hubtools.hub.storage import StoredFile, delete_stored, places_of, save, stored_files
from hubtools.limits import DEPTH
from hubtools.publish.again import url_of
from hubtools.publish.classify import Item, classify
from hubtools.rooted import LeadsOut, Root, parts_of

RepoType = Literal["model", "dataset"]
_TEXTS = (".json", ".md", ".yaml", ".yml", ".toml", ".txt")
_TEXT = 1_000_000  # bytes of a text that is fetched
_HEADER = 100_000_000  # bytes of a header, as safetensors allows
_ALL = 512_000_000  # bytes of all that is fetched; beyond that files are known by name and size
_BLOCK = 1 << 16
_NAME = 200  # bytes of a name that any disk takes
# What a list of files that contradicts itself, or the disk, ends in.
_SENSELESS = (
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EFBIG),
    *(errno.EINVAL, errno.EILSEQ),
)
_OF_THE_HUB = ".gitattributes"


@dataclass(frozen=True)
class RemotePlan:
    """What a repository holds. `items` are of main, judged as in a run folder; `hidden` are large
    files that main does not have: in its history, in other branches or pull requests."""

    repo: str
    repo_type: RepoType
    head: str
    items: tuple[Item, ...]
    hidden: tuple[StoredFile, ...]

    @property
    def removed(self) -> tuple[Item, ...]:
        """What a pull request would delete."""
        return tuple(item for item in self.items if item.moves)

    @property
    def bytes_removed(self) -> int:
        """Of `removed`."""
        return sum(item.bytes for item in self.removed)

    @property
    def bytes_hidden(self) -> int:
        """Of `hidden`."""
        return sum(file.bytes for file in self.hidden)


def plan_remote(
    repo: str,
    repo_type: RepoType = "model",
    *,
    keep_checkpoints: str = "none",
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    adapters: Sequence[str] = (),
) -> RemotePlan:
    """Look at a repository; of a dataset, at its storage alone. Raises `HubtoolsError` if there is
    none, or no LoRA in a model's."""
    remote = look(repo, repo_type)
    if remote.head is None:
        raise HubtoolsError(f"There is no {repo_type} {repo}.", code="nothing-there")
    items = (
        _judged(remote, repo, repo_type, keep_checkpoints, keep, drop, adapters)
        if repo_type == "model"
        else ()  # the rules of `validate` judge what lies on main
    )
    hidden = _hidden(stored_files(repo, repo_type), remote.files, repo)
    return RemotePlan(repo, repo_type, remote.head, items, hidden)


def _judged(
    remote: Remote,
    repo: str,
    repo_type: RepoType,
    keep_checkpoints: str,
    keep: Sequence[str],
    drop: Sequence[str],
    adapters: Sequence[str],
) -> tuple[Item, ...]:
    """The files of main with their verdicts."""
    head = str(remote.head)
    with tempfile.TemporaryDirectory(prefix="hubtools-") as place:
        folder = Path(place)
        with Root(folder) as root:
            left = _ALL
            for name, file in remote.files.items():
                if name != _OF_THE_HUB:
                    left -= _lay_out(root, repo, repo_type, head, file, left)
        try:
            hashes = {name: file.sha256 for name, file in remote.files.items()}
            return classify(
                folder,
                keep_checkpoints=keep_checkpoints,
                keep=keep,
                drop=drop,
                adapters=adapters,
                sha256=hashes.get,
            ).items
        except HubtoolsError as error:
            raise HubtoolsError(
                error.message.replace(place, repo), hint=error.hint, code=error.code
            ) from error


def _ids(files: Mapping[str, RemoteFile]) -> set[str]:
    """All by which the Hub may call the large files of a revision."""
    return {id for file in files.values() if file.sha256 for id in (file.sha256, file.blob_sha1)}


def _hidden(
    stored: Sequence[StoredFile], files: Mapping[str, RemoteFile], repo: str
) -> tuple[StoredFile, ...]:
    """What main does not have. Raises `HubtoolsError` where the list of the storage does not know a
    large file of main: then nothing may be said of the others."""
    known = {id for file in stored for id in file.ids}
    for name, file in files.items():
        if file.sha256 and not _ids({name: file}) & known:
            raise HubtoolsError(
                f"The Hub does not list {name} among the large files of {repo}.",
                hint="try again later; nothing was changed",
                code="hub-failed",
            )
    shown = _ids(files)
    return tuple(file for file in stored if not file.ids & shown)


def _lay_out(
    root: Root, repo: str, repo_type: RepoType, head: str, file: RemoteFile, left: int
) -> int:
    """A file of the right size whose content says what is to be judged, of at most `left` bytes;
    how many were fetched."""
    data, fetched = file.mark.encode(), 0
    if file.name.endswith(_TEXTS) and file.bytes <= min(_TEXT, left):
        with asking(f"{file.name} of {repo}"):
            status, data = get(repo, repo_type, head, file.name, most=file.bytes)
        if status >= 400:
            raise HubtoolsError(f"{file.name} of {repo} cannot be read (HTTP {status}).")
        fetched = len(data)
    elif file.name.endswith(".safetensors"):
        header = _header(repo, repo_type, head, file, left)
        data, fetched = header + data, len(header)
    try:
        folders = parts_of(file.name)[:-1]
        if len(folders) > DEPTH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if folders:
            root.mkdir("/".join(folders))
        with root.create(file.name) as opened:
            opened.write(data[: file.bytes])
            opened.truncate(file.bytes)
    except (OSError, LeadsOut) as error:
        if isinstance(error, OSError) and error.errno not in _SENSELESS:
            raise
        raise HubtoolsError(
            f"{repo} lists {file.name[:80]!r} ({file.bytes:,} bytes), which is no file that can lie"
            " beside the others.",
            hint="prune a copy of the repository: hubtools prune FOLDER",
            code="hub-failed",
        ) from None
    return fetched


def _header(repo: str, repo_type: RepoType, head: str, file: RemoteFile, left: int) -> bytes:
    with (
        asking(f"{file.name} of {repo}"),
        open_ranges(repo, head, file.name, _BLOCK, repo_type=repo_type) as opened,
    ):
        start = opened.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        return start + (opened.read(length) if length <= min(_HEADER, left, file.bytes) else b"")


def remove(plan: RemotePlan, *, message: str | None = None) -> str:
    """Open a pull request that deletes `removed`; gives its address. Raises `HubtoolsError` if
    there is nothing to delete."""
    if not plan.removed:
        raise HubtoolsError(f"There is nothing to delete on main of {plan.repo}.")
    changes = [deletion(item.path) for item in plan.removed]
    with asking(f"pull request to {plan.repo}"):
        made = Repository(plan.repo, plan.repo_type).commit(
            changes,
            commit_message=message
            or f"Delete {plural(len(changes), 'file')} that no release needs",
            commit_description="\n".join(f"- {i.path}: {i.reason}" for i in plan.removed[:200]),
            parent_commit=plan.head,
            create_pr=True,
        )
    return made.pr_url or url_of(plan.repo, plan.repo_type)


def keep_here(plan: RemotePlan, folder: Path) -> list[StoredFile]:
    """Save the hidden files below `folder`, each as HASH/NAME and compared by hash; those that no
    revision has any more are returned."""
    places = places_of(plan.repo, plan.repo_type, [file.sha256 for file in plan.hidden])
    lost = []
    with Root(folder, create=True) as root:
        for file in plan.hidden:
            if file.sha256 not in places:
                lost.append(file)
                continue
            revision, name = places[file.sha256]
            target = f"{file.sha256[:12]}/{_short(PurePosixPath(name).name)}"
            if root.exists(target):  # it is written whole or not at all
                if not root.is_file(target) or root.sha256(target) != file.sha256:
                    raise not_replaced(folder / target, f"what {plan.repo} has")
            elif not save(plan.repo, plan.repo_type, revision, name, root, target, file.sha256):
                raise ChecksFailed(
                    f"{name} is not what {plan.repo} says it is; nothing was deleted."
                )
    return lost


def _short(name: str) -> str:
    return name if len(name.encode()) <= _NAME else f"file{PurePosixPath(name).suffix[:20]}"


def purge_hidden(plan: RemotePlan) -> int:
    """Delete the hidden files for good; how many. Raises `ChecksFailed` if main changed since the
    plan: what was hidden then may be shown now."""
    now = _ids(look(plan.repo, plan.repo_type).files)
    shown = [file for file in plan.hidden if file.ids & now]
    if shown:
        raise ChecksFailed(
            f"{shown[0].name} is on main of {plan.repo} now; nothing was deleted.",
            hint="look again",
        )
    if plan.hidden:
        delete_stored(plan.repo, plan.repo_type, plan.hidden)
    return len(plan.hidden)
