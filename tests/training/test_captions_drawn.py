"""Several captions a picture, and captions of tags in other orders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.dataset.examples import examples_of, fingerprint
from hubtools.dataset.validate import validate
from hubtools.dataset.view import view
from hubtools.errors import HubtoolsError
from hubtools.project import Project
from hubtools.settings import DatasetSettings, TrainSettings
from hubtools.training.captions import arranged, texts_of
from tests.drawing import write_pictures

MakeProject = Callable[..., Project]
CAPTIONS: list[dict[str, Any]] = [
    {
        "text": ["a tok on a chair", "tok, seen from the side"],
        "long": "a photo of a tok on a chair",
    },
    {"text": ["a tok in a red hat"], "long": None},
]


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    write_pictures(folder, len(rows))
    lines = [
        json.dumps({"file_name": f"picture{n}.png"} | row) + "\n" for n, row in enumerate(rows)
    ]
    (folder / "metadata.jsonl").write_text("".join(lines))
    return folder


def test_captions_of_a_list_and_of_several_columns(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", CAPTIONS[:2])
    settings = DatasetSettings(other_caption_columns=["long"])
    first, second = examples_of(view(folder, settings))
    assert first.texts == (
        "a tok on a chair", "tok, seen from the side", "a photo of a tok on a chair",
    )  # fmt: skip
    assert second.texts == ("a tok in a red hat",)
    assert (first.caption, second.caption) == (first.texts[0], second.texts[0])
    # one more caption is other data; a list of one is what the text alone is
    alone = examples_of(view(folder, DatasetSettings()))
    assert fingerprint(alone) != fingerprint([first, second])
    one = examples_of(view(write(tmp_path / "one", [{"text": ["a tok"]}]), DatasetSettings()))
    same = examples_of(view(write(tmp_path / "same", [{"text": "a tok"}]), DatasetSettings()))
    assert fingerprint(one) == fingerprint(same)
    with pytest.raises(HubtoolsError, match=r"no column 'other'") as caught:
        examples_of(view(folder, DatasetSettings(other_caption_columns=["other"])))
    assert "--other-caption-columns" in str(caught.value.hint)


def found(folder: Path, **settings: Any) -> dict[str, list[str]]:
    report = validate(folder, DatasetSettings(**settings), select=["D5"])
    rules: dict[str, list[str]] = {}
    for finding in report.findings:
        rules.setdefault(finding.rule, []).append(f"{finding.severity} {finding.message}")
    return rules


def test_every_caption_is_judged(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", [{"text": ["a tok on a chair", "long " * 90]}])
    assert "D503" in found(folder)
    folder = write(tmp_path / "other", [{"text": "a tok on a chair", "more": "long " * 90}])
    assert "D503" not in found(folder)
    assert "D503" in found(folder, other_caption_columns=["more"])


def test_lists_are_captions_but_not_of_tags_nor_of_numbers(tmp_path: Path) -> None:
    rows = [
        {"text": ["a tok on a chair", "tok, seen from the side"]},
        {"text": ["red hat", "chair", "window"]},
        {"text": [1, 2]},
        {"text": ["a tok on a chair", " "]},
    ]
    rules = found(write(tmp_path / "data", rows))
    tags, numbers = rules["D508"]
    assert tags.startswith("warning the captions are ['red hat', 'chair', 'window']")
    assert numbers.startswith("error the caption is [1, 2], not a text")
    (blank,) = rules["D502"]
    assert "empty" in blank


# --- tags --------------------------------------------------------------------------------------

TAGS = "tok, 1girl, red hat, chair, window, smile"


def train_settings(**settings: Any) -> TrainSettings:
    return TrainSettings.model_validate(settings)


def test_what_is_not_asked_for_changes_nothing() -> None:
    assert texts_of(["b,  a ,c", "d"], train_settings(), "b") == ("b,  a ,c", "d")


@given(
    st.lists(st.text("abc é", min_size=1, max_size=6), min_size=1, max_size=12), st.integers(0, 5),
    st.integers(0), st.integers(0, 99),
)  # fmt: skip
def test_shuffled_tags_are_the_same_tags(words: list[str], keep: int, seed: int, n: int) -> None:
    settings = train_settings(shuffle_caption=True, keep_tokens=keep, seed=seed)
    tags = [word.strip() for word in words if word.strip()]
    text = arranged(",".join(words), n, settings, None)
    again = [tag for tag in text.split(", ") if tag]
    assert Counter(again) == Counter(tags)
    assert again[:keep] == tags[:keep]
    assert text == arranged(",".join(words), n, settings, None)


def test_orders_differ_and_all_places_are_as_likely() -> None:
    settings = train_settings(shuffle_caption=True, keep_tokens=2, caption_variants=256)
    texts = [text.split(", ") for text in texts_of([TAGS], settings, None)]
    assert len({tuple(text) for text in texts}) == 24
    assert {tuple(text[:2]) for text in texts} == {("tok", "1girl")}
    places = Counter(text.index("smile") for text in texts)
    assert all(40 < places[place] < 90 for place in range(2, 6))


def test_the_tag_with_the_trigger_stays_where_it_is() -> None:
    settings = train_settings(
        shuffle_caption=True, caption_tag_dropout_rate=1.0, caption_variants=4
    )
    assert set(texts_of(["hat, a tok on it, chair"], settings, "tok")) == {"a tok on it"}
    settings = train_settings(shuffle_caption=True)
    for text in texts_of(["hat, chair, a tok on it, window"], settings, "tok"):
        assert text.split(", ")[2] == "a tok on it"


def test_so_many_tags_are_left_out_and_the_order_is_kept() -> None:
    settings = train_settings(caption_tag_dropout_rate=0.25, caption_variants=256)
    texts = texts_of([TAGS], settings, "tok")
    share = sum(len(text.split(", ")) - 1 for text in texts) / (5 * len(texts))
    assert share == pytest.approx(0.75, abs=0.05)
    tags = TAGS.split(", ")
    for text in texts:
        places = [tags.index(tag) for tag in text.split(", ")]
        assert places == sorted(places)


def test_another_separator() -> None:
    settings = train_settings(shuffle_caption=True, caption_separator=";")
    assert sorted(arranged("a; b, c;d", 0, settings, None).split("; ")) == ["a", "b, c", "d"]


# --- in a training -----------------------------------------------------------------------------


def test_steps_draw_from_the_captions(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from hubtools.training.encode import EncodedDataset
    from hubtools.training.train import train

    folder = write(tmp_path / "data", [{"text": ["a tok, hat, chair", "tok by a window"]}])
    seen: Counter[str] = Counter()
    right = EncodedDataset.caption

    def watching(self: Any, caption: str, *beside: Any) -> Any:
        seen[caption] += 1
        return right(self, caption, *beside)

    project = make_project(
        data=folder, max_train_steps=30, caption_dropout=0.0, shuffle_caption=True,
        caption_variants=3, with_prior_preservation=True, dataset={"trigger": "tok"},
    )  # fmt: skip
    lines: list[str] = []
    train(project, skip_validation=True, dry_run=True, note=lines.append)
    assert "2 a picture, one drawn each step, tags shuffled, 3 variants of each" in "\n".join(lines)
    monkeypatch.setattr(EncodedDataset, "caption", watching)
    train(project, skip_validation=True)
    own = {text for text in seen if "tok" in text}
    assert {text for text in own if "hat" in text} <= {"a tok, hat, chair", "a tok, chair, hat"}
    assert "tok by a window" in own
    # each is drawn beside the same one without the subject, and nothing else is
    assert {text.replace("tok", "person") for text in own} | own | {""} == set(seen)
    assert sum(seen.values()) > 2 * 30
