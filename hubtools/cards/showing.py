"""What a model card shows beside its gallery: base against LoRA, other programs, a summary."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hubtools.cards.escape import hub_file
from hubtools.files import open_regular
from hubtools.findings import plural
from hubtools.layout import SAMPLES_DIR
from hubtools.lorafile.look import Weights, look
from hubtools.manifest import RunManifest, SampleRecord, read_samples
from hubtools.project import Project
from hubtools.training.optimizer_kinds import KINDS
from hubtools.whereabouts import from_here

COMPARISONS = 4
_MOST = 10**9  # of any number that a run was set to


@dataclass(frozen=True)
class Comparison:
    """One prompt drawn by the bare base and with the LoRA from the same noise; paths of pictures
    in the repository."""

    prompt: str
    base_image: str
    lora_image: str


@dataclass(frozen=True)
class ComfyUI:
    """How to use the file there. `file`: the name to save it under; `strength` of its node."""

    download: str | None
    file: str
    strength: str


def base_image_name(index: int) -> str:
    """Path of the base's picture beside that of the gallery."""
    return f"images/base_{index:02d}.png"


class Shown(NamedTuple):
    """A picture of a card: its path in the repository, its name in its folder, its record (None if
    another program drew it), and the folder."""

    name: str
    file: str
    record: SampleRecord | None
    folder: Path


def sample_folders(run_dir: Path, project: Project) -> list[Path]:
    """Where pictures drawn with a run's LoRA lie: in the run, and where `generate` draws to."""
    folders = [run_dir / SAMPLES_DIR]
    if project.file is not None:
        folders.append(project.place_for(SAMPLES_DIR))
    return list({folder.absolute(): folder for folder in folders}.values())


def fits(record: SampleRecord, sha256: Collection[str]) -> bool:
    """Whether a picture was drawn with this LoRA (one of the hashes `sha256`) and no other, and
    shows something."""
    others = any(lora.weight for lora in record.loras[1:])
    return (
        bool(record.lora_weight) and record.lora_sha256 in sha256 and not (record.blanked or others)
    )


class Drawn(NamedTuple):
    """Pictures with the folders that they lie in: all, those that the gallery may show, and those
    that were drawn with the LoRA for something else."""

    every: list[tuple[SampleRecord, Path]]
    shown: list[tuple[SampleRecord, Path]]
    left: list[tuple[SampleRecord, Path]]

    @property
    def said(self) -> list[str]:
        """A sentence on those that are left out, if there are any."""
        if not self.left:
            return []
        first, place = self.left[0]
        more = f" and {len(self.left) - 1} more" if len(self.left) > 1 else ""
        named = shlex.quote(from_here(place / first.file))
        samples = shlex.quote(from_here(self.every[0][1]))
        said = f"Not on the card, which shows the samples of the run: {named}{more}."
        return [f"{said} `hubtools generate WORDS --output {samples}` draws for the card."]


def drawn_for(run_dir: Path, project: Project, sha256: Collection[str]) -> Drawn:
    """The pictures of a run whose LoRA has one of the hashes `sha256`. Where its own folder has
    samples, what `generate` drew beside the project is shown only for a prompt of theirs or one of
    `samples.prompts`: other words were tried out."""
    folders = sample_folders(run_dir, project)
    every = [(record, one) for one in folders for record in read_samples(one)]
    fitting = [(record, one) for record, one in every if fits(record, sha256)]
    own = {record.prompt for record, one in fitting if one == folders[0]}
    asked = own | {*project.samples.prompts}
    left = [one for one in fitting if own and one[0].prompt not in asked]
    return Drawn(every, [one for one in fitting if not own or one[0].prompt in asked], left)


def pairs(
    gallery: Sequence[SampleRecord], all_records: Sequence[SampleRecord]
) -> list[tuple[int, SampleRecord]]:
    """(index in the gallery, the base's picture of the same prompt and noise), a few at most."""
    bare = {noise_of(record): record for record in all_records if _is_of_the_base(record)}
    found = [(index, bare.get(noise_of(record))) for index, record in enumerate(gallery)]
    return [(index, record) for index, record in found if record is not None][:COMPARISONS]


def _is_of_the_base(record: SampleRecord) -> bool:
    """True for a picture of the bare base. (One of a training under way has a weight, and names no
    LoRA, which was in no file yet.)"""
    weights = [record.lora_weight, *(lora.weight for lora in record.loras)]
    return not record.blanked and not any(weights)


_OF_THE_LORA = (
    "file", "loras", "lora_sha256", "lora_weight", "fused", "train_step", "versions", "literals",
)  # fmt: skip


def noise_of(record: SampleRecord) -> str:
    """What decides a picture but for the LoRA."""
    same = {key: said for key, said in record.identity().items() if key not in _OF_THE_LORA}
    return json.dumps(same, sort_keys=True, default=str)


def comfyui(
    weights: Path, repo: str | None, title: str, weight: float, family: str | None
) -> ComfyUI | None:
    """For a file that ComfyUI takes whole, for a base of `family`. It reads no alpha from the
    header, so that its strength may have to be another one than diffusers' weight; None if no
    single one does."""
    found = look(partial(open_regular, weights), weights.stat().st_size)
    return comfyui_of(found, weights.name, repo, title, weight, family)


def comfyui_of(
    found: Weights, file: str, repo: str | None, title: str, weight: float, family: str | None
) -> ComfyUI | None:
    """`comfyui` of a file that was looked at, published as `file`."""
    if not found.is_adapter:
        return None
    whole = {part.name for part in found.parts}
    ours, theirs = found.strengths(header=True), found.strengths(header=False)
    if not whole or found.taken_by_comfyui(family) != whole or not len(ours) == len(theirs) == 1:
        return None
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in title)
    address = hub_file(repo, file) if repo else None
    strength = weight * ours[0] / theirs[0]
    return ComfyUI(address, f"{name or 'lora'}.safetensors", f"{strength:.3g}")


def citation(repo: str, title: str, started: str) -> str | None:
    """BibTeX (https://www.bibtex.com/format) for a repository; None for what is no id."""
    owner, _, name = repo.partition("/")
    if hub_file(repo, "x") is None or not name:
        return None
    plain = " ".join(re.sub(r"[^\w .,:()/-]", " ", title).split())
    year = f"  year = {{{started[:4]}}},\n" if re.match(r"[0-9]{4}-", started) else ""
    key = re.sub(r"[^A-Za-z0-9]+", "-", f"{owner}-{name}").strip("-")
    return (
        f"@misc{{{key},\n  author = {{{owner}}},\n"
        f"  title = {{{plain}}},\n{year}"
        f"  url = {{https://huggingface.co/{owner}/{name}}},\n}}"
    )


def summary(manifest: RunManifest) -> list[tuple[str, str]]:
    """A training in six lines."""
    train, lora = manifest.train, manifest.lora
    assert lora is not None
    texts = ", text encoders too" if train.get("train_text_encoder") is True else ""
    batch = int(_number(train, "train_batch_size") or 1)
    batch *= int(_number(train, "gradient_accumulation_steps") or 1)
    epochs = plural(manifest.epochs, "epoch")
    rows = [
        ("steps", f"{manifest.steps_done}, each of {plural(batch, 'picture')}, {epochs}"),
        ("resolution", f"{train['resolution']} px" if "resolution" in train else ""),
        ("optimizer", _optimizer(train)),
        ("learning rate", _rate(train)),
        ("average", _average(train)),
        ("prior preservation", _prior(manifest)),
        (
            "LoRA",
            f"rank {lora.rank}, alpha {lora.alpha:g}, {lora.parameters:,} parameters{texts}",
        ),
        ("precision of the base", manifest.dtype or ""),
        ("time", f"{_time(manifest.seconds)} on {manifest.device}" if manifest.seconds else ""),
    ]
    return [(name, text) for name, text in rows if text]


def _prior(manifest: RunManifest) -> str:
    if manifest.train.get("with_prior_preservation") is not True:
        return ""
    pictures = plural(manifest.dataset.of_class, "picture")
    return f"{pictures} of the class" if manifest.dataset.of_class else "on the base's own answers"


def _number(train: dict[str, Any], key: str) -> float | None:
    """A setting of a run, whose record anybody may have written; None if it is no number."""
    value = train.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) < _MOST else None


def _rate(train: dict[str, Any]) -> str:
    rate = _number(train, "learning_rate")
    if rate is None:
        return ""
    schedule = train.get("lr_scheduler")
    factor = " times what Prodigy finds" if train.get("optimizer") == "prodigy" else ""
    return f"{rate:g}{factor}" + (f", {schedule}" if schedule else "")


def _optimizer(train: dict[str, Any]) -> str:
    """Written down where it is another than AdamW; whoever wrote a record, only known names are
    shown."""
    kind = KINDS.get(str(train.get("optimizer")))
    return f"{kind.title} ({kind.told})" if kind and kind.told else ""


def _average(train: dict[str, Any]) -> str:
    decay = _number(train, "ema_decay")
    if train.get("use_ema") is not True or decay is None:
        return ""
    return f"of the steps (exponential, decay {decay:g} at most): its weights are the average"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
