"""Command-line options made from the settings models, so that file and options cannot differ."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import click
from pydantic.fields import FieldInfo

from hubtools.cli import completion
from hubtools.cli.following import without_project
from hubtools.cli.output import Output
from hubtools.cli.sentences import say
from hubtools.commands.asked import folder_of, setting_names, with_owners
from hubtools.errors import HubtoolsError
from hubtools.layout import PROJECT_FILE
from hubtools.printable import visible
from hubtools.project import Project, load_project
from hubtools.project_file import told_above
from hubtools.set_often import SET_OFTEN
from hubtools.settings import SECTIONS

F = TypeVar("F", bound=Callable[..., Any])


def _innermost(annotation: Any) -> tuple[Any, bool]:
    """(type without `| None`, `list[...]` and constraints; whether it was a list). A table of
    lists is a list of texts on the command line, any other a text."""
    many = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is Literal:
            return annotation, many
        if origin is dict:
            return str, typing.get_origin(typing.get_args(annotation)[1]) in (list, Annotated)
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


class SettingOption(click.Option):
    """An option that stands for a setting of a section of `hubtools.toml`."""

    def __init__(
        self, names: Sequence[str], section: str, key: str, old: str = "", **kw: Any
    ) -> None:
        super().__init__(names, **kw)
        self.section, self.about, self.old = section, SECTIONS[section].group_of(key), old
        self.set_often = key in SET_OFTEN[section]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Without the old spelling."""
        every = self.opts
        self.opts = [name for name in every if name != self.old]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = every


_MANY = 15  # settings that `--help` shows all of
_ALL = "hubtools.help_all"  # where a context keeps that all are asked for


def _help_all(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help())
        ctx.exit()


class SettingsCommand(click.Command):
    """A command whose `--help` lists its own options first, then the settings by section: of many
    settings those that are set often, and `--help-all` lists them all."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own, `--help-all` if some are left out of `--help`, and that."""
        found = super().get_params(ctx)
        if len(self._settings()) > _MANY:
            option = click.Option(
                ["--help-all"], is_flag=True, is_eager=True, expose_value=False,
                callback=_help_all, help="Show the settings that are seldom set, too, and exit.",
            )  # fmt: skip
            found.append(option)
        return found

    def _settings(self) -> list[SettingOption]:
        return [one for one in self.params if isinstance(one, SettingOption)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        everything = ctx.meta.get(_ALL) or len(self._settings()) <= _MANY
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None or not isinstance(parameter, click.Option):
                continue  # arguments stand in the usage line
            title = "Options"
            if isinstance(parameter, SettingOption):
                if not (everything or parameter.set_often):
                    continue
                title = f"Settings [{parameter.section}]"
                if everything and parameter.about:
                    title += f", {parameter.about}"
            groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=34)
        if not everything:
            with formatter.section("And more"):
                left = sum(not one.set_often for one in self._settings())
                formatter.write_text(
                    f"`{ctx.command_path} --help-all` lists {left} more settings. All of them may"
                    " stand in hubtools.toml as well."
                )


def _option(section: str, key: str, names: list[str], old: Collection[str]) -> SettingOption:
    field: FieldInfo = SECTIONS[section].model_fields[key]
    annotation, many = _innermost(field.annotation)
    free = [_dashed(name) for name in names]
    default = field.get_default(call_default_factory=True)
    shown = [] if names[0] == key else [f"{section}.{key}"]
    if default not in (None, [], {}):
        value = ", ".join(default) if isinstance(default, list) else default
        shown.append(f"default {str(value).lower() if annotation is bool else value}")
    help_text = (field.description or "") + (f"  [{'; '.join(shown)}]" if shown else "")
    destination = f"setting__{section}__{key}"
    if annotation is bool:
        off = _dashed(f"no_{free[0].removeprefix('--').replace('-', '_')}")
        return SettingOption(
            [destination, f"{free[0]}/{off}", *free[1:]],
            section,
            key,
            default=None,
            help=help_text,
        )
    return SettingOption(
        [destination, *free],
        section,
        key,
        _dashed(key) if key in old and len(free) > 1 else "",
        type=_click_type(annotation),
        multiple=many,
        default=None,
        help=help_text,
        shell_complete=completion.of_setting(section, key),
    )


def dtype_option() -> Callable[[F], F]:
    """`--dtype` of what draws."""
    return click.option(
        "--dtype", type=click.Choice(["float32", "float16", "bfloat16"]),
        help="Precision of the weights  [default: float32 on a CPU, else bfloat16 or float16]",
    )  # fmt: skip


def drawing_options(function: F) -> F:
    """The options of commands that draw: which LoRAs, on what, how many at once. The command gets
    `loras`, `step`, `weight_name`, `batch_size`, `safety_checker`, `device` and `dtype`."""
    options = [
        click.option(
            "--lora", "loras", metavar="RUN|FILE|REPO[:WEIGHT]", multiple=True,
            help="Run folder, .safetensors file or Hub id; repeat for several.",
        ),
        click.option(
            "--step", type=int, help="Snapshot of this training step instead of the last."
        ),
        click.option(
            "--weight-name", help="Weight file, where a folder or repository has several."
        ),
        click.option(
            "--batch-size", type=click.IntRange(1),
            help="Pictures at once  [default: up to 8, as memory allows]",
        ),
        click.option(
            "--safety-checker/--no-safety-checker",
            default=True,
            help="Use the base's safety checker, if it has one.",
        ),
        click.option("--device", help="Device: cuda, mps or cpu  [default: the best available]"),
        dtype_option(),
    ]  # fmt: skip
    for option in reversed(options):  # click applies them in reverse order of decoration
        function = option(function)
    return function


def crop_options(function: F) -> F:
    """How pictures are cut for training, of commands that show it: --resolution,
    --aspect-ratio-buckets."""
    buckets = click.option(
        "--aspect-ratio-buckets/--no-aspect-ratio-buckets",
        default=None,
        help="Show the crop for training in each picture's own shape.",
    )
    sides = click.IntRange(32, 4096)
    side = click.option(
        "--resolution", type=sides, help="Training resolution to show the crop for."
    )
    return side(buckets(function))


def project_options(*sections: str, old: Collection[str] = ()) -> Callable[[F], F]:
    """Add `--project` and one option for every setting of `sections`; the command gets a
    `project: Project` argument with everything merged.

    The first section that has a name gets `--name`; a later one that shares it gets
    `--section-name`. Aliases (`--base-model`, `--dataset-name`) come along. `old`: names of
    settings whose short spelling works and is not shown, as the command has two of them.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, project_file: Path | None, **kwargs: Any) -> Any:
            for name in [name for name in kwargs if name.startswith("setting__")]:
                del kwargs[name]
            project = load_project(project_file, _overrides())
            if project_file is None:
                _tell_above(project, kwargs)
            try:
                return function(*args, project=project, **kwargs)
            except HubtoolsError as error:
                raise without_project(error, project) from error.__cause__

        parameters = list(getattr(wrapper, "__click_params__", []))
        taken = {
            name.removeprefix("--").replace("-", "_")
            for parameter in parameters
            for name in parameter.opts
            if name.startswith("--")
        }
        named = setting_names(sections, taken, old=old)
        settings = [_option(section, key, names, old) for (section, key), names in named.items()]
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


def _tell_above(project: Project, given: Mapping[str, Any]) -> None:
    """Say which project counts, if it is not that of the current folder, and none is in a folder
    that was named."""
    told = told_above(project.file)
    if told is None or given.get("quiet") or given.get("format") == "quiet":
        return
    values = (one for v in given.values() for one in (v if isinstance(v, tuple) else (v,)))
    if not any(
        isinstance(one, str | Path) and (Path(one) / PROJECT_FILE).is_file() for one in values
    ):
        say(visible(told))


def _overrides() -> dict[tuple[str, str], Any]:
    """What the running command's own line sets, {(section, key): value}."""
    found: dict[tuple[str, str], Any] = {}
    for name, value in click.get_current_context().params.items():
        if name.startswith("setting__") and value is not None and value != ():
            _, section, key = name.split("__", 2)
            found[section, key] = list(value) if isinstance(value, tuple) else value
    return with_owners(found)


def project_in(folder: Path) -> Project:
    """The project whose folder a command got as its argument, with what the command line sets."""
    return load_project(folder, _overrides())


def dataset_folder(
    path: Path | None, project: Project, out: Output, *, change: bool
) -> tuple[Path, Project]:
    """(folder of pictures, its project) that a command's PATH means: that folder, or the dataset of
    the project in it or here. A folder that was not typed is told if it is changed, or lies outside
    the project. Raises `UsageError` as `Project.to_change` if the command is to `change` it."""
    return folder_of(path, project, change=change, note=out.note)


__all__ = [
    "Project",
    "SettingsCommand",
    "dataset_folder",
    "project_in",
    "project_options",
]
