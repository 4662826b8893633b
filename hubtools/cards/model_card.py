"""What the template of a model card may use, and what it becomes in the front matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubtools.cards.escape import hub_file
from hubtools.cards.evaluation import EvaluationCard
from hubtools.cards.showing import ComfyUI, Comparison, noise_of
from hubtools.files import sha256_of
from hubtools.licensing.resolve import License
from hubtools.lorafile.companions import Companion, companions
from hubtools.manifest import SampleRecord
from hubtools.rooted import Root
from hubtools.weights import read_header

GALLERY_LIMIT = 12


@dataclass(frozen=True)
class Sample:
    """A picture of the gallery. `image` is its path in the repository."""

    image: str
    prompt: str
    seed: int
    steps: int
    guidance: float
    scheduler: str
    width: int
    height: int
    lora_weight: float


@dataclass(frozen=True)
class File:
    """A weight file of the release; `download` is its address on the Hub, or None."""

    name: str
    bytes: int
    sha256: str
    download: str | None


def file_of(path: Path, repo: str | None, name: str | None = None) -> File:
    """A weight file as a card lists it; `name`: what it is published as."""
    name = name or path.name
    download = hub_file(repo, name) if repo else None
    return File(name, path.stat().st_size, sha256_of(path), download)


@dataclass(frozen=True)
class ModelCard:
    """What the template of a model card may use (as `card`)."""

    title: str
    repo: str | None
    base_model: str | None
    random_base: bool
    family: str
    family_title: str
    dataset_repo: str | None
    dataset_revision: str | None
    pictures: str  # "21 pictures"
    steps: int | None
    trigger: str | None
    negative_prompt: str | None
    samples: tuple[Sample, ...]
    snippet: str
    training: tuple[tuple[str, str], ...]
    weights: str
    weights_bytes: int
    weights_size: str  # in words
    weights_sha256: str
    license: License | None
    license_sentence: str
    evaluation: EvaluationCard | None = None
    comparisons: tuple[Comparison, ...] = ()
    comfyui: ComfyUI | None = None
    summary: tuple[tuple[str, str], ...] = ()
    resolution: int | None = None
    download: str | None = None
    citation: str | None = None
    files: tuple[File, ...] = ()  # the LoRA, and what is loaded with it
    adapters: tuple[str, ...] = ()  # further LoRA files that belong to the release
    dora: bool = False
    words: tuple[str, ...] = ()  # that embeddings beside the LoRA bring
    from_pictures: bool = False  # it makes pictures from others
    companions: tuple[Companion, ...] = ()  # what is loaded with the LoRA
    bundled: str | None = None  # name of the base, if it is the one that comes with hubtools
    # of one that was not trained here some of the above is empty
    trained_here: bool = True
    kind: str = "LoRA"  # or LoHa, DoRA, ...
    fault: str | None = None  # why diffusers would not load it as it is
    command: str | None = None  # what mends that, as it is typed
    heading: bool = True  # False where the author's own words have one
    gallery: bool = False
    notes: tuple[str, ...] = ()  # for whoever has it written
    front_matter: dict[str, Any] = field(default_factory=dict)


def gallery(fitting: Iterable[SampleRecord], trigger: str | None) -> list[SampleRecord]:
    """The pictures worth showing of those that `showing.drawn_for` found: each once though
    `generate` and `ship` may both have drawn it; those whose prompt has the trigger first (the
    Hub's page takes the first as its example prompt)."""
    once: dict[tuple[str, float], SampleRecord] = {}
    for record in fitting:
        once.setdefault((noise_of(record), record.lora_weight), record)
    records = list(once.values())
    if trigger:
        records.sort(key=lambda record: trigger not in record.prompt)
    return records[:GALLERY_LIMIT]


def image_name(index: int) -> str:
    """Path of a gallery picture in the repository."""
    return f"images/{index:02d}.png"


def sample_of(record: SampleRecord, index: int) -> Sample:
    """A picture of the gallery with what it was drawn with."""
    return Sample(
        image_name(index),
        record.prompt,
        record.seed,
        record.steps,
        record.guidance,
        record.scheduler_class if record.scheduler == "default" else record.scheduler,
        record.width,
        record.height,
        record.lora_weight,
    )


def beside(run_dir: Path, weights: str, adapters: Sequence[str]) -> tuple[Companion, ...]:
    """What is loaded with the LoRA: embeddings that lie beside it, adapters that were named."""
    with Root(run_dir) as root:
        tops = [n for n in root.list() if n.endswith(".safetensors") and root.is_file(n)]
        headers = {name: read_header(root.opened(name)) for name in tops}
    return companions(headers, weights, adapters)


def front_matter_of(card: ModelCard, shown: Sequence[tuple[str, str | None]]) -> dict[str, Any]:
    """The front matter. `shown`: (prompt, negative prompt) of the pictures of the gallery."""
    data: dict[str, Any] = {}
    task = "image-to-image" if card.from_pictures else "text-to-image"
    if card.license is not None:
        data["license"] = card.license.id
        if card.license.id == "other":
            data |= {"license_name": card.license.name, "license_link": card.license.link}
        if card.license.reason:
            data["license_details"] = card.license.reason
    if card.base_model:
        data |= {"base_model": card.base_model, "base_model_relation": "adapter"}
    data |= {"library_name": "diffusers", "pipeline_tag": task}
    if card.trigger:
        data["instance_prompt"] = card.trigger
    if card.dataset_repo:
        data["datasets"] = [card.dataset_repo]
    data["tags"] = [
        task,
        "lora",
        *(["dora"] if card.dora else []),
        "diffusers",
        *([card.family] if card.family else []),
        "template:sd-lora",
        "hubtools",
    ]
    if shown:
        data["widget"] = [_widget(*prompts, index) for index, prompts in enumerate(shown)]
    return data


def _widget(prompt: str, negative: str | None, index: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"text": prompt}
    if negative:
        entry["parameters"] = {"negative_prompt": negative}
    entry["output"] = {"url": image_name(index)}
    return entry
