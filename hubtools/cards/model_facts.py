"""What a model card may say: only what a manifest, a file or a setting says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubtools.cardlinks import is_inside
from hubtools.cards.escape import hub_file
from hubtools.cards.foreign_facts import base_set, foreign_facts, remembering
from hubtools.cards.gathered import gathered
from hubtools.cards.license import license_sentence_of, model_license
from hubtools.cards.merge import Own, own_words
from hubtools.cards.model_card import (
    ModelCard,
    front_matter_of,
)
from hubtools.cards.showing import (
    Shown,
    citation,
    comfyui,
    summary,
)
from hubtools.cards.snippet import snippet
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import human_bytes
from hubtools.findings import plural
from hubtools.layout import LORA_WEIGHTS, RUN_MANIFEST
from hubtools.lorafile.provenance import base_of_card
from hubtools.manifest import RunManifest
from hubtools.models.families.noise import FLOW
from hubtools.models.lookup import title_of
from hubtools.models.registry import SUPPORTED
from hubtools.printable import number
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.training.choices import OF_FLOW, OF_NOISE


def model_facts(
    run_dir: Path, project: Project, said: Own | None = None
) -> tuple[ModelCard, list[Shown]]:
    """Gather the facts of a finished run, and the pictures that its card shows, those of the
    gallery first: of the run's own samples, and of what `generate` drew with its LoRA. `said`: what
    a person has said; default: on the card that the folder has.

    Of a LoRA that was not trained here, what `foreign_facts` gathers. Raises `HubtoolsError` if the
    run has no LoRA yet, or if its licence cannot be told.
    """
    if run_dir.is_dir() and not (run_dir / RUN_MANIFEST).is_file():
        return foreign_facts(run_dir, project)
    manifest = RunManifest.read(run_dir)
    name = manifest.lora.file if manifest.lora else LORA_WEIGHTS
    weights = run_dir / name
    if manifest.lora is None or not is_inside(name) or not weights.is_file():
        raise HubtoolsError(
            f"{run_dir} has no finished LoRA yet.",
            hint="finish the training: `hubtools train`",
            code="file-not-found",
        )
    with Root(run_dir) as root:
        own = own_words(root) if said is None else said
    project = remembering(project, own)
    found = gathered(
        run_dir, weights, project, manifest.dataset.trigger, sha256=manifest.lora.sha256
    )
    base_model = _base_of(run_dir, manifest, project) or base_of_card(own.data)
    license = model_license(manifest, project, base_model, own)
    trigger = manifest.dataset.trigger
    repo = project.model.repo
    title = repo.partition("/")[2] if repo else manifest.name
    first, measured = found.first, found.measured
    card = ModelCard(
        title=project.model.title or title,
        repo=repo,
        base_model=base_model,
        bundled=manifest.base_model.bundled,
        random_base=manifest.base_model.random_weights,
        family=manifest.base_model.family,
        family_title=title_of(manifest.base_model.family),
        dataset_repo=manifest.dataset.repo or _named_since(run_dir, project),
        dataset_revision=manifest.dataset.revision,
        pictures=plural(manifest.dataset.images, "picture"),
        steps=manifest.steps_done,
        trigger=trigger,
        negative_prompt=first.negative_prompt if first else None,
        samples=found.samples,
        snippet=snippet(
            base_model,
            repo,
            weights.name,
            first,
            trigger,
            SUPPORTED.get(manifest.base_model.family),
            found.companions,
        ),
        files=found.files,
        adapters=found.adapters,
        companions=found.companions,
        words=found.words,
        from_pictures=bool(first and first.control_images),
        training=tuple(_training(manifest)),
        dora=bool(manifest.train.get("use_dora")),
        weights=weights.name,
        weights_bytes=found.files[0].bytes,
        weights_size=human_bytes(found.files[0].bytes),
        weights_sha256=found.files[0].sha256,
        license=license,
        license_sentence=license_sentence_of(license, base_model, manifest.started_from),
        evaluation=measured,
        comparisons=found.comparisons,
        comfyui=comfyui(
            weights,
            repo,
            title,
            float(measured.weight) if measured else 1.0,
            manifest.base_model.family,
        ),
        summary=(*summary(manifest), *found.precision),
        gallery=bool(found.records),
        notes=found.notes,
        resolution=manifest.train.get("resolution"),
        download=hub_file(repo, weights.name) if repo else None,
        citation=citation(repo, project.model.title or title, manifest.started) if repo else None,
    )
    card.front_matter.update(front_matter_of(card, found.prompts))
    return card, found.shown


def _named_since(run_dir: Path, project: Project) -> str | None:
    """The repository of the pictures of the project's own run, which had none at the training."""
    own = run_dir.resolve() == project.run_dir.resolve()
    return project.dataset.repo if own else None


def _base_of(run_dir: Path, manifest: RunManifest, project: Project) -> str | None:
    """The Hub id of a run's base. Raises `UsageError` for another that was typed."""
    known, train = manifest.base_model.id, project.train
    typed = "train.pretrained_model_name_or_path" in project.given
    named = base_set(project)[0] if typed and not train.base_model_repo else None
    if known and named and named != known:
        raise UsageError(
            f"{run_dir} was trained on {known}, as its {RUN_MANIFEST} says, not on {named}.",
            hint="leave --base-model out",
        )
    return known or train.base_model_repo or named


def _training(manifest: RunManifest) -> list[tuple[str, str]]:
    """Settings and results of a run as (name, value); settings that mean nothing with its base are
    left out."""
    train, lora = manifest.train, manifest.lora
    assert lora is not None
    rows: list[tuple[str, Any]] = [
        ("base model", manifest.base_model.named),
        ("base revision", manifest.base_model.revision),
        ("prediction type", manifest.base_model.prediction_type),
        ("pictures", manifest.dataset.images),
        ("pictures held out", manifest.dataset.held_out or None),
        *_prior(manifest),
        ("dataset", manifest.dataset.repo),
        ("dataset revision", manifest.dataset.revision),
        ("steps", manifest.steps_done),
        ("epochs", number(manifest.epochs)),
        ("rank", lora.rank),
        ("alpha", f"{lora.alpha:g}"),
        ("kind", _kind(train)),
        ("started from", manifest.started_from.words if manifest.started_from else None),
        ("target modules", ", ".join(lora.target_modules)),
        ("trained parameters", f"{lora.parameters:,}"),
    ]
    meaningless = OF_NOISE if manifest.base_model.prediction_type == FLOW else OF_FLOW
    for key in (
        "resolution", "train_batch_size", "gradient_accumulation_steps", "learning_rate",
        "lr_scheduler", "lr_warmup_steps", "snr_gamma", "noise_offset", *OF_FLOW,
        "caption_dropout", "random_flip", "max_grad_norm",
        # written down only where they are set
        "aspect_ratio_buckets", "bucket_reso_steps", "resolutions", "crops_per_image",
        "debiased_estimation_loss", "loss_type", "huber_schedule", "huber_c",
        "multires_noise_iterations", "multires_noise_discount", "input_perturbation",
        "optimizer", "lr_step_rules", "prodigy_d_coef", "use_ema", "ema_decay",
        "train_text_encoder", "text_encoder_lr", "adam_weight_decay_text_encoder",
        "unmasked_weight", "shuffle_caption", "keep_tokens", "caption_tag_dropout_rate",
        "rank_pattern", "alpha_pattern",
    ):  # fmt: skip
        value = None if key in meaningless else train.get(key)
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


def _prior(manifest: RunManifest) -> list[tuple[str, Any]]:
    """What kept the class as it was, if a run had prior preservation."""
    if not manifest.train.get("with_prior_preservation"):
        return []
    return [
        ("pictures of the class", manifest.dataset.of_class or None),
        ("with_prior_preservation", True),
        ("class_noun", manifest.dataset.class_noun),
        *((name, manifest.train.get(name)) for name in ("class_prompt", "prior_loss_weight")),
    ]


def _kind(train: dict[str, Any]) -> str | None:
    """What is otherwise than in a plain LoRA."""
    words = [
        word for key, word in (("use_dora", "DoRA"), ("use_rslora", "rsLoRA")) if train.get(key)
    ]
    return ", ".join(words) or None


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
