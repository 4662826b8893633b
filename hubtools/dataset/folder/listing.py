"""One walk over a dataset folder: what is there, before anything is judged or decoded."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import is_out_of_reach
from hubtools.errors import HubtoolsError
from hubtools.fences import keep_same, walking
from hubtools.files import bytes_of, leads_out, open_inside, open_regular
from hubtools.layout import METADATA_NAMES
from hubtools.limits import FILES, STREAMED

# What the imagefolder loader of `datasets` 5.2 takes for pictures and a browser or PIL also reads.
# (Its own list has 61 endings; the rest are formats nobody trains on.)
PICTURE_ENDINGS = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".jp2",
        ".jpe",
        ".jfif",
        ".apng",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".tga",
        ".dib",
        ".ico",
        ".icns",
        ".psd",
        ".pcx",
        ".sgi",
        ".ras",
        ".j2k",
        ".jpx",
    ]
)
# Pictures to a person, but not to the loader without a metadata row (or not at all).
FOREIGN_ENDINGS = frozenset(
    [".avif", ".heic", ".heif", ".jxl", ".svg", ".raw", ".cr2", ".nef", ".dng"]
)
# What nobody would look for pictures in: texts, tables, archives, caches, unfinished downloads.
_OTHERS = """
    txt caption json jsonl csv tsv parquet arrow md toml yaml yml xml xmp html htm py log cfg ini
    npz npy pt pth bin safetensors ckpt db lrcat xlsx docx pdf zip tar gz 7z rar mov mp4 avi mkv
    webm aae part tmp download crdownload lnk url
"""
NO_PICTURES = frozenset(f".{ending}" for ending in _OTHERS.split())
JUNK_NAMES = frozenset(
    {"thumbs.db", "desktop.ini", ".ds_store", "ehthumbs.db", ".apdisk", ".nomedia", ".picasa.ini"}
    | {"picasa.ini"}
)
JUNK_FOLDERS = frozenset(
    {
        "__macosx",
        ".appledouble",
        ".fseventsd",
        ".spotlight-v100",
        ".temporaryitems",
        ".trashes",
        "$recycle.bin",
        "system volume information",
        "@eadir",
        ".thumbnails",
        ".ipynb_checkpoints",
        "__pycache__",
        ".git",
        ".cache",
    }
)
_LINKABLE = PICTURE_ENDINGS | FOREIGN_ENDINGS | {".parquet", ".tar", ".tgz", ".zip"}
# what is said of a folder that holds none
PUT_PICTURES = (
    "put pictures into it, or `hubtools init NAME --from PICTURES` copies them into a project"
)
UNENTERED = frozenset({".git", ".hubtools"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the dataset folder. `name` is relative, with `/`; `size` in bytes; times in
    nanoseconds since 1970, 0 for a file that is only planned."""

    name: str
    size: int
    mtime_ns: int
    link: bool = False
    ctime_ns: int = 0  # no program can set it back, as it can the time of change
    special: bool = False  # a pipe, a socket, a device
    outside: bool = False  # a link that leads out of the folder
    private: bool = False  # its owner alone may read it

    @property
    def ending(self) -> str:
        """Lower-case suffix with its dot."""
        stem, dot, suffix = self.name.rpartition(".")
        if not dot or "/" in suffix:
            return ""
        if stem[-1:] in "./":  # all of it may be points
            stem = stem.rpartition("/")[2].strip(".")
        return f".{suffix.lower()}" if stem else ""

    @property
    def folder(self) -> str:
        """Name of the folder it lies in; empty for the root."""
        return self.name.rpartition("/")[0]

    @property
    def base(self) -> str:
        """Name without its folder."""
        return self.name.rpartition("/")[2]

    @property
    def is_picture(self) -> bool:
        """True for what the loader takes for a picture by its ending; not for junk and what is
        hidden."""
        return self.ending in PICTURE_ENDINGS and not self.hidden and not self.junk

    @property
    def hidden(self) -> bool:
        """True if the loader's globs pass it by: a dot or double-underscore part in its path."""
        folder, _, base = self.name.rpartition("/")
        return base.startswith(".") or _hidden(folder)

    @property
    def junk(self) -> bool:
        """True for what operating systems and tools leave behind."""
        folder, _, base = self.name.rpartition("/")
        # ._x: what a Mac cannot store in x; ~$x: Office has x open
        # a.png:Zone.Identifier: what Windows notes of a download
        base = base.lower()
        return (
            base in JUNK_NAMES
            or base.startswith(("._", "~$"))
            or base.endswith("zone.identifier")
            or _junk(folder)
        )


# Folders are few, files may be a million.
@lru_cache(maxsize=4096)
def _hidden(folder: str) -> bool:
    return any(part.startswith((".", "__")) for part in folder.split("/"))


@lru_cache(maxsize=4096)
def _junk(folder: str) -> bool:
    return any(part in JUNK_FOLDERS for part in folder.lower().split("/"))


def _above(names: Iterable[str]) -> set[str]:
    """All folders on the way to files of these names."""
    found: set[str] = set()
    for name in names:
        while (name := name.rpartition("/")[0]) and name not in found:
            found.add(name)
    return found


@dataclass(frozen=True)
class Listing:
    """All files below `root`, sorted by name, and folders that could not be read."""

    root: Path
    entries: tuple[Entry, ...]
    linked_folders: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()  # all of them, those that are not entered too
    # how to open a file of what lies elsewhere; `root` is then a name and no path
    opener: Callable[[str], BinaryIO] | None = None
    # of a draft: files that are not yet what, or where, they would be
    moved: Mapping[str, Path] = field(default_factory=dict)

    def holding(self, entries: Iterable[Entry]) -> Listing:
        """The folder with these files instead: folders whose last file is not among them are gone,
        as `fix` removes them and no repository has them, but for what a link leads to."""
        kept = tuple(sorted(entries, key=lambda entry: entry.name))
        filled = _above(entry.name for entry in self.entries)
        stay = {name for name in self.folders if name not in filled}
        links = {os.path.realpath(self.root / name) for name in self.linked_folders}
        stay |= {
            name for name in self.folders if links and os.path.realpath(self.root / name) in links
        }
        stay |= _above([*(one.name for one in kept), *stay, *self.linked_folders, *self.unreadable])
        return replace(self, entries=kept, folders=tuple(n for n in self.folders if n in stay))

    def hides(self, name: str) -> bool:
        """Whether a file of that name may lie in a folder that could not be read."""
        return bool(self.unreadable) and any(
            one == "." or f"{name}/".startswith(f"{one}/") for one in self.unreadable
        )

    def place(self, name: str) -> Path:
        """Where the bytes of the file `name` lie."""
        moved = self.moved.get(name)
        return self.root / name if moved is None else moved

    def open(self, name: str) -> BinaryIO:
        """The file `name`, to be read and sought in. Raises `OSError`, for a link that leads out of
        the folder as well, unless it is a picture, or something that holds pictures, by name."""
        if self.opener is not None:
            return self.opener(name)
        path = self.place(name)
        if may_lie_outside(name):
            return open_regular(path)
        if name in self.moved:
            if not path.is_relative_to(self.root):
                return open_regular(path)
            name = path.relative_to(self.root).as_posix()
        return open_inside(self.root, name)

    def read(self, name: str) -> bytes:
        """The bytes of the file `name`. Raises `OSError`, for one of too many as well."""
        with self.open(name) as file:
            data = bytes_of(file, STREAMED)
        if data is None:
            raise OSError(errno.EFBIG, f"it has more than {STREAMED:,} bytes", name)
        return data

    @property
    def private(self) -> bool:
        """Whether there is a file that its owner alone may read, but for hidden ones."""
        return any(entry.private and not entry.hidden for entry in self.entries)

    @cached_property
    def names(self) -> frozenset[str]:
        """All relative names."""
        return frozenset(entry.name for entry in self.entries)

    @cached_property
    def pictures(self) -> tuple[Entry, ...]:
        """What the loader takes for pictures by their ending, junk and hidden ones left out."""
        return tuple(entry for entry in self.entries if entry.is_picture)

    @cached_property
    def metadata(self) -> tuple[Entry, ...]:
        """Metadata files, in every folder."""
        return tuple(
            entry
            for entry in self.entries
            if entry.base in METADATA_NAMES and not entry.hidden and not entry.junk
        )


def may_lie_outside(name: str) -> bool:
    """True for what is read where a link leads to, by its name: pictures, and shards of them. Words
    of what else lies there would become captions, or stand in messages."""
    entry = Entry(name, 0, 0)
    packed = entry.ending in _LINKABLE or name.endswith(".tar.gz")
    return packed and entry.base not in METADATA_NAMES


def leads_to_folder(link: os.DirEntry[str]) -> bool:
    """False for a link to anything else, or to itself."""
    try:
        return link.is_dir()
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        return False


def check_folder(root: Path) -> None:
    """Raise `HubtoolsError` if `root` is no folder, of pictures or to become one."""
    if not root.exists():
        raise HubtoolsError(
            f"There is no folder {root}.",
            hint="give the folder that holds the pictures",
            code="file-not-found",
            missing=root,
        )
    if not root.is_dir():
        raise HubtoolsError(
            f"{root} is a file.", hint="give the folder that holds it", code="file-exists"
        )


def walk(root: Path) -> Listing:
    """List `root` with one `os.scandir` a folder; symbolic links to folders are not entered.

    hubtools' own `.hubtools` is passed by. Raises `HubtoolsError` if `root` is no folder.
    """
    check_folder(root)
    keep_same(root)
    entries: list[Entry] = []
    linked: list[str] = []
    unreadable: list[str] = []
    folders: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with walking(root / folder) as found:
                for item in found:
                    name = f"{folder}/{item.name}" if folder else item.name
                    if len(entries) + len(folders) >= FILES:
                        raise HubtoolsError(
                            f"{root} has more than {FILES:,} files and folders.",
                            hint="give the folder that holds the dataset, or split it; the Hub"
                            " recommends no more than 100,000 files",
                            code="too-large",
                        )
                    if item.is_dir(follow_symlinks=False):
                        folders.append(name)
                        if item.name not in UNENTERED:
                            pending.append(name)
                    elif item.is_symlink() and leads_to_folder(item):
                        linked.append(name)
                    else:
                        entries.append(_entry(item, name, root))
        except OSError as error:
            if not is_out_of_reach(error):  # a set without the folder would look whole
                raise
            unreadable.append(folder or ".")
    entries.sort(key=lambda entry: entry.name)
    return Listing(
        root,
        tuple(entries),
        tuple(sorted(linked)),
        tuple(sorted(unreadable)),
        tuple(sorted(folders)),
    )


def _entry(item: os.DirEntry[str], name: str, root: Path) -> Entry:
    try:
        found = item.stat()
        special = not stat.S_ISREG(found.st_mode)
        link = item.is_symlink()
        outside = link and leads_out(root, name)
        times = (found.st_mtime_ns, link, found.st_ctime_ns)
        private = os.name != "nt" and not found.st_mode & 0o077
        return Entry(name, found.st_size, *times, special, outside, private)
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        # a link that leads nowhere, or a folder whose files may be listed but not looked at
        return Entry(name, 0, 0, item.is_symlink())
