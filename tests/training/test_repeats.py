"""Pictures of several folders, some of them more often than others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset.examples import examples_of, fingerprint, numbered
from hubtools.dataset.validate import validate_project
from hubtools.dataset.view import view
from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.findings import Severity
from hubtools.progress import silent
from hubtools.project import Project, load_project
from hubtools.reporting.baseline import renew_baseline
from hubtools.settings import DatasetSettings, TrainSettings
from hubtools.training.buckets import epoch_steps, make_buckets
from hubtools.training.pictures import find_pictures
from tests.drawing import write_pictures
from tests.typed import typed

MakeProject = Callable[..., Project]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two pictures of the subject, three of others."""
    root = tmp_path / "data"
    rows = []
    for folder, count in (("tok", 2), ("others", 3)):
        write_pictures(root / folder, count, size=(64, 64 + count))
        (root / folder / "metadata.jsonl").unlink()
        for number in range(count):
            name = f"{folder}/picture{number}.png"
            rows.append({"file_name": name, "text": f"{folder} {number}", "often": 1 + number})
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def repeats(folder: Path, **settings: Any) -> list[int]:
    given = DatasetSettings.model_validate(settings)
    return [example.repeats for example in numbered(examples_of(view(folder, given)), given)]


def test_by_folder_and_by_column(folders: Path) -> None:
    assert repeats(folders) == [1] * 5
    assert repeats(folders, picture_repeats={"tok/*": 10}) == [10, 10, 1, 1, 1]
    assert repeats(folders, picture_repeats="tok/*:10|*1.png:4") == [10, 4, 1, 4, 1]
    assert repeats(folders, repeats_column="often") == [1, 2, 1, 2, 3]
    assert repeats(folders, repeats_column="often", picture_repeats="tok/*:5") == [5, 5, 1, 2, 3]
    plain = examples_of(view(folders, DatasetSettings()))
    often = examples_of(view(folders, DatasetSettings(repeats_column="often")))
    assert fingerprint(plain) != fingerprint(often)


@pytest.mark.parametrize("value", [0, -1, 0.0001, "many", True, 1001, [2], "1e3", 1e-9])
def test_what_is_no_number_of_repeats_is_told_with_its_line(folders: Path, value: Any) -> None:
    rows = [json.loads(line) for line in (folders / "metadata.jsonl").read_text().splitlines()]
    for row in rows:  # all alike, as loaders ask
        row["often"] = value
    (folders / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(HubtoolsError, match=r"metadata.jsonl:1: often is .*, no number of repeats"):
        repeats(folders, repeats_column="often")


def test_a_column_or_folder_that_is_not_there_is_told(folders: Path) -> None:
    with pytest.raises(HubtoolsError, match="no column 'times'") as caught:
        repeats(folders, repeats_column="times")
    assert "--repeats-column" in str(caught.value.hint)
    with pytest.raises(HubtoolsError, match="no picture fits 'tik/"):
        repeats(folders, picture_repeats={"tik/*": 2})


def test_a_setting_of_the_file_and_of_the_command_line(folders: Path, tmp_path: Path) -> None:
    file = tmp_path / "hubtools.toml"
    file.write_text('[dataset.picture_repeats]\n"tok/*" = 3\n')
    assert load_project(file).dataset.picture_repeats == {"tok/*": 3}
    file.write_text("")
    answer = typed("train", "--picture-repeats", "tok:many", "--dry-run", cwd=tmp_path)
    assert answer.returncode == 2
    assert "GLOB:NUMBER" in answer.stderr


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_an_epoch_has_each_picture_as_often_as_it_repeats(batch: int) -> None:
    often = [4, 1, 3, 1]
    settings = TrainSettings(aspect_ratio_buckets=True, repeats=2, resolutions=[64])
    sizes = [(512, 512), (1024, 512), (512, 512), (512, 1024)]
    buckets = make_buckets(sizes, settings, 128, 8, often)
    steps = epoch_steps(buckets, 2, batch, 0, 5)
    assert len(steps) == buckets.steps(2, batch)
    seen = Counter(buckets.pictures[item] for step in steps for item in step)
    assert seen == {picture: 2 * 2 * times for picture, times in enumerate(often)}


@pytest.mark.parametrize("often", [[0.5, 0.5, 0.5, 0.5], [2.5, 1, 0.25, 1.25], [0.3, 0.3, 0.3, 7]])
@pytest.mark.parametrize("times", [1, 3])
def test_parts_of_a_repeat_come_in_turn(often: list[float], times: int) -> None:
    """Every epoch is as long, and over many each picture comes as often as it says."""
    settings = TrainSettings(repeats=times)
    buckets = make_buckets([(64, 64)] * 4, settings, 64, 8, often)
    whole, epochs = round(sum(often) * times), 60
    seen: Counter[int] = Counter()
    for epoch in range(epochs):
        steps = epoch_steps(buckets, times, 1, 0, epoch)
        assert len(steps) == whole == buckets.steps(times, 1)
        seen.update(item for step in steps for item in step)
    for picture, repeat in enumerate(often):
        assert seen[picture] / epochs == pytest.approx(repeat * times, rel=0.25)


def test_a_bucket_of_parts_alone_is_trained(folders: Path) -> None:
    settings = TrainSettings(aspect_ratio_buckets=True, repeats=1)
    sizes = [(512, 512), (1024, 512), (1024, 512)]
    buckets = make_buckets(sizes, settings, 128, 8, [1, 0.1, 0.1])
    seen = {item for epoch in range(40) for step in epoch_steps(buckets, 1, 1, 0, epoch)
            for item in step}  # fmt: skip
    assert seen == {0, 1, 2}
    assert repeats(folders, picture_repeats={"tok/*": 0.5}) == [0.5, 0.5, 1, 1, 1]


def test_the_plan_counts_them(make_project: MakeProject, folders: Path) -> None:
    pytest.importorskip("torch")
    from hubtools.training.train import train

    project = make_project(data=folders, dataset={"picture_repeats": {"tok/*": 10}})
    lines: list[str] = []
    train(project, skip_validation=True, dry_run=True, note=lines.append)
    text = "\n".join(lines)
    assert "5 images x 1 repeat = 23 items / (batch 1" in text
    assert "= 23 steps an epoch" in text
    assert "3 pictures x 1, 2 pictures x 10 in an epoch" in text


def test_errors_of_some_pictures_count_more(make_project: MakeProject, folders: Path) -> None:
    pytest.importorskip("torch")
    from hubtools.training.metrics import read_metrics
    from hubtools.training.train import train

    def losses(name: str, **weights: float) -> list[float]:
        project = make_project(
            name=name, data=folders, dataset={"picture_weights": weights}, max_train_steps=1,
            train_batch_size=2, gradient_accumulation_steps=3, caption_dropout=0.0,
        )  # fmt: skip
        lines: list[str] = []
        train(project, skip_validation=True, note=lines.append)
        assert ("3 pictures x 1, 2 pictures x 1 (weight 2) in an epoch" in "\n".join(lines)) == (
            weights == {"tok/*": 2.0}
        )
        return [metric.loss for metric in read_metrics(project.run_dir)]

    (plain,), (doubled,) = losses("a"), losses("b", **{"*": 2.0})
    assert doubled == pytest.approx(2 * plain, rel=1e-5)
    (tok,), (others,) = losses("c", **{"tok/*": 2.0}), losses("d", **{"others/*": 2.0})
    assert tok + others == pytest.approx(3 * plain, rel=1e-5)


def test_a_weight_is_a_number_above_zero(folders: Path) -> None:
    assert DatasetSettings.model_validate({"picture_weights": "tok/*:0.5"}).picture_weights == {
        "tok/*": 0.5
    }
    for wrong in ("tok/*:0", "tok/*:-1", "tok/*:101", "tok/*:x", "5"):
        with pytest.raises(ValueError, match="picture_weights"):
            DatasetSettings.model_validate({"picture_weights": wrong})
    plain = examples_of(view(folders, DatasetSettings()))
    weighed = numbered(plain, DatasetSettings(picture_weights={"tok/*": 2.0}))
    assert fingerprint(plain) != fingerprint(weighed)


def test_several_folders_are_one_training(
    make_project: MakeProject, folders: Path, tmp_path: Path
) -> None:
    """Each is judged by the same rules, in `validate` as before training."""
    other = write_pictures(tmp_path / "older", 2, size=(72, 64))
    project = make_project(
        data=folders,
        dataset={
            "other_folders": [str(other)],
            "picture_repeats": {"older/*": 0.5, "tok/*": 3},
            "picture_weights": {"older/*": 0.25},
        },
    )
    found = find_pictures(project, silent(), from_hub=False, skip_validation=False)
    assert [(e.file_name, e.repeats, e.weight) for e in found.examples] == [
        ("tok/picture0.png", 3, 1), ("tok/picture1.png", 3, 1), ("others/picture0.png", 1, 1),
        ("others/picture1.png", 1, 1), ("others/picture2.png", 1, 1),
        ("older/picture0.png", 0.5, 0.25), ("older/picture1.png", 0.5, 0.25),
    ]  # fmt: skip
    assert found.sizes[-1] == (72, 64)
    assert validate_project(project).ok
    (other / "picture1.png").write_bytes(b"no picture")
    report = validate_project(project)
    errors = [one for one in report.findings if one.severity is Severity.ERROR]
    assert {Path(project.dataset_dir, str(one.path)).resolve() for one in errors} <= {
        other / "picture1.png", other / "metadata.jsonl",
    }  # fmt: skip
    assert not report.ok
    with pytest.raises(ChecksFailed, match="older does not pass validation"):
        find_pictures(project, silent(), from_hub=False, skip_validation=False)
    # what is known of it is known to both
    baseline = tmp_path / "known.json"
    renew_baseline(report, baseline)
    knowing = project.with_settings({("rules", "baseline"): str(baseline)})
    again = validate_project(knowing)
    assert (again.ok, again.facts["baseline"]["stale"]) == (True, [])
    with pytest.raises(HubtoolsError, match="cannot be read as a picture"):
        find_pictures(knowing, silent(), from_hub=False, skip_validation=False)


def test_a_run_does_not_say_where_they_lie(
    make_project: MakeProject, folders: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from hubtools.training.runfolder import _without_places, write_settings
    from hubtools.training.train import train

    other = write_pictures(tmp_path / "older", 1, size=(72, 64))
    project = make_project(data=folders, dataset={"other_folders": [str(other)]})
    manifest = train(project, skip_validation=True, dry_run=True)
    assert manifest.dataset.images == 6
    (tmp_path / "run").mkdir()
    write_settings(tmp_path / "run", project, manifest, [])
    file = tmp_path / "run" / "hubtools.toml"
    assert "older" not in file.read_text()
    # what is changed of hubtools' own is written anew, what a person wrote into it is kept
    write_settings(tmp_path / "run", project, manifest, ["a"])
    file.write_text(f"{file.read_text()}# a good seed\n")
    for _ in range(2):
        write_settings(tmp_path / "run", project, manifest, ["b"])
    assert load_project(tmp_path / "run").samples.prompts == ["b"]
    (kept,) = (tmp_path / "run/.hubtools/replaced").rglob("hubtools.toml")
    assert "# a good seed" in kept.read_text()
    file.write_text("# mine from the first line to the last\n")
    write_settings(tmp_path / "run", project, manifest, ["b"])
    kept = [one.read_text() for one in (tmp_path / "run/.hubtools").rglob("hubtools.toml")]
    assert sorted(kept)[0].startswith("# mine from the first")
    # nor what a model is called that is a folder here
    said = {"embeddings": "dinov2", "picture_encoder": "a/b", "prompt_judge": None, "trigger": "x"}
    assert _without_places(project, said) == said
    for key in ("embeddings", "picture_encoder", "prompt_judge"):
        for place in (str(folders), "/gone/away", "../there", "~/there"):
            assert _without_places(project, said | {key: place}).keys() == said.keys() - {key}
