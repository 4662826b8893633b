"""`hubtools generate`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from hubtools.cli.following import base_words, dataset_words, project_words
from hubtools.cli.options import SettingsCommand, drawing_options, project_options
from hubtools.cli.output import Output, output_options, shown_path
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.manifest import SampleRecord
    from hubtools.project import Project


@click.command("generate", cls=SettingsCommand)
@click.argument("texts", metavar="[PROMPT]...", nargs=-1)
@drawing_options
@click.option(
    "--from", "like", metavar="PNG", type=click.Path(path_type=Path, dir_okay=False),
    help="Draw a picture again from its embedded settings; other options override them.",
)  # fmt: skip
@click.option(
    "-n", "--num-images", "images", type=click.IntRange(1), default=1, show_default=True,
    help="Pictures for each prompt, with seeds seed, seed + 1, ...",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pictures  [default: samples]",
)  # fmt: skip
@click.option(
    "--contact-sheet", "sheet", type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a contact sheet of all pictures to this file.",
)  # fmt: skip
@click.option(
    "--fuse/--no-fuse",
    default=None,
    help="Add LoRAs into the base's weights: faster at one weight; in bf16 and fp16 details change"
    "  [default: for one LoRA at one weight in float32]",
)
@project_options("samples", "train")
@output_options()
def command(
    texts: tuple[str, ...],
    loras: tuple[str, ...],
    step: int | None,
    like: Path | None,
    weight_name: str | None,
    images: int,
    batch_size: int | None,
    output: Path | None,
    sheet: Path | None,
    fuse: bool | None,
    safety_checker: bool,
    device: str | None,
    dtype: str | None,
    project: Project,
    out: Output,
) -> None:
    """Draw pictures with a base model and a LoRA.

    Without --lora, the project's run is used if it is finished, else the bare base. Every PNG
    carries its parameters and has a JSON beside it; a picture that is there already with the same
    parameters is kept. (word:1.3), (word) and [word] weigh words; the trigger's own brackets do
    not.
    """
    from hubtools.cards.showing import drawn_for
    from hubtools.commands.drawing import generate
    from hubtools.layout import RUN_MANIFEST, SAMPLES_DIR

    kept = 0

    def seen(record: SampleRecord, drawn: bool) -> None:
        nonlocal kept
        kept += not drawn

    with out.progress() as progress:
        task = progress.add_task("drawing", total=None, note="")
        records = generate(
            project,
            lora=loras,
            prompts=texts,
            num_images=images,
            output=output,
            batch_size=batch_size,
            contact_sheet=sheet,
            step=step,
            weight_name=weight_name,
            fuse=fuse,
            like=like,
            safety_checker=safety_checker,
            device=device,
            dtype=dtype,
            note=out.note,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
            on_picture=seen,
        )
    folder = output or project.place_for(SAMPLES_DIR)
    if out.human:
        drawn = f"{plural(len(records) - kept, 'picture')} drawn"
        drawn += f", {kept} already there" if kept else ""
        blanked = sum(record.blanked for record in records)
        drawn += f", {blanked} of them blanked by the safety checker" if blanked else ""
        if not loras and like is None and any(record.lora_sha256 for record in records):
            drawn += f" with {shown_path(project.run_dir)}"  # taken unasked
        shown = folder / records[0].file if len(records) == 1 else folder
        out.result(f"{drawn}: {shown_path(shown) or '.'}", contact_sheet=sheet)
        lora = output.parent if output is not None and output.name == SAMPLES_DIR else None
        if lora is not None and [*map(Path, loras)] == [lora]:  # one from elsewhere, for its card
            out.hint(f"next: hubtools card {quote(str(lora))}")
        if not loras and (project.run_dir / RUN_MANIFEST).is_file() and output is None:
            # the card reads the licence of a base that lies here only
            words = project_words(project) + dataset_words(project)
            words += base_words(project, known="of the run")
            apart = drawn_for(
                project.run_dir, project, {r.lora_sha256 for r in records if r.lora_sha256}
            )
            left = {(record.file, place) for record, place in apart.left}
            if records and all((r.file, folder) in left for r in records):
                for sentence in apart.said:
                    out.note(sentence)
            else:
                out.hint(f"next: hubtools card{words}")
    else:
        out.table(
            ["file", "seed", "prompt", "blanked"],
            [(str(folder / r.file), r.seed, r.prompt, r.blanked) for r in records],
        )
