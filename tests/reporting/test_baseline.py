"""Findings that a project knows of are set aside, and only those."""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.errors import HubtoolsError, UsageError
from hubtools.findings import Finding, Report, Rule, Severity
from hubtools.kept import Kept
from hubtools.programs import program
from hubtools.reporting.baseline import (
    Known,
    add_to_baseline,
    against_baseline,
    baseline_of,
    matches,
    read_baseline,
    renew_baseline,
    split,
    without_ignored,
    write_baseline,
)

RULES = tuple(Rule(id, f"Title of {id}", Severity.WARNING, "What happens.") for id in ("X1", "X2"))


def found(rule: str, message: str, path: str | None = "a.jsonl", line: int = 1) -> Finding:
    return Finding(rule, Severity.ERROR, message, None, path, line)


def test_a_fingerprint_stays_when_lines_move() -> None:
    one = found("X1", "there is no picture a.png; see lines 3, 4 and 7", line=2)
    moved = found("X1", "there is no  picture a.png; see lines 13 and 14", line=9)
    assert one.fingerprint == moved.fingerprint
    assert one.fingerprint != replace(one, rule="X2").fingerprint
    assert one.fingerprint != replace(one, path="b.jsonl").fingerprint
    assert one.fingerprint != replace(one, picture="b.png").fingerprint
    assert one.fingerprint != replace(one, message="there is no picture 2.png").fingerprint
    assert len(found("X1", "\udcff").fingerprint) == 32


def test_only_as_many_as_are_known_are_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    report = Report("set", (found("X1", "empty", line=3), found("X1", "empty", line=5)), {}, RULES)
    renewed = renew_baseline(report, file)
    assert (renewed.ok, renewed.findings, len(renewed.known)) == (True, (), 2)
    assert renewed.summary == "no new problems, and 2 that the baseline knows"
    assert [entry.count for entry in read_baseline(file)] == [2]
    more = replace(report, findings=(*report.findings, found("X1", "empty", line=8)))
    judged = against_baseline(more, file)
    assert (len(judged.findings), len(judged.known), judged.ok) == (1, 2, False)
    fewer = against_baseline(replace(report, findings=report.findings[:1]), file)
    (stale,) = fewer.facts["baseline"]["stale"]
    assert (stale["rule"], stale["count"], fewer.ok) == ("X1", 1, True)


def test_entries_of_rules_that_were_not_applied_stay_and_are_not_stale(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    renew_baseline(Report("set", (found("X1", "a"), found("X2", "b")), {}, RULES), file)
    narrow = Report("set", (), {}, RULES[:1])
    assert [e["rule"] for e in against_baseline(narrow, file).facts["baseline"]["stale"]] == ["X1"]
    renew_baseline(narrow, file)
    assert [entry.rule for entry in read_baseline(file)] == ["X2"]


def test_what_is_ignored_is_not_stale_until_it_is_mended(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    one, two = found("X1", "a", line=3), found("X1", "a", line=5)
    renew_baseline(Report("set", (one, two), {}, RULES), file)
    nothing = Report("set", (), {}, RULES)
    assert against_baseline(nothing, file, [one, two]).facts["baseline"]["stale"] == []
    (stale,) = against_baseline(nothing, file, [one]).facts["baseline"]["stale"]
    assert stale["count"] == 1
    again = Report("set", (one, two), {}, RULES)
    assert against_baseline(again, file, [found("X1", "a")]).facts["baseline"]["stale"] == []


def test_a_baseline_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    findings = (found("X2", "b"), found("X1", "ü\udcff"), found("X1", "a", None))
    for number, order in enumerate((findings, findings[::-1])):
        write_baseline(tmp_path / f"{number}.json", baseline_of(order))
    text = (tmp_path / "0.json").read_text(encoding="utf-8")
    assert text == (tmp_path / "1.json").read_text(encoding="utf-8")
    assert len(json.loads(text)["findings"]) == 3
    assert len(text.splitlines()) == 3 + 5  # an entry a line, so that a diff can be read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "no baseline"),
        ('{"schema": 2, "findings": []}', "no baseline of this version"),
        ('{"schema": 1, "findings": [{"rule": "X1"}]}', "without fingerprint"),
        ('{"schema": 1, "findings": [1]}', "without fingerprint"),
        ('{"schema": 1}', "without fingerprint"),
    ],
)
def test_what_is_no_baseline_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "known.json").write_text(text)
    with pytest.raises(HubtoolsError, match=words):
        read_baseline(tmp_path / "known.json")
    with pytest.raises(UsageError, match="There is no baseline"):
        read_baseline(tmp_path / "other.json")


def test_a_person_s_note_in_a_baseline_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    report = Report("set", (found("X1", "a", "a.png", 1),), rules=(), facts={})
    renew_baseline(report, file)
    renew_baseline(report, file)
    noted = file.read_text().replace('"rule":', '"note": "Bob agreed", "rule":')
    file.write_text(noted)
    with pytest.raises(HubtoolsError, match="not written over"):
        renew_baseline(report, file)
    assert file.read_text() == noted


def kept(folder: Path) -> list[str]:
    return [one.read_text() for one in (folder / ".hubtools").rglob("*.json")]


@pytest.mark.parametrize(
    ("old", "new"), [('"is empty"', '"is empty, Bob agreed"'), ('"count": 1', '"count": 3')]
)
def test_a_value_that_a_person_has_changed_is_kept(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "known.json"
    report = Report("set", (found("X1", "is empty"), found("X2", "b")), {}, RULES)
    renew_baseline(report, file)
    renew_baseline(Report("set", (), {}, RULES), file)
    renew_baseline(report, file)
    assert not kept(tmp_path)
    noted = file.read_text().replace(old, new, 1)
    file.write_text(noted)
    with pytest.warns(Kept, match="It is now .*known.json"):
        renew_baseline(report, file)
    assert kept(tmp_path) == [noted]
    renew_baseline(report, file)
    assert kept(tmp_path) == [noted]


def test_one_of_an_earlier_version_is_kept_once_unless_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    report = Report("set", (found("X1", "a"), found("X2", "b")), {}, RULES)
    renew_baseline(report, file)
    earlier = re.sub(r', "sha256_of_the_rest": "\w+"', "", file.read_text())
    file.write_text(earlier)
    assert len(read_baseline(file)) == 2
    renew_baseline(report, file)
    assert not kept(tmp_path)
    file.write_text(earlier)
    for _ in range(2):
        with warnings.catch_warnings(record=True) as told:
            renew_baseline(replace(report, findings=report.findings[:1]), file)
    assert (kept(tmp_path), told) == ([earlier], [])


def test_one_that_git_has_merged_is_as_hubtools_wrote_it(tmp_path: Path) -> None:
    names = ("base", "ours", "theirs")
    more = {"base": (), "ours": ("c",), "theirs": ("v",)}
    for name in names:
        all_ = [found("X1", word) for word in ("a", "e", "i", "o", "u", "z", *more[name])]
        renew_baseline(Report("set", tuple(all_), {}, RULES), tmp_path / name)
    git = program("git")
    if git is None:
        pytest.skip("there is no git")
    words = [
        git,
        "merge-file",
        "-p",
        *(str(tmp_path / name) for name in ("ours", "base", "theirs")),
    ]
    done = subprocess.run(words, capture_output=True, check=False)
    file = tmp_path / "known.json"
    file.write_bytes(done.stdout)
    assert done.returncode == 0
    assert len(read_baseline(file)) == 8
    renew_baseline(Report("set", (), {}, RULES), file)
    assert not kept(tmp_path)


findings = st.lists(
    st.builds(
        found,
        st.sampled_from(["X1", "X2"]),
        st.sampled_from(["a", "b", "in line 3", "in line 4"]),
        st.sampled_from([None, "a.png", "b.png"]),
        st.integers(1, 9),
    ),
    max_size=12,
)


@given(findings, findings)
def test_nothing_is_lost_and_what_was_written_down_is_known(
    before: list[Finding], now: list[Finding]
) -> None:
    entries = baseline_of(before)
    parts = split(now, entries, {"X1", "X2"})
    assert sorted(map(repr, (*parts.new, *parts.known))) == sorted(map(repr, now))
    assert split(before, entries, {"X1"}).new == ()
    assert sum(entry.count for entry in parts.stale) == len(before) - len(parts.known)


@pytest.mark.parametrize(
    ("name", "glob", "meant"),
    [
        ("a.png", "*.png", True),
        ("old/a.png", "*.png", True),
        ("old/a.png", "old/*", True),
        ("old/deep/a.png", "old/", True),
        ("old/a.png", "./old/*", True),
        ("new/a.png", "old/*", False),
        ("a.png", "a", False),
        ("A.PNG", "*.png", False),
    ],
)
def test_globs(name: str, glob: str, meant: bool) -> None:
    assert matches(name, glob) is meant


def test_rules_are_ignored_by_the_file_and_by_the_picture() -> None:
    plain = found("X1", "a", "old/a.png")
    record = replace(found("X1", "b", "metadata.jsonl"), picture="old/b.png")
    other = found("X2", "c", "old/a.png")
    nowhere = found("X1", "d", None)
    left = without_ignored([plain, record, other, nowhere], {"old/*": ["x1"]})
    assert left == [other, nowhere]
    assert without_ignored([plain], {}) == [plain]


def test_a_baseline_that_changes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "baseline.json"
    report = Report("set", (Finding("D101", Severity.ERROR, "a fault", None, "a.png"),))
    renew_baseline(report, path)
    noted = path.read_bytes() + b" "

    def saved(*given: object) -> list[Known]:
        path.write_bytes(noted)
        return []

    monkeypatch.setattr("hubtools.reporting.baseline.baseline_of", saved)
    for write in (lambda: renew_baseline(report, path), lambda: add_to_baseline([report], path)):
        path.write_bytes(noted[:-1])
        with pytest.raises(HubtoolsError, match="changed meanwhile"):
            write()
        assert path.read_bytes() == noted
