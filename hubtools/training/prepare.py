"""From settings to a plan, and from a plan to encoded pictures: all that precedes the loop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import ChecksFailed, HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.inference.shots import prompts_of
from hubtools.models.families.protocol import BaseInfo, Family, Model, Tensors, family_of
from hubtools.progress import Reporter
from hubtools.project import Project
from hubtools.training.adapter import add_lora
from hubtools.training.cache import Cache
from hubtools.training.data import Picture, geometry, pixels
from hubtools.training.device import World, check_xformers, precision_of
from hubtools.training.plan import Plan
from hubtools.training.recipe import make_recipe
from hubtools.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

    from hubtools.dataset.load import Example
    from hubtools.dataset.tokens import TokenCounter
    from hubtools.models.base import Base


@dataclass(frozen=True)
class Source:
    """The pictures: where they lie, and where they came from if that was the Hub."""

    folder: Path
    repo: str | None
    revision: str | None
    examples: list[Example]
    fingerprint: str
    sizes: list[tuple[int, int]]


def find_pictures(
    project: Project, reporter: Reporter, *, from_hub: bool, skip_validation: bool
) -> Source:
    """Read the captions of the local folder, or of `dataset.repo` if there is none or `from_hub`.

    Raises `ChecksFailed` if the folder does not pass `validate`, `HubtoolsError` if there are no
    pictures.
    """
    from hubtools.dataset.load import fetch_dataset, fingerprint, read_examples

    settings = project.dataset
    folder, repo, revision = project.dataset_dir, settings.repo, None
    if from_hub or not folder.is_dir():
        if repo is None:
            raise UsageError(
                f"There is no folder {folder} to train on.",
                hint="give one with --train-data-dir DIR, or a Hub dataset with --dataset-name",
            )
        reporter.note(f"Pictures: {repo} on the Hub.")
        folder, revision = fetch_dataset(repo, settings.revision)
    if not skip_validation:
        from hubtools.dataset.check import validate

        report = validate(
            folder,
            settings,
            resolution=project.train.resolution,
            base=project.base,
            **project.rule_choice,
        )
        if report.ok and report.findings:
            reporter.note(f"Dataset: {report.summary}; `hubtools validate` shows them.")
        if not report.ok:
            reporter.report(report)
            raise ChecksFailed(
                f"{folder.name} does not pass validation: {report.summary}.",
                hint="fix the errors above (`hubtools explain ID` tells how)",
            )
    examples = read_examples(folder, settings.caption_column)
    examples = examples[: project.train.max_train_samples]
    if not examples:
        raise HubtoolsError(
            f"{folder} holds no picture with a caption.", hint="`hubtools validate` tells why"
        )
    sizes = [_size_of(example.image) for example in examples]
    return Source(folder, repo, revision, examples, fingerprint(examples), sizes)


def _size_of(path: Path) -> tuple[int, int]:
    """(width, height) as the trainer sees it, from the header alone."""
    from PIL import Image

    with Image.open(path) as image:
        width, height = image.size
        # EXIF orientations 5 to 8 lie on their side
        turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def find_base(project: Project, reporter: Reporter) -> tuple[Base, Path, Family]:
    """The base, a folder with its configuration files, and its family; no weights yet."""
    from hubtools.models.base import resolve_base

    settings = project.train
    if not settings.pretrained_model_name_or_path:
        raise UsageError(
            "No base model is set.",
            hint="--pretrained-model-name-or-path owner/name, or set it in hubtools.toml",
        )
    name = settings.pretrained_model_name_or_path
    local = project.at(name)
    base = resolve_base(
        str(local) if local.is_dir() else name,
        revision=settings.revision,
        variant=settings.variant,
        known_as=settings.base_model_repo,
        notify=reporter.note,
        allow_pickle=settings.allow_pickle,
    )
    if base.local:
        folder = Path(base.path_or_id)
    else:
        from huggingface_hub import snapshot_download

        folder = Path(
            snapshot_download(
                base.path_or_id,
                revision=base.revision,
                allow_patterns=["model_index.json", "*/*config.json", "tokenizer*/tokenizer.json"],
                local_files_only=not base.files,
            )
        )
    return base, folder, family_of(folder, base.id or str(folder))


def base_fingerprint(base: Base, folder: Path, family: Family) -> str | None:
    """SHA-256 over the denoiser's files of a base that has no commit to be known by."""
    import hashlib

    if base.revision is not None:
        return None
    digest = hashlib.sha256()
    for path in sorted((folder / family.prefix).glob("*")):
        if path.suffix in (".json", ".safetensors", ".bin"):
            digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def make_plan(
    project: Project, base: Base, folder: Path, family: Family, source: Source, world: World
) -> Plan:
    """Put all numbers together. Raises `UsageError` for what this device or base cannot do."""
    settings = project.train
    check_xformers(settings, world.device)
    info = family.info(folder, settings.prediction_type)
    recipe = make_recipe(
        settings,
        images=len(source.examples),
        processes=world.processes,
        precision=precision_of(settings, world.device),
        prediction_type=info.prediction_type,
    )
    blank = add_lora(family.blank_denoiser(folder), settings, recipe.alpha)
    existing = project.run_dir
    while not existing.exists():
        existing = existing.parent
    return Plan(
        recipe=recipe,
        base=info,
        base_name=base.id or Path(base.path_or_id).name,
        base_prediction_type=base.prediction_type,
        dataset=project.dataset,
        samples=project.samples,
        examples=source.examples,
        sizes=source.sizes,
        prompts=prompts_of(project.samples, [e.caption for e in source.examples]),
        device=world.device.type,
        run_dir=project.run_dir,
        lora_parameters=sum(parameter.numel() for parameter in blank.values()),
        bytes_free=shutil.disk_usage(existing).free,
        counter=_counter(folder, info),
    )


def _counter(folder: Path, info: BaseInfo) -> TokenCounter:
    """That of the base's widest text encoder, with the length that the base itself tells."""
    from hubtools.dataset.tokens import token_counters
    from hubtools.models.registry import target_of

    widest = token_counters(target_of(folder), folder)[-1]
    return replace(widest, encoder=replace(widest.encoder, window=info.caption_tokens))


def library_versions() -> dict[str, str]:
    """What the run depends on."""
    found = {"hubtools": __version__}
    for name in ("torch", "diffusers", "transformers", "peft", "accelerate"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class Encoded:
    """Every picture's and caption's tensors, through the cache."""

    def __init__(self, model: Model, plan: Plan) -> None:
        settings = plan.recipe.settings
        self._settings, self._model = settings, model
        self._others = [plan.caption_of_others(example) for example in plan.examples]
        self._latents = Cache("latents", model.picture_identity())
        self._texts = Cache("text", model.text_identity())
        self.pictures = []
        for example, size in zip(plan.examples, plan.sizes, strict=True):
            digest = sha256_of(example.image)
            cut = geometry(
                size,
                settings.resolution,
                center_crop=settings.center_crop,
                seed=settings.seed,
                identity=digest,
            )
            self.pictures.append(Picture(example, digest, cut))

    def fill(self, world: World, reporter: Reporter) -> None:
        """Encode what is missing, each process its share; all of it is there afterwards.

        One at a time: in a batch the last bits would depend on the neighbours, and so the run on
        what happened to be cached.
        """
        flips = [False, True] if self._settings.random_flip else [False]
        captions = sorted({picture.example.caption for picture in self.pictures} | {""})
        if self._settings.with_prior_preservation:
            captions = sorted({*captions, *self._others})
        work: list[Callable[[], object]] = []
        for index in range(len(self.pictures)):
            for flip in flips:
                work.append(lambda i=index, f=flip: self.picture(i, f))  # type: ignore[misc]
        work += [lambda c=caption: self.caption(c) for caption in captions]  # type: ignore[misc]
        mine = work[world.process :: world.processes]
        with reporter.progress("encoding", len(mine)) as advance:
            for job in mine:
                job()
                advance(1, "")
        world.barrier()
        for job in work:
            job()
        made, found = self._latents.made, self._latents.found
        made_texts, found_texts = self._texts.made, self._texts.found
        reporter.note(
            f"Cache: {found} of {made + found} latents and {found_texts} of"
            f" {made_texts + found_texts} caption embeddings were there already."
        )

    def picture(self, index: int, flip: bool) -> Tensors:
        """Tensors of a picture."""
        picture = self.pictures[index]
        filter = self._settings.image_interpolation_mode
        name = f"{picture.sha256}_{picture.cut.name}_{filter}{'_flip' if flip else ''}"
        return self._latents.fetch(name, lambda: self._encode(picture, filter, flip))

    def _encode(self, picture: Picture, filter: str, flip: bool) -> dict[str, Tensor]:
        from hubtools.dataset.load import open_image

        with open_image(picture.example.image) as image:
            cut = pixels(image, picture.cut, filter=filter, flip=flip)
        tensors = self._model.encode_picture(cut)
        for tensor in tensors.values():
            if not bool(tensor.isfinite().all()):
                raise HubtoolsError(
                    f"The VAE makes no numbers of {picture.example.file_name}.",
                    hint="is the picture damaged, or the base's VAE a half-precision one?",
                )
        return tensors

    def caption(self, caption: str) -> Tensors:
        """Tensors of a caption; `""` is the dropped one."""
        import hashlib

        name = hashlib.sha256(caption.encode()).hexdigest()
        return self._texts.fetch(name, lambda: self._model.encode_caption(caption))

    def __call__(self, index: int, flip: bool, drop: bool) -> tuple[Tensors, Tensors]:
        """(picture's tensors, caption's tensors), as the loop asks for them."""
        caption = "" if drop else self.pictures[index].example.caption
        return self.picture(index, flip), self.caption(caption)

    def prior(self, index: int) -> Tensors:
        """The caption's tensors of a picture as if it showed somebody else."""
        return self.caption(self._others[index])
