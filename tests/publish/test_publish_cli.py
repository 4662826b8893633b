"""`hubtools prune` and `hubtools push` as typed."""

from __future__ import annotations

import json
import re
import shlex
import signal
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from tests import forkserver
from tests.typed import typed as cli


def test_prune_shows_applies_undoes_and_purges(run_dir: Path) -> None:
    shown = cli("prune", run_dir, "--format", "json")
    rows = {row["path"]: row for row in json.loads(shown.stdout)}
    assert rows[LORA_WEIGHTS]["verdict"] == "keep"
    assert rows["metrics.jsonl"]["verdict"] == "drop"
    assert "6 files" in shown.stderr
    assert (run_dir / "metrics.jsonl").exists()
    applied = cli("prune", run_dir, "--apply")
    assert applied.returncode == 0, applied.stderr
    assert not (run_dir / "metrics.jsonl").exists()
    assert "files back" in cli("prune", run_dir, "--undo").stdout
    assert (run_dir / "metrics.jsonl").exists()
    cli("prune", run_dir, "--apply")
    refused = cli("prune", run_dir, "--purge")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert cli("prune", run_dir, "--purge", "--yes").returncode == 0
    assert cli("prune", run_dir, "--undo").returncode == 1


def test_prune_asks_with_its_exit_code(run_dir: Path) -> None:
    (run_dir / "huge.dat").write_bytes(b"0" * 10_000_001)
    asked = cli("prune", run_dir)
    assert asked.returncode == 3
    assert "undecided" in asked.stderr


def test_push_plans_sends_and_says_where(local_hub: Hub, run_dir: Path, tmp_path: Path) -> None:
    dry = cli("push", run_dir, "me/people", "--dry-run", "--format", "agent")
    assert dry.returncode == 0, dry.stderr
    assert f"{LORA_WEIGHTS}\tadd\t" in dry.stdout
    assert "state for resuming" in dry.stdout
    for number in range(6):
        (run_dir / f"samples/more{number}.png").write_bytes(b"x")
    read = cli("push", run_dir, "me/people", "--dry-run", "--format", "human")
    assert "samples/ (8 files)" in read.stdout
    assert "samples/more0.png" not in read.stdout
    judged = cli("prune", run_dir, "--format", "human").stdout
    assert "samples/ (8 files)" in judged
    assert "images/00.png" in judged
    assert not HfApi().repo_exists("me/people")
    assert cli("push", run_dir, "me/people", "--plan", tmp_path / "p.json").returncode == 0
    sent = cli("push", "--from-plan", tmp_path / "p.json", "-q")
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout == f"{local_hub.url}/me/people\n"
    again = cli("push", run_dir, "--repo", "me/people", "--format", "json")
    assert json.loads(again.stdout)["commit"] == HfApi().model_info("me/people").sha


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere",), 1, "no folder nowhere"),
        (("me/lora",), 1, "hubtools push FOLDER me/lora"),
        (("{run}/images",), 1, "no LoRA"),
        (("{run}",), 2, "No repository is set"),
        (("{run}", "not a repo"), 2, "cannot be the name"),
        (("{run}", "me/x", "--keep-snapshots", "some"), 2, "none"),
        (("--from-plan", "nowhere.json"), 1, "no plan"),
        (("{run}", "nobody/x"), 1, "cannot create it"),
    ],
)
def test_mistakes_get_a_sentence(
    local_hub: Hub, run_dir: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = cli("push", *(word.format(run=run_dir) for word in arguments))
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_release_with_an_error_is_not_sent(local_hub: Hub, dataset: Path) -> None:
    token = "hf_" + "aB3" * 11 + "x"
    (dataset / "notes.txt").write_text(token)
    page = dataset.parent / "push.json"
    done = cli("push", dataset, "me/people", "--report", page)
    assert done.returncode == 3
    assert "P101" in done.stderr
    assert "P101" in {finding["rule"] for finding in json.loads(page.read_text())["findings"]}
    assert token not in done.stdout + done.stderr
    assert not HfApi().repo_exists("me/people", repo_type="dataset")


def test_a_token_is_never_shown(local_hub: Hub, dataset: Path) -> None:
    token = "hf_" + "Zz9" * 11 + "q"
    done = cli("push", dataset, "me/people", HF_TOKEN=token)
    assert done.returncode == 1
    assert token not in done.stdout + done.stderr
    assert "token" in done.stderr


@pytest.mark.parametrize(
    ("token", "repo", "words"),
    [
        ("hf_reader", "me/people", "may not write"),
        ("hf_other", "me/people", "may not write"),
        ("", "me/people", "no Hub token"),
    ],
)
def test_who_may_not_gets_one_sentence(
    local_hub: Hub, run_dir: Path, token: str, repo: str, words: str
) -> None:
    HfApi().create_repo(repo)
    before = HfApi().model_info(repo).sha
    done = cli("push", run_dir, repo, HF_TOKEN=token)
    assert done.returncode == 1
    assert words in done.stderr
    assert not token or token not in done.stdout + done.stderr
    assert HfApi().model_info(repo).sha == before


def test_a_stopped_push_is_interrupted_and_goes_on(local_hub: Hub, run_dir: Path) -> None:
    # the client tries again for a while; it cannot have ended when the signal arrives
    waiting = local_hub.fail_next("PUT", "", 503)
    local_hub.fail_next("POST", "/commit/", 503, times=99)
    process = forkserver.start("push", run_dir, "me/people", together=False)
    until = time.monotonic() + 300
    while not waiting.hits:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    local_hub.faults.clear()
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert HfApi().list_repo_files("me/people") == [".gitattributes"]
    assert cli("push", run_dir, "me/people").returncode == 0
    assert LORA_WEIGHTS in HfApi().list_repo_files("me/people")


def test_prune_tells_how_a_lora_becomes_half_as_large(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    run = tmp_path / "run"
    run.mkdir()
    state = {}
    for number in range(40):
        layer = f"unet.down_blocks.0.attentions.{number}.transformer_blocks.0.attn1.to_k"
        state[f"{layer}.lora_A.weight"] = torch.randn(64, 640)
        state[f"{layer}.lora_B.weight"] = torch.randn(640, 64)
    save_file(state, run / LORA_WEIGHTS)
    shown = cli("prune", run)
    assert "the LoRA can be half as large (6.56 MB)" in shown.stderr
    (words,) = re.findall("`hubtools (prune .*)`", shown.stderr)
    done = cli(*shlex.split(words), cwd=tmp_path)
    assert "fp16 6.57 MB, its changes differ by 0.0002" in done.stdout
    (words,) = re.findall("hubtools (prune .*)", done.stderr)
    assert (
        "1 LoRA file written in half precision\n" in cli(*shlex.split(words), cwd=tmp_path).stdout
    )
    save_file({name: tensor.half() for name, tensor in state.items()}, run / LORA_WEIGHTS)
    assert "half as large" not in cli("prune", run).stderr


def test_prune_says_what_comes_next(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "hubtools.toml").write_text('[model]\nrepo = "me/people"\n')
    place = run_dir.relative_to(tmp_path) if run_dir.is_relative_to(tmp_path) else run_dir
    options = {"cwd": tmp_path}
    shown = cli("prune", place, **options)
    assert f"`hubtools prune {place} --apply` moves them out" in shown.stderr
    assert f"next: hubtools push {place} me/people --dry-run" in shown.stderr
    assert "does not show" not in "".join(
        line for line in shown.stdout.splitlines(True) if "samples/" in line
    )
    applied = cli("prune", place, "--apply", **options)
    assert f"`hubtools prune {place} --undo` takes this back" in applied.stderr
    (run_dir / "README.md").unlink()
    assert f"next: hubtools card {place}\n" in cli("prune", place, **options).stderr
