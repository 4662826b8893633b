"""Folders with names, links and files that nobody would make, but that are there."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import unicodedata
from pathlib import Path

from hostile import metadata, pictures, texts

_STEMS = (
    "a", "b", "A", "é", "e\u0301", "train", "my val", "dress-test-2", "CON", "x" * 240, ".hid", "n.1",
    "ß", "\x1b[31m", "new\nline", "tab\t", " lead", "trail ", "dot.", "a::b", "a?w=3", "\udcff\udcfe",
    "$(x)", "-rf", "😀", "\u202egnp", "%41", "[1]", "*", "__x", "a\\b", "~", "README", "0",
)  # fmt: skip
_ENDINGS = (
    ".png",
    ".png",
    ".png",
    ".jpg",
    ".PnG",
    ".webp",
    ".gif",
    ".txt",
    ".json",
    "",
    ".jpg?w=3",
)
_FOLDERS = ("", "", "", "", "sub", "train", "test", "sub/deep", "__MACOSX", ".x", "a.png", "aux",
            "é", "\udcfe")  # fmt: skip


def name_of(random: random.Random) -> str:
    """A relative name."""
    folder = random.choice(_FOLDERS)
    base = random.choice(_STEMS) + random.choice(_ENDINGS)
    return f"{folder}/{base}" if folder else base


def put(root: Path, name: str, data: bytes) -> bool:
    """Write a file, unless there is something in its place; give whether."""
    path = Path(os.path.join(root, name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() or path.is_symlink():
            return False
        path.write_bytes(data)
    except (OSError, ValueError):
        return False
    return True


def hostile(random: random.Random, root: Path) -> None:
    """Fill a folder."""
    root.mkdir(parents=True)
    names: list[str] = []
    # formats that are decoded in a process of their own take long
    cheap = ("PNG", "PNG", "JPEG", "GIF", "WEBP", "BMP") + ("TIFF", "AVIF") * (
        random.random() < 0.1
    )
    for _ in range(random.randrange(7)):
        name = name_of(random)
        if name.endswith((".txt", ".json")):
            data = texts.word(random).encode("utf-8", "surrogatepass")
        elif random.random() < 0.6:
            data = pictures.plain(random.choice(cheap), hue=random.randrange(6) * 13)
        elif random.random() < 0.5:
            data = pictures.hostile(random)
            data = data if data[:1] not in (b"I", b"M") and data[4:8] != b"ftyp" else data[:30]
        else:
            data = random.choice([b"", b"<html>", b"version https://git-lfs", b"{}", bytes(99)])
        if put(root, name, data):
            names.append(name)
    for _ in range(random.choice([0, 1, 1, 1, 2])):
        folder = random.choice(["", "", "", "sub/", "train/"])
        spelt = [_misspelt(random, n.removeprefix(folder)) for n in names]
        base = random.choice((*metadata.NAMES, "Metadata.jsonl", "metadata.json", "captions.jsonl"))
        data = metadata.written(random, metadata.records(random, spelt), base)
        put(root, folder + base, texts.spoilt(random, data) if random.random() < 0.3 else data)
    if random.random() < 0.25:
        put(root, "README.md", texts.card(random))
    for _ in range(random.choice([0, 0, 1, 2])):
        _special(random, root)


def _misspelt(random: random.Random, name: str) -> str:
    if random.random() < 0.75:
        return name
    return random.choice(
        [name.upper(), "x/" + name, "../" + name, "/" + name, name + " ", name[:-1],
         unicodedata.normalize("NFD", name), name.replace("/", "\\")]
    )  # fmt: skip


def _special(random: random.Random, root: Path) -> None:
    """A pipe, a loop of links, a link out, a folder called as a picture, no permission."""
    what = random.randrange(8)
    path = root / random.choice(["z.png", "metadata.jsonl", "z.txt", "README.md", "sub", "z"])
    with contextlib.suppress(OSError):
        if what == 0:
            os.mkfifo(path)
        elif what == 1:
            path.symlink_to(path.name)
        elif what == 2:
            path.symlink_to("nowhere.png")
        elif what == 3:
            path.symlink_to(Path(__file__).resolve().parent)
        elif what == 4:
            path.symlink_to("a.png")
        elif what == 5:
            path.mkdir()
        elif what == 6:
            (root / "loop").symlink_to(".")
        else:
            found = [p for p in root.rglob("*") if not p.is_symlink()]
            if found:
                random.choice(sorted(found)).chmod(0)


def content(path: Path) -> object:
    """What a file is: its bytes, where it links to, or its kind."""
    if path.is_symlink():
        return str(path.readlink())
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return stat.S_IFMT(mode)
    try:
        return path.read_bytes()
    except OSError:
        return "unreadable"


def snapshot(root: Path) -> dict[str, object]:
    """Everything below a folder but hubtools' own, by name."""
    found: dict[str, object] = {}
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".hubtools"]
        for name in files + [n for n in folders if Path(place, n).is_symlink()]:
            path = Path(place, name)
            found[path.relative_to(root).as_posix()] = content(path)
    return found


def make_removable(root: Path) -> None:
    """Give back the permissions that removing asks for."""
    for place, folders, _ in os.walk(root):
        for name in folders:
            with contextlib.suppress(OSError):
                path = Path(place, name)
                if not path.is_symlink():
                    path.chmod(0o700)
