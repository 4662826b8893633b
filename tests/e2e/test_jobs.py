"""`train --remote`: a job of the embedded Hub goes on with a run, which is fetched from there."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from huggingface_hub import HfApi
from huggingface_hub.cli._uv_script_header import parse_uv_script_header

from hubtools.jobs.onjob import Sender
from hubtools.jobs.place import open_place
from hubtools.localhub.jobs import Jobs
from hubtools.rooted import Root
from hubtools.trust import seal
from tests.planning import tree
from tests.typed import typed

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

WORDS = ("train", "--base-model=me/base", "--dataset-name=me/pictures", "--resolution=64",
         "--rank=2", "--max-train-steps=3", "--validation-steps=0", "--num-threads=1",
         "--target-modules=to_v", "--lr-warmup-steps=0", "--checkpointing-steps=2")  # fmt: skip
LORA = "pytorch_lora_weights.safetensors"


@pytest.fixture
def hub(
    local_hub: Hub, monkeypatch: pytest.MonkeyPatch, tiny_base: Path, pictures: Path
) -> Iterator[Hub]:
    """One that runs jobs, with a base and pictures."""
    jobs = Jobs(1)
    jobs.url = local_hub.url
    monkeypatch.setattr(local_hub.app, "hub", dataclasses.replace(local_hub.app.hub, jobs=jobs))
    local_hub.store.mount("model", "me/base", tiny_base)
    local_hub.store.mount("dataset", "me/pictures", pictures)
    yield local_hub
    jobs.close()


def test_a_job_goes_on_with_a_run_that_is_fetched_then(hub: Hub, tmp_path: Path) -> None:
    api = HfApi(endpoint=hub.url, token=hub.token)
    here, there = tmp_path / "here/runs/tiny", tmp_path / "there"
    there.mkdir()
    remote = (*WORDS, "--output-dir=runs/tiny", "--remote=cpu-basic", "--format=json")
    unsure = typed(*remote, cwd=there)
    assert unsure.returncode == 2
    assert json.loads(unsure.stdout)["error"]["code"] == "confirmation-needed"
    assert "$0.01 an hour, $0.01 at most" in unsure.stderr
    assert not list(api.list_jobs(namespace="me"))

    # what an earlier job, whose time was over, has left
    whole = typed(*WORDS, f"--output-dir={here}", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    lora = (here / LORA).read_bytes()
    (here / LORA).unlink()
    shutil.rmtree(here / "state/step-000003")
    title = re.search(r"a new pull request of me/tiny-run \(private\): (.*)", unsure.stderr)
    assert title is not None, unsure.stderr
    place = open_place("me/tiny-run", title[1])
    Sender(place, here).send("The run so far", finished=False)

    sent = typed(*remote, "--yes", cwd=there)
    assert sent.returncode == 0, sent.stderr
    said = json.loads(sent.stdout)
    assert (said["run_repo"], said["pr"]) == ("me/tiny-run", place.pr)
    assert f"the {place.pr}. pull request" in sent.stderr
    assert "resumes:        after step 2; 1 are left" in sent.stderr
    assert (there / "runs/tiny" / LORA).read_bytes() == lora
    assert not (there / "runs/tiny/state").exists()
    assert json.loads((there / "runs/tiny/run.json").read_text())["status"] == "finished"

    job = api.inspect_job(job_id=said["job"])
    (info,) = api.get_repo_discussions("me/tiny-run")
    assert (job.status.stage, info.is_pull_request) == ("COMPLETED", True)
    assert api.repo_info("me/tiny-run").private
    assert job.environment is not None
    script = base64.b64decode(job.environment["HUBTOOLS_SCRIPT"]).decode()
    header = parse_uv_script_header(script)
    assert header is not None
    assert (header.flavor, header.timeout, header.secrets) == ("cpu-basic", "1800s", ["HF_TOKEN"])
    compile(script, "script", "exec")
    assert hub.token not in script + sent.stderr + json.dumps([job.command, job.arguments])

    # the same again, from another folder, without another job
    again = typed("train", "--attach", "--output-dir=again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / LORA).read_bytes() == lora
    with Root(tmp_path) as root:  # as a kill leaves it, right after all is there
        mark = ".again.fetched.json"
        root.write_json(mark, seal(root.path, mark, {"for": "again"}))
    left = tree(tmp_path / "again")
    twice = typed("train", f"--attach={job.id}", "--output-dir=again", cwd=tmp_path)
    assert twice.returncode == 0, twice.stderr
    assert tree(tmp_path / "again") == left
    assert not list(tmp_path.glob(".again*"))
    twice = typed("train", f"--attach={job.id}", "--output-dir=again", cwd=tmp_path)
    assert (twice.returncode, "holds a run already" in twice.stderr) == (1, True)
    # where a run lies the plan is shown all the same
    shown = typed(*remote[:-1], "--dry-run", cwd=there)
    assert (shown.returncode, "it cannot be sent as things are" in shown.stderr) == (0, True)
    assert "or --no-resume, which moves it aside" in shown.stderr


def test_what_is_on_this_machine_only_is_refused(
    hub: Hub, tmp_path: Path, tiny_base: Path, pictures: Path
) -> None:
    def refused(*words: str | Path) -> str:
        done = typed("train", "--remote=cpu-basic", *words, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        return done.stderr

    told = refused(f"--base-model={tiny_base}", "--dataset-name=me/pictures")
    assert f"The base {tiny_base} is on this machine only" in told
    told = refused("--base-model=me/base", f"--train-data-dir={pictures}")
    assert f"`hubtools push {pictures.name} OWNER/NAME --type dataset` puts them there" in told
    other = shutil.copytree(pictures, tmp_path / "other")
    lines = (other / "metadata.jsonl").read_text()
    (other / "metadata.jsonl").write_text(lines.replace('"text": "', '"text": "another ', 1))
    words = ("--base-model=me/base", "--dataset-name=me/pictures", f"--train-data-dir={other}")
    told = refused(*words)
    assert "other holds other pictures or captions than me/pictures on the Hub" in told
