"""The libraries that decide what a training comes to."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from hubtools.train_settings import TrainSettings
from hubtools.training.optimizer_kinds import kind_of
from hubtools.version import __version__


def library_versions(settings: TrainSettings) -> dict[str, str]:
    """What the run depends on."""
    return dict(_versions(kind_of(settings).package))


@cache
def _versions(optimizer: str | None) -> dict[str, str]:
    found = {"hubtools": __version__}
    names = ["torch", "diffusers", "transformers", "peft", "accelerate"]
    for name in (*names, optimizer) if optimizer else names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
