"""P rules on weights: whether those who load the LoRA get what was trained."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from hubtools.conversion.halving import is_full
from hubtools.findings import Problem, Severity
from hubtools.licensing.advice import card_command
from hubtools.lorafile.faults import Fault, FaultKind, faults_of
from hubtools.lorafile.look import Weights
from hubtools.models.rows import Target
from hubtools.models.targets import target_of
from hubtools.publish.book import PUBLISH_RULES
from hubtools.publish.release import Release


def _base(release: Release, held: Weights) -> tuple[str | None, Target | None]:
    """The base that the card names; of several one that the file fits. Nothing if nothing tells."""
    named = release.front.data.get("base_model") if release.front is not None else None
    ids = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    found = [(id, target) for id in ids if isinstance(id, str) and (target := target_of(id))]
    fits = (one for one in found if held.fits(one[1]))
    return next(fits, found[0] if found else (None, None))


def _of(release: Release, kind: FaultKind) -> Iterator[Problem]:
    for file, held in release.weights:
        id, target = _base(release, held)
        found: tuple[Fault, ...] = faults_of(held, target, place=str(file.source), base_id=id)
        for fault in found:
            if fault.kind == kind:
                yield Problem(fault.text, fault.hint, file.name)


@PUBLISH_RULES.rule("P140", "A LoRA has the names of peft", Severity.ERROR)
def peft_names(release: Release) -> Iterator[Problem]:
    """`PeftModel.save_pretrained` writes `base_model.model.` before every name. diffusers looks for
    `unet.` or `transformer.`, finds none, says so in a log line, and draws with the bare base.
    (FLUX.2 is the exception: its loader takes the words off.)

    Example: base_model.model.down_blocks.0...to_q.lora_A.weight
    Fix: `hubtools convert FILE`; or write it with `save_lora_weights` of the pipeline, from
    `get_peft_model_state_dict`.
    """
    return _of(release, "peft-names")


@PUBLISH_RULES.rule("P141", "A LoRA has lost its prefix", Severity.ERROR)
def lost_prefix(release: Release) -> Iterator[Problem]:
    """Without `unet.` or `transformer.` before the names diffusers loads nothing, and says so in a
    log line only.

    Example: down_blocks.0.attentions.0...to_q.lora_A.weight
    Fix: `hubtools convert FILE`; or write it with `save_lora_weights` of the pipeline.
    """
    return _of(release, "lost-prefix")


@PUBLISH_RULES.rule("P142", "A LoRA's names hold the name of an adapter", Severity.ERROR)
def adapter_keys(release: Release) -> Iterator[Problem]:
    """`model.state_dict()` has the adapter's name in its keys; the one that is to be published has
    not. diffusers makes the layers, fills them with nothing of the file, and warns of unexpected
    keys.

    Example: unet.down_blocks.0...to_q.lora_A.default.weight
    Fix: `hubtools convert FILE`; or take the names from `get_peft_model_state_dict`, and write with
    `save_lora_weights`.
    """
    return _of(release, "adapter-keys")


@PUBLISH_RULES.rule("P143", "A LoRA is for another base than the card's", Severity.ERROR)
def other_family(release: Release) -> Iterator[Problem]:
    """Names and widths of its layers are those of another kind of model than the card's
    `base_model`: loading it fails, or nothing of it is loaded.

    Example: it is a LoRA for SDXL, and the base is Stable Diffusion 1
    Fix: name the base that it was trained on (`base_model`; `hubtools card --renew`).
    """
    return _of(release, "other-family")


@PUBLISH_RULES.rule("P144", "A weight file holds NaN or infinite numbers", Severity.ERROR)
def not_finite(release: Release) -> Iterator[Problem]:
    """One such number makes every picture black. It comes from a training that ran away, as a
    rule with float16 or too high a learning rate.

    Fix: publish an earlier checkpoint, or train again with a lower learning rate.
    """
    return _of(release, "not-finite")


@PUBLISH_RULES.rule("P145", "A LoRA changes nothing", Severity.ERROR)
def all_zero(release: Release) -> Iterator[Problem]:
    """The B half of each layer is zero before the first step; where all still are, the pictures are
    those of the base.

    Fix: publish a later checkpoint; check that the optimizer got the LoRA's parameters.
    """
    return _of(release, "zero")


@PUBLISH_RULES.rule("P146", "Halves of a LoRA are missing", Severity.ERROR)
def missing_halves(release: Release) -> Iterator[Problem]:
    """A layer's LoRA is the product of two tensors, A and B. Where A is missing diffusers draws it
    at random, so that the layer adds noise; where B is, it adds nothing or loading fails.

    Fix: write the file again from the training's state.
    """
    return _of(release, "halves")


@PUBLISH_RULES.rule("P147", "diffusers would load a part of a LoRA", Severity.ERROR)
def part_of_it(release: Release) -> Iterator[Problem]:
    """What `load_lora_weights` does not know it refuses, or passes over with a log line: LoHa, LoKr
    and OFT, tensors of embeddings in the same file, old names and new ones mixed, `dora_scale`,
    names of ComfyUI where the family's loader converts none.

    Fix: `hubtools convert FILE` of a LoRA or DoRA (it leaves out what is none of it); or write it
    with `save_lora_weights` of the pipeline. Embeddings go into a file of their own. If it is meant
    for ComfyUI only, say so on the card and publish it with --ignore P147.
    """
    return _of(release, "part")


@PUBLISH_RULES.rule("P150", "A LoRA is in full precision", Severity.ERROR)
def full_precision(release: Release) -> Iterator[Problem]:
    """The settings ask for LoRA files in half precision (prune.dtype), and this one has numbers of
    32 bits. `push` sends what lies in the folder, and changes nothing there.

    Fix: `hubtools prune FOLDER --dtype fp16 --apply`, which says how far its changes are from the
    trained ones, then `hubtools card FOLDER`. `ship` does both.
    """
    for file, held in release.weights:
        if release.dtype and held.is_adapter and is_full(held.header):
            place = quote(str(release.root))
            yield Problem(
                f"its numbers have 32 bits, and {release.dtype} is asked for (prune.dtype)",
                f"`hubtools prune {place} --dtype {release.dtype} --apply`, then"
                f" {card_command(release.root)}",
                file.name,
            )
