"""The files of a release: what goes into a repository, from where, and what stays out and why."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from hubtools.cardforms import violations_at
from hubtools.cardschema import Violation
from hubtools.dataset.folder.listing import PUT_PICTURES, Entry, Listing, walk
from hubtools.dataset.metadata.sidecars import how_to_caption
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.sources.names import is_shard
from hubtools.errors import HubtoolsError
from hubtools.files import written
from hubtools.frontmatter import FrontMatter, parse
from hubtools.layout import CARD, METADATA_NAMES, PROJECT_FILE, RUN_MANIFEST
from hubtools.limits import MAX_CARD
from hubtools.lorafile.look import Weights, look
from hubtools.project import load_project
from hubtools.publish.classify import classify
from hubtools.publish.content import HashedFile, opened_source
from hubtools.publish.contents import Leak
from hubtools.publish.ignored import ignored
from hubtools.publish.links import Link, below, follow
from hubtools.publish.reading import Reading, read
from hubtools.rooted import Root
from hubtools.runfolders.trainers import no_folder, recognised
from hubtools.setting_types import AllowedSecret
from hubtools.whereabouts import from_here

RepoType = Literal["model", "dataset", "space"]

LEFT_OUT = "left out as asked (--drop)"


@dataclass(frozen=True)
class ReleaseFile:
    """A file that is published: its name in the repository and its place on this disk.
    `hashed`: the file when it was hashed, if it was; whoever reads it then gets that file or an
    error. `others`: names that it has on this disk, if it is what a link leads to (see
    `links.Target`). `reading`: what the bytes that were hashed tell, if they were few enough to be
    held."""

    name: str
    source: Path
    bytes: int
    hashed: HashedFile | None = None
    others: tuple[str, ...] = ()
    reading: Reading | None = field(default=None, compare=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it goes by; what a rule says of one of them holds for the file."""
        return (self.name, *map(below, self.others))

    @property
    def sha256(self) -> str | None:
        """Hash of its content, if it was read."""
        return None if self.hashed is None else self.hashed.content.sha256


class Decoded(NamedTuple):
    """Facts about pictures of a release that were decoded when they were hashed; that began at
    `begun_ns`."""

    facts: PictureTable
    begun_ns: int


@dataclass(frozen=True)
class Release:
    """What would be in the repository. `excluded`: (name, reason)."""

    root: Path
    repo_type: RepoType
    files: tuple[ReleaseFile, ...]
    excluded: tuple[tuple[str, str], ...]
    links: tuple[Link, ...] = ()
    allow: tuple[str, ...] = ()  # patterns of files that somebody has asked for
    vouched: tuple[str, ...] = ()  # those of push.allow: they may hold what cannot be read
    allowed_secrets: tuple[AllowedSecret, ...] = ()
    adapters: tuple[str, ...] = ()  # further LoRA files that belong to the release
    dtype: str | None = None  # the half precision that its LoRA files are to be in
    repo: str | None = None  # where it would be
    opened: Root | None = field(default=None, compare=False, repr=False)  # while a plan is made
    decoded: Decoded | None = field(default=None, compare=False, repr=False)

    def is_allowed(self, name: str) -> bool:
        """Whether somebody has asked for a file of this name by a pattern."""
        return _fits(name, self.allow)

    def is_vouched_for(self, name: str) -> bool:
        """Whether push.allow names this file, which could not be read to its end."""
        return _fits(name, self.vouched)

    def open(self, file: ReleaseFile) -> BinaryIO:
        """A file of the release, to be read: every rule reads by this. Raises `ChecksFailed` if it
        is another than the one that was hashed, `LeadsOut` for a link, `OSError` for no file."""
        if self.opened is not None:
            return _opened(self.opened, file)
        with Root(self.root) as root:
            return _opened(root, file)

    def looked_at(self, root: Root) -> Release:
        """The same with its files hashed, and what is small of them read. Raises as
        `HashedFile.at`."""
        files = tuple(file for file, _ in self.each_looked_at(root))
        return replace(self, opened=root, files=files)

    def each_looked_at(self, root: Root) -> Iterator[tuple[ReleaseFile, bytes | None]]:
        """Each file, hashed and read, and its bytes, None if they are too many to be held. Raises
        as `HashedFile.at`."""
        for file in self.files:
            seen, data = HashedFile.at(root, file.source)
            told, content = None, seen.content
            if data is not None:
                told = self._read(file, content.bytes, content.sha256, io.BytesIO(data))
            yield (
                ReleaseFile(file.name, file.source, content.bytes, seen, file.others, told),
                data,
            )

    @cached_property
    def readings(self) -> tuple[tuple[ReleaseFile, Reading], ...]:
        """What each file tells: each is read once, to its end. Raises `OSError` if one cannot be
        read."""
        return tuple((file, file.reading or self._reading(file)) for file in self.files)

    def _reading(self, file: ReleaseFile) -> Reading:
        with self.open(file) as opened:
            return self._read(file, file.bytes, file.sha256, opened)

    def _read(self, file: ReleaseFile, size: int, sha256: str | None, opened: BinaryIO) -> Reading:
        stored = file.source.name
        return read(file.names, stored, size, sha256, self.repo_type, opened)

    @cached_property
    def leaks(self) -> tuple[Leak, ...]:
        """What the files hold that must not be published. Raises as `readings`."""
        return tuple(leak for _, told in self.readings for leak in told.leaks)

    @cached_property
    def weights(self) -> tuple[tuple[ReleaseFile, Weights], ...]:
        """The .safetensors files, each looked at once. Raises `OSError` if one cannot be read."""
        return tuple(
            (file, look(partial(self.open, file), file.bytes))
            for file in self.files
            if file.name.lower().endswith(".safetensors")
        )

    @cached_property
    def front(self) -> FrontMatter | None:
        """The card taken apart, its front matter read; None without a card."""
        return None if self._card is None else parse(self._card)

    @cached_property
    def unfit(self) -> tuple[tuple[Violation, int | None], ...]:
        """What in the card's front matter is not of the Hub's form, with lines of the file."""
        return () if self.front is None else violations_at(self.front, self.repo_type)

    @cached_property
    def card(self) -> str | None:
        """The text of the card, as far as cards are read; None without one."""
        return None if self._card is None else self._card.decode("utf-8-sig", "replace")

    @cached_property
    def _card(self) -> bytes | None:
        card = next((file for file in self.files if file.name == CARD), None)
        if card is None:
            return None
        with self.open(card) as opened:
            return opened.read(MAX_CARD)


def _opened(root: Root, file: ReleaseFile) -> BinaryIO:
    if file.hashed is not None:
        return file.hashed.open(root)
    return opened_source(root, file.source)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    base = name.rpartition("/")[2]
    return any(fnmatchcase(name, p) or fnmatchcase(base, p) for p in patterns)


def kind_of(folder: Path) -> Literal["model", "dataset"]:
    """Whether `folder` is a run folder (a model) or a dataset folder. Raises `HubtoolsError` if
    it is neither."""
    if not folder.is_dir():
        raise no_folder(folder, "give a run or dataset folder")
    if (folder / RUN_MANIFEST).is_file() or written(folder, "*.safetensors"):
        return "model"
    if recognised(folder) is not None:
        return "model"
    if any((folder / name).is_file() for name in METADATA_NAMES):
        return "dataset"
    if (folder / PROJECT_FILE).is_file():
        _check_no_project(folder)
    listing = walk(folder)
    if listing.metadata or any(map(is_shard, listing.entries)):
        return "dataset"
    holds = "neither a LoRA nor a dataset"
    hint = "put a LoRA (.safetensors) or pictures with a metadata file into it; or say which it is"
    if listing.pictures:
        holds = "pictures without a metadata file, and no LoRA"
        hint = f"{how_to_caption(folder, listing)}; without captions say what it is"
    raise HubtoolsError(f"{folder} holds {holds}.", hint=f"{hint}: --type", code="wrong-kind")


def _check_no_project(folder: Path) -> None:
    """Raise `HubtoolsError` for the folder of a project that keeps its pictures in another."""
    project = load_project(folder)
    pictures, run = project.dataset_dir, project.run_dir
    if not pictures.is_dir() or pictures.resolve() == folder.resolve():
        return
    there = [path for path in (pictures, run) if path.is_dir()]
    raise HubtoolsError(
        f"{folder} is a project: its pictures and its LoRA are published each by itself.",
        hint="give " + " or ".join(shlex.quote(from_here(path)) for path in there),
        code="wrong-kind",
    )


def collect(
    folder: Path,
    repo_type: RepoType,
    *,
    keep_checkpoints: str = "none",
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    resolve_links: bool = False,
    allow: Sequence[str] = (),
    allowed_secrets: Sequence[AllowedSecret] = (),
    adapters: Sequence[str] = (),
    dtype: str | None = None,
) -> Release:
    """The files of the release at `folder`: for a model what `prune` keeps, for all others
    everything but junk, hidden files and links (`resolve_links`: the files that they lead to take
    their places), less what a pattern of `drop` fits. What a `.gitignore` in the folder names stays
    out, unless a pattern of `keep` fits it. Patterns of `keep` and `allow` are the word that P116
    asks for, those of `allow` P117 too; `allowed_secrets` are let through by P101 and P113;
    `dtype` is what P150 asks for."""
    listing = walk(folder)
    if repo_type != "model":
        release = _dataset(folder, listing, drop, (*keep, *allow), resolve_links)
        release = replace(release, repo_type=repo_type)
    else:
        release = _model(folder, keep_checkpoints, keep, drop, adapters)
    release = _without_ignored(release, listing, keep)
    return replace(
        release,
        allow=(*keep, *allow),
        vouched=tuple(allow),
        allowed_secrets=tuple(allowed_secrets),
        dtype=dtype,
    )


def _model(
    folder: Path,
    keep_checkpoints: str,
    keep: Sequence[str],
    drop: Sequence[str],
    adapters: Sequence[str],
) -> Release:
    plan = classify(
        folder, keep_checkpoints=keep_checkpoints, keep=keep, drop=drop, adapters=adapters
    )
    if plan.asks:
        raise HubtoolsError(
            f"hubtools does not know what to do with {plan.asks[0].path}: {plan.asks[0].reason}.",
            hint="decide with --keep PATTERN or --drop PATTERN",
            code="confirmation-needed",
        )
    files = [ReleaseFile(i.target or i.path, folder / i.path, i.bytes) for i in plan.kept]
    return Release(
        folder,
        "model",
        tuple(sorted(files, key=lambda file: file.name)),
        tuple((item.path, item.reason) for item in plan.dropped),
        adapters=tuple(adapters),
    )


def _without_ignored(release: Release, listing: Listing, keep: Sequence[str]) -> Release:
    listed = {entry.name for entry in listing.entries}
    led_to = {n for file in release.files for n in file.others if not n.startswith("../")}
    said = {
        name: line
        for name, line in ignored(release.root, sorted(listed | led_to)).items()
        if not any(fnmatchcase(name, pattern) for pattern in keep)
    }
    if not said:
        return release
    files, excluded = [], list(release.excluded)
    for file in release.files:
        inside = file.source.is_relative_to(release.root)  # not so where a link was resolved
        name = file.source.relative_to(release.root).as_posix() if inside else file.name
        hit = next((one for one in (name, file.name, *file.others) if one in said), None)
        if hit is None:
            files.append(file)
            continue
        if hit in file.others:
            reason = (
                f"it leads to {hit}, which is named by {said[hit]}; --keep PATTERN publishes it"
            )
            excluded.append((file.name, reason))
        else:
            excluded.append((hit, f"named by {said[hit]}; --keep PATTERN publishes it"))
    if not files and not release.links:
        raise HubtoolsError(
            f"All that {release.root} holds is named by its .gitignore.",
            hint="publish it with --keep PATTERN, or change the .gitignore",
            code="nothing-there",
        )
    return replace(release, files=tuple(files), excluded=tuple(excluded))


def _dataset(
    folder: Path,
    listing: Listing,
    drop: Sequence[str],
    asked: Sequence[str],
    resolve_links: bool,
) -> Release:
    files, excluded, links = [], [], []
    for entry in listing.entries:
        if reason := _unwanted(entry, drop):
            excluded.append((entry.name, reason))
        elif entry.link:
            link, file = _linked(folder, entry.name, drop, asked, resolve_links)
            if file is not None:
                files.append(file)
            elif link.why_not == LEFT_OUT:
                excluded.append((entry.name, LEFT_OUT))
                continue
            else:
                excluded.append((entry.name, f"a symbolic link; {link.why_not}"))
            links.append(link)
        elif entry.special:
            excluded.append((entry.name, "no regular file"))
        else:
            files.append(ReleaseFile(entry.name, folder / entry.name, entry.size))
    for name in listing.linked_folders:
        if any(fnmatchcase(name, pattern) for pattern in drop):
            excluded.append((name, LEFT_OUT))
        else:
            links.append(follow(folder, name)[0])
            excluded.append((name, "a symbolic link to a folder, which is never entered"))
    if not files and not links:
        raise HubtoolsError(
            f"{folder} holds nothing to publish.", hint=PUT_PICTURES, code="nothing-there"
        )
    return Release(folder, "dataset", tuple(files), tuple(excluded), tuple(links))


def _unwanted(entry: Entry, drop: Sequence[str]) -> str | None:
    """Why a file of a dataset folder is not published; None if it may be."""
    if entry.junk:
        return "left by other programs"
    if entry.hidden:
        return "hidden"
    if entry.base.startswith(".tmp-") or entry.ending in (".tmp", ".part"):
        return "an unfinished file"
    if entry.ending in (".npz", ".pkl", ".pt", ".bin"):
        return "a cache or a pickle; not part of a dataset of pictures"
    if any(fnmatchcase(entry.name, pattern) for pattern in drop):
        return LEFT_OUT
    return None


def _linked(
    folder: Path, name: str, drop: Sequence[str], asked: Sequence[str], resolve: bool
) -> tuple[Link, ReleaseFile | None]:
    """A link, and the file to be published in its place. A name on the way that would keep a file
    of the folder here does so too, unless a pattern of `asked` fits it."""
    link, target = follow(folder, name)
    if target is None:
        return link, None
    for other in target.names:
        if any(fnmatchcase(one, pattern) for pattern in drop for one in (other, below(other))):
            return replace(link, why_not=LEFT_OUT), None
    if not resolve:
        return replace(link, why_not="links are not followed"), None
    for other in target.names:
        why = _unwanted(Entry(below(other), 0, 0), ())
        if why and not _fits(other, asked) and not _fits(below(other), asked):
            said = f"it leads to {other}, which would not be sent itself ({why})"
            return replace(link, why_not=said), None
    file = ReleaseFile(name, target.path, target.bytes, None, target.names)
    return replace(link, leads_to=str(target.path)), file
