"""Command-line options made from the settings models, so that file and options cannot differ."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import click
from pydantic.fields import FieldInfo

from hubtools.project import SECTIONS, Project, aliases_of, load_project

F = TypeVar("F", bound=Callable[..., Any])


def _innermost(annotation: Any) -> tuple[Any, bool]:
    """(type without `| None`, `list[...]` and constraints; whether it was a list)."""
    many = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is Literal:
            return annotation, many
        arguments = [a for a in typing.get_args(annotation) if a is not type(None)]
        if origin is None or not arguments:
            return annotation, many
        many = many or origin is list
        annotation = arguments[0]


def _click_type(annotation: Any) -> Any:
    if typing.get_origin(annotation) is Literal:
        return click.Choice([str(value) for value in typing.get_args(annotation)])
    # Ranges stay with pydantic: one place judges values, whichever way they came.
    return annotation if annotation in (int, float, bool, str) else str


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _option(section: str, key: str, field: FieldInfo, taken: set[str]) -> click.Option:
    annotation, many = _innermost(field.annotation)
    names = [_dashed(name) for name in (key, *aliases_of(field))]
    free = [name for name in names if name not in taken]
    if names[0] not in free:
        free = [_dashed(f"{section}_{key}")]
    taken.update(free)
    default = field.get_default(call_default_factory=True)
    shown = "" if default is None or default == [] else f"  [{section}.{key}, default {default}]"
    help_text = (field.description or "") + (shown or f"  [{section}.{key}]")
    destination = f"setting__{section}__{key}"
    if annotation is bool:
        off = _dashed(f"no_{free[0].removeprefix('--').replace('-', '_')}")
        return click.Option(
            [destination, f"{free[0]}/{off}", *free[1:]], default=None, help=help_text
        )
    return click.Option(
        [destination, *free],
        type=_click_type(annotation),
        multiple=many,
        default=None,
        help=help_text,
    )


def project_options(*sections: str) -> Callable[[F], F]:
    """Add `--project` and one option for every setting of `sections`; the command gets a
    `project: Project` argument with everything merged.

    The first section that has a name gets `--name`; a later one that shares it gets
    `--section-name`. Aliases (`--base-model`, `--dataset-name`) come along.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, project_file: Path | None, **kwargs: Any) -> Any:
            overrides: dict[tuple[str, str], Any] = {}
            for name in [name for name in kwargs if name.startswith("setting__")]:
                value = kwargs.pop(name)
                _, section, key = name.split("__", 2)
                if value is None or value == ():
                    continue
                overrides[section, key] = list(value) if isinstance(value, tuple) else value
            project = load_project(project_file, overrides)
            return function(*args, project=project, **kwargs)

        parameters = list(getattr(wrapper, "__click_params__", []))
        taken = {name for parameter in parameters for name in parameter.opts}
        settings = [
            _option(section, key, field, taken)
            for section in sections
            for key, field in SECTIONS[section].model_fields.items()
        ]
        project_file_option = click.Option(
            ["project_file", "--project"],
            type=click.Path(path_type=Path),
            help="Project file or folder  [default: ./hubtools.toml if there is one]",
        )
        # click applies parameters in reverse order of decoration
        wrapper.__click_params__ = parameters + list(  # type: ignore[attr-defined]
            reversed([project_file_option, *settings])
        )
        return cast(F, wrapper)

    return decorate


__all__ = ["Project", "project_options"]
