"""`prune --dtype`: half precision, measured, told, and taken back byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import hubtools
from hubtools.cards.model_facts import model_facts
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.journey import steps
from hubtools.journey.ledger import Ledger
from hubtools.journey.travel import Journey
from hubtools.layout import LORA_WEIGHTS
from hubtools.lorafile.made_of import MadeOf
from hubtools.manifest import RunManifest
from hubtools.project import Project
from hubtools.publish import trash
from hubtools.publish.classify import classify
from hubtools.publish.halving import halved
from hubtools.publish.options import PushOptions
from hubtools.publish.release import collect
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.training.runfolder import is_complete, refuse_foreign_finish, seal_finish
from hubtools.weights import read_header
from tests.lorafiles import BASE, good, kohya, save
from tests.planning import tree
from tests.typed import typed

RANKS = {"unet.r": 4, "unet.lora_alpha": 8, "unet.target_modules": ["to_k", "to_q"]}


def facts_of(file: Path) -> dict[str, Any]:
    """A `run.json` about the LoRA in this file."""
    return {
        "name": "people", "status": "finished", "started": "2026-01-01T00:00:00+00:00",
        "base_model": {"id": BASE, "family": "stable-diffusion", "prediction_type": "epsilon"},
        "dataset": {"fingerprint": "a" * 64, "images": 3, "caption_column": "text"},
        "train": {"rank": 4}, "steps": 5, "steps_done": 5, "epochs": 1.0, "seed": 0,
        "lora": {
            "file": file.name, "sha256": sha256_of(file), "bytes": file.stat().st_size,
            "rank": 4, "alpha": 8.0, "target_modules": ["to_q"], "parameters": 10,
        },
    }  # fmt: skip


@pytest.fixture
def run(run_dir: Path) -> Path:
    """A finished run of this user whose LoRA has numbers."""
    lora = save(run_dir / LORA_WEIGHTS, good(), lora_adapter_metadata=json.dumps(RANKS))
    (run_dir / "run.json").write_text(json.dumps(facts_of(lora)))
    manifest = RunManifest.read(run_dir)
    seal_finish(run_dir, manifest)
    manifest.write(run_dir)
    return run_dir


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_there_and_back(run: Path, dtype: str) -> None:
    before, trained = tree(run), sha256_of(run / LORA_WEIGHTS)
    seen = typed("prune", run, "--dtype", dtype, "--format", "json")
    (row,) = [row for row in json.loads(seen.stdout) if row["half"]]
    assert row["path"] == LORA_WEIGHTS
    assert tree(run) == before, "without --apply nothing changes"
    done = json.loads(typed("prune", run, "--dtype", dtype, "--apply", "--format", "json").stdout)
    assert done["halved"] == [row["half"]]
    lora = run / LORA_WEIGHTS
    half = row["half"]
    assert (half["dtype"], half["bytes"]) == (dtype, lora.stat().st_size)
    assert half["sha256"] == sha256_of(lora)
    rounding = {"fp16": 5e-4, "bf16": 4e-3}[dtype]
    assert 0 < half["difference"]["whole"] <= half["difference"]["worst"] < 2 * rounding
    header = read_header(lora)
    assert {entry["dtype"] for entry in header.tensors.values()} == {dtype.upper().replace("P", "")}
    assert json.loads(header.metadata["lora_adapter_metadata"]) == RANKS
    made_of = MadeOf.of(header.metadata)
    assert made_of is not None
    assert made_of.sha256 == trained
    # run.json tells of it, and the run still is this user's finished one
    manifest = RunManifest.read(run)
    assert manifest.lora is not None
    assert (manifest.lora.sha256, manifest.lora.bytes) == (half["sha256"], half["bytes"])
    assert is_complete(run, manifest)
    refuse_foreign_finish(run, manifest, False)
    again = classify(run)
    assert halved(again, "bf16") == again, "what has 16 bits stays as it is"
    assert typed("prune", run, "--undo").returncode == 0
    assert tree(run) == before


def test_the_card_tells_of_it_and_keeps_its_pictures(run: Path) -> None:
    record = {
        "file": "final_p00_s0.png", "prompt": "a tok", "seed": 0, "steps": 2, "guidance": 1.0,
        "scheduler": "default", "scheduler_class": "DDIM", "width": 8, "height": 8,
        "base_model": BASE, "lora_sha256": sha256_of(run / LORA_WEIGHTS), "lora_weight": 1.0,
    }  # fmt: skip
    (run / "samples/final_p00_s0.json").write_text(json.dumps(record))
    (run / "README.md").unlink()
    trash.apply(halved(classify(run, keep=["samples/*"]), "fp16"))
    card, shown = model_facts(run, Project())
    assert [one.name for one in shown] == ["images/00.png"]
    assert card.files[0].sha256 == sha256_of(run / LORA_WEIGHTS)
    said = dict(card.summary)["precision of the LoRA"]
    assert record["lora_sha256"][:12] in said
    assert "its changes differ by" in said


def test_what_came_after_is_kept(run: Path) -> None:
    before = tree(run)
    trash.apply(halved(classify(run), "fp16"))
    manifest = RunManifest.read(run)
    manifest.dataset.repo = "me/people"  # as `ship` does after a push
    manifest.write(run)
    trash.undo(run)
    now = RunManifest.read(run)
    assert (now.dataset.repo, is_complete(run, now)) == ("me/people", True)
    assert {k: v for k, v in tree(run).items() if k != "run.json"} == {
        k: v for k, v in before.items() if k != "run.json"
    }
    # a LoRA that was trained since is nobody's to remove
    trash.apply(halved(classify(run), "fp16"))
    save(run / LORA_WEIGHTS, good(rank=2))
    held = tree(run)
    with pytest.raises(HubtoolsError, match="another file now"):
        trash.undo(run)
    assert tree(run) == held


@pytest.mark.parametrize("moment", ["rename", "replacing", "copy"])
def test_stopped_at_any_moment_it_comes_back(
    run: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(run)
    plan = halved(classify(run), "fp16")
    trash.apply(plan)
    after = tree(run)
    trash.undo(run)
    from hubtools.rooted import Root

    real, left = getattr(Root, moment), 0
    for last in range(30):
        left = last

        def failing(self: Root, *args: Any, **options: Any) -> Any:
            nonlocal left
            if (left := left - 1) < 0:
                if moment == "copy":  # as a kill leaves one
                    self.create(args[1]).close()
                raise OSError(28, "No space left on device")
            return real(self, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Root, moment, failing)
            try:
                trash.apply(plan)
                break
            except OSError:
                pass
        assert {LORA_WEIGHTS, "run.json"} <= tree(run).keys()
        if last % 2:  # the same again
            trash.apply(halved(classify(run), "fp16"))
            assert tree(run) == after
        while trash.trashes(run):
            trash.undo(run)
        assert tree(run) == before
    else:
        raise AssertionError("it is never through")
    trash.undo(run)
    assert tree(run) == before


@pytest.mark.parametrize("name", [LORA_WEIGHTS, "run.json"])
def test_what_is_edited_while_the_others_come_back(
    run: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.rooted import Root

    trash.apply(halved(classify(run), "fp16"))
    real, mine = Root.rename, (run / name).read_bytes() + b" "
    with monkeypatch.context() as patch:

        def rename(self: Root, source: str, target: str, **options: Any) -> None:
            if target == "state/step-000010/optimizer.safetensors":
                (run / name).write_bytes(mine)
            real(self, source, target, **options)

        patch.setattr(Root, "rename", rename)
        with pytest.raises(HubtoolsError, match="another file now"):
            trash.undo(run)
    assert (run / name).read_bytes() == mine


def test_a_key_of_a_person_s_stays_and_a_killed_undo_goes_on(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.rooted import Root

    before = tree(run)
    trash.apply(halved(classify(run), "fp16"))
    facts = json.loads((run / "run.json").read_text()) | {"mine": "the best of three"}
    (run / "run.json").write_text(json.dumps(facts))
    real = Root.unlink
    with monkeypatch.context() as patch:

        def unlink(self: Root, name: str, **options: Any) -> None:
            if name.endswith("files/run.json"):
                raise KeyboardInterrupt
            real(self, name, **options)

        patch.setattr(Root, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            trash.undo(run)
    trash.undo(run)
    now = json.loads((run / "run.json").read_text())
    assert (now["mine"], now["lora"]["sha256"]) == (
        "the best of three",
        sha256_of(run / LORA_WEIGHTS),
    )
    assert {k: v for k, v in tree(run).items() if k != "run.json"} == {
        k: v for k, v in before.items() if k != "run.json"
    }


@pytest.mark.parametrize("mine", [False, True])
def test_the_facts_of_a_half_are_known_as_hubtools_own(run: Path, mine: bool) -> None:
    file, told = run / "run.json", list[str]()
    RunManifest.read(run).write(run)
    if mine:
        file.write_text(file.read_text().replace('"name": "', '"name": "the best of three, ', 1))
    trash.apply(halved(classify(run), "fp16"))
    RunManifest.read(run).write(run, told.append)
    assert bool(told) == mine


def test_a_dropped_run_json_comes_back_too(run: Path) -> None:
    before = tree(run)
    trash.apply(halved(classify(run, drop=["run.json"]), "fp16"))
    assert "run.json" not in tree(run)
    trash.undo(run)
    assert tree(run) == before


def test_a_saved_plan(run: Path, tmp_path: Path) -> None:
    before, plan = tree(run), tmp_path / "plan.json"
    hubtools.prune(run, dtype="fp16", plan_file=plan)
    assert tree(run) == before
    done = hubtools.prune(from_plan=plan, apply=True)
    assert [item.path for item in done.plan.halved] == [LORA_WEIGHTS]
    assert hubtools.prune(from_plan=plan, apply=True).done
    hubtools.prune(run, dtype="fp16", apply=True)
    hubtools.undo_prune(run)
    assert tree(run) == before
    content = json.loads(plan.read_text())
    for key, value in (("sha256", "0" * 64), ("bytes", -1), ("dtype", "fp8"), ("made_of", {})):
        odd = json.loads(json.dumps(content))
        next(one for one in odd["operations"] if "half" in one)["half"][key] = value
        plan.write_text(json.dumps(odd))
        with pytest.raises(HubtoolsError):
            hubtools.prune(from_plan=plan, apply=True, trust_state=True)
        assert tree(run) == before


def test_a_checkpoint_is_published_in_half_precision(tmp_path: Path) -> None:
    source = save(tmp_path / "checkpoint-5" / LORA_WEIGHTS, kohya(good(), alpha=2.0))
    before = source.read_bytes()
    trash.apply(halved(classify(tmp_path), "fp16"))
    header = read_header(tmp_path / LORA_WEIGHTS)
    alphas = [entry for name, entry in header.tensors.items() if name.endswith(".alpha")]
    assert {entry["dtype"] for entry in alphas} == {"F32"}, "single numbers stay as they are"
    assert not source.exists()
    trash.undo(tmp_path)
    assert (source.read_bytes(), (tmp_path / LORA_WEIGHTS).exists()) == (before, False)


def big(factor: float) -> dict[str, Any]:
    return {
        name: tensor * numpy.float32(factor) if "lora_B" in name else tensor
        for name, tensor in good().items()
    }


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (lambda: big(1e6), "too large for fp16"),
        (lambda: big(1e-9), "too small for it"),
        (lambda: big(float("nan")), "NaN"),
        (lambda: good("unet.{}.hada_w1_{}"), "no LoRA|holds no LoRA"),
    ],
)
def test_what_it_would_spoil_is_refused(
    tmp_path: Path, tensors: Callable[[], Any], words: str
) -> None:
    save(tmp_path / LORA_WEIGHTS, tensors())
    before = tree(tmp_path)
    with pytest.raises(HubtoolsError, match=words):
        hubtools.prune(tmp_path, dtype="fp16", apply=True)
    assert tree(tmp_path) == before


def test_push_sends_no_other_precision_and_remote_writes_none(run: Path) -> None:
    options = PushOptions.of(Project(prune={"dtype": "fp16"}), "model")  # type: ignore[arg-type]
    release = collect(run, "model", **options.of_release)
    (one,) = PUBLISH_RULES.run(release, select=["P150"])
    assert "--dtype fp16 --apply" in str(one.fix)
    trash.apply(halved(classify(run), "fp16"))
    release = collect(run, "model", **options.of_release)
    assert PUBLISH_RULES.run(release, select=["P150"]) == []
    with pytest.raises(UsageError, match="writes no file"):
        hubtools.plan_prune_remote("me/people", dtype="fp16")


def test_ship_halves_and_does_not_train_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(train={"output_dir": str(run)}, prune={"dtype": "fp16"})  # type: ignore[arg-type]
    journey = Journey(project, None, Ledger.open(run.parent))  # type: ignore[arg-type]
    train, halve = (one for one in steps.STEPS if one.name in ("train", "halve"))
    monkeypatch.setattr(steps, "train_inputs", lambda journey: 1)
    journey.results["train"] = {"steps": 5}
    inputs = steps.digest_of(train.inputs(journey))
    journey.ledger.finish("train", inputs, steps.outputs_of(journey, train), {"steps": 5})
    sentence, _ = halve.run(journey)
    assert "fp16: its changes differ by" in sentence
    assert (run / "state").is_dir(), "it moves nothing else"
    assert steps.is_done(journey, train)
    assert halve.run(journey)[0] == "the LoRA is in fp16"
