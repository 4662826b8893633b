"""`hubtools evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hubtools.cli.following import base_words, dataset_words, project_words
from hubtools.cli.options import SettingsCommand, dtype_option, project_options
from hubtools.cli.output import Output, output_options
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.evaluation.result import Candidate, Evaluation
    from hubtools.project import Project

# figure -> (in full, short: None if it is left out of a table of many candidates)
FIGURES: dict[str, tuple[str, str | None]] = {
    "subject_fidelity": ("like the training pictures", "subject"),
    "prompt_fidelity": ("follows prompts, with trigger", "prompt"),
    "plain_fidelity": ("follows prompts, without trigger", "plain"),
    "leakage": ("like the pictures, without trigger", "leakage"),
    "diversity": ("diversity", "diversity"),
    "memorised": ("copies of training pictures", "copies"),
    "denoising_loss": ("denoising loss", "loss"),
    "hair_tip": ("coloured hair tips", "tips"),
    "hair_tip_unasked": ("coloured hair tips, without trigger", None),
    "star": ("stars on the cheeks", "stars"),
    "star_unasked": ("stars on the cheeks, without trigger", None),
}
# in few words, for a table of few candidates
READING = {
    "subject_fidelity": "higher; 0 % is the base, 100 % the pictures among themselves",
    "prompt_fidelity": "higher, up to 1",
    "plain_fidelity": "not below the base's",
    "leakage": "near 0 %",
    "diversity": "0: all pictures of a prompt are alike",
    "memorised": "0",
    "denoising_loss": "lower than the base's",
    "hair_tip": "higher, up to 1",
    "hair_tip_unasked": "near the base's",
    "star": "higher, up to 1",
    "star_unasked": "near the base's",
}
# More than these do not fit side by side.
_COLUMNS = 3


@click.command("evaluate", cls=SettingsCommand)
@click.argument("lora", metavar="[RUN|FILE|REPO]", required=False)
@click.option(
    "--batch-size", type=click.IntRange(1),
    help="Pictures at once  [default: up to 8, as memory allows]",
)  # fmt: skip
@click.option("--device", help="Device: cuda, mps or cpu  [default: the best available]")
@dtype_option()
@project_options("evaluate", "samples", "train", "dataset")
@output_options()
def command(
    lora: str | None,
    batch_size: int | None,
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
    from hubtools.commands.drawing import evaluate
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
        out.answer.put(result.model_dump(mode="json"))
        return
    if out.format == "quiet":
        out.data(result.recommendation)
        return
    show(out, result)
    out.result(result.recommendation)
    if out.human:
        out.note(f"{EVALUATION} and {EVALUATION_CHART} are in the run folder.")
        if lora is None:
            # the card reads the licence of a base that lies here only
            where, base = project_words(project), base_words(project, known="of the run")
            where += dataset_words(project)
            if result.recommended is None:
                anew = f"hubtools train{where} --no-resume --dry-run{base}"
                out.hint(f"`{anew}` plans another run, and keeps this one")
            out.hint(f"next: hubtools card{where}{base}")


def show(out: Output, result: Evaluation) -> None:
    """The table of figures, and under it what they were measured by."""
    names = [name for name in FIGURES if any(name in c.figures for c in result.candidates)]
    labels = [_label(c, place == result.recommended) for place, c in enumerate(result.candidates)]
    if len(labels) <= _COLUMNS:
        rows = [
            [FIGURES[n][0], *(_cell(result, c, n) for c in result.candidates), READING[n]]
            for n in names
        ]
        heads = ["", *labels, "how to read it"]
    else:
        names = [name for name in names if FIGURES[name][1]]
        rows = [
            [label, *(_cell(result, candidate, name) for name in names)]
            for label, candidate in zip(labels, result.candidates, strict=True)
        ]
        heads = ["", *(str(FIGURES[name][1]) for name in names)]
    out.table(heads, rows, right=list(range(1, 1 + len(labels))) if len(labels) <= _COLUMNS else
              list(range(1, len(heads))))  # fmt: skip
    seen = "held-out" if result.loss_held_out else "training"
    out.note(
        f"{plural(len(result.prompts), 'prompt')} x {plural(result.images, 'picture')},"
        f" 95 % intervals. Pictures compared by {result.picture_encoder}"
        + (f", prompts by {result.judged_by}" if result.judged_by else "")
        + f"; loss on {plural(result.loss_pictures, f'{seen} picture')}."
    )


def _label(candidate: Candidate, recommended: bool) -> str:
    return candidate.label + (" *" if recommended else "")


def _cell(result: Evaluation, candidate: Candidate, name: str) -> str:
    scaled = result.per_cent(candidate, name)
    found = scaled or candidate.figures.get(name)
    if found is None or found.mean is None or found.low is None or found.high is None:
        return ""
    half = (found.high - found.low) / 2
    if scaled is not None:
        return f"{round(found.mean)} % ±{half:.0f}"
    digits = 3 if name == "denoising_loss" else 2
    return f"{found.mean:.{digits}f} ±{half:.{digits}f}"
