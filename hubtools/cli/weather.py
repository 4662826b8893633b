"""`--chaos`: an embedded Hub that fails on purpose."""

from __future__ import annotations

import click


def chaos_options(function: click.decorators.FC) -> click.decorators.FC:
    """How often the embedded Hub fails, and whether its chance is the same each time."""
    function = click.option(
        "--chaos-seed", type=int, help="Make the chance of --chaos the same each time."
    )(function)
    return click.option(
        "--chaos",
        metavar="WHAT:HOW_OFTEN,...",
        help="The embedded Hub fails on purpose: a status, drop or drop-after, with a probability"
        " below 1 or a number of requests, e.g. 429:0.1,drop:0.05,412:1.",
    )(function)
