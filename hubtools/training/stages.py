"""The parts of a base, opened, used and let go one after the other.

A text encoder of some families is larger than the denoiser: text encoders, VAE and denoiser are
never in memory together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.base import Base
from hubtools.models.device import let_go
from hubtools.models.families.protocol import Family, Model
from hubtools.models.loading import Part

if TYPE_CHECKING:
    import torch


class Stages:
    """Opens parts of `base`, a folder (`models.base.as_folder`), for work on `device`; `load` is
    the family's, with everything but the parts said."""

    def __init__(
        self, base: Base, family: Family, load: Callable[..., Model], device: torch.device
    ) -> None:
        self.base, self.family, self.load, self.device = base, family, load, device

    def identity(self, part: Part) -> str:
        """What tells the answers of this part from those of another base."""
        return self.family.identity(self.base, Path(self.base.path_or_id), part)

    def denoiser(self, texts: Sequence[str] = ()) -> Model:
        """The denoiser, and these text encoders with their tokenizers, on the CPU."""
        tokenizers = (name.replace("text_encoder", "tokenizer") for name in texts)
        return self.load(parts=("denoiser", *texts, *tokenizers))

    @contextmanager
    def opened(self, part: Part, given: Mapping[str, Any] | None = None) -> Iterator[Opened]:
        """The part, opened on the device once it is asked for, and let go at the end."""
        opened = Opened(lambda: self._open(part, given))
        try:
            yield opened
        finally:
            if opened.used:  # else there is nothing to give back
                opened.close()
                let_go(str(self.device))

    def _open(self, part: Part, given: Mapping[str, Any] | None) -> Model:
        import torch

        with torch.random.fork_rng():
            model = self.load(parts=(part,), given=given)
        for module in model.encoders():
            module.to(self.device)
        return model


class Opened:
    """A part that is opened when somebody asks for it first."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._model: Model | None = None

    @property
    def model(self) -> Model:
        """The part."""
        if self._model is None:
            self._model = self._load()
        return self._model

    @property
    def used(self) -> bool:
        """Whether somebody has asked for it."""
        return self._model is not None

    def close(self) -> None:
        """Forget it."""
        self._model = None
