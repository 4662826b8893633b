"""What a dataset card tells of shots, languages, people and columns: what is known, and no more."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

import hubtools
from hubtools.cards.addressed import name_repository
from hubtools.cards.render import write_dataset_card
from hubtools.cards.rules import check_card
from hubtools.dataset.text.spoken import NAMES, language_of, languages_of
from hubtools.project import Project
from hubtools.settings import DatasetSettings
from tests.typed import typed


def folder(root: Path, rows: list[dict[str, Any]], *, as_csv: bool = False) -> Path:
    """A dataset of these rows; pictures that they name are drawn."""
    root.mkdir()
    for row in rows:
        for key, value in row.items():
            if key.endswith(("file_name", "file_names")):
                for name in value if isinstance(value, list) else [value]:
                    Image.new("RGB", (16, 16)).save(root / name)
    if as_csv:
        with (root / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (root / "metadata.jsonl").write_text("".join(lines))
    return root


def captioned(root: Path, *captions: str) -> Path:
    return folder(root, [{"file_name": f"{i}.png", "text": c} for i, c in enumerate(captions)])


def card(root: Path, **settings: Any) -> tuple[str, dict[str, Any]]:
    """(text, front matter) of the card, which has no finding."""
    settings = {"license": "cc0-1.0", "rights": "own", **settings}
    text = write_dataset_card(root, Project(dataset=DatasetSettings(**settings))).text
    assert check_card(root, "dataset", strict=True).findings == ()
    front = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(front, dict)
    return text, front


def test_the_shot_plan_and_what_fulfils_it(tmp_path: Path) -> None:
    root = captioned(
        tmp_path / "d", "a woman, front view, portrait", "a woman, left side profile", "a tree"
    )
    text, _ = card(root, plan="portrait=1..2, profile=2..")
    assert "| portrait | 1..2 | 1 |\n| profile | 2.. | 1 |" in text
    assert "1 of the pictures are of no shot" in text
    assert "Shots" not in card(root)[0]


def test_people_and_how_it_was_made_stand_there_if_somebody_said_so(tmp_path: Path) -> None:
    root = captioned(tmp_path / "d", "one", "two")
    text, _ = card(root)
    assert "## Rights" in text
    assert not any(word in text for word in ("Who is shown", "How it was made", "None"))
    text, _ = card(
        root, people="agreed", people_note="Two friends, in writing", how_made="By <b>phone</b>"
    )
    assert "## Who is shown, and rights" in text
    assert (
        "agreed to these pictures and to their publication here. Two friends, in writing. The"
        in text
    )
    assert "By \\<b\\>phone" in text or "By &lt;b" in text
    done = typed("card", root, "--people", "someone")
    assert done.returncode == 2
    assert "unasked" in done.stderr


def test_the_thumbnail_is_an_address_of_the_repository(tmp_path: Path) -> None:
    root = captioned(tmp_path / "d", "one", "two")
    (root / "LICENSE").write_text("terms")
    assert "thumbnail" not in card(root)[1]
    text, front = card(root, repo="me/d")
    assert front["thumbnail"] == "https://huggingface.co/datasets/me/d/resolve/main/0.png"
    assert "[cc0-1.0](LICENSE)" in text.replace("\\", "")


@pytest.mark.parametrize(
    ("captions", "codes"),
    [
        (["a cat on the mat", "the dog with a hat", "a man in red"], ["en"]),
        (["ein Hund auf einem Stuhl", "die Katze und der Hund"], ["de"]),
        (["une femme avec un chat", "le chien est sur la table"], ["fr"]),
        (["una mujer con el pelo rojo", "el gato y los perros"], ["es"]),
        (["女の子が立っている", "赤い服を着た女性"], ["ja"]),
        (["穿红色衣服的女孩", "站在海边的男人"], ["zh"]),
        (["빨간 옷을 입은 여자", "바다 옆에 서 있는 남자"], ["ko"]),
        (["женщина в красном платье на фоне моря", "кот и собака на столе"], ["ru"]),
        (["жінка у червоній сукні та кіт", "собака на столі з котом та"], ["uk"]),
        # two languages, each with enough to show for it
        (["a cat on the mat", "the dog in a hat", "ein Hund auf einem Stuhl",
          "die Katze und der Hund"], ["en", "de"]),
        # tags, names, single words, what several languages share: nobody can tell
        (["1girl, solo, red hair", "smile, white background"], None),
        (["(tok)", "(tok) portrait"], None),
        (["la casa", "un gato"], None),
        (["a cat on the mat", "1girl", "solo", "smile"], None),
        (["en hund med hat", "en kat med hat"], None),
    ],
)  # fmt: skip
def test_languages_are_told_with_evidence_only(
    tmp_path: Path, captions: list[str], codes: list[str] | None
) -> None:
    text, front = card(captioned(tmp_path / "d", *captions))
    assert front.get("language") == codes
    assert ("language of the captions" in text) == (codes is not None)
    for code in codes or []:
        assert f"{NAMES[code]} (" in text


def test_languages_that_are_said_are_those() -> None:
    assert language_of("a cat on the mat with a hat") == "en"
    assert languages_of([]) == ((), 0)


def test_a_language_that_is_set_is_not_looked_for(tmp_path: Path) -> None:
    root = captioned(tmp_path / "d", "a cat on the mat", "the dog")
    text, front = card(root, languages=["fr", "gsw"])
    assert front["language"] == ["fr", "gsw"]
    assert "| language of the captions | French, gsw |" in text
    done = typed("card", root, "--languages", "English")
    assert done.returncode == 2


LAYOUTS: dict[str, Any] = {
    "plain": [{"text": "one"}, {"text": "two"}],
    "all kinds": [
        {"text": "one", "n": 1, "x": 1.5, "ok": True, "when": "2024-05-01", "tags": ["a", "b"]},
        {"text": "two", "n": None, "x": 2, "ok": False, "when": "2024-05-02", "tags": []},
    ],
    "nested": [
        {"text": "one", "o": {"b": 1, "a": ["x"]}, "boxes": [{"x": 1, "y": 2.5}]},
        {"text": "two", "o": {"b": 2, "a": []}, "boxes": []},
    ],
    "pairs": [
        {"text": "one", "mask_file_name": "m0.png", "control_file_name": "c0.png"},
        {"text": "two", "mask_file_name": "m1.png", "control_file_name": "c1.png"},
    ],
    "lists of pictures": [
        {"text": "one", "reference_file_names": ["r0.png", "r1.png"]},
        {"text": "two", "reference_file_names": ["r2.png"]},
    ],
}


@pytest.mark.parametrize("layout", [*LAYOUTS, "csv"])
def test_dataset_info_is_what_load_dataset_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    """The viewer shows the columns of the card: they are those that loaders read."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = LAYOUTS["plain"] if layout == "csv" else LAYOUTS[layout]
    more = {"score": 0.5, "n": 3} if layout == "csv" else {}
    rows = [{"file_name": f"{i}.png", **row, **more} for i, row in enumerate(rows)]
    root = folder(tmp_path / "d", rows, as_csv=layout == "csv")
    _, front = card(root)
    told = datasets.Features._from_yaml_list(front["dataset_info"]["features"])
    loaded = datasets.load_dataset(str(root), split="train", cache_dir=str(tmp_path / "cache"))
    assert dict(told) == dict(loaded.features)
    # numbers of rows are not written: with one more the set still loads
    assert set(front["dataset_info"]) == {"features"}


def test_what_loaders_make_of_it_is_not_guessed(tmp_path: Path) -> None:
    rows = [{"file_name": f"{i}.png", "text": "x", "deep": [[1]]} for i in range(2)]
    assert "dataset_info" not in card(folder(tmp_path / "deep", rows))[1]


def test_every_picture_is_in_the_figures(tmp_path: Path) -> None:
    names = [f"{n}.{'jpg' if n % 2 else 'jpeg'}" for n in range(7)]
    root = folder(tmp_path / "d", [{"file_name": name, "text": "a red house"} for name in names])
    for number, name in enumerate(names):
        side = 16 + 16 * max(0, number - 1)
        Image.new("RGB", (side, side), (40 * number, 90, 30)).save(root / name)
    text, _ = card(root)
    sizes = "2 of 16x16, 1 of 32x32, 1 of 48x48, 1 of 64x64, 2 of other sizes"
    assert f"| sizes | {sizes} |" in text
    assert "| formats | jpeg |" in text
    assert "| words in a caption | 3 |" in text


def test_a_push_names_the_repository_in_the_code_that_hubtools_wrote(tmp_path: Path) -> None:
    root = captioned(tmp_path / "d", "a cat")
    text, _ = card(root)
    dot, named = 'load_dataset("OWNER/NAME", split', 'load_dataset("me/cats", split'
    assert dot in text
    mine = text.replace(dot, "my_own(load_dataset)(split")
    for there, after in ((mine, mine), (text, text.replace(dot, named))):
        (root / "README.md").write_text(there)
        name_repository(root, "me/cats", "dataset")
        assert (root / "README.md").read_text() == after
    # it is remembered, and hubtools' own as before
    assert named in card(root)[0]
    again, front = card(root, repo="me/dogs")
    assert 'load_dataset("me/dogs", split' in again
    assert front["pretty_name"] == "dogs"
    (root / "README.md").unlink()
    name_repository(root, "me/cats", "dataset")  # nothing to do, and no error


@pytest.mark.parametrize(
    ("format", "columns"), [("parquet", ["image", "text"]), ("webdataset", ["json", "png"])]
)
def test_pictures_in_shards_are_told_of_as_they_load(
    tmp_path: Path, format: Any, columns: list[str]
) -> None:
    rows = [{"file_name": f"{n}.png", "text": f"a dog, number {n}"} for n in range(3)]
    loose, packed = folder(tmp_path / "loose", rows), tmp_path / "packed"
    hubtools.shard(loose, packed, format=format)
    project = Project(dataset=DatasetSettings(repo="me/dogs", license="mit"))
    text = write_dataset_card(packed, project).text
    assert "| pictures | 3 |" in text
    assert "| sizes | 16x16 |" in text
    assert [line for line in columns if f"| `{line}` |" not in text] == []
    assert "| a dog, number 2 |" in text
    front = yaml.safe_load(text.split("---")[1])
    assert front["configs"][0]["data_files"][0]["path"] == "data/train-*"  # as they were packed
    assert "thumbnail" not in front
    assert not check_card(packed, "dataset").findings
    assert not write_dataset_card(packed, project).changed
