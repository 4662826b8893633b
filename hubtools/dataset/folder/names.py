"""Names of files that every system can have, and that say what a file is."""

from __future__ import annotations

import unicodedata

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, UNENTERED
from hubtools.patterns import regex

# Devices of Windows; with any ending they are the device still.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³")]
)
# What other tools act on: code and settings.
ACTED_ON = frozenset({".py", ".pth", ".toml", ".sh", ".bat", ".cmd", ".ps1", ".lnk", ".url"})
_FORBIDDEN = regex('[<>:"|?*\\\\\x00-\x1f\ud800-\udfff]')
# Bytes that a name may have on Linux; Windows and macOS count letters, which are fewer.
MAX_BYTES = 255
_KNOWN = "|".join(sorted(e[1:] for e in PICTURE_ENDINGS | FOREIGN_ENDINGS))
# image.jpg?w=300: an ending, and more that belongs to no name
_ENDING_AND_MORE = regex(rf"(?i)(.+)\.({_KNOWN})(?:[^a-z0-9.].*)?")

# What HFS+ passes by in names (git's core.protectHFS), and NTFS at their end.
_UNSEEN = regex("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]|[. ]+$|:.*")
_SHORT = regex(r"git~\d+|hubtoo~\d+")  # of 8.3 characters, on Windows


def is_unentered(part: str) -> bool:
    """True for a part of a name that some system takes for a folder of git, where a file may make
    programs run, or of hubtools."""
    seen = fold(_UNSEEN.sub("", part))
    return seen in UNENTERED or _SHORT.fullmatch(seen) is not None


def fold(name: str) -> str:
    """Equal for names that Windows or macOS take for the same."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def trouble_of(part: str) -> str | None:
    """Why Windows cannot have a file or folder of this name; None if it can."""
    if part.split(".")[0].rstrip(" ").lower() in _DEVICES:
        return f"{part.split('.')[0]} is a device of Windows"
    if part != part.rstrip(". "):
        return "it ends in a dot or a space"
    if not part.isprintable() and any("\ud800" <= mark <= "\udfff" for mark in part):
        return "it is not UTF-8, so the Hub cannot have it either"
    if found := _FORBIDDEN.search(part):
        return f"it holds {found[0]!a}"
    return None


def portable(name: str) -> str:
    """A relative name that is like `name`, and that every system can have."""
    return "/".join(map(_portable, name.split("/")))


def _portable(part: str) -> str:
    part = _FORBIDDEN.sub("_", part).rstrip(". ") or "_"
    stem, dot, rest = part.partition(".")
    return f"{stem.rstrip(' ')}_{dot}{rest}" if stem.rstrip(" ").lower() in _DEVICES else part


def named_as(name: str, ending: str) -> str:
    """`name` with this ending in place of the one it has; what is no ending of pictures is kept."""
    folder, slash, base = name.rpartition("/")
    base = base.rstrip(". ") or base
    if found := _ENDING_AND_MORE.fullmatch(base):
        base = found[1]
    return f"{folder}{slash}{base}{ending}"


def escapes(name: str) -> bool:
    """True for a name that leads out of the dataset folder, or to another machine."""
    return name.startswith(("../", "/", "~")) or name == ".." or "://" in name or ":/" in name
