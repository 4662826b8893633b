"""The plan of a run, told before anything heavy happens, and the rules that judge it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.files import human_bytes
from hubtools.findings import Problem, Report, RuleBook, Severity, shortened
from hubtools.models.families.protocol import BaseInfo
from hubtools.settings import DatasetSettings, SampleSettings
from hubtools.training.recipe import DTYPES, STATE_SECONDS, Recipe

if TYPE_CHECKING:
    from hubtools.dataset.load import Example
    from hubtools.dataset.tokens import TokenCounter


@dataclass(frozen=True)
class Plan:
    """Everything known before the weights are loaded. Bytes of files, pixels of pictures."""

    recipe: Recipe
    base: BaseInfo
    base_name: str
    base_prediction_type: str
    dataset: DatasetSettings
    samples: SampleSettings
    examples: Sequence[Example]
    sizes: Sequence[tuple[int, int]]
    prompts: Sequence[str]
    device: str
    run_dir: Path
    lora_parameters: int
    bytes_free: int
    counter: TokenCounter | None = None  # of the base's widest text encoder
    resumes_at: int = 0

    def caption_of_others(self, example: Example) -> str:
        """The caption that asks for anybody but the subject, in the same view, place and so on."""
        given, trigger = self.recipe.settings.class_prompt, self.dataset.trigger
        if given is not None:
            return given
        noun = self.dataset.class_noun
        return example.caption.replace(trigger, noun) if trigger else example.caption

    @property
    def lora_bytes(self) -> int:
        """One LoRA file: float32, and a header of about 120 bytes a tensor."""
        return self.lora_parameters * 4

    @property
    def state_bytes(self) -> int:
        """One state: the LoRA and Adam's two moments."""
        return self.lora_parameters * 12

    @property
    def states(self) -> int:
        """States on disk at most."""
        written = self.recipe.steps // self.recipe.checkpoint_every + 1
        return min(written, self.recipe.settings.checkpoints_total_limit)

    @property
    def snapshots(self) -> int:
        """Publishable copies along the way."""
        return self.recipe.steps // self.recipe.snapshot_every

    @property
    def sample_size(self) -> int:
        """Side of a sample."""
        return self.samples.size or self.recipe.settings.resolution

    @property
    def pictures(self) -> int:
        """Samples the run draws, the baseline before the first step included."""
        if not self.recipe.sample_every:
            return 0
        moments = 1 + -(-self.recipe.steps // self.recipe.sample_every)
        return moments * len(self.prompts)

    @property
    def cache_bytes(self) -> int:
        """Latents (mean and deviation, 4 channels of float32) and one text embedding a caption."""
        side = self.recipe.settings.resolution // self.base.latent_factor
        flips = 2 if self.recipe.settings.random_flip else 1
        captions = len({example.caption for example in self.examples}) + 1
        latents = len(self.examples) * flips * 2 * 4 * 4 * side * side
        return latents + captions * self.base.caption_tokens * 1024 * 4

    @property
    def bytes_needed(self) -> int:
        """What the run may add to the disk of its folder: one state more than it keeps, since the
        oldest goes only when the newest is whole."""
        picture = self.sample_size**2 * 3
        return (
            (self.states + 1) * self.state_bytes
            + (self.snapshots + 2) * self.lora_bytes
            + self.pictures * picture
            + self.recipe.steps * 160
        )


def describe(plan: Plan) -> list[str]:
    """The plan as lines of text."""
    recipe, settings = plan.recipe, plan.recipe.settings
    cut = "middle" if settings.center_crop else "random but fixed"
    mirror = "mirrored half of the time" if settings.random_flip else "not mirrored"
    often = f"every {recipe.checkpoint_every:,} steps"
    if settings.checkpointing_steps is None:
        often += f" or {STATE_SECONDS / 60:.0f} minutes"
    samples = "none"
    if recipe.sample_every:
        samples = (
            f"{len(plan.prompts)} every {recipe.sample_every:,} steps and before the first,"
            f" {plan.pictures} in all, {plan.samples.steps} denoising steps each"
        )
    rows = {
        "steps": _arithmetic(recipe),
        "resumes": f"after step {plan.resumes_at:,}; {recipe.steps - plan.resumes_at:,} are left"
        if plan.resumes_at
        else "",
        "base": f"{plan.base_name}: {plan.base.family}, {recipe.prediction_type}, made for"
        f" {plan.base.native_size} px; in {DTYPES[recipe.precision]} on {plan.device}",
        "LoRA": f"rank {settings.rank}, alpha {_number(recipe.alpha)}, {plan.lora_parameters:,}"
        f" parameters in float32 ({human_bytes(plan.lora_bytes)})",
        "pictures": f"{settings.resolution} px, {cut} crop, {mirror}; latents and captions cached"
        f" ({human_bytes(plan.cache_bytes)} at most)",
        "prior": _prior(plan),
        "learning rate": _rate(recipe),
        "states": f"{often} and on Ctrl-C, {plan.states} kept"
        f" ({human_bytes(plan.states * plan.state_bytes)})",
        "snapshots": f"every {recipe.snapshot_every:,} steps, {plan.snapshots} in all"
        f" ({human_bytes(plan.snapshots * plan.lora_bytes)})",
        "samples": samples,
        "disk": f"{human_bytes(plan.bytes_needed)} at most, {human_bytes(plan.bytes_free)} free",
    }
    return [f"{name + ':':<15}{text}" for name, text in rows.items() if text]


def _arithmetic(recipe: Recipe) -> str:
    settings = recipe.settings
    return (
        f"{_count(recipe.images, 'image')} x {_count(settings.repeats, 'repeat')}"
        f" / (batch {settings.train_batch_size}"
        f" x accumulation {settings.gradient_accumulation_steps} x processes {recipe.processes})"
        f" = {_count(recipe.steps_an_epoch, 'step')} an epoch;"
        f" {_number(recipe.epochs)} epochs = {_count(recipe.steps, 'step')}"
    )


def _prior(plan: Plan) -> str:
    settings = plan.recipe.settings
    if not settings.with_prior_preservation:
        return ""
    short = shortened(plan.caption_of_others(plan.examples[0]))
    return (
        f"the base is kept at captions like {short!r}, weight {settings.prior_loss_weight:g};"
        " a step takes a little more than twice as long"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rate(recipe: Recipe) -> str:
    shape = {
        "constant": "constant",
        "constant_with_warmup": "then constant",
        "linear": "then linear to 0",
        "cosine": "then cosine to 0",
        "cosine_with_restarts": f"then {recipe.settings.lr_num_cycles} cosine waves to 0",
        "polynomial": f"then to 0 by the power of {_number(recipe.settings.lr_power)}",
    }[recipe.settings.lr_scheduler]
    rate = f"{recipe.learning_rate:g}"
    if recipe.settings.scale_lr and recipe.pictures_a_step > 1:
        rate += f" ({recipe.settings.learning_rate:g} x {recipe.pictures_a_step} pictures a step)"
    if recipe.warmup:
        return f"up to {rate} in {_count(recipe.warmup, 'step')}, {shape}"
    return f"{rate}, {shape}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


# --- rules -------------------------------------------------------------------------------------

TRAIN_RULES: RuleBook[Plan] = RuleBook()


def judge(plan: Plan, *, strict: bool = False) -> Report:
    """Apply every rule to the plan."""
    findings = tuple(TRAIN_RULES.run(plan, strict=strict))
    return Report("the training plan", findings, rules=tuple(TRAIN_RULES))


@TRAIN_RULES.rule("T101", "no state is saved during the run", Severity.WARNING)
def interval_beyond_run(plan: Plan) -> Iterator[Problem]:
    """The interval between states is larger than the run.

    Nothing but the end is then saved on the way; after a power cut all of it starts afresh. It
    often means that the run is shorter than was thought: look at the arithmetic of the plan.
    """
    every, steps = plan.recipe.settings.checkpointing_steps, plan.recipe.steps
    if every is not None and every > steps:
        yield Problem(
            f"A state is saved every {every:,} steps, but the run has only {steps:,}: none would"
            " ever be saved on the way.",
            f"--checkpointing-steps {max(1, steps // 4)}, or a longer run",
        )


@TRAIN_RULES.rule("T102", "a step takes more pictures than there are", Severity.WARNING)
def step_beyond_epoch(plan: Plan) -> Iterator[Problem]:
    """One optimizer step asks for more pictures than an epoch holds.

    Every step then sees all pictures once and no more: the batch is smaller than it says.
    """
    recipe = plan.recipe
    if recipe.pictures_a_step > recipe.items:
        yield Problem(
            f"A step asks for {recipe.pictures_a_step} pictures, but an epoch has"
            f" {recipe.items}: every step sees each of them once.",
            f"a smaller --train-batch-size or --gradient-accumulation-steps, or --repeats"
            f" {-(-recipe.pictures_a_step // recipe.images)}",
        )


@TRAIN_RULES.rule("T103", "pictures would be enlarged", Severity.WARNING)
def enlarged(plan: Plan) -> Iterator[Problem]:
    """Pictures are smaller than the training resolution.

    They are enlarged to fit, and the LoRA learns to draw their blur.
    """
    resolution = plan.recipe.settings.resolution
    small = [
        (example, size)
        for example, size in zip(plan.examples, plan.sizes, strict=True)
        if min(size) < resolution
    ]
    if small:
        example, size = min(small, key=lambda pair: min(pair[1]))
        yield Problem(
            f"{len(small)} of {len(plan.examples)} pictures are smaller than {resolution} px and"
            f" would be enlarged; the smallest, {example.file_name}, is {size[0]}x{size[1]}"
            f" ({resolution / min(size):.1f} times).",
            "larger originals, or a smaller --resolution",
            path=example.file_name,
            severity=None if resolution > 1.1 * min(size) else Severity.INFO,
        )


@TRAIN_RULES.rule("T104", "not the size the base was made for", Severity.WARNING)
def foreign_size(plan: Plan) -> Iterator[Problem]:
    """The training resolution is not the size the base model was trained at.

    A base draws well at its own size only. Stable Diffusion 2 (v-prediction) was made for 768
    pixels, its -base variant and version 1.x for 512.
    """
    size, native = plan.recipe.settings.resolution, plan.base.native_size
    if size != native:
        yield Problem(
            f"The base was made for {native} px, but the run trains at {size} px.",
            f"--resolution {native}, or a base made for {size} px",
        )


@TRAIN_RULES.rule("T105", "two lengths are given", Severity.WARNING)
def two_lengths(plan: Plan) -> Iterator[Problem]:
    """Both max_train_steps and num_train_epochs are set; the steps win."""
    settings = plan.recipe.settings
    if settings.max_train_steps is not None and settings.num_train_epochs is not None:
        epochs = settings.num_train_epochs
        yield Problem(
            f"max_train_steps {settings.max_train_steps:,} overrules num_train_epochs {epochs:,},"
            f" which would be {epochs * plan.recipe.steps_an_epoch:,} steps.",
            "set one of them",
        )


_SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)


@TRAIN_RULES.rule("T106", "mirrored pictures contradict their captions", Severity.WARNING)
def mirrored_sides(plan: Plan) -> Iterator[Problem]:
    """random_flip is on and captions speak of left or right.

    A mirrored picture of a left profile is a right one, but its caption still says left: the
    words lose their meaning. Asymmetric subjects (a parting, a scar, writing) suffer as well.
    """
    if not plan.recipe.settings.random_flip:
        return
    named = [example for example in plan.examples if _SIDES.search(example.caption)]
    if named:
        yield Problem(
            f"random_flip mirrors pictures, but {len(named)} captions name a side, e.g. that of"
            f" {named[0].file_name}.",
            "--no-random-flip",
            path=named[0].file_name,
        )


@TRAIN_RULES.rule("T107", "the learning rate is very high", Severity.WARNING)
def high_rate(plan: Plan) -> Iterator[Problem]:
    """The peak learning rate is far above what LoRAs are trained with.

    Usual are 5e-5 to 1e-3 with AdamW. Above that the loss often grows or becomes NaN. scale_lr
    multiplies the rate by batch, accumulation and processes.
    """
    rate = plan.recipe.learning_rate
    if rate > 3e-3:
        scaled = plan.recipe.settings.scale_lr and plan.recipe.pictures_a_step > 1
        yield Problem(
            f"The learning rate is {rate:g}; LoRAs are usually trained with 5e-5 to 1e-3.",
            "--no-scale-lr" if scaled else "--learning-rate 1e-4",
        )


@TRAIN_RULES.rule("T108", "the disk is too small", Severity.ERROR)
def disk(plan: Plan) -> Iterator[Problem]:
    """The disk of the run folder has less free space than the run may need."""
    if plan.bytes_needed > plan.bytes_free:
        yield Problem(
            f"The run may need {human_bytes(plan.bytes_needed)}, but its disk has only"
            f" {human_bytes(plan.bytes_free)} free.",
            "free some space, a larger --snapshot-steps, or --output-dir on another disk",
        )


@TRAIN_RULES.rule("T109", "the resolution does not fit the latent grid", Severity.ERROR)
def grid(plan: Plan) -> Iterator[Problem]:
    """The resolution is not a multiple of the VAE's factor (8 pixels for Stable Diffusion)."""
    size, factor = plan.recipe.settings.resolution, plan.base.latent_factor
    if size % factor:
        yield Problem(
            f"The resolution {size} is not a multiple of {factor}.",
            f"--resolution {max(factor, round(size / factor) * factor)}",
        )


@TRAIN_RULES.rule("T110", "the warm-up does not fit the schedule", Severity.WARNING)
def warm_up(plan: Plan) -> Iterator[Problem]:
    """The warm-up is as long as the run, or the schedule has none.

    `constant` has no warm-up, here as in diffusers; `constant_with_warmup` has.
    """
    recipe, asked = plan.recipe, plan.recipe.settings.lr_warmup_steps
    if recipe.settings.lr_scheduler == "constant":
        if asked:
            yield Problem(
                f"lr_scheduler constant has no warm-up: lr_warmup_steps {asked:,} does nothing.",
                "--lr-scheduler constant_with_warmup",
            )
    elif recipe.warmup >= recipe.steps and recipe.steps > 1:
        yield Problem(
            f"The warm-up of {recipe.warmup:,} steps is not over before the run of"
            f" {recipe.steps:,} is: the learning rate only ever rises.",
            f"--lr-warmup-steps {round(0.05 * recipe.steps)}",
        )


@TRAIN_RULES.rule("T111", "each picture is seen very often", Severity.WARNING)
def overfit(plan: Plan) -> Iterator[Problem]:
    """Each picture is trained on more than 400 times.

    A subject LoRA of twenty pictures is usually done after 50 to 150 views of each. Beyond, it
    copies the pictures rather than learning the subject, and the time costs money. Samples and
    snapshots along the way show where to stop.
    """
    recipe = plan.recipe
    views = recipe.epochs * recipe.settings.repeats
    if views > 400:
        yield Problem(
            f"Each picture is seen {views:,.0f} times; 50 to 150 are usual for a subject.",
            f"--max-train-steps {min(2000, max(600, 100 * recipe.images))}",
        )


@TRAIN_RULES.rule("T112", "the base says it predicts something else", Severity.WARNING)
def other_prediction(plan: Plan) -> Iterator[Problem]:
    """prediction_type overrules the base's scheduler.

    Right only if the scheduler's configuration is known to be wrong; else the LoRA learns noise.
    """
    if plan.recipe.prediction_type != plan.base_prediction_type:
        yield Problem(
            f"prediction_type {plan.recipe.prediction_type} overrules the base's own"
            f" {plan.base_prediction_type}.",
            "leave prediction_type out",
        )


@TRAIN_RULES.rule("T113", "alpha is far from the rank", Severity.WARNING)
def odd_alpha(plan: Plan) -> Iterator[Problem]:
    """alpha / rank multiplies what the LoRA adds; usual are 0.5 to 2.

    Far from that the learning rate means something else than in every recipe.
    """
    scale = plan.recipe.alpha / plan.recipe.settings.rank
    if not 0.1 <= scale <= 8:
        yield Problem(
            f"lora_alpha {plan.recipe.alpha:g} with rank {plan.recipe.settings.rank} scales the"
            f" LoRA by {scale:g}.",
            f"--lora-alpha {plan.recipe.settings.rank}",
        )


@TRAIN_RULES.rule("T114", "samples do not show the subject", Severity.WARNING)
def untriggered(plan: Plan) -> Iterator[Problem]:
    """No sample prompt contains the trigger.

    The samples then say little about whether the subject was learned.
    """
    trigger = plan.dataset.trigger
    if not trigger or not plan.recipe.sample_every:
        return
    if plan.prompts and not any(trigger in prompt for prompt in plan.prompts):
        yield Problem(
            f"No sample prompt contains the trigger {trigger!r}.",
            "write it into [samples] prompts",
        )


@TRAIN_RULES.rule("T116", "the samples' size cannot be drawn", Severity.WARNING)
def sample_grid(plan: Plan) -> Iterator[Problem]:
    """The samples' size is not a multiple of the VAE's factor (8 pixels for Stable Diffusion).

    Every attempt to draw one would fail; the training itself is not touched.
    """
    size, factor = plan.sample_size, plan.base.latent_factor
    if plan.recipe.sample_every and size % factor:
        yield Problem(
            f"Samples of {size} px cannot be drawn: it is not a multiple of {factor}.",
            f"--size {max(factor, round(size / factor) * factor)}",
        )


@TRAIN_RULES.rule("T117", "the base would be kept to the subject", Severity.ERROR)
def prior_of_subject(plan: Plan) -> Iterator[Problem]:
    """with_prior_preservation needs captions that do not call the subject.

    They are class_prompt, or each picture's caption with dataset.class_noun in place of the
    trigger. If such a caption calls the subject, one half of each step unlearns what the other
    half learns.
    """
    if not plan.recipe.settings.with_prior_preservation:
        return
    trigger = plan.dataset.trigger
    for example in plan.examples:
        other = plan.caption_of_others(example)
        if other == example.caption or (trigger and trigger in other):
            yield Problem(
                f"with_prior_preservation keeps the base at {other!r}, which calls the subject.",
                "set dataset.trigger, or a --class-prompt without it",
                path=example.file_name,
            )
            return


@TRAIN_RULES.rule("T118", "captions are longer than the base reads", Severity.WARNING)
def long_captions(plan: Plan) -> Iterator[Problem]:
    """The base's text encoder reads so many tokens of a caption and cuts the end off in silence.

    What stands there is never learned, and what it would have named becomes part of the trigger.
    Counted is with the base's own tokenizer, and against the length in its own configuration (77
    for the CLIP of Stable Diffusion, two of which mark beginning and end).
    """
    counter = plan.counter
    if counter is None:
        return
    counts = {
        caption: counter.count(caption)
        for caption in {example.caption for example in plan.examples}
        # a token is at least one byte: most captions need no counting
        if len(caption.encode()) > counter.room
    }
    long = [e for e in plan.examples if counts.get(e.caption, 0) > counter.limit]
    if long:
        worst = max(long, key=lambda example: counts[example.caption])
        yield Problem(
            f"{len(long)} of {_count(len(plan.examples), 'caption')}"
            f" {'is' if len(long) == 1 else 'are'} longer than the {counter.room} tokens that the"
            f" base reads, and cut off there; that of {worst.file_name} has"
            f" {'' if counter.exact else 'about '}{counts[worst.caption]}.",
            "shorten them; put what matters first",
            path=worst.file_name,
        )


@TRAIN_RULES.rule("T115", "very few pictures", Severity.INFO)
def few(plan: Plan) -> Iterator[Problem]:
    """Fewer than five pictures: the LoRA will know the subject from these sides only."""
    if plan.recipe.images < 5:
        yield Problem(
            f"There are only {plan.recipe.images} pictures; 15 to 25 from several angles are"
            " usual for a subject.",
            "more pictures",
        )
