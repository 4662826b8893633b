"""Reports of `hubtools validate` in every format, and what a project says of findings, as typed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest
from photos import put_photo
from PIL import Image
from test_validate_cli import GOOD, validate

from hubtools.cli.main import run
from hubtools.dataset.report.exhibits import GALLERY
from hubtools.dataset.report.figures import words_of
from hubtools.dataset.scan.scanning import MOST_PREVIEWS
from hubtools.dataset.validate import validate as check
from hubtools.findings import report_schema, to_dict
from hubtools.project import load_project
from hubtools.reporting.page import to_html
from hubtools.settings import DatasetSettings


@pytest.fixture
def bad(good: Path) -> Path:
    """A picture without a record, a record without a picture, a copy, an empty caption."""
    put_photo(good, "9.png", 9, (64, 64))
    shutil.copy(good / "0.png", good / "copy.png")
    with (good / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "gone.png", "text": "(tok)"}\n')
        file.write('{"file_name": "copy.png", "text": ""}\n')
    return good


def test_files_of_every_kind_are_written_at_once(bad: Path, tmp_path: Path) -> None:
    names = ("r.html", "r.sarif", "r.json", "r.jsonl", "sub/r.txt")
    files = [part for name in names for part in ("--report", tmp_path / name)]
    done = validate("good", *GOOD, *files, cwd=tmp_path)
    assert done.returncode == 3
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    jsonschema.validate(told, report_schema())
    assert told["findings"]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == len(told["findings"])
    results = json.loads((tmp_path / "r.sarif").read_text())["runs"][0]["results"]
    place = next(r for r in results if r["ruleId"] == "D201")["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "good/metadata.jsonl"
    assert place["region"]["startLine"] == 4
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert '"picture":"copy.png"' in page, "a caption's finding speaks of its picture"
    text = (tmp_path / "sub" / "r.txt").read_text()
    assert text.startswith(f"{done.stdout}SHA-256 of all above: ")


FORMATS = ("json", "jsonl", "sarif", "html", "github", "text", "agent", "quiet")


def here(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """The command line in this process: (exit code, stdout, stderr)."""
    code = run(["validate", *map(str, arguments)])
    return code, *capfd.readouterr()


def test_formats_on_stdout(bad: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for format in FORMATS:
        code, out, err = here(capfd, bad, *GOOD, "--format", format)
        assert (code, "D201" in out) == (3, True), (format, err)
        if format == "json":
            assert err == ""
        if format in ("jsonl", "sarif"):
            json.loads(out.splitlines()[0] if format == "jsonl" else out)


def test_a_file_name_that_is_no_text_breaks_no_format(
    bad: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        (bad / os.fsdecode(b"caf\xe9.png")).write_bytes((bad / "1.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    assert "caf" in validate(bad, *GOOD, "--format", "html").stdout
    for format in FORMATS:
        code, out, err = here(capfd, bad, *GOOD, "--format", format)
        assert (code, "caf" in out) == (3, True), (format, err)


def test_a_baseline_hides_what_is_known_and_fails_on_what_is_new(
    bad: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "known.json"
    code, _, err = here(capfd, bad, *GOOD, "--baseline", file)
    assert (code, "--write-baseline" in err) == (2, True)
    written = validate(bad, *GOOD, "--baseline", file, "--write-baseline")
    assert written.returncode == 0, written.stderr
    assert "no new problems" in written.stdout
    known = (bad, *GOOD, "--baseline", file)
    assert here(capfd, *known, "--strict")[0] == 0
    # lines move, and the same is known
    records = (bad / "metadata.jsonl").read_text().splitlines(keepends=True)
    (bad / "metadata.jsonl").write_text("".join(reversed(records)))
    code, text, _ = here(capfd, *known, "--format", "json")
    told = json.loads(text)
    assert code == 0, told["findings"]
    jsonschema.validate(told, report_schema())
    assert told["facts"]["baseline"]["known"] == len(told["suppressed"]) > 0
    with (bad / "metadata.jsonl").open("a") as out:
        out.write('{"file_name": "lost.png", "text": "(tok), behind a wall"}\n')
    code, text, _ = here(capfd, *known, "--format", "sarif")
    assert code == 3
    results = json.loads(text)["runs"][0]["results"]
    fresh = [result for result in results if "suppressions" not in result]
    assert [result["message"]["text"].split("\n")[0] for result in fresh] == [
        "there is no picture lost.png"
    ]
    (bad / "9.png").unlink()
    _, _, err = here(capfd, *known)
    assert "of the baseline's entries" in err
    assert "D202 9.png" in err


def test_the_project_says_which_rules(
    bad: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    toml = tmp_path / "hubtools.toml"
    base = '[dataset]\npath = "good"\ntrigger = "(tok)"\nlicense = "cc0-1.0"\nrights = "own"\n'
    base += "[train]\nresolution = 64\n"
    toml.write_text(base)
    before = here(capfd, tmp_path, "-q")[1]
    assert {line.rpartition(" ")[2] for line in before.splitlines()} >= {"D201", "D202", "D401"}
    toml.write_text(
        base + '[rules]\nignore = ["D4"]\nbaseline = "known.json"\n'
        '[rules.per_file_ignores]\n"9.png" = ["D202"]\n"*.jsonl" = ["D201"]\n'
    )
    assert here(capfd, tmp_path, "--write-baseline")[0] == 0
    assert (tmp_path / "known.json").is_file(), "it lies beside the project file"
    left = json.loads(here(capfd, tmp_path, "--format", "json")[1])
    assert not {"D201", "D202", "D401"} & {finding["rule"] for finding in left["suppressed"]}
    # the command line wins over the file, for a project given as an argument too
    assert "D401" in here(capfd, tmp_path, "--ignore", "D1,D2", "-q")[1]
    assert here(capfd, tmp_path, "--select", "D1", "-q")[1] == ""
    only = here(capfd, tmp_path, "--per-file-ignores", "*:D2,D4,D5", "--ignore", "D6", "-q")
    assert only[:2] == (0, "")
    assert load_project(toml).rules.per_file_ignores == {"9.png": ["D202"], "*.jsonl": ["D201"]}
    environment = {"HUBTOOLS_RULES_PER_FILE_IGNORES": "a:D1,D2|b:D3", "HUBTOOLS_RULES_IGNORE": "D1"}
    project = load_project(toml, environ=environment)
    assert project.rules.per_file_ignores == {"a": ["D1", "D2"], "b": ["D3"]}
    assert project.rules.ignore == ["D1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--per-file-ignores", "D1"), "GLOB:ID"),
        (("--per-file-ignores", "*.png:"), "GLOB:ID"),
        (("--per-file-ignores", "*.png:X9"), "X9"),
        (("--report", "out.pdf"), ".html"),
        (("--report", "out"), ".html"),
        (("--format", "pdf"), "pdf"),
        (("--select", "D1,X9"), "X9"),
    ],
)
def test_mistakes_get_a_sentence(
    good: Path, arguments: tuple[str, ...], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = here(capfd, good, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert words in err


def test_the_page_of_a_small_set_shows_all(good: Path, settings: DatasetSettings) -> None:
    report = check(good, settings, resolution=64, exhibits=True)
    assert report.exhibits is not None
    assert len(report.exhibits.pictures) == 3
    assert set(report.exhibits.thumbnails) == {"0.png", "1.png", "2.png"}
    assert [h.title for h in report.exhibits.histograms] == [
        "Sizes", "Shapes", "Training buckets", "Caption lengths",
    ]  # fmt: skip
    assert report.exhibits.words is not None
    assert report.exhibits.words.bound == ("view",)
    assert len(to_html(report)) < 60_000
    assert check(good, settings, resolution=64).exhibits is None
    jsonschema.validate(to_dict(report), report_schema())


def test_of_a_large_set_only_those_spoken_of_are_shown(
    tmp_path: Path, settings: DatasetSettings
) -> None:
    lines = []
    for number in range(MOST_PREVIEWS + 20):
        name = f"{number:03d}.png"
        put_photo(tmp_path, name, number, (70, 64) if number % 40 else (40, 30))
        lines.append(json.dumps({"file_name": name, "text": f"(tok), view {number}"}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    wanted = {f"{number:03d}.png" for number in range(0, MOST_PREVIEWS + 20, 40)}
    for _ in range(2):  # read now, and remembered
        report = check(tmp_path, settings, resolution=64, select=["D304"], exhibits=True)
        assert report.exhibits is not None
        assert report.exhibits.pictures == ()
        assert set(report.exhibits.thumbnails) == wanted
    assert len(wanted) < GALLERY
    every = check(tmp_path, settings, resolution=256, select=["D304"], exhibits=True)
    assert every.exhibits is not None
    assert (len(every.exhibits.thumbnails), every.exhibits.unseen) == (MOST_PREVIEWS, 20)
    assert "20 more that findings speak of are not" in to_html(every)


def test_copies_are_side_by_side_if_they_were_looked_for(
    bad: Path, settings: DatasetSettings
) -> None:
    report = check(bad, settings, resolution=64, exhibits=True)
    assert report.exhibits is not None
    (cluster,) = report.exhibits.clusters
    assert [(one.name, one.tags[0]) for one in cluster.pictures] == [
        ("0.png", "keep"),
        ("copy.png", "the same file"),
    ]
    blind = check(bad, settings, resolution=64, ignore=["D4"], exhibits=True)
    assert blind.exhibits is not None
    assert blind.exhibits.clusters == ()


def test_words() -> None:
    words = words_of(["(tok), a red hat", "(tok), the red-haired Red", "(TOK) red"], "(tok)")
    assert words is not None
    assert (words.captions, words.bound) == (3, ("red",))
    assert {word.text: word.captions for word in words.table} == {
        "tok": 3, "red": 3, "a": 1, "hat": 1, "the": 1, "red-haired": 1,
    }  # fmt: skip
    assert words_of([]) is None
    assert words_of(["???"]) is None


def test_the_page_says_why_a_picture_is_not_shown(good: Path, settings: DatasetSettings) -> None:
    (good / "0.png").write_bytes((good / "0.png").read_bytes()[:-30])
    (good / "1.png").write_bytes(b"")
    report = check(good, settings, resolution=64, exhibits=True)
    assert report.exhibits is not None
    assert set(report.exhibits.thumbnails) == {"2.png"}
    assert report.exhibits.blank == {"0.png": "it is cut off", "1.png": "it is empty"}
    assert '"blank":{"0.png":"it is cut off"' in to_html(report)


@pytest.mark.parametrize(
    "sizes, told",
    [
        ([(16, 24), (24, 16)], "16x24 to 24x16"),
        ([(16, 24), (16, 24)], "16x24"),
        ([(8, 40), (9, 9)], "9x9 to 8x40"),
    ],
)
def test_the_smallest_and_the_largest_are_told(
    tmp_path: Path, sizes: list[tuple[int, int]], told: str
) -> None:
    for number, size in enumerate(sizes):
        Image.new("RGB", size, (number, 0, 0)).save(tmp_path / f"{number}.png")
    done = validate(str(tmp_path), cwd=tmp_path)
    assert f", {told})," in done.stdout + done.stderr
