"""`--type`: whether a folder is a model's or a dataset's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def kind_option(*names: str) -> Callable[[F], F]:
    """The option, called so; it becomes `kind`."""
    return click.option(
        *names, "kind", type=click.Choice(["auto", "model", "dataset"]), default="auto",
        help="What FOLDER is; auto tells by what is in it.",
    )  # fmt: skip
