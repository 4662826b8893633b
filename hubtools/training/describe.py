"""The plan of a run as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from hubtools.files import human_bytes
from hubtools.findings import plural, shortened
from hubtools.models.families.noise import EPSILON, FLOW
from hubtools.models.families.protocol import USUAL
from hubtools.models.rehearsal import held
from hubtools.printable import number
from hubtools.progress import duration
from hubtools.settings import TrainSettings
from hubtools.training.describe_rates import average_told, optimizer_told, rate_told, texts_told
from hubtools.training.layers import share_words
from hubtools.training.pace import Pace, flops_told, pace_of
from hubtools.training.plan import TrainPlan
from hubtools.training.recipe import DTYPES, STATE_SECONDS, Recipe
from hubtools.training.trackers.kinds import TITLES, chosen


def describe(plan: TrainPlan) -> list[str]:
    """The plan as lines of text."""
    recipe, settings = plan.recipe, plan.recipe.settings
    cut = "middle crop" if settings.center_crop else "random but fixed crop"
    if settings.crops_per_image > 1:
        cut = f"one of {settings.crops_per_image} random crops a step"
    mirror = "mirrored half of the time" if settings.random_flip else "not mirrored"
    often = f"every {recipe.checkpoint_every:,} steps"
    if settings.checkpointing_steps is None:
        often += f" or {STATE_SECONDS / 60:.0f} minutes"
    samples = "none"
    if recipe.sample_every:
        samples = (
            f"{len(plan.prompts)} every {recipe.sample_every:,} steps and before the first,"
            f" {plan.pictures} in all, {plan.samples.steps or USUAL.steps} denoising steps each"
        )
    pace = pace_of(plan)
    rows = {
        "steps": _arithmetic(recipe),
        "resumes": f"after step {plan.resumes_at:,}; {recipe.steps - plan.resumes_at:,} are left"
        if plan.resumes_at
        else "",
        "base": f"{plan.base_name}: {plan.base.family}, {recipe.prediction_type}, made for"
        f" {plan.base.native_size} px; in {DTYPES[recipe.precision]}"
        f"{f', layers in {settings.quantize}' if settings.quantize else ''} on {plan.device}",
        "LoRA": f"rank {settings.rank}, alpha {number(recipe.alpha)}, {plan.lora_parameters:,}"
        f" parameters in float32 ({human_bytes(plan.lora_bytes)}){_kind(recipe)}",
        "layers": share_words(plan.lora_shares),
        "starts from": plan.started_from.words if plan.started_from else "",
        "pictures": f"{_sides(recipe)}, {cut}, {mirror};"
        f" {'latents and captions' if plan.keeps_texts else 'latents'} cached"
        f" ({human_bytes(plan.cache_bytes)} at most)",
        "made from": _made_from(plan),
        "buckets": _buckets(recipe),
        "crops": _placed(plan),
        "repeats": _repeats(plan),
        "masks": _masks(plan),
        "captions": _captions(plan),
        "loss": _loss(plan),
        "prior": _prior(plan),
        "optimizer": optimizer_told(recipe, plan.lora_parameters, plan.optimizer_bytes),
        "learning rate": rate_told(recipe),
        "text encoders": texts_told(recipe, plan.trained_texts),
        "average": average_told(recipe),
        "states": f"{often} and on Ctrl-C, {plan.states} kept"
        f" ({human_bytes(plan.states * plan.state_bytes)})",
        "snapshots": _snapshots(plan),
        "samples": samples,
        "held out": _held_out(plan),
        "trackers": ", ".join(TITLES[name] for name in chosen(settings)),
        "computing": ", ".join(_computing(plan)),
        "memory": _memory(plan),
        "work": _work(plan),
        "time": _time(plan, pace),
        "cost": _cost(plan, pace),
        "disk": f"{human_bytes(plan.bytes_needed)} at most, {human_bytes(plan.bytes_free)} free",
    }
    return [f"{name + ':':<16}{text}" for name, text in rows.items() if text]


def figures(plan: TrainPlan) -> dict[str, Any]:
    """The plan in numbers: bytes, pixels, floating point operations, seconds, the cost in the money
    of `price_per_hour`, pictures in each bucket."""
    recipe, memory, pace = plan.recipe, plan.memory, pace_of(plan)
    buckets = recipe.buckets.counts(1).most_common()
    reckoned = None
    if memory is not None:
        reckoned = {
            "base": memory.base, "lora": memory.lora, "pass": memory.kept, "steps": memory.steps,
            "captions": memory.captions, "pictures": memory.pictures, "samples": memory.samples,
            "most": memory.on_gpu if plan.device == "cuda" else memory.most,
            "free": plan.memory_free,
        }  # fmt: skip
    return {
        "images": recipe.images,
        "items": recipe.items,
        "train_batch_size": recipe.settings.train_batch_size,
        "gradient_accumulation_steps": recipe.settings.gradient_accumulation_steps,
        "processes": recipe.world_size,
        "steps_an_epoch": recipe.steps_an_epoch,
        "epochs": round(recipe.epochs, 4),
        "steps": recipe.steps,
        "resumes_at": plan.resumes_at,
        "family": plan.base.family,
        "prediction_type": recipe.prediction_type,
        "dtype": DTYPES[recipe.precision],
        "device": plan.device,
        "learning_rate": recipe.learning_rate,
        "buckets": {"x".join(map(str, recipe.buckets.sizes[b])): count for b, count in buckets},
        "parameters": plan.lora_parameters,
        "lora_bytes": plan.lora_bytes,
        "state_bytes": plan.state_bytes,
        "cache_bytes": plan.cache_bytes,
        "disk_bytes": plan.bytes_needed,
        "disk_bytes_free": plan.bytes_free,
        "samples": plan.pictures,
        "memory_bytes": reckoned,
        "flops_a_step": None if memory is None else memory.flops * recipe.world_size,
        "seconds_a_step": pace and round(pace.step, 4),
        "seconds": pace and round(pace.all, 1),
        "seconds_are": pace and pace.how,
        "seconds_measured": pace is not None and pace.measured,
        "cost": pace and _rounded(pace.cost(plan)),
    }


def _snapshots(plan: TrainPlan) -> str:
    every = plan.recipe.snapshot_every
    if not plan.snapshots:
        return f"none: the first would be due after step {every:,}"
    size = human_bytes(plan.snapshots * plan.lora_bytes)
    return f"every {every:,} steps, {plan.snapshots} in all ({size})"


def _arithmetic(recipe: Recipe) -> str:
    settings, buckets = recipe.settings, recipe.buckets
    sizes = "" if recipe.items == recipe.images * settings.repeats else f" = {recipe.items:,} items"
    parts = f" in {len(buckets.sizes)} buckets" if len(buckets.sizes) > 1 else ""
    return (
        f"{plural(recipe.images, 'image')} x {plural(settings.repeats, 'repeat')}{sizes}"
        f" / (batch {settings.train_batch_size}"
        f" x accumulation {settings.gradient_accumulation_steps} x processes {recipe.world_size})"
        f"{parts} = {plural(recipe.steps_an_epoch, 'step')} an epoch;"
        f" {plural(recipe.epochs, 'epoch')} = {plural(recipe.steps, 'step')}"
    )


def _kind(recipe: Recipe) -> str:
    """What is otherwise than in a plain LoRA."""
    settings = recipe.settings
    stable = f"; rank-stabilised: times {recipe.scale:.3g}" if settings.use_rslora else ""
    return stable + ("; DoRA, with a magnitude for each output" if settings.use_dora else "")


def _sides(recipe: Recipe) -> str:
    sides = sorted({recipe.resolution, *recipe.settings.resolutions})
    return " and ".join(map(str, sides)) + " px"


def _made_from(plan: TrainPlan) -> str:
    """What the base is shown beside each caption."""
    most = plan.base.controls[1]
    if not most:
        return ""
    seen = "; the text encoder is shown them too" if plan.base.sees else ""
    told = f"{plural(most, 'control picture')} each at most"
    return f"{told}, in the size that the base's pipeline gives them{seen}"


# Sizes that are told; the rest is counted.
_SHOWN = 8


def _buckets(recipe: Recipe) -> str:
    """How many pictures are trained at which size, the fullest first."""
    buckets, settings = recipe.buckets, recipe.settings
    if not settings.aspect_ratio_buckets and len(buckets.sizes) == 1:
        return ""
    found = buckets.counts(1).most_common()
    told = [f"{buckets.sizes[b][0]} x {buckets.sizes[b][1]}: {number}" for b, number in found]
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return f"{len(told)}, nothing enlarged to fill them; {', '.join(told[:_SHOWN])}{more}"


def _repeats(plan: TrainPlan) -> str:
    """Of pictures that an epoch does not have as often, or a step does not weigh as much."""
    found = Counter((e.repeats, e.weight) for e in plan.examples if not e.of_class)
    if set(found) == {(1, 1.0)}:
        return ""
    told = (
        f"{plural(found[key], 'picture')} x {key[0]:g}"
        + (f" (weight {key[1]:g})" if key[1] != 1 else "")
        for key in sorted(found)
    )
    return f"{', '.join(told)} in an epoch"


def _placed(plan: TrainPlan) -> str:
    """How many pictures say where they are cut."""
    placed = sum(example.focus is not None for example in plan.examples)
    told = f"{placed} of {plural(len(plan.examples), 'picture')} cut where crop_focus says"
    return told if placed else ""


def _masks(plan: TrainPlan) -> str:
    masked = sum(example.mask is not None for example in plan.examples)
    if not masked:
        return ""
    outside = plan.recipe.settings.unmasked_weight
    counts = f"counts {outside:g} of what is inside" if outside else "does not count"
    return f"{masked} of {plural(len(plan.examples), 'picture')} masked; what is outside {counts}"


def _captions(plan: TrainPlan) -> str:
    """What is done with them, if anything is."""
    settings = plan.recipe.settings
    counts = sorted(len(example.texts) for example in plan.examples)
    told = []
    if counts[-1] > 1:
        several = str(counts[0]) if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
        told.append(f"{several} a picture, one drawn each step")
    if settings.shuffle_caption:
        told.append("tags shuffled")
    if settings.caption_tag_dropout_rate:
        told.append(f"{settings.caption_tag_dropout_rate:.0%} of the tags left out")
    if settings.shuffle_caption or settings.caption_tag_dropout_rate:
        kept = f"the first {settings.keep_tokens} kept, " if settings.keep_tokens else ""
        told.append(f"{kept}{settings.caption_variants} variants of each")
    return ", ".join(told)


def _loss(plan: TrainPlan) -> str:
    """Which moments of noise are trained at, how much each counts, and why."""
    return ", ".join([_weights(plan), *_extras(plan.recipe.settings)])


def _extras(settings: TrainSettings) -> Iterator[str]:
    """What is otherwise than usual in the noise and in how errors count."""
    if settings.loss_type != "l2":
        yield f"{settings.loss_type} ({settings.huber_schedule}, {settings.huber_c:g})"
    if settings.noise_offset:
        yield f"noise offset {settings.noise_offset:g}"
    if settings.multires_noise_iterations:
        yield f"noise of up to {settings.multires_noise_iterations} sizes"
    if settings.input_perturbation:
        yield f"input perturbation {settings.input_perturbation:g}"


def _weights(plan: TrainPlan) -> str:
    settings, prediction = plan.recipe.settings, plan.recipe.prediction_type
    if prediction != FLOW:
        if settings.debiased_estimation_loss:
            return f"debiased estimation: the base predicts {prediction}"
        if not settings.snr_gamma:
            because = "" if prediction == EPSILON else f": the base predicts {prediction}"
            return f"all timesteps count the same{because}"
        return f"min-SNR {settings.snr_gamma:g}: the base predicts {prediction}"
    density: str | None = settings.timestep_density
    if density == "logit_normal":
        density = f"logit-normal ({settings.timestep_mean:g}, {settings.timestep_deviation:g})"
    factor, why = settings.timestep_shift, "as set"
    if factor is None:
        factor = plan.base.shift.factor(plan.tokens)
        why = "as the base's scheduler does"
        why += f" at {plan.recipe.resolution} px" if plan.base.shift.line else ""
    moved = f"shifted {factor:.3g} times towards noise {why}" if factor != 1 else "not shifted"
    return f"of a flow; moments {density}, {moved}"


def _prior(plan: TrainPlan) -> str:
    settings = plan.recipe.settings
    weight = f"weight {settings.prior_loss_weight:g}"
    if of_class := [example for example in plan.examples if example.of_class]:
        return (
            f"{plural(len(of_class), 'picture')} of the class, together as often as those of the"
            f" subject, captions like {shortened(of_class[0].caption)!r}, {weight}"
        )
    if not settings.keeps_answers:
        return ""
    short = shortened(plan.prior_caption(plan.examples[0].caption))
    return (
        f"the base is kept at captions like {short!r}, {weight};"
        " a step takes a little more than twice as long"
    )


def _held_out(plan: TrainPlan) -> str:
    if not plan.held_out:
        return ""
    return (
        f"{plural(len(plan.held_out), 'picture')} not trained on; loss measured every"
        f" {plan.recipe.validate_every:,} steps and before the first"
    )


_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


def _computing(plan: TrainPlan) -> Iterator[str]:
    """What a pass does otherwise than usual."""
    settings = plan.recipe.settings
    if settings.gradient_checkpointing:
        n = settings.gradient_checkpointing_interval
        ending = "th" if n % 100 in (11, 12, 13) else _ENDINGS.get(n % 10, "th")
        which = "blocks are" if n == 1 else f"every {n}{ending} block is"
        yield f"{which} computed again on the way back (gradient checkpointing)"
    if settings.attention != "auto":
        yield f"attention by the kernel {settings.attention} alone"
    if settings.compile_blocks:
        instead = ", in place of a CUDA graph" if plan.device == "cuda" else ""
        yield f"repeated blocks compiled in the first step{instead}"


def _memory(plan: TrainPlan) -> str:
    """What the moments of a run take, and which of them most."""
    found = plan.memory
    if found is None:
        return ""
    on_gpu = plan.device == "cuda"
    shown = (lambda size: human_bytes(held(size))) if on_gpu else human_bytes
    text = (
        f"about {shown(found.most)} at most: steps {shown(found.steps)}"
        f" (base {human_bytes(found.base)}, LoRA and optimizer {human_bytes(found.lora)}, a pass"
        f" {human_bytes(found.kept)}), captions {shown(found.captions)}, pictures"
        f" {shown(found.pictures)}"
    )
    if found.samples:
        text += f", samples {shown(found.samples)}"
    return text if plan.memory_free is None else f"{text}; {human_bytes(plan.memory_free)} free"


def _work(plan: TrainPlan) -> str:
    if plan.memory is None:
        return ""
    step = plan.memory.flops * plan.recipe.world_size
    left = plan.recipe.steps - plan.resumes_at
    return f"{flops_told(step)} a step, {flops_told(step * left)} in all"


def _time(plan: TrainPlan, pace: Pace | None) -> str:
    """How long the steps and samples take, and how that is known."""
    if pace is None:
        return "told after the first steps: nothing is known of this machine and base before"
    samples = f" and {plural(plan.pictures, 'sample')}" if plan.pictures else ""
    left = plural(plan.recipe.steps - plan.resumes_at, "step")
    about = "about" if pace.measured else "roughly"
    return f"{about} {duration(pace.all)} for {left}{samples}, {pace.step:.2g} s a step: {pace.how}"


def _cost(plan: TrainPlan, pace: Pace | None) -> str:
    cost = None if pace is None else pace.cost(plan)
    if cost is None:
        return ""
    price = plan.recipe.settings.price_per_hour
    about = "about" if pace is not None and pace.measured else "roughly"
    return f"{about} {cost:.2f} at {price:g} an hour, beside loading and encoding"


def _rounded(cost: float | None) -> float | None:
    return None if cost is None else round(cost, 4)
