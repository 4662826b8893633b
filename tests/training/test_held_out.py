"""Pictures that are not trained on, and their loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hubtools.cards.model_facts import _training  # noqa: E402
from hubtools.dataset.examples import Example, read_examples  # noqa: E402
from hubtools.errors import UsageError  # noqa: E402
from hubtools.evaluation.plan import measured_on  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest  # noqa: E402
from hubtools.progress import PlainReporter  # noqa: E402
from hubtools.project import Project, load_project  # noqa: E402
from hubtools.training.metrics import HeldOut, read_log  # noqa: E402
from hubtools.training.pictures import held_out  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402

MakeProject = Callable[..., Project]
HOLDING_OUT = {
    "max_train_steps": 4,
    "validation_steps": 2,
    "validation_split": 2,
    "checkpointing_steps": 2,
    "lora_dropout": 0.2,
    "random_flip": True,
    "noise_offset": 0.05,
}


def examples(count: int) -> list[Example]:
    return [
        Example(Path(f"/d/{n}.png"), f"photo {n}", f"{n}.png", sha256=f"{n:064x}")
        for n in range(count)
    ]


def told(project: Project) -> list[HeldOut]:
    return read_log(project.run_dir).held_out


@pytest.fixture(scope="module")
def straight(make_project_in: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run of four steps that holds two of five pictures out."""
    folder = tmp_path_factory.mktemp("held-out")
    project = make_project_in(folder, samples={"steps": 1, "prompts": ["tok"]}, **HOLDING_OUT)
    lines: list[str] = []
    manifest = train(project, skip_validation=True, reporter=PlainReporter(lines.append))
    assert (manifest.dataset.images, manifest.dataset.held_out) == (3, 2)
    assert any("2 pictures not trained on; loss measured every 2" in line for line in lines)
    return project


def test_their_loss_is_measured_before_the_first_step_and_with_the_samples(
    straight: Project,
) -> None:
    found = told(straight)
    assert [line.step for line in found] == [0, 2, 4]
    assert len({line.validation_loss for line in found}) == 3
    assert all(0.05 < line.validation_loss < 20 for line in found)
    manifest = RunManifest.read(straight.run_dir)
    assert manifest.validation_loss_first == found[0].validation_loss
    assert manifest.validation_loss_last == found[-1].validation_loss
    card = dict(_training(manifest))
    assert card["pictures held out"] == "2"
    assert card["loss of held-out pictures, after"] == f"{found[-1].validation_loss:.4g}"
    assert load_project(straight.run_dir).train.validation_split == 2


def test_evaluate_measures_on_them(straight: Project) -> None:
    real = read_examples(straight.dataset_dir, "text")
    found, apart = measured_on(straight, real, straight.run_dir)
    assert apart
    assert len(found) == 2
    assert {one.file_name for one in found} < {one.file_name for one in real}
    # of other pictures nobody knows which were held out
    assert measured_on(straight, real[1:], straight.run_dir) == (real[1:], False)
    assert measured_on(straight, real, straight.run_dir / "elsewhere") == (real, False)


@pytest.mark.parametrize("stop", [2, 3])
def test_a_resumed_run_measures_the_same(
    straight: Project, make_project: MakeProject, stop: int
) -> None:
    """Also where it was killed between the state and the look at the pictures."""
    stopped = make_project(samples={"steps": 1, "prompts": ["tok"]}, **HOLDING_OUT)

    class BeforeTheLook(DiesAt):
        def note(self, text: str) -> None:
            if stop == 2 and text.startswith("Held-out loss after step 2"):
                raise Killed

    with pytest.raises(Killed):
        train(stopped, reporter=BeforeTheLook(stop + 1), skip_validation=True)
    log = stopped.run_dir / "metrics.jsonl"
    if stop == 2:  # the line is there; without it the loss is measured anew
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(x for x in lines if '"step": 2, "validation_loss"' not in x))
        assert [line.step for line in told(stopped)] == [0]
    train(stopped, skip_validation=True)
    assert told(stopped) == told(straight)
    one, other = (p.run_dir / LORA_WEIGHTS for p in (straight, stopped))
    assert one.read_bytes() == other.read_bytes()


def test_looking_at_them_does_not_touch_the_run(
    straight: Project, make_project: MakeProject
) -> None:
    quiet = make_project(**(HOLDING_OUT | {"validation_steps": 0}))
    train(quiet, skip_validation=True)
    assert [line.step for line in told(quiet)] == [0, 4]
    one, other = (p.run_dir / LORA_WEIGHTS for p in (straight, quiet))
    assert one.read_bytes() == other.read_bytes()


def test_which_they_are_goes_by_the_pictures() -> None:
    many = examples(20)
    held = held_out(many, 0.25, seed=0)
    assert len(held) == 5
    names = {many[n].file_name for n in held}
    backwards = list(reversed(many))
    assert {backwards[n].file_name for n in held_out(backwards, 5, seed=0)} == names
    assert held_out(many, 5, seed=1) != held
    assert held_out(many, 0, seed=0) == frozenset()
    assert len(held_out(many, 0.01, seed=0)) == 1


def test_a_picture_that_is_there_twice_is_not_held_out_once() -> None:
    many = [replace(e, sha256=f"{n // 2:064x}") for n, e in enumerate(examples(12))]
    held = held_out(many, 4, seed=0)
    assert len(held) == 4
    assert {n ^ 1 for n in held} == held


@pytest.mark.parametrize("split", [20, 30, 0.99])
def test_something_must_be_left(split: float) -> None:
    with pytest.raises(UsageError, match="none is left to train on"):
        held_out(examples(20), split, seed=0)


def test_alike_pictures_cannot_be_held_out() -> None:
    with pytest.raises(UsageError, match="No picture can be held out"):
        held_out([replace(e, sha256="0" * 64) for e in examples(4)], 2, seed=0)
