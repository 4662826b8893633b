"""What a P rule says to type takes its finding away, wherever it is typed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from test_publish_rules import BAD, Make, Spoil, _few_in_a_folder, folder, found, gps

from hubtools.publish.release import RepoType, collect
from hubtools.publish.rules import PUBLISH_RULES
from tests import lorafiles
from tests.typed import typed

__all__ = ["_few_in_a_folder"]
SAID = {"ID": "mit", "OWNER/NAME": lorafiles.BASE}  # what a person puts there
# P154 is for code that hubtools wrote.
ADVISED = [
    "P107",
    "P108",
    "P111",
    "P112",
    "P126",
    "P127",
    "P128",
    "P140",
    "P141",
    "P142",
    "P147",
    "P149",
]
CASES = [
    ("P112", "model", gps, "3.jpg"),
    *(row for row in BAD if row[0] in ADVISED and row[:2] != ("P108", "model")),  # YAML
]


def advice(root: Path, repo_type: RepoType, rule: str) -> list[list[str]]:
    keep = () if repo_type == "dataset" else ("*",)
    release = collect(root, repo_type, keep=keep, drop=["state/*", "snapshots/*", "samples/*"])
    fixes = [problem.fix or "" for problem in PUBLISH_RULES.run(release, select=[rule])]
    lines = re.findall(r"`hubtools ([^`]+)`", " ".join(fixes))
    return [[SAID.get(word, word) for word in shlex.split(line)] for line in lines]


@pytest.mark.parametrize(
    ("rule", "repo_type", "spoil", "place"),
    CASES,
    ids=[f"{row[0]}-{row[1]}" for row in CASES],
)
def test_what_is_advised_works_when_typed(
    run_dir: Path,
    dataset: Path,
    make_lora_file: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
    repo_type: RepoType,
    spoil: Spoil,
    place: str,
) -> None:
    root = folder(repo_type, run_dir, dataset)
    (run_dir / "run.json").unlink()  # of no training: a LoRA from elsewhere, without samples
    shutil.rmtree(run_dir / "samples")
    (root / "x").mkdir()
    spoil(root, make_lora_file)
    away = tmp_path / "elsewhere"
    away.mkdir()
    monkeypatch.chdir(away)
    told = advice(root, repo_type, rule)
    if not told and rule == "P147":
        return  # nothing converts a LoHa
    words = told[0]
    done = typed(*words, *(["--yes"] if words[0] == "fix" else []))
    assert done.returncode in (0, 3), done.stderr
    after = {
        "shard": root.with_name("people-shards"),
        "convert": root / f"{root.name}-diffusers",
    }.get(words[0], root)
    assert rule not in {one for one, _ in found(after, repo_type)}, words
