"""Which repository names, paths, branches and revisions are well-formed.

Nothing a client sends is ever used as a path on this machine (contents are stored by their hash),
but names that a person could not use on their own disk are refused all the same.
"""

from __future__ import annotations

import re

from hubtools.localhub.problems import Problem

KINDS = ("model", "dataset", "space")
KIND_OF_PLURAL = {f"{kind}s": kind for kind in KINDS}
MAIN = "refs/heads/main"

# First words of paths that are not namespaces.
RESERVED = frozenset(
    {
        "api",
        "collections",
        "datasets",
        "spaces",
        "models",
        "settings",
        "docs",
        "oauth",
        "join",
        "jobs",
    }
)

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# `git check-ref-format`, less its rare permissions.
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|[/.]$|\.lock(/|$)|/\.")
MAX_PATH_BYTES = 1024
MAX_SEGMENT_BYTES = 255


def is_name(name: str) -> bool:
    """A namespace or the last part of a repository id, by the Hub's rules (1 to 96 characters)."""
    return (
        _NAME.fullmatch(name) is not None
        and "--" not in name
        and ".." not in name
        and not name.endswith(".git")
    )


def check_repo_name(namespace: str, name: str) -> None:
    """Raise `Problem` 400 unless a repository may be called `namespace/name`."""
    if namespace.lower() in RESERVED or not is_name(namespace) or not is_name(name):
        raise Problem(
            400,
            f"Invalid repo name: {namespace}/{name} - letters, digits, `-`, `_` and `.` only; "
            "`--` and `..` are forbidden, `-` and `.` cannot start or end the name, "
            "max length is 96",
        )


def path_fault(path: str) -> str | None:
    """What is wrong with a file's path inside a repository; None if nothing is."""
    if not path:
        return "it is empty"
    if path.startswith("/") or path.endswith("/"):
        return "it starts or ends with a slash"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return "it holds a control character"
    if path.startswith(("..\\", "\\")):
        return "on Windows it leads out of the repository"
    try:
        encoded = path.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if len(encoded) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            return "a part of it is empty, `.` or `..`"
        if segment.lower() == ".git":
            return "a part of it is `.git`"
        if len(segment.encode("utf-8")) > MAX_SEGMENT_BYTES:
            return f"a part of it is longer than {MAX_SEGMENT_BYTES} bytes"
    return None


def check_path(path: object) -> str:
    """`path` itself if a commit may write it; `Problem` 422 otherwise."""
    if not isinstance(path, str):
        raise Problem(422, "A path must be a string.")
    if fault := path_fault(path):
        shown = path.encode("ascii", "backslashreplace").decode()[:200]
        raise Problem(422, f'Invalid path "{shown}": {fault}.')
    return path


def is_commit(text: str) -> bool:
    """Forty lower-case hexadecimal digits."""
    return _COMMIT.fullmatch(text) is not None


def is_sha256(text: object) -> bool:
    """Sixty-four lower-case hexadecimal digits."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def check_ref(name: str, what: str) -> str:
    """`name` if git would take it for a `what` (branch or tag); `Problem` 400 otherwise."""
    if not name or len(name) > 200 or _BAD_REF.search(name) or name == "@" or is_commit(name):
        raise Problem(400, f"Invalid reference for a {what}: {name[:200]}")
    return name


def repo_prefix(kind: str) -> str:
    """What precedes `namespace/name` in the URL of a page or a file."""
    return "" if kind == "model" else f"{kind}s/"
