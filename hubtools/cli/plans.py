"""`--plan` and `--from-plan`, the same in every command that saves plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubtools.cli.output import Output
from hubtools.cli.trust import with_trust
from hubtools.errors import UsageError
from hubtools.trust import NOT_OURS

if TYPE_CHECKING:
    from hubtools.plans import Kind, SavedPlan

F = TypeVar("F", bound=Callable[..., Any])
_ALWAYS = {"from_plan", "format", "quiet", "report_files", "trust_state", "dry_run", "project_file"}


def plan_options() -> Callable[[F], F]:
    """Add `--plan` and `--from-plan`; the command gets `plan_file` and `from_plan`."""

    def decorate(function: F) -> F:
        kind = click.Path(path_type=Path)
        write = click.option(
            "--plan",
            "plan_file",
            type=kind,
            metavar="FILE",
            help="Write the plan to FILE and stop.",
        )
        do = click.option(
            "--from-plan",
            type=kind,
            metavar="FILE",
            help="Apply the plan in FILE, or refuse it if something changed.",
        )
        return write(do(function))

    return decorate


def check_plan_options(
    plan_file: Path | None, from_plan: Path | None, beside: Sequence[str], acting: Sequence[str]
) -> None:
    """Raises `UsageError` if `--from-plan` stands beside an option that would say something else
    than the plan does (all but those of `beside`), or `--plan` beside one of `acting`; and
    `HubtoolsError` if something that is no plan lies where one would be written."""
    context = click.get_current_context()
    typed = [
        parameter
        for parameter in context.command.get_params(context)
        if parameter.name is not None
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if from_plan is not None:
        for parameter in typed:
            if parameter.name not in {*_ALWAYS, *beside}:
                raise UsageError(
                    f"{_shown(parameter)} cannot be given with --from-plan: the plan says it.",
                    hint="leave it out, or make a new plan with --plan",
                )
    if plan_file is not None:
        for parameter in typed:
            if parameter.name in acting:
                raise UsageError(
                    f"--plan only writes the plan, and {_shown(parameter)} would act.",
                    hint=f"`hubtools {context.info_name} --from-plan FILE` carries out a plan",
                )
        from hubtools.plans import check_plan_file

        check_plan_file(plan_file)  # before anything is done


def _shown(parameter: click.Parameter) -> str:
    return (
        parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    )


def opened(
    path: Path,
    kind: Kind,
    out: Output,
    trust_state: bool,
    would: Callable[[SavedPlan], str],
    lines: Callable[[SavedPlan], Sequence[str]],
    *,
    dry_run: bool = False,
    beside: frozenset[str] = frozenset(),
) -> tuple[SavedPlan, bool]:
    """The plan in a file, and whether what somebody else wrote is trusted. A plan that this user
    has not written is shown (`lines`), and acted on after a yes only: `--trust-state`, or an answer
    at a terminal. Raises `ForeignState` if nobody says it."""
    from hubtools.plans import read_plan

    saved = read_plan(path, kind, beside)
    if saved.own:
        return saved, trust_state
    out.note(f"{path} {NOT_OURS}. It says:")
    for line in lines(saved):
        out.note(f"  {line}")
    if dry_run:
        return saved, trust_state

    def answer(trust: bool) -> bool:
        saved.check_own(trust, would(saved))
        return True

    return saved, with_trust(out, trust_state, answer)
