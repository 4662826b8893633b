"""Every option there is, with its default and its meaning.

The pydantic models below make the file, the environment variables (`HUBTOOLS_TRAIN_SEED`), the
command-line options (`--seed`), the JSON schema and the table in the docs. Names are those of
diffusers' training scripts where they have one.
"""

from __future__ import annotations

import codecs
import contextlib
import typing
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo

from hubtools.models.rows import TargetName
from hubtools.setting_types import (
    AllowedSecret,
    KeepCheckpoints,
    LanguageCode,
    LicenseId,
    People,
    Plan,
    Prefixes,
    RepoId,
    Rights,
    Section,
    number_by_glob,
    option,
    per_file,
)
from hubtools.train_settings import TrainSettings

__all__ = [
    "SECTIONS", "DatasetSettings", "EvaluateSettings", "ModelSettings", "PruneSettings",
    "PushSettings", "RulesSettings", "SampleSettings", "Section", "TrainSettings", "aliases_of",
    "names_of", "option",
]  # fmt: skip


def _encoding(value: Any) -> Any:
    """A name that Python knows, of an encoding of texts."""
    if not isinstance(value, str):
        return value
    try:
        text = bytes(range(32, 127)).decode(value)
        if isinstance(text, str):
            return codecs.lookup(value).name
    except (LookupError, ValueError):
        with contextlib.suppress(LookupError):
            if codecs.lookup(value).name.startswith(("utf-16", "utf-32")):
                return codecs.lookup(value).name
    raise ValueError(f"{value!r} is no encoding of texts; known are gbk, big5, cp1251, utf-16, ...")


Encoding = Annotated[str, BeforeValidator(_encoding)]

_LONGEST_NAME = 500  # letters; captions hold it any number of times


class DatasetSettings(Section):
    """The pictures and what may be done with them."""

    path: str = option("dataset", "Folder of pictures with a metadata file.", "train_data_dir")
    other_folders: list[str] = option(
        [],
        "Further folders of pictures that are trained on as well; in picture_repeats and"
        " picture_weights they are called NAME/*, by their own names.",
    )
    repo: RepoId | None = option(None, "Dataset repository on the Hub, owner/name.", "dataset_name")
    revision: str | None = option(
        None,
        "Branch, tag or commit of the dataset repository to train from.",
        "dataset_revision",
    )
    caption_column: str = option(
        "text",
        "Metadata column that holds the captions: a text each, or a list of texts, of which every"
        " step draws one.",
    )
    other_caption_columns: list[str] = option(
        [], "Columns of further captions, of which every step draws one as well."
    )
    instance_prompt: str | None = option(
        None,
        "One caption for all pictures, in place of those in the metadata, e.g. a photo of zwx dog;"
        " pictures without metadata are trained with it too.",
        min_length=1,
    )
    image_column: str | None = option(
        None,
        "Column of the pictures to learn, e.g. target or target_file_name; default: the one whose"
        " name says so, else file_name.",
    )
    control_columns: list[str] | None = option(
        None,
        "Columns of the pictures that those are made from (condition pictures), e.g. control;"
        " default: all further columns of pictures but masks. An empty list: none.",
        "control_column",
        "conditioning_image_column",
    )
    mask_column: str | None = option(
        None,
        "Column of masks: white where a picture is to be learnt; default: the one whose name says"
        " so.",
    )
    repeats_column: str | None = option(
        None,
        "Column that says how often a picture appears in an epoch, times train.repeats; 0.5 is in"
        " every other epoch.",
    )
    picture_repeats: Annotated[
        dict[str, Annotated[float, Field(ge=0.001, le=1000)]], BeforeValidator(number_by_glob)
    ] = option(
        {},
        "The same for the pictures of a folder: glob = times; of several that fit the last. On the"
        " command line: GLOB:TIMES.",
    )
    picture_weights: Annotated[
        dict[str, Annotated[float, Field(gt=0, le=100)]], BeforeValidator(number_by_glob)
    ] = option(
        {},
        "How much the errors of a folder's pictures count in the loss: glob = weight, of several"
        " that fit the last; default 1. On the command line: GLOB:WEIGHT.",
    )
    caption_encoding: Encoding | None = option(
        None,
        "Encoding of captions that are not UTF-8, for example gbk, shift_jis or cp1251; default:"
        " detected where that is certain, otherwise the captions stay unread.",
    )
    trigger: str | None = option(
        None,
        "Token that stands for the subject in every caption.",
        "instance_token",
        max_length=_LONGEST_NAME,
    )
    target: TargetName | None = option(
        None,
        "Model family to check the dataset for: it sets the caption length and the picture size;"
        " default: the family of the base model.",
    )
    plan: Plan | None = option(
        None,
        "Shot plan: how many pictures of each shot the dataset should have. A table [dataset.plan],"
        ' for example portrait = "3..4"; the same in one line (portrait=3..4, profile=3..); or'
        " subject, the built-in plan for one subject.",
    )
    view_column: str | None = option(
        None,
        "Metadata column that names the shot of a picture; default: a column called view, angle,"
        " shot or similar, otherwise words of the caption.",
    )
    common_share: float = option(
        1.0,
        "Report words that at least this share of the captions contain: the LoRA learns them as"
        " part of the trigger.",
        ge=0.5,
        le=1,
    )
    near_radius: int = option(
        6,
        "Largest Hamming distance (of 64 bits) between the perceptual hashes of near duplicates,"
        " whose pixels are then compared; -1 finds equal pixels only.",
        ge=-1,
        le=12,
    )
    embeddings: str | None = option(
        None,
        "Vision model that also finds cropped and watermarked copies: efficientnet-lite0, dinov2,"
        " auto, a Hub id or a folder. Needs PyTorch, and time for every picture.",
    )
    mirrored_copies: bool = option(False, "Also find mirrored and rotated copies.")
    class_noun: str = option(
        "person",
        "What the subject is, in a word that the base knows, such as person or dog: it stands in"
        " the trigger's place in prompts that do without it.",
        max_length=_LONGEST_NAME,
    )
    license: LicenseId | None = option(None, "Licence id of the pictures, as the Hub spells it.")
    rights: Rights | None = option(
        None,
        "Why you may use the pictures: own (your own work), permission, synthetic, public-domain or"
        " licensed.",
    )
    rights_note: str | None = option(None, "Sentence about the rights, shown on the card.")
    people: People | None = option(
        None,
        "Who is shown: nobody, invented (people who do not exist), author, agreed (people who"
        " agreed), public-figures or unasked (people who were not asked). It stands on the card.",
    )
    people_note: str | None = option(
        None, "Sentence on who is shown and what they agreed to, shown on the card."
    )
    how_made: str | None = option(
        None, "How pictures and captions were made or chosen: sentences for the card."
    )
    languages: list[LanguageCode] = option(
        [],
        "Languages of the captions, as codes such as en; default: what their words show, where that"
        " is certain.",
        "language",
    )


class RulesSettings(Section):
    """Which rules are applied: D of datasets, T of trainings, C of cards, P of publishing."""

    select: Prefixes = option(
        [],
        "Only rules whose ids start with one of these, e.g. D3; rules of other letters are applied"
        " unless one of theirs is named too.",
    )
    ignore: Prefixes = option([], "Ignore rules whose ids start with one of these.")
    per_file_ignores: Annotated[dict[str, Prefixes], BeforeValidator(per_file)] = option(
        {}, "Rules to ignore for some files: glob = [ids]. On the command line: GLOB:ID,ID."
    )
    baseline: str | None = option(None, "File of findings that are known: only new ones fail.")


class SampleSettings(Section):
    """Pictures drawn during and after training."""

    prompts: list[str] = option([], "Prompts to draw; repeat the option.", "prompt")
    validation_images: list[str] = option(
        [],
        "Pictures that the prompts' pictures are made from, for bases that edit: one for all"
        " prompts, or one for each; repeat the option. Default: those of the dataset's rows, where"
        " prompts are its captions.",
        "validation_image",
        "image",
    )
    negative_prompt: str | None = option(
        None, "Negative prompt: what the pictures should not show."
    )
    seed: int = option(
        0, "Seed of a prompt's first picture; the next ones use seed + 1, seed + 2, ...", ge=0
    )
    steps: int | None = option(
        None,
        "Denoising steps; default as the base's family is drawn with, mostly 30.",
        "num_inference_steps",
        ge=1,
        le=1000,
    )
    guidance: float | None = option(
        None,
        "Guidance scale as the base's pipeline counts it; default as the base's family is drawn"
        " with, mostly 7.5.",
        "guidance_scale",
        ge=0,
    )
    guidance_rescale: float | None = option(
        None,
        "Bring guided pictures back to the contrast that they have without guidance, 1 wholly"
        " (arXiv:2305.08891), where the base's pipeline takes it; default 0.7 for bases of zero"
        " terminal SNR, else 0.",
        ge=0,
        le=1,
    )
    scheduler: str = option(
        "default", "Sampler by name, e.g. euler_a, dpmpp_2m, ddim; default is the base's own."
    )
    size: int | None = option(
        None, "Side of the picture in pixels; default the training resolution.", ge=32, le=4096
    )
    lora_weight: float = option(
        1.0,
        "Strength of the LoRA; 0 is the base alone. With several LoRAs it multiplies each one's"
        " strength.",
    )
    prompt_weights: bool = option(
        True,
        "Read (word:1.3) and [word] as prompt weights, and use prompts beyond 77 tokens (CLIP"
        " only).",
    )


class EvaluateSettings(Section):
    """How a LoRA is measured against its base."""

    prompts: list[str] = option(
        [], "Prompts to measure on; default samples.prompts, else captions. Repeat the option."
    )
    num_images: int = option(4, "Pictures of each prompt.", ge=1, le=1000)
    checkpoints: str = option("final", "Training steps: 200,400,final or all.")
    weights: str = option("1", "Strengths of the LoRA: 0.5,1 or 0:1:0.25 (0 is the base).")
    held_out: str | None = option(
        None, "Folder of pictures with captions that were not trained on, for the denoising loss."
    )
    picture_encoder: str = option(
        "auto", "auto, dinov2, efficientnet-lite0, or a vision model on the Hub or in a folder."
    )
    prompt_judge: str = option(
        "auto", "auto, clip, none, or a CLIP model on the Hub or in a folder."
    )
    in_ship: bool = option(False, "Run evaluate as a step of ship, before the card.")


class ModelSettings(Section):
    """The repository of the LoRA."""

    repo: RepoId | None = option(None, "Model repository on the Hub, owner/name.", "hub_model_id")
    license: LicenseId | None = option(
        None, "Licence id of the LoRA; default what the base's licence asks for."
    )
    license_name: str | None = option(None, "Name of the licence when its id is `other`.")
    license_link: str | None = option(None, "Address of the licence when its id is `other`.")
    license_reason: str | None = option(
        None,
        "Why the LoRA may carry another licence than its base asks for; it stands on the card.",
    )
    title: str | None = option(None, "Title of the model card; default the repository's name.")
    adapters: list[str] = option(
        [],
        "Further LoRA files beside the run's own that belong to the release: published with it, and"
        " loaded by the card's Python. Repeat the option.",
    )


class PruneSettings(Section):
    """Which files of a run folder are published, for `prune`, `push` and `ship`."""

    keep_checkpoints: KeepCheckpoints = option(
        "none",
        "LoRA files of earlier steps to publish too: none, last, best (by evaluation, or by the"
        " held-out loss that the run recorded), all, or a number: so many of the newest.",
        "keep_snapshots",
    )
    keep: list[str] = option(
        [], "Patterns of files to publish too; for a dataset, only on the command line."
    )
    drop: list[str] = option(
        [], "Patterns of files not to publish; for a dataset, only on the command line."
    )
    dtype: Literal["fp16", "bf16"] | None = option(
        None,
        "Numbers of 16 bits in the LoRA files that are published: `prune --apply` and `ship` write"
        " them so and say how far their changes are from the trained ones; `push` refuses others.",
    )


class PushSettings(Section):
    """How `push` uploads to the Hub."""

    private: bool = option(
        True, "Create repositories as private, and refuse to push to public ones."
    )
    pr: bool = option(False, "Open a pull request instead of committing to main.", "create_pr")
    tag: str | None = option(
        None,
        "Tag to put on the pushed model commit, e.g. v1; `push --tag` puts it on a dataset too.",
    )
    collection: str | None = option(
        None,
        "Collection to put the repository into after the push: OWNER/SLUG, or the title of one of"
        " the owner's, which is made if there is none.",
    )
    allow: list[str] = option(
        [],
        "Patterns of files to publish although a release has no files of that kind, e.g. *.svg.",
    )
    allowed_secrets: list[AllowedSecret] = option(
        [],
        "Findings of P101 and P113 that are not secrets: {fingerprint, reason}; on the command"
        " line: FINGERPRINT:REASON. Every push lists them.",
    )


SECTIONS: dict[str, type[Section]] = {
    "dataset": DatasetSettings,
    "rules": RulesSettings,
    "train": TrainSettings,
    "samples": SampleSettings,
    "evaluate": EvaluateSettings,
    "model": ModelSettings,
    "prune": PruneSettings,
    "push": PushSettings,
}


def names_of(section: str) -> dict[str, str]:
    """Every accepted spelling of the section's settings -> its canonical name."""
    fields = SECTIONS[section].model_fields
    return {name: key for key, field in fields.items() for name in (key, *aliases_of(field))}


def aliases_of(field: FieldInfo) -> list[str]:
    """Other names under which the file and the command line accept this setting."""
    extra = field.json_schema_extra
    if isinstance(extra, dict):
        return [str(name) for name in typing.cast(list[Any], extra.get("aliases", []))]
    return []
