"""What a tracker is told, and what all of them have in common."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from hubtools.errors import missing_modules
from hubtools.manifest import RunManifest
from hubtools.rooted import Root
from hubtools.settings import TrainSettings
from hubtools.training.metrics import HeldOut, Metric

# In the order in which they are told of.
NAMES = ("tensorboard", "wandb", "trackio")
TITLES = {"tensorboard": "TensorBoard", "wandb": "W&B", "trackio": "trackio"}


@dataclass(frozen=True)
class Picture:
    """A sample: its name, the same for the same prompt at each step; what that says, and the bytes
    of the PNG."""

    name: str
    prompt: str
    width: int
    height: int
    png: bytes

    @property
    def tag(self) -> str:
        """What trackers call it."""
        return f"samples/{self.name}"


@dataclass(frozen=True)
class Samples:
    """The pictures drawn after `step`."""

    step: int
    pictures: tuple[Picture, ...]


Event = Metric | HeldOut | Samples


@dataclass(frozen=True)
class Reported:
    """The last steps of which a tracker has been told, by kind; -1: of none."""

    step: int = -1
    held_out: int = -1
    samples: int = -1

    def knows(self, event: Event) -> bool:
        """Whether it has been told of this one, or of a later one of the kind."""
        return event.step <= int(getattr(self, kind_of(event)))

    def after(self, event: Event) -> Reported:
        """With `event` told as well."""
        return replace(self, **{kind_of(event): event.step})


def kind_of(event: Event) -> str:
    """The field of `Reported` that counts it."""
    if isinstance(event, Metric):
        return "step"
    return "held_out" if isinstance(event, HeldOut) else "samples"


def scalars(event: Metric | HeldOut) -> dict[str, float]:
    """By the names that trackers show them under."""
    if isinstance(event, HeldOut):
        return {"validation/loss": event.validation_loss}
    found = {"train/loss": event.loss, "train/loss_smoothed": event.loss_ema, "train/lr": event.lr}
    if event.grad_norm is not None:
        found["train/grad_norm"] = event.grad_norm
    return found


@dataclass(frozen=True)
class About:
    """The run as trackers are told of it. `id` is its own, and stays when it goes on; `settings`
    are those of `run.json`, which names no place on this machine and no secret."""

    project: str
    name: str
    id: str
    folder: str  # below the run's
    settings: dict[str, Any]


class Tracker(Protocol):
    """Takes what it is told, in order of steps. Whatever it raises ends it, not the run."""

    def begin(self, root: Root, about: About) -> Reported:
        """Open the run in `root`'s folder, anew or again; what it knows of it."""

    def log(self, events: Sequence[Event]) -> None:
        """Take what it has not been told of."""

    def end(self, status: str) -> None:
        """See everything off. `status` as in `run.json`."""


def chosen(settings: TrainSettings) -> list[str]:
    """The trackers that are asked for; `all`: those whose package is installed."""
    asked = set(settings.report_to)
    there = [name for name in NAMES if not missing_modules(name)] if "all" in asked else []
    return [name for name in NAMES if name in asked or name in there]


def about(manifest: RunManifest, settings: TrainSettings) -> About:
    """What they are told of the run."""
    base, data = manifest.base_model, manifest.dataset
    told = {
        "base_model": base.id,
        "base_model_revision": base.revision,
        "family": base.family,
        "dataset": data.repo,
        "dataset_revision": data.revision,
        "dataset_fingerprint": data.fingerprint,
        "images": data.images,
        "trigger": data.trigger,
        "processes": manifest.processes,
        "device": manifest.device,
        "dtype": manifest.dtype,
        **{f"version_{name}": number for name, number in manifest.versions.items()},
    }
    begun = "".join(letter for letter in manifest.started if letter.isdecimal())[:14]
    name = settings.tracker_run_name or manifest.name
    plain = "".join(letter if letter.isalnum() else "-" for letter in name).strip("-")[:60]
    return About(
        settings.tracker_project_name,
        name,
        f"{plain or 'run'}-{begun}",
        settings.logging_dir,
        {key: value for key, value in (told | manifest.train).items() if value is not None},
    )


def values_of(
    events: Sequence[Event], image: Callable[..., Any]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(step, what is logged at it by name), for trackers that take a step at a time. `image` is
    their class of pictures, which takes one of Pillow and a caption."""
    from PIL import Image

    for step, together in batches(events):
        values: dict[str, Any] = {}
        for event in together:
            if isinstance(event, (Metric, HeldOut)):
                values |= scalars(event)
                continue
            for picture in event.pictures:
                with Image.open(io.BytesIO(picture.png), formats=("PNG",)) as opened:
                    values[picture.tag] = image(opened.convert("RGB"), caption=picture.prompt)
        yield step, values


def batches(events: Sequence[Event]) -> Iterator[tuple[int, list[Event]]]:
    """Events of one step together, for trackers that take a step at a time."""
    waiting: list[Event] = []
    for event in events:
        if waiting and waiting[0].step != event.step:
            yield waiting[0].step, waiting
            waiting = []
        waiting.append(event)
    if waiting:
        yield waiting[0].step, waiting
