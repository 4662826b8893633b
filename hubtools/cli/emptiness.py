"""Paths as they are typed. An empty text where a file, a folder or a repository is to be named is
taken for the current folder by the system, and nobody means that; one that is not there is told the
name beside it that is most like it; an address is told how to fetch what it names. What they lead
to is opened before a command looks at anything, and stays what it is until the command ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from hubtools.entrance import keep_named
from hubtools.errors import UsageError
from hubtools.fences import keep_same
from hubtools.patterns import regex

_TEXTS = {"texts", "prompt"}  # arguments that may be empty: a prompt of no words
_PLACES = {
    "path", "output_dir", "baseline", "class_data_dir", "held_out", "base_config", "init_from",
    "pretrained_model_name_or_path",
}  # fmt: skip
# A page of the Hub, or of one on this machine, and what the Hub's clients write for it.
_REPOSITORY = regex(
    r"(?:hf://|https?://(?:huggingface\.co|hf\.co|127\.0\.0\.1:\d+|localhost:\d+)/)"
    r"(?P<kind>datasets/|models/)?(?P<repo>[\w.-]+/(?P<name>[\w.-]+))"
)


class PathOrModel(click.Path):
    """A path of this machine, or the address of a model's repository, which stays as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `Path`, or the text of the address."""
        return value if _is_address(value) else super().convert(value, param, ctx)


def refuse_empty(command: click.Command) -> click.Command:
    """Make what names something refuse an empty text. Raises `click.BadParameter` when parsed."""
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            _guard(parameter)
        elif _is_name(parameter) and parameter.callback is None:
            parameter.callback = _check
    return command


def _is_name(parameter: click.Parameter) -> bool:
    name = parameter.name or ""
    if isinstance(parameter, click.Argument):
        return name not in _TEXTS
    return name.startswith("setting__") and name.split("__", 2)[2] in _PLACES


def _check(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value == "" or (isinstance(value, tuple) and "" in value):
        raise click.BadParameter("it is empty.", ctx, parameter)
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, str):
            keep_named(one)
    return value


def _guard(parameter: click.Parameter) -> None:
    """A path has lost its emptiness once it is one."""
    inner = parameter.type.convert
    must = getattr(parameter.type, "exists", False)
    if getattr(inner, "guarded", False):
        return

    def convert(value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            raise click.BadParameter("it is empty.", ctx, param)
        if _is_address(value):
            _refuse_address(value, models=isinstance(parameter.type, PathOrModel))
        if must and isinstance(value, str) and not Path(value).exists():
            said = click.BadParameter(f"path {value!r} does not exist.", ctx, param)
            raise UsageError(said.format_message(), missing=value)
        found = inner(value, param, ctx)
        if isinstance(found, Path):
            keep_same(found)
        return found

    convert.guarded = True  # type: ignore[attr-defined]
    parameter.type.convert = convert  # type: ignore[method-assign]


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and "://" in value and not os.path.lexists(value)


def _refuse_address(address: str, *, models: bool) -> None:
    """Raise `UsageError` for one, but for a model's where `models` are taken."""
    named = _REPOSITORY.match(address)
    of_data = named is not None and named["kind"] == "datasets/"
    if models and not of_data:
        return
    hint = "fetch what is there first"
    if named is not None:
        kind = " --repo-type dataset" if of_data else ""
        hint = f"`hf download {named['repo']}{kind} --local-dir {named['name']}` fetches it"
    raise UsageError(
        f"{address} is an address, and what is asked for is a place on this machine.", hint=hint
    )
