"""`ship`: what it would do, what it refuses at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubtools.errors import ChecksFailed, HubtoolsError, UsageError
from hubtools.findings import Report
from hubtools.journey.ledger import Ledger
from hubtools.journey.ship import STEPS, forecast, ship
from hubtools.journey.travel import Journey
from hubtools.localhub.server import Hub
from hubtools.progress import silent
from hubtools.project import Project, load_project
from hubtools.project_file import to_toml
from tests.drawing import write_pictures
from tests.typed import typed

Draw = Callable[..., Path]


class Silent:
    """A narrator for nobody."""

    _reporter = silent()
    progress = staticmethod(_reporter.progress)

    def note(self, sentence: str) -> None: ...
    def warn(self, sentence: str) -> None: ...
    def report(self, report: Report) -> None: ...
    def started(self, step: str, title: str) -> None: ...
    def skipped(self, step: str, title: str, why: str) -> None: ...
    def done(self, step: str, sentence: str, seconds: float) -> None: ...


@pytest.fixture
def make(tmp_path: Path, draw_pictures: Draw) -> Callable[..., Project]:
    draw_pictures(tmp_path / "dataset", 3, (64, 64))

    def build(**sections: dict[str, Any]) -> Project:
        settings = {
            "dataset": {"trigger": "a tok", "license": "cc0-1.0", "rights": "own"},
            "train": {"resolution": 64},
        }
        for name, content in sections.items():
            settings[name] = settings.get(name, {}) | content
        (tmp_path / "hubtools.toml").write_text(to_toml(settings))
        return load_project(tmp_path)

    return build


def verbs(project: Project, **options: Any) -> dict[str, str]:
    return {step.name: verb for step, verb, _ in forecast(project, Silent(), **options)}


def test_a_forecast_changes_nothing(make: Callable[..., Project], tmp_path: Path) -> None:
    project = make()
    before = sorted(tmp_path.rglob("*"))
    told = verbs(project)
    assert list(told) == [step.name for step in STEPS]
    assert told.pop("push-dataset") == "skip"  # no repository for it
    assert told.pop("evaluate") == told.pop("halve") == "skip"  # not asked for
    # neither a base nor a repository is set
    assert told.pop("train") == told.pop("push") == "refuse"
    assert told.pop("validate") == told.pop("dataset-card") == "run"
    assert set(told.values()) == {"run"}
    assert sorted(tmp_path.rglob("*")) == before


def test_what_changes_makes_only_what_depends_on_it_run_again(
    make: Callable[..., Project],
) -> None:
    project = make()
    result = ship(project, Silent(), last="dataset-card")
    assert result.done == ("validate", "dataset-card")
    assert ship(project, Silent(), last="dataset-card").done == ()
    assert verbs(project, last="dataset-card") == {"validate": "skip", "dataset-card": "skip"}
    # the card is written with the licence, the check reads it too
    other = make(dataset={"license": "cc-by-4.0"})
    assert ship(other, Silent(), last="dataset-card").done == ("validate", "dataset-card")
    # a person's words in the card are no reason to check the pictures again
    card = project.dataset_dir / "README.md"
    card.write_text(card.read_text() + "\nMore.\n")
    assert verbs(other, last="validate") == {"validate": "skip"}
    # a caption is
    path = project.dataset_dir / "metadata.jsonl"
    path.write_text(path.read_text().replace("number 1", "number one"))
    assert verbs(other, last="validate") == {"validate": "run"}


def test_a_forecast_does_not_know_what_steps_before_will_leave(
    make: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = [(STEPS[0], None), (STEPS[1], "nothing has changed")]
    monkeypatch.setattr("hubtools.journey.ship._walk", lambda journey, steps: walk)
    rows = forecast(make(), Silent(), last="dataset-card")
    assert [(verb, why) for _, verb, why in rows] == [
        ("run", STEPS[0].title),
        ("run", f"{STEPS[1].title}, if what the steps before it leave has changed"),
    ]


def test_further_folders_are_looked_at_as_well(
    make: Callable[..., Project], tmp_path: Path
) -> None:
    older = write_pictures(tmp_path / "older", 1, size=(64, 66))
    project = make(dataset={"other_folders": [str(older)]})
    assert ship(project, Silent(), last="validate").done == ("validate",)
    assert verbs(project, last="validate") == {"validate": "skip"}
    row = {"file_name": "picture0.png", "text": "a tok, changed"}
    (older / "metadata.jsonl").write_text(json.dumps(row))
    assert verbs(project, last="validate") == {"validate": "run"}
    often = make(dataset={"other_folders": [str(older)], "picture_repeats": {"older/*": 2}})
    assert train_inputs(project) != train_inputs(often)


def train_inputs(project: Project) -> object:
    ledger = Ledger.open(project.root)
    return next(one for one in STEPS if one.name == "train").inputs(
        Journey(project, Silent(), ledger)
    )


@pytest.mark.parametrize(
    ("sections", "options", "words"),
    [
        ({}, {}, "No base model is set"),
        ({"train": {"pretrained_model_name_or_path": "a/b"}}, {}, "No repository is set"),
        ({}, {"first": "trian"}, "'trian'"),
        ({}, {"first": "push", "last": "train"}, "comes after"),
    ],
)
def test_what_cannot_end_well_does_not_begin(
    make: Callable[..., Project], sections: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        ship(make(**sections), Silent(), **options)


def refusal(project: Project, **options: Any) -> tuple[str, str, int]:
    """(step that is refused, what `ship` raises, its exit code), after the forecast has said the
    same."""
    told: list[HubtoolsError] = []
    rows = forecast(project, Silent(), on_refusal=told.append, **options)
    with pytest.raises(HubtoolsError) as raised:
        ship(project, Silent(), **options)
    error = raised.value
    assert (told[0].message, told[0].exit_code) == (error.message, error.exit_code)
    (step,) = (step.name for step, verb, why in rows if (verb, why) == ("refuse", error.message))
    return step, error.message, error.exit_code


def test_a_forecast_refuses_what_ship_refuses(
    make: Callable[..., Project], tiny_base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    based = {"pretrained_model_name_or_path": str(tiny_base)}
    assert refusal(make())[0] == "train"
    # before a training of hours: the card would lack a licence, nobody may push
    step, message, code = refusal(make(train=based, model={"repo": "me/x", "license": "zzz"}))
    assert (step, code, "knows no licence" in message) == ("card", 1, True)
    step, message, _ = refusal(make(model={"repo": "me/x"}), first="push")
    assert (step, "no Hub token" in message) == ("push", True)
    licensed = {"license": "mit"}
    # what the trainer's plan says, and the checks of the pictures
    project = make(train={**based, "rank": 4, "resolution": 4096}, model=licensed)
    run = project.run_dir
    run.mkdir(parents=True)
    (run / "holiday.txt").write_text("")
    step, message, _ = refusal(project, last="prune")
    assert (step, "no run folder" in message) == ("train", True)
    for path in project.dataset_dir.glob("*.*"):
        if path.is_file():
            path.unlink()
    assert refusal(project, last="prune")[::2] == ("validate", 3)
    rows = forecast(project, Silent(), last="prune")
    assert {verb for step, verb, _ in rows[1:]} == {"not reached", "skip"}
    said = typed("ship", "--dry-run", "--until", "prune", cwd=tmp_path)
    assert said.returncode == 3
    assert "`hubtools validate` tells them" in said.stderr


def test_nothing_is_published_where_the_training_would_refuse(
    make: Callable[..., Project], tiny_base: Path, local_hub: Hub
) -> None:
    based = {"pretrained_model_name_or_path": str(tiny_base)}
    project = make(dataset={"repo": "me/pictures"}, train=based, model={"license": "mit"})
    project.run_dir.mkdir(parents=True)
    (project.run_dir / "holiday.txt").write_text("")
    told = verbs(project, last="prune")
    assert (told["push-dataset"], told["train"]) == ("not reached", "refuse")
    with pytest.raises(HubtoolsError, match="no run folder"):
        ship(project, Silent(), last="prune")
    assert not HfApi().repo_exists("me/pictures", repo_type="dataset")
    assert ship(project, Silent(), last="push-dataset").done[-1] == "push-dataset"
    words = {"path_in_repo": "README.md", "repo_id": "me/pictures", "repo_type": "dataset"}
    HfApi().upload_file(path_or_fileobj=b"# Of a colleague\n", **words)
    with (project.dataset_dir / "README.md").open("a") as card:
        card.write("\nMore.\n")
    with pytest.raises(ChecksFailed, match="cannot be pushed") as caught:
        ship(project, Silent(), last="push-dataset")
    assert "me/pictures --type dataset --overwrite` replaces them" in str(caught.value.hint)


def test_a_forecast_tells_all_refusals_and_an_empty_folder_one(
    make: Callable[..., Project], tmp_path: Path
) -> None:
    make()
    said = typed("ship", "--dry-run", cwd=tmp_path).stderr
    assert "Also: No repository is set for the model.\n      set model.repo" in said
    assert "Error: No base model is set.\nHint: set train.pretrained" in said
    (tmp_path / "empty").mkdir()
    (tmp_path / "hubtools.toml").unlink()
    for options in ((), ("--dry-run",)):
        said = typed("ship", *options, cwd=tmp_path / "empty").stderr
        assert "Error: There is no project here: no hubtools.toml" in said
        assert "`hubtools init . --from FOLDER` makes one" in said
        assert "base model" not in said
