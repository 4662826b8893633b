"""What a shell offers where values are known: ids of rules, steps of `ship`, schedulers, files.

The lists are read when somebody presses Tab, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

Completer = Callable[[click.Context, click.Parameter, str], list[Any]]


def _of(words: Callable[[], Iterable[str]]) -> Completer:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        typed = incomplete.casefold()
        return [CompletionItem(word) for word in words() if word.casefold().startswith(typed)]

    return complete


def _rules() -> Iterable[str]:
    from hubtools.commands.journeys import rules

    return rules()


def _steps() -> Iterable[str]:
    from hubtools.journey.steps import STEPS

    return [step.name for step in STEPS]


def _schedulers() -> Iterable[str]:
    from hubtools.inference.schedulers import SCHEDULERS

    return ["default", *SCHEDULERS]


def _axes() -> Iterable[str]:
    from hubtools.inference.grid.axes import NAMES

    return [f"{name}=" for name in NAMES]


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Names of files, as the shell knows them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


rules, steps, schedulers, axes = _of(_rules), _of(_steps), _of(_schedulers), _of(_axes)

_OF_SETTINGS: dict[tuple[str, str], Completer] = {
    ("rules", "select"): rules,
    ("rules", "ignore"): rules,
    ("samples", "scheduler"): schedulers,
    **dict.fromkeys(
        (
            ("dataset", "path"), ("rules", "baseline"), ("train", "output_dir"),
            ("train", "pretrained_model_name_or_path"), ("train", "base_config"),
            ("train", "init_from"), ("evaluate", "held_out"),
        ),
        files,
    ),
}  # fmt: skip


def of_setting(section: str, key: str) -> Completer | None:
    """What is offered for a setting; None if nothing is known."""
    return _OF_SETTINGS.get((section, key))
