"""Paths that tell about this machine and its user, addresses with a password, and servers here."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from hubtools.patterns import regex

_HERE = ("127.0.0.1", "localhost", "::1")
_LONGEST = 300  # letters of a path that is shown

# A part of a path of Windows, whose names may have spaces; and one of other systems.
_PART = r"[^\\/:*?\"'<>|`\r\n\t]{1,80}"
_WORD = r"[\w.%@+~-]{1,80}"
# Where people's folders lie: Linux, macOS, WSL, Git Bash, Cygwin; disks are mounted under the name
# of their user.
_HOMES = (
    r"(?:/var)?/home/|/Users/|(?:/mnt|/cygdrive)?/[A-Za-z]/[Uu]sers/|/export/home/|/(?:run/)?media/"
)
_END = r"(?=[\s\"'`<>,;)\]}]|\Z)"
# One backslash, two (JSON), or a slash
_SLASH = r"(?:\\{1,4}|/)"
_PATHS = regex(
    # file:///home/jane/a.png, file://server/share/a.png
    r"(?<![A-Za-z])file:(?://)?/[^\s\"'`<>]{1,300}"
    # /home/jane/a.png; /home/jane where nothing follows
    rf"|(?<![\w.~%/-])(?:{_HOMES}){_WORD}(?:(?:/{_WORD}){{1,40}}|/?{_END})"
    rf"|(?<![\w.~%/-])(?:/root|/mnt/[a-z])(?:/{_WORD}){{1,40}}"
    # C:\Users\Jane Doe\a.png, c:/users/jane, D:\\training\\set
    rf"|(?<![A-Za-z0-9])[A-Za-z]:{_SLASH}(?:[Uu]sers|USERS|Documents and Settings){_SLASH}"
    rf"(?:{_PART}{_SLASH}){{0,40}}{_WORD}"
    rf"|(?<![A-Za-z0-9])[A-Za-z]:\\{{1,4}}(?:{_PART}\\{{1,4}}){{1,40}}{_WORD}"
    rf"|(?<![A-Za-z0-9])[A-Za-z]:/{_WORD}(?:/{_WORD}){{1,40}}"
    # \\server\share\a.png, \\wsl$\Ubuntu\home\jane
    rf"|(?<![\w\\])(?:\\\\[\w.$-]{{2,64}}\\|\\\\\\\\[\w.$-]{{2,64}}\\\\)"
    rf"[\w.$ -]{{1,64}}\\{{1,2}}(?:{_PART}\\{{1,2}}){{0,40}}{_WORD}"
)


# One of these is in every such path.
_NEEDLES = (
    "/home/", "/Users/", "/users/", "/media/", "/root/", "/mnt/", "file:", ":\\", ":/", "\\\\",
)  # fmt: skip


def local_paths(text: str) -> Iterator[tuple[str, int]]:
    """(path, offset) of every absolute path in `text` that tells about a machine or its user: into
    somebody's home, on a drive, on a server of the house, of Linux, macOS, Windows and WSL, also
    written as `file://` or with its backslashes doubled."""
    if not any(needle in text for needle in _NEEDLES):
        return
    for match in _PATHS.finditer(text):
        path = match[0].rstrip(" .,;)]}")
        yield path[:_LONGEST], match.start()


_ON_A_DRIVE = regex(r"[A-Za-z]:|\\\\")
_TEXT = regex(r"[\t\r\n -~\u00c0-\u024f]+")
_TEXT_AT_END = regex(r"[\t\r\n -~\u00c0-\u024f]*\Z")
_SHORT, _APART = 12, 20  # letters of a path; of the text that it stands in


def path_by_chance(text: str, path: str, start: int) -> bool:
    """True for a path of a drive or a server in `text`, which was made of bytes that are none, if
    it is too short, or too odd, to be meant: weights have one in some hundred megabytes. `start`:
    about where it stands."""
    if _ON_A_DRIVE.match(path) is None:
        return False
    if _TEXT.fullmatch(path) is None:
        return True
    place = max(text.find(path, max(0, start - len(path))), 0)
    before = _TEXT_AT_END.search(text[max(0, place - _APART) : place])
    behind = _TEXT.match(text[place : place + len(path) + _APART])
    run = sum(len(part[0]) for part in (before, behind) if part)
    return len(path) < _SHORT and run < _APART


# What stands before the @ of an address: a name and a password, or a token. One that was taken for
# a path has a single slash.
_USER = regex(
    r"((?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}:/{1,3}|//)"
    # a password may hold a slash or a question mark that nobody has escaped; a port is a number
    r"(?:[^\s/?#\"'<>]{1,500}@"
    r"|[^\s/:@?#\"'<>]{0,200}:(?!\d{1,5}(?:[/?#\s]|\Z))[^\s\"'<>@]{1,500}@(?:[^\s/?#\"'<>@]{1,300}@)?)"
)
# Values in an address that are as good as a password: tokens, and signatures of addresses that
# open a file for whoever knows them.
_QUERY = regex(
    r"([?&;][\w.-]{0,40}(?:token|key|secret|passw(?:or)?d|pwd|sig|signature|credential|auth"
    r"|session)[\w.-]{0,20}=)[^\s&;#\"'<>]+",
    re.IGNORECASE,
)


def without_password(text: str) -> str:
    """`text` with `***` for what must not be shown of the addresses in it: user and password before
    the `@`, and tokens and signatures behind the `?`."""
    if ":/" not in text and "//" not in text:
        return text
    if "@" in text:
        text = _USER.sub(r"\1***@", text)
    return _QUERY.sub(r"\1***", text) if "?" in text else text


def bare(address: str) -> str:
    """An address without user, password and all that stands behind its `?`."""
    return without_password(address).replace("//***@", "//").partition("?")[0]


def placed_in(prefix: str, path: str | None) -> str:
    """A finding's path below the checked folder `prefix`; what lies beside that (`../class/a.png`)
    is named from where it begins."""
    joined = "/".join(part for part in (prefix.rstrip("/"), path) if part)
    return posixpath.normpath(joined) if path is not None and path.startswith("../") else joined


def is_here(address: str) -> bool:
    """Whether a server is one of this machine, by the name in its address."""
    try:
        return urlsplit(address).hostname in _HERE
    except ValueError:
        return False


def unproxied(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which no proxy is asked for a server of this machine: it would be told all
    that is meant to stay here. Nothing where none is set."""
    said = {name.lower(): value for name, value in environ.items() if value}
    known = said.get("no_proxy", "")
    if known.strip() == "*" or not said.keys() & {"http_proxy", "https_proxy", "all_proxy"}:
        return {}
    every = [one.strip() for one in known.split(",")]
    every += [one for one in _HERE if one not in every]
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, every)))
