"""What a `.gitignore` in the folder names is not sent, unless asked for, and told."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.publish.ignored import ignored
from hubtools.publish.release import collect


def a_set(root: Path) -> Path:
    root.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(root / "a.png")
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": "a"}) + "\n")
    for name in ("notes/diary.txt", "notes/public.txt", "private.csv"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("x")
    return root


def test_what_gitignore_names_is_left_out_and_told(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set")
    (root / ".gitignore").write_text("# mine\nprivate.*\n")
    (root / "notes/.gitignore").write_text("*\n!public.txt\n")
    release = collect(root, "dataset")
    assert {file.name for file in release.files} == {"a.png", "metadata.jsonl", "notes/public.txt"}
    said = dict(release.excluded)
    assert ".gitignore:2 (private.*)" in said["private.csv"]
    assert "notes/.gitignore:1 (*)" in said["notes/diary.txt"]
    assert "--keep" in said["private.csv"]


def test_asked_for_it_is_sent(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set")
    (root / ".gitignore").write_text("private.*\nnotes/\n")
    names = {file.name for file in collect(root, "dataset", keep=["private.csv"]).files}
    assert "private.csv" in names
    assert "notes/diary.txt" not in names


def test_files_of_a_run_too(tmp_path: Path, make_lora_file: Callable[..., Path]) -> None:
    root = tmp_path / "run"
    make_lora_file(root / LORA_WEIGHTS)
    (root / "README.md").write_text("# x\n\n![a](images/00.png)\n")
    (root / "run.json").write_text("{}")
    (root / "images").mkdir()
    Image.new("RGB", (8, 8)).save(root / "images/00.png")
    (root / ".gitignore").write_text("images/\n")
    assert "images/00.png" in dict(collect(root, "model", drop=["run.json"]).excluded)


def test_a_folder_that_ignores_all_of_itself_says_so(tmp_path: Path) -> None:
    root = a_set(tmp_path / "set")
    (root / ".gitignore").write_text("*\n")
    with pytest.raises(HubtoolsError, match="gitignore"):
        collect(root, "dataset")


def test_a_hostile_gitignore_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*a" * 40 + "b\n" + "**/a/" * 40 + "b\n")
    name = "/".join(["a" * 250] * 8)
    deep = "/".join(["a"] * 400)
    assert ignored(tmp_path, [".gitignore", name, deep]) == {}


def test_a_huge_gitignore_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"x\n" * 600_000)
    with pytest.raises(HubtoolsError, match="too large"):
        ignored(tmp_path, [".gitignore", "a"])


LINES = (
    "*.txt", "/a", "a/", "!a", "!*.txt", "a/b", "/a/**", "**/b", "a/**/c", "*", "!*/", "b*",
    "[ab].txt", "[!a]*", "?", "a\\ b", "a b  ", "\\#x", "\\!x", "#x", "**", "a/*", "!/a/b", "/*/b/",
    "[a-c]?", "[]a]*", "[z", "a\\", "**/", "/**/c.txt", "x**y", "*a*b", "[[:digit:]]*", "a//b", "/",
    "[a-", "[\\]]*", "a/**/", "*/**/b",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git to compare with")
def test_git_says_the_same(tmp_path: Path) -> None:
    draw = random.Random(11)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    parts = ("a", "b", "c", "a b", "#x", "!x", "c.txt", "a.txt", "xzy", "1z", "]a")
    for _ in range(60):
        root = tmp_path / "set"
        shutil.rmtree(root, ignore_errors=True)
        names = set()
        for _ in range(14):
            name = "/".join(draw.choices(parts, k=draw.randint(1, 4)))
            if (
                not any((root / above).is_file() for above in Path(name).parents)
                and not (root / name).exists()
            ):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("")
                names.add(name)
        folders = sorted({str(Path(name).parent) for name in names})
        for folder in {".", draw.choice(folders)}:
            lines = draw.choices(LINES, k=draw.randint(1, 4))
            place = root / folder / ".gitignore"
            place.write_text("\n".join(lines) + "\n")
            names.add(place.relative_to(root).as_posix())
        asked = "\0".join(f"set/{name}" for name in sorted(names))
        answer = subprocess.run(
            ["git", "check-ignore", "--no-index", "-z", "--stdin"],
            cwd=tmp_path, input=asked, capture_output=True, text=True,
        )  # fmt: skip
        told = {name.removeprefix("set/") for name in answer.stdout.split("\0") if name}
        books = {n: (root / n).read_text() for n in names if n.endswith(".gitignore")}
        assert set(ignored(root, names)) == told, (books, sorted(names))


def test_too_many_patterns_for_too_many_names(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("".join(f"*a{number}*\n" for number in range(9000)))
    names = [".gitignore", *(f"{number}.txt" for number in range(3000))]
    with pytest.raises(HubtoolsError, match="too many patterns"):
        ignored(tmp_path, names)
    # how a name ends says that most patterns need not be tried
    (tmp_path / ".gitignore").write_text("".join(f"*a*{number}.png\n" for number in range(9000)))
    names.append("a7.png")
    assert list(ignored(tmp_path, names)) == ["a7.png"]
