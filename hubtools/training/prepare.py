"""From settings to a plan."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.text.tokens import token_counters
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.findings import plural
from hubtools.inference.controls import controls_for
from hubtools.inference.project_base import name_of_base, project_base
from hubtools.inference.schedulers import check_fits, check_steps
from hubtools.inference.shots import prompts_of, rescale_of
from hubtools.layout import cache_dir
from hubtools.models.base import configs_of
from hubtools.models.configs import check_configs
from hubtools.models.device import free_memory, processor_of
from hubtools.models.families.clip import with_encoders
from hubtools.models.families.configs import config
from hubtools.models.families.protocol import BaseInfo, Family, Sampling, family_of
from hubtools.models.targets import target_of
from hubtools.progress import Reporter
from hubtools.project import Project
from hubtools.settings import SampleSettings
from hubtools.training.buckets import make_buckets
from hubtools.training.choices import completed
from hubtools.training.compiler import check_compile
from hubtools.training.device import check_attention, precision_of, threads_of
from hubtools.training.distributed import Distributed
from hubtools.training.optimizer_kinds import bytes_remembered
from hubtools.training.outline import outline_of
from hubtools.training.pictures import TrainingPictures
from hubtools.training.plan import TrainPlan
from hubtools.training.recipe import make_recipe
from hubtools.training.sharding import check_sharding, shared
from hubtools.training.start import Start

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.dataset.text.tokens import TokenCounter
    from hubtools.models.base import Base


def find_base(project: Project, reporter: Reporter) -> tuple[Base, Path, Family]:
    """The base, a folder with its configuration files, and its family; no weights yet."""
    name = name_of_base(project)
    base = project_base(project, name, reporter.note)
    folder = configs_of(base)
    check_configs(folder, base.shown)
    return base, folder, family_of(folder, base.shown)


def base_fingerprint(base: Base, folder: Path, family: Family) -> str | None:
    """SHA-256 over the denoiser's files of a base that has no commit to be known by."""
    import hashlib

    if base.revision is not None:
        return None
    if base.single is not None:
        return Path(base.path_or_id).name  # a digest of the file and of what goes with it
    digest = hashlib.sha256()
    for path in sorted((folder / family.prefix).glob("*")):
        if path.suffix in (".json", ".safetensors", ".bin"):
            digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def make_plan(
    project: Project,
    base: Base,
    folder: Path,
    family: Family,
    source: TrainingPictures,
    group: Distributed,
    start: Start | None = None,
    note: Callable[[str], None] = lambda sentence: None,
) -> TrainPlan:
    """Put all numbers together; `note` hears what takes its time. Raises `UsageError` for what
    this device or base cannot do, and `HubtoolsError` if the LoRA to `start` from does not fit."""
    every = [*source.examples, *source.held_out]
    info = with_controls(family.info(folder, project.train.prediction_type), every)
    info = with_encoders(info, folder)
    settings = completed(project.train, info)
    check_attention(settings, group.device)
    check_compile(settings, group.device)
    check_sharding(settings, group.world_size)
    if settings.unmasked_weight and not any(example.mask for example in source.examples):
        raise UsageError(
            f"unmasked_weight {settings.unmasked_weight:g} is for pictures with masks, but no"
            " record names one.",
            hint="dataset.mask_column names the column, or leave unmasked_weight out",
            code="bad-setting",
        )
    recipe = make_recipe(
        settings,
        resolution=project.resolution,
        images=len(source.examples),
        world_size=group.world_size,
        precision=precision_of(settings, group.device),
        prediction_type=info.prediction_type,
        buckets=make_buckets(
            source.sizes,
            settings,
            project.resolution,
            max(info.latent_factor, family.divisor),
            [example.repeats for example in source.examples],
        ),
    )
    sample = (project.samples.size or recipe.resolution) if recipe.sample_every else 0
    disk, cache_disk = _existing(project.run_dir), _existing(cache_dir().absolute())
    same = disk.stat().st_dev == cache_disk.stat().st_dev
    prompts = prompts_of(project.samples, [e.caption for e in source.examples if not e.of_class])
    controls: Sequence[tuple[Path, ...]] = ()
    if sample:
        _check_sampler(project.samples, family, folder)
        takes = family.info(folder, project.train.prediction_type).controls
        controls = controls_for(project, prompts, takes, source.examples)
    outline = outline_of(family, folder, info, recipe, sample, start, note)
    return TrainPlan(
        recipe=recipe,
        base=info,
        base_name=base.name,
        base_prediction_type=base.prediction_type,
        dataset=project.dataset,
        samples=_as_drawn(project.samples, family.sampling(folder)),
        examples=source.examples,
        sizes=source.sizes,
        held_out=source.held_out,
        held_out_sizes=source.held_out_sizes,
        prompts=prompts,
        sample_controls=controls,
        device=group.device.type,
        run_dir=project.run_dir,
        lora_parameters=sum(map(math.prod, outline.shapes)),
        lora_tensors=len(outline.shapes),
        lora_shares=outline.shares,
        optimizer_bytes=bytes_remembered(settings, outline.shapes),
        started_from=start.facts if start is not None else None,
        bytes_free=shutil.disk_usage(disk).free,
        cache_bytes_free=None if same else shutil.disk_usage(cache_disk).free,
        counter=_counter(folder, info),
        memory=shared(outline.memory, recipe),
        memory_free=free_memory(group.device),
        processor=processor_of(group.device, threads_of(settings)[0]),
    )


def with_controls(info: BaseInfo, examples: Sequence[Example]) -> BaseInfo:
    """The base with as many control pictures as the dataset has for it at most; none if it takes
    none. Raises `HubtoolsError` for a row with more than it takes, or fewer than it needs."""
    counts = [len(example.controls) for example in examples]
    least, most = info.controls
    if min(counts, default=0) < least:
        bare = examples[counts.index(min(counts))]
        raise HubtoolsError(
            f"The base makes pictures from others; {bare.file_name} has no control picture.",
            hint="name one in each record, e.g. in control_file_name, or train"
            " a base that draws from words alone",
            code="not-supported",
        )
    if most and max(counts, default=0) > most:
        rich = examples[counts.index(max(counts))]
        raise HubtoolsError(
            f"The base makes a picture from {plural(most, 'other')} at most;"
            f" {rich.file_name} has {max(counts)} control pictures.",
            hint="choose the columns with dataset.control_columns",
            code="not-supported",
        )
    return replace(info, controls=(least, max(counts, default=0) if most else 0))


def _check_sampler(samples: SampleSettings, family: Family, folder: Path) -> None:
    """Raise `UsageError` for a sampler or a number of steps that the base cannot be drawn with."""
    told = config(folder, "scheduler/scheduler_config.json")
    pipeline = str(config(folder, "model_index.json").get("_class_name"))
    check_fits(samples.scheduler, told, pipeline)
    check_steps(told, pipeline, _as_drawn(samples, family.sampling(folder)).steps or 0)


def _as_drawn(samples: SampleSettings, usual: Sampling) -> SampleSettings:
    """The settings of samples with what they leave to the base."""
    told = {
        "steps": usual.steps if samples.steps is None else samples.steps,
        "guidance": usual.guidance if samples.guidance is None else samples.guidance,
        "guidance_rescale": rescale_of(samples, usual),
    }
    return samples.model_copy(update=told)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _counter(folder: Path, info: BaseInfo) -> TokenCounter:
    """That of the text encoder whose window the base itself tells; of the widest, with that length,
    where it is none of theirs."""
    counters = token_counters(target_of(folder), folder)
    told = [one for one in counters if one.encoder.window == info.caption_tokens]
    widest = told[0] if told else counters[-1]
    return replace(widest, encoder=widest.encoder._replace(window=info.caption_tokens))
