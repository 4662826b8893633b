"""What kinds of files a release may hold without a word: by their endings and their content."""

from __future__ import annotations

from hubtools.dataset.folder.listing import PICTURE_ENDINGS
from hubtools.leaks.stream import is_text
from hubtools.publish.contents.containers import packing

_TEXTS = frozenset(
    [
        ".txt",
        ".caption",
        ".md",
        ".json",
        ".jsonl",
        ".ndjson",
        ".csv",
        ".tsv",
        ".yaml",
        ".yml",
        ".toml",
        ".cff",
    ]
)
_NAMES = ("README", "LICENSE", "LICENCE", "NOTICE", "COPYING", "AUTHORS", "CITATION", "CHANGELOG")
_PICTURES = PICTURE_ENDINGS | {".avif", ".heic", ".heif", ".jxl"}
_PACKED = {
    ".parquet": ("parquet",),
    ".arrow": ("arrow", "arrow stream"),
    ".tar": ("tar",),
    ".zip": ("zip",),
    ".tgz": ("gzip",),
    ".gz": ("gzip",),
}
_HELD = {
    "dataset": "pictures, captions, tables, and archives of these",
    "model": "weights, the card, the licence, settings and pictures",
    "space": "a program in Python, its requirements, the card and pictures",
}
_OTHER = (
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "a database"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
)


def unexpected(repo_type: str, name: str, head: bytes) -> str | None:
    """Why a file is none of those that such a release holds; None if it is. `head` are its first
    512 bytes or more. An empty file is nothing to worry about."""
    if not head or head.startswith(b"version https://git-lfs"):
        return None  # the latter is P109's
    base = name.rpartition("/")[2]
    stem, dot, suffix = base.rpartition(".")
    ending = f".{suffix.lower()}" if dot and stem else ""
    packed = packing(head)
    if ending in _PICTURES:
        other = _other(head, packed)
        return f"it ends in {ending}, but is {other}" if other else None
    program = repo_type == "space" and ending == ".py"
    if (
        program
        or ending in _TEXTS
        or (base.upper().partition(".")[0] in _NAMES and ending in ("", ".rst"))
    ):
        what = _other(head, packed, text=True) or ("no text" if not is_text(head) else None)
        return f"it is called a text, but is {what}" if what else None
    if repo_type == "model" and ending == ".safetensors":
        return None  # P115 looks at it
    if repo_type == "dataset" and ending in _PACKED:
        if packed in _PACKED[ending]:
            return None
        return f"it ends in {ending}, but is {packed or 'something else'}"
    kind = f"{ending} files are" if ending else "files without an ending are"
    return f"{kind} not among what a {repo_type} is made of ({_HELD[repo_type]})"


def _other(head: bytes, packed: str | None, *, text: bool = False) -> str | None:
    """What it surely is, if that is no picture (or no text)."""
    if packed is not None and packed != "lzma":
        return packed if " " in packed else f"a {packed} file"
    known = next((what for magic, what in _OTHER if head.startswith(magic)), None)
    if known or text:
        return known
    if is_text(head) and len(head) >= 32 and head[:2] not in (b"P1", b"P2", b"P3", b"BM"):
        return "a text"
    return None
