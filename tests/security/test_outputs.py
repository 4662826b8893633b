"""Folders that pictures are drawn to: what hubtools wrote there is replaced, nothing else."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import hubtools
from hubtools import files
from hubtools.conversion import export
from hubtools.dataset.edits.plan import FixPlan
from hubtools.dataset.inspect.draw import write_sheet
from hubtools.dataset.parts import validate_part
from hubtools.errors import HubtoolsError, UsageError
from hubtools.evaluation.chart import draw_chart
from hubtools.evaluation.result import Evaluation
from hubtools.evaluation.run import evaluate
from hubtools.files import json_bytes
from hubtools.findings import Finding, Report, Severity
from hubtools.inference.grid.draw import _are_facts, _write_facts
from hubtools.inference.png import save_picture
from hubtools.inference.sheet import contact_sheet
from hubtools.manifest import RunManifest, SampleRecord
from hubtools.project import Project
from hubtools.reporting.formats import write_report
from hubtools.rooted import Root
from hubtools.settings import DatasetSettings, EvaluateSettings, SampleSettings, TrainSettings
from hubtools.summed import summed_json
from tests.cards.test_evaluation import evaluation
from tests.drawing import write_pictures
from tests.lorafiles import good, save
from tests.planning import tree
from tests.security.pushing import before_call
from tests.security.test_card_texts import LORA_WEIGHTS, write_manifest, write_sample
from tests.typed import typed

pytest.importorskip("torch")

MINE = {
    ".png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rmine",
    ".json": b'{"file": "p00_s0.png", "mine": true}',
    ".html": b"<!doctype html>\n<html>mine</html>",
}


def drawing(base: Path, *words: str) -> list[str]:
    return [*words, "--base-model", str(base), "--size", "64", "--num-inference-steps", "1"]


def refused(words: list[str], file: Path, cwd: Path) -> str:
    mine = file.read_bytes()
    done = typed(*words, cwd=cwd)
    assert done.returncode == 1, done.stderr
    assert file.read_bytes() == mine
    assert file.name in done.stderr
    return done.stderr


@pytest.mark.parametrize("ending", [".png", ".json"])
def test_a_drawn_picture_replaces_none_of_mine(
    ending: str, tiny_base: Path, tmp_path: Path
) -> None:
    words = drawing(tiny_base, "generate", "a hat", "-o", "out")
    assert typed(*words, cwd=tmp_path).returncode == 0
    (file,) = (tmp_path / "out").glob(f"*{ending}")
    for other in (tmp_path / "out").iterdir():
        if other != file:
            other.unlink()
    file.write_bytes(MINE[ending])
    said = refused(words, file, tmp_path)
    assert [one.name for one in (tmp_path / "out").iterdir()] == [file.name]
    # what is to be typed works, and then it is drawn
    move = re.search(r"(mv .*)", said)
    assert move is not None
    subprocess.run(shlex.split(move[1]), check=True, cwd=tmp_path)
    assert typed(*words, cwd=tmp_path).returncode == 0
    assert MINE[ending] in [one.read_bytes() for one in (tmp_path / "out").iterdir()]
    # its own pictures are replaced
    assert typed(*words[:-1], "2", cwd=tmp_path).returncode == 0


def painted(file: Path) -> bytes:
    """A picture after a person has drawn into it, with a program that keeps its texts."""
    info = PngInfo()
    with Image.open(file) as picture:
        picture.load()
        for key, value in picture.info.items():
            info.add_itxt(key, str(value))
        picture.paste((9, 9, 9), (0, 0, 5, 5))
        picture.save(file, pnginfo=info)
    return file.read_bytes()


def test_outputs_that_a_person_changed_are_theirs(tmp_path: Path) -> None:
    """As hubtools made them they are written over."""
    sheet, page = tmp_path / "sheet.png", tmp_path / "page.html"
    report = Report("set", (Finding("X1", Severity.ERROR, "me:hunter22@example.org"),))
    for _ in range(2):
        write_sheet(tmp_path, [], sheet)
        write_report(report, page)
    mine = painted(sheet)
    with pytest.raises(HubtoolsError, match="not written over"):
        write_sheet(tmp_path, [], sheet)
    assert sheet.read_bytes() == mine
    for text in (page.read_text().replace("<body>", "<body>mine", 1), f"{page.read_text()}mine"):
        page.write_text(text)
        with pytest.raises(HubtoolsError, match="not written over"):
            write_report(report, page)
        assert page.read_text() == text


NOTED: dict[str, Callable[[str], str]] = {
    "above.txt": lambda text: f"A year of notes\n{text}",
    "within.txt": lambda text: text.replace("\n", "\nmine: look at this\n", 1),
    "behind.txt": lambda text: text.replace("\n", "  <- mine: ask her\n", 1),
    "top.json": lambda text: text.replace("{", '{"mine": 1,', 1),
    "finding.json": lambda text: text.replace('"rule"', '"mine": 1, "rule"', 1),
    "value.json": lambda text: text.replace("mend it: now", "mended, she says"),
    "counts.json": lambda text: text.replace('"error": ', '"error": 1'),
    "finding.jsonl": lambda text: text.replace('"rule"', '"mine": 1, "rule"', 1),
    "value.jsonl": lambda text: text.replace("mend it: now", "mended, she says", 1),
    "run.sarif": lambda text: text.replace('"results"', '"properties": {}, "results"', 1),
    "result.sarif": lambda text: text.replace('"ruleId"', '"rank": 1, "ruleId"', 1),
    "value.sarif": lambda text: text.replace('"level": "error"', '"level": "none"', 1),
    "judged.sarif": lambda text: text.replace("in the baseline", "she said so", 1),
}


@pytest.mark.parametrize("name", NOTED)
def test_a_report_that_a_person_has_written_into_is_theirs(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    findings = [
        Finding("X1", severity, f"a: b error D1: {severity}", "mend it: now", path)
        for severity in Severity
        for path in (None, "a: b.png", "ä/c.png")
    ]
    for known in ((), tuple(findings)):
        for report in (
            Report("set", (*findings,), known=known),
            Report("my: set", (), known=known),
        ):
            for _ in range(2):
                write_report(report, file)  # as hubtools wrote it, it is written over
    write_report(Report("set", (*findings,), known=(*findings,)), file)
    noted = NOTED[name](file.read_text())
    assert noted != file.read_text()
    file.write_text(noted)
    with pytest.raises(HubtoolsError, match="not written over"):
        write_report(Report("set"), file)
    assert file.read_text() == noted


def test_what_is_changed_between_look_and_write_stays(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    with Root(tmp_path) as root:
        root.write_over("README.md", b"one", None)
        root.write_over("README.md", b"two", b"one")
        for was in (b"one", None):
            with pytest.raises(HubtoolsError, match="changed meanwhile"):
                root.write_over("README.md", b"three", was)
        assert file.read_bytes() == b"two"
        file.unlink()
        file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(HubtoolsError, match="changed meanwhile"):
            root.write_over("README.md", b"three", None)
    assert [one.name for one in tmp_path.iterdir()] == ["README.md"]


def _report(place: Path) -> None:
    write_report(Report("set", (Finding("X1", Severity.ERROR, "odd"),)), place)


def _plan(place: Path) -> None:
    FixPlan(place.parent, made_from={}).save(place)


_SLOW: dict[str, Callable[[Path], object]] = {
    "evaluation.json": lambda place: evaluation(None).write(place.parent),
    "evaluation.png": lambda place: draw_chart(place, evaluation(None)),
    "page.html": _report,
    "sheet.png": lambda place: write_sheet(place.parent, [], place),
    "comparison.png": lambda place: contact_sheet([], place),
    "plan.json": _plan,
    "part.hubtools": lambda place: validate_part(place.parent / "set", "1/1", place),
}


def saved_late(place: Path, patch: pytest.MonkeyPatch) -> None:
    """A person saves a file there in the moment before an output takes the place."""
    real = files.taking_place

    def late(*words: Any) -> Any:
        place.write_text("mine")
        return real(*words)

    patch.setattr(files, "taking_place", late)


@pytest.mark.parametrize("name", _SLOW)
def test_what_is_saved_while_an_output_is_made_stays(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were looked at before anything was read or drawn, and written at the end."""
    write_pictures(tmp_path / "set", 1)
    place = tmp_path / name
    for _ in range(2):
        _SLOW[name](place)
    saved_late(place, monkeypatch)
    with pytest.raises(HubtoolsError, match="not written over"):
        _SLOW[name](place)
    assert place.read_text() == "mine"


def test_an_export_writes_over_nothing_that_appears_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora, place = save(tmp_path / "a.safetensors", good()), tmp_path / "b.safetensors"
    saved_late(place, monkeypatch)
    with pytest.raises(UsageError, match="is there already"):
        hubtools.export(lora, "kohya", place)
    assert place.read_text() == "mine"
    assert hubtools.export(lora, "kohya", place, overwrite=True).path == place


@pytest.mark.parametrize("name", ["1.png", "metadata.jsonl"])
def test_what_is_put_into_a_dataset_while_others_are_copied_stays(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools.journey import copying

    given = {f"{number}.png": (write_pictures(tmp_path / "from", 2), f"picture{number}.png")
             for number in range(2)}  # fmt: skip
    place = tmp_path / "to" / name
    real = copying.open_own

    def late(*words: Any) -> Any:
        place.write_text("mine")
        return real(*words)

    monkeypatch.setattr(copying, "open_own", late)
    with pytest.raises(HubtoolsError, match="it stays as it is"):
        copying.copy_files(given, tmp_path / "to", [{"file_name": "0.png"}], aside=None)
    assert place.read_text() == "mine"


def test_a_plan_that_a_person_has_edited_is_theirs(tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    _plan(place)
    edited = place.read_text().replace('"kind": "fix"', '"kind": "fix", "mine": 1')
    place.write_text(edited)
    with pytest.raises(HubtoolsError, match="not written over"):
        _plan(place)
    assert place.read_text() == edited


def test_a_grid_replaces_none_of_mine(tiny_base: Path, tmp_path: Path) -> None:
    words = drawing(tiny_base, "grid", "a hat", "--x", "seed=0,1", "-o", "out")
    assert typed(*words, cwd=tmp_path).returncode == 0
    done = typed(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("grid.png", "index.html", "grid.json"):
        file = tmp_path / "out" / name
        before = file.read_bytes()
        file.write_bytes(MINE[file.suffix])
        refused(words, file, tmp_path)
        file.write_bytes(before)
    for key in ('"axes"', '"file"', '"seed"'):  # a person judges the pictures
        file.write_bytes(before.replace(key.encode(), b'"mine": 5, ' + key.encode(), 1))
        assert not _are_facts(file.read_bytes())
    file.write_bytes(before.replace(b'"seed": 1', b'"seed": 7', 1))
    refused(words, file, tmp_path)
    file.write_bytes(before)
    cell = next((tmp_path / "out").glob("*/*.png"))
    cell.write_bytes(MINE[".png"])
    cell.with_suffix(".json").unlink()
    refused(words, cell, tmp_path)


@pytest.mark.parametrize("whole", [False, True])
def test_facts_of_a_grid_that_a_person_changes_meanwhile_are_kept(
    tmp_path: Path, whole: bool
) -> None:
    """Its cells are being drawn, which is not stopped for it."""
    plan, file, told = SimpleNamespace(cells=[], axes=[]), tmp_path / "grid.json", list[str]()
    with Root(tmp_path) as root:
        for _ in range(2):
            _write_facts(plan, root, {}, told.append)  # type: ignore[arg-type]
        assert (told, [path.name for path in tmp_path.iterdir()]) == ([], [file.name])
        mine = '{"mine": 5}\n' if whole else file.read_text().replace("{", '{"mine": 5,', 1)
        file.write_text(mine)
        for _ in range(2):
            _write_facts(plan, root, {}, told.append)  # type: ignore[arg-type]
    (kept,) = (tmp_path / ".hubtools/replaced").rglob(file.name)
    assert (kept.read_text(), len(told)) == (mine, 1)


@pytest.mark.parametrize("name", ["evaluation.json", "evaluation.png"])
def test_an_evaluation_replaces_none_of_mine(
    name: str, tiny_base: Path, tmp_path: Path, make_lora_file: object
) -> None:
    run = tmp_path / "loras"
    make_lora_file(run / "pytorch_lora_weights.safetensors")  # type: ignore[operator]
    (run / name).write_bytes(MINE[Path(name).suffix])
    project = Project(
        dataset=DatasetSettings(path=str(write_pictures(tmp_path / "set", 3)), trigger="tok"),
        train=TrainSettings(pretrained_model_name_or_path=str(tiny_base), output_dir=str(run)),
        samples=SampleSettings(prompts=["a tok"]),
        evaluate=EvaluateSettings(num_images=1, prompt_judge="none"),
    )
    with pytest.raises(HubtoolsError, match="not written over"):
        evaluate(project, str(run))
    assert (run / name).read_bytes() == MINE[Path(name).suffix]
    kept = b'{"date": 0, "candidates": [], "recommendation": null}'
    assert Evaluation.is_one(kept)
    assert not Evaluation.is_one(kept.replace(b"{", b'{"mine": 1, ', 1))
    new = summed_json(json_bytes({"date": 0, "candidates": [], "recommendation": "step 400"}))
    assert Evaluation.is_one(new)
    assert not Evaluation.is_one(new.replace(b"400", b"200"))
    assert not Evaluation.is_one(new.replace(b"[]", b"[see my notes]"))


def test_a_gallery_replaces_none_of_mine(tmp_path: Path, make_lora_file: object) -> None:
    """A picture of an earlier card goes; one of a person stays."""
    run_dir = tmp_path / "run"
    write_manifest(run_dir, make_lora_file(run_dir / LORA_WEIGHTS))  # type: ignore[operator]
    write_sample(run_dir, "a man")
    words = ["card", str(run_dir)]
    done = typed(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    images = sorted((run_dir / "images").iterdir())
    assert images
    assert typed(*words, cwd=tmp_path).returncode == 0
    mine = run_dir / "images" / "90.png"
    Image.new("RGB", (9, 9)).save(mine)
    old = run_dir / "images" / "91.png"
    old.write_bytes(images[0].read_bytes())
    assert typed(*words, cwd=tmp_path).returncode == 0
    assert mine.exists()
    assert not old.exists()
    # a person's: one that they have painted on, and a sample that they have moved there
    old.write_bytes(images[0].read_bytes())
    record = SampleRecord.model_validate_json((run_dir / "samples/a.json").read_text())
    with Root(run_dir / "images") as there:
        save_picture(Image.new("RGB", (9, 9)), there, record.model_copy(update={"file": "92.png"}))
    sample = run_dir / "images/92.png"
    theirs = {old: painted(old), sample: sample.read_bytes()}
    assert typed(*words, cwd=tmp_path).returncode == 0
    assert {file: file.read_bytes() for file in theirs} == theirs
    painted(images[0])
    card = run_dir / "README.md"
    card.unlink()
    refused(words, images[0], tmp_path)
    assert not card.exists()


def test_what_a_person_notes_in_the_facts_of_a_run_is_kept(tmp_path: Path) -> None:
    save(tmp_path / LORA_WEIGHTS, good())
    write_manifest(tmp_path, tmp_path / LORA_WEIGHTS)
    manifest = RunManifest.read(tmp_path)
    manifest.write(tmp_path)
    for _ in range(2):
        manifest.write(tmp_path)
    assert not (tmp_path / ".hubtools").exists()
    file = tmp_path / "run.json"
    noted = file.read_text().replace("{", '{"mine": "a good one",', 1)
    file.write_text(noted)
    for _ in range(2):
        manifest.write(tmp_path)
    (kept,) = (tmp_path / ".hubtools/replaced").rglob("run.json")
    assert kept.read_text() == noted
    assert "mine" not in file.read_text()


def test_a_plan_that_a_person_has_worked_on_is_theirs(tmp_path: Path) -> None:
    folder, plan = write_pictures(tmp_path / "set", 2), tmp_path / "plan.json"
    (folder / "Thumbs.db").write_bytes(b"x")
    for _ in range(2):
        hubtools.fix(folder, plan_file=plan)
    for worked_on in (
        plan.read_text().replace("{", '{"mine": 1,', 1),
        plan.read_text().replace('"operations": [', '"operations": [ // mine', 1),
    ):
        plan.write_text(worked_on)
        with pytest.raises(HubtoolsError, match="not written over"):
            hubtools.fix(folder, plan_file=plan)
        assert plan.read_text() == worked_on


def test_a_drawn_picture_that_a_person_changed_is_theirs(tmp_path: Path) -> None:
    """Its texts kept, or its record."""
    picture, record = tmp_path / "x.png", tmp_path / "x.json"
    save(tmp_path / LORA_WEIGHTS, good())
    write_sample(tmp_path, "a man")
    facts = SampleRecord.model_validate_json((tmp_path / "samples" / "a.json").read_bytes())

    def write() -> None:
        with Root(tmp_path) as root:
            save_picture(Image.new("RGB", (9, 9)), root, facts.model_copy(update={"file": "x.png"}))

    for _ in range(2):
        write()
    for file, beside in ((record, picture), (picture, record)):
        before = beside.read_bytes()
        if file == picture:
            mine = painted(picture)
        else:
            mine = record.read_bytes().replace(b"a man", b"a man, she says")
            record.write_bytes(mine)
        with pytest.raises(HubtoolsError, match="not written over"):
            write()
        assert (file.read_bytes(), beside.read_bytes()) == (mine, before)
        file.unlink()
        write()


def test_records_are_told_from_other_json() -> None:
    with pytest.raises(ValueError):
        SampleRecord.model_validate_json(MINE[".json"])


# --- places that are no files ---------------------------------------------------------------------


def _odd(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path.parent.parent / "victim" / "v")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["pipe", "device", "link", "folder"])
def test_outputs_are_not_written_into_what_is_no_file(
    tiny_base: Path, tmp_path: Path, kind: str
) -> None:
    """Neither waited for nor written through: reports, plans, cards, grids."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/v").write_text("mine")
    pictures = write_pictures(tmp_path / "set", 2)
    commands = {
        "report.html": ["validate", str(pictures), "--report", "{}"],
        "report.json": ["validate", str(pictures), "--report", "{}"],
        "plan.json": ["fix", str(pictures), "--plan", "{}"],
        "sheet.png": ["inspect", str(pictures), "--sheet", "{}"],
        "README.md": ["card", "{folder}"],
        ".hubtools": ["card", "{folder}"],
        "grid": drawing(tiny_base, "grid", "a hat", "--x", "seed=0,1", "-o", "{}"),
    }
    for name, words in commands.items():
        if kind == "folder" and name in ("grid", ".hubtools"):
            continue
        folder = tmp_path / f"for-{name}"
        shutil.copytree(pictures, folder)
        _odd(folder / name, kind)
        done = typed(*(w.format(folder / name, folder=folder) for w in words), cwd=tmp_path)
        assert done.returncode in (1, 2), (name, done.stderr)
        assert "bug" not in done.stderr
        assert (tmp_path / "victim/v").read_text() == "mine"
        assert os.path.lexists(folder / name)


@pytest.mark.parametrize(("words", "name"), [
    (["convert", "got/k.safetensors"], "got/k-diffusers"),
    (["export", "got/k.safetensors", "--as", "peft"], "k-peft"),
    (["export", "got/k.safetensors", "--as", "kohya"], "k-kohya.safetensors"),
])  # fmt: skip
@pytest.mark.parametrize("later", [False, True], ids=["at first", "meanwhile"])
def test_a_place_that_nobody_named_is_no_way_out(
    words: list[str], name: str, later: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was downloaded holds a link by the name that its LoRA is written under."""
    here = tmp_path / "here"
    save(here / "got" / "k.safetensors", good())
    (tmp_path / "mine").mkdir()
    for file in ("adapter_config.json", LORA_WEIGHTS):
        (tmp_path / "mine" / file).write_text("mine")
    link = here / name
    to = tmp_path / "mine" if link.suffix == "" else tmp_path / "mine" / LORA_WEIGHTS

    def leads_out() -> None:
        if link.is_dir():
            link.rmdir()
        link.symlink_to(to)

    if later:
        before_call(monkeypatch, export, "read_adapter", leads_out)
    else:
        leads_out()
    typed(*words, "--overwrite", cwd=here)
    assert {path.read_text() for path in (tmp_path / "mine").iterdir()} == {"mine"}


def test_folders_of_text_encoders_that_are_links(tmp_path: Path) -> None:
    """A folder of peft has one for each text encoder."""
    there = tmp_path / "mine"
    there.mkdir()
    layer = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_{}.weight"
    halves = {"A": numpy.ones((4, 768), "f4"), "B": numpy.ones((768, 4), "f4")}
    text = {layer.format(half): tensor for half, tensor in halves.items()}
    lora = save(tmp_path / "k.safetensors", good() | text)
    to = tmp_path / "peft"
    assert hubtools.export(lora, "peft", to=to).layers == 3
    (to / "text_encoder").rename(there / "text_encoder")
    (to / "text_encoder").symlink_to(there / "text_encoder")
    before = tree(there)
    with pytest.raises(HubtoolsError, match="is a symbolic link"):
        hubtools.export(lora, "peft", to=to, overwrite=True)
    assert tree(there) == before
    with pytest.raises(HubtoolsError, match="behind a link"):
        hubtools.convert(to / "adapter_model.safetensors", to=tmp_path / "x.safetensors")
