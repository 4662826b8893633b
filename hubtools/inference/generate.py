"""`generate`: pictures from a base model and a LoRA, with everything needed to draw them again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubtools.dataset.examples import Example, read_examples
from hubtools.dataset.rows import role_columns
from hubtools.errors import HubtoolsError, UsageError, require_extra
from hubtools.files import StrPath
from hubtools.findings import nouns, plural
from hubtools.inference.at_once import fuses_unasked
from hubtools.inference.controls import controls_for, taken_by
from hubtools.inference.embeddings import Prompts, prompt_notes
from hubtools.inference.lora import (
    LoraFile,
    WeightedLora,
    check_loras,
    resolve_lora,
    resolve_loras,
)
from hubtools.inference.pipeline import draw
from hubtools.inference.project_base import no_base_named, project_base, size_on
from hubtools.inference.repeat import recall
from hubtools.inference.sheet import contact_sheet
from hubtools.inference.shots import Shot, check_size, prompts_of, shots_of
from hubtools.inference.staged import LoraShots, open_staged
from hubtools.layout import COMPARISON, LORA_WEIGHTS, RUN_MANIFEST, SAMPLES_DIR
from hubtools.manifest import SampleRecord
from hubtools.models.base import Base
from hubtools.models.device import best_dtype, checked_device, drawing_on
from hubtools.models.families.protocol import sampling_of
from hubtools.models.loading import Part, load_pipeline
from hubtools.models.lookup import support_of
from hubtools.project import Project
from hubtools.reporting.sheets import check_sheet
from hubtools.rooted import Root

Note = Callable[[str], None]


def _silent(sentence: str) -> None:
    pass


def _prompts(project: Project) -> tuple[list[str], list[Example]]:
    """`samples.prompts`, else captions of the dataset, else none; and the rows of those."""
    if project.samples.prompts:
        return list(project.samples.prompts), []
    project.to_draw_from("dataset", "path", project.dataset.path)
    if not project.dataset_dir.is_dir():
        return [], []
    examples = read_examples(
        project.dataset_dir, project.dataset.caption_column, roles=role_columns(project.dataset)
    )
    return prompts_of(project.samples, [example.caption for example in examples]), examples


def generate(
    project: Project,
    *,
    lora: str | Sequence[str] | None = None,
    prompts: Sequence[str] = (),
    images: int = 1,
    output: StrPath | None = None,
    batch_size: int | None = None,
    sheet: StrPath | None = None,
    step: int | None = None,
    weight_name: str | None = None,
    fuse: bool | None = None,
    safety_checker: bool = True,
    device: str | None = None,
    dtype: str | None = None,
    like: StrPath | None = None,
    given: Collection[str] = (),
    note: Note = _silent,
    on_step: Callable[[int, int], None] | None = None,
    on_picture: Callable[[SampleRecord, bool], None] | None = None,
) -> list[SampleRecord]:
    """Draw `images` pictures of every prompt to `output` (default `samples/` in the project).

    Settings come from `project.samples`. `lora`: run folder, file or Hub id, each perhaps with
    `:weight`, one or several; None draws the bare base. The base is
    `train.pretrained_model_name_or_path`, else the one the first LoRA names. Pictures that are
    there already, with equal parameters, are kept; one of other parameters keeps its name, and the
    new one gets a number behind it. `sheet` also writes a contact sheet. `batch_size`: pictures at
    once, by default as many as memory has room for (at most `at_once.MOST`). `fuse`: add the LoRAs
    into the base's weights, by default where one LoRA draws at one weight in float32.

    `like`: a PNG that hubtools drew; it is drawn again as `<name>_again.png` with all that it
    carries, except for what `prompts`, `lora` and `given` (names of settings, such as
    `samples.steps`) overrule. Raises `HubtoolsError` if base or LoRA cannot be found or do not fit.
    """
    require_extra("train", "Drawing pictures")  # before anything else is looked for
    texts = (lora,) if isinstance(lora, str) else tuple(lora or ())
    loras = resolve_loras(texts, weight_name=weight_name, step=step)
    folder = Path(output) if output else project.place_for(SAMPLES_DIR)
    again = None
    if like is not None:
        again = recall(Path(like), project, loras, given, note=note)
        loras = again.loras
        prompts = list(prompts) or (project.samples.prompts if "samples.prompts" in given else [])
        shots, names = again.shots(project.samples, prompts, images, triggers(project, loras))
        base = again.base
        fuse = again.record.fused if fuse is None else fuse
        dtype = dtype or again.record.dtype
    else:
        told, examples = (list(prompts), []) if prompts else _prompts(project)
        prompts = told
        if not prompts:
            raise UsageError(
                "There is no prompt.",
                hint='hubtools generate "a photo of ..."',
            )
        base = base_of(project, loras[0].file if loras else None, note)
        if not loras:
            tell_bare(project, note)
        shots, names = shots_of(
            project.samples,
            prompts,
            size_on(project, base),
            images=images,
            literals=triggers(project, loras),
            usual=sampling_of(base),
            controls=controls_for(project, prompts, taken_by(base), examples),
        )
    for shot in shots:
        check_size(shot.width, shot.height, base.support.divisor)
    check_loras(loras, base.path_or_id, note)
    if fuse is None:
        fuse = fuses_unasked(loras, shots, dtype or best_dtype(checked_device(device)))
    pipeline, texts_read = open_drawing(
        project, base, [LoraShots(shots, loras)], fuse=fuse, device=device, dtype=dtype,
        safety_checker=safety_checker, note=note,
    )  # fmt: skip
    if sheet is not None:
        check_sheet(sheet)
    with ExitStack() as stack:
        place: Path | Root = folder
        if output is None:  # below the project, whose folders may have come as links
            root = stack.enter_context(Root(project.root))
            below = folder.relative_to(project.root).as_posix()
            place = stack.enter_context(root.inside(below, create=True))
        records = draw(
            pipeline,
            shots,
            place,
            names=names,
            base=base,
            loras=loras,
            fuse=fuse,
            batch_size=batch_size,
            on_step=on_step,
            on_picture=on_picture,
            prompts=texts_read,
            apart=again is None,
            note=note,
        )
    tell_of_blanked(records, note)
    if again is not None and len(records) == 1:
        again.compare(records[0], folder, note)
    if sheet is not None:
        write_sheet(records, folder, Path(sheet))
    return records


def triggers(project: Project, loras: Sequence[WeightedLora]) -> tuple[str, ...]:
    """Words whose brackets are no weights: the project's trigger and those of the LoRAs."""
    names = [project.dataset.trigger, *(lora.file.trigger for lora in loras)]
    return tuple(dict.fromkeys(name for name in names if name))


def open_drawing(
    project: Project,
    base: Base,
    wanted: Sequence[LoraShots],
    *,
    fuse: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    safety_checker: bool = True,
    note: Note = _silent,
    tell: Note | None = None,
) -> tuple[Any, Prompts]:
    """The base's pipeline on the best device there is, threads set, and what is `wanted` of it
    read; see `open_staged`. `note` is told of the device, `tell` (default `note`) what is not read
    as it may be meant."""
    device = drawing_on(device, project.train.num_threads, note)

    def load(parts: tuple[Part, ...], given: Mapping[str, Any]) -> Any:
        pipeline = load_pipeline(
            base,
            dtype=dtype or best_dtype(device),
            device=device,
            variant=project.train.variant,
            safety_checker=safety_checker,
            parts=parts,
            given=given,
        )
        return pipeline.to(device)

    shots = [shot for one in wanted for shot in one.shots]

    def told(read: Any) -> None:
        tell_of_prompts(read, shots, tell or note)

    return open_staged(load, wanted, fuse=fuse, with_text=told)


def tell_of_prompts(pipeline: Any, shots: Sequence[Shot], note: Note) -> None:
    """Say once what will not be read as it may be meant."""
    told = set()
    support = support_of(type(pipeline).__name__)
    if support and not support.negative and any(shot.negative_prompt for shot in shots):
        note(f"{support.title} reads no negative prompt: samples.negative_prompt does nothing.")
    for shot in shots:
        for text in (shot.prompt, shot.negative_prompt or ""):
            if text not in told:
                told.add(text)
                for sentence in prompt_notes(
                    pipeline, text, weights=shot.prompt_weights, literals=shot.literals
                ):
                    note(sentence)


def tell_of_blanked(records: Sequence[SampleRecord], note: Note) -> None:
    """Name the pictures that show nothing."""
    for record in records:
        if record.blanked:
            note(
                f"{record.file} was blanked by the base's safety checker and goes into no card"
                " (--no-safety-checker leaves it out, if licence and use allow)."
            )


def write_sheet(records: Sequence[SampleRecord], folder: Path, path: Path) -> None:
    """A contact sheet of `records`, whose pictures lie in `folder`."""
    contact_sheet(
        [
            (
                folder / record.file,
                [
                    record.prompt,
                    _how(record),
                    "blanked by the safety checker" if record.blanked else _whose(record),
                ],
            )
            for record in records
        ],
        path,
    )


def _how(record: SampleRecord) -> str:
    return (
        f"seed {record.seed}, {record.scheduler}, {plural(record.steps, 'step')},"
        f" guidance {record.guidance:g}"
        + (f" rescaled {record.guidance_rescale:g}" if record.guidance_rescale else "")
    )


def _whose(record: SampleRecord) -> str:
    active = [f"{lora.weight:g}" for lora in record.loras if lora.weight]
    if not active:
        return "base"
    return f"{nouns(len(active), 'LoRA')} {' + '.join(active)}"


def tell_bare(project: Project, note: Note) -> None:
    """Say that no LoRA draws, and why: nobody named one, and there is none. (Of one that is there
    and was left out, whoever did so has told.)"""
    if (project.run_dir / LORA_WEIGHTS).is_file():
        return
    run = project.train.output_dir
    begun = (project.run_dir / RUN_MANIFEST).is_file()
    why = f"the run in {run} is not finished" if begun else f"nothing is trained in {run} yet"
    note(f"No LoRA: the bare base draws, as {why}. `hubtools train` makes one, --lora names one.")


def base_of(project: Project, lora: LoraFile | None, note: Note) -> Base:
    """The base model of the settings, else the one that `lora` names."""
    name = project.train.pretrained_model_name_or_path
    if name is None and lora is not None:
        name = lora.base_model
        if name is not None:
            note(f"Base model: {name}, named by the LoRA.")
    if name is None:
        raise no_base_named(lora is not None)
    return project_base(project, name, note)


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
    run_dir = project.run_to_change
    lora = resolve_lora(str(run_dir))
    if project.samples.lora_weight == 0:
        raise HubtoolsError(
            "samples.lora_weight is 0: the samples would not show the LoRA.",
            hint="set it to 1 in hubtools.toml",
            code="not-supported",
        )
    literals = triggers(project, [WeightedLora(lora)])
    base = base_of(project, lora, note)
    check_loras([WeightedLora(lora)], base.path_or_id, note)
    prompts, examples = _prompts(project)
    shots, names = shots_of(
        project.samples,
        prompts,
        size_on(project, base),
        literals=literals,
        usual=sampling_of(base),
        controls=controls_for(project, prompts, taken_by(base), examples),
    )
    bare = [replace(shot, lora_weight=0.0) for shot in shots]
    wanted = [LoraShots(bare), LoraShots(shots, [WeightedLora(lora)])]
    fuse = fuses_unasked(wanted[1].loras, shots, best_dtype(checked_device(None)))
    pipeline, texts = open_drawing(project, base, wanted, fuse=fuse, tell=note)
    with Root(run_dir) as run, run.inside(SAMPLES_DIR, create=True) as folder:
        check_sheet(folder.path / COMPARISON)
        records = _both(pipeline, texts, wanted, names, folder, base, fuse, on_step, note)
        tell_of_blanked(records, note)
        write_sheet(records, folder.path, folder.path / COMPARISON)
    return records


def _both(
    pipeline: Any,
    texts: Prompts,
    wanted: Sequence[LoraShots],
    names: Sequence[str],
    folder: Root,
    base: Base,
    fuse: bool,
    on_step: Callable[[int, int], None] | None,
    note: Note,
) -> list[SampleRecord]:
    """The shots without the LoRA, then with it."""
    each = [sum(shot.steps for shot in one.shots) for one in wanted]

    def stepped(before: int) -> Callable[[int, int], None] | None:
        return on_step and (lambda done, _total: on_step(before + done, sum(each)))

    records: list[SampleRecord] = []
    for place, (prefix, one) in enumerate(zip((BASE_PREFIX, FINAL_PREFIX), wanted, strict=True)):
        records += draw(
            pipeline,
            one.shots,
            folder,
            names=[prefix + name for name in names],
            base=base,
            loras=one.loras,
            fuse=fuse and bool(one.loras),
            batch_size=None,
            prompts=texts,
            note=note,
            on_step=stepped(sum(each[:place])),
        )
    return records
