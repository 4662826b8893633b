"""`generate --from picture.png`: the same picture again, from what it carries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from PIL import Image, ImageChops

from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import leads_out, open_regular, sha256_of, written
from hubtools.inference.controls import found_image, used
from hubtools.inference.lora import WeightedLora, resolve_lora
from hubtools.inference.pipeline import versions
from hubtools.inference.png import SHOWN, read_record
from hubtools.inference.project_base import project_base
from hubtools.inference.shots import Shot, check_size
from hubtools.layout import RUN_MANIFEST, SNAPSHOTS_DIR
from hubtools.manifest import LoraUse, SampleRecord, changed_versions
from hubtools.models.base import Base, resolve_base
from hubtools.project import Project
from hubtools.settings import SampleSettings
from hubtools.weights import Holds, read_header

Note = Callable[[str], None]
_WIDEST = 8192  # pixels of a side
# What settings that are given change of a picture's own.
_CHANGED = ("negative_prompt", "seed", "steps", "guidance", "guidance_rescale", "scheduler")


@dataclass(frozen=True)
class Again:
    """A picture's record with base and LoRAs found. `exact`: nothing is overruled."""

    picture: Path
    record: SampleRecord
    base: Base
    loras: tuple[WeightedLora, ...]
    given: frozenset[str]
    replaced: bool  # other LoRAs are used than the picture's
    controls: tuple[Path, ...] = ()

    def shots(
        self,
        settings: SampleSettings,
        prompts: Sequence[str],
        images: int,
        triggers: Sequence[str],
    ) -> tuple[list[Shot], list[str]]:
        """The picture's shot, overruled where settings were given, and names of the files.
        `prompts` replaces the picture's own if there are any; seeds count up over `images`."""
        record = self.record
        changed: dict[str, object] = {}
        for name in _CHANGED:
            if f"samples.{name}" in self.given:
                changed[name] = getattr(settings, name)
        if "samples.size" in self.given and settings.size:
            changed |= {"width": settings.size, "height": settings.size}
        words = bool(prompts) or "negative_prompt" in changed
        weights, literals = bool(record.prompt_weights), tuple(record.literals)
        if "samples.prompt_weights" in self.given or (words and record.prompt_weights is None):
            weights = settings.prompt_weights
        if words or "samples.prompt_weights" in self.given:
            literals = tuple(dict.fromkeys([*literals, *triggers]))
        strength = 1.0
        if "samples.lora_weight" in self.given or self.replaced:
            strength = settings.lora_weight
        first = Shot(
            record.prompt,
            record.negative_prompt,
            record.seed,
            record.steps,
            record.guidance,
            record.scheduler,
            record.width,
            record.height,
            strength,
            weights,
            literals,
            self.controls,
            record.guidance_rescale,
        )
        first = replace(first, **changed)  # type: ignore[arg-type]
        check_size(first.width, first.height)
        shots, names = [], []
        for number, prompt in enumerate(prompts or [record.prompt]):
            for seed in range(first.seed, first.seed + images):
                shots.append(replace(first, prompt=prompt, seed=seed))
                several = f"_p{number:02d}_s{seed}" if images > 1 or len(prompts) > 1 else ""
                names.append(f"{self.picture.stem}_again{several}")
        return shots, names

    def compare(self, drawn: SampleRecord, folder: Path, note: Note) -> None:
        """Say whether the new picture is the old one, if it was asked to be."""
        old = self.record.identity() | {"file": "", "versions": {}, "train_step": None}
        new = drawn.identity() | {"file": "", "versions": {}, "train_step": None}
        for one in (old, new):
            one["prompt_weights"] = bool(one["prompt_weights"])
            one["literals"] = None  # a trigger learned of since may have made a difference or not
        if old != new:
            return
        difference = largest_difference(self.picture, folder / drawn.file)
        if difference == 0:
            note(f"{drawn.file} is {self.picture.name}, pixel for pixel.")
        elif difference == 1:
            note(f"{drawn.file} is {self.picture.name} but for rounding: at most 1 of 255.")
        elif difference is None:
            note(f"{drawn.file} has another size than {self.picture.name} says of itself.")
        else:
            note(
                f"{drawn.file} differs from {self.picture.name} by up to {difference} of 255;"
                " other library versions, another device or number of threads, other pictures in"
                " its batch, another base in a folder of the same name do that."
            )


def largest_difference(one: Path, other: Path) -> int | None:
    """Largest difference of two pictures' values, of 255; None if their sizes differ."""
    with (
        open_regular(one) as mine,
        open_regular(other) as theirs,
        Image.open(mine, formats=SHOWN) as first,
        Image.open(theirs, formats=SHOWN) as second,
    ):
        if first.size != second.size:
            return None
        difference = ImageChops.difference(first.convert("RGB"), second.convert("RGB"))
    return int(max(high for _, high in difference.getextrema()))  # type: ignore[misc]


def recall(
    picture: Path,
    project: Project,
    loras: tuple[WeightedLora, ...],
    given: Collection[str],
    *,
    note: Note = lambda sentence: None,
) -> Again:
    """Read what `picture` carries and find its base and LoRAs. `loras`, if any, replace its own;
    but if all of them are its own and no weight is given, they only say where those lie.

    Tells of library versions that differ. Raises `HubtoolsError` if the picture carries nothing, or
    if its base or a LoRA cannot be found.
    """
    if not picture.is_file():
        raise UsageError(
            f"There is no file {picture}.",
            hint="give a PNG that hubtools drew",
            code="file-not-found",
            missing=picture,
        )
    record = read_record(picture)
    if record is None:
        raise HubtoolsError(
            f"{picture} does not carry the parameters hubtools writes into its PNGs.",
            hint="a copy that was edited, converted or sent by a messenger loses them",
            code="wrong-kind",
        )
    for what in _nonsense(record):
        raise HubtoolsError(
            f"{picture} speaks of {what}, which no picture of hubtools was drawn with.",
            hint="was it made by somebody else, or edited?",
            code="wrong-kind",
        )
    for sentence in changes_since(record):
        note(sentence)
    hashes = {use.sha256 for use in record.loras}
    replaced = any(lora.file.sha256 not in hashes or lora.weight != 1 for lora in loras)
    if not replaced:
        places = [lora.file.path for lora in loras]
        loras = _find_loras(record, picture, project, given, places, note)
    base = _find_base(record, project, given, note)
    controls = _controls(record, picture, project, note)
    return Again(picture, record, base, loras, frozenset(given), replaced, controls)


def _controls(
    record: SampleRecord, picture: Path, project: Project, note: Note
) -> tuple[Path, ...]:
    """The pictures that it was made from, which it does not carry."""
    told = project.samples.validation_images
    if not record.control_images and not told:
        return ()
    names = ", ".join(one.file for one in record.control_images)
    if not told:
        raise UsageError(
            f"{picture.name} was made from {names}, which it does not carry.",
            hint=f"--image {quote(record.control_images[0].file)}",
            code="file-not-found",
        )
    paths = tuple(found_image(project, name) for name in told)
    if [one.sha256 for one in used(paths)] != [one.sha256 for one in record.control_images]:
        note(f"{picture.name} was made from {names or 'words alone'}, not from these pictures.")
    return paths


def _nonsense(record: SampleRecord) -> Iterator[str]:
    """Figures beyond what the settings allow: a picture may come from anybody."""
    if not 1 <= record.steps <= 1000:
        yield f"{record.steps:,} steps"
    if not (8 <= record.width <= _WIDEST and 8 <= record.height <= _WIDEST):
        yield f"{record.width:,} x {record.height:,} pixels"
    if not 0 <= record.seed < 2**63:
        yield f"the seed {record.seed}"
    if record.dtype not in ("float32", "float16", "bfloat16"):
        yield f"numbers of type {record.dtype!r}"
    numbers = [record.guidance, record.lora_weight, *(use.weight for use in record.loras)]
    if not 0 <= record.guidance_rescale <= 1:
        yield f"a rescaling of {record.guidance_rescale}"
    if not all(abs(number) <= 1000 for number in numbers) or len(record.loras) > 100:
        yield "such a guidance or such LoRAs"


def changes_since(record: SampleRecord) -> list[str]:
    """A sentence if libraries have other versions than when the picture was drawn."""
    changed = changed_versions(record.versions, versions())
    if not changed:
        return []
    return [f"It was drawn with {', '.join(changed)}; the picture may differ a little."]


# --- its base ------------------------------------------------------------------------------------


def _find_base(record: SampleRecord, project: Project, given: Collection[str], note: Note) -> Base:
    settings = project.train
    own = settings.pretrained_model_name_or_path
    if own is not None and "train.pretrained_model_name_or_path" in given:
        return project_base(project, own, note)
    if own is not None and record.base_revision is None:
        # a folder; the record knows at most the id under which others find it
        base = project_base(project, own, note)
        if base.local and base.id == record.base_model:
            return base
    if record.base_model is None:
        raise HubtoolsError(
            "The picture was drawn with a base model from a folder, and folders are not recorded.",
            hint="give the folder with --base-model",
            code="not-supported",
        )
    revision = settings.revision if "train.revision" in given else record.base_revision
    return resolve_base(
        record.base_model,
        revision=revision,
        variant=settings.variant,
        notify=note,
        allow_pickle=settings.allow_pickle,
    )


# --- its LoRAs -----------------------------------------------------------------------------------


def _find_loras(
    record: SampleRecord,
    picture: Path,
    project: Project,
    given: Collection[str],
    places: Sequence[Path],
    note: Note,
) -> tuple[WeightedLora, ...]:
    if record.lora_weight and not record.loras:
        step = f" --step {record.train_step}" if record.train_step else ""
        raise HubtoolsError(
            f"{picture.name} was drawn while its LoRA was being trained; that state has no file.",
            hint=f"name the nearest that has one: --lora RUN{step}",
            code="not-supported",
        )
    found = []
    for use in record.loras:
        if use.weight == 0 and "samples.lora_weight" not in given:
            continue  # it took no part
        # of one LoRA a new weight replaces the old, of several it scales them all
        alone = len(record.loras) == 1 and "samples.lora_weight" in given
        path = _find_lora(use, [*places, *_near(picture, project)], note)
        found.append(WeightedLora(resolve_lora(path), 1.0 if alone else use.weight))
    return tuple(found)


def _find_lora(use: LoraUse, places: Sequence[Path], note: Note) -> str:
    """Path of the LoRA with the hash of `use`, else of one of the same name, with a warning."""
    namesake: Path | None = None
    for path in places:
        if path.stat().st_size > 0 and read_header(path).holds is Holds.LORA:
            if sha256_of(path) == use.sha256:
                return str(path)
            named = use.name in (path.name, path.parent.name) and path.name == use.file
            namesake = namesake or (path if named else None)
    if use.name and use.name.count("/") == 1:
        hub = resolve_lora(use.name, weight_name=use.file)
        if hub.sha256 == use.sha256:
            return str(hub.path)
        namesake = namesake or hub.path
    if namesake is None:
        known = f" ({use.name})" if use.name else ""
        raise HubtoolsError(
            f"The LoRA of the picture{known} with SHA-256 {use.sha256[:12]}... is not here.",
            hint="name it: --lora FILE, or the run folder or Hub id it lies in",
            code="nothing-there",
        )
    note(
        f"Warning: the LoRA {use.name} is not the one the picture was drawn with (SHA-256"
        f" {use.sha256[:12]}...); using it all the same."
    )
    return str(namesake)


def _near(picture: Path, project: Project) -> Iterator[Path]:
    """LoRA files a picture may have been drawn with, nearest first, each once."""
    beside = picture.absolute().parent
    runs = [beside, beside.parent]
    siblings = project.run_dir.parent
    with suppress(UsageError):  # a file alone, or a link, names no run outside of the project
        project.to_draw_from("train", "output_dir", project.train.output_dir)
        runs.append(project.run_dir)
    runs.append(project.root)
    inside = project.is_own(siblings)
    for path in sorted(siblings.glob(f"*/{RUN_MANIFEST}")) if len(runs) > 3 else ():
        if project.is_own(path) or not inside:
            runs.append(path.parent)
    seen = set()
    for folder in runs:
        for path in [
            *written(folder, "*.safetensors"),
            *written(folder / SNAPSHOTS_DIR, "*.safetensors"),
        ]:
            own = not leads_out(folder, path.relative_to(folder).as_posix())
            if own and (real := path.resolve()) not in seen:
                seen.add(real)
                yield path
