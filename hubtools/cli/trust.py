"""`--trust-state`: acting on state in a folder that somebody else wrote, after a question."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hubtools.cli.output import Output
from hubtools.trust import ForeignState

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def trust_option() -> Callable[[F], F]:
    """Add `--trust-state`; the command gets `trust_state: bool`."""
    return click.option(
        "--trust-state",
        is_flag=True,
        help="Trust the plan and the folder's .hubtools although this machine did not write them.",
    )


def with_trust(out: Output, trust_state: bool, act: Callable[[bool], T]) -> T:
    """`act(trust_state)`; if it meets foreign state, a person at a terminal is asked.

    `--yes` is no answer to this question: it is given before anybody knows of the state. Raises
    `ForeignState` if nobody says yes.
    """
    try:
        return act(trust_state)
    except ForeignState as error:
        for line in error.details:
            out.note(f"  {line}")
        if not (out.human and sys.stdin.isatty()):
            raise
        out.note(error.message)
        if not click.confirm("Act on it all the same?", default=False, err=True):
            raise
        return act(True)
