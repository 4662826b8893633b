"""What an earlier step writes down for a later one: `run.json` and the JSON beside each sample.

Nothing here may name a place on the user's machine: these files are published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hubtools.causes import is_absent
from hubtools.errors import HubtoolsError
from hubtools.files import LinkedOut, json_bytes, json_value, open_inside, open_regular
from hubtools.layout import RUN_MANIFEST
from hubtools.limits import JSON_VALUES, json_values
from hubtools.notebooks import table
from hubtools.rooted import Root
from hubtools.rooted.outputs import keep_changed
from hubtools.summed import JSON_SUM, json_was_changed, summed_json

SCHEMA = 1
_MAX_MANIFEST = 10_000_000  # bytes
_MAX_RECORD = 1_000_000  # bytes


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


Described = TypeVar("Described", bound=BaseModel)


def runs_below(folder: Path) -> list[Path]:
    """The run folders of a project, or of a folder of runs, the one that was begun last first."""
    found = [path for name in ("*", "runs/*") for path in folder.glob(f"{name}/{RUN_MANIFEST}")]
    return [path.parent for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def described(kind: type[Described], data: bytes, path: Path, hint: str) -> Described:
    """What the JSON of the file `path` says. Raises `HubtoolsError` with the first thing that is
    wrong, and for more values than anybody writes: each that is wrong would take some kilobytes."""
    if json_values(data) > JSON_VALUES:
        said = f"it has more than {JSON_VALUES:,} values"
    else:
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            said = f"{where}: {first['msg']}"
    raise HubtoolsError(f"{path} is damaged: {said}.", hint=hint, code="file-damaged")


class BaseModelFacts(_Manifest):
    """The pipeline the LoRA was trained on."""

    id: str | None = Field(description="Hub id, or None for a local folder without one.")
    revision: str | None = Field(None, description="Commit hash the id resolved to, if known.")
    fingerprint: str | None = Field(
        None, description="SHA-256 over the denoiser's files, for a base without a commit."
    )
    family: str = Field(description="Name of the model family in the registry.")
    prediction_type: str = Field(description="epsilon or v_prediction.")
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    random_weights: bool = Field(
        False, description="True for the demo's randomly initialised stand-in."
    )
    bundled: str | None = Field(
        None, description="Name of the base that comes with hubtools, if it is that one."
    )

    @property
    def named(self) -> str | None:
        """What --base-model calls it: its Hub id, or the name of the one that comes with
        hubtools; None for a folder or file that has neither."""
        return self.id or self.bundled


class DatasetFacts(_Manifest):
    """The pictures the LoRA was trained on."""

    repo: str | None = None
    revision: str | None = None
    fingerprint: str = Field(description="SHA-256 over (image bytes, caption) in row order.")
    images: int = Field(description="Those that it was trained on.")
    held_out: int = Field(0, description="Further ones that it was not trained on.")
    of_class: int = Field(0, description="Pictures of the class that it was trained on as well.")
    fingerprint_of_own: str | None = Field(
        None, description="The fingerprint without those of the class, where there are some."
    )
    caption_column: str
    trigger: str | None = None
    class_noun: str | None = Field(None, description="Set where the base was kept to its captions.")
    license: str | None = None


class StartedFrom(_Manifest):
    """The LoRA whose weights a run began with."""

    name: str = Field(description="Hub id, or the name of its run folder or file; never a path.")
    repo: str | None = Field(None, description="Hub id, if it came from there.")
    file: str = Field(description="Name of the weight file.")
    sha256: str
    step: int | None = Field(None, description="Training step, if known.")
    base_model: str | None = Field(None, description="Hub id of its base, if known.")
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None

    @property
    def words(self) -> str:
        """What it is, for a plan or a card."""
        step = f", step {self.step:,}" if self.step is not None else ""
        license = self.license_name or self.license
        under = f"under {license}" if license else "under a licence that it does not say"
        return f"{self.name} ({self.file}{step}, SHA-256 {self.sha256[:12]}), {under}"


class LoraFacts(_Manifest):
    """The adapter file."""

    file: str
    sha256: str
    bytes: int
    rank: int
    alpha: float
    target_modules: list[str]
    parameters: int


class LoraUse(_Manifest):
    """A LoRA that a picture was drawn with."""

    name: str | None = Field(
        None, description="Hub id, or the name of its run folder or file; never a path."
    )
    file: str | None = Field(None, description="Name of the weight file.")
    sha256: str
    weight: float
    step: int | None = Field(None, description="Training step, if known.")


class ControlUse(_Manifest):
    """A picture that another was made from."""

    file: str = Field(description="Its name; never a path.")
    sha256: str


class SampleRecord(_Manifest):
    """Everything needed to draw one picture again; lies beside it as `<name>.json`."""

    file: str
    prompt: str
    negative_prompt: str | None = None
    seed: int
    steps: int
    guidance: float
    guidance_rescale: float = Field(0.0, description="How far its contrast was brought back.")
    scheduler: str = Field(description="Name as given to --scheduler, or `default`.")
    scheduler_class: str
    scheduler_options: dict[str, Any] = Field(
        default_factory=dict, description="What the name adds to the base's configuration."
    )
    width: int
    height: int
    base_model: str | None
    base_revision: str | None = None
    lora_sha256: str | None = Field(None, description="Of the first LoRA.")
    lora_weight: float = Field(0.0, description="Of the first LoRA.")
    loras: list[LoraUse] = Field(default_factory=list, description="All LoRAs, in order.")
    fused: bool = Field(False, description="True if they were added into the base's weights.")
    train_step: int | None = Field(None, description="Training step of the LoRA, if known.")
    prompt_weights: bool | None = Field(
        None,
        description="Whether brackets are weights and long prompts read to the end;"
        " None where that makes no difference.",
    )
    literals: list[str] = Field(
        default_factory=list, description="Words whose brackets are part of them (the trigger)."
    )
    control_images: list[ControlUse] = Field(
        default_factory=list, description="The pictures that it was made from, in order."
    )
    dtype: str = "float32"
    device: str = Field("", description="cpu, cuda or mps.")
    blanked: bool = Field(False, description="True if the safety checker blacked it out.")
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_lora_of_old(self) -> SampleRecord:
        """Records of before there could be several LoRAs name one."""
        if self.lora_sha256 and not self.loras:
            self.loras = [
                LoraUse(sha256=self.lora_sha256, weight=self.lora_weight, step=self.train_step)
            ]
        return self

    def identity(self) -> dict[str, Any]:
        """What decides the pixels: equal identities are the same picture. Leaves out what is known
        only after drawing, where it was drawn, and what the LoRAs are called."""
        content = self.model_dump(exclude={"blanked", "device"})
        content["loras"] = [(lora["sha256"], lora["weight"]) for lora in content["loras"]]
        content["control_images"] = [one["sha256"] for one in content["control_images"]]
        return content


class RunManifest(_Manifest):
    """The facts of one training run (`run.json`)."""

    schema_version: int = SCHEMA
    name: str
    status: Literal["running", "finished", "interrupted", "failed"]
    started: str = Field(description="UTC, ISO 8601.")
    finished: str | None = None
    base_model: BaseModelFacts
    dataset: DatasetFacts
    train: dict[str, Any] = Field(description="The [train] settings as resolved, without paths.")
    steps: int = Field(description="Optimizer steps planned.")
    steps_done: int = 0
    epochs: float
    seed: int
    started_from: StartedFrom | None = Field(
        None, description="The LoRA whose weights the run began with, if any."
    )
    lora: LoraFacts | None = None
    loss_first: float | None = Field(None, description="Mean loss of the first tenth of steps.")
    loss_last: float | None = Field(None, description="Mean loss of the last tenth of steps.")
    validation_loss_first: float | None = Field(
        None, description="Loss of the held-out pictures before the first step."
    )
    validation_loss_last: float | None = Field(None, description="The same after the last step.")
    seconds: float | None = None
    processes: int = Field(1, description="Processes that trained together.")
    device: str = ""
    dtype: str = Field("", description="dtype of the frozen base; the LoRA is float32 always.")
    versions: dict[str, str] = Field(default_factory=dict)
    seal: dict[str, str] | None = Field(
        None, description="By whom it was finished: a mark that only their hubtools can check."
    )
    plan: dict[str, Any] = Field(
        default_factory=dict, exclude=True, description="Figures of a dry run; never written."
    )

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        rows: list[tuple[str, object]] = [
            ("status", self.status),
            ("base", self.base_model.named or self.base_model.family),
            ("pictures", self.dataset.images),
            ("steps", f"{self.steps_done} of {self.steps}"),
        ]
        if self.lora is not None:
            rows.append(
                ("LoRA", f"{self.lora.file}, rank {self.lora.rank}, {self.lora.bytes} bytes")
            )
        if self.loss_first is not None and self.loss_last is not None:
            rows.append(("loss", f"{self.loss_first:.4f} first, {self.loss_last:.4f} last"))
        if self.seconds is not None:
            rows.append(("time of the steps", f"{self.seconds:.0f} s on {self.device}"))
        return table(f"Run {self.name}", (), rows)

    @classmethod
    def read(cls, run_dir: Path) -> RunManifest:
        """Read `run_dir/run.json`. Raises `HubtoolsError` if it is absent or not a manifest."""
        path = run_dir / RUN_MANIFEST
        try:
            with open_inside(run_dir, RUN_MANIFEST) as file:
                return cls._read(file, path)
        except LinkedOut:
            raise HubtoolsError(
                f"{path} is a link that leads out of {run_dir}, and is not read.",
                hint="put the file itself there",
                code="link-refused",
            ) from None
        except (FileNotFoundError, NotADirectoryError):
            raise HubtoolsError(
                f"{run_dir} is no run folder: it has no {RUN_MANIFEST}.",
                hint="give the folder that `hubtools train` wrote",
                code="file-not-found",
                missing=run_dir,
            ) from None

    @classmethod
    def of(cls, path: Path) -> RunManifest:
        """Read the file `path`, wherever it lies. Raises `HubtoolsError` if it is no manifest, and
        `OSError`."""
        with open_regular(path) as file:
            return cls._read(file, path)

    @classmethod
    def _read(cls, file: BinaryIO, path: Path) -> RunManifest:
        data = file.read(_MAX_MANIFEST + 1)
        if len(data) > _MAX_MANIFEST:
            raise HubtoolsError(f"{path} has more than {_MAX_MANIFEST:,} bytes.", code="too-large")
        return described(
            cls,
            data,
            path,
            "run the same `hubtools train` again; it resumes and writes the file anew",
        )

    def write(self, run_dir: Path, note: Callable[[str], None] = lambda sentence: None) -> None:
        """Write `run_dir/run.json` atomically, with a sum of the rest. One that a person has
        changed, or that cannot be read any more, is kept in `.hubtools/replaced` of the run and
        told to `note`."""
        data = summed_json(json_bytes(json_value(self.model_dump_json())))
        with Root(run_dir, create=True) as root:

            def check() -> None:
                if root.is_file(RUN_MANIFEST) and not self._is_as_written(root):
                    keep_changed(root, RUN_MANIFEST, note)

            root.write(RUN_MANIFEST, data, check=check)

    @classmethod
    def _is_as_written(cls, root: Root) -> bool:
        """Whether the `run.json` there says what hubtools has written, however it is laid out; of
        one without a sum (of an earlier version), whether it has no key that is not read."""
        try:
            data = root.read(RUN_MANIFEST, _MAX_MANIFEST)
            known = cls.model_validate_json(data).model_dump(mode="json")
            there = json_value(data)
        except (ValueError, HubtoolsError):
            return False
        if JSON_SUM in there:
            return not json_was_changed(json_bytes(there))
        return not _says_more(there, known)


def _says_more(there: Any, known: Any) -> bool:
    """Whether an object of JSON, or one in it, has a key that the `known` one has not."""
    if isinstance(there, dict) and isinstance(known, dict):
        return any(
            key not in known or _says_more(value, known[key]) for key, value in there.items()
        )
    if isinstance(there, list) and isinstance(known, list):
        return any(map(_says_more, there, known))
    return False


def changed_versions(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """`torch 2.12.0 (now 2.13.0)` for each library that has another version than it had `before`;
    one that is not there at both times is left out."""
    return [
        f"{name} {version} (now {now[name]})"
        for name, version in before.items()
        if name in now and now[name] != version
    ]


def read_samples(folder: Path) -> list[SampleRecord]:
    """The records of all pictures in `folder`, sorted by file name; unreadable ones are left out
    (a picture without a readable record proves nothing and is not shown on a card)."""
    if not folder.parent.is_dir():
        return []
    with Root(folder.parent) as root:
        if root.is_link(folder.name):
            raise HubtoolsError(
                f"{folder} is a symbolic link.", hint="make it a folder", code="link-refused"
            )
        if not root.is_folder(folder.name):
            return []
        with root.inside(folder.name) as samples:
            names = [name for name in samples.list() if name.endswith(".json")]
            found = [(name, read_record_of(samples, name)) for name in names]
            return [r for name, r in found if r and _is_beside(r, name) and samples.is_file(r.file)]


def _is_beside(record: SampleRecord, name: str) -> bool:
    """False for a record under another name than its picture's: a write that was killed leaves one,
    and the picture would be told twice."""
    return PurePath(record.file).with_suffix(".json").name == name


def read_record_of(folder: Root, name: str) -> SampleRecord | None:
    """The record `name` (`x.json`) of a picture beside it; None if it is none, or speaks of a
    picture elsewhere. Never through a link."""
    try:
        record = SampleRecord.model_validate_json(folder.read(name, _MAX_RECORD))
    except OSError as error:
        if not is_absent(error):
            raise
        return None
    except (ValueError, HubtoolsError):
        return None
    beside = "/" not in record.file and "\\" not in record.file and record.file not in ("", "..")
    return record if beside else None
