"""What an error of the operating system means: nothing there, not allowed, no room, a dying disk.

Whoever catches an `OSError` asks here, so that each cause is told as what it is.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hubtools.errors import Code, HubtoolsError

StrPath = str | os.PathLike[str]


def _codes(*names: str) -> frozenset[int]:
    """Their numbers; a system lacks some."""
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


# Errors that say there is nothing of that name, or nothing that is a file. All others (no
# permission, a dying disk) say that there is something, which cannot be read.
NO_FILE = _codes("ENOENT", "ENOTDIR", "EISDIR", "EINVAL", "ELOOP")

_ABSENT = NO_FILE | _codes("ENAMETOOLONG")
_DENIED = _codes("EACCES", "EPERM")
_FULL = _codes("ENOSPC", "EDQUOT")
_FAILING = _codes("EIO", "ENXIO", "ENODEV", "EREMOTEIO", "EUCLEAN", "ESTALE")
_MANY = _codes("EMFILE", "ENFILE")
_UNOPENED = _codes("ENXIO", "EOPNOTSUPP")
_LOCKED = _codes("EAGAIN", "EWOULDBLOCK", "EACCES", "EDEADLK")
_OF_MACHINE = _FULL | _FAILING | _MANY | _DENIED | _codes("EROFS", "ENOMEM", "EFBIG")


def is_absent(error: OSError) -> bool:
    """True for an error that says that there is no such file: no such name, a link in a circle, a
    name too long, something that is no file. A dying disk, or too many open files, say nothing of
    the kind: who goes on as if nothing were there may lose or send what is there."""
    return error.errno in _ABSENT or isinstance(error, FileNotFoundError)


def is_out_of_reach(error: OSError) -> bool:
    """`is_absent`, or a file that this user may not read (and hence not send, either)."""
    return is_absent(error) or error.errno in _DENIED


def is_of_socket(error: OSError, name: StrPath, at: Mapping[str, Any]) -> bool:
    """True for the error with which a socket is not opened, which is also that of a device that
    fails; `name` is relative to the folder `at` (`dir_fd`; empty for a path)."""
    if error.errno not in _UNOPENED:
        return False
    try:
        return stat.S_ISSOCK(os.stat(name, **at).st_mode)  # noqa: PTH116
    except OSError:
        return False


def says_nothing_of_file(error: BaseException) -> bool:
    """True for an error of the machine, which says nothing about what is in the file: no
    permission, no room, too many open files, a device that fails, no memory."""
    if isinstance(error, (MemoryError, PermissionError)):
        return True
    return isinstance(error, OSError) and error.errno in _OF_MACHINE and _is_of_system(error)


def _is_of_system(error: OSError) -> bool:
    """False for one that a library made: a server that answers no more is no failing disk."""
    return not error.strerror or error.strerror == os.strerror(error.errno or 0)


def is_at_limit(error: OSError) -> bool:
    """True if this machine takes no more just now: too many open files, no memory."""
    return error.errno in _MANY | {errno.ENOMEM}


def is_held(error: OSError) -> bool:
    """True if a lock was not given since another process has it."""
    return error.errno in _LOCKED


def named(error: OSError, path: StrPath) -> OSError:
    """The error with the whole path: a write that fails names no file, and a name inside a
    descriptor says little."""
    if error.errno is None or (error.filename and os.path.isabs(os.fspath(error.filename))):
        return error
    return OSError(error.errno, error.strerror, os.fspath(path))


@contextmanager
def naming(path: StrPath) -> Iterator[None]:
    """For writing `path`: a full disk that names no file names it."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _OF_MACHINE:
            error.filename = os.fspath(path)
        raise


class _Cause(NamedTuple):
    said: str  # of {name}
    hint: str | None
    code: Code


# What to do about something that this user may not read or write.
DENIED = "`ls -ld` of it and of its folder shows who may; change that, or use a copy of your own"
_PERMISSION = _Cause("Permission denied: {name}", DENIED, "permission-denied")
_DISK = _Cause(
    "The disk fails at {name}: {system}.",
    "copy what can still be read to another disk, and look at this one (`dmesg`)",
    "file-damaged",
)
_OPEN = _Cause(
    "Too many files are open at once ({name}).",
    "allow more with `ulimit -n 4096`, or close other programs, and run the same command again",
    "too-large",
)
_CAUSES: dict[str, _Cause] = {
    "ENOSPC": _Cause(
        "The disk is full. ({name})", "free some space and run the same command again", "disk-full"
    ),
    "EDQUOT": _Cause(
        "Your quota of the disk is used up. ({name})",
        "delete something of yours and run the same command again",
        "disk-full",
    ),
    "EFBIG": _Cause(
        "{name} would become larger than the file system, or `ulimit -f`, allows.",
        "use another disk, or raise the limit with `ulimit -f unlimited`",
        "too-large",
    ),
    "EACCES": _PERMISSION,
    "EPERM": _PERMISSION,
    "EROFS": _Cause(
        "{name} is on a read-only file system.",
        "give a place on another disk, or mount this one for writing",
        "permission-denied",
    ),
    "EMFILE": _OPEN,
    "ENFILE": _OPEN,
    "ENAMETOOLONG": _Cause(
        "The name is too long for the file system: {name}",
        "give it a shorter one",
        "file-not-usable",
    ),
    "ELOOP": _Cause(
        "{name} is a symbolic link that leads nowhere else.", "put a file there", "link-refused"
    ),
    "EISDIR": _Cause(
        "{name} is a folder.", "move it away, or give another place", "file-not-usable"
    ),
    "EEXIST": _Cause("{name} is there already.", "move it away", "file-exists"),
    "EXDEV": _Cause(
        "{first} and {name} lie on different file systems, and a move between them is not possible"
        " at once.",
        "give a folder on the same disk",
        "file-not-usable",
    ),
    "ENOMEM": _Cause(
        "There is not enough memory. ({name})",
        "close other programs, or give it smaller pieces",
        "out-of-memory",
    ),
    "ENOLCK": _Cause(
        "{name} is on a file system without locks.",
        "work on a copy on another disk; one of a server (NFS) has locks if its lock service runs",
        "file-not-usable",
    ),
    "EBUSY": _Cause("{name} is in use.", "end the program that uses it", "busy"),
    "ETXTBSY": _Cause("{name} is in use.", "end the program that uses it", "busy"),
    "EIO": _DISK,
    "ENXIO": _DISK,
    "ENODEV": _DISK,
    "EREMOTEIO": _DISK,
    "EUCLEAN": _DISK,
    "ESTALE": _Cause(
        "The network disk no longer knows {name}.",
        "mount it anew and run the same command again",
        "file-damaged",
    ),
}
_LONGEST = 300  # characters of a name in a sentence


def _cause(error: OSError) -> _Cause | None:
    if not _is_of_system(error):
        return None  # the library says more
    return _CAUSES.get(errno.errorcode.get(error.errno or 0, ""))


def of_system(error: BaseException, said: str) -> HubtoolsError | None:
    """The sentence for an error of the operating system that says `said`; None for any other."""
    if isinstance(error, MemoryError):
        return HubtoolsError(
            "There is not enough memory.",
            hint="close other programs, or give it smaller pieces",
            code="out-of-memory",
        )
    if not isinstance(error, OSError):
        number = re.search(r"\(os error (\d+)\)", said)  # of libraries in Rust
        if number is None or errno.errorcode.get(int(number[1])) not in _CAUSES:
            return None
        error = OSError(int(number[1]), os.strerror(int(number[1])))
    # of a rename the second one: the first is a temporary name
    name = error.filename2 or error.filename
    if isinstance(name, int):
        name = None  # a descriptor
    if isinstance(error, NotADirectoryError) and name:
        return _in_the_way(Path(os.fsdecode(name)))
    if isinstance(error, FileNotFoundError) and not name and _is_nowhere():
        return HubtoolsError(
            "The folder from which this was started is gone.",
            hint="`cd` to one that is there, and run it again",
            code="file-not-found",
        )
    cause = _cause(error)
    if cause is not None:
        return HubtoolsError(_told(cause, error, name), hint=cause.hint, code=cause.code)
    if isinstance(error, PermissionError):
        return HubtoolsError(f"Permission denied: {name or said}", code="permission-denied")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return HubtoolsError(
            f"{error.strerror or 'Not found'}: {name or said}",
            code="file-not-found" if isinstance(error, FileNotFoundError) else "file-not-usable",
            missing=name if isinstance(error, FileNotFoundError) else None,
        )
    if error.strerror:
        return HubtoolsError(
            f"{error.strerror}: {name}" if name else f"{error.strerror}.", code="file-not-usable"
        )
    # of a library, in its own words: a download that came out short
    return HubtoolsError(said, hint="run the same command again")


def advice_on(said: str) -> str | None:
    """What to do about the error of the system whose words `said` ends with, if that is known."""
    numbers = (getattr(errno, name, None) for name in _CAUSES)
    for number, cause in zip(numbers, _CAUSES.values(), strict=True):
        if number is not None and said.endswith(os.strerror(number)):
            return cause.hint
    return None


def _is_nowhere() -> bool:
    """Whether the working directory was removed."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return True
    return False


def _told(cause: _Cause, error: OSError, name: StrPath | bytes | None) -> str:
    if not name and " ({name})" in cause.said:
        return cause.said.replace(" ({name})", "")
    first = error.filename if error.filename2 else None
    return cause.said.format(
        name=_short(name) if name else "its new place" if cause is _CAUSES["EXDEV"] else "A file",
        first=_short(first or error.filename) if error.filename else "A file",
        system=error.strerror,
    )


def _short(name: StrPath | bytes) -> str:
    text = os.fsdecode(name)
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[-half:]}"


def cannot_be(done: str, path: StrPath, error: OSError, hint: str | None = None) -> HubtoolsError:
    """`PATH cannot be read: Permission denied.`, with the code and the advice of its cause; `done`
    is what cannot be done to it, `hint` the advice where the cause has none."""
    cause = _cause(error)
    return HubtoolsError(
        f"{os.fspath(path)} cannot be {done}: {error.strerror or error}.",
        hint=(cause.hint if cause else None) or hint,
        code=cause.code if cause else "file-damaged" if done == "read" else "file-not-usable",
    )


def _in_the_way(path: Path) -> HubtoolsError:
    """Of a path that goes through something which is no folder."""
    passed = [part for part in (*reversed(path.parents), path) if os.path.lexists(part)]
    stop = next((part for part in passed if not part.is_dir()), path)
    return HubtoolsError(
        f"{stop} is no folder.",
        hint="move it away, or give another place, and run it again",
        code="file-exists",
    )
