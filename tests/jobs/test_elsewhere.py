"""A training elsewhere: what is refused before anything is sent, and what a job keeps of a run."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from hubtools.environment import unknown_in
from hubtools.errors import HubtoolsError, UsageError
from hubtools.hub import answers
from hubtools.hub.jobs import Machine, _job, _machine, named
from hubtools.jobs import onjob, remote, script
from hubtools.jobs.estimate import precision_on
from hubtools.jobs.onjob import Sender, Training
from hubtools.jobs.place import Place, belongs, bring, find_place, open_place
from hubtools.jobs.plan import seconds_of
from hubtools.jobs.script import script_of
from hubtools.localhub.jobs import Jobs
from hubtools.rooted import Root
from hubtools.version import __version__
from tests.typed import typed

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub


@pytest.fixture
def place(local_hub: Hub) -> Place:
    return open_place("me/a-run", "Run of a [1]")


def write(run: Path, **files: str) -> None:
    for name, text in files.items():
        path = run / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(place: Place) -> list[str]:
    return sorted(place.files()[1])


def test_a_run_keeps_its_newest_state_until_it_is_finished(place: Place, tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, run_json="{}", state__a="no state", **{"state/step-000002/state.json": "2"})
    write(run, **{".lock": "", "loss.pkl": "", ".git/config": "", "samples/a.sh": ""})
    sender = Sender(place, run)
    assert sender.has_news()
    sender.send("so far", finished=False)
    assert names(place) == ["run.json", "state/step-000002/state.json"]
    assert not sender.has_news()
    write(run, **{"state/step-000004/state.json": "4"})
    assert sender.has_news()
    sender.send("so far", finished=False)
    assert names(place) == ["run.json", "state/step-000004/state.json"]
    with Root(tmp_path / "again", create=True) as root:
        bring(place, root, states=True)
    assert (tmp_path / "again/state/step-000004/state.json").read_text() == "4"
    sender.send("finished", finished=True)
    assert names(place) == ["run.json"]
    assert find_place("me/a-run", "Run of a [1]") == place
    assert find_place("me/a-run", "Run of a [2]") is None


_TRAINS = """
import pathlib, signal, sys, time
def stop(*_):
    state = pathlib.Path("state/step-000007")
    state.mkdir(parents=True)
    (state / "state.json").write_text("saved")
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path("run.json").write_text("begun")
time.sleep(600)
"""


def test_a_training_is_stopped_before_the_job_s_time_is_over(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hubtools.jobs.onjob._LOOK", 0.01)
    sender = Sender(place, tmp_path)
    words = [sys.executable, "-c", _TRAINS]
    code = Training(words, sender, (tmp_path / "run.json").exists, 100).run()
    assert code == 130
    assert "time is nearly over" in capfd.readouterr().out
    sender.send("so far", finished=False)
    assert names(place) == ["run.json", "state/step-000007/state.json"]


def test_one_that_does_not_stop_is_ended_and_what_it_has_saved_is_sent(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hubtools.jobs.onjob._LOOK", 0.01)
    sender = Sender(place, tmp_path)
    words = [sys.executable, "-c", _TRAINS.replace("sys.exit(130)", "")]
    code = Training(words, sender, (tmp_path / "run.json").exists, 0.0).run()
    assert code == -signal.SIGKILL
    assert "it is ended" in capfd.readouterr().out
    sender.send("so far", finished=False)
    assert "run.json" in names(place)


def test_only_files_of_a_run_are_brought(local_hub: Hub, place: Place, tmp_path: Path) -> None:
    odd = (".gitattributes", "model.pkl", "state/step-1/optimizer.bin", "samples/.x.png",
           "a/b.json", "hubtools.toml/x.toml", "README.md")  # fmt: skip
    assert not any(map(belongs, odd))
    HfApi(endpoint=local_hub.url, token=local_hub.token).create_commit(
        place.repo,
        [CommitOperationAdd(name, b"x") for name in (*odd[1:], "run.json")],
        commit_message="odd",
        revision=place.ref,
    )
    with Root(tmp_path / "run", create=True) as root:
        bring(place, root, states=True)
    assert [path.name for path in (tmp_path / "run").rglob("*")] == ["run.json"]


@pytest.fixture
def with_jobs(local_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    import dataclasses

    jobs = Jobs(1)
    jobs.url = local_hub.url
    monkeypatch.setattr(local_hub.app, "hub", dataclasses.replace(local_hub.app.hub, jobs=jobs))
    yield local_hub
    jobs.close()


def test_what_cannot_be_is_refused_before_anything_is_planned(
    with_jobs: Hub, tmp_path: Path
) -> None:
    api = HfApi(endpoint=with_jobs.url, token=with_jobs.token)
    write(tmp_path / "runs/old", **{"state/step-000002/state.json": "{}"})
    api.create_repo("me/public-run")
    other = api.run_job(image="a", command=["true"], namespace="me").id

    def refused(code: int, *words: str) -> str:
        done = typed("train", "--base-model=me/a", *words, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return done.stderr

    assert "it has, with dollars an hour: cpu-basic ($0.01)" in refused(2, "--remote=b200")
    assert "--detach belongs to --remote" in refused(2, "--detach")
    assert "give one" in refused(2, "--remote=l4x1", "--attach=abcdef0123456789")
    for word in (f"--init-from={tmp_path}", "--other-folders=b", "--validation-images=c.png"):
        assert "which is on this machine only" in refused(2, "--remote=l4x1", word)
    assert "e.g. 90m or 2h" in refused(2, "--remote=l4x1", "--job-timeout=soon")
    assert "holds a run already" in refused(1, "--remote=l4x1", "--output-dir=runs/old")
    assert "me/public-run is public" in refused(3, "--remote=l4x1", "--run-repo=me/public-run")
    assert "You have no job that trains" in refused(1, "--attach")
    assert "was not sent by" in refused(1, f"--attach={other}")
    assert "is no job" in refused(2, "--attach=../x")
    assert "Job not found" in refused(1, "--attach=0123456789abcdef")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "hubtools.toml").write_text('[dataset]\nrepo = "me/none"\n')
    said = refused(2, "--remote=l4x1", "--base-model=tiny-people")
    assert "`hubtools push dataset me/none --type dataset` puts them there" in said


@pytest.mark.parametrize(
    ("blocks", "whole"),
    [
        ([b"data: x\n\n"] * 300_000, True),
        ([b"x" * 999_999 + b"\n", b"y" * 1_000_000, b"\nz"], True),
        ([b"a\n" + b"x" * 600_000, b"x" * 400_001], False),
        ([b"x" * 400_001, b"x" * 600_000 + b"\nb"], False),
        ([b"a\n" + b"x" * 1_000_001 + b"\nb"], False),
    ],
)
def test_a_line_of_a_log_has_a_bound(blocks: list[bytes], whole: bool) -> None:
    """One of 60 MB took a gigabyte."""
    request = SimpleNamespace(method="GET", url=SimpleNamespace(path="/api/jobs/me/a/logs"))
    if whole:
        assert list(answers._lined(blocks, request)) == blocks
        return
    with pytest.raises(HubtoolsError, match="has a line of more than 1,000,000 bytes"):
        list(answers._lined(blocks, request))


def test_a_record_that_is_damaged_is_told_by_its_place_on_the_hub(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text('{"schema": 7}')
    with pytest.raises(HubtoolsError, match=rf"pull request {place.pr} of {place.repo} is") as told:
        remote._finished(tmp_path, place)
    assert str(tmp_path) not in str(told.value)
    assert f"/discussions/{place.pr}" in (told.value.hint or "")


def test_a_job_s_own_variables_are_known() -> None:
    names = (onjob.STARTED, script.VARIABLE, remote._REPO, remote._PR)
    assert unknown_in(dict.fromkeys(names, "x")) == []


def test_names_times_and_machines() -> None:
    assert [seconds_of(text) for text in ("90m", "2h", "1.5h", "7200")] == [5400, 7200, 5400, 7200]
    for text in ("", "5", "8d", "1e9", "-2h"):
        with pytest.raises(UsageError, match="--job-timeout"):
            seconds_of(text)
    assert named("https://huggingface.co/jobs/me/0123456789ab") == ("me", "0123456789ab")
    assert named("0123456789ab") == (None, "0123456789ab")
    cards = {"T4": "fp16", "L4": "bf16", "Nvidia A10G": "bf16", None: "no"}
    assert {gpu: precision_on(Machine("m", "M", 1.0, 4, gpu, 1)) for gpu in cards} == cards


@pytest.mark.parametrize("key", ["a1; curl x | sh", "$(x)", "../x", "-x", "", "a`b", "a\nb"])
def test_a_job_that_a_shell_would_read_as_more_than_a_word(key: str) -> None:
    """Its id stands in commands to type."""
    for id, name in ((key, "me"), ("0123456789ab", key)):
        with pytest.raises(ValueError, match="a job is called"):
            _job(SimpleNamespace(id=id, owner=SimpleNamespace(name=name)))


def test_settings_come_out_of_a_script_as_they_went_in() -> None:
    settings = '[dataset]\ntrigger = "a\\\\ \\"\\"\\"b\\n"\n'
    script = script_of(
        settings, name="a", repo="me/a-run", pr=3, flavor="l4x4", timeout=60, processes=4,
        labels={"hubtools-run": "a"}, extras=("optimizers", "train"),
    )  # fmt: skip
    space: dict[str, object] = {"__name__": "looked at"}
    exec(compile(script, "script", "exec"), space)  # noqa: S102
    assert space["SETTINGS"] == settings
    assert f'# dependencies = ["hf-hubtools[optimizers,train]=={__version__}"]' in script


def test_a_file_that_is_not_what_the_hub_lists_is_not_brought(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "there", run_json="{}", metrics_jsonl="{}")
    Sender(place, tmp_path / "there").send("so far", finished=False)
    monkeypatch.setattr("hubtools.jobs.place.fetched", lambda *words, **more: tmp_path / "other")
    (tmp_path / "other").write_text("[]")  # as long
    with (
        Root(tmp_path / "run", create=True) as root,
        pytest.raises(HubtoolsError, match="is not what the Hub lists"),
    ):
        bring(place, root, states=True)
    assert not list((tmp_path / "run").iterdir())


def test_a_run_repository_that_everybody_reads_is_never_written_to(local_hub: Hub) -> None:
    HfApi(endpoint=local_hub.url, token=local_hub.token).create_repo("me/open-run")
    with pytest.raises(HubtoolsError, match="is public"):
        open_place("me/open-run", "Run of a [1]")


def test_to_send_a_job_no_pytorch_is_needed() -> None:
    code = (
        "import sys, hubtools.cli.elsewhere, hubtools.jobs.remote;"
        "print({'torch', 'diffusers', 'transformers', 'peft', 'accelerate'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.stdout == "set()\n", said.stderr


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0, 1e9])
def test_a_price_that_is_none(cost: float) -> None:
    with pytest.raises(ValueError, match="a price of"):
        _machine(machine(unit_cost_usd=cost))


@pytest.mark.parametrize(("vram", "memory"), [("24 GB", 24 * 10**9), ("9" * 400 + " GB", None)])
def test_a_memory_that_is_none(vram: str, memory: int | None) -> None:
    card = SimpleNamespace(model="X", quantity="1", vram=vram)
    assert _machine(machine(accelerator=card)).memory == memory


def machine(**more: object) -> SimpleNamespace:
    said = {"name": "a", "pretty_name": "A", "unit_label": "minute", "unit_cost_usd": 0.01}
    return SimpleNamespace(**(said | {"cpu": "2 vCPU", "accelerator": None} | more))
