"""`doctor` tells what there is, and never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.journey.doctor import _runs_on, _unused_gpu, trains
from hubtools.localhub.server import Hub
from tests import forkserver
from tests.typed import typed

TOKEN = "hf_" + "Qq7" * 11 + "z"


# The Hub's client reads the environment only once: each has a process of its own that imports the
# client, forked from one that has imported PyTorch, which takes seconds.
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "token": {"HF_TOKEN": TOKEN},
    "file of a token": {"HF_TOKEN": "", "HF_TOKEN_PATH": "token"},
    "no answer": {"HF_ENDPOINT": "http://127.0.0.1:9"},
    "no web address": {"HF_ENDPOINT": "nonsense"},
    "offline": {"HF_HUB_OFFLINE": "1"},
}
_IN_EACH = """
import json, os, sys, torch
for name in list(sys.modules):
    if name.partition(".")[0] in ("huggingface_hub", "hubtools"):
        del sys.modules[name]
ended = []
for name, environ in json.loads(sys.argv[1]).items():
    if os.fork() == 0:
        for number, kind in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{kind}", os.O_CREAT | os.O_WRONLY), number)
        os.environ |= environ
        from hubtools.cli.main import run
        forms = ("human", "json", "agent") if "HF_TOKEN" in environ else ("agent",)
        sys.exit(max(run(["doctor", "--format", form]) for form in forms))
    ended.append(os.waitstatus_to_exitcode(os.wait()[1]))
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Exit code, output and errors in each of the environments; of a token in three formats."""
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "token").write_text(TOKEN)
    done = forkserver.call(json.dumps(ENVIRONMENTS), cwd=folder, code=_IN_EACH)
    assert done.returncode == 0, done.stderr
    return {
        name: (code, *((folder / f"{name}.{kind}").read_text() for kind in ("out", "err")))
        for name, code in zip(ENVIRONMENTS, json.loads(done.stdout), strict=True)
    }


def facts(**environ: str) -> dict[tuple[str, str], dict[str, str]]:
    done = typed("doctor", "--format", "json", **environ)
    assert done.returncode == 0, done.stderr
    return {(row["topic"], row["name"]): row for row in json.loads(done.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["token", "file of a token"])
def test_a_token_is_present_and_never_shown(
    told: dict[str, tuple[int, str, str]], place: str
) -> None:
    _, out, err = told[place]
    assert TOKEN not in out + err
    assert TOKEN[3:12] not in out + err
    assert out.count("present") == 3


def test_what_it_knows(local_hub: Hub, tmp_path: Path) -> None:
    told = facts(HF_TOKEN="", HF_TOKEN_PATH=str(tmp_path / "none"))
    assert told["hub", "endpoint"]["value"] == local_hub.url
    assert told["hub", "connection"]["value"] == "answers"
    assert told["hub", "token"]["value"] == "none"
    assert told["python", "version"]["value"].startswith("3.")
    for topic, name in (
        ("device", "dtype"),
        ("machine", "memory"),
        ("machine", "disk here"),
        ("extras", "train"),
        ("extras", "hub"),
    ):
        assert told[topic, name]["value"]


@pytest.mark.slow
@pytest.mark.parametrize("words", ["no answer", "no web address", "offline"])
def test_oddities_are_told_not_fallen_over(
    told: dict[str, tuple[int, str, str]], words: str
) -> None:
    code, out, err = told[words]
    assert code in (0, 1, 3), err
    assert words in out
    assert "Traceback" not in err


def test_too_many_threads_are_told() -> None:
    done = typed("doctor", "--format", "agent", OMP_NUM_THREADS="64")
    assert done.returncode in (0, 1, 3), done.stderr
    assert "OMP_NUM_THREADS=64" in done.stdout


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 9), ["sm_80"], True),
        ((7, 5), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_90"], False),
        ((12, 0), ["sm_90", "compute_90"], True),
        ((9, 0), ["sm_90a", "gfx90a"], True),
        ((9, 4), [], True),
    ],
)
def test_which_gpus_a_build_runs_on(
    capability: tuple[int, int], built: list[str], runs: bool
) -> None:
    assert _runs_on(*capability, built) is runs


def test_a_gpu_that_is_there_and_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if not Path("/proc/driver/nvidia/version").exists():
        assert _unused_gpu(None) is None
        assert _unused_gpu("13.0") is None  # the usual build on a machine without a GPU
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for built, words in ((None, "built for the CPU"), ("13.0", "not usable")):
        fact = _unused_gpu(built)
        assert fact is not None
        assert words in fact.value
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fact = _unused_gpu("13.0")
    assert fact is not None
    assert "hidden by" in fact.value


def test_what_can_be_trained_is_told_by_memory() -> None:
    told = {fact.name: fact.value for fact in trains(16 * 10**9 - 10**8)}
    assert told["SDXL"] == "yes"
    assert told["FLUX.1"] == "yes --gradient-checkpointing --quantize nf4"
    assert told["FLUX.2 dev"] == "from 80 GB"
    assert set({fact.name: fact.value for fact in trains(4 * 10**9)}.values()) > {"from 8 GB"}
    without = [fact.value for fact in trains(None)]
    assert next(fact.name for fact in trains(None)) == "a GPU of 8 GB"
    names = ", ".join(value.removeprefix("also ") for value in without).split(", ")
    assert len(names) == len(set(names)) == len(told)  # each once
