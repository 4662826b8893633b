"""What a value of the settings may be, and how it is written as text."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from hubtools.cardschema import license_id
from hubtools.patterns import regex
from hubtools.shotplan import parse_plan


def option(default: Any, description: str, *aliases: str, **constraints: Any) -> Any:
    """A setting; `aliases` are further names the file and the command line accept."""
    return Field(
        default,
        description=description,
        json_schema_extra={"aliases": list(aliases)} if aliases else None,
        **constraints,
    )


class Section(BaseModel):
    """A section of `hubtools.toml`."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), validate_assignment=True)

    groups: ClassVar[dict[str, str]] = {}

    @classmethod
    def group_of(cls, key: str) -> str | None:
        """What a setting is about, where a section has too many to be listed as one."""
        found = None
        for name in cls.model_fields:
            found = cls.groups.get(name, found)
            if name == key:
                return found
        return None


People = Literal["nobody", "invented", "author", "agreed", "public-figures", "unasked"]
LanguageCode = Annotated[str, Field(pattern="^[a-z]{2,3}$")]
Rights = Literal["own", "permission", "synthetic", "public-domain", "licensed"]

_REPO = regex(r"[a-z0-9][\w.-]*/[a-z0-9][\w.-]*", re.ASCII | re.IGNORECASE)


def _repo_id(value: str) -> str:
    if not _REPO.fullmatch(value) or "--" in value or ".." in value or value.endswith(".git"):
        near = f", such as OWNER/{value}" if _REPO.fullmatch(f"a/{value}") else ""
        raise ValueError(f"must look like owner/name{near} (letters, digits, - _ .; no -- or ..)")
    if len(value) > 96:
        raise ValueError("must be at most 96 characters long")
    return value


def lacks_owner(value: object) -> bool:
    """Whether it is a repository's name without its owner."""
    return isinstance(value, str) and "/" not in value and bool(_REPO.fullmatch(f"a/{value}"))


RepoId = Annotated[str, AfterValidator(_repo_id)]


def _as_the_hub_spells_it(value: Any) -> Any:
    """A licence id in small letters, where it is one; what is none is told where it is used."""
    if isinstance(value, str) and value != value.strip().lower():
        return license_id(value) or value
    return value


LicenseId = Annotated[str, BeforeValidator(_as_the_hub_spells_it)]

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


def _prefixes(value: Any) -> Any:
    """Rule ids, one each or several with commas between them."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return value
    parts = [part.split(",") if isinstance(part, str) else [part] for part in value]
    return [p.strip() if isinstance(p, str) else p for part in parts for p in part if p != ""]


def per_file(value: Any) -> Any:
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


def number_by_glob(value: Any, like: str = "GLOB:NUMBER, for example 'tok/*:10'") -> Any:
    """`glob:number`, one or several, as the command line and the environment have them."""
    if isinstance(value, str):
        value = [part for part in value.split("|") if part]
    if not isinstance(value, list):
        return value
    found: dict[str, str] = {}
    for part in value:
        glob, colon, number = str(part).rpartition(":")
        if not colon or not glob or not re.fullmatch(r"\d+(\.\d+)?", number.strip()):
            raise ValueError(f"must look like {like}")
        found[glob] = number.strip()
    return found


def number_by_layer(value: Any) -> Any:
    """`layers:number`, in the same way."""
    return number_by_glob(value, "LAYERS:NUMBER, for example conv:4")


RankByLayer = Annotated[
    dict[str, Annotated[int, Field(ge=1, le=1024)]], BeforeValidator(number_by_layer)
]
AlphaByLayer = Annotated[dict[str, Annotated[float, Field(gt=0)]], BeforeValidator(number_by_layer)]
Prefixes = Annotated[list[str], BeforeValidator(_prefixes)]


def _keep_checkpoints(value: Any) -> str:
    """`none`, `last`, `best`, `all`, or a number of at least one, as text."""
    text = str(value).strip().lower()
    count = text.isascii() and text.isdecimal() and int(text[:9]) >= 1 and len(text) < 10
    if not count and text not in ("none", "last", "best", "all"):
        raise ValueError("must be none, last, best, all, or how many of the newest to keep")
    return text


KeepCheckpoints = Annotated[str, BeforeValidator(_keep_checkpoints)]


def _share(value: float) -> float:
    """A share below 1, or a whole number."""
    if not 0 <= value < 1 and value != int(value):
        raise ValueError("must be a share below 1, or a whole number of pictures")
    return value


Share = Annotated[float, Field(ge=0, le=10**9), AfterValidator(_share)]


_OF_A_RUN = ("samples", "snapshots", "state", "images")


def _inside_run(value: str) -> str:
    """A folder of a run's own, by a plain name."""
    parts = value.removeprefix("./").rstrip("/").split("/")
    for part in parts:
        if not re.fullmatch(r"[A-Za-z0-9_][\w. -]{0,63}", part) or parts[0] in _OF_A_RUN:
            raise ValueError(
                "must be a folder in the run folder, such as logs, and none that a run has itself"
            )
    return "/".join(parts)


InsideRun = Annotated[str, AfterValidator(_inside_run)]
TrackerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$")]


LrScheduler = Literal[
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "piecewise_constant",
]

Optimizer = Literal["adamw", "adamw-8bit", "adafactor", "prodigy", "schedule-free", "muon"]


@cache
def parsed_step_rules(text: str) -> tuple[tuple[float, int | None], ...]:
    """(factor, step before which it holds) of `1:10,0.1:20,0.01`, as diffusers writes them; the
    last holds to the end. Raises `ValueError`."""
    found: list[tuple[float, int | None]] = []
    *parts, last = (part.strip() for part in text.split(","))
    for part in parts:
        factor, _, step = (word.strip() for word in part.partition(":"))
        rises = step.isascii() and step.isdecimal() and len(step) < 10
        if not rises or int(step) <= (found[-1][1] or 0 if found else 0):
            raise ValueError(_RULES)
        found.append((_factor(factor), int(step)))
    return (*found, (_factor(last), None))


_RULES = (
    "must look like 1:500,0.1:1000,0.01: a share of the learning rate above 0 and the step up to"
    " which it holds, step after step, and the share of what is left"
)


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1000:
        raise ValueError(_RULES)
    return factor


def _step_rules(text: str) -> str:
    parsed_step_rules(text)
    return text


StepRules = Annotated[str, AfterValidator(_step_rules)]


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


# What `--help` lists together of [train]: the first setting of each group, in their order.
TRAIN_GROUPS: dict[str, str] = {
    "pretrained_model_name_or_path": "the base",
    "resolution": "pictures",
    "caption_dropout": "captions",
    "train_batch_size": "length and steps",
    "learning_rate": "learning rate",
    "snr_gamma": "loss and noise",
    "rank": "the LoRA",
    "with_prior_preservation": "what the base knows",
    "optimizer": "optimizer",
    "mixed_precision": "the machine",
    "checkpointing_steps": "what is kept",
    "report_to": "trackers",
    "seed": "repeatability",
}
