"""Pictures of a release are decoded as they pass by, once, and judged as they would be alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset.pictures.scan_cache import place_of
from hubtools.dataset.scan import scanning
from hubtools.dataset.sources.local import LocalFolder
from hubtools.publish import judged, passing
from hubtools.publish.options import PushOptions
from hubtools.publish.passing import decoded_in_passing
from hubtools.publish.plan import judge_alone
from hubtools.publish.release import collect
from hubtools.rooted import Root


@pytest.fixture
def many(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures, which are many here."""
    monkeypatch.setattr(passing, "POOL_FILES", 2)
    return dataset


def _streamed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are looked at from now on."""
    names: list[str] = []
    real = scanning.results_of

    def noted(stream: Any, *options: Any) -> Any:
        for entry, result in real(stream, *options):
            names.append(entry.name)
            yield entry, result

    monkeypatch.setattr(scanning, "results_of", noted)
    return names


def test_each_is_looked_at_once(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (many / ".hidden.png").write_bytes((many / "0.png").read_bytes())
    names = _streamed(monkeypatch)
    assert judge_alone(many, "dataset", PushOptions()).ok
    assert sorted(names) == ["0.png", "1.png", "2.png"]


def test_the_facts_are_those_of_a_scan(many: Path) -> None:
    with Root(many) as root:
        release = decoded_in_passing(collect(many, "dataset"), root)
    assert release.decoded is not None
    alone = scanning.scan(many, LocalFolder(many).look().pictures, remember=False)
    assert dict(release.decoded.facts) == dict(alone)
    assert all(file.hashed is not None and file.reading is not None for file in release.files)


def test_a_damaged_one_is_told(many: Path) -> None:
    data = bytearray((many / "1.png").read_bytes())
    data[-20] ^= 1
    (many / "1.png").write_bytes(data)
    found = judge_alone(many, "dataset", PushOptions()).findings
    assert [(one.rule, one.path) for one in found] == [("D301", "1.png")]


def test_few_are_left_to_the_rules(dataset: Path) -> None:
    with Root(dataset) as root:
        assert decoded_in_passing(collect(dataset, "dataset"), root).decoded is None


def test_none_is_decoded_for_rules_that_are_left_out(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = _streamed(monkeypatch)
    assert judge_alone(many, "dataset", PushOptions(ignore=("D",))).ok
    assert names == []


def test_what_an_earlier_scan_knows_is_not_decoded(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = _streamed(monkeypatch)
    monkeypatch.setattr(passing.ScanCache, "row", lambda self, entry: 0)
    with Root(many) as root:
        release = decoded_in_passing(collect(many, "dataset"), root)
    assert not names
    assert release.decoded is not None
    assert not release.decoded.facts


def test_a_change_after_the_look_is_not_remembered_as_seen(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = judged.scan_source

    def noted(source: Any, begun_ns: int, **options: Any) -> Any:
        asked.append(begun_ns)
        assert source.memory_place == place_of(many)
        return real(source, begun_ns, **options)

    monkeypatch.setattr(judged, "scan_source", noted)
    times = iter(range(10**18, 10**18 + 99))
    monkeypatch.setattr(passing.time, "time_ns", lambda: next(times))
    judge_alone(many, "dataset", PushOptions())
    assert asked == [10**18]  # the first that was asked for, before a file was opened
