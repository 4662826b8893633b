"""Shares of a dataset, checked apart and merged, give the report of one check."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from simple import TRIGGER, picture

import hubtools
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.packing.write import shard
from hubtools.dataset.parts import Part, merge_parts, validate_part
from hubtools.dataset.pictures.scan_cache import place_of
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError, UsageError
from hubtools.findings import to_dict
from hubtools.settings import DatasetSettings
from tests.typed import typed


@pytest.fixture
def twelve(tmp_path: Path) -> Path:
    """Twelve pictures: three exact copies, one of the same pixels, one cut off, one small."""
    root = tmp_path / "twelve"
    for number in range(7):
        picture(root / f"{number}.png", number, (80, 80))
    for number in range(3):
        shutil.copy(root / "0.png", root / f"copy{number}.png")
    picture(root / "again.bmp", 1, (80, 80))
    picture(root / "small.png", 9, (40, 40))
    (root / "6.png").write_bytes((root / "6.png").read_bytes()[:-20])
    rows = [{"file_name": p.name, "text": f"{TRIGGER} {p.name[0]}"} for p in sorted(root.iterdir())]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def parts_of(source: Path | str, to: Path, of: int) -> list[Path]:
    to.mkdir(parents=True, exist_ok=True)
    return [
        validate_part(source, Part(number, of), to / f"{number}-{of}.part").path
        for number in range(1, of + 1)
    ]


@pytest.mark.parametrize("of", [1, 2, 5])
@pytest.mark.parametrize("kind", ["folder", "parquet", "webdataset", "tar"])
def test_shares_in_any_order_give_the_report_of_the_whole(
    twelve: Path, tmp_path: Path, settings: DatasetSettings, of: int, kind: str
) -> None:
    source = twelve
    if kind == "tar":
        source = Path(shutil.make_archive(str(tmp_path / "a"), "gztar", tmp_path, "twelve"))
    elif kind != "folder":
        shard(twelve, tmp_path / "shards", format=kind)  # type: ignore[arg-type]
        source = tmp_path / "shards"
    parts = parts_of(source, tmp_path / "parts", of)
    random.Random(of).shuffle(parts)
    whole = validate(source, settings, resolution=64)
    merged = merge_parts(parts, None, settings, resolution=64)
    assert to_dict(merged) == to_dict(whole)
    assert merged == whole
    assert {"D301", "D304", "D401", "D402"} <= {finding.rule for finding in merged.findings}


def test_every_picture_is_in_one_share() -> None:
    entries = [Entry(f"{number}.png", 0, 0) for number in range(2000)]
    for of in (1, 2, 5, 16):
        counts = [sum(Part(n, of).has(entry) for entry in entries) for n in range(1, of + 1)]
        assert sum(counts) == 2000
        assert min(counts) > 0.7 * 2000 / of


def test_a_share_forgets_nothing(twelve: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    for number in range(70):
        picture(twelve / f"x{number}.png", number + 20, (80, 80))
    validate(twelve, settings)
    kept = place_of(twelve).read_bytes()
    parts_of(twelve, tmp_path, 2)
    assert place_of(twelve).read_bytes() == kept


def test_what_does_not_belong_together_is_refused(
    twelve: Path, good: Path, tmp_path: Path, settings: DatasetSettings
) -> None:
    one, two, three = parts_of(twelve, tmp_path / "3", 3)
    half, _ = parts_of(twelve, tmp_path / "2", 2)
    foreign = parts_of(good, tmp_path / "good", 3)[2]
    damaged = tmp_path / "damaged.part"
    damaged.write_bytes(two.read_bytes()[:-9])
    for parts, words in [
        ([one, three], "Of 3 shares, 2 is missing"),
        ([one], "Of 3 shares, 2, 3 are missing"),
        ([one, two, three, two], "are both share 2 of 3"),
        ([one, two, foreign], "is of other data than"),
        ([one, two, half], "is share 1 of 2"),
        ([one, damaged, three], "is no partial result, or a damaged one"),
        ([one, good / "metadata.jsonl"], "is no partial result, or a damaged one"),
        ([one, tmp_path / "nowhere"], "cannot be read"),
    ]:
        with pytest.raises(HubtoolsError, match=words):
            merge_parts(parts, None, settings)
    with pytest.raises(HubtoolsError, match="is not what"):
        merge_parts([one, two, three], good, settings)
    picture(twelve / "new.png", 50)
    with pytest.raises(HubtoolsError, match="has changed since"):
        merge_parts([one, two, three], None, settings)


def test_a_copy_of_another_name_is_the_same_data(
    twelve: Path, tmp_path: Path, settings: DatasetSettings
) -> None:
    one, _ = parts_of(twelve, tmp_path, 2)
    copy = shutil.copytree(twelve, tmp_path / "elsewhere")
    _, two = parts_of(copy, tmp_path / "elsewhere-parts", 2)
    merged = merge_parts([one, two], None, settings)
    assert merged.facts["pictures"] == 12


def test_what_changed_between_the_shares_is_told(
    twelve: Path, tmp_path: Path, settings: DatasetSettings
) -> None:
    one, _ = parts_of(twelve, tmp_path / "before", 2)
    picture(twelve / "new.png", 50)
    _, two = parts_of(twelve, tmp_path / "after", 2)
    with pytest.raises(HubtoolsError, match=r"is of other data than .* changed"):
        merge_parts([one, two], None, settings)


def test_one_of_another_version_is_refused(
    twelve: Path, tmp_path: Path, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubtools.dataset.parts.ENGINE", 0)
    one, two = parts_of(twelve, tmp_path, 2)
    monkeypatch.undo()
    with pytest.raises(HubtoolsError, match="another version of hubtools"):
        merge_parts([one, two], None, settings)


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "1/0", "a/b", "-1/2"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is no share"):
        Part.parse(text)


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return typed("validate", *arguments, cwd=cwd)


def test_as_typed(good: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        done = run(good, "--shard", f"{number}/2", "--partial", f"{number}.part", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"Share {number} of 2" in done.stdout
    options = ("--trigger=(tok)", "--license=cc0-1.0", "--rights=own", "--resolution=64")
    merged = run("merge", "2.part", "1.part", *options, cwd=tmp_path)
    assert (merged.returncode, "no problems found" in merged.stdout) == (0, True), merged.stderr
    named = typed("merge-parts", "2.part", "1.part", *options, cwd=tmp_path)
    assert (named.returncode, named.stdout) == (0, merged.stdout), named.stderr
    assert typed("merge_parts", "1.part", *options, cwd=tmp_path).returncode == 1  # one is missing
    documents = [
        json.loads(run(*words, "--format", "json", *options, cwd=tmp_path).stdout)
        for words in (["merge", "1.part", "2.part"], [good])
    ]
    documents.append(
        json.loads(
            typed(
                "merge-parts", "1.part", "2.part", good, "--format", "json", *options, cwd=tmp_path
            ).stdout
        )
    )
    assert documents[0] == documents[1] == documents[2]
    for words, code, said in [
        ([], 2, "Which partial results?"),
        (["nowhere"], 1, "There is no file or folder nowhere"),
        ([str(good), "1.part"], 2, "the source goes last"),
    ]:
        wrong_words = typed("merge-parts", *words, cwd=tmp_path)
        assert wrong_words.returncode == code, wrong_words.stderr
        assert said in " ".join(wrong_words.stderr.split())
    assert "merge PARTIAL" not in run("--help", cwd=tmp_path).stdout
    assert hubtools.merge_parts(
        [tmp_path / "1.part", tmp_path / "2.part"], trigger="(tok)", resolution=64
    ).facts["pictures"]
    good.rename(tmp_path / "merge")
    moved = run("merge", "2.part", "1.part", *options, cwd=tmp_path)
    assert (moved.returncode, "There is no" in moved.stderr) == (1, True)
    other = run("merge", "2.part", "1.part", "merge", *options, cwd=tmp_path)
    assert (other.returncode, "is of other data" in other.stderr) != (0, True)
    assert run("merge", *options, cwd=tmp_path).returncode == 0  # a folder of that name
    assert run("merge", "1.part", *options, cwd=tmp_path).returncode == 1
    for words, code, said in [
        (["merge", "1.part", "nowhere"], 1, "There is no file or folder nowhere"),
        (["merge", "merge", "1.part"], 2, "merge is no partial result; the source goes last"),
        (["merge", "merge/"], 2, "merge/ is no partial result"),
        (["merge", "1.part", "2.part", "--shard", "1/2", "--partial", "x"], 2, "--shard looks at"),
        (["merge/", "--shard", "1/2", "--partial", "merge"], 2, "is a folder; give a file"),
        (["1.part"], 1, "1.part is a partial result"),
    ]:
        done = run(*words, cwd=tmp_path)
        assert done.returncode == code, (words, done.stderr)
        assert said in " ".join(done.stderr.split())
    for wrong in (["--shard", "1/2"], ["--partial", "x"], ["a", "b"]):
        assert run("merge" if len(wrong) == 1 else ".", *wrong, cwd=tmp_path).returncode == 2
