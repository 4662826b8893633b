"""`doctor --family`: a tiny base of a family, with random weights, through all that a real one goes
through on this machine, in the installed versions of the libraries. Nothing is downloaded."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError, UsageError, first_line, require_extra
from hubtools.files import write_text
from hubtools.hub.errors import as_sentence
from hubtools.journey.doctor import Fact
from hubtools.layout import LORA_WEIGHTS
from hubtools.models.families.tinies import build_tiny
from hubtools.models.loading import denoiser_of
from hubtools.models.registry import SUPPORTED
from hubtools.models.tensors import read_tensors
from hubtools.progress import PlainReporter
from hubtools.project import Project
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings

if TYPE_CHECKING:
    from hubtools.manifest import RunManifest

_SIZE, _STEPS, _PROMPT = 64, 2, "a photo of a tok"


def self_test(family: str) -> list[Fact]:
    """A line for each thing that was tried, up to the first that failed. Raises `UsageError` for a
    family that hubtools does not know, `HubtoolsError` if the extra `train` is not installed."""
    if family not in SUPPORTED:
        raise UsageError(
            f"hubtools knows no family {family}.",
            hint="families: " + ", ".join(SUPPORTED),
            code="bad-setting",
        )
    require_extra("train", "A test of a family")
    facts: list[Fact] = []
    with tempfile.TemporaryDirectory(prefix="hubtools-") as name, _cache_in(Path(name)):
        for title, what in _Tried(family, Path(name)).all():
            try:
                facts.append(Fact(family, title, what()))
            except Exception as error:  # whatever the libraries make of it is the answer
                told = as_sentence(error)
                said = told.message if told else f"{type(error).__name__}: {first_line(error)}"
                facts.append(Fact(family, title, said, "problem", told.hint if told else None))
                break
    return facts


class _Stopped(Exception):
    """Ends a training as a crash does."""


class _StopsAfterOne(PlainReporter):
    def __init__(self) -> None:
        super().__init__(_nobody)

    @contextmanager
    def progress(
        self, title: str, total: int, done: int = 0
    ) -> Iterator[Callable[[int, str], None]]:
        def advance(more: int, word: str) -> None:
            if title == "training":
                raise _Stopped

        yield advance


class _Tried:
    """What is tried, one after the other, with a base in `work`."""

    def __init__(self, family: str, work: Path) -> None:
        self.family, self.work = family, work

    def all(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "a tiny base", self.built
        yield "trains", self.trained
        yield "goes on after a crash", self.resumed
        yield "stock diffusers reads it", self.read
        yield "draws", self.drawn

    def built(self) -> str:
        build_tiny(self.family, self.work / "base")
        _draw(self.work / "pictures")
        return "random weights"

    def trained(self) -> str:
        manifest = self._train("whole", PlainReporter(_nobody))
        return f"{manifest.steps_done} steps on {manifest.device} in {manifest.dtype}"

    def resumed(self) -> str:
        with suppress(_Stopped):
            self._train("broken", _StopsAfterOne())
        self._train("broken", PlainReporter(_nobody))
        whole, broken = ((self.work / name / LORA_WEIGHTS) for name in ("whole", "broken"))
        if whole.read_bytes() != broken.read_bytes():
            raise HubtoolsError(
                "what was trained in two goes is not what was trained in one",
                hint="steps on this device are not the same twice; on a CPU they are",
            )
        return "bit for bit"

    def read(self) -> str:
        from diffusers import DiffusionPipeline

        written = read_tensors(self.work / "whole" / LORA_WEIGHTS) or {}
        pipeline = DiffusionPipeline.from_pretrained(str(self.work / "base"))
        pipeline.load_lora_weights(str(self.work / "whole"), weight_name=LORA_WEIGHTS)
        named = denoiser_of(pipeline).named_parameters()
        loaded = Counter(_bytes(one) for name, one in named if "lora_" in name)
        found = (loaded & Counter(_bytes(one) for one in written.values())).total()
        if found != len(written):
            raise HubtoolsError(f"only {found} of {len(written)} tensors")
        return f"{found} of {len(written)} tensors"

    def drawn(self) -> str:
        from hubtools.inference.generate import generate

        (record,) = generate(
            self._project("whole"),
            lora=str(self.work / "whole"),
            prompts=[_PROMPT],
            output=self.work / "drawn",
        )
        return f"{record.width} x {record.height} pixels in {record.steps} steps"

    def _train(self, name: str, reporter: PlainReporter) -> RunManifest:
        from hubtools.training.train import train

        return train(self._project(name), skip_validation=True, reporter=reporter)

    def _project(self, name: str) -> Project:
        return Project(
            dataset=DatasetSettings(path=str(self.work / "pictures")),
            train=TrainSettings(
                pretrained_model_name_or_path=str(self.work / "base"),
                output_dir=str(self.work / name),
                resolution=_SIZE,
                rank=4,
                max_train_steps=_STEPS,
                checkpointing_steps=1,
                validation_steps=0,
            ),
            samples=SampleSettings(steps=_STEPS, size=_SIZE),
        )


def _nobody(sentence: str) -> None:
    """Nobody listens."""


def _bytes(tensor: Any) -> tuple[tuple[int, ...], bytes]:
    one = tensor.detach().float().cpu().contiguous()
    return tuple(one.shape), one.numpy().tobytes()


def _draw(folder: Path) -> None:
    """Four pictures with captions."""
    import numpy
    from PIL import Image

    folder.mkdir()
    chance = numpy.random.default_rng(0)
    rows = []
    for number in range(4):
        pixels = chance.integers(0, 256, (_SIZE, _SIZE, 3), dtype="uint8")
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "text": f"{_PROMPT}, number {number}"})
    write_text(folder / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@contextmanager
def _cache_in(work: Path) -> Iterator[None]:
    """What is encoded meanwhile leaves nothing behind."""
    before = os.environ.get("HUBTOOLS_CACHE")
    os.environ["HUBTOOLS_CACHE"] = str(work / "cache")
    try:
        yield
    finally:
        if before is None:
            del os.environ["HUBTOOLS_CACHE"]
        else:
            os.environ["HUBTOOLS_CACHE"] = before
