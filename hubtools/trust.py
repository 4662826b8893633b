"""Marks on the state that hubtools keeps inside folders: who wrote it, where.

A journal, a ledger or a trash list makes hubtools act: replace files, delete them from a
repository, move them back. A folder may come from a stranger with such state in it. So each state
file carries a seal, an HMAC-SHA256 (RFC 2104) with a key that only this user has, over its content,
its name in the folder and the folder's place. State without a valid seal is data: it can be listed,
and acted on only after a question (`--trust-state`).

The key lies in `state.key` in the user's config folder, and is made when it is first needed. One
that is there and cannot be read stops a command before it changes anything. In machines that keep
no home folder, `HUBTOOLS_STATE_KEY` (a long random text) takes its place.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import secrets
import shlex
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from hubtools.causes import cannot_be
from hubtools.errors import HubtoolsError
from hubtools.kept import tell_once
from hubtools.layout import config_dir
from hubtools.leftovers import sweep_once
from hubtools.patterns import regex
from hubtools.renaming import rename_new_file
from hubtools.unfinished import temporary_for

SEAL = "seal"
KEY_VARIABLE = "HUBTOOLS_STATE_KEY"
_KEY_FILE = "state.key"
_KEY_BYTES = 32
_MAC = regex(r"[0-9a-f]{64}")
# what a seal that does not fit tells, and no more
NOT_OURS = "was copied or moved here, changed, or written by somebody else"
_SHORTEST = 16  # characters of HUBTOOLS_STATE_KEY


class ForeignState(HubtoolsError):
    """State in a folder that this user did not write there; nothing was done with it.

    `details` are lines that say what it would make hubtools do.
    """

    default_code = "foreign-state"

    def __init__(
        self, path: Path, would: str, details: tuple[str, ...] = (), hint: str | None = None
    ) -> None:
        super().__init__(
            f"{path} {NOT_OURS}, and would {would}.",
            hint=hint
            or "look at it first; if you trust where the folder comes from, add --trust-state",
        )
        self.path = path
        self.details = details


def seal(
    root: Path, name: str, content: dict[str, Any], *, anywhere: bool = False
) -> dict[str, Any]:
    """`content` (JSON values) with a seal for the file `name` (relative, with `/`) in `root`.

    `anywhere`: it holds in every folder, and names none. Only for what does no harm in another of
    this user's folders, such as a state of a run that names the run it belongs to."""
    content = {key: value for key, value in content.items() if key != SEAL}
    place = {} if anywhere else _place(root)
    mac = _mac(name, place, content)
    _tell_unkept()
    return content | {SEAL: {**place, "mac": mac}}


def is_sealed(root: Path, name: str, content: Any, *, anywhere: bool = False) -> bool:
    """True if `content`, read from the file `name` in `root`, was sealed by this user for that
    file in that folder (or `anywhere`). A folder that was moved is the same folder; a copy is
    another, at the same path too."""
    if not isinstance(content, dict) or not isinstance(content.get(SEAL), dict):
        return False
    mark = content[SEAL]
    given = mark.get("mac")
    if not isinstance(given, str) or _MAC.fullmatch(given) is None:
        return False
    place = {} if anywhere else {key: mark.get(key) for key in ("path", "device", "inode")}
    bare = {key: value for key, value in content.items() if key != SEAL}
    try:
        expected = _mac(name, place, bare)
    except (TypeError, ValueError, RecursionError):
        return False
    if not hmac.compare_digest(expected, given):
        return False
    if anywhere:
        return True
    here = _place(root)
    # another folder at the same path (unpacked again) is another; devices are renumbered at times
    same = place["device"] == here["device"] or place["path"] == here["path"]
    return bool(same and place["inode"] == here["inode"])


def _place(root: Path) -> dict[str, Any]:
    real = root.resolve()
    facts = real.stat()
    return {"path": os.fspath(real), "device": facts.st_dev, "inode": facts.st_ino}


def have_key() -> None:
    """For who changes something first and seals its note of that afterwards: raise `HubtoolsError`
    now if there is a key that cannot be used. Makes none."""
    if os.environ.get(KEY_VARIABLE) or _may_be_there(config_dir() / _KEY_FILE):
        _key()


def _mac(name: str, place: dict[str, Any], content: dict[str, Any]) -> str:
    # ASCII: lone surrogates of odd file names become escapes
    text = json.dumps([name, place, content], sort_keys=True, separators=(",", ":"))
    return hmac.new(_key(), text.encode("ascii"), hashlib.sha256).hexdigest()


def _key() -> bytes:
    given = os.environ.get(KEY_VARIABLE)
    if given:
        if len(given) < _SHORTEST:
            raise HubtoolsError(
                f"{KEY_VARIABLE} has fewer than {_SHORTEST} characters.",
                hint="make one with `python -c 'import secrets; print(secrets.token_hex(32))'`",
                code="bad-setting",
            )
        return hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    return _stored(config_dir())


_UNKEPT: dict[Path, OSError] = {}  # keys that could not be


def _tell_unkept() -> None:
    path = config_dir() / _KEY_FILE
    error = None if os.environ.get(KEY_VARIABLE) else _UNKEPT.get(path)
    if error is not None:
        tell_once(
            path,
            cannot_be("kept", path, error),
            "What hubtools notes beside your files (undo, plans, what was pushed) will be taken for"
            " somebody else's by the next command",
            f"set {KEY_VARIABLE} to a long random text, or give a folder with HUBTOOLS_CONFIG",
        )


@lru_cache(maxsize=8)
def _stored(folder: Path) -> bytes:
    path = folder / _KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(path)
        return _read(path)
    except OSError as error:
        denied = isinstance(error, (PermissionError, NotADirectoryError, FileExistsError))
        if not denied and error.errno != errno.EROFS:
            raise
        if _may_be_there(path):  # what another key seals now would be foreign with this one later
            told = cannot_be("read", path, error)
            told.hint = (
                "it marks what hubtools notes as yours: make it readable for you"
                f" (`ls -ld {shlex.quote(str(path))}` shows whose it is), or set {KEY_VARIABLE} or"
                " HUBTOOLS_CONFIG"
            )
            raise told from error
        _UNKEPT[path] = error
        return _of_this_process()  # nothing can be kept: what is written now is foreign later


def _may_be_there(path: Path) -> bool:
    """Whether there is a key, or a folder of this user's that does not tell."""
    try:
        path.lstat()
    except PermissionError:
        try:
            return os.name != "nt" and path.parent.lstat().st_uid == os.geteuid()
        except OSError:
            return False
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _of_this_process() -> bytes:
    return secrets.token_bytes(_KEY_BYTES)


def _make(path: Path) -> None:
    """Write a new key unless there is one; whole or not at all, also beside another process."""
    if path.exists():
        return
    sweep_once(path.parent)  # what a killed process has left half made
    temporary = path.with_name(temporary_for(path.name))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was faster
            rename_new_file(str(temporary), str(path), {}, {})
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        key = file.read(_KEY_BYTES + 1)
    if os.name != "nt" and (facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o077):
        mode = stat.S_IMODE(facts.st_mode)
        raise HubtoolsError(
            f"Others can read or write {path} (mode {mode:o}); hubtools does not use it.",
            hint="delete it; a new one is made, and state in folders is asked about again",
            code="permission-denied",
        )
    if len(key) != _KEY_BYTES:
        raise HubtoolsError(
            f"{path} is no key of hubtools.", hint="delete it; a new one is made", code="wrong-kind"
        )
    return key
