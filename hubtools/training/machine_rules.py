"""Rules of what the machine has room for."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.errors import missing_modules
from hubtools.files import human_bytes
from hubtools.findings import Problem, Severity
from hubtools.models.rehearsal import held
from hubtools.training.plan import TRAIN_RULES, TrainPlan
from hubtools.training.trackers.kinds import TITLES, chosen


@TRAIN_RULES.rule("T108", "The disk is too small", Severity.ERROR)
def disk(plan: TrainPlan) -> Iterator[Problem]:
    """The disk of the run folder has less free space than the run may need.

    Latents and captions are cached besides, by default in ~/.cache/hubtools (HUBTOOLS_CACHE). Where
    there is too little room for all of them it is a warning: earlier runs may have cached them.
    """
    if plan.bytes_needed > plan.bytes_free:
        yield Problem(
            f"The run may need {human_bytes(plan.bytes_needed)}, but its disk has only"
            f" {human_bytes(plan.bytes_free)} free.",
            "free some space, a larger --snapshot-steps, or --output-dir on another disk",
        )
        return
    free = plan.cache_bytes_free
    if free is None:
        free = plan.bytes_free - plan.bytes_needed
    if plan.cache_bytes > free:
        yield Problem(
            f"Latents and captions may take {human_bytes(plan.cache_bytes)} in the cache, but its"
            f" disk has only {human_bytes(free)} left for them.",
            "free some space, or set HUBTOOLS_CACHE to a folder on another disk",
            severity=Severity.WARNING,
        )


@TRAIN_RULES.rule("T120", "The GPU has too little memory", Severity.WARNING)
def memory(plan: TrainPlan) -> Iterator[Problem]:
    """The run may need more of the GPU's memory than is free.

    Text encoders, VAE and denoiser are there one after the other; each moment is reckoned from the
    shapes of the base before a weight is loaded, with what a GPU holds on top. Steps take less with
    gradient checkpointing, which takes about half as long again, or with a smaller batch and more
    accumulation, which learns the same; and with the base's layers in 8 bits, or in 4.5
    (--quantize fp8, nf4). Samples that do not fit are left out with a warning while
    the training goes on.
    """
    found, free = plan.memory, plan.memory_free
    if found is None or free is None or found.on_gpu <= free:
        return
    settings = plan.recipe.settings
    steps, samples = held(found.steps), held(found.samples)
    first = "free the GPU of what else it does, or take a larger one"
    if steps > free:
        what, size = "the steps", steps
        if not settings.gradient_checkpointing:
            first = "--gradient-checkpointing"
        elif settings.gradient_checkpointing_interval > 1:
            first = "--gradient-checkpointing-interval 1"
        elif settings.train_batch_size > 1:
            more = settings.gradient_accumulation_steps * settings.train_batch_size
            first = f"--train-batch-size 1 --gradient-accumulation-steps {more}"
        elif plan.recipe.precision == "no":
            first = "--mixed-precision bf16"
        elif settings.quantize != "nf4":
            first = f"--quantize {'nf4' if settings.quantize else 'fp8'}"
    elif samples > free:
        what, size = "a sample", samples
        first = "--validation-steps 0: draw them later with `hubtools generate`"
    else:
        what, size = "encoding captions and pictures", held(max(found.captions, found.pictures))
    yield Problem(
        f"{what[0].upper()}{what[1:]} may take {human_bytes(size)} of the GPU's memory, of which"
        f" {human_bytes(free)} are free.",
        first,
    )


@TRAIN_RULES.rule("T130", "The package of a tracker is missing", Severity.WARNING)
def trackers(plan: TrainPlan) -> Iterator[Problem]:
    """A tracker that the run is to report to is not installed.

    The run goes on without it. Each is an extra: TensorBoard, W&B (wandb) and trackio. Without any,
    metrics.jsonl has all figures, and `hubtools watch` shows them; a tracker that is installed
    later is told all of them when the run goes on.
    """
    asked = plan.recipe.settings.report_to
    missing = [name for name in chosen(plan.recipe.settings) if missing_modules(name)]
    if missing:
        extras, titles = ",".join(missing), " and ".join(TITLES[name] for name in missing)
        yield Problem(
            f"{titles} should follow the run, but the package is not installed.",
            f"pip install 'hf-hubtools[{extras}]', or leave --report-to {missing[0]} out",
        )
    elif "all" in asked and not chosen(plan.recipe.settings):
        yield Problem(
            "All trackers should follow the run, but the package of none is installed.",
            "pip install 'hf-hubtools[tensorboard]', or leave --report-to all out",
        )
