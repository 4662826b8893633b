"""Is this folder a trainer's output, and which of its files did the trainer write?

`prune` moves files, so it acts only on folders whose own structure, at the top, is that of a
trainer's output, and only on files that the trainer is known to write there. A LoRA somewhere below
proves nothing: projects, ComfyUI, caches and home folders have one too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.layout import (
    EVALUATION,
    EVALUATION_CHART,
    EVALUATION_DIR,
    IMAGES_DIR,
    LORA_WEIGHTS,
    LOSS_CHART,
    METADATA_NAMES,
    METRICS,
    PEFT_CONFIG,
    PEFT_WEIGHTS,
    PROJECT_FILE,
    RUN_MANIFEST,
    SAMPLES_DIR,
    SNAPSHOTS_DIR,
    STATE_DIR,
    home_dir,
)
from hubtools.lorafile.look import ADAPTERS
from hubtools.modelfiles import SAFE
from hubtools.models.registry import COMPONENTS
from hubtools.patterns import regex
from hubtools.rooted import TEMPORARY, Root
from hubtools.weights import Holds, read_header

MAX_MANIFEST = 10_000_000  # bytes
_CHECKPOINT = regex(r"checkpoint[-_]\d{1,12}|global_step\d{1,12}|epoch\d{1,9}")
_KOHYA_STATE = regex(r".+-state")
# NAME-000010 and NAME-step00000500 (sd-scripts), NAME_000000250 (ai-toolkit)
_NUMBERED = regex(r"(?P<base>.+?)(?:-\d{6}|-step\d{8}|_\d{9})\.safetensors", re.DOTALL)
# What lies in a folder to resume from.
_STATE_FILES = regex(
    r"(optimizer[^/]*|scheduler[^/]*)\.(bin|pt|safetensors)"
    r"|(random_states|rng_state|sampler|dl_state_dict|scaler)[\w.-]{0,40}"
    r"|training_args\.bin|(trainer|training|train)_state\.json"
    r"|(model|adapter_model|pytorch_lora_weights|diffusion_pytorch_model)[\w.-]*\.safetensors"
    r"|pytorch_model[\w.-]*\.bin|lora\.safetensors|mp_rank_\d+_model_states\.pt"
)


@dataclass(frozen=True)
class RunFolder:
    """What a run folder is: who made it, and its top folders that hold states to resume from."""

    trainer: str  # hubtools, diffusers, sd-scripts, ...
    states: frozenset[str] = frozenset()


def base_of_numbered(name: str) -> str | None:
    """`people.safetensors` of `people-000010.safetensors`; None if the name is not of that form."""
    found = _NUMBERED.fullmatch(name)
    return f"{found['base']}.safetensors" if found else None


def recognise(path: Path) -> RunFolder:
    """Say which trainer made the folder at `path`. Raises `HubtoolsError` with what it looks like
    instead and what to type, if it is no trainer's output; nothing below is looked through."""
    refuse_places(path)
    with Root(path) as root:
        other = _surely_another(root)
        if other is not None:
            raise _refusal(path, *other)
        found = _found(root)
        if found is not None:
            return found
        raise _refusal(path, *_looks_like(root))


def recognised(path: Path) -> RunFolder | None:
    """`recognise`, with None for a folder that is no trainer's output."""
    try:
        return recognise(path)
    except HubtoolsError:
        return None


def no_folder(place: Path, hint: str) -> HubtoolsError:
    """What is said where a run or dataset folder was to be given and there is none."""
    if not place.is_file():
        return HubtoolsError(
            f"There is no folder {place}.", hint=hint, code="file-not-found", missing=place
        )
    if place.name.endswith(SAFE):
        hint = f"`hubtools convert {quote(str(place))}` makes a folder to publish of a LoRA"
    return HubtoolsError(f"{place} is a file.", hint=hint, code="wrong-kind")


def refuse_places(root: Path) -> None:
    """Raise `HubtoolsError` for folders that are surely no run folder."""
    if not root.is_dir():
        raise no_folder(root, "give the run folder")
    real = root.resolve()
    home = home_dir()
    own = home.resolve() if home is not None else None
    if real == Path(real.anchor) or (own is not None and own.is_relative_to(real)):
        raise HubtoolsError(
            f"{real} is no run folder; hubtools does not prune it.",
            hint="give the run folder",
            code="wrong-kind",
        )
    if (real / ".git").exists():
        raise HubtoolsError(
            f"{real} is the root of a git work tree; hubtools does not prune it.",
            hint="give the run folder inside it",
            code="wrong-kind",
        )


def _refusal(path: Path, what: str, hint: str) -> HubtoolsError:
    return HubtoolsError(
        f"{path} is no trainer's output: {what}. Nothing was moved.", hint=hint, code="wrong-kind"
    )


# --- trainers ------------------------------------------------------------------------------------


def _found(root: Root) -> RunFolder | None:
    names = root.list()
    states = frozenset(name for name in names if _is_state(root, name))
    loras = [name for name in names if _holds_lora(root, name)]
    if _is_our_manifest(root):
        return RunFolder("hubtools", states)
    if _is_one_trainer(root):
        return RunFolder("OneTrainer", states)
    bases = {base_of_numbered(name) for name in loras} - {None}
    resumable = {name.removesuffix("-state") + ".safetensors" for name in states}
    if resumable & {*loras, *bases} or any(
        base in loras or sum(base_of_numbered(name) == base for name in loras) > 1 for base in bases
    ):
        ai_toolkit = _has_file(root, "optimizer.pt")
        return RunFolder("ai-toolkit" if ai_toolkit else "sd-scripts", states)
    job = any(_has_file(root, name) for name in ("config.yaml", ".job_config.json"))
    if loras and job and _has_file(root, "optimizer.pt"):
        return RunFolder("ai-toolkit", states)
    if any(name.startswith(("global_step", "epoch")) for name in states):
        return RunFolder("diffusion-pipe", states)
    if any(_has_file(root, f"{name}/training_state.json") for name in states):
        return RunFolder("SimpleTuner", states)
    if LORA_WEIGHTS in loras or any(name.startswith("checkpoint") for name in states):
        return RunFolder("diffusers", states)
    if PEFT_WEIGHTS in loras and _has_file(root, PEFT_CONFIG):
        return RunFolder("peft", states)
    return None


def _is_state(root: Root, name: str) -> bool:
    """True for a folder to resume from: by its name, and by what lies right in it."""
    if not (_CHECKPOINT.fullmatch(name) or _KOHYA_STATE.fullmatch(name)):
        return False
    if not root.is_folder(name):
        return False
    return any(
        _STATE_FILES.fullmatch(entry) and root.is_file(f"{name}/{entry}")
        for entry in root.list(name)
    )


def _holds_lora(root: Root, name: str) -> bool:
    if not name.endswith(".safetensors") or not root.is_file(name):
        return False
    return read_header(root.path / name).holds in (*ADAPTERS, Holds.FULL_WITH_LORA)


def _has_file(root: Root, name: str) -> bool:
    return root.is_file(name)


def _entries(root: Root, name: str) -> list[str]:
    """What lies in a folder; nothing if it is none, or a link to one."""
    return root.list(name) if root.is_folder(name) else []


def read_manifest(root: Root) -> dict[str, object] | None:
    """What `run.json` says; None if there is none, or none that is a JSON object."""
    if not root.is_file(RUN_MANIFEST):
        return None
    try:
        content = json_value(root.read(RUN_MANIFEST, MAX_MANIFEST))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _is_our_manifest(root: Root) -> bool:
    content = read_manifest(root)
    if content is None:
        return False
    return isinstance(content.get("lora"), dict) or content.get("status") in (
        "running",
        "interrupted",
        "finished",
    )


def _is_one_trainer(root: Root) -> bool:
    backups = any(re.search(r"-backup-\d", name) for name in _entries(root, "backup"))
    saves = any(re.search(r"-save-\d.*\.safetensors$", name) for name in _entries(root, "save"))
    return (backups or saves) and (root.is_folder("tensorboard") or root.is_folder("config"))


# --- what is none --------------------------------------------------------------------------------

_GIVE = "give the folder that the trainer wrote, such as runs/NAME"


def _surely_another(root: Root) -> tuple[str, str] | None:
    """(what it is, what to do) of a folder that is another thing, whatever else lies in it."""
    names = set(root.list())
    if PROJECT_FILE in names and not _is_our_manifest(root):
        return "it is a project of hubtools", "`hubtools prune` without a folder takes its run"
    if {"blobs", "refs", "snapshots"} <= names or any(
        name.startswith(("models--", "datasets--", "spaces--")) for name in names
    ):
        return "it is a cache of the Hub", "`hf cache` shows and deletes what is in it"
    above = root.path.resolve().parent
    if above.name == "snapshots" and (above.parent / "blobs").is_dir():
        return "it is a snapshot in the Hub's cache", "`hf cache` shows and deletes what is in it"
    if names & {"custom_nodes", "comfy", "webui.py", "launch.py", "extra_model_paths.yaml"} or (
        names & {"loras", "Lora", "Stable-diffusion", "diffusion_models"}
    ):
        return "it looks like ComfyUI or another program to draw with", _GIVE
    if "models" in names and set(_entries(root, "models")) & {"loras", "Lora", "checkpoints"}:
        return "it looks like ComfyUI or another program to draw with", _GIVE
    if names & {"pyvenv.cfg", "pyproject.toml", "setup.py", "package.json", "Cargo.toml"}:
        return "it is a program's folder", _GIVE
    return None


_DOCUMENTS = (".pdf", ".doc", ".docx", ".odt", ".xls", ".xlsx", ".ods", ".ppt", ".pptx", ".eml")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".raw", ".tif", ".tiff")


def _looks_like(root: Root) -> tuple[str, str]:
    names = root.list()
    lower = [name.lower() for name in names]
    if {"documents", "downloads", "desktop"} & set(lower) or {".bashrc", ".ssh"} & set(lower):
        return "it looks like a home folder", _GIVE
    if any(name in METADATA_NAMES for name in names):
        return "it looks like a dataset", _GIVE
    if sum(name.endswith(_DOCUMENTS) for name in lower) > 0:
        return "it looks like a folder of documents", _GIVE
    if sum(name.endswith(_PICTURES) for name in lower) > 2:
        return "it looks like a folder of pictures", _GIVE
    if "model_index.json" in names:
        return "it is a whole model", _GIVE
    runs = [name for name in names[:200] if root.is_folder(name) and _run_inside(root, name)]
    if runs:
        return f"it holds run folders ({', '.join(runs[:3])})", "give one of them"
    if any(_holds_lora(root, name) for name in names):
        return (
            "there is a LoRA, but nothing else that a trainer leaves",
            "there is nothing to prune; `hubtools push` publishes it as it is",
        )
    return "nothing at its top was written by a trainer that hubtools knows", _GIVE


def _run_inside(root: Root, name: str) -> bool:
    with Root(root.path / name) as inside:
        return _surely_another(inside) is None and _found(inside) is not None


# --- files ---------------------------------------------------------------------------------------

_JUNK = regex(r"\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]+")
_LOGS = regex(r"[^/]*tfevents[^/]*|hparams\.ya?ml|[^/]*\.log|nohup\.out|metrics\.csv|log\.txt")
_LOG_FOLDERS = ("logs", "log", "runs", "tensorboard", "lightning_logs")
_MODEL_PARTS = (*COMPONENTS, "scheduler")
_TENSORS = (".safetensors", ".bin", ".pt", ".pth", ".pkl", ".ckpt", ".distcp")
_MODEL_FILES = regex(
    r"[\w.-]*config\.json|tokenizer\.json|vocab\.(json|txt)|merges\.txt|special_tokens_map\.json"
    r"|added_tokens\.json|spiece\.model|tokenizer\.model|[\w.-]*\.index\.json|latest"
    r"|zero_to_fp32\.py|chat_template\.jinja|\.metadata|(trainer|training|train)_state\.json"
    r"|state\.json|meta\.json|args\.json"
)
_TOP = regex(
    r"model_index\.json|diffusion_pytorch_model[\w.-]*\.(safetensors|bin)|pytorch_model[\w.-]*\.bin"
    r"|model(-\d{5}-of-\d{5})?\.safetensors|\.job_config\.json"
    rf"|{re.escape(TEMPORARY)}[0-9a-z_]{{8,16}}[\w.]*"
)
_WANDB = regex(r"(offline-)?run-[\w-]+(/|$)|latest-run$|debug[\w-]*\.log$|wandb-resume\.json$")


def wrote(run: RunFolder, name: str) -> bool:
    """True if the run's trainer, or a logger of trainers, is known to write a file of this relative
    name there. All others are somebody's."""
    first, _, rest = name.partition("/")
    base = name.rpartition("/")[2]
    if not rest:
        return _at_top(run, name)
    known = _in_folder(run, first, rest, base)
    if known is not None:
        return known or bool(_JUNK.fullmatch(base))
    return False


def _at_top(run: RunFolder, name: str) -> bool:
    if _JUNK.fullmatch(name) or _LOGS.fullmatch(name) or _TOP.fullmatch(name):
        return True
    weights = ("pytorch_lora_weights", "adapter_model", "lora.")
    if _STATE_FILES.fullmatch(name) and not name.startswith(weights):
        return True
    if run.trainer in ("sd-scripts", "ai-toolkit"):
        return base_of_numbered(name) is not None
    return run.trainer == "hubtools" and name in (
        METRICS, LOSS_CHART, EVALUATION, EVALUATION_CHART,
    )  # fmt: skip


def _in_folder(run: RunFolder, first: str, rest: str, base: str) -> bool | None:
    """Whether a file in a top folder is the trainer's; None if the folder is none that trainers
    make."""
    ours = run.trainer == "hubtools"
    step = ours and first == STATE_DIR and re.match(r"step-\d+/", rest)
    if first in run.states or step or (run.trainer == "OneTrainer" and first == "backup"):
        return base.endswith(_TENSORS) or bool(_MODEL_FILES.fullmatch(base))
    if first == SNAPSHOTS_DIR and ours:
        return base.endswith(".safetensors")
    if first == "save" and run.trainer == "OneTrainer":
        return base.endswith((".safetensors", ".json"))
    if first in (SAMPLES_DIR, "sample") and run.trainer != "diffusers":
        return base.lower().endswith((*_PICTURES, ".json", ".txt"))
    if first == EVALUATION_DIR and ours:
        return base.endswith((".png", ".json"))
    if first == IMAGES_DIR and ours:
        return bool(re.fullmatch(r"\d\d\.png", rest))
    if first in _LOG_FOLDERS:
        return bool(_LOGS.fullmatch(base))
    if first == "wandb":
        return bool(_WANDB.match(rest))
    if first == "mlruns":
        return bool(re.match(r"\d+/", rest))
    if first == "__pycache__":
        return base.endswith(".pyc")
    if first.startswith("pytorch_model_fsdp"):
        return base.endswith(_TENSORS) or base == ".metadata"
    if first in _MODEL_PARTS:
        return base.endswith(_TENSORS) or bool(_MODEL_FILES.fullmatch(base))
    return (first, rest.partition("/")[0]) == (".cache", "huggingface") or None
