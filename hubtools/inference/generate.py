"""`generate`: pictures from a base model and a LoRA, with everything needed to draw them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from hubtools.errors import HubtoolsError, UsageError, require_extra
from hubtools.inference.base import Base, resolve_base
from hubtools.inference.lora import LoraFile, resolve_lora
from hubtools.inference.pipeline import draw, load_pipeline, prompt_notes
from hubtools.inference.sheet import contact_sheet
from hubtools.inference.shots import prompts_of, shots_of
from hubtools.layout import SAMPLES_DIR
from hubtools.manifest import SampleRecord
from hubtools.project import Project

Note = Callable[[str], None]


def _silent(sentence: str) -> None:
    pass


def _prompts(project: Project) -> list[str]:
    """`samples.prompts`, else captions of the dataset."""
    if project.samples.prompts:
        return list(project.samples.prompts)
    from hubtools.dataset.load import read_examples

    examples = read_examples(project.dataset_dir, project.dataset.caption_column)
    return prompts_of(project.samples, [example.caption for example in examples])


def generate(
    project: Project,
    *,
    lora: str | None = None,
    prompts: Sequence[str] = (),
    images: int = 1,
    output: Path | None = None,
    batch_size: int = 1,
    sheet: Path | None = None,
    step: int | None = None,
    weight_name: str | None = None,
    safety_checker: bool = True,
    device: str | None = None,
    dtype: str | None = None,
    note: Note = _silent,
    on_step: Callable[[int, int], None] | None = None,
    on_picture: Callable[[SampleRecord, bool], None] | None = None,
) -> list[SampleRecord]:
    """Draw `images` pictures of every prompt to `output` (default `samples/` in the project).

    Settings come from `project.samples`. `lora`: run folder, file or Hub id; None draws the bare
    base. The base is `train.pretrained_model_name_or_path`, else the one the LoRA names. Pictures
    that are there already, with equal parameters, are kept. `sheet` also writes a contact sheet.
    Raises `HubtoolsError` if base or LoRA cannot be found or do not fit.
    """
    from hubtools.inference.device import best_device, best_dtype, use_threads

    require_extra("train", "Drawing pictures")  # before anything else is looked for
    prompts = list(prompts) or _prompts(project)
    if not prompts:
        raise UsageError("There is no prompt.", hint='hubtools generate "a photo of ..."')
    shots, names = shots_of(project.samples, prompts, project.train.resolution, images=images)
    found = resolve_lora(lora, weight_name=weight_name, step=step) if lora else None
    base = _base(project, found, note)
    device = device or best_device()
    threads = use_threads(project.train.num_threads)
    if device == "cpu":
        note(f"Drawing on the CPU with {threads} thread{'s' if threads > 1 else ''}.")
    pipeline = load_pipeline(
        base,
        dtype=dtype or best_dtype(device),
        device=device,
        variant=project.train.variant,
        safety_checker=safety_checker,
    )
    for prompt in dict.fromkeys([*prompts, project.samples.negative_prompt or ""]):
        for sentence in prompt_notes(pipeline, prompt):
            note(sentence)
    folder = output or project.root / SAMPLES_DIR
    records = draw(
        pipeline,
        shots,
        folder,
        names=names,
        base=base,
        lora=found,
        batch_size=batch_size,
        on_step=on_step,
        on_picture=on_picture,
    )
    for record in records:
        if record.blanked:
            note(
                f"{record.file} was blanked by the base's safety checker"
                " (--no-safety-checker leaves it out, if licence and use allow)."
            )
    if sheet is not None:
        write_sheet(records, folder, sheet)
    return records


def write_sheet(records: Sequence[SampleRecord], folder: Path, path: Path) -> None:
    """A contact sheet of `records`, whose pictures lie in `folder`."""
    contact_sheet(
        [
            (
                folder / record.file,
                [
                    record.prompt,
                    _how(record),
                    f"LoRA {record.lora_weight:g}" if record.lora_sha256 else "base",
                ],
            )
            for record in records
        ],
        path,
    )


def _how(record: SampleRecord) -> str:
    return (
        f"seed {record.seed}, {record.scheduler}, {record.steps} steps,"
        f" guidance {record.guidance:g}"
    )


def _base(project: Project, lora: LoraFile | None, note: Note) -> Base:
    name = project.train.pretrained_model_name_or_path
    if name is None and lora is not None:
        name = lora.base_model
        if name is not None:
            note(f"Base model: {name}, named by the LoRA.")
    if name is None:
        raise UsageError(
            "No base model is set, and the LoRA names none.",
            hint="give --base-model owner/name or a folder",
        )
    found = _local(project, name)
    return resolve_base(
        found,
        revision=project.train.revision,
        variant=project.train.variant,
        known_as=project.train.base_model_repo,
        notify=note,
    )


def _local(project: Project, name: str) -> str:
    """A relative folder in hubtools.toml is relative to that file."""
    folder = project.at(name)
    return str(folder) if folder.is_dir() else name


BASE_PREFIX, FINAL_PREFIX = "base_", "final_"


def generate_for_run(
    project: Project,
    *,
    note: Note = _silent,
    on_step: Callable[[int, int], None] | None = None,
) -> list[SampleRecord]:
    """Draw every sample prompt with the run's finished LoRA and, from the same noise, without it.

    Pictures go to the run's `samples/` as `final_*` and `base_*`, and `comparison.png` beside
    them shows both rows. Returns the records of both.
    """
    from hubtools.inference.device import best_device, best_dtype, use_threads

    run_dir = project.run_dir
    lora = resolve_lora(str(run_dir))
    if project.samples.lora_weight == 0:
        raise HubtoolsError(
            "samples.lora_weight is 0: the samples would not show the LoRA.",
            hint="set it to 1 in hubtools.toml",
        )
    shots, names = shots_of(project.samples, _prompts(project), project.train.resolution)
    base = _base(project, lora, note)
    device = best_device()
    use_threads(project.train.num_threads)
    pipeline = load_pipeline(base, dtype=best_dtype(device), device=device)
    folder = run_dir / SAMPLES_DIR
    half = sum(shot.steps for shot in shots)

    def stepped(before: int) -> Callable[[int, int], None] | None:
        return on_step and (lambda done, _total: on_step(before + done, 2 * half))

    bare = draw(
        pipeline,
        [replace(shot, lora_weight=0.0) for shot in shots],
        folder,
        names=[BASE_PREFIX + name for name in names],
        base=base,
        on_step=stepped(0),
    )
    final = draw(
        pipeline,
        shots,
        folder,
        names=[FINAL_PREFIX + name for name in names],
        base=base,
        lora=lora,
        on_step=stepped(half),
    )
    write_sheet([*bare, *final], folder, folder / "comparison.png")
    return [*bare, *final]
