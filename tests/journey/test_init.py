"""`init`: a project that validates at once, and nothing of the user's touched."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.cli import init as cli_init
from hubtools.dataset.examples import read_examples
from hubtools.dataset.packing.write import shard
from hubtools.errors import HubtoolsError
from hubtools.journey.init import init
from hubtools.layout import PROJECT_FILE
from hubtools.project import load_project
from tests.drawing import write_pictures
from tests.typed import typed

Draw = Callable[..., Path]


def test_pictures_that_are_there_become_the_dataset(tmp_path: Path, draw_pictures: Draw) -> None:
    draw_pictures(tmp_path / "dataset", 3)
    before = sorted(path.read_bytes() for path in (tmp_path / "dataset").iterdir())
    made = init(tmp_path)
    assert (made.source, made.pictures) == ("here", 3)
    assert sorted(path.read_bytes() for path in (tmp_path / "dataset").iterdir()) == before
    project = load_project(tmp_path)
    assert len(read_examples(project.dataset_dir, project.dataset.caption_column)) == 3


@pytest.mark.parametrize("place", [".", "dataset"])
def test_pictures_are_not_copied_beside_themselves(
    tmp_path: Path, draw_pictures: Draw, place: str
) -> None:
    draw_pictures(tmp_path / place, 3)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.png"))
    made = init(tmp_path, source=tmp_path / place)
    assert (made.source, made.pictures) == ("here", 3)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.png")) == before
    assert load_project(tmp_path).dataset.path == place


def test_a_project_of_another_trainer_is_not_taken_over_into_itself(
    tmp_path: Path, draw_pictures: Draw
) -> None:
    folder = draw_pictures(tmp_path / "10_tok man", 2)
    (folder / "metadata.jsonl").unlink()
    with pytest.raises(HubtoolsError, match="is a project of kohya") as caught:
        init(tmp_path, source=tmp_path)
    assert "hubtools init NAME --from" in str(caught.value.hint)
    assert not (tmp_path / PROJECT_FILE).exists()


def test_a_folder_with_captions_in_text_files_is_copied(
    tmp_path: Path, draw_pictures: Draw
) -> None:
    source = draw_pictures(tmp_path / "mine", 3)
    (source / "metadata.jsonl").unlink()
    (source / "picture0.txt").write_text("\ufeffa man,\n in a \u201chat\u201d\n", encoding="utf-8")
    (source / "picture1.txt").write_text("  ")
    made = init(tmp_path / "project", source=source)
    assert made.without_caption == ("picture1.png", "picture2.png")
    lines = (tmp_path / "project/dataset/metadata.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"file_name": "picture0.png", "text": "a man, in a “hat”"}
    assert len(lines) == 3
    assert (source / "picture0.txt").exists()
    assert not (tmp_path / "project/dataset/picture0.txt").exists()


def test_the_caption_column_is_found(tmp_path: Path, draw_pictures: Draw) -> None:
    source = draw_pictures(tmp_path / "mine", 2)
    text = (source / "metadata.jsonl").read_text().replace('"text"', '"caption"')
    (source / "metadata.jsonl").write_text(text)
    init(tmp_path / "project", source=source)
    assert load_project(tmp_path / "project").dataset.caption_column == "caption"


def test_a_project_is_not_overwritten(tmp_path: Path, draw_pictures: Draw) -> None:
    draw_pictures(tmp_path / "dataset", 2)
    init(tmp_path, settings={"dataset": {"trigger": "(tok)"}})
    with pytest.raises(HubtoolsError, match="exists already"):
        init(tmp_path)
    assert load_project(tmp_path).dataset.trigger == "(tok)"
    init(tmp_path, force=True)
    assert load_project(tmp_path).dataset.trigger is None
    (kept,) = (tmp_path / ".hubtools/replaced").glob("*/hubtools.toml")
    assert "(tok)" in kept.read_text()


def test_settings_that_appear_meanwhile_stay(
    tmp_path: Path, draw_pictures: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_pictures(tmp_path / "dataset", 2)
    mine = tmp_path / "hubtools.toml"
    monkeypatch.setattr(
        "hubtools.journey.init.ignore_runs", lambda folder: mine.write_text("# mine\n")
    )
    with pytest.raises(HubtoolsError, match="changed meanwhile"):
        init(tmp_path)
    assert mine.read_text() == "# mine\n"


def test_what_force_replaces_is_kept_and_told(tmp_path: Path, draw_pictures: Draw) -> None:
    draw_pictures(tmp_path / "pictures", 2)
    (tmp_path / "pictures/picture0.txt").write_text("as it was")
    (tmp_path / "pictures/pictureO.txt").write_text("a name that was mistyped")
    (tmp_path / "pictures/metadata.jsonl").unlink(missing_ok=True)
    made = init(tmp_path / "new", source=tmp_path / "pictures")
    assert "the name of a text: pictureO.txt." in " ".join(made.left)
    written = tmp_path / "new/dataset/metadata.jsonl"
    before = written.read_bytes()
    written.write_text(written.read_text().replace("as it was", "an hour of work"))
    made = init(tmp_path / "new", source=tmp_path / "pictures", force=True)
    assert written.read_bytes() == before
    assert "1 file that --force replaced is kept in" in " ".join(made.left)
    (kept,) = (tmp_path / "new/.hubtools/replaced").glob("*/dataset/metadata.jsonl")
    # also by a command that then fails
    last = sorted((tmp_path / "pictures").glob("*.png"))[-1]
    last.unlink()
    last.symlink_to(tmp_path / "elsewhere.png")
    for picture in (tmp_path / "new/dataset").glob("*.png"):
        picture.write_bytes(b"mine")
    (tmp_path / "elsewhere.png").write_bytes(b"theirs")
    with pytest.raises(HubtoolsError, match="link out of the folder") as failed:
        init(tmp_path / "new", source=tmp_path / "pictures", force=True)
    assert "that --force replaced" in str(failed.value.hint)
    assert "an hour of work" in kept.read_text()


def test_shards_are_not_unpacked_over_what_somebody_has(
    tmp_path: Path, draw_pictures: Draw
) -> None:
    pytest.importorskip("pyarrow")
    draw_pictures(tmp_path / "pictures", 2)
    shard(tmp_path / "pictures", tmp_path / "shards")
    init(tmp_path / "new", source=tmp_path / "shards")
    mine = tmp_path / "new/.hubtools/unpacked/mine.txt"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("corrected by hand")
    made = init(tmp_path / "new", source=tmp_path / "shards", force=True)
    assert made.pictures == 2
    assert mine.read_text() == "corrected by hand"
    assert [one.name for one in mine.parents[1].glob("unpacked*")] == ["unpacked"]


def test_an_empty_folder_stays_empty(tmp_path: Path) -> None:
    done = typed("init", "new", cwd=tmp_path)
    assert done.returncode == 0
    assert sorted(path.name for path in (tmp_path / "new").rglob("*")) == [
        ".gitignore", "dataset", "hubtools.toml",
    ]  # fmt: skip
    assert "Project in new: no pictures yet" in done.stdout
    assert "put pictures into new/dataset" in done.stderr
    again = typed("init", "new", cwd=tmp_path).stderr
    assert "hubtools.toml exists already.\nHint: give another folder, or --force" in again
    # what it tells works
    (words,) = re.findall("hubtools (init new --example .*)", done.stderr)
    assert typed(*shlex.split(words), cwd=tmp_path).returncode == 0
    assert len(list((tmp_path / "new/dataset").glob("*.png"))) == 21
    assert "D120" not in typed("validate", cwd=tmp_path / "new/dataset").stdout


def test_the_example_does_not_mix_with_pictures(tmp_path: Path, draw_pictures: Draw) -> None:
    draw_pictures(tmp_path / "dataset", 2)
    with pytest.raises(HubtoolsError, match="not empty"):
        init(tmp_path, example=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(HubtoolsError, match="holds no pictures"):
        init(tmp_path / "other", source=tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(HubtoolsError, match="is a file"):
        init(tmp_path / "file")


def test_gitignore_gets_what_it_lacks(tmp_path: Path, draw_pictures: Draw) -> None:
    draw_pictures(tmp_path / "dataset", 2)
    (tmp_path / ".gitignore").write_text("*.pyc\nruns/\n")
    init(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\nruns/\n.hubtools/\n"


def test_without_a_place_it_says_what_to_type(tmp_path: Path) -> None:
    done = typed("init", cwd=tmp_path)
    assert done.returncode == 2
    words = [line for line in done.stderr.split("`") if line.startswith("hubtools init")]
    assert typed(*words[-1].split()[1:], cwd=tmp_path).returncode == 0, "the example"


def test_a_weight_file_in_place_of_a_folder_is_for_convert(tmp_path: Path) -> None:
    (tmp_path / "k.safetensors").touch()
    for command in ("prune", "push"):
        done = typed(command, "k.safetensors", cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert "k.safetensors is a file" in done.stderr, done.stderr
        assert "hubtools convert k.safetensors" in done.stderr


def test_every_line_of_the_template_can_be_used(tmp_path: Path, draw_pictures: Draw) -> None:
    draw_pictures(tmp_path / "pictures", 1)
    assert typed("init", "me", "--from", "pictures", "--trigger", "(me)", cwd=tmp_path).stdout
    file = tmp_path / "me" / PROJECT_FILE
    text = file.read_text()
    assert ".md" not in text  # pages that nobody has who installed the wheel
    lines = [line for line in text.splitlines() if re.match(r"# \w+ =", line)]
    assert len(lines) > 25
    file.write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    project = load_project(tmp_path / "me")
    assert project.samples.prompts == ["a photo of (me), front view"]
    assert project.samples.steps == 30


def test_what_is_said_of_licence_and_rights_passes_when_it_is_pasted(
    tmp_path: Path, draw_pictures: Draw
) -> None:
    draw_pictures(tmp_path / "pictures", 1)
    typed("init", "me", "--from", "pictures", cwd=tmp_path)
    file = tmp_path / "me" / PROJECT_FILE
    plain = file.read_text()
    said = typed("validate", "me", cwd=tmp_path).stdout
    lines = re.findall(r"below \[dataset\].*?: (\w+ = \"[^\"]+\")", said)
    assert [line.split()[0] for line in lines] == ["license", "rights"]
    file.write_text(plain.replace("[dataset]\n", "\n".join(["[dataset]", *lines, ""])))
    assert not re.search("D60[1-4]", typed("validate", "me", cwd=tmp_path).stdout)
    lines[1] = 'rights = "permission"'
    file.write_text(plain.replace("[dataset]\n", "\n".join(["[dataset]", *lines, ""])))
    said = typed("validate", "me", cwd=tmp_path).stdout
    lines += re.findall(r"below \[dataset\].*?: (\w+ = \"[^\"]+\")", said)
    assert len(lines) == 3
    file.write_text(plain.replace("[dataset]\n", "\n".join(["[dataset]", *lines, ""])))
    assert not re.search("D60[1-4]", typed("validate", "me", cwd=tmp_path).stdout)


def test_licence_and_rights_are_options_or_are_asked_for_in_a_terminal(
    tmp_path: Path, draw_pictures: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_pictures(tmp_path / "pictures", 1)
    words = ["init", "me", "--from", "pictures"]
    misspelt = typed(*words, "--base-model", "tiny-peopel", cwd=tmp_path)
    assert misspelt.returncode == 2
    assert "--base-model tiny-people" in misspelt.stderr
    wrong = typed(*words, "--license", "CC-BY 4.0", cwd=tmp_path)
    assert "did you mean cc-by-4.0?" in wrong.stderr
    assert not (tmp_path / "me").exists()
    said = typed(*words, "--license", "CC0-1.0", "--rights", "own", cwd=tmp_path).stderr
    assert "The licence is cc0-1.0, as the Hub spells it." in said
    dataset = load_project(tmp_path / "me").dataset
    assert (dataset.license, dataset.rights) == ("cc0-1.0", "own")
    answers = iter(["CC BY", "cc-by-4.0", "mine", ""])
    monkeypatch.delenv("CI", raising=False)
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True)
    monkeypatch.setattr(cli_init, "_answer", lambda question: next(answers))
    assert cli_init._asked(None, None) == ("cc-by-4.0", None)
    assert cli_init._asked("mit", "own") == ("mit", "own")
    monkeypatch.setenv("CI", "1")
    assert cli_init._asked(None, None) == (None, None)


def test_settings_of_another_trainer_beside_the_pictures_say_base_and_trigger(
    tmp_path: Path,
) -> None:
    write_pictures(tmp_path / "pictures", 1, size=(16, 16))
    process = '{"trigger_word": "p3rs0n", "model": {"name_or_path": "owner/base"}}'
    (tmp_path / "pictures/config.yaml").write_text(f"config: {{process: [{process}]}}")
    made = init(tmp_path / "one", source=tmp_path / "pictures")
    assert "The base is owner/base, as config.yaml says." in made.left
    project = load_project(tmp_path / "one")
    assert project.train.pretrained_model_name_or_path == "owner/base"
    assert project.dataset.trigger == "p3rs0n"
    given = {"dataset": {"trigger": "(tok)"}}
    made = init(tmp_path / "two", source=tmp_path / "pictures", settings=given)
    assert load_project(tmp_path / "two").dataset.trigger == "(tok)"
    assert not any("The trigger" in one for one in made.left)


def test_who_sits_at_a_terminal_is_asked_until_the_answer_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hubtools.cli import init as command

    answers = ["mine", "CC-BY-4.0", "because", "own"]
    asked: list[str] = []
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(
        command, "_answer", lambda question: (asked.append(question), answers.pop(0))[1]
    )
    assert command._asked(None, None) == ("cc-by-4.0", "own")
    assert asked[0] == asked[1] == "Licence of the pictures, e.g. cc-by-4.0"
    assert asked[2].startswith("Why may you use the pictures?\nown, permission, ")
    assert "mine" in capsys.readouterr().err
    assert command._asked("mit", "own") == ("mit", "own")
    monkeypatch.setattr(command, "_answer", lambda _question: "")
    assert command._asked(None, None) == (None, None)
