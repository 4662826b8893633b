"""Settings in the environment: `HUBTOOLS_TRAIN_SEED=7` is `seed = 7` in `[train]`; and what paths
mean that stand there, or on a command line."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hubtools.errors import UsageError
from hubtools.fences import HANDED
from hubtools.settings import SECTIONS, names_of

PREFIX = "HUBTOOLS_"
# What else hubtools reads there, see docs/settings.md.
OTHERS = ("HUBTOOLS_CACHE", "HUBTOOLS_CONFIG", "HUBTOOLS_DEBUG", "HUBTOOLS_STATE_KEY")
# What a job gets from the command that sends it.
OF_JOBS = ("HUBTOOLS_JOB_STARTED", "HUBTOOLS_RUN_PR", "HUBTOOLS_RUN_REPO", "HUBTOOLS_SCRIPT")

# What a rehearsal says to the processes that write cards for it.
CARDS_WRITTEN = "HUBTOOLS_CARDS_WRITTEN"


def said_in(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str, Any]]:
    """(section, key, variable, value) of each setting in the environment. Parts of a list stand
    between `|`, or on lines of their own; a setting that can be none is that where it is empty.

    Raises `UsageError` for a variable of a section that has no such setting, and for two that name
    the same one.
    """
    found: dict[tuple[str, str], str] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        section = _section_of(variable)
        if section is None:
            continue
        key = names_of(section).get(variable[len(PREFIX) + len(section) + 1 :].lower())
        if key is None:
            raise UsageError(
                f"There is no setting for the variable {variable}.",
                hint=_near(variable)
                or f"known: {_variable(section, '...')}; see `hubtools schema`",
                code="bad-setting",
            )
        if (other := found.setdefault((section, key), variable)) != variable:
            raise UsageError(
                f"{other} and {variable} are the same setting.",
                hint="unset one of them",
                code="bad-setting",
            )
        field = SECTIONS[section].model_fields[key]
        text = environ[variable]
        value: Any = text
        if typing.get_origin(field.annotation) is list:
            value = [part for part in text.split("\n" if "\n" in text else "|") if part]
        elif text == "" and type(None) in typing.get_args(field.annotation):
            value = None
        yield section, key, variable, value


def unknown_in(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like one of hubtools, and belongs to no section."""
    known = {*OTHERS, *OF_JOBS, CARDS_WRITTEN, HANDED}
    odd = [name for name in environ if name.startswith(PREFIX) and name not in known]
    told = []
    for variable in sorted(name for name in odd if _section_of(name) is None):
        near = _near(variable)
        told.append(f"hubtools reads no variable {variable}{f'; {near}' if near else '.'}")
    return told


def _section_of(variable: str) -> str | None:
    rest = variable.removeprefix(PREFIX).lower()
    return next((name for name in SECTIONS if rest.startswith(f"{name}_")), None)


def _variable(section: str, key: str) -> str:
    return f"{PREFIX}{section.upper()}_{key.upper()}"


def _near(variable: str) -> str | None:
    """A question, if a variable of a similar name is one."""
    known = [
        *OTHERS,
        *(_variable(section, key) for section in SECTIONS for key in names_of(section)),
    ]
    near = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
    return f"did you mean {near[0]}?" if near else None


PATHS = {
    ("dataset", "path"),
    ("rules", "baseline"),
    ("train", "output_dir"),
    ("train", "class_data_dir"),
    ("evaluate", "held_out"),
}

PATHS_OR_IDS = {
    ("train", key) for key in ("pretrained_model_name_or_path", "base_config", "init_from")
}


def path_from_here(section: str, key: str, value: Any) -> Any:
    """A path typed by the user is relative to where they stand, not to the project file."""
    if (section, key) in PATHS and isinstance(value, str):
        return str(Path(value).expanduser().absolute())
    if (section, key) == ("dataset", "other_folders"):
        several = value.split("|") if isinstance(value, str) else value
        return [str(Path(one).expanduser().absolute()) for one in several if one]
    if (section, key) in PATHS_OR_IDS and isinstance(value, str):
        return str(place.absolute()) if (place := Path(value).expanduser()).exists() else value
    return value
