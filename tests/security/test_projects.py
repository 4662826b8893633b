"""A stranger's `hubtools.toml`, or a link in the folder it came with, leads no command that changes
something out of that folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.commands.drawing import _loras
from hubtools.dataset.examples import Example
from hubtools.errors import HubtoolsError, UsageError
from hubtools.evaluation.plan import _real, measured_on
from hubtools.inference.controls import controls_for, found_image, opened, used
from hubtools.inference.generate import _prompts
from hubtools.inference.repeat import _near
from hubtools.layout import LORA_WEIGHTS
from hubtools.progress import silent
from hubtools.project import Project, load_project
from hubtools.rooted import LeadsOut, Root
from hubtools.training.pictures import find_pictures
from hubtools.training.runfolder import move_aside
from hubtools.training.start import find_start
from tests.drawing import write_pictures
from tests.lorafiles import good, save
from tests.planning import forged
from tests.typed import typed


def state(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


def sick(folder: Path) -> Path:
    """Pictures with something to fix."""
    write_pictures(folder, 2)
    (folder / "Thumbs.db").write_text("mine")
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return sick(tmp_path / "outside")


def project(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "hubtools.toml").write_text(text)
    return folder


CHANGING = (
    ("fix", "--yes"),
    ("fix", "--undo"),
    ("fix", "--purge", "--yes"),
    ("caption", "--template", "x {file_name}", "--overwrite", "--yes"),
    ("caption", "--undo"),
    ("card", "--kind", "dataset"),
)


@pytest.mark.parametrize("words", CHANGING, ids=" ".join)
@pytest.mark.parametrize("way", ["relative", "absolute", "home", "link", "linked default"])
def test_a_dataset_outside_is_not_changed(
    tmp_path: Path, outside: Path, words: tuple[str, ...], way: str
) -> None:
    value = {"relative": "../outside", "absolute": str(outside), "home": "~/outside"}.get(way, "")
    folder = project(tmp_path / "ds", f'[dataset]\npath = "{value or "dataset"}"\n')
    if "link" in way:
        (folder / "dataset").symlink_to("../outside")
    if way == "linked default":
        (folder / "hubtools.toml").write_text("")
    if words[-1] == "--undo" or "--purge" in words:
        assert typed("fix", outside, "--yes").returncode in (0, 3)
    before = state(outside)
    for place in ((folder,), ()):
        done = typed(words[0], *place, *words[1:], cwd=folder, HOME=str(tmp_path))
        assert done.returncode == 2, done.stderr
        assert "dataset.path" in done.stderr
        assert str(outside) in done.stderr
        assert f"--path {folder}" in done.stderr or f"--path {outside}" in done.stderr
    assert state(outside) == before


def test_said_by_oneself_it_is_changed_and_told(tmp_path: Path, outside: Path) -> None:
    folder = project(tmp_path / "ds", '[dataset]\npath = "../outside"\n')
    done = typed("fix", folder, "--yes", "--path", "../outside", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert str(outside) in done.stderr
    assert not (outside / "Thumbs.db").exists()
    done = typed("fix", folder, "--undo", cwd=folder, HUBTOOLS_DATASET_PATH=str(outside))
    assert done.returncode == 0, done.stderr
    assert (outside / "Thumbs.db").exists()


@pytest.mark.parametrize("words", [("validate",), ("inspect",), ("fix", "--dry-run")])
def test_reading_elsewhere_stays_allowed(
    tmp_path: Path, outside: Path, words: tuple[str, ...]
) -> None:
    folder = project(tmp_path / "ds", '[dataset]\npath = "../outside"\n')
    before = state(outside)
    assert typed(*words, cwd=folder).returncode in (0, 3)
    assert state(outside) == before


def test_a_dataset_inside_is_changed_and_told(tmp_path: Path) -> None:
    folder = project(tmp_path / "ds", '[dataset]\npath = "pics"\n')
    sick(folder / "pics")
    done = typed("fix", folder, "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ds/pics" in done.stderr
    assert not (folder / "pics" / "Thumbs.db").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_baseline_outside_is_not_written(tmp_path: Path, outside: Path, there: bool) -> None:
    folder = project(
        tmp_path / "ds", '[dataset]\npath = "."\n[rules]\nbaseline = "../outside/new/b.json"\n'
    )
    write_pictures(folder, 2)
    if there:
        (outside / "new").mkdir()
        (outside / "new" / "b.json").write_text("{}")
    before = state(outside)
    done = typed("validate", "--write-baseline", cwd=folder)
    assert done.returncode == 2
    assert "rules.baseline" in done.stderr
    assert state(outside) == before
    done = typed("validate", "--write-baseline", "--baseline", "../outside/b.json", cwd=folder)
    assert done.returncode in (0, 3), done.stderr
    assert (outside / "b.json").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--dry-run"),
        ("prune", "--apply"),
        ("prune", "--undo"),
        ("prune", "--purge", "--yes"),
        ("push",),
        ("ship", "--base-model", "a/b", "--until", "prune"),
        ("evaluate",),
    ],
    ids=" ".join,
)
def test_a_run_folder_outside_is_not_changed(
    tmp_path: Path, outside: Path, words: tuple[str, ...]
) -> None:
    folder = project(tmp_path / "ds", '[train]\noutput_dir = "../outside"\n')
    before = state(outside)
    done = typed(*words, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "train.output_dir" in done.stderr
    assert state(outside) == before


def test_ship_sends_no_dataset_from_outside(tmp_path: Path, outside: Path) -> None:
    folder = project(tmp_path / "ds", '[dataset]\npath = "../outside"\n')
    for first in ("dataset-card", "push-dataset"):
        done = typed("ship", "--from", first, "--until", "push-dataset", cwd=folder)
        assert done.returncode == 2, done.stderr
        assert "dataset.path" in done.stderr
    assert not (outside / "README.md").exists()


@pytest.mark.parametrize("way", ["relative", "absolute", "link", "from where one stands"])
def test_no_picture_outside_is_drawn_from(
    tmp_path: Path, outside: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = outside / "picture0.png"
    name = {"relative": "../outside/picture0.png", "absolute": str(picture)}.get(way, picture.name)
    folder = project(tmp_path / "ds", f'[samples]\nvalidation_images = ["{name}"]\n')
    if way == "link":
        (folder / name).symlink_to(picture)
    monkeypatch.chdir(outside)
    refused = "no picture" if way == "from where one stands" else "leads out of the project"
    with pytest.raises(HubtoolsError, match=refused):
        found_image(load_project(folder), name)
    assert found_image(load_project(folder, {("samples", "validation_images"): [name]}), name)


@pytest.mark.parametrize("way", ["path", "link", "other_folders", "class_data_dir"])
def test_nothing_outside_is_trained_on(tmp_path: Path, outside: Path, way: str) -> None:
    """Its captions would be prompts of the samples, and go out with the run."""
    folder = write_pictures(tmp_path / "ds" / "dataset", 2).parent
    text = {
        "path": '[dataset]\npath = "../outside"\n',
        "other_folders": '[dataset]\nother_folders = ["../outside"]\n',
        "class_data_dir": (
            '[train]\nwith_prior_preservation = true\nclass_data_dir = "../outside"\n'
        ),
    }
    project(folder, text.get(way, ""))
    if way == "link":
        (folder / "dataset").rename(folder / "aside")
        (folder / "dataset").symlink_to(outside)
    with pytest.raises(UsageError, match="nothing is trained from it"):
        find_pictures(load_project(folder), silent(), from_hub=False, skip_validation=True)
    said = {("dataset", "path"): str(outside)} if way in ("path", "link") else {}
    if said:
        mine = load_project(folder, said)
        found = find_pictures(mine, silent(), from_hub=False, skip_validation=True)
        assert len(found.examples) == 2


def _trained(one: Project) -> object:
    return find_pictures(one, silent(), from_hub=False, skip_validation=True)


SAID: dict[str, Callable[[Project], object]] = {
    "dataset.path": _trained,
    "dataset.path drawn": _prompts,
    "dataset.path measured": _real,
    "dataset.other_folders": _trained,
    "train.class_data_dir": _trained,
    "evaluate.held_out": lambda one: measured_on(one, [], one.root),
    "samples.validation_images": lambda one: found_image(one, one.samples.validation_images[0]),
    "train.init_from": lambda one: find_start(one, one.root),
    "train.output_dir": lambda one: one.run_to_train,
}


@pytest.mark.parametrize("setting", SAID)
def test_whether_something_is_outside_is_not_told(
    tmp_path: Path, outside: Path, setting: str
) -> None:
    """The same sentence for a folder, a link and nothing at all."""
    folder = write_pictures(tmp_path / "ds" / "dataset", 2).parent
    (tmp_path / "linked").symlink_to(outside / "picture0.png")
    key = setting.split()[0].partition(".")[2]
    listed = key in ("other_folders", "validation_images")
    told = []
    for name in ("outside", "nothing", "linked"):
        value = f'["../{name}"]' if listed else f'"../{name}"'
        prior = "with_prior_preservation = true\n" if key == "class_data_dir" else ""
        project(folder, f"[{setting.partition('.')[0]}]\n{prior}{key} = {value}\n")
        with pytest.raises(UsageError) as caught:
            SAID[setting](load_project(folder))
        told.append(f"{caught.value} {caught.value.hint}".replace(f"/{name}", "/X"))
    assert len(set(told)) == 1
    assert f"leads out of the project's folder to {tmp_path}/X;" in told[0]


@pytest.mark.parametrize("way", ["path", "link"])
def test_no_prompt_is_taken_from_outside(tmp_path: Path, outside: Path, way: str) -> None:
    folder = project(tmp_path / "ds", '[dataset]\npath = "../outside"\n' if way == "path" else "")
    if way == "link":
        (folder / "dataset").symlink_to(outside)
    with pytest.raises(UsageError, match="nothing is drawn from it"):
        _prompts(load_project(folder))
    with pytest.raises(UsageError, match="nothing is drawn from it"):
        _real(load_project(folder))
    mine = load_project(folder, {("dataset", "path"): str(outside)})
    assert len(_real(mine)) == len(_prompts(mine)[1]) == 2


def test_no_link_of_a_row_leads_a_drawing_out(tmp_path: Path, outside: Path) -> None:
    """The picture that a row is made from, where the base makes pictures from others."""
    folder = write_pictures(tmp_path / "ds" / "dataset", 2)
    inside, out = folder / "inside.png", folder / "out.png"
    inside.symlink_to("picture1.png")
    out.symlink_to(outside / "picture0.png")
    rows = [
        Example(folder / "picture0.png", name, name, controls=(path,))
        for name, path in (("inside", inside), ("out", out))
    ]
    loaded = load_project(project(tmp_path / "ds", ""))
    assert controls_for(loaded, ["inside"], (1, 1), rows) == [(inside,)]
    with pytest.raises(UsageError, match="nothing is drawn from it"):
        controls_for(loaded, ["out"], (1, 1), rows)
    # nor does one that is laid in the place of a picture after that
    assert len(opened((inside,))) == len(used((inside,))) == 1
    (folder / "picture1.png").unlink()
    (folder / "picture1.png").symlink_to(outside / "picture0.png")
    for do in (opened, used):
        with pytest.raises(UsageError, match="nothing is drawn from it"):
            do((inside,))
    assert opened((outside / "picture0.png",))  # which somebody has named


@pytest.mark.parametrize("way", ["path", "link"])
def test_no_lora_outside_is_drawn_with(tmp_path: Path, way: str) -> None:
    """Unless somebody says so; nor is it found as that of a picture."""
    run = tmp_path / "mine" / "lora"
    run.mkdir(parents=True)
    save(run / LORA_WEIGHTS, good())
    (run / "run.json").write_text("{}")
    named = "../mine/lora" if way == "path" else "runs/lora"
    folder = project(tmp_path / "ds", f'[train]\noutput_dir = "{named}"\n')
    (folder / "runs" / "lora").mkdir(parents=True)
    if way == "link":
        (folder / "runs/lora").rmdir()
        (folder / "runs/lora").symlink_to(run)
    (folder / "runs/other").symlink_to(run)
    loaded = load_project(folder)
    with pytest.raises(UsageError, match="nothing is drawn from it"):
        _loras(loaded, (), print)
    assert not list(_near(folder / "a.png", loaded))
    said = load_project(folder, {("train", "output_dir"): str(folder / named)})
    assert _loras(said, (), print) == (str(said.run_dir),)
    assert list(_near(folder / "a.png", said))


def test_nothing_is_measured_on_pictures_outside(tmp_path: Path, outside: Path) -> None:
    folder = project(tmp_path / "ds", '[evaluate]\nheld_out = "../outside"\n')
    with pytest.raises(UsageError, match=r"evaluate\.held_out"):
        measured_on(load_project(folder), [], folder)
    mine = load_project(folder, {("evaluate", "held_out"): str(outside)})
    assert len(measured_on(mine, [], folder)[0]) == 2


def test_settings_made_in_python_are_ones_own(tmp_path: Path, outside: Path) -> None:
    mine = Project()
    mine.dataset.path = str(outside)
    assert mine.dataset_to_change == outside
    loaded = load_project(project(tmp_path / "ds", '[train]\noutput_dir = "../outside"\n'))
    with pytest.raises(UsageError, match="leads out"):
        _ = loaded.run_to_change
    loaded.train.output_dir = str(outside)
    assert loaded.run_to_change == outside


@pytest.mark.parametrize("name", ["picture0.png", "metadata.jsonl"])
@pytest.mark.parametrize(
    "words", [("init", "../new", "--from", "."), ("caption", ".", "--export", "kohya", "../new")]
)
def test_what_a_link_leads_to_outside_is_not_copied(
    tmp_path: Path, outside: Path, words: tuple[str, ...], name: str
) -> None:
    folder = write_pictures(tmp_path / "ds", 2)
    (folder / name).unlink()
    (folder / name).symlink_to(f"../outside/{name}")
    done = typed(*words, cwd=folder)
    assert done.returncode == 1, done.stderr
    assert name in done.stderr
    secret = (outside / name).read_bytes()
    assert all(
        path.read_bytes() != secret for path in (tmp_path / "new").rglob("*") if path.is_file()
    )


def test_links_inside_the_folder_are_copied(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "ds", 2)
    (folder / ".kept").mkdir()
    (folder / "picture0.png").rename(folder / ".kept" / "a")
    (folder / "picture0.png").symlink_to(".kept/a")
    assert typed("init", "../new", "--from", ".", cwd=folder).returncode == 0
    copy = tmp_path / "new" / "dataset" / "picture0.png"
    assert copy.read_bytes() == (folder / ".kept" / "a").read_bytes()
    assert not copy.is_symlink()


@pytest.mark.parametrize("target", [".git/config", "hubtools.toml", "a/.GIT/hooks/post-checkout"])
def test_a_plan_writes_no_settings(tmp_path: Path, target: str) -> None:
    folder = write_pictures(tmp_path / "ds", 2)
    operation = {
        "action": "write", "path": None, "target": target, "rules": [], "why": [],
        "before": None, "content": "x", "edits": [],
    }  # fmt: skip
    plan = tmp_path / "plan.json"
    plan.write_text(forged(folder, [operation]))
    done = typed("fix", folder, "--from-plan", plan, "--yes")
    assert done.returncode == 1, done.stderr
    assert target in done.stderr
    assert not (folder / target).exists()


def test_a_folder_that_becomes_a_link_after_it_was_judged(tmp_path: Path) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    (root / "dataset").mkdir(parents=True)
    outside.mkdir()
    (root / "hubtools.toml").write_text('[dataset]\npath = "dataset"\n')
    folder = load_project(root).dataset_to_change
    with Root(folder) as opened:
        opened.write("a.txt", b"a")
    folder.rename(root / "away")
    folder.symlink_to(outside)
    with pytest.raises(LeadsOut, match="leads out of the project's folder"):
        Root(folder)
    with pytest.raises(LeadsOut):
        Root(folder / ".", create=True)
    assert not list(outside.iterdir())
    # a link inside the project, and what the user names, are followed
    folder.unlink()
    folder.symlink_to(root / "away")
    with Root(folder) as opened:
        assert opened.list() == ["a.txt"]


def test_a_run_is_moved_aside_where_it_was_judged(tmp_path: Path) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    (root / "runs" / "a").mkdir(parents=True)
    (outside / "a").mkdir(parents=True)
    (root / "hubtools.toml").write_text('[train]\noutput_dir = "runs/a"\n')
    run = load_project(root).run_to_change
    (root / "runs").rename(root / "away")
    (root / "runs").symlink_to(outside)
    with pytest.raises(LeadsOut):
        move_aside(run)
    assert [path.name for path in outside.iterdir()] == ["a"]
    # what the user names is theirs
    named = load_project(root, {("train", "output_dir"): str(run)}).run_to_change
    assert move_aside(named).parent == named.parent
