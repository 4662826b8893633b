"""What a model card may say: only what a manifest, a file or a setting says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubtools.cards.escape import hub_file, is_inside
from hubtools.cards.evaluation import EvaluationCard, evaluation_card
from hubtools.cards.license import license_sentence_of, model_license
from hubtools.cards.showing import (
    ComfyUI,
    Comparison,
    Shown,
    base_image_name,
    citation,
    comfyui,
    pairs,
    sample_folders,
    summary,
)
from hubtools.cards.snippet import snippet
from hubtools.errors import HubtoolsError
from hubtools.files import human_bytes, sha256_of
from hubtools.findings import plural
from hubtools.layout import LORA_WEIGHTS, RUN_MANIFEST
from hubtools.licensing.resolve import License
from hubtools.lorafile.companions import Companion, companions
from hubtools.manifest import RunManifest, SampleRecord, read_samples
from hubtools.models.lookup import title_of
from hubtools.models.registry import SUPPORTED
from hubtools.project import Project
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


def _file(path: Path, repo: str | None) -> File:
    download = hub_file(repo, path.name) if repo else None
    return File(path.name, path.stat().st_size, sha256_of(path), download)


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
    steps: int
    trigger: str | None
    negative_prompt: str | None
    samples: tuple[Sample, ...]
    snippet: str
    training: tuple[tuple[str, str], ...]
    weights: str
    weights_bytes: int
    weights_size: str  # in words
    weights_sha256: str
    license: License
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
    front_matter: dict[str, Any] = field(default_factory=dict)


def model_facts(run_dir: Path, project: Project) -> tuple[ModelCard, list[Shown]]:
    """Gather the facts of a finished run, and the pictures that its card shows, those of the
    gallery first: of the run's own samples, and of what `generate` drew with its LoRA.

    Raises `HubtoolsError` if the run has no LoRA yet, or if its licence cannot be told.
    """
    if run_dir.is_dir() and not (run_dir / RUN_MANIFEST).is_file():
        raise HubtoolsError(
            f"{run_dir} is no run folder: it has no {RUN_MANIFEST}, from which a card is written.",
            hint="give the folder that `hubtools train` wrote; for a LoRA from elsewhere write"
            " README.md yourself, and `hubtools card --check` looks at it",
            code="wrong-kind",
        )
    manifest = RunManifest.read(run_dir)
    name = manifest.lora.file if manifest.lora else LORA_WEIGHTS
    weights = run_dir / name
    if manifest.lora is None or not is_inside(name) or not weights.is_file():
        raise HubtoolsError(
            f"{run_dir} has no finished LoRA yet.",
            hint="finish the training: `hubtools train`",
            code="file-not-found",
        )
    beside = _beside(run_dir, name, project.model.adapters)
    names = [one.file for one in beside]
    drawn = [(r, one) for one in sample_folders(run_dir, project) for r in read_samples(one)]
    all_records, folder_of = [r for r, _ in drawn], {id(r): folder for r, folder in drawn}
    records = gallery(all_records, manifest)
    bare = pairs(records, all_records)
    measured = evaluation_card(run_dir, manifest.lora.sha256)
    base_model = manifest.base_model.id or project.train.base_model_repo
    license = model_license(manifest, project, base_model)
    trigger = manifest.dataset.trigger
    repo = project.model.repo
    title = repo.partition("/")[2] if repo else manifest.name
    first = records[0] if records else None
    card = ModelCard(
        title=project.model.title or title,
        repo=repo,
        base_model=base_model,
        random_base=manifest.base_model.random_weights,
        family=manifest.base_model.family,
        family_title=title_of(manifest.base_model.family),
        dataset_repo=manifest.dataset.repo,
        dataset_revision=manifest.dataset.revision,
        pictures=plural(manifest.dataset.images, "picture"),
        steps=manifest.steps_done,
        trigger=trigger,
        negative_prompt=first.negative_prompt if first else None,
        samples=tuple(_sample(record, index) for index, record in enumerate(records)),
        snippet=snippet(
            base_model,
            repo,
            weights.name,
            first,
            trigger,
            SUPPORTED.get(manifest.base_model.family),
            beside,
        ),
        files=tuple(_file(run_dir / one, repo) for one in (weights.name, *names)),
        adapters=tuple(one.file for one in beside if one.kind == "adapter"),
        words=tuple(dict.fromkeys(word for one in beside for word in one.words)),
        training=tuple(_training(manifest)),
        dora=bool(manifest.train.get("use_dora")),
        weights=weights.name,
        weights_bytes=weights.stat().st_size,
        weights_size=human_bytes(weights.stat().st_size),
        weights_sha256=sha256_of(weights),
        license=license,
        license_sentence=license_sentence_of(license, base_model, manifest.started_from),
        evaluation=measured,
        comparisons=tuple(
            Comparison(record.prompt, base_image_name(index), image_name(index))
            for index, record in bare
        ),
        comfyui=comfyui(weights, repo, title, float(measured.weight) if measured else 1.0),
        summary=tuple(summary(manifest)),
        resolution=manifest.train.get("resolution"),
        download=hub_file(repo, weights.name) if repo else None,
        citation=citation(repo, project.model.title or title, manifest.started) if repo else None,
    )
    card.front_matter.update(_model_front_matter(card, records))
    named = [(image_name(index), record) for index, record in enumerate(records)]
    named += [(base_image_name(index), record) for index, record in bare]
    return card, [Shown(name, record, folder_of[id(record)]) for name, record in named]


def _beside(run_dir: Path, weights: str, adapters: Sequence[str]) -> tuple[Companion, ...]:
    """What is loaded with the LoRA: embeddings that lie beside it, adapters that were named."""
    with Root(run_dir) as root:
        tops = [n for n in root.list() if n.endswith(".safetensors") and root.is_file(n)]
        headers = {name: read_header(root.opened(name)) for name in tops}
    return companions(headers, weights, adapters)


def gallery(all_records: Iterable[SampleRecord], manifest: RunManifest) -> list[SampleRecord]:
    """The pictures worth showing: drawn with the finished LoRA and no other, not blanked; those
    whose prompt has the trigger first (the Hub's page takes the first as its example prompt)."""
    sha256 = manifest.lora.sha256 if manifest.lora else None
    records = [
        record
        for record in all_records
        if not record.blanked and record.lora_weight and record.lora_sha256 == sha256
        if not any(lora.weight for lora in record.loras[1:])
    ]
    trigger = manifest.dataset.trigger
    if trigger:
        records.sort(key=lambda record: trigger not in record.prompt)
    return records[:GALLERY_LIMIT]


def image_name(index: int) -> str:
    """Path of a gallery picture in the repository."""
    return f"images/{index:02d}.png"


def _sample(record: SampleRecord, index: int) -> Sample:
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


def _training(manifest: RunManifest) -> list[tuple[str, str]]:
    train, lora = manifest.train, manifest.lora
    assert lora is not None
    rows: list[tuple[str, Any]] = [
        ("base model", manifest.base_model.id),
        ("base revision", manifest.base_model.revision),
        ("prediction type", manifest.base_model.prediction_type),
        ("pictures", manifest.dataset.images),
        ("pictures held out", manifest.dataset.held_out or None),
        ("dataset", manifest.dataset.repo),
        ("dataset revision", manifest.dataset.revision),
        ("steps", manifest.steps_done),
        ("epochs", round(manifest.epochs, 2)),
        ("rank", lora.rank),
        ("alpha", f"{lora.alpha:g}"),
        ("kind", _kind(train)),
        ("started from", manifest.started_from.words if manifest.started_from else None),
        ("target modules", ", ".join(lora.target_modules)),
        ("trained parameters", f"{lora.parameters:,}"),
    ]
    for key in (
        "resolution", "train_batch_size", "gradient_accumulation_steps", "learning_rate",
        "lr_scheduler", "lr_warmup_steps", "snr_gamma", "noise_offset", "caption_dropout",
        "random_flip", "max_grad_norm",
        # written down only where they are set
        "aspect_ratio_buckets", "bucket_reso_steps", "resolutions", "crops_per_image",
        "debiased_estimation_loss", "loss_type", "huber_schedule", "huber_c",
        "multires_noise_iterations", "multires_noise_discount", "input_perturbation",
        "optimizer", "lr_step_rules", "prodigy_d_coef", "use_ema", "ema_decay",
        "train_text_encoder", "text_encoder_lr", "adam_weight_decay_text_encoder",
        "unmasked_weight", "shuffle_caption", "keep_tokens", "caption_tag_dropout_rate",
        "rank_pattern", "alpha_pattern",
    ):  # fmt: skip
        value = train.get(key)
        if isinstance(value, dict):
            value = [f"{name} = {number}" for name, number in value.items()]
        rows.append((key, ", ".join(map(str, value)) if isinstance(value, list) else value))
    rows += [
        ("seed", manifest.seed),
        ("precision of the base", manifest.dtype or None),
        ("device", manifest.device or None),
        ("time", f"{manifest.seconds:.0f} s" if manifest.seconds else None),
        ("loss, first tenth", _figure(manifest.loss_first)),
        ("loss, last tenth", _figure(manifest.loss_last)),
        ("loss of held-out pictures, before", _figure(manifest.validation_loss_first)),
        ("loss of held-out pictures, after", _figure(manifest.validation_loss_last)),
        ("versions", ", ".join(f"{k} {v}" for k, v in manifest.versions.items()) or None),
    ]
    return [(name, str(value)) for name, value in rows if value is not None]


def _kind(train: dict[str, Any]) -> str | None:
    """What is otherwise than in a plain LoRA."""
    words = [
        word for key, word in (("use_dora", "DoRA"), ("use_rslora", "rsLoRA")) if train.get(key)
    ]
    return ", ".join(words) or None


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _model_front_matter(card: ModelCard, records: list[SampleRecord]) -> dict[str, Any]:
    data: dict[str, Any] = {"license": card.license.id}
    if card.license.id == "other":
        data |= {"license_name": card.license.name, "license_link": card.license.link}
    if card.license.reason:
        data["license_details"] = card.license.reason
    if card.base_model:
        data |= {"base_model": card.base_model, "base_model_relation": "adapter"}
    data |= {"library_name": "diffusers", "pipeline_tag": "text-to-image"}
    if card.trigger:
        data["instance_prompt"] = card.trigger
    if card.dataset_repo:
        data["datasets"] = [card.dataset_repo]
    data["tags"] = [
        "text-to-image",
        "lora",
        *(["dora"] if card.dora else []),
        "diffusers",
        card.family,
        "template:sd-lora",
        "hubtools",
    ]
    if records:
        data["widget"] = [_widget(record, index) for index, record in enumerate(records)]
    return data


def _widget(record: SampleRecord, index: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"text": record.prompt}
    if record.negative_prompt:
        entry["parameters"] = {"negative_prompt": record.negative_prompt}
    entry["output"] = {"url": image_name(index)}
    return entry
