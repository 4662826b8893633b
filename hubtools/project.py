"""`hubtools.toml`: the one source of truth for options.

The pydantic models below make the file, the environment variables (`HUBTOOLS_TRAIN_SEED`), the
command-line options (`--seed`), the JSON schema and the table in the docs. Precedence: command
line, environment, file, default. Names are those of diffusers' training scripts where they have
one.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo

from hubtools.errors import UsageError
from hubtools.files import StrPath, read_within
from hubtools.layout import PROJECT_FILE
from hubtools.limits import SETTINGS
from hubtools.models.registry import TargetName
from hubtools.shotplan import parse_plan

Rights = Literal["own", "permission", "synthetic", "public-domain", "licensed"]

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def _repo_id(value: str) -> str:
    if not _REPO.fullmatch(value) or "--" in value or ".." in value or value.endswith(".git"):
        raise ValueError("must look like owner/name (letters, digits, - _ .; no -- or ..)")
    if len(value) > 96:
        raise ValueError("must be at most 96 characters long")
    return value


RepoId = Annotated[str, AfterValidator(_repo_id)]

Plan = Annotated[
    dict[str, str],
    BeforeValidator(parse_plan),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
            ]
        }
    ),
]


def _option(default: Any, description: str, *aliases: str, **constraints: Any) -> Any:
    """A setting; `aliases` are further names the file and the command line accept."""
    return Field(
        default,
        description=description,
        json_schema_extra={"aliases": list(aliases)} if aliases else None,
        **constraints,
    )


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), validate_assignment=True)


class DatasetSettings(_Section):
    """The pictures and what may be done with them."""

    path: str = _option("dataset", "Folder of pictures with a metadata file.", "train_data_dir")
    repo: RepoId | None = _option(
        None, "Dataset repository on the Hub, owner/name.", "dataset_name"
    )
    revision: str | None = _option(
        None,
        "Branch, tag or commit of the dataset repository to train from.",
        "dataset_revision",
    )
    caption_column: str = _option("text", "Metadata column that holds the captions.")
    trigger: str | None = _option(
        None, "Token that stands for the subject in every caption.", "instance_token"
    )
    target: TargetName | None = _option(
        None,
        "Kind of model that the pictures are for, which decides on caption length and size;"
        " default that of the base model.",
    )
    plan: Plan | None = _option(
        None,
        "How many pictures of which shots there should be: a table [dataset.plan] such as"
        ' portrait = "3..4", the same in one line (portrait=3..4, profile=3..), or subject, a'
        " plan that is ready.",
    )
    view_column: str | None = _option(
        None,
        "Metadata column that says which shot a picture is; default view, angle, shot and the like,"
        " else the caption's words.",
    )
    common_share: float = _option(
        1.0,
        "Share of the captions from which on words in them are told to be learnt as the trigger.",
        ge=0.5,
        le=1,
    )
    near_radius: int = _option(
        6,
        "Bits, of 64, in which the perceptual hashes of near copies may differ before their pixels"
        " are compared; -1 looks for equal pixels only.",
        ge=-1,
        le=12,
    )
    embeddings: str | None = _option(
        None,
        "Vision model that looks for cropped and marked copies as well: efficientnet-lite0, dinov2,"
        " auto, a Hub id or a folder. Takes a moment a picture, and PyTorch.",
    )
    mirrored_copies: bool = _option(False, "Look for mirrored and turned copies as well.")
    class_noun: str = _option("person", "What to call the subject where its trigger is left out.")
    license: str | None = _option(None, "Licence id of the pictures, as the Hub spells it.")
    rights: Rights | None = _option(
        None, "Why you may use the pictures: own work, permission, synthetic, ..."
    )
    rights_note: str | None = _option(None, "A sentence on the rights, shown on the card.")


def _prefixes(value: Any) -> Any:
    """Rule ids, one each or several with commas between them."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return value
    parts = [part.split(",") if isinstance(part, str) else [part] for part in value]
    return [p.strip() if isinstance(p, str) else p for part in parts for p in part if p != ""]


def _per_file(value: Any) -> Any:
    """`glob:D301,D4`, one or several, as the command line and the environment have them."""
    if isinstance(value, str):
        value = [part for part in value.split("|") if part]
    if not isinstance(value, list):
        return value
    found: dict[str, list[str]] = {}
    for part in value:
        glob, colon, prefixes = str(part).rpartition(":")
        if not colon or not glob or not prefixes.strip():
            raise ValueError("must look like GLOB:ID,ID, for example 'old/*:D304,D4'")
        found.setdefault(glob, []).extend(_prefixes(prefixes))
    return found


Prefixes = Annotated[list[str], BeforeValidator(_prefixes)]


class RulesSettings(_Section):
    """Which rules `hubtools validate` applies, and which of their findings are known."""

    select: Prefixes = _option([], "Only rules whose ids begin so, e.g. D3; default all.")
    ignore: Prefixes = _option([], "All but rules whose ids begin so.")
    per_file_ignores: Annotated[dict[str, Prefixes], BeforeValidator(_per_file)] = _option(
        {}, "Rules to leave out by file: glob = [ids]. On the command line GLOB:ID,ID."
    )
    baseline: str | None = _option(
        None, "File of findings that are known: hidden and counted, so that only new ones fail."
    )


LrScheduler = Literal[
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
]


class TrainSettings(_Section):
    """Hyperparameters of the LoRA."""

    pretrained_model_name_or_path: str | None = _option(
        None, "Base pipeline: Hub id or local folder.", "base_model"
    )
    base_model_repo: RepoId | None = _option(
        None, "Hub id of the base, for the card, when the base is a local folder."
    )
    revision: str | None = _option(None, "Branch, tag or commit of the base.")
    variant: str | None = _option(None, "Weight variant of the base, e.g. fp16.")
    output_dir: str = _option("runs/lora", "Run folder to write.")
    resolution: int = _option(512, "Side of the training crop in pixels.", ge=32, le=4096)
    center_crop: bool = _option(
        True, "Crop the middle of the picture; otherwise a random but fixed place."
    )
    random_flip: bool = _option(
        False, "Also train on mirrored pictures (bad for asymmetric subjects)."
    )
    image_interpolation_mode: Literal["lanczos", "bicubic", "bilinear", "nearest"] = _option(
        "lanczos", "Filter for resizing."
    )
    max_train_samples: int | None = _option(None, "Use only the first N pictures.", ge=1)
    repeats: int = _option(1, "How often a picture appears in one epoch.", ge=1)
    caption_dropout: float = _option(
        0.05, "Share of steps trained with an empty caption.", ge=0, le=1
    )
    train_batch_size: int = _option(1, "Pictures in one forward pass.", ge=1)
    gradient_accumulation_steps: int = _option(1, "Forward passes in one optimizer step.", ge=1)
    num_train_epochs: int | None = _option(
        None, "Passes over the pictures; max_train_steps overrules it.", ge=1
    )
    max_train_steps: int | None = _option(
        None, "Optimizer steps; default 100 a picture, at least 600, at most 2000.", "steps", ge=1
    )
    learning_rate: float = _option(1e-4, "Peak learning rate.", "lr", gt=0)
    scale_lr: bool = _option(
        False, "Multiply the learning rate by batch, accumulation and processes."
    )
    lr_scheduler: LrScheduler = _option("cosine", "Shape of the learning rate over the run.")
    lr_warmup_steps: int | None = _option(
        None, "Optimizer steps of linear warm-up; default 5 % of the run (0 for constant).", ge=0
    )
    lr_num_cycles: int = _option(3, "Cosine waves of cosine_with_restarts.", ge=1)
    lr_power: float = _option(1.0, "Power of the polynomial schedule.", gt=0)
    snr_gamma: float | None = _option(
        5.0, "min-SNR weighting of the loss (arXiv:2303.09556); 0 turns it off.", ge=0
    )
    noise_offset: float = _option(0.0, "Strength of per-channel offset noise.", ge=0)
    prediction_type: Literal["epsilon", "v_prediction"] | None = _option(
        None, "Overrules what the base's scheduler says it predicts."
    )
    rank: int = _option(16, "Rank of the LoRA matrices.", ge=1, le=1024)
    lora_alpha: float | None = _option(None, "LoRA alpha; default the rank.", "alpha", gt=0)
    lora_dropout: float = _option(0.0, "Dropout inside the LoRA.", ge=0, lt=1)
    target_modules: list[str] = _option(
        ["to_k", "to_q", "to_v", "to_out.0"], "Layers of the denoiser that get a LoRA."
    )
    with_prior_preservation: bool = _option(
        False,
        "Without the trigger, keep what the base draws: half of each step is spent on that.",
    )
    prior_loss_weight: float = _option(1.0, "How much that half counts.", ge=0)
    class_prompt: str | None = _option(
        None,
        "Caption of that half; default each picture's own, dataset.class_noun for the trigger.",
    )
    adam_beta1: float = _option(0.9, "AdamW beta1.", ge=0, lt=1)
    adam_beta2: float = _option(0.999, "AdamW beta2.", ge=0, lt=1)
    adam_weight_decay: float = _option(1e-2, "AdamW weight decay.", ge=0)
    adam_epsilon: float = _option(1e-8, "AdamW epsilon.", gt=0)
    max_grad_norm: float = _option(1.0, "Gradient norm to clip at; 0 turns clipping off.", ge=0)
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = _option(
        "auto", "Precision of the frozen base; auto is bf16 (else fp16) on a GPU, none on a CPU."
    )
    gradient_checkpointing: bool = _option(False, "Save memory, cost a third more time.")
    enable_xformers_memory_efficient_attention: bool = _option(
        False, "Use xformers instead of PyTorch's own attention.", "xformers"
    )
    cuda_graph: bool = _option(
        True,
        "Record a step once and replay it: faster on a GPU that waits for Python (not with"
        " checkpointing, dropout or several GPUs).",
    )
    allow_tf32: bool = _option(True, "TF32 matrix products on Ampere and later.")
    checkpointing_steps: int | None = _option(
        None, "Save state for resuming every N steps; default 250.", ge=1
    )
    checkpoints_total_limit: int = _option(2, "States to keep.", ge=1)
    allow_pickle: bool = _option(
        False,
        "Open pickled weights (.bin); they can run code. Not from a file: say it each time.",
    )
    snapshot_steps: int | None = _option(
        None, "Keep a publishable copy of the LoRA every N steps; default with the samples.", ge=1
    )
    validation_steps: int | None = _option(
        None,
        "Draw samples every N steps; default an eighth of the run, at least 100; 0 never.",
        "sample_steps",
        ge=0,
    )
    seed: int = _option(0, "Seed of initial weights, data order, noise and crops.", ge=0)
    num_threads: int | None = _option(None, "CPU threads; default the cores that are free.", ge=1)


class SampleSettings(_Section):
    """Pictures drawn during and after training."""

    prompts: list[str] = _option([], "Prompts to draw; repeat the option.", "prompt")
    negative_prompt: str | None = _option(None, "What the pictures should not show.")
    seed: int = _option(0, "Seed of a prompt's first picture; its further ones count up.", ge=0)
    steps: int = _option(30, "Denoising steps.", "num_inference_steps", ge=1, le=1000)
    guidance: float = _option(7.5, "Classifier-free guidance scale.", "guidance_scale", ge=0)
    scheduler: str = _option(
        "default", "Sampler by name, e.g. euler_a, dpmpp_2m, ddim; default is the base's own."
    )
    size: int | None = _option(
        None, "Side of the picture in pixels; default the training resolution.", ge=32, le=4096
    )
    lora_weight: float = _option(
        1.0, "Strength of the LoRA; 0 is the bare base. Of several, each one's own is multiplied."
    )
    prompt_weights: bool = _option(
        True, "Read (word:1.3) and [word] as weights, and long prompts to their end (CLIP only)."
    )


class EvaluateSettings(_Section):
    """How a LoRA is measured against its base."""

    prompts: list[str] = _option(
        [], "Prompts to measure on; default samples.prompts, else captions. Repeat the option."
    )
    num_images: int = _option(4, "Pictures of each prompt.", ge=1, le=1000)
    checkpoints: str = _option("final", "Training steps: 200,400,final or all.")
    weights: str = _option("1", "Strengths of the LoRA: 0.5,1 or 0:1:0.25 (0 is the base).")
    held_out: str | None = _option(
        None, "Folder of pictures with captions that were not trained on, for the denoising loss."
    )
    picture_encoder: str = _option(
        "auto", "auto, dinov2, efficientnet-lite0, or a vision model on the Hub or in a folder."
    )
    prompt_judge: str = _option(
        "auto", "auto, clip, none, or a CLIP model on the Hub or in a folder."
    )
    in_ship: bool = _option(False, "Make it a step of ship, before the card.")


class ModelSettings(_Section):
    """The repository of the LoRA."""

    repo: RepoId | None = _option(None, "Model repository on the Hub, owner/name.", "hub_model_id")
    license: str | None = _option(
        None, "Licence id of the LoRA; default what the base's licence asks for."
    )
    license_name: str | None = _option(None, "Name of the licence when its id is `other`.")
    license_link: str | None = _option(None, "Address of the licence when its id is `other`.")
    title: str | None = _option(None, "Title of the model card; default the repository's name.")


class AllowedSecret(BaseModel):
    """A finding of `push` that is none, by its fingerprint, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: str = Field(description="The 16 hex digits that the finding names.")
    reason: str = Field(description="Why it may be published; told at every push.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """`FINGERPRINT: reason`, as the command line and the environment have it."""
        if isinstance(value, str):
            mark, _, reason = value.partition(":")
            return {"fingerprint": mark.strip(), "reason": reason.strip()}
        if isinstance(value, dict) and "reason" not in value:
            raise ValueError('needs a reason: {fingerprint = "...", reason = "..."}')
        return value

    @model_validator(mode="after")
    def _says_why(self) -> AllowedSecret:
        if not re.fullmatch(r"[0-9a-f]{16}", self.fingerprint):
            raise ValueError("fingerprint must be the 16 hex digits that the finding names")
        if len(self.reason.split()) < 2:
            raise ValueError(
                f"{self.fingerprint} needs a reason: a few words on why it may be published"
            )
        return self


class PushSettings(_Section):
    """How things reach the Hub."""

    private: bool = _option(True, "Create repositories private, and push to no public one.")
    pr: bool = _option(False, "Open a pull request instead of committing to main.", "create_pr")
    tag: str | None = _option(None, "Tag to put on the pushed model commit, e.g. v1.")
    allow: list[str] = _option(
        [],
        "Patterns of files that are published though releases hold none of their kind, e.g. *.svg.",
    )
    allowed_secrets: list[AllowedSecret] = _option(
        [],
        "Findings of P101 and P113 that are no secrets: {fingerprint, reason}; on the command line"
        " FINGERPRINT:REASON. Told at every push.",
    )


class Project(_Section):
    """A whole `hubtools.toml`."""

    dataset: DatasetSettings = Field(default_factory=DatasetSettings)
    rules: RulesSettings = Field(default_factory=RulesSettings)
    train: TrainSettings = Field(default_factory=TrainSettings)
    samples: SampleSettings = Field(default_factory=SampleSettings)
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    push: PushSettings = Field(default_factory=PushSettings)

    _root: Path = PrivateAttr(default_factory=Path)
    _file: Path | None = PrivateAttr(default=None)
    # paths that neither the command line nor the environment has said
    _unsaid: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _trigger_is_one_line(self) -> Project:
        trigger = self.dataset.trigger
        if trigger is not None and (not trigger.strip() or "\n" in trigger):
            raise ValueError("dataset.trigger must be a non-empty single line")
        return self

    @property
    def root(self) -> Path:
        """Folder that relative paths in the settings are relative to."""
        return self._root

    @property
    def file(self) -> Path | None:
        """The `hubtools.toml` that was read, if there was one."""
        return self._file

    def at(self, relative: str) -> Path:
        """A path from the settings, made absolute against the project's folder."""
        return self._root / Path(relative).expanduser()

    def is_own(self, path: Path) -> bool:
        """True for a path that lies inside the project's folder, links followed."""
        return path.resolve().is_relative_to(self._root.resolve())

    def to_change(self, section: str, key: str) -> Path:
        """The path of a setting, for a command that writes, moves or deletes there.

        A file may have come with its folder from somebody else, so it (or a link in the folder)
        opens no place outside to that. Raises `UsageError` for such a path, unless the command
        line, the environment or the caller of the library has set it.
        """
        value = getattr(getattr(self, section), key)
        path = self.at(value)
        if self._unsaid.get((section, key)) != value or self.is_own(path):
            return path
        where = f"{self._file}: {section}.{key} is" if self._file else f"{section}.{key} is"
        raise UsageError(
            f"{where} {value!r}, which leads out of the project's folder to {path.resolve()};"
            " nothing is changed there because a file says so.",
            hint=_say_it(section, key, path),
        )

    @property
    def dataset_dir(self) -> Path:
        """Folder of the pictures."""
        return self.at(self.dataset.path)

    @property
    def dataset_to_change(self) -> Path:
        """Folder of the pictures, for a command that changes it; raises as `to_change`."""
        return self.to_change("dataset", "path")

    @property
    def run_to_change(self) -> Path:
        """Run folder, for a command that changes it; raises as `to_change`."""
        return self.to_change("train", "output_dir")

    @property
    def base(self) -> str | None:
        """The base model: an absolute folder if there is one of that name, else the Hub id."""
        name = self.train.pretrained_model_name_or_path
        if name and (folder := self.at(name)).is_dir():
            return str(folder)
        return name

    @property
    def set_resolution(self) -> int | None:
        """The training resolution in pixels, if somebody has set it."""
        return self.train.resolution if "resolution" in self.train.model_fields_set else None

    @property
    def baseline(self) -> Path | None:
        """File of findings that are known, if there is to be one."""
        return self.at(self.rules.baseline) if self.rules.baseline else None

    @property
    def rule_choice(self) -> dict[str, Any]:
        """[rules] as arguments of `dataset.check.validate`."""
        chosen = self.rules.model_dump(include={"select", "ignore", "per_file_ignores"})
        return chosen | {"baseline": self.baseline}

    @property
    def run_dir(self) -> Path:
        """Run folder."""
        return self.at(self.train.output_dir)


def _say_it(section: str, key: str, path: Path) -> str:
    place = shlex.quote(str(path))
    return (
        f"if you mean that place, say so yourself: --{key.replace('_', '-')} {place} where the"
        f" command has this option, or HUBTOOLS_{section.upper()}_{key.upper()}={place}"
    )


SECTIONS: dict[str, type[_Section]] = {
    "dataset": DatasetSettings,
    "rules": RulesSettings,
    "train": TrainSettings,
    "samples": SampleSettings,
    "evaluate": EvaluateSettings,
    "model": ModelSettings,
    "push": PushSettings,
}


def aliases_of(field: FieldInfo) -> list[str]:
    """Other names under which the file and the command line accept this setting."""
    extra = field.json_schema_extra
    if isinstance(extra, dict):
        return [str(name) for name in typing.cast(list[Any], extra.get("aliases", []))]
    return []


def schema() -> dict[str, Any]:
    """JSON schema of `hubtools.toml` (draft 2020-12), with a title and an `$schema` entry."""
    result = Project.model_json_schema()
    result.pop("description", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **result,
        "title": PROJECT_FILE,
    }


def load_project(
    path: StrPath | None = None,
    overrides: Mapping[tuple[str, str], Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    required: bool = False,
) -> Project:
    """Read settings from `path` (a file, or a folder that holds `hubtools.toml`; default the
    current folder), then the environment, then `overrides` {(section, key): value}.

    Paths given by the environment or by `overrides` are relative to the current folder, those in
    the file to the file's folder. Raises `UsageError` with the file and line of the first mistake.
    `required`: a missing file is an error too.
    """
    file = _find(None if path is None else Path(path), required)
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    source = ""
    if file is not None:
        source = _read(file)
        _merge_file(values, source, file)
        if values["train"].get("allow_pickle"):
            raise UsageError(
                f"{file}: train.allow_pickle cannot be set in a file, which may have come with the"
                " folder.",
                hint="give --allow-pickle, or set HUBTOOLS_TRAIN_ALLOW_PICKLE=1, if you mean it",
            )
    origins: dict[tuple[str, str], str] = {}
    _merge_environment(values, origins, os.environ if environ is None else environ)
    for (section, key), value in (overrides or {}).items():
        values[section][key] = _from_here(section, key, value)
        origins[section, key] = f"--{key.replace('_', '-')}"
    try:
        project = Project.model_validate(values)
    except ValidationError as error:
        raise _as_usage_error(error, file, source, origins) from None
    project._root = (file.parent if file else Path.cwd()).resolve()
    project._file = file
    project._unsaid = {
        (section, key): getattr(getattr(project, section), key)
        for section, key in _PATHS
        if (section, key) not in origins
    }
    return project


_PATHS = {
    ("dataset", "path"),
    ("rules", "baseline"),
    ("train", "output_dir"),
    ("evaluate", "held_out"),
}


def _from_here(section: str, key: str, value: Any) -> Any:
    """A path typed by the user is relative to where they stand, not to the project file."""
    if (section, key) in _PATHS and isinstance(value, str):
        return str(Path(value).expanduser().absolute())
    if (section, key) == ("train", "pretrained_model_name_or_path") and isinstance(value, str):
        folder = Path(value).expanduser()
        return str(folder.absolute()) if folder.is_dir() else value
    return value


def _find(path: Path | None, required: bool) -> Path | None:
    candidate = path if path is not None else Path(PROJECT_FILE)
    if candidate.is_dir():
        candidate = candidate / PROJECT_FILE
    if candidate.is_file():
        return candidate.absolute()
    if path is not None or required:
        raise UsageError(
            f"There is no {candidate}.", hint="`hubtools init DIR` writes one that works"
        )
    return None


def _read(file: Path) -> str:
    try:
        return read_within(file, SETTINGS).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8 text (byte {error.start}).", hint="save it as UTF-8"
        ) from None


_DOTS = 100  # in a name; the parser takes time by the square of them


def _merge_file(values: dict[str, dict[str, Any]], source: str, file: Path) -> None:
    for number, line in enumerate(source.splitlines(), start=1):
        if line.partition("=")[0].count(".") > _DOTS:
            raise UsageError(f"{file}:{number}: a name has more than {_DOTS} parts.")
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{file} is not valid TOML: {error}.", hint="strings need quotes, sections [brackets]"
        ) from None
    except RecursionError:
        raise UsageError(f"{file} has lists or tables too deep in each other.") from None
    for section, content in data.items():
        if section not in SECTIONS:
            raise _unknown(section, SECTIONS, f"{file}:{_line_of(source, None, section)}", "")
        if not isinstance(content, dict):
            raise UsageError(
                f"{file}:{_line_of(source, None, section)}: {section} must be a section.",
                hint=f"write [{section}] on a line of its own",
            )
        names = _names(section)
        for key, value in content.items():
            place = f"{file}:{_line_of(source, section, key)}"
            if key not in names:
                raise _unknown(key, names, place, f" in [{section}]")
            if names[key] in values[section]:
                raise UsageError(f"{place}: {key} and {names[key]} are the same setting.")
            values[section][names[key]] = value


def _names(section: str) -> dict[str, str]:
    """Every accepted spelling of the section's settings -> its canonical name."""
    names = {}
    for key, field in SECTIONS[section].model_fields.items():
        for name in (key, *aliases_of(field)):
            names[name] = key
    return names


def _unknown(key: str, known: Mapping[str, Any], place: str, where: str) -> UsageError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    elsewhere = [section for section in SECTIONS if where and key in _names(section)]
    if near:
        hint = f"did you mean {near[0]}?"
    elif elsewhere:
        hint = f"it belongs in [{elsewhere[0]}]"
    else:
        hint = f"known here: {', '.join(known)}"
    return UsageError(f"{place}: unknown key {key!r}{where}.", hint=hint)


def _line_of(source: str, section: str | None, key: str) -> int:
    """Line (from 1) where `key` of `section` is set; for messages only, so a search will do."""
    current: str | None = None
    for number, line in enumerate(source.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([\w.-]+)\s*\]", line):
            current = header[1]
            if current == f"{section}.{key}":
                return number
            if section is None and current.split(".")[0] == key:
                return number
        elif (
            current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line)
        ) or re.match(rf"\s*{re.escape(f'{section}.{key}')}\s*=", line):
            return number
    return 1


def _merge_environment(
    values: dict[str, dict[str, Any]],
    origins: dict[tuple[str, str], str],
    environ: Mapping[str, str],
) -> None:
    for section, model in SECTIONS.items():
        for key, field in model.model_fields.items():
            name = f"HUBTOOLS_{section}_{key}".upper()
            text = environ.get(name)
            if text is None:
                continue
            value: Any = text
            if typing.get_origin(field.annotation) is list:
                value = [part for part in text.split("\n" if "\n" in text else "|") if part]
            elif text == "" and type(None) in typing.get_args(field.annotation):
                value = None
            values[section][key] = _from_here(section, key, value)
            origins[section, key] = name


def _as_usage_error(
    error: ValidationError,
    file: Path | None,
    source: str,
    origins: Mapping[tuple[str, str], str],
) -> UsageError:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    given = first.get("input")
    if len(location) < 2:
        return UsageError(f"{file or 'The settings'}: {message}.")
    section, key = location[0], location[1]
    origin = origins.get((section, key))
    if origin is None and file is not None:
        origin = f"{file}:{_line_of(source, section, key)}: {section}.{key}"
    shown = f", not {given!r}" if isinstance(given, (str, int, float, bool)) else ""
    return UsageError(f"{origin or f'{section}.{key}'} {message}{shown}.")


def to_toml(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings as TOML text; None values are left out, since TOML has no null."""
    lines: list[str] = []
    for section, content in settings.items():
        pairs = [(key, value) for key, value in content.items() if value is not None]
        if not pairs:
            continue
        if lines:
            lines.append("")
        lines.append(f"[{section}]")
        lines.extend(f"{key} = {_toml_value(value)}" for key, value in pairs)
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{_toml_value(key)} = {_toml_value(item)}" for key, item in value.items())
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    text = str(value)
    escaped = "".join(_TOML_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in text)
    return f'"{escaped}"'


_TOML_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
