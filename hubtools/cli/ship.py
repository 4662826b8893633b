"""`hubtools ship`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubtools.cli import completion
from hubtools.cli.following import is_typed, tell_again, tell_private
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options
from hubtools.cli.train import reporter_of
from hubtools.cli.trust import trust_option, with_trust
from hubtools.commands.asked import TWOFOLD
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.errors import HubtoolsError
    from hubtools.journey.ship import JourneyReporter
    from hubtools.project import Project


def _voice_of(out: Output) -> JourneyReporter:
    """Tells the journey on stderr: one line a step, bars or lines for what takes long."""
    from hubtools.progress import Steps

    return Steps(reporter_of(out, indent="  "), out.note)


@click.command("ship", cls=SettingsCommand)
@project_options("train", "dataset", "samples", "model", "push", "prune", old=TWOFOLD)
@click.option(
    "--from", "first", metavar="STEP", help="First step to run.", shell_complete=completion.steps
)
@click.option(
    "--until", "last", metavar="STEP", help="Last step to run.", shell_complete=completion.steps
)
@click.option("--public", is_flag=True, help="Same as --no-private.")
@trust_option()
@click.option(
    "--dry-run", is_flag=True, help="List the steps, whether they would run, and what stops them."
)
@output_options()
def command(
    project: Project,
    first: str | None,
    last: str | None,
    public: bool,
    trust_state: bool,
    dry_run: bool,
    out: Output,
) -> None:
    """Do all of it in order, from pictures to two repositories on the Hub.

    The steps are validate, dataset-card, push-dataset, train, halve (the LoRA in 16 bits, half the
    size, where prune.dtype is set), generate, evaluate (where evaluate.in_ship is set), card, prune
    and push.

    A step whose inputs have not changed since it last finished is skipped and says so. Stop it at
    any moment and run it again: it continues where it stopped.
    """
    from hubtools.commands.journeys import forecast, ship

    voice = _voice_of(out)
    for key in sorted(TWOFOLD):
        if out.human and is_typed(f"--{key}"):
            out.note(f"--{key} is that of the dataset here: --dataset-{key}, beside --model-{key}")
    if dry_run:
        refusals: list[HubtoolsError] = []
        told = forecast(
            project, first=first, until=last, public=public, narrator=voice,
            on_refusal=refusals.append,
        )  # fmt: skip
        out.table(["step", "would", "why"], told)
        if refusals:
            first_, *more = {error.message: error for error in refusals}.values()
            for error in more:
                out.note(f"Also: {error.message}")
                for part in (error.hint or "").split("; "):  # each names a command
                    if part:
                        out.note(f"      {part}")
            raise first_
        if any(would == "run" for _, would, _ in told):
            tell_again(out)
        return
    result = with_trust(
        out,
        trust_state,
        lambda yes: ship(
            project, first=first, until=last, public=public, trust_state=yes, narrator=voice
        ),
    )
    done = f"{plural(len(result.done), 'step')} done, {len(result.skipped)} skipped"
    out.result(
        done,
        essential=result.model_url or str(result.run_dir),
        model=result.model_url,
        dataset=result.dataset_url,
        run=str(result.run_dir),
    )
    if project.push.private and not public:
        shipped = (
            (result.dataset_url, project.dataset.repo, "dataset"),
            (result.model_url, project.model.repo, "model"),
        )
        tell_private(out, [(repo, kind) for url, repo, kind in shipped if url and repo])
