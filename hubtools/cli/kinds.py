"""`--type`: whether a folder is a model's or a data set's."""

from __future__ import annotations

from typing import Any

import click


def kind_option(*names: str) -> Any:
    """The option, called so; it becomes `kind`."""
    return click.option(
        *names, "kind", type=click.Choice(["auto", "model", "dataset"]), default="auto",
        help="What FOLDER is; auto tells by what is in it.",
    )  # fmt: skip
