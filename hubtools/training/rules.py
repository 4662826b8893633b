"""The rules that judge a plan before anything heavy happens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hubtools.dataset.text.trigger import has_word
from hubtools.files import StrPath
from hubtools.findings import Problem, Report, Severity, plural, shortened
from hubtools.models.families.noise import FLOW
from hubtools.models.lookup import instead_of
from hubtools.reporting.baseline import known_aside, without_ignored
from hubtools.training import control_rules, machine_rules, rate_rules
from hubtools.training.plan import TRAIN_RULES, TrainPlan

__all__ = ["TRAIN_RULES", "judge"]
_RULES = (machine_rules, control_rules, rate_rules)  # importing them fills the book


def judge(
    plan: TrainPlan,
    *,
    strict: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    per_file_ignores: Mapping[str, Sequence[str]] | None = None,
    baseline: StrPath | None = None,
) -> Report:
    """Apply the rules to the plan (`select`, `ignore`, `per_file_ignores`, `baseline` as for
    `validate`)."""
    findings = TRAIN_RULES.run(plan, select=select, ignore=ignore, strict=strict)
    kept = tuple(without_ignored(findings, per_file_ignores or {}))
    report = Report("the training plan", kept, rules=TRAIN_RULES.chosen(select, ignore))
    return known_aside(report, baseline)


@TRAIN_RULES.rule("T101", "No checkpoint is saved during the run", Severity.WARNING)
def interval_beyond_run(plan: TrainPlan) -> Iterator[Problem]:
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


@TRAIN_RULES.rule("T102", "A step takes more pictures than the dataset has", Severity.WARNING)
def step_beyond_epoch(plan: TrainPlan) -> Iterator[Problem]:
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


@TRAIN_RULES.rule("T122", "Buckets hold fewer pictures than a step asks for", Severity.WARNING)
def small_steps(plan: TrainPlan) -> Iterator[Problem]:
    """Pictures of many sizes make steps that are smaller than was asked for.

    A step is of pictures of one size. Where a bucket has fewer than a step takes, or some are left
    over, the step is smaller: an epoch then takes more steps, each of which weighs as much as a
    full one. Nothing is lost, but the batch is not what it says.
    """
    recipe = plan.recipe
    full = -(-recipe.items // recipe.pictures_a_step)
    if len(recipe.buckets.sizes) > 1 and recipe.steps_an_epoch >= 1.5 * full:
        yield Problem(
            f"A step asks for {recipe.pictures_a_step} pictures and has"
            f" {recipe.items / recipe.steps_an_epoch:.1f} on average: an epoch takes"
            f" {recipe.steps_an_epoch:,} steps instead of {full:,}, because the pictures fall into"
            f" {len(recipe.buckets.sizes)} buckets.",
            "a smaller --train-batch-size or --gradient-accumulation-steps, a larger"
            " --bucket-reso-steps, or more --repeats",
        )


@TRAIN_RULES.rule("T103", "Pictures would be enlarged", Severity.WARNING)
def enlarged(plan: TrainPlan) -> Iterator[Problem]:
    """Pictures are smaller than the training resolution.

    They are enlarged to fit, and the LoRA learns to draw their blur. Aspect ratio buckets train
    them at a smaller size instead. Where none is enlarged by more than a tenth it is a note.

    """
    resolution, buckets = plan.recipe.resolution, plan.recipe.buckets
    enlarged: dict[int, float] = {}
    for item, picture in enumerate(buckets.pictures):
        sides = zip(buckets.size(item), plan.sizes[picture], strict=True)
        times = max(wanted / side for wanted, side in sides)
        if times > 1:
            enlarged[picture] = max(times, enlarged.get(picture, 0.0))
    if enlarged:
        worst = max(enlarged, key=lambda picture: enlarged[picture])
        example, size = plan.examples[worst], plan.sizes[worst]
        without = "" if plan.recipe.settings.aspect_ratio_buckets else ", or --aspect-ratio-buckets"
        yield Problem(
            f"{len(enlarged)} of {len(plan.examples)} pictures are smaller than {resolution} px and"
            f" would be enlarged; the smallest, {example.file_name}, is {size[0]}x{size[1]}"
            f" ({enlarged[worst]:.1f} times).",
            f"larger originals, a smaller --resolution{without}",
            path=example.file_name,
            severity=None if enlarged[worst] > 1.1 else Severity.INFO,
        )


@TRAIN_RULES.rule("T104", "The resolution is not the one of the base model", Severity.WARNING)
def foreign_size(plan: TrainPlan) -> Iterator[Problem]:
    """The training resolution is not the size the base model was trained at.

    A base draws well at its own size only. Stable Diffusion 2 (v-prediction) was made for 768
    pixels, its -base variant and version 1.x for 512.
    """
    size, native = plan.recipe.resolution, plan.base.native_size
    if size != native:
        yield Problem(
            f"The base was made for {native} px, but the run trains at {size} px.",
            f"--resolution {native}, or a base made for {size} px",
        )


@TRAIN_RULES.rule("T105", "Both epochs and steps are set", Severity.WARNING)
def two_lengths(plan: TrainPlan) -> Iterator[Problem]:
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


@TRAIN_RULES.rule("T106", "Mirrored pictures contradict their captions", Severity.WARNING)
def mirrored_sides(plan: TrainPlan) -> Iterator[Problem]:
    """random_flip is on and captions speak of left or right.

    A mirrored picture of a left profile is a right one, but its caption still says left: the
    words lose their meaning. Asymmetric subjects (a parting, a scar, writing) suffer as well.
    """
    if not plan.recipe.settings.random_flip:
        return
    named = [e for e in plan.examples if any(_SIDES.search(text) for text in e.texts)]
    if named:
        yield Problem(
            f"random_flip mirrors pictures, but a side is named by"
            f" {plural(len(named), 'caption')}, e.g. that of {named[0].file_name}.",
            "--no-random-flip",
            path=named[0].file_name,
        )


@TRAIN_RULES.rule("T109", "The resolution does not fit the latent grid", Severity.ERROR)
def grid(plan: TrainPlan) -> Iterator[Problem]:
    """The resolution is not a multiple of what the base counts in: 8 pixels, or 16 where its
    denoiser reads two cells of latents at once (docs/families.md)."""
    size, factor = plan.recipe.resolution, plan.divisor
    if any(side % factor for sides in plan.recipe.buckets.sizes for side in sides):
        yield Problem(
            f"The resolution {size} is not a multiple of {factor}.",
            f"--resolution {max(factor, round(size / factor) * factor)}",
        )


@TRAIN_RULES.rule("T111", "Each picture is trained on very often", Severity.WARNING)
def overfit(plan: TrainPlan) -> Iterator[Problem]:
    """Each picture is trained on more than 400 times.

    A subject LoRA of twenty pictures is usually done after 50 to 150 views of each. Beyond, it
    copies the pictures rather than learning the subject, and the time costs money. Samples and
    snapshots along the way show where to stop.
    """
    recipe = plan.recipe
    views = recipe.epochs * recipe.items / recipe.images
    if views > 400:
        yield Problem(
            f"Each picture is seen {views:,.0f} times; 50 to 150 are usual for a subject.",
            f"--max-train-steps {min(2000, max(600, 100 * recipe.images))}",
        )


@TRAIN_RULES.rule("T112", "The prediction type is not the base model's", Severity.WARNING)
def other_prediction(plan: TrainPlan) -> Iterator[Problem]:
    """prediction_type overrules the base's scheduler.

    Right only if the scheduler's configuration is known to be wrong; else the LoRA learns noise.
    """
    if plan.recipe.prediction_type != plan.base_prediction_type:
        yield Problem(
            f"prediction_type {plan.recipe.prediction_type} overrules the base's own"
            f" {plan.base_prediction_type}.",
            "leave prediction_type out",
        )


@TRAIN_RULES.rule("T113", "Alpha is far from the rank", Severity.WARNING)
def odd_alpha(plan: TrainPlan) -> Iterator[Problem]:
    """alpha / rank multiplies what the LoRA adds; usual are 0.5 to 2.

    Far from that the learning rate means something else than in every recipe.
    """
    scale = plan.recipe.scale
    if not 0.1 <= scale <= 8:
        yield Problem(
            f"lora_alpha {plan.recipe.alpha:g} with rank {plan.recipe.settings.rank} scales the"
            f" LoRA by {scale:g}.",
            f"--lora-alpha {plan.recipe.settings.rank}",
        )


@TRAIN_RULES.rule("T114", "The sample prompts lack the trigger", Severity.WARNING)
def untriggered(plan: TrainPlan) -> Iterator[Problem]:
    """No sample prompt contains the trigger.

    The samples then say little about whether the subject was learned.
    """
    trigger = plan.dataset.trigger
    if not trigger or not plan.recipe.sample_every:
        return
    if plan.prompts and not any(has_word(prompt, trigger) for prompt in plan.prompts):
        yield Problem(
            f"No sample prompt contains the trigger {trigger!r}.",
            "write it into [samples] prompts",
        )


@TRAIN_RULES.rule("T116", "The samples' size does not fit the latent grid", Severity.WARNING)
def sample_grid(plan: TrainPlan) -> Iterator[Problem]:
    """The samples' size is not a multiple of what the base counts in (8 or 16 pixels).

    Every attempt to draw one would fail; the training itself is not touched.
    """
    size, factor = plan.sample_size, plan.divisor
    if plan.recipe.sample_every and size % factor:
        yield Problem(
            f"Samples of {size} px cannot be drawn: it is not a multiple of {factor}.",
            f"--size {max(factor, round(size / factor) * factor)}",
        )


@TRAIN_RULES.rule("T117", "Prior preservation would work against the subject", Severity.ERROR)
def prior_of_subject(plan: TrainPlan) -> Iterator[Problem]:
    """with_prior_preservation needs captions that do not name the subject.

    They are class_prompt, or each picture's caption with dataset.class_noun in place of the
    trigger; with pictures of the class (class_data_dir) those of their metadata. If such a caption
    names the subject, one half of each step unlearns what the other half learns.
    """
    trigger = plan.dataset.trigger
    for example in plan.examples:
        if example.of_class and trigger and any(has_word(text, trigger) for text in example.texts):
            yield Problem(
                f"A picture of the class is called {shortened(example.caption)!r}, as the subject"
                " is: it would be learnt as the subject.",
                "leave the trigger out of its caption, or set a --class-prompt",
                path=example.file_name,
            )
            return
    if not plan.recipe.settings.keeps_answers:
        return
    for example, caption in ((e, text) for e in plan.examples for text in e.texts):
        other = plan.prior_caption(caption)
        if other == caption or (trigger and has_word(other, trigger)):
            yield Problem(
                f"with_prior_preservation keeps the base at {other!r}, which names the subject.",
                "set dataset.trigger, or a --class-prompt without it",
                path=example.file_name,
            )
            return


@TRAIN_RULES.rule("T118", "Captions are longer than the text encoder reads", Severity.WARNING)
def long_captions(plan: TrainPlan) -> Iterator[Problem]:
    """The base's text encoder reads so many tokens of a caption and cuts the end off in silence.

    What stands there is never learned, and what it would have named becomes part of the trigger.
    Counted is with the base's own tokenizer, and against the length in its own configuration (77
    for the CLIP of Stable Diffusion, two of which mark beginning and end). Prompts of samples are
    looked at where the base predicts a flow; CLIP alone reads a long one in several windows.
    """
    counter = plan.counter
    if counter is None:
        return
    counts = {
        caption: counter.count(caption)
        for caption in {text for example in plan.examples for text in example.texts}
        # a token is at least one byte: most captions need no counting
        if len(caption.encode()) > counter.room
    }
    texts = [(counts.get(text, 0), e) for e in plan.examples for text in e.texts]
    long = [(tokens, example) for tokens, example in texts if tokens > counter.limit]
    if long:
        most, worst = max(long, key=lambda pair: pair[0])
        yield Problem(
            f"{len(long)} of {plural(len(texts), 'caption')}"
            f" {'is' if len(long) == 1 else 'are'} longer than the {counter.room} tokens that the"
            f" base reads, and cut off there; that of {worst.file_name} has"
            f" {'' if counter.exact else 'about '}{most}.",
            "shorten them; put what matters first",
            path=worst.file_name,
        )
    if plan.recipe.sample_every and plan.recipe.prediction_type == FLOW:
        captions = {text for example in plan.examples for text in example.texts}
        for said in (prompt for prompt in plan.prompts if prompt not in captions):
            if (most := counter.count(said)) <= counter.limit:
                continue
            yield Problem(
                f"The sample prompt {shortened(said)!r} has"
                f" {'' if counter.exact else 'about '}{most} tokens, and the base reads"
                f" {counter.room}: what follows is not read.",
                "shorten it; put what matters first",
            )


@TRAIN_RULES.rule("T119", "The base is distilled", Severity.WARNING)
def distilled(plan: TrainPlan) -> Iterator[Problem]:
    """The base was taught to draw in a few steps (Turbo, Lightning, LCM, Hyper-SD and the like).

    Training as usual does not know that teaching and slowly undoes it: after some hundred steps
    pictures in one to eight steps become soft and washed out. People train on the base that it was
    distilled from instead: the LoRA fits both, and is drawn with on either. A base is known by its
    name, or by a scheduler that distilled ones come with.
    """
    instead = instead_of(plan.base_name, plan.base.family)
    if instead or plan.base.distilled:
        yield Problem(
            f"{plan.base_name} is distilled to draw in a few steps, which this training slowly"
            " undoes.",
            f"train on {instead or 'the base that it was distilled from'} and use the LoRA on"
            " either",
        )


@TRAIN_RULES.rule("T121", "Captions are dropped for a base without guidance", Severity.WARNING)
def dropped_for_nothing(plan: TrainPlan) -> Iterator[Problem]:
    """caption_dropout trains the empty caption, which guidance sets a prompt against.

    Bases that were distilled to draw without guidance never look at it again: those steps teach
    them nothing that is asked for later.
    """
    dropout = plan.recipe.settings.caption_dropout or 0.0
    if dropout and not plan.base.guided:
        yield Problem(
            f"caption_dropout {dropout:g} leaves out captions, but {plan.base_name} is drawn"
            " without guidance and never asked for the empty one.",
            "--caption-dropout 0",
        )


@TRAIN_RULES.rule("T115", "There are very few pictures", Severity.INFO)
def few(plan: TrainPlan) -> Iterator[Problem]:
    """Fewer than five pictures: the LoRA will know the subject from these sides only."""
    if plan.recipe.images < 5:
        yield Problem(
            f"The dataset has only {plural(plan.recipe.images, 'picture')}; 15 to 25 from several"
            " angles are usual for a subject.",
            "more pictures",
        )
