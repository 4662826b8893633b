"""What lies in a run folder may have come with it: shown, asked about, never acted on unasked."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.manifest import RunManifest
from hubtools.models.tensors import parse_tensors, write_tensors
from hubtools.rooted import LeadsOut
from hubtools.training.checkpoints import load_newest, restore, save_state
from hubtools.training.found_states import LORA, OPTIMIZER, StateFacts, seen_states, states
from hubtools.training.metrics import MetricsLog, read_metrics
from hubtools.training.runfolder import earlier_run, locked
from hubtools.trust import SEAL, ForeignState
from tests.drawing import write_pictures
from tests.typed import typed

torch = pytest.importorskip("torch")

STATE = "state/step-000004"


class Bench:
    """A parameter with an optimizer that has done a step."""

    def __init__(self) -> None:
        self.parameters = {"a.lora_A": torch.nn.Parameter(torch.ones(2, 3))}
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=0.1)
        self.parameters["a.lora_A"].grad = torch.ones(2, 3)
        self.optimizer.step()

    def save(self, run: Path, step: int, limit: int = 9) -> Path:
        facts = StateFacts(step=step, fingerprint="f", threads=1, files={})
        return save_state(run, facts, self.parameters, self.optimizer, limit)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of ten steps, with a state of step 4."""
    folder = tmp_path / "run"
    folder.mkdir()
    Bench().save(folder, 4)
    return folder


def load(run: Path, **more: Any) -> tuple[int | None, list[str]]:
    warned: list[str] = []
    state = load_newest(run, "f", warned.append, steps=10, **more)
    return state.facts.step if state else None, warned


def rewrite(folder: Path, **change: Any) -> None:
    """As somebody would who has no key."""
    path = folder / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_the_users_own(run: Path, tmp_path: Path) -> None:
    """Without a question, also where the run folder was copied or moved to."""
    assert load(run) == (4, [])
    assert load(Path(shutil.copytree(run, tmp_path / "copy"))) == (4, [])
    assert load(run.rename(tmp_path / "moved")) == (4, [])


@pytest.mark.parametrize(
    "change",
    [{"loss_ema": 1.0}, {"threads": 7}, {SEAL: None}, {SEAL: {"mac": "0" * 64}}, {"versions": {}}],
)
def test_what_another_wrote_is_asked_about(run: Path, change: dict[str, Any]) -> None:
    rewrite(run / STATE, **({"versions": {"a": "b"}} | change), seconds=5.0)
    with pytest.raises(ForeignState) as caught:
        load(run)
    assert "step 4 of 10" in caught.value.message
    assert "--no-resume" in str(caught.value.hint)
    assert "--trust-state" in str(caught.value.hint)
    assert "--output-dir" in str(caught.value.hint)
    assert load(run, trust_state=True) == (4, [])
    assert load(run) == (4, [])  # it is this user's now


def test_another_machine(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two machines are one where they share HUBTOOLS_STATE_KEY."""
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path / "elsewhere"))
    with pytest.raises(ForeignState):
        load(run)
    monkeypatch.setenv("HUBTOOLS_STATE_KEY", "a long text that both machines have")
    Bench().save(run, 5)
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path / "third"))
    assert load(run) == (5, [])


def test_a_state_elsewhere_in_the_run(run: Path) -> None:
    """A seal is of one step's folder: states cannot change places."""
    (run / STATE).rename(run / "state" / "step-000009")
    step, warned = load(run, trust_state=True)
    assert step is None
    assert "speaks of step 4" in warned[0]


@pytest.mark.parametrize("step", [0, -1, 11, 10**9, 10**30, "4x", None, 4.5, True])
def test_steps_that_cannot_be(run: Path, step: Any) -> None:
    """A forged step of 10**9 made an unfinished run a finished one."""
    name = f"step-{step:06d}" if isinstance(step, int) and step < 10**9 else "step-999999999"
    shutil.copytree(run / STATE, run / "state" / name, dirs_exist_ok=True)
    rewrite(run / "state" / name, step=step)
    assert load(run, trust_state=True)[0] in (4, None)


@pytest.mark.parametrize(
    "change",
    [
        {"threads": 10**9},
        {"threads": 0},
        {"loss_ema": float("nan")},
        {"seconds": float("inf")},
        {"files": {"../../x": "0" * 64}},
        {"files": {LORA: "x"}},
        {"scaler": {"scale": float("nan")}},
        {"scaler": {"other": 1}},
        {"files": []},
    ],
)
def test_facts_that_make_no_sense(run: Path, change: dict[str, Any]) -> None:
    rewrite(run / STATE, **change)
    step, warned = load(run, trust_state=True)
    assert step is None
    assert "is passed over" in warned[0]


def test_a_state_of_another_recipe(run: Path) -> None:
    rewrite(run / STATE, fingerprint="other")
    step, warned = load(run, trust_state=True)
    assert step is None
    assert "other settings" in warned[0]


def test_tensors_that_are_not_what_was_hashed(run: Path) -> None:
    path = run / STATE / LORA
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    step, warned = load(run)
    assert step is None
    assert "damaged" in warned[0]


_TENSORS: dict[str, tuple[str, Any]] = {
    "shape": (LORA, lambda t: t | {"a.lora_A": torch.ones(3, 2)}),
    "wider": (LORA, lambda t: t | {"a.lora_A": torch.ones(1, 1)}),
    "type": (LORA, lambda t: t | {"a.lora_A": torch.ones(2, 3, dtype=torch.float64)}),
    "missing": (LORA, lambda t: {}),
    "more": (LORA, lambda t: t | {"b": torch.ones(1)}),
    "no such parameter": (OPTIMIZER, lambda t: t | {"exp_avg/evil": torch.ones(1)}),
    "no such kind": (OPTIMIZER, lambda t: t | {"evil/a.lora_A": torch.ones(2, 3)}),
    "no step": (OPTIMIZER, lambda t: {k: v for k, v in t.items() if not k.startswith("step/")}),
    "step shape": (OPTIMIZER, lambda t: t | {"step/a.lora_A": torch.ones(5)}),
}


_NO_NUMBERS: dict[str, tuple[str, Any]] = {
    "nan": (LORA, lambda t: t | {"a.lora_A": torch.full((2, 3), float("nan"))}),
    "infinite": (OPTIMIZER, lambda t: t | {"exp_avg/a.lora_A": torch.full((2, 3), float("inf"))}),
}


def change_tensors(run: Path, file: str, change: Any) -> None:
    path = run / STATE / file
    write_tensors(path, change(parse_tensors(path.read_bytes())))
    files = json.loads((run / STATE / "state.json").read_text())["files"]
    rewrite(run / STATE, files=files | {file: sha256_of(path)})


@pytest.mark.parametrize("how", _NO_NUMBERS)
def test_trusted_tensors_must_be_numbers(run: Path, how: str) -> None:
    change_tensors(run, *_NO_NUMBERS[how])
    step, warned = load(run, trust_state=True)
    assert step is None
    assert "no number" in warned[0]


@pytest.mark.parametrize("how", _TENSORS)
def test_trusted_tensors_must_fit(run: Path, how: str) -> None:
    change_tensors(run, *_TENSORS[how])
    state = load_newest(run, "f", print, steps=10, trust_state=True)
    assert state is not None
    bench = Bench()
    with pytest.raises(HubtoolsError, match="does not fit"):
        restore(state, bench.parameters, bench.optimizer)


def test_only_own_states_are_pruned(run: Path) -> None:
    """Not a folder that only looks like one, and nothing that lies in one besides."""
    bench = Bench()
    (run / "state" / "step-000001").mkdir()
    (run / "state" / "step-000001" / "thesis.txt").write_text("mine")
    (run / "state" / "step-photos").mkdir()
    shutil.copytree(run / STATE, run / "state" / "step-000002")
    rewrite(run / "state" / "step-000002", step=2, fingerprint="another run")
    (run / STATE / "notes.txt").write_text("mine")
    (run / "state" / "step-000003").symlink_to(run.parent)
    bench.save(run, 5, limit=1)
    bench.save(run, 6, limit=1)
    assert sorted(path.name for path in (run / "state").iterdir()) == [
        "step-000001", "step-000002", "step-000003", "step-000004", "step-000006", "step-photos",
    ]  # fmt: skip
    assert [path.name for path in (run / STATE).iterdir()] == ["notes.txt"]
    assert (run / "state" / "step-000001" / "thesis.txt").exists()


def test_what_is_in_the_way_is_set_aside(run: Path) -> None:
    rewrite(run / STATE, fingerprint="another run")
    bench = Bench()
    bench.save(run, 4)
    assert load(run) == (4, [])
    aside = json.loads((run / "state" / "other-step-000004-1" / "state.json").read_text())
    assert aside["fingerprint"] == "another run"


# --- links ---------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "step-000001").mkdir(parents=True)
    (folder / "step-000001" / "lora.safetensors").write_text("mine")
    (folder / "file").write_text("mine")
    return folder


def told(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_linked_state(run: Path, home: Path) -> None:
    before = told(home)
    shutil.rmtree(run / "state")
    (run / "state").symlink_to("../home")
    for act in (lambda: states(run), lambda: seen_states(run), lambda: Bench().save(run, 5)):
        with pytest.raises(LeadsOut, match="symbolic link"):
            act()
    with pytest.raises(LeadsOut):
        load(run)
    assert told(home) == before


def test_links_inside_a_state(run: Path, home: Path) -> None:
    for name in (LORA, "state.json"):
        kept = (run / STATE / name).rename(home / name)
        (run / STATE / name).symlink_to(kept)
        if name == LORA:
            with pytest.raises(LeadsOut):
                load(run)
        else:
            assert load(run)[0] is None


@pytest.mark.parametrize("target", ["../home/file", "../home/new"])
def test_a_linked_lock(run: Path, home: Path, target: str) -> None:
    before = told(home)
    (run / ".lock").symlink_to(target)
    with pytest.raises(LeadsOut, match="symbolic link"), locked(run):
        pass
    assert told(home) == before


def test_a_lock_that_is_a_folder(run: Path) -> None:
    (run / ".lock").mkdir()
    with pytest.raises(HubtoolsError, match="is a folder"), locked(run):
        pass


def test_one_lock_for_one_run(run: Path) -> None:
    with locked(run):
        with pytest.raises(HubtoolsError, match="Another training"), locked(run):
            pass
        assert (run / ".lock").exists()
    assert not (run / ".lock").exists()


def test_killed_writes_are_swept(run: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute: what is younger, `card` or `generate` may be writing just now."""
    half = ".tmp-0123456789abcdef"  # as writes call them
    for name in (f"{half}.json", f"samples/{half}.png", f"snapshots/{half}"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("half")
    (run / ".tmp-folder").mkdir()
    (run / "images").symlink_to("../home")
    (home / ".tmp-1").write_text("mine")
    for seconds, count in ((0, 4), (61, 1)):
        later = time.time() + seconds
        monkeypatch.setattr(time, "time", lambda later=later: later)
        with locked(run):
            left = [path.relative_to(run).as_posix() for path in run.rglob(".tmp-*")]
        assert len(left) == count
    assert left == [".tmp-folder"]
    assert (home / ".tmp-1").exists()


# --- metrics -------------------------------------------------------------------------------------


def test_metrics_that_are_none(run: Path) -> None:
    good = {"step": 1, "loss": 0.5, "loss_ema": 0.5, "grad_norm": None, "lr": 1e-4, "seconds": 1}
    bad = [{"step": "1"}, {"step": -1}, {"loss": "x"}, {"loss": float("nan")}, {"step": True}]
    lines = [json.dumps(good), *(json.dumps(good | change) for change in bad), "[" * 10_000]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    assert [metric.step for metric in read_metrics(run)] == [1]


def test_a_linked_log(run: Path, home: Path) -> None:
    before = told(home)
    (run / "metrics.jsonl").symlink_to("../home/file")
    log = MetricsLog(run, 0)
    log.append([])
    assert not (run / "metrics.jsonl").is_symlink()
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").symlink_to("../home/file")
    with pytest.raises(LeadsOut):
        log.append([])
    assert told(home) == before


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path: Path, tiny_base: Path, pictures: Path) -> tuple[Path, Callable[..., Any]]:
    """The folder of a run to be, and `train` as typed, two steps long."""
    words = ["train", "--base-model", tiny_base, "--train-data-dir", pictures, "--rank", 2]
    words += ["--output-dir", tmp_path / "run", "--resolution", 64, "--max-train-steps", 2]
    words += ["--validation-steps", 0, "--num-threads", 1, "--target-modules", "to_v"]
    return tmp_path / "run", lambda *more, **env: typed(*map(str, words), *more, **env)


def test_the_whole_command(
    trained: tuple[Path, Callable[..., Any]], tmp_path: Path, home: Path
) -> None:
    run, train = trained
    done = train()
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in train().stderr
    elsewhere = str(tmp_path / "another-user")

    # finished by another: their LoRA is not taken for ours
    done = train(HUBTOOLS_CONFIG=elsewhere)
    assert done.returncode == 1
    assert "count as finished" in done.stderr
    assert "--trust-state" in done.stderr
    assert "--no-resume" in done.stderr
    manifest = RunManifest.read(run)
    assert manifest.lora is not None

    # a forged LoRA under a real seal, and a forged seal
    (run / "pytorch_lora_weights.safetensors").write_bytes(b"other")
    digest = sha256_of(run / "pytorch_lora_weights.safetensors")
    forged = manifest.model_copy(deep=True)
    assert forged.lora is not None
    forged.lora.sha256 = digest
    forged.write(run)
    done = train()
    assert done.returncode == 1
    assert "count as finished" in done.stderr
    manifest.write(run)

    # a state of another, while the run is not finished
    done = train(HUBTOOLS_CONFIG=elsewhere)
    assert done.returncode == 1
    assert "step 2 of 2" in done.stderr
    done = train("--dry-run", HUBTOOLS_CONFIG=elsewhere)
    assert done.returncode == 0
    assert "copied or moved here" in done.stderr
    done = train("--trust-state", HUBTOOLS_CONFIG=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in train(HUBTOOLS_CONFIG=elsewhere).stderr

    # links where the run is written
    before = told(home)
    shutil.rmtree(run / "state")
    (run / "pytorch_lora_weights.safetensors").unlink()
    (run / "state").symlink_to("../home")
    done = train()
    assert done.returncode == 1
    assert "symbolic link" in done.stderr
    assert told(home) == before


# --- pictures and what was measured of them ------------------------------------------------------


@pytest.mark.parametrize("name", ["samples", "evaluation", "snapshots"])
def test_linked_folders_of_a_run(
    name: str, tmp_path: Path, home: Path, tiny_base: Path, pictures: Path
) -> None:
    """Samples, pictures of the evaluation and snapshots were written through a link."""
    before = told(home)
    run = tmp_path / "run"
    run.mkdir()
    words = ["--base-model", tiny_base, "--train-data-dir", pictures, "--rank", 2]
    words += ["--output-dir", run, "--resolution", 64, "--num-threads", 1]
    steps = ["--max-train-steps", 2, "--target-modules", "to_v", "--num-inference-steps", 1]
    if name == "snapshots":
        (run / name).symlink_to("../home")
        steps += ["--snapshot-steps", 1, "--validation-steps", 0]
    elif name == "samples":
        (run / name).symlink_to("../home")
        steps += ["--validation-steps", 1, "--prompt", "a hat"]
    else:
        steps += ["--validation-steps", 0]
    done = typed("train", *words, *steps)
    if name == "snapshots":
        assert done.returncode == 1
    if name == "evaluation":
        (run / name).symlink_to("../home")
        done = typed(
            "evaluate", *words, "--num-inference-steps", 1, "--num-images", 1,
            "--prompt", "a tok", "--picture-encoder", "efficientnet-lite0",
            "--prompt-judge", "none",
        )  # fmt: skip
        assert done.returncode == 1
    assert "symbolic link" in done.stderr
    assert "bug" not in done.stderr
    assert told(home) == before


def test_records_lead_nowhere_else(run: Path, home: Path) -> None:
    """A card shows the pictures that records name: only those beside them."""
    from hubtools.manifest import SampleRecord, read_samples

    record = SampleRecord(
        file="a.png", prompt="x", seed=1, steps=1, guidance=1, scheduler="ddim",
        scheduler_class="x", width=8, height=8, base_model=None,
    )  # fmt: skip
    samples = run / "samples"
    samples.mkdir()
    (samples / "a.png").write_text("")
    (home / "private.png").write_text("")
    (samples / "b.png").symlink_to(home / "private.png")
    (samples / "c.png").write_text("")
    (samples / "d.png").write_text("")

    def of(file: str) -> str:
        return record.model_copy(update={"file": file}).model_dump_json()

    for name, file in (
        ("a", "a.png"), ("private", "../../home/private.png"), ("b", "b.png"), (".", ".."),
        ("0", "a/../a.png"), ("1", "a.png"),
    ):  # fmt: skip
        (samples / f"{name}.json").write_text(of(file))
    (samples / "c.json").write_text(" " * 5_000_000 + of("c.png"))
    (home / "d.json").write_text(of("d.png"))
    (samples / "d.json").symlink_to(home / "d.json")
    assert [found.file for found in read_samples(samples)] == ["a.png"]
    shutil.rmtree(samples)
    samples.symlink_to(home)
    with pytest.raises(HubtoolsError, match="symbolic link"):
        read_samples(samples)


def test_a_measured_file_elsewhere(run: Path, home: Path) -> None:
    from hubtools.evaluation.result import Evaluation

    assert Evaluation.read(run) is None
    (run / "evaluation.json").symlink_to(home / "file")
    with pytest.raises(LeadsOut):
        Evaluation.read(run)
    (run / "evaluation.json").unlink()
    with (run / "evaluation.json").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(HubtoolsError, match="more than"):
        Evaluation.read(run)


def test_a_manifest_without_end(run: Path) -> None:
    with (run / "run.json").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(HubtoolsError, match="more than"):
        RunManifest.read(run)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 10**9},
        {"width": 10**6},
        {"height": -8},
        {"seed": 2**70},
        {"dtype": "load"},
        {"guidance": float("nan")},
        {"lora_weight": 1e300},
    ],
)
def test_a_picture_that_asks_for_too_much(
    tmp_path: Path, change: dict[str, Any], tiny_base: Path
) -> None:
    """`generate --from`: figures without end, and `torch.load` for a type of numbers."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    record = {
        "file": "a.png", "prompt": "x", "seed": 1, "steps": 1, "guidance": 1, "width": 64,
        "scheduler": "ddim", "scheduler_class": "x", "height": 64, "base_model": None,
    }  # fmt: skip
    info = PngInfo()
    info.add_itxt("hubtools", json.dumps(record | change))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    done = typed("generate", "--from", tmp_path / "a.png", "--base-model", tiny_base, cwd=tmp_path)
    assert done.returncode == 1
    assert "speaks of" in done.stderr


def test_a_linked_grid(tmp_path: Path, home: Path, tiny_base: Path) -> None:
    before = told(home)
    words = ["grid", "a hat", "--x", "seed=1,2", "--base-model", tiny_base, "--size", 64]
    words += ["--num-inference-steps", 1]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cells").symlink_to("../home")
    (tmp_path / "grids").symlink_to("home")
    for more in (["-o", "out"], []):
        done = typed(*words, *more, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "symbolic link" in done.stderr
    assert told(home) == before


@pytest.mark.parametrize("manifest", [None, "{ damaged", '{"tool": "another"}'])
@pytest.mark.parametrize(
    "name",
    ["hubtools.toml", "metrics.jsonl", "loss.png", "samples/a.png", "snapshots/a.safetensors"],
)
def test_files_that_are_called_as_those_of_a_run(
    tmp_path: Path, name: str, manifest: str | None
) -> None:
    """A project whose output folder is the project itself lost its hubtools.toml."""
    folder = tmp_path / "run"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("mine")
    if manifest is not None:
        (folder / "run.json").write_text(manifest)
    with pytest.raises(HubtoolsError, match="not empty and no run folder"):
        earlier_run(folder)


def test_an_output_folder_that_is_the_project(tmp_path: Path, tiny_base: Path) -> None:
    write_pictures(tmp_path / "set", 2, (64, 64))
    project = tmp_path / "project"
    project.mkdir()
    text = f'# mine\n[train]\noutput_dir = "."\npretrained_model_name_or_path = "{tiny_base}"\n'
    (project / "hubtools.toml").write_text(text)
    words = ("--project", project, "--max-train-steps", "1", "--train-data-dir", tmp_path / "set")
    done = typed("train", *words, "--resolution", "64", "--skip-validation")
    assert done.returncode == 1
    assert "not empty and no run folder: it holds hubtools.toml." in done.stderr
    assert [path.name for path in project.iterdir()] == ["hubtools.toml"]
    assert (project / "hubtools.toml").read_text() == text


# --- what stands where a run writes --------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_files_of_a_run_that_are_none(trained: tuple[Path, Callable[..., Any]], home: Path) -> None:
    """A run that goes on waits for no pipe, and writes through no link."""
    run, train = trained
    before = told(home)
    odd: tuple[Callable[[Path], object], ...] = (
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(home / "new"),
        lambda path: path.symlink_to(next(p for p in home.iterdir() if p.is_file())),
    )
    assert train().returncode == 0
    for turn in range(2):
        (run / "pytorch_lora_weights.safetensors").unlink()
        for number, name in enumerate(("loss.png", "metrics.jsonl", "hubtools.toml")):
            (run / name).unlink()
            odd[(turn * 2 + number) % 4](run / name)
        done = train()
        assert done.returncode == 0, done.stderr
        assert "bug" not in done.stderr
        assert told(home) == before
        assert (run / "metrics.jsonl").is_file()
        assert not (run / "metrics.jsonl").is_symlink()


@pytest.mark.parametrize("name", ["samples", "snapshots", "state", "loss.png"])
def test_what_a_run_cannot_write_is_said_before_it_begins(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / name).mkdir() if "." in name else (run / name).write_text("mine")
    with pytest.raises(HubtoolsError, match=r"a folder|no folder"), locked(run):
        pass
    assert os.path.lexists(run / name)
