"""`hubtools evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options

if TYPE_CHECKING:
    from hubtools.evaluation.result import Candidate, Evaluation
    from hubtools.project import Project

# figure -> (heading, what the difference to the base should be: 1 up, -1 down, 0 none)
COLUMNS = {
    "subject_fidelity": ("subject", 1),
    "prompt_fidelity": ("prompt", 1),
    "plain_fidelity": ("prompt, no trigger", 0),
    "leakage": ("leakage", 0),
    "diversity": ("diversity", 0),
    "memorised": ("copies", -1),
    "denoising_loss": ("loss", -1),
    "hair_tip": ("hair tips", 1),
    "hair_tip_unasked": ("tips unasked", 0),
    "star": ("star", 1),
    "star_unasked": ("star unasked", 0),
}


@click.command("evaluate", cls=SettingsCommand)
@click.argument("lora", metavar="[RUN|FILE|REPO]", required=False)
@click.option(
    "--batch-size", type=click.IntRange(1), default=8, show_default=True,
    help="Pictures drawn at once.",
)  # fmt: skip
@click.option("--device", help="cuda, mps or cpu  [default: the best there is]")
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]))
@project_options("evaluate", "samples", "train", "dataset")
@output_options()
def command(
    lora: str | None,
    batch_size: int,
    device: str | None,
    dtype: str | None,
    project: Project,
    out: Output,
) -> None:
    """Measure a LoRA against its base: did it learn, did it forget, which checkpoint and weight?

    Without an argument the project's run is measured. Base and LoRA draw the same prompts from the
    same noise, with the trigger and without it; every figure comes with a 95 % interval. Writes
    evaluation.json, evaluation.png and the pictures to the run folder; the card takes its numbers
    from there. Pictures that are there already are kept, so it can be stopped and go on.
    """
    from hubtools.evaluation.run import evaluate
    from hubtools.layout import EVALUATION, EVALUATION_CHART

    with out.progress() as progress:
        task = progress.add_task("drawing", total=None, note="")
        result = evaluate(
            project,
            lora,
            batch_size=batch_size,
            device=device,
            dtype=dtype,
            note=out.note,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if out.format == "json":
        out.data(result.model_dump_json(indent=2))
        return
    if out.format == "quiet":
        out.data(result.recommendation)
        return
    show(out, result)
    out.result(result.recommendation)
    if out.human:
        out.note(f"{EVALUATION} and {EVALUATION_CHART} are in the run folder.")


def show(out: Output, result: Evaluation) -> None:
    """The table of figures, and under it what they were measured by."""
    names = [name for name in COLUMNS if any(name in c.figures for c in result.candidates)]
    rows = [
        [_label(candidate, place == result.recommended), *(_cell(candidate, n) for n in names)]
        for place, candidate in enumerate(result.candidates)
    ]
    out.table(
        ["", *(COLUMNS[name][0] for name in names)], rows, right=list(range(1, len(names) + 1))
    )
    seen = "held-out" if result.loss_held_out else "training"
    out.note(
        f"{len(result.prompts)} prompts x {result.images} pictures, 95 % intervals. Pictures"
        f" compared by {result.picture_encoder}"
        + (f", prompts by {result.prompt_judge}" if result.prompt_judge else "")
        + f"; loss on {result.loss_pictures} {seen} pictures."
    )


def _label(candidate: Candidate, recommended: bool) -> str:
    return candidate.label + (" *" if recommended else "")


def _cell(candidate: Candidate, name: str) -> str:
    found = candidate.figures.get(name)
    if found is None or found.mean is None or found.low is None or found.high is None:
        return ""
    half = (found.high - found.low) / 2
    digits = 3 if name == "denoising_loss" else 2
    return f"{found.mean:.{digits}f} ±{half:.{digits}f}"
