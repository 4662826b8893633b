"""What to draw and with which LoRAs, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hubtools.dataset.examples import Example, fingerprint, read_examples
from hubtools.dataset.rows import role_columns
from hubtools.dataset.sources.download import fetch_dataset
from hubtools.dataset.text.trigger import has_word, replace_word
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.inference.controls import controls_for, taken_by
from hubtools.inference.generate import base_of, triggers
from hubtools.inference.grid.axes import ALL, Value, parse_axis, step_value
from hubtools.inference.lora import LoraFile, WeightedLora, check_loras, resolve_lora, snapshots_of
from hubtools.inference.project_base import size_on
from hubtools.inference.shots import Shot, shots_of
from hubtools.inference.staged import LoraShots
from hubtools.manifest import RunManifest
from hubtools.models.base import Base
from hubtools.models.families.protocol import sampling_of
from hubtools.project import Project
from hubtools.training.pictures import held_out

Note = Callable[[str], None]

DEFAULT_PROMPTS = 8


@dataclass(frozen=True)
class Choice:
    """A LoRA and the weight it is measured at."""

    lora: LoraFile
    weight: float

    @property
    def label(self) -> str:
        """`step 400 at weight 0.75`."""
        step = "the LoRA" if self.lora.step is None else f"step {self.lora.step}"
        return f"{step} at weight {self.weight:g}"

    @property
    def prefix(self) -> str:
        """Of its pictures' names."""
        step = self.lora.sha256[:8] if self.lora.step is None else f"step{self.lora.step:06d}"
        return f"{step}_w{self.weight:g}"


@dataclass(frozen=True)
class EvaluationPlan:
    """`texts` are the prompts with the trigger, `plain` all prompts with the class noun in its
    place (empty if there is no trigger); `shots` and `names` run over texts, then plain, `images`
    seeds each."""

    project: Project
    base: Base
    choices: tuple[Choice, ...]
    trigger: str | None
    texts: tuple[str, ...]
    plain: tuple[str, ...]
    shots: tuple[Shot, ...]
    names: tuple[str, ...]
    real: tuple[Example, ...]
    measured: tuple[Example, ...]
    held_out: bool
    folder: Path

    @property
    def images(self) -> int:
        """Pictures of each prompt."""
        return self.project.evaluate.num_images

    @property
    def wanted(self) -> tuple[LoraShots, ...]:
        """What is drawn with the base, then with each choice."""
        bare = LoraShots([replace(shot, lora_weight=0.0) for shot in self.shots])
        return (bare, *map(self._with, self.choices))

    def _with(self, choice: Choice) -> LoraShots:
        shots = [replace(shot, lora_weight=choice.weight) for shot in self.shots]
        return LoraShots(shots, [WeightedLora(choice.lora)])

    @property
    def with_trigger(self) -> int:
        """How many of the shots come first: those with the trigger."""
        return len(self.texts) * self.images


def plan_evaluation(
    project: Project,
    lora: str | None = None,
    *,
    prompts: Sequence[str] = (),
    note: Note,
) -> EvaluationPlan:
    """Resolve LoRAs, base, prompts and pictures. `lora`: run folder (default the project's), file
    or Hub id; `prompts` overrule the settings'.

    Raises `UsageError` for settings that make no sense, `HubtoolsError` for what is not there.
    """
    settings = project.evaluate
    if lora is None and not project.run_dir.exists():
        raise HubtoolsError(
            f"There is nothing to measure: no LoRA is named, and no run lies in {project.run_dir}.",
            hint="give a run folder, a .safetensors file or owner/name",
            code="nothing-there",
            missing=project.run_dir,
        )
    source = lora or str(project.run_to_change)
    choices = _choices(source, settings.checkpoints, settings.weights)
    base = base_of(project, choices[0].lora, note)
    for file in dict.fromkeys(choice.lora for choice in choices):
        check_loras([WeightedLora(file)], base.path_or_id, note)
    trigger = project.dataset.trigger or choices[0].lora.trigger
    real = _real(project)
    texts = _texts(project, prompts, real, trigger)
    plain: tuple[str, ...] = ()
    noun = project.dataset.class_noun
    if trigger:
        replaced = [replace_word(text, trigger, noun) for text in texts]
        plain = tuple(dict.fromkeys(replaced))
        texts = [text for text in texts if has_word(text, trigger)]
        said = ""
        if "class_noun" not in project.dataset.model_fields_set:
            said = (
                "; if the subject is something else, say what: --class-noun dog, or"
                ' class_noun = "dog" below [dataset] in hubtools.toml'
            )
        note(f"Without the trigger, {noun!r} stands in its place{said}.")
    # what is asked for without the trigger is made from the same
    of_plain = [
        replace(one, caption=replace_word(one.caption, trigger, noun) if trigger else one.caption)
        for one in real
    ]
    literals = triggers(project, [WeightedLora(choices[0].lora)])
    shots, names = shots_of(
        project.samples,
        [*texts, *plain],
        size_on(project, base),
        images=settings.num_images,
        lora_weight=1.0,
        literals=literals,
        divisor=base.support.divisor,
        usual=sampling_of(base),
        controls=controls_for(project, texts, taken_by(base), real)
        + controls_for(project, plain, taken_by(base), of_plain),
    )
    run = Path(source)
    folder = run if run.is_dir() else project.run_to_change
    measured, apart = measured_on(project, real, folder)
    return EvaluationPlan(
        project, base, choices, trigger, tuple(texts), plain, tuple(shots), tuple(names),
        tuple(real), tuple(measured), apart, folder,
    )  # fmt: skip


def _choices(source: str, checkpoints: str, weights: str) -> tuple[Choice, ...]:
    strengths = [
        float(value.value)  # type: ignore[arg-type]
        for value in parse_axis(f"lora_weight={weights}").values
    ]
    strengths = [strength for strength in strengths if strength != 0]
    if not strengths:
        raise UsageError(
            "evaluate.weights has no weight but 0, which is the base.", hint="--weights 0:1:0.25"
        )
    steps: list[Value] = []
    for value in parse_axis(f"step={checkpoints}").values:
        if value.value == ALL:
            steps += [step_value(step) for step in snapshots_of(Path(source))]
            steps.append(Value(None, "final"))
        else:
            steps.append(value)
    found: dict[str, LoraFile] = {}
    for value in steps:
        step = value.value if isinstance(value.value, int) else None
        file = resolve_lora(source, step=step)
        found[file.sha256] = file  # the last snapshot often is the finished LoRA
    return tuple(Choice(file, strength) for file in found.values() for strength in strengths)


def _real(project: Project) -> list[Example]:
    folder = project.dataset_dir
    project.to_draw_from("dataset", "path", project.dataset.path)
    if not folder.is_dir() and project.dataset.repo:
        folder, _ = fetch_dataset(project.dataset.repo, project.dataset.revision)
    if not folder.is_dir():
        raise HubtoolsError(
            f"There is no folder {folder} with the pictures the LoRA was trained on.",
            hint="give it with --train-data-dir, or the Hub dataset with --dataset-name",
            code="file-not-found",
            missing=folder,
        )
    examples = read_examples(
        folder, project.dataset.caption_column, roles=role_columns(project.dataset)
    )
    if len(examples) < 2:
        raise HubtoolsError(
            f"{folder} holds one picture; similarities need two at least.",
            hint="add pictures",
            code="nothing-there",
        )
    return examples


def _texts(
    project: Project, prompts: Sequence[str], real: Sequence[Example], trigger: str | None
) -> list[str]:
    texts = list(prompts or project.evaluate.prompts or project.samples.prompts)
    if not texts:
        captions = list(dict.fromkeys(example.caption for example in real))
        stride = max(1, len(captions) // DEFAULT_PROMPTS)
        texts = captions[::stride][:DEFAULT_PROMPTS]
    if trigger and not any(has_word(text, trigger) for text in texts):
        raise UsageError(
            f"No prompt has the trigger {trigger!r}.",
            hint="prompts are drawn with it and without; write it where the subject is",
        )
    return list(dict.fromkeys(texts))


def measured_on(
    project: Project, real: Sequence[Example], run_dir: Path
) -> tuple[list[Example], bool]:
    """(pictures for the denoising loss, whether they were never trained on): those that the
    settings name, else those that the run in `run_dir` held out, else some of its own."""
    given = project.evaluate.held_out
    if given is None:
        apart = _held_out_by(run_dir, real, project.train.max_train_samples)
        return (apart, True) if apart else (list(real)[:16], False)
    project.to_draw_from("evaluate", "held_out", given)
    folder = project.at(given)
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder} of held-out pictures.",
            hint="see evaluate.held_out",
            code="file-not-found",
            missing=folder,
        )
    return read_examples(
        folder, project.dataset.caption_column, any_split=True, roles=role_columns(project.dataset)
    ), True


def _held_out_by(run_dir: Path, real: Sequence[Example], most: int | None) -> list[Example]:
    """The pictures that a run did not train on, if `real` are the ones that it was given; at most
    sixteen."""
    try:
        manifest = RunManifest.read(run_dir)
    except HubtoolsError:
        return []
    split = manifest.train.get("validation_split")
    if not manifest.dataset.held_out or not isinstance(split, (int, float)):
        return []
    if not 0 < split < len(real):
        return []
    known = [replace(one, sha256=sha256_of(one.image)) for one in real[:most]]
    facts = manifest.dataset
    if fingerprint(known) != (facts.fingerprint_of_own or facts.fingerprint):
        return []
    return [known[number] for number in sorted(held_out(known, split, manifest.seed))][:16]
