"""Whatever the bytes: what is beyond a limit is left out and told, in bounded memory and time."""

from __future__ import annotations

import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.edits.linediff import unified
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.text.phrases import common_phrases, constants
from hubtools.dataset.text.tokens import token_counters
from hubtools.dataset.validate import validate
from hubtools.findings import Report
from hubtools.limits import (
    CAPTION,
    COLUMNS,
    DEPTH,
    FINDINGS,
    LINE,
    MEMBERS,
    RECORD_COST,
    RECORDS,
    SAID,
    json_cost,
)
from hubtools.safe_yaml import load_yaml
from tests.typed import typed

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from fuzz import OWN
from hostile import memory, shapes

# Far above what these take on a busy machine, far below what they took: hours.
pytestmark = pytest.mark.timeout(900)


def picture(path: Path, hue: int) -> None:
    Image.new("RGB", (64, 64), (hue, 90, 20)).save(path)


@contextmanager
def bounded() -> Iterator[None]:
    with memory.Watch() as watch:
        yield
    assert watch.own <= OWN


def rules(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def both(root: Path) -> Report:
    """What `validate` says, after `fix` has planned and changed nothing beyond a limit."""
    with bounded():
        report = validate(root)
        plan = plan_fix(root)
        for _ in plan.diff():
            pass
    return report


def big(path: Path, size: int, begin: bytes = b"", end: bytes = b"") -> None:
    """A file with a hole, of which hardly anything lies on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(size)
        file.seek(size)
        file.write(end)


# --- the examples --------------------------------------------------------------------------------


def test_one_word_of_two_megabytes(tmp_path: Path) -> None:
    shapes.huge_word(tmp_path, 2_000_000)
    report = both(tmp_path)
    (told,) = (f for f in report.findings if f.rule == "D515")
    assert told.line == 1
    assert f"{CAPTION:,}" in told.message


def test_a_word_below_the_limit_is_counted_in_linear_time() -> None:
    (counter,) = token_counters()
    usual = "a photo of a cat, sitting on a wall"
    assert counter.count(usual) == 10
    assert counter.count("x" * CAPTION) > 75
    assert counter.count("x" * 5_000_000) > 75


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_a_line_larger_than_the_memory(tmp_path: Path, name: str) -> None:
    head = b"file_name,text\n" if name.endswith("csv") else b'{"file_name": "a.png", "text": "x"}\n'
    big(tmp_path / name, 2**20 * (OWN + 100), head + b"x", b"\n")
    report = both(tmp_path)
    assert {"D124", "D125"} <= rules(report)
    told = [f for f in report.findings if f.rule == "D125"]
    assert [f.line for f in told] == [2]


@pytest.mark.parametrize("name", ["a.txt", "a.json", "README.md", "metadata.json", "metadata.yaml"])
def test_two_gigabytes_beside_the_pictures(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "a.png", 1)
    big(tmp_path / name, 2_000_000_000, b"---\n" if name == "README.md" else b"{")
    report = both(tmp_path)
    told = {f.rule for f in report.findings if f.path == name}
    assert told >= {"D605" if name == "README.md" else "D516" if name[0] == "a" else "D113"}


def test_a_line_of_twenty_megabytes(tmp_path: Path) -> None:
    shapes.huge_line(tmp_path, 20_000_000)
    assert "D125" in rules(both(tmp_path))


def test_a_broken_line_below_the_limit_is_left_to_the_user(tmp_path: Path) -> None:
    shapes.huge_line(tmp_path, 3_000_000)
    assert "D101" in rules(both(tmp_path))


def test_thousands_of_captions_of_one_long_word(tmp_path: Path) -> None:
    shapes.long_words(tmp_path, 5_600 * 2_000)
    with bounded():
        assert "D503" in rules(validate(tmp_path, select=["D5"]))


def test_patterns_take_no_second_look_at_a_long_word() -> None:
    captions = [f"{'x' * 50_000} {n} {'y' * 50_000}" for n in range(50)]
    assert constants(captions) == []
    assert constants([f"{text} light" for text in captions])[:0] == []
    dull = [f"{'a the of ' * 10_000}{n}" for n in range(20)]
    assert common_phrases(dull) == []


def test_cells_that_are_nearly_numbers(tmp_path: Path) -> None:
    cell = "1" * 120_000 + "x"
    (tmp_path / "metadata.csv").write_text(f"file_name,text,n\na.png,tok,{cell}\n" * 20)
    assert rules(both(tmp_path))


def test_a_parquet_bomb(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    shapes.parquet_bomb(tmp_path)
    assert (tmp_path / "metadata.parquet").stat().st_size < 100_000
    with bounded():
        (told,) = validate(tmp_path, select=["D1"]).findings
    assert told.rule == "D124"
    assert "rows are read" in told.message


# --- the limits ----------------------------------------------------------------------------------


def records(count: int) -> bytes:
    return b"".join(b'{"file_name": "%d.png", "text": "tok"}\n' % n for n in range(count))


def test_more_records_than_are_read(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_bytes(b"{}\n" * (RECORDS + 5))
    report = both(tmp_path)
    (told,) = (f for f in report.findings if f.rule == "D124")
    assert told.line == RECORDS + 1
    assert "5 of this file are left out" in told.message
    mine = [f for f in report.findings if f.rule == "D502"]
    assert len(mine) <= FINDINGS + 1


def test_several_files_share_one_limit(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.jsonl").write_bytes(b"{}\n" * (RECORDS // 2))
    assert "D124" in rules(validate(tmp_path, select=["D124"]))


def test_values_that_take_more_than_their_bytes(tmp_path: Path) -> None:
    shapes.empty_values(tmp_path, 12_000_000)
    assert "D124" in rules(both(tmp_path))


@pytest.mark.parametrize("levels", [DEPTH + 1, 5_000, 200_000])
def test_what_is_nested_too_deeply(tmp_path: Path, levels: int) -> None:
    text = '{"file_name": "0.png", "text": "x", "a": ' + "[" * levels + "]" * levels + "}\n"
    (tmp_path / "metadata.jsonl").write_text(text + '{"file_name": "1.png", "text": "x"}\n')
    found = rules(both(tmp_path))
    assert found & {"D101", "D125"}


def test_very_many_columns(tmp_path: Path) -> None:
    shapes.many_columns(tmp_path / "a", 3_000_000)
    shapes.csv_columns(tmp_path / "b", 4_000_000)
    for name in "ab":
        told = {f.rule: f.message for f in both(tmp_path / name).findings}
        assert f"{COLUMNS:,}" in told.get("D126", "") or "are read" in told["D124"]


def test_columns_that_each_record_has_of_its_own(tmp_path: Path) -> None:
    shapes.other_columns(tmp_path, 200_000)
    assert "D126" in rules(both(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        shapes.yaml_bomb(),
        "---\na: &a {k: 1}\n"
        + "".join(
            f"{b}: &{b}\n  <<: [{', '.join([f'*{a}'] * 10)}]\n"
            for a, b in zip("abcdefghi", "bcdefghij", strict=True)
        )
        + "---\n",
        "---\na: " + "1:" * 200_000 + "1\n---\n",
        "---\na: " + "9" * 200_000 + "\n---\n",
        "---\na: " + "[" * 20_000 + "\n---\n",
        "---\na: &a [*a]\n---\n",
        "---\na: 2024-99-99\n---\n",
        "---\n" + "".join(f"key{n}: 1\n" for n in range(100_000)) + "---\n",
        "---\n" + "# more\n" * 80_000 + "---\n",
    ],
    ids=["aliases", "merges", "sixties", "digits", "deep", "itself", "date", "keys", "long"],
)
def test_front_matter_of_a_stranger(tmp_path: Path, text: str) -> None:
    picture(tmp_path / "0.png", 1)
    (tmp_path / "metadata.jsonl").write_bytes(records(1))
    (tmp_path / "README.md").write_text(text)
    report = both(tmp_path)
    assert "D605" in rules(report)
    done = typed("card", tmp_path, "--check")
    assert done.returncode in (0, 1, 2, 3)
    assert "bug in hubtools" not in done.stdout + done.stderr


DEEP = ["[", "{", "- ", "? ", "{a: ", "[a, ", "[{"]


@pytest.mark.parametrize("part", DEEP)
@pytest.mark.parametrize("closed", [False, True])
def test_yaml_is_measured_before_it_is_parsed(
    part: str, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No parser sees it, wherever YAML is read."""
    import yaml

    from hubtools import frontmatter
    from hubtools.localhub import cardyaml

    block = "a: " + part * 50_000 + ("]" * 50_000 if closed else "")

    def never(*more: object, **named: object) -> None:
        raise AssertionError("it was given to a parser")

    for name in ("SafeLoader", "CSafeLoader", "parse", "compose", "load"):
        monkeypatch.setattr(yaml, name, never)
    found = frontmatter.parse(f"---\n{block}\n---\n")
    assert "too deep in each other" in str(found.error)
    assert found.repeated == ()
    bare = frontmatter.FrontMatter("", "---\n", block, "---\n")
    assert frontmatter.line_of(bare, "a") is None
    with pytest.raises(yaml.YAMLError, match="too deep"):
        cardyaml.load(block)


def test_yaml_of_too_many_values_is_told() -> None:
    from hubtools import frontmatter

    for block in ("a: [" + "x," * 200_000 + "]", "- x\n" * 100_001):
        found = frontmatter.parse(f"---\n{block}\n---\n")
        assert "more than" in str(found.error)


def test_usual_front_matter_is_read() -> None:
    names = "".join(f"      '{n}': a class, [odd] {{or}} not\n" for n in range(12_000))
    assert len(load_yaml(f"a:\n    names:\n{names}")["a"]["names"]) == 12_000
    assert load_yaml("a: &a [1, x]\nb: *a\nc: {d: 2024-01-01}\n")["b"] == [1, "x"]


def test_settings_of_a_stranger(tmp_path: Path) -> None:
    for text in (
        "# x\n" * 400_000,
        "[dataset]\npath = " + "[" * 50_000,
        "a" + ".a" * 90_000 + "=1",
    ):
        (tmp_path / "hubtools.toml").write_text(text)
        with bounded():
            done = typed("validate", cwd=tmp_path)
        assert done.returncode in (1, 2), done.stdout + done.stderr
        assert "bug in hubtools" not in done.stderr


def test_a_zip_of_very_many_files(tmp_path: Path) -> None:
    one = tmp_path / "a.zip"
    with zipfile.ZipFile(one, "w") as file:
        file.writestr(zipfile.ZipInfo("a"), b"")
    data = one.read_bytes()
    first, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    # the directory again and again, and behind it how long it is (APPNOTE, 4.3.14 to 4.3.16)
    entries, length = (MEMBERS + 1) * data[first:end], (MEMBERS + 1) * (end - first)
    count, at = MEMBERS + 1, first + length
    last = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, first)
    last += struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    last += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, length, first, 0)
    one.write_bytes(data[:first] + entries + last)
    assert len(zipfile.ZipFile(one).filelist) == MEMBERS + 1
    with bounded():
        done = typed("validate", tmp_path / "a.zip")
    assert done.returncode == 1
    assert "more than" in done.stderr


def test_packed_metadata_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 1)
    packed = zlib.compressobj(1, wbits=31)
    data = b"".join(packed.compress(bytes(5_000_000)) for _ in range(100)) + packed.flush()
    (tmp_path / "metadata.jsonl.gz").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        zipped.writestr("metadata.jsonl", bytes(500_000_000))
    both(tmp_path)


# --- what is told --------------------------------------------------------------------------------


def test_findings_are_counted_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_bytes(b"5\n" * (FINDINGS + 500))
    found = [f for f in validate(tmp_path).findings if f.rule == "D104"]
    assert len(found) == FINDINGS + 1
    assert f"{FINDINGS + 500:,} findings" in found[-1].message


def test_a_finding_is_no_longer_than_can_be_read(tmp_path: Path) -> None:
    row = {"a" * 50_000: 1, "b" * 50_000: 2}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    assert all(len(f.message) <= SAID for f in validate(tmp_path).findings)


@pytest.mark.parametrize(
    "text",
    [
        "[" + "{}," * 1_000 + "{}]",
        "[" + "[]," * 1_000 + "[]]",
        '["' + "a" * 5_000 + '\U0001f600"]',
        '["' + "a" * 5_000 + '\\ud83d\\ude00"]',
        '["' + "a" * 5_000 + '\u0142"]',
        "[" + ",".join(f"{n}.5" for n in range(1_000)) + "]",
        "[" + ",".join(f'"{n}"' for n in range(1_000)) + "]",
        "{" + ",".join(f'"k{n}": {n}' for n in range(1_000)) + "}",
    ],
)
def test_the_cost_of_json_is_no_less_than_it_takes(text: str) -> None:
    def takes(value: object) -> int:
        inner: list[object] = []
        if isinstance(value, dict):
            inner = [*value, *value.values()]
        elif isinstance(value, list):
            inner = value
        return sys.getsizeof(value) + sum(map(takes, inner))

    assert json_cost(text.encode()) >= 0.9 * takes(json.loads(text))
    assert json_cost(b"x" * LINE) <= RECORD_COST


def test_a_diff_of_a_long_file_takes_no_comparison_of_all_with_all() -> None:
    old = [f"line {n}" for n in range(60_000)]
    new = [line + "x" * (n % 2) for n, line in enumerate(old)]
    lines = list(unified(old, new, "a", "b"))
    assert sum(line.startswith("+line") for line in lines) == 30_000
    assert list(unified(["same"] * 1_200, ["same"] * 1_200, "a", "b")) == []


def test_json_of_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_bytes(records(1))
    known = tmp_path / "known.json"
    for data in (b"[" * 300_000, b"[" + b"{}," * 3_000_000 + b"{}]", None):
        if data is None:
            big(known, 2_000_000_000, b"[")
        else:
            known.write_bytes(data)
        with bounded():
            done = typed("validate", tmp_path, "--baseline", known)
        assert done.returncode == 1
        assert str(known) in done.stderr
        assert "bug in hubtools" not in done.stderr


@pytest.mark.parametrize("kind", ["fix", "prune", "shard", "push"])
def test_a_plan_of_a_stranger(tmp_path: Path, kind: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "metadata.jsonl").write_bytes(records(1))
    plan = tmp_path / "plan.json"
    for data in (b"[" * 300_000, b"{}", None):
        if data is None:
            big(plan, 2_000_000_000, b"{")
        else:
            plan.write_bytes(data)
        with bounded():
            more = ("--to", tmp_path / "to") if kind == "shard" else ()
            done = typed(kind, tmp_path / "set", "--from-plan", plan, *more)
        assert done.returncode == 1
        assert "bug in hubtools" not in done.stderr
        assert (tmp_path / "set" / "metadata.jsonl").read_bytes() == records(1)


def test_a_folder_of_very_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubtools.dataset.folder.listing.FILES", 3)
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"")
    done = typed("validate", tmp_path)
    assert done.returncode == 1
    assert "more than 3 files" in done.stderr


def test_the_limits_are_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    for limit in (LINE, RECORDS, CAPTION, COLUMNS, DEPTH, MEMBERS):
        assert f"| {limit:,} |" in text
