"""A step that runs out of memory is computed with less of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError, is_out_of_memory  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest  # noqa: E402
from hubtools.models.families.stable_diffusion import StableDiffusionModel  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.progress import PlainReporter  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.training.train import train  # noqa: E402

MakeProject = Callable[..., Project]


class Heard(PlainReporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        super().__init__(lambda line: None, self.warnings.append)


def room_for(
    patch: pytest.MonkeyPatch, pictures: int, *, checkpointed: bool = False, passes: int = 0
) -> list[int]:
    """A device on which a forward pass with gradients has room for so many pictures, if
    `checkpointed` then only with gradient checkpointing; the first `passes` always fit. Answers the
    sizes of those that fitted."""
    right, seen, tried = StableDiffusionModel.predict, [], []

    def predict(self: Any, noised: Any, conditions: Any) -> Any:
        if torch.is_grad_enabled():
            tried.append(len(noised.latents))
            small = len(noised.latents) <= pictures
            saving = self.denoiser.is_gradient_checkpointing or not checkpointed
            if len(tried) > passes and not (small and saving):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            seen.append(len(noised.latents))
        return right(self, noised, conditions)

    patch.setattr(StableDiffusionModel, "predict", predict)
    return seen


def run(project: Project, **options: Any) -> dict[str, Any]:
    train(project, skip_validation=True, **options)
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return dict(found)


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


USUAL: dict[str, Any] = {"train_batch_size": 4, "max_train_steps": 3, "lora_dropout": 0.0}


def test_first_it_is_checkpointed_then_cut_into_smaller_passes(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run(make_project(name="plain", **USUAL))
    by_hand = run(
        make_project(
            name="hand", train_batch_size=1, gradient_accumulation_steps=4, max_train_steps=3,
            gradient_checkpointing=True,
        )
    )  # fmt: skip
    seen = room_for(monkeypatch, 1, checkpointed=True)
    heard, project = Heard(), make_project(name="small", **USUAL)
    found = run(project, reporter=heard)
    first, second, third = heard.warnings
    assert first.startswith("Step 1 did not fit into memory: with gradient checkpointing from here")
    assert "2 rather than 4 pictures in a forward pass" in second
    assert "2 rather than 1 passes in a step" in second
    assert "1 rather than 2 pictures" in third
    assert "4 rather than 2 passes" in third
    # five pictures: steps of four, one and four
    assert seen == [1] * 9
    assert apart(found, by_hand) == 0
    assert apart(found, plain) < 1e-5
    # the run is the one that was asked for
    settings = RunManifest.read(project.run_dir).train
    assert (settings["train_batch_size"], settings["gradient_checkpointing"]) == (4, False)


def test_a_later_step_that_does_not_fit_is_begun_anew(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second pass of the second step fails, when the first one's gradients are there."""
    settings = USUAL | {"train_batch_size": 1, "gradient_accumulation_steps": 2}
    plain = run(make_project(name="plain", **settings))
    room_for(monkeypatch, 1, checkpointed=True, passes=3)
    heard = Heard()
    found = run(make_project(name="small", **settings), reporter=heard)
    (warning,) = heard.warnings
    assert warning.startswith("Step 2 did not fit into memory: with gradient checkpointing")
    assert apart(found, plain) < 1e-6


def test_what_does_not_fit_in_any_way_is_a_sentence(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(monkeypatch, 0)
    heard = Heard()
    project = make_project(
        train_batch_size=3, gradient_checkpointing=True, gradient_checkpointing_interval=2
    )
    with pytest.raises(HubtoolsError, match="Step 1 does not fit into memory") as caught:
        run(project, reporter=heard)
    assert caught.value.code == "out-of-memory"
    first, second = heard.warnings
    assert "with gradient checkpointing of all blocks from here on" in first
    assert "1 rather than 3 pictures" in second
    assert RunManifest.read(project.run_dir).status == "failed"
    assert not (Path(project.run_dir) / LORA_WEIGHTS).exists()


def test_another_error_of_a_step_is_none_of_memory(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict(self: Any, noised: Any, conditions: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
        return torch.zeros_like(noised.target)

    monkeypatch.setattr(StableDiffusionModel, "predict", predict)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(make_project())


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (torch.OutOfMemoryError("anything"), True),
        (RuntimeError("MPS backend out of memory (8 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: tried"), True),
        (RuntimeError("CUDA error: an illegal memory access"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_there_was_no_memory(error: Exception, is_so: bool) -> None:
    assert is_out_of_memory(error) is is_so
