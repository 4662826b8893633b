"""Options of other trainers, as people type them: those of diffusers' example scripts are taken or
refused with the reason, those of sd-scripts (kohya) and ai-toolkit answered with ours.

The scripts are `train_text_to_image_lora*.py` and `train_dreambooth_lora*.py` of diffusers'
examples, August 2026; sd-scripts is `train_network.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubtools.errors import UsageError
from hubtools.training.optimizer_kinds import optimizer_named


@dataclass(frozen=True)
class Foreign:
    """An option of another trainer. `ours` replaces it, with its value; a `note` says what becomes
    of one that is taken otherwise, or needed for nothing; `refused` says why it is not taken.
    `value`: it has one; `several`: more of them with commas between, which ours has once for
    each."""

    value: bool = True
    ours: str | None = None
    note: str | None = None
    refused: str | None = None
    several: bool = False


def _same(ours: str) -> Foreign:
    return Foreign(ours=ours)


def _needless(why: str, *, value: bool = False) -> Foreign:
    return Foreign(value, note=why)


def _no(why: str, *, value: bool = True) -> Foreign:
    return Foreign(value, refused=why)


_ALWAYS = "is done always"
_TEXTS = "the denoiser is trained always; --train-text-encoder trains text encoders beside it"
_PROCESSES = (
    "torchrun or accelerate launch starts several processes: torchrun, its options, -m hubtools"
    " train"
)
_PARTS = "every part is that of the base; give a base folder that has it"

# Of diffusers' scripts, without what hubtools calls the same.
SCRIPTS: dict[str, Foreign] = {
    "instance-data-dir": _same("--train-data-dir"),
    "validation-prompt": _same("--prompt"),
    "validation-num-inference-steps": _same("--num-inference-steps"),
    "validation-guidance-scale": _same("--guidance"),
    "logit-std": _same("--timestep-deviation"),
    "cond-image-column": _same("--conditioning-image-column"),
    "use-aspect-ratio-buckets": Foreign(False, ours="--aspect-ratio-buckets"),
    "use-8bit-adam": Foreign(False, ours="--optimizer=adamw-8bit"),
    "do-fp8-training": Foreign(False, ours="--quantize=fp8"),
    "cache-latents": _needless(f"latents are cached: that {_ALWAYS}"),
    "pre-compute-text-embeddings": _needless(f"captions are encoded once: that {_ALWAYS}"),
    "offload": _needless(f"text encoders and VAE leave the device: that {_ALWAYS}"),
    "upcast-before-saving": _needless(f"the LoRA is in float32: that {_ALWAYS}"),
    "dataloader-num-workers": _needless("nothing is loaded during the steps", value=True),
    "local-rank": _needless("torchrun tells each process its number", value=True),
    "enable-npu-flash-attention": _needless("PyTorch's own attention is used"),
    "foreach-ema": _needless("the average is taken in one go"),
    "offload-ema": _needless("the average is as small as the LoRA"),
    "enable-vae-tiling": _needless("pictures are encoded one at a time"),
    "debug-loss": _needless("losses of every step are in metrics.jsonl"),
    "skip-final-inference": _needless("--validation-steps says when samples are drawn"),
    "final-validation-prompt": _needless(
        "--prompt says what is drawn, on the way and at the end", value=True
    ),
    "num-validation-images": _needless("one sample a prompt is drawn; repeat --prompt", value=True),
    "validation-epochs": _needless("--validation-steps counts steps", value=True),
    "sample-batch-size": _needless("class pictures are not drawn", value=True),
    "num-class-images": _needless("all pictures of the class are used", value=True),
    "prior-generation-precision": _needless("class pictures are not drawn", value=True),
    "cache-dir": _needless("HF_HUB_CACHE says where downloads lie", value=True),
    "dataset-config-name": _needless("--split and --path say which pictures", value=True),
    "max-sequence-length": _needless("captions are as long as the pipeline has them", value=True),
    "tokenizer-max-length": _needless("captions are as long as the pipeline has them", value=True),
    "text-encoder-out-layers": _needless("as the pipeline has them", value=True),
    "system-prompt": _needless("as the pipeline has it", value=True),
    "complex-human-instruction": _needless("as the pipeline has it", value=True),
    "vae-encode-mode": _needless("latents are sampled anew in each step", value=True),
    "push-to-hub": _needless("push the run afterwards: hubtools push RUN OWNER/NAME"),
    "hub-model-id": _needless("push the run afterwards: hubtools push RUN OWNER/NAME", value=True),
    "output-kohya-format": _needless("afterwards: hubtools export RUN --as kohya"),
    "hub-token": _no("a token typed here stays in your shell's history; set HF_TOKEN"),
    "lora-layers": Foreign(ours="--target-modules", several=True),
    "lora-blocks": _no("--target-modules 'transformer_blocks.7.attn.*', once for each block"),
    "weighting-scheme": _no("--timestep-density logit_normal or uniform"),
    "logit-mean": _no("--timestep-mean, with the other sign: above 0 means more noise"),
    "mode-scale": _no("--timestep-density logit_normal or uniform"),
    "bnb-quantization-config-path": _no("--quantize nf4, int8 or fp8"),
    "fsdp-text-encoder": _no("--fsdp spreads the denoiser only", value=False),
    "do-edm-style-training": _no("bases of EDM's schedule are not trained", value=False),
    "precondition-outputs": _no("the loss is that of the flow itself"),
    "class-labels-conditioning": _no("bases of pixels are not trained"),
    "text-encoder-use-attention-mask": _no("as the pipeline has it", value=False),
    "pretrained-vae-model-name-or-path": _no(_PARTS),
    "tokenizer-name": _no(_PARTS),
    "pretrained-tokenizer-4-name-or-path": _no(_PARTS),
    "pretrained-text-encoder-4-name-or-path": _no(_PARTS),
    "validation-model-path": _no("hubtools generate --base-model draws with another base"),
}

_CACHED = "latents and captions are cached always"
# Of sd-scripts and ai-toolkit: (option, our word).
OTHERS: dict[str, str] = {
    "network-dim": "--rank",
    "network-alpha": "--lora-alpha",
    "network-dropout": "--lora-dropout",
    "network-module": "LoRA is trained; --use-dora, --target-modules conv (LoCon)",
    "network-args": "conv_dim: --target-modules conv, --rank-pattern conv:8; conv_alpha:"
    " --alpha-pattern; dora_wd: --use-dora",
    "dim-from-weights": "--init-from, --rank",
    "conv-dim": "--target-modules conv, --rank-pattern conv:8",
    "conv-alpha": "--alpha-pattern conv:4",
    "block-dims": "--rank-pattern 'down_blocks.0.*:4'",
    "network-train-unet-only": "that is so without --train-text-encoder",
    "network-train-text-encoder-only": _TEXTS,
    "unet-lr": "--learning-rate",
    "max-train-epochs": "--num-train-epochs",
    "optimizer-type": "--optimizer",
    "optimizer-args": "--adam-beta1, --adam-beta2, --adam-weight-decay, --adam-epsilon,"
    " --prodigy-d-coef",
    "lr-scheduler-num-cycles": "--lr-num-cycles",
    "lr-scheduler-power": "--lr-power",
    "min-snr-gamma": "--snr-gamma",
    "v-parameterization": "--prediction-type v_prediction; the base's configuration says it",
    "v2": "the base's configuration says it",
    "zero-terminal-snr": "the base's configuration says it",
    "scale-v-pred-loss-like-noise-pred": "the loss is weighed by --snr-gamma",
    "ip-noise-gamma": "--input-perturbation",
    "adaptive-noise-scale": "--noise-offset",
    "caption-dropout-rate": "--caption-dropout",
    "caption-extension": "captions are read from metadata, .txt and .caption",
    "clip-skip": "captions are encoded as the pipeline encodes them",
    "max-token-length": "captions are as long as the pipeline has them",
    "masked-loss": "dataset.mask_column names masks",
    "reg-data-dir": "--class-data-dir, with --with-prior-preservation",
    "in-json": "metadata.jsonl beside the pictures",
    "dataset-config": "--train-data-dir names the folder of pictures",
    "dataset-repeats": "--repeats",
    "output-name": "--output-dir runs/NAME",
    "save-every-n-steps": "--snapshot-steps",
    "save-every-n-epochs": "--snapshot-steps",
    "save-state": "--checkpointing-steps",
    "save-precision": "afterwards: hubtools export RUN --as kohya --dtype fp16",
    "save-model-as": "afterwards: hubtools export RUN --as kohya",
    "sample-every-n-steps": "--validation-steps",
    "sample-every-n-epochs": "--validation-steps",
    "sample-prompts": "--prompt, once for each",
    "sample-sampler": "--scheduler",
    "cache-latents-to-disk": _CACHED,
    "cache-text-encoder-outputs": _CACHED,
    "cache-text-encoder-outputs-to-disk": _CACHED,
    "flip-aug": "--random-flip",
    "color-aug": "colours are left as they are",
    "random-crop": "--crops-per-image",
    "bucket-no-upscale": f"that {_ALWAYS}",
    "min-bucket-reso": "--aspect-ratio-buckets keeps the number of pixels",
    "max-bucket-reso": "--aspect-ratio-buckets keeps the number of pixels",
    "sdpa": "PyTorch's own attention is used",
    "mem-eff-attn": "PyTorch's own attention is used",
    "full-bf16": "--mixed-precision bf16; the LoRA stays in float32",
    "full-fp16": "--mixed-precision fp16; the LoRA stays in float32",
    "fp8-base": "--quantize fp8",
    "lowram": "parts of the base are opened one after the other",
    "highvram": "parts of the base are opened one after the other",
    "blocks-to-swap": "--quantize nf4, --gradient-checkpointing",
    "max-data-loader-n-workers": "nothing is loaded during the steps",
    "persistent-data-loader-workers": "nothing is loaded during the steps",
    "wandb-api-key": "a key typed here stays in your shell's history; set WANDB_API_KEY",
    "log-tracker-config": "--tracker-project-name, --tracker-run-name; keys: WANDB_API_KEY",
    "log-prefix": "--tracker-run-name",
    "log-config": "trackers are told the settings of the run always",
    "use-wandb": "--report-to wandb",
    "use-tensorboard": "--report-to tensorboard",
    "validation-seed": "which pictures are held out goes by --seed",
    "validate-every-n-steps": "--validation-steps",
    "validate-every-n-epochs": "--validation-steps",
    "max-validation-steps": "every held-out picture is measured",
    "timestep-sampling": "--timestep-density, --timestep-shift",
    "discrete-flow-shift": "--timestep-shift",
    "linear": "--rank",
    "linear-alpha": "--lora-alpha",
    "batch-size": "--train-batch-size",
    "low-vram": "--quantize fp8 or nf4, --gradient-checkpointing",
    "trigger-word": "--trigger",
    # of accelerate launch and torchrun
    "num-processes": _PROCESSES,
    "num-machines": _PROCESSES,
    "multi-gpu": _PROCESSES,
    "nproc-per-node": _PROCESSES,
    "nnodes": _PROCESSES,
}


# Names of ours that mean something else in the scripts, which write them so.
MEANT_OTHERWISE: dict[str, Foreign] = {
    "guidance_scale": _needless(
        "a base that is told its guidance is trained with 1; --guidance says what samples are drawn"
        " with",
        value=True,
    ),
    "aspect_ratio_buckets": Foreign(
        ours="--aspect-ratio-buckets",
        note="sizes follow from the pictures' shapes, --resolution and --bucket-reso-steps",
    ),
}


def _is_meant_otherwise(name: str, value: str) -> bool:
    """Whether a script's option is typed: buckets of ours have no value."""
    return name in MEANT_OTHERWISE and (name != "aspect_ratio_buckets" or "," in value)


# Switches of ours that the scripts want to be told `True` or `False`.
_SAID = frozenset({"prodigy-decouple", "prodigy-use-bias-correction", "prodigy-safeguard-warmup"})
_SAID_AS = {"true": "yes", "1": "yes", "false": "no", "0": "no"}


def _one_optimizer(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(words, notes): names of the optimizer as we write them. `--use_8bit_adam` is said beside it,
    and counts with AdamW alone, in the scripts too."""
    taken: list[str] = []
    notes: list[str] = []
    rest = list(words)
    names = {word.replace("_", "-") for word in words}
    eight = "--use-8bit-adam" in names
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*taken, word, *rest], notes
        option, given, value = word.partition("=")
        if option != "--optimizer" or not (given or rest):
            taken.append(word)
            continue
        value = value if given else rest.pop(0)
        ours = optimizer_named(value) or value
        if eight and ours == "adamw":
            ours = "adamw-8bit"
        elif eight and ours != "adamw-8bit":
            notes.append(f"--use_8bit_adam: it counts with AdamW alone, not with {ours}.")
        taken.append(f"--optimizer={ours}")
    if eight and any(word.startswith("--optimizer=") for word in taken):
        taken = [word for word in taken if word.replace("_", "-") != "--use-8bit-adam"]
    return taken, notes


def translated(words: Sequence[str], known: frozenset[str]) -> tuple[list[str], list[str]]:
    """(words, notes): the words of a command line with options of diffusers' scripts put into
    ours. `known`: names of our own options, without dashes in front. Raises `UsageError` for an
    option of another trainer that is not taken; what nobody knows is left as it is."""
    taken: list[str] = []
    rest, notes = _one_optimizer(words) if "optimizer" in known else (list(words), [])
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*taken, word, *rest], notes
        name, given, value = word.removeprefix("--").partition("=")
        plain = name.replace("_", "-")
        if plain in _SAID and (said := _SAID_AS.get((value or (rest or [""])[0]).lower())):
            if not given:
                rest.pop(0)
            taken.append(f"--{'' if said == 'yes' else 'no-'}{plain}")
            continue
        if _is_meant_otherwise(name, value or (rest or [""])[0]):
            if not given and rest:
                rest.pop(0)
            notes.append(f"--{name}: {MEANT_OTHERWISE[name].note}.")
            taken += [ours] if (ours := MEANT_OTHERWISE[name].ours) else []
            continue
        if not word.startswith("--") or plain in known:
            taken.append(word)
            continue
        foreign = SCRIPTS.get(plain)
        if foreign is None:
            if plain in OTHERS:
                raise UsageError(
                    f"--{name} is an option of another trainer.", hint=f"here: {OTHERS[plain]}"
                )
            taken.append(word)
            continue
        if foreign.refused is not None:
            raise UsageError(f"--{name} is not taken.", hint=foreign.refused)
        if foreign.value and not given:
            if not rest or rest[0].startswith("--"):
                raise UsageError(
                    f"--{name} needs a value.", hint=f"--{name} VALUE, or leave it out"
                )
            value, given = rest.pop(0), "="
        if foreign.note is not None:
            notes.append(f"--{name}: {foreign.note}.")
            continue
        if foreign.several:
            taken += [f"{foreign.ours}={one.strip()}" for one in value.split(",") if one.strip()]
            continue
        taken.append(f"{foreign.ours}={value}" if foreign.value and given else str(foreign.ours))
    return taken, notes
