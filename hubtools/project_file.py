"""`hubtools.toml` as text: found, read, merged key by key with the lines of mistakes; written.

Its sections may stand in a `pyproject.toml` too, as `[tool.hubtools.train]`; where a folder has
both, `hubtools.toml` is read. From within a project its file is found in the folders above.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import leads_out, read_within
from hubtools.layout import PROJECT_FILE, home_dir
from hubtools.limits import SETTING_VALUES, SETTINGS
from hubtools.nearest import keep_quiet, nearest
from hubtools.settings import SECTIONS, names_of
from hubtools.tomltext import OddToml, toml_value
from hubtools.whereabouts import from_here

PYPROJECT = "pyproject.toml"
_TABLE = ("tool", "hubtools")  # its sections in a pyproject.toml


def find_file(path: Path | None, required: bool) -> Path | None:
    """The project file of a path (a file or a folder); without one, of the current folder or the
    nearest above it that has one. None if there is none. Raises `UsageError` if it must be."""
    if path is not None and path.is_file():
        return path.absolute()
    if path is None:
        found = _in_folder(Path()) or next(filter(None, map(_of_mine, _above(Path.cwd()))), None)
    else:
        found = _in_folder(path)
    if found is not None:
        return found.absolute()
    if path is not None or required:
        missing = Path(PROJECT_FILE) if path is None else path
        raise UsageError(
            f"There is no {missing / PROJECT_FILE}."
            if missing.is_dir()
            else f"There is no project file or folder {missing}.",
            hint="`hubtools init NAME --from PICTURES` makes a project",
            code="file-not-found",
            missing=missing,
        )
    return None


def option_for(file: Path | None) -> str:
    """What a command typed here needs behind it, with a space, to mean the project of this file:
    nothing if it finds it by itself."""
    if file is None or find_file(None, False) == file:
        return ""
    named = file.parent if file.name == PROJECT_FILE else file
    return f" --project {shlex.quote(from_here(named))}"


def told_above(file: Path | None) -> str | None:
    """`project: ../ (hubtools.toml)` for a file that lies above the current folder; else None."""
    here = Path.cwd()
    if file is None or file.parent == here or not here.is_relative_to(file.parent):
        return None
    return f"project: {os.path.relpath(file.parent)}/ ({file.name})"


def _in_folder(folder: Path) -> Path | None:
    for name in (PROJECT_FILE, PYPROJECT):
        file = folder / name
        if not file.is_file():
            continue
        if leads_out(folder, name):
            if name == PYPROJECT:
                continue
            # words of what lies there would stand in messages; the folder may be somebody else's
            raise UsageError(
                f"{file} is a link that leads out of its folder, and is not read.",
                hint=f"if it is yours, name it: --project {shlex.quote(str(file))}",
                code="link-refused",
            )
        if name == PROJECT_FILE or _is_ours(file):
            return file
    return None


def _is_ours(pyproject: Path) -> bool:
    """Whether a pyproject.toml has a table of ours."""
    try:
        data = read_within(pyproject, SETTINGS)
    except (OSError, HubtoolsError):
        return False  # the file of another program: not ours to complain about
    if b"hubtools" not in data:
        return False
    return _has_table(data.decode("utf-8", "replace"))


@lru_cache(maxsize=4)  # a command asks several times
def _has_table(source: str) -> bool:
    held = _parsed(source)
    return held is not None and _holds(held, _TABLE)


def _above(folder: Path) -> Iterator[Path]:
    """The folders above one in which a project is looked for: not above the home folder, nor above
    a repository of git; and none in which another user could have laid a file."""
    ends = home_dir()
    for inner, outer in itertools.pairwise((folder, *folder.parents)):
        if inner == ends or (inner / ".git").exists() or not _is_safe(outer):
            return
        yield outer


def git_folder_of(folder: Path) -> Path | None:
    """The git repository that a folder is in: looked for as a project is, without asking git, whose
    configuration may name any other folder. None if there is none."""
    real = folder.resolve()
    return next((one for one in (real, *_above(real)) if (one / ".git").exists()), None)


def _of_mine(folder: Path) -> Path | None:
    """The project file of a folder above, if this user has written it: those of a group may lay
    files into many folders."""
    file = _in_folder(folder)
    if file is None or not hasattr(os, "geteuid") or file.stat().st_uid == os.geteuid():
        return file
    return None


def _is_safe(folder: Path) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    try:
        found = folder.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & stat.S_IWOTH


def table_of(file: Path | None) -> tuple[str, ...]:
    """The table of a file in which the sections stand: the whole file, but for pyproject.toml."""
    return _TABLE if file is not None and file.name == PYPROJECT else ()


def read_source(file: Path) -> str:
    """The text of a project file. Raises `UsageError` if it is no text."""
    try:
        return read_within(file, SETTINGS).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8 text (byte {error.start}).",
            hint="save it as UTF-8",
            code="bad-setting",
        ) from None


def merge_file(values: dict[str, dict[str, Any]], source: str, file: Path) -> None:
    """Put a file's settings into `values`. Raises `UsageError` with the line of a mistake."""
    try:
        data = toml_value(source)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{file} is not valid TOML: {error}.",
            hint="strings need quotes, sections [brackets]",
            code="bad-setting",
        ) from None
    except OddToml as error:
        place = f"{file}:{error.line}" if error.line else f"{file}"
        raise UsageError(f"{place} cannot be read: {error}.", code="bad-setting") from None
    table = table_of(file)
    if table and not _holds(data, table):
        raise UsageError(
            f"{file} has no [tool.hubtools].",
            hint="its sections are called [tool.hubtools.dataset], [tool.hubtools.train], ...",
            code="bad-setting",
        )
    for name in table:
        data = data[name]
    if not isinstance(data, dict):
        raise UsageError(f"{file}: tool.hubtools must be a table.", code="bad-setting")
    for section, content in data.items():
        if section not in SECTIONS:
            raise _unknown(section, SECTIONS, _place(file, source, section), "")
        if not isinstance(content, dict):
            raise UsageError(
                f"{_place(file, source, section)}: {section} must be a section.",
                hint=f"write [{'.'.join((*table, section))}] on a line of its own",
                code="bad-setting",
            )
        names = names_of(section)
        for key, value in content.items():
            if key not in names:
                raise _unknown(key, names, _place(file, source, section, key), f" in [{section}]")
            if fault := fault_of(value):
                place = _place(file, source, section, key)
                raise UsageError(f"{place}: {key} {fault}.", code="bad-setting")
            if names[key] in values[section]:
                raise UsageError(
                    f"{_place(file, source, section, key)}: {key} and {names[key]} are the same"
                    " setting.",
                    code="bad-setting",
                )
            values[section][names[key]] = value
            for text in value if isinstance(value, list) else [value]:
                _keep_quiet(text, file.parent)


def _keep_quiet(value: Any, root: Path) -> None:
    """Have nobody told what lies beside a value that leads out of the project at `root` as a path:
    the file may be a stranger's, and the log of a run that everybody reads would confirm names."""
    if not isinstance(value, str) or "\n" in value:
        return
    with suppress(OSError, RuntimeError):  # no path
        said = Path(value).expanduser()
        for path in (root / said, said):  # a base is looked for here too
            is_path = "/" in value or os.sep in value or value == ".." or path.is_symlink()
            if is_path and not Path(os.path.realpath(path)).is_relative_to(root.resolve()):
                keep_quiet(path)


def _place(file: Path, source: str, *path: str) -> str:
    return f"{file}:{line_of(source, *table_of(file), *path)}"


def fault_of(value: Any) -> str | None:
    """Why no setting can have such a value, as the end of a sentence."""
    if _holds_nul(value):
        return "holds a NUL, which no path or name has"
    if _values_in(value) > SETTING_VALUES:
        return f"has more than {SETTING_VALUES:,} values"
    return None


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nul, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def _values_in(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_values_in, value.values()))
    return 1 + sum(map(_values_in, value)) if isinstance(value, list) else 1


def _unknown(key: str, known: Mapping[str, Any], place: str, where: str) -> UsageError:
    near = nearest(key, known, cutoff=0.5)
    elsewhere = [section for section in SECTIONS if where and key in names_of(section)]
    if near:
        hint = f"did you mean {near}?"
    elif elsewhere:
        hint = f"it belongs in [{elsewhere[0]}]"
    else:
        hint = f"known here: {', '.join(known)}"
    return UsageError(f"{place}: unknown key {key!r}{where}.", hint=hint, code="bad-setting")


_GUESSES = 100  # lines that are tried, each by parsing all before it


def line_of(source: str, *path: str) -> int:
    """Line (from 1) where what stands under `path` (tables, then a key) is set or begins; 1 if it
    is in none. Lines that name it are tried in order: the parser says whether it is set before
    them."""
    key = path[-1]
    name = re.compile(rf"[\"'.\[\s]*(?:.*[\s.\[{{,\"'])?{re.escape(key)}[\"']?\s*[=.\]]")
    lines = source.splitlines(keepends=True)
    tried = 0
    for number, line in enumerate(lines):
        if key not in line or not name.match(line):
            continue
        tried += 1
        if tried > _GUESSES:
            break
        before = _parsed("".join(lines[:number]))
        if before is None or _holds(before, path):
            continue
        # a value may go on for many lines
        if (now := _parsed("".join(lines[: number + 1]))) is None or _holds(now, path):
            return number + 1
    return 1


def _parsed(source: str) -> dict[str, Any] | None:
    try:
        return toml_value(source)
    except ValueError:
        return None


def _holds(data: Any, path: Sequence[str]) -> bool:
    for key in path:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def to_toml(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings as TOML text; None values are left out, since TOML has no null."""
    lines: list[str] = []
    for section, content in settings.items():
        pairs = [(key, value) for key, value in content.items() if value is not None]
        if not pairs:
            continue
        if lines:
            lines.append("")
        lines.append(f"[{section}]")
        lines.extend(f"{key} = {_toml_value(value)}" for key, value in pairs)
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{_toml_value(key)} = {_toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    text = str(value)
    escaped = "".join(_TOML_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in text)
    return f'"{escaped}"'


_TOML_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
