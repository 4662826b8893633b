"""Trackers follow `metrics.jsonl`; none of them ends a run or is told a step twice."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("tensorboardX")

from tensorboardX.proto.event_pb2 import Event as Message  # noqa: E402

from hubtools import errors  # noqa: E402
from hubtools.errors import missing_modules  # noqa: E402
from hubtools.kept import Kept  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.publish.classify import classify  # noqa: E402
from hubtools.rooted import Root  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.metrics import HeldOut, Log, Metric, read_log, read_metrics  # noqa: E402
from hubtools.training.trackers.follow import Trackers  # noqa: E402
from hubtools.training.trackers.kinds import About, chosen  # noqa: E402
from hubtools.training.trackers.noted import Note  # noqa: E402
from hubtools.training.trackers.tensorboard import FILE, framed, records  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402
from tests.typed import typed  # noqa: E402

MakeProject = Callable[..., Project]
ABOUT = About("hubtools", "lora", "lora-20260101000000", "logs", {"rank": 4, "trigger": "t|k"})


def metric(step: int) -> Metric:
    return Metric(step, 1 / step, 0.5, 0.25, 1e-4, 0.125)


def events(run_dir: Path, name: str = f"logs/{FILE}") -> list[Message]:
    """All of the file, each checksum checked by the reader."""
    path = run_dir / name
    with path.open("rb") as file:
        found = list(records(file))
    assert found[-1][1] == path.stat().st_size
    return [Message.FromString(record) for record, _ in found]


def told(run_dir: Path) -> Counter[tuple[str, int]]:
    return Counter((v.tag, e.step) for e in events(run_dir) for v in e.summary.value)


class Heard(DiesAt):
    """Keeps warnings and dies at a step, if at all."""

    def __init__(self, step: int = 10**9) -> None:
        super().__init__(step)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def follow(tmp_path: Path, warnings: list[str]) -> Callable[..., Trackers]:
    def make(
        steps: int = 0, name: str = "tensorboard", held_out: list[HeldOut] | None = None
    ) -> Trackers:
        log = Log([metric(n) for n in range(1, steps + 1)], held_out or [])
        return Trackers([name], tmp_path, ABOUT, log, warnings.append)

    return make


# --- a run --------------------------------------------------------------------------------------


def test_a_run_that_is_killed_and_goes_on_tells_each_step_once(make_project: MakeProject) -> None:
    settings: dict[str, Any] = {
        "max_train_steps": 6, "checkpointing_steps": 2, "validation_steps": 3,
        "validation_split": 1, "report_to": ["tensorboard"],
    }  # fmt: skip
    project = make_project(samples={"steps": 1, "prompts": ["tok", "a dog"]}, **settings)
    with pytest.raises(Killed):
        train(project, reporter=DiesAt(6), skip_validation=True)
    file = project.run_dir / "logs" / FILE
    file.write_bytes(file.read_bytes()[:-3])  # killed in the middle of a write
    heard = Heard()
    train(project, reporter=heard, skip_validation=True)
    assert heard.warnings == []
    found = told(project.run_dir)
    assert set(found.values()) == {1}
    for tag in ("train/loss", "train/loss_smoothed", "train/lr", "train/grad_norm"):
        assert {step for name, step in found if name == tag} == set(range(1, 7))
    assert {step for name, step in found if name == "validation/loss"} == {0, 3, 6}
    assert {tag for tag, step in found if step == 3 and tag.startswith("samples")} == {
        "samples/p00_s0", "samples/p01_s0",
    }  # fmt: skip
    assert {step for tag, step in found if tag.startswith("samples")} == {0, 3, 6}
    log = read_log(project.run_dir)
    values = {
        (v.tag, e.step): v.simple_value for e in events(project.run_dir) for v in e.summary.value
    }
    assert all(values["train/loss", m.step] == pytest.approx(m.loss) for m in log.steps)
    assert values["validation/loss", 6] == pytest.approx(log.held_out[-1].validation_loss)
    drawn = next(
        v.image for e in events(project.run_dir) for v in e.summary.value
        if v.tag == "samples/p01_s0" and e.step == 6
    )  # fmt: skip
    with Image.open(io.BytesIO(drawn.encoded_image_string)) as image:
        assert image.size == (drawn.width, drawn.height) == (64, 64)
    _holds_no_secret(project, file.read_bytes())


def _holds_no_secret(project: Project, sent: bytes) -> None:
    """Nor a place on this machine; and none of it goes to the Hub, or is part of the run."""
    for place in (str(project.run_dir.parent), str(project.dataset_dir), str(Path.home())):
        assert place.encode() not in sent
    assert b"tracker_project_name" not in sent
    for file in ("run.json", "hubtools.toml"):
        assert "report_to" not in (project.run_dir / file).read_text()
    assert not [item.path for item in classify(project.run_dir).kept if "logs/" in item.path]


def test_trackers_change_nothing_of_what_is_learned(make_project: MakeProject) -> None:
    plain, followed = make_project(name="plain"), make_project(report_to=["all"])
    for project in (plain, followed):
        train(project, skip_validation=True)
    one, other = (p.run_dir / LORA_WEIGHTS for p in (plain, followed))
    assert one.read_bytes() == other.read_bytes()
    assert not (plain.run_dir / "logs").exists()


def test_a_tracker_that_fails_ends_no_run(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(report_to=["tensorboard"])
    before = Root.append

    def full(self: Root, name: str, data: bytes) -> None:
        if name.endswith(FILE):
            raise OSError(28, "No space left on device")
        before(self, name, data)

    monkeypatch.setattr(Root, "append", full)
    heard = Heard()
    assert train(project, reporter=heard, skip_validation=True).status == "finished"
    (warning,) = heard.warnings
    assert warning.startswith("TensorBoard is told nothing more of this run:")
    assert "No space left" in warning
    assert len(read_metrics(project.run_dir)) == 5


def test_a_tracker_without_its_package_is_found_in_the_plan(
    tiny_base: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(errors.EXTRAS, "trackio", ("no_such_trackio",))
    done = typed(
        "train", "--pretrained-model-name-or-path", tiny_base, "--train-data-dir", pictures,
        "--report-to", "trackio", "--skip-validation", "--resolution", "64", "--dry-run",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "trackers:       trackio" in done.stderr
    assert "pip install 'hf-hubtools[trackio]'" in " ".join(done.stderr.split())


def test_a_folder_called_as_a_package_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_wandb").mkdir()
    monkeypatch.setitem(errors.EXTRAS, "wandb", ("no_such_wandb",))
    monkeypatch.syspath_prepend(tmp_path)
    assert missing_modules("wandb") == ["no_such_wandb"]


# --- what is told -------------------------------------------------------------------------------


def test_a_tracker_that_comes_later_is_told_everything(
    tmp_path: Path, follow: Callable[..., Trackers]
) -> None:
    trackers = follow(4, held_out=[HeldOut(0, 0.9), HeldOut(4, 0.8)])
    trackers.tell([metric(4), metric(5)])
    trackers.end("finished")
    order = [(v.tag, e.step) for e in events(tmp_path)[2:] for v in e.summary.value]
    assert [step for tag, step in order if tag == "train/loss"] == [1, 2, 3, 4, 5]
    assert order[0] == ("validation/loss", 0)
    assert order.index(("validation/loss", 4)) < order.index(("train/loss", 5))
    again = follow(5)
    again.end("finished")
    assert [step for tag, step in told(tmp_path) if tag == "train/loss"] == [1, 2, 3, 4, 5]


def test_the_settings_are_a_text(tmp_path: Path, follow: Callable[..., Trackers]) -> None:
    follow(1).end("finished")
    version, text = events(tmp_path)[:2]
    assert version.file_version == "brain.Event:2"
    (value,) = text.summary.value
    assert value.metadata.plugin_data.plugin_name == "text"
    assert b"| rank | 4 |" in value.tensor.string_val[0]


def test_a_file_of_something_else_is_begun_anew(
    tmp_path: Path, follow: Callable[..., Trackers], warnings: list[str]
) -> None:
    path = tmp_path / "logs" / FILE
    path.parent.mkdir()
    for junk in (b"", b"\xff" * 40, framed(b"x")[:-1]):
        path.write_bytes(junk)
        with pytest.warns(Kept, match="is now") if b"\xff" in junk else nullcontext():
            follow(2).end("finished")
        assert [step for tag, step in told(tmp_path) if tag == "train/loss"] == [1, 2]
    path.write_bytes(framed(b"\xff\xff"))  # whole, and no event
    follow(2).end("finished")
    assert len(warnings) == 1


def test_what_somebody_has_put_behind_the_last_event_is_kept(
    tmp_path: Path, follow: Callable[..., Trackers]
) -> None:
    path, notes = tmp_path / "logs" / FILE, b"what I thought of this run"
    follow(2).end("finished")
    path.write_bytes(path.read_bytes() + notes)
    with pytest.warns(Kept, match="somebody has changed it"):
        follow(3).end("finished")
    (kept,) = (tmp_path / ".hubtools" / "replaced").rglob(FILE)
    assert kept.read_bytes().endswith(notes)
    assert [step for tag, step in told(tmp_path) if tag == "train/loss"] == [1, 2, 3]
    path.write_bytes(path.read_bytes() + framed(b"cut off by a kill")[:-3])
    follow(4).end("finished")
    assert len([*(tmp_path / ".hubtools" / "replaced").rglob(FILE)]) == 1


def test_a_note_of_a_tracker_that_somebody_has_changed_is_kept(tmp_path: Path) -> None:
    with Root(tmp_path) as root:
        for name, words in (("a.json", b'{"mine": 1}'), ("b.json", b"my notes")):
            root.write(name, words)
            with pytest.warns(Kept, match="somebody has changed it"):
                Note(root, name, "run").take([])
            (kept,) = (tmp_path / ".hubtools" / "replaced").rglob(name)
            assert kept.read_bytes() == words
            Note(root, name, "another").take([])


def test_no_link_is_followed(
    tmp_path: Path, follow: Callable[..., Trackers], warnings: list[str]
) -> None:
    (tmp_path / "logs").mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    (tmp_path / "logs" / FILE).symlink_to(victim)
    follow(2).end("finished")
    assert victim.read_bytes() == b""
    assert "link" in warnings[0]


def test_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(errors.EXTRAS, "wandb", ("no_such_wandb",))
    monkeypatch.setitem(errors.EXTRAS, "trackio", ("json",))

    def asked(*names: str) -> list[str]:
        return chosen(TrainSettings(report_to=list(names)))  # type: ignore[arg-type]

    assert asked() == asked("none") == []
    assert asked("wandb", "tensorboard", "wandb") == ["tensorboard", "wandb"]
    assert asked("all") == ["tensorboard", "trackio"]
    assert asked("all", "wandb") == ["tensorboard", "wandb", "trackio"]


@pytest.mark.parametrize("folder", ["/elsewhere/logs", "../logs", "samples", "a//b", "state/x", ""])
def test_logs_stay_in_the_run_folder(folder: str) -> None:
    with pytest.raises(ValueError, match="a folder in the run folder"):
        TrainSettings(logging_dir=folder)
    assert TrainSettings(logging_dir="./logs/").logging_dir == "logs"


# --- trackers that are installed where somebody uses them -----------------------------------------


@pytest.mark.skipif(bool(missing_modules("trackio")), reason="trackio is not installed")
def test_trackio_gets_all_of_it_once(
    tmp_path: Path, follow: Callable[..., Trackers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "database"))
    for last in (3, 5):
        follow(last, "trackio", [HeldOut(0, 0.9)]).end("finished")
    import sqlite3

    (database,) = (tmp_path / "database").glob("*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT step, metrics FROM metrics ORDER BY step").fetchall()
    assert [step for step, _ in rows] == [0, 1, 2, 3, 4, 5]
    assert json.loads(rows[1][1])["train/loss"] == 1.0


@pytest.mark.skipif(bool(missing_modules("wandb")), reason="wandb is not installed")
def test_wandb_gets_all_of_it_once_offline(
    tmp_path: Path, follow: Callable[..., Trackers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for last in (3, 5):
        follow(last, "wandb", [HeldOut(0, 0.9)]).end("finished")
    written = list((tmp_path / "logs" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(written) in (1, 2)  # two, unless both fell into one second
    note = json.loads((tmp_path / "logs" / "wandb-reported.json").read_text())
    assert note == {"id": ABOUT.id, "step": 5, "held_out": 0, "samples": -1}
