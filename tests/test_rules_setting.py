"""[rules] of hubtools.toml covers the rules of datasets, trainings, cards and publishing alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from hubtools.cards.rules import CARD_RULES, check_card
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.validate import validate_project
from hubtools.errors import UsageError
from hubtools.findings import Report
from hubtools.project import Project, load_project
from hubtools.publish.applied import PROTECTED
from hubtools.publish.comparison import COMPARISON_RULES
from hubtools.publish.judged import RuleChoice
from hubtools.publish.push import PushOptions, plan_push
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.training.rules import TRAIN_RULES, judge
from tests.security.pushing import make_dataset
from tests.training.test_plan import BAD
from tests.typed import typed

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

Found = set[str]


def _project(folder: Path, rules: str) -> Project:
    (folder / "hubtools.toml").write_text(f'[dataset]\npath = "people"\n[rules]\n{rules}\n')
    return load_project(folder)


def _of_command(*words: str) -> Callable[[Path, str], Found]:
    def found(folder: Path, rules: str) -> Found:
        _project(folder, rules)
        done = typed(*words, "--project", folder, "--format", "json", cwd=folder)
        said = json.loads(done.stdout)
        assert "error" not in said, said
        reports = said.get("reports", [said])
        return {finding["rule"] for report in reports for finding in report["findings"]}

    return found


def _of_training(folder: Path, rules: str) -> Found:
    chosen = _project(folder, rules).rules_of("T")
    return {finding.rule for finding in judge(BAD["T107"], **chosen).findings}


def _of_push(folder: Path, rules: str) -> Found:
    options = PushOptions(rules=RuleChoice.of(_project(folder, rules)))
    made = plan_push(folder / "people", "me/people", "dataset", options)
    return {finding.rule for finding in made.report.findings}


def _report_of_push(folder: Path) -> Report:
    options = PushOptions(rules=RuleChoice.of(load_project(folder)))
    return plan_push(folder / "people", "me/people", "dataset", options).report


_REPORTS: dict[str, Callable[[Path], Report]] = {
    "D": lambda folder: validate_project(load_project(folder)),
    "C": lambda folder: check_card(
        folder / "people", "dataset", **load_project(folder).rules_of("C")
    ),
    "T": lambda folder: judge(BAD["T107"], **load_project(folder).rules_of("T")),
    "P": _report_of_push,
}

# wing -> (what is found, a rule that is, the file that it speaks of)
WINGS: dict[str, tuple[Callable[[Path, str], Found], str, str | None]] = {
    "D": (_of_command("validate"), "D202", "cover.png"),
    "C": (_of_command("card", "--check"), "C207", "README.md"),
    "T": (_of_training, "T107", None),
    "P": (_of_push, "P102", "notes.txt"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = make_dataset(tmp_path / "people")
    Image.new("RGB", (8, 8), (9, 200, 9)).save(root / "cover.png")  # no record names it
    (root / "notes.txt").write_text("scanned in /home/anna/pictures/people\n")
    return tmp_path


@pytest.mark.parametrize("wing", WINGS)
def test_each_wing_is_chosen_alike(wing: str, folder: Path, local_hub: Hub) -> None:
    find, rule, file = WINGS[wing]
    other = next(name for name in "DCTP" if name != wing)
    everything = find(folder, "")
    assert rule in everything
    assert find(folder, f'ignore = ["{rule}"]') == everything - {rule}
    assert find(folder, f'ignore = ["{rule.lower()}", "{WINGS[other][1]}"]').isdisjoint({rule})
    only = find(folder, f'select = ["{rule}"]')
    assert rule in only
    assert {found for found in only if found[0] == wing} <= {rule, *PROTECTED}
    assert find(folder, f'select = ["{WINGS[other][1]}"]') >= {rule}, "of this letter none is named"
    if file is not None:
        assert rule not in find(folder, f'per_file_ignores = {{ "{file}" = ["{rule}"] }}')
        assert rule in find(folder, f'per_file_ignores = {{ "no*" = ["{rule[:1]}9"] }}'.replace(
            f"{rule[:1]}9", WINGS[other][1]
        ))  # fmt: skip


def _known(folder: Path, *findings: dict[str, object]) -> None:
    entries = [{"place": "", "message": "", "count": 1, **finding} for finding in findings]
    (folder / "known.json").write_text(json.dumps({"schema": 1, "findings": entries}))


@pytest.mark.parametrize("wing", WINGS)
def test_what_is_known_is_set_aside_alike(wing: str, folder: Path, local_hub: Hub) -> None:
    find, rule, _ = WINGS[wing]
    everything = find(folder, "")
    _known(folder)
    assert find(folder, 'baseline = "known.json"') == everything
    report = _REPORTS[wing](folder)
    prints = [
        {"rule": one.rule, "fingerprint": one.fingerprint}
        for one in report.findings
        if one.rule == rule
    ]
    assert prints
    _known(folder, *prints)
    assert find(folder, 'baseline = "known.json"') == everything - {rule}
    report = _REPORTS[wing](folder)
    assert {one.rule for one in report.known} == {rule}
    assert "that the baseline knows" in report.summary


def test_what_guards_is_never_known(folder: Path, local_hub: Hub) -> None:
    (folder / "people" / "notes.txt").write_text(f"token = hf_{'aB3dE5gH7j' * 4}\n")
    _project(folder, "")
    found = {one.rule: one.fingerprint for one in _REPORTS["P"](folder).findings}
    secret = set(found) & set(PROTECTED)
    assert secret
    _known(folder, *({"rule": rule, "fingerprint": key} for rule, key in found.items()))
    assert secret <= _of_push(folder, 'baseline = "known.json"')


def test_each_command_writes_what_is_known(
    folder: Path, local_hub: Hub, tmp_path: Path, tiny_base: Path
) -> None:
    train = (
        "train",
        "--dry-run",
        "--skip-validation",
        "--base-model",
        tiny_base,
        "--max-train-steps",
        "2",
        "--resolution",
        "64",
        "--checkpointing-steps",
        "9",
        "--output-dir",
        folder / "run",
    )
    push = ("push", "people", "me/people", "--dry-run")
    (folder / "hubtools.toml").write_text(
        '[dataset]\npath = "people"\ntrigger = "tok"\n[rules]\nbaseline = "known.json"\n'
    )
    _known(folder)
    rules: set[str] = set()
    for words in (("validate",), ("card", "--check"), train, push):
        first = typed(*words, "--write-baseline", cwd=folder)
        assert first.returncode in (0, 3), first.stderr
        now = {one["rule"] for one in json.loads((folder / "known.json").read_text())["findings"]}
        assert rules <= now  # the others' stay
        rules = now
    assert {rule[0] for rule in rules} == set("DCTP")
    assert not rules & set(PROTECTED)
    for words in (("validate",), ("card", "--check"), push):
        again = typed(*words, cwd=folder)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "that the baseline knows" in again.stdout + again.stderr
    again = typed(*train, cwd=folder)
    assert "T101" not in again.stdout + again.stderr
    assert "T101" in rules


@pytest.mark.parametrize("key", ["select", "ignore"])
@pytest.mark.parametrize("wing", WINGS)
def test_a_prefix_of_no_rule_is_refused(wing: str, key: str, folder: Path, local_hub: Hub) -> None:
    if wing in "DC":
        _project(folder, f'{key} = ["{wing}999"]')
        words = ("validate",) if wing == "D" else ("card", "--check")
        assert typed(*words, "--project", folder, cwd=folder).returncode == 2
        return
    with pytest.raises(UsageError, match="No rule is called"):
        WINGS[wing][0](folder, f'{key} = ["{wing}999"]')


@pytest.mark.parametrize(
    "rules",
    ['ignore = ["P101"]', 'ignore = ["p1"]', 'ignore = ["P132"]', 'ignore = ["P117"]',
     'per_file_ignores = { "*" = ["P113"] }', 'per_file_ignores = { "*" = ["P130"] }'],
)  # fmt: skip
def test_a_file_does_not_switch_off_what_guards(rules: str, folder: Path, local_hub: Hub) -> None:
    with pytest.raises(UsageError, match="cannot be left out"):
        _of_push(folder, rules)


def test_a_selection_of_others_leaves_the_search_for_secrets_on(
    folder: Path, local_hub: Hub
) -> None:
    (folder / "people" / "notes.txt").write_text("hf_" + "aB3" * 11 + "x\n")
    assert "P101" in _of_push(folder, 'select = ["P107"]')


def test_a_push_says_which_of_its_rules_the_file_leaves_out(folder: Path, local_hub: Hub) -> None:
    project = _project(folder, 'ignore = ["P102", "D304"]')
    options = PushOptions(rules=RuleChoice.of(project))
    notes = plan_push(folder / "people", "me/people", "dataset", options).notes
    assert any("P102" in note and "D304" not in note for note in notes)


def test_every_rule_has_a_wing() -> None:
    books: Any = (DATASET_RULES, TRAIN_RULES, CARD_RULES, PUBLISH_RULES, COMPARISON_RULES)
    assert {rule.id[0] for book in books for rule in book} == set(WINGS)
