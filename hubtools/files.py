"""Writing files so that a kill at any moment leaves either the old or the new one, and hashing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.causes import is_absent, is_of_socket, named, naming
from hubtools.disks import set_mode, sync_folder
from hubtools.errors import HubtoolsError
from hubtools.fences import AT, check_fence, make_folder, open_kept, real_place
from hubtools.leftovers import sweep_once
from hubtools.limits import DEPTH, JSON_COST, JSON_FILE, json_cost
from hubtools.patterns import regex
from hubtools.renaming import OverwriteCheck, check_by_path, put, replace
from hubtools.unfinished import LEFT_OVER, temporary_for

StrPath = str | os.PathLike[str]
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def replacing(
    path: Path, *, private: bool = False, check: Callable[[Path], object] | None = None
) -> Iterator[BinaryIO]:
    """A file to write; on success it is fsynced and takes the place of `path`, with the mode of the
    file there; a new one is for its owner alone if it is `private`. It is written by its
    descriptor, in the folder that was opened first: what somebody puts into the place of either
    meanwhile is not written to. `check` raises if what lies at `path` then must stay; without one
    all is replaced.

    Raises `LeadsOut` if `path` must lie in a project and its folder does not any more.
    """
    make_folder(path.parent)
    with naming(path), _folder_of(path) as (at, last):
        mode = 0o600 if private else None
        with suppress(FileNotFoundError):
            facts = os.lstat(last, **at)
            mode = stat.S_IMODE(facts.st_mode) if stat.S_ISREG(facts.st_mode) else mode
        guard = None if check is None else check_by_path(path, last, at, check)
        with taking_place(at, last, mode, guard) as file:
            yield file


@contextmanager
def _folder_of(path: Path) -> Iterator[tuple[dict[str, int], str]]:
    if not AT:
        yield {}, str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        check_fence(path.parent, descriptor)
        yield {"dir_fd": descriptor}, path.name
    except OSError as error:
        raise named(error, path) from None
    finally:
        os.close(descriptor)


@contextmanager
def taking_place(
    at: Mapping[str, int], name: str, mode: int | None, guard: OverwriteCheck | None = None
) -> Iterator[BinaryIO]:
    """A file to write beside `name`, which is relative to the folder `at` (`dir_fd`; empty where
    there is no openat). On success it is fsynced, gets `mode` (None: what the umask leaves) and
    takes the place of `name`, if `guard` accepts what that is: a link is never written through.

    Its name until then starts with a dot, so that a left-over is never taken for the real file;
    `sweep_once` knows it."""
    folder, base = ("", name) if at else os.path.split(name)
    sweep_once(at["dir_fd"] if at else Path(folder))
    temporary = os.path.join(folder, temporary_for(base))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN
    descriptor = os.open(temporary, flags, 0o666 if mode is None else 0o600, **at)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if mode is not None:
                set_mode(file.fileno(), mode)
            os.fsync(file.fileno())
        if guard is None:
            replace(temporary, name, at, at)
        else:
            put(temporary, name, at, at, guard)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, **at)
        raise
    if at:
        sync_folder(at["dir_fd"])


def written(folder: Path, pattern: str) -> list[Path]:
    """The paths in `folder` that fit, sorted; without what a killed write has left."""
    return sorted(one for one in folder.glob(pattern) if not LEFT_OVER.fullmatch(one.name))


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write `data` to `path` atomically; `private` as in `replacing`."""
    with replacing(path, private=private) as file:
        file.write(data)


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Write `text` to `path` as UTF-8 with the line ends as they are, atomically; `private` as in
    `replacing`."""
    write_bytes(path, text.encode("utf-8"), private=private)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """`value` as indented JSON with a final newline, in UTF-8."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # lone surrogates, of names that are not UTF-8, become JSON's escapes
    return text.encode("utf-8", "backslashreplace")


def open_regular(path: StrPath) -> BinaryIO:
    """A regular file, to be read, as `open_kept` opens it. Raises `OSError` for any other; never
    waits for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = open_kept(path, flags)
    except OSError as error:
        if is_of_socket(error, path, {}):
            raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))
    return os.fdopen(descriptor, "rb")


class LinkedOut(OSError):
    """A file of a folder is, or lies behind, a link that leads out of the folder."""

    def __init__(self, name: str) -> None:
        super().__init__(
            errno.EPERM, "it is a link that leads out of the folder, and is not read", name
        )


def leads_out(folder: StrPath, name: str) -> bool:
    """True for a file of a folder that is, or lies behind, a link to somewhere outside of it. The
    Hub's cache, whose files are links to its blobs, is one place."""
    root = os.path.realpath(folder)
    return not _lies_in(root, os.path.realpath(os.path.join(root, name)))


def _lies_in(root: str, real: str) -> bool:
    top = Path(root)
    blobs = top.parent.parent / "blobs" if top.parent.name == "snapshots" else top
    return Path(real).is_relative_to(top) or Path(real).is_relative_to(blobs)


def open_inside(folder: StrPath, name: str) -> BinaryIO:
    """A regular file of a folder, to be read. Raises as `open_regular`, and `LinkedOut`; what is
    judged is the open file, and the folder as `open_kept` opens it, so a link made meanwhile
    changes nothing."""
    path = os.path.join(folder, name)
    file = open_regular(path)
    try:
        if not _is_inside(file, folder, name):
            raise LinkedOut(name)
    except BaseException:
        file.close()
        raise
    return file


def _is_inside(file: BinaryIO, folder: StrPath, name: str) -> bool:
    if AT and (real := real_place(file.fileno())) is not None:
        top = open_kept(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            root = real_place(top)
        finally:
            os.close(top)
        if root is not None:
            return _lies_in(root, real)
    found = os.lstat(os.path.realpath(os.path.join(folder, name)))
    return not leads_out(folder, name) and os.path.samestat(os.fstat(file.fileno()), found)


def read_within(path: StrPath, limit: int) -> bytes:
    """All bytes of a regular file. Raises `OSError` for any other, and `HubtoolsError` for one of
    more than `limit` bytes, of which nothing is read then."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise HubtoolsError(
                f"{os.fspath(path)} has {human_bytes(size)}, and is not read above"
                f" {human_bytes(limit)}.",
                hint="look at what is in it; no such file should be that large",
                code="too-large",
            )
        return file.read(limit)


def bytes_of(file: BinaryIO, limit: int) -> bytes | None:
    """All bytes of an open file. None for more than `limit`, of which nothing is read if it lies on
    a disk. Raises `OSError`."""
    on_disk = isinstance(getattr(file, "raw", None), io.FileIO)
    if on_disk and os.fstat(file.fileno()).st_size > limit:
        return None
    data = file.read(limit + 1)
    return data if len(data) <= limit else None


def json_within(path: StrPath) -> Any:
    """The value in a JSON file. Raises `OSError`, `ValueError` for what is no JSON (or is nested
    too deeply to be read), and `HubtoolsError` for more of it than is read."""
    data = read_within(path, JSON_FILE)
    if json_cost(data) > JSON_COST:
        raise HubtoolsError(
            f"{os.fspath(path)} holds more values than are read.",
            hint="look at what is in it",
            code="too-large",
        )
    return json_value(data)


_SMALL_JSON = 1_000_000  # bytes, whose values cost less than is read, whatever they are


def json_value(data: bytes | str, *, unique: bool = False, most: int = JSON_COST) -> Any:
    """The value of a JSON text that anybody may have written. Raises `ValueError` for what is no
    JSON or no UTF-8, for values that take more than `most` bytes of memory (estimated), for lists
    and objects in each other deeper than `DEPTH`, for half characters that no file name and no
    text can hold, and with `unique` for a key given twice."""
    if len(data) > _SMALL_JSON:
        cost = json_cost(data.encode("utf-8", "replace") if isinstance(data, str) else data)
        if cost > most:
            raise ValueError("it holds more values than are read")
    try:
        value = json.loads(data, object_pairs_hook=_once if unique else None, parse_int=_number)
        if isinstance(data, str):
            odd = _HALF.search(data) is not None or data.count("{") + data.count("[") > DEPTH
        else:
            odd = b"\\ud" in data or b"\\uD" in data or data.count(b"{") + data.count(b"[") > DEPTH
        if odd:
            check_value(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


_HALF = regex(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")  # perhaps a whole one
_DIGITS = 4300  # of a whole number; Python reads no more


def _number(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has the key {name!a:.80} twice")
        found[name] = value
    return found


def check_value(value: Any) -> None:
    """Raises `ValueError` for lists and mappings in each other deeper than `DEPTH`, and for texts
    with half characters."""
    level = [value]
    for _ in range(DEPTH + 1):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                inner += (*item, *item.values())
            elif isinstance(item, list):
                inner += item
        if not inner:
            return
        level = inner
    raise ValueError("it is nested too deeply")


def _check_text(text: str) -> None:
    try:
        # what the system makes of names that are not UTF-8 can be written
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("it holds half a character, which no text can be written with") from None


def check_replaceable(path: StrPath, what: str, is_one: Callable[[bytes], bool]) -> None:
    """Raises `HubtoolsError` if a file is there that is no `what` (`a report`) of hubtools, as
    `is_one` tells from its bytes: what a person made is not written over. An empty one may be."""
    path = Path(path)
    if not os.path.lexists(path):
        return
    try:
        with open_regular(path) as file:
            large = os.fstat(file.fileno()).st_size > JSON_FILE
            data = file.read(1 << 16 if large else JSON_FILE)
    except OSError as error:
        if not is_absent(error):
            raise
        data = b"?"  # a folder, a pipe, a link that leads nowhere
    if data and not is_one(data):
        raise not_replaced(path, what)


def not_replaced(path: Path, what: str) -> HubtoolsError:
    """The error that says that a file is nobody's output of hubtools, and how it is moved away."""
    number, free = 0, path.with_name(f"{path.stem}.old{path.suffix}")
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}.old{number}{path.suffix}")
    move = "move" if os.name == "nt" else "mv"
    names = " ".join(shlex.quote(str(one)) for one in (path, free))
    return HubtoolsError(
        f"{path} is there, and is not {what} that hubtools wrote; it is not written over.",
        hint=f"give another name, or move that file away: {move} {names}",
        code="file-exists",
    )


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Hex SHA-256 of a file, read in 1 MiB blocks; `progress` gets the bytes of each block."""
    with open_regular(path) as source:
        return sha256_in(source, progress)


def sha256_in(source: BinaryIO, progress: Callable[[int], None] | None = None) -> str:
    """As `sha256_of`, of what is left of an open file."""
    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
        if progress is not None:
            progress(len(block))
    return digest.hexdigest()


def human_bytes(count: int) -> str:
    """`3.4 MB`: decimal units, as the Hub's pages show them."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            digits = 0 if unit == "B" or size >= 100 else 1 if size >= 10 else 2
            return f"{size:.{digits}f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
