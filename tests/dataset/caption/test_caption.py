"""caption: never over a person's words unless told, shown first, undone byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple import TRIGGER, picture

from hubtools import caption, export_captions, plan_captions, undo_fix
from hubtools.dataset.caption.edits import fill, inserting, placeholders, renaming
from hubtools.errors import HubtoolsError, UsageError
from hubtools.frontmatter import read_card
from hubtools.settings import DatasetSettings
from tests.typed import typed as as_typed


def captions(root: Path, column: str = "text") -> dict[str, Any]:
    lines = (root / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["file_name"]: row.get(column) for row in map(json.loads, lines)}


def rows(root: Path, *values: dict[str, Any]) -> None:
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in values))


def everything(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".hubtools" not in path.parts
    }


@pytest.fixture
def views(good: Path) -> Path:
    """A person's caption, two pictures without one, columns to fill a template from."""
    rows(
        good,
        {"file_name": "0.png", "text": "my own words", "view": "front"},
        {"file_name": "1.png", "view": "left side", "expression": "smiling"},
        {"file_name": "2.png", "text": "", "view": None},
    )
    return good


def test_what_cannot_be_read_gets_no_caption(
    views: Path, settings: DatasetSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    from hubtools.cli.main import run

    (views / "1.png").write_bytes((views / "1.png").read_bytes()[:-20])
    (views / "3.png").write_text("<html>not found</html>")
    (views / "4.png").touch()
    plan = plan_captions(views, settings, template="x {stem}")
    assert [change.picture for change in plan.changes] == ["2.png"]
    assert plan.unreadable == {
        "1.png": "it is cut off", "3.png": "it is an HTML page", "4.png": "it is empty",
    }  # fmt: skip
    assert plan.without == ("1.png", "3.png", "4.png")
    # words that are there are a person's: they are edited all the same
    rows(views, {"file_name": "1.png", "text": "my own words"})
    edited = plan_captions(views, settings, template="x", replace=["own=very own"])
    assert [c.after for c in edited.changes if c.picture == "1.png"] == ["my very own words"]
    run(["caption", str(views), "--template", "x {stem}", "--dry-run"])
    assert "3.png gets no caption: it is an HTML page." in capfd.readouterr().err


# --- edits -----------------------------------------------------------------------------------


def test_template() -> None:
    text = "photo of {trigger}, {view}, {expression} face, {{raw}}"
    assert placeholders(text) == ["trigger", "view", "expression"]
    row = {"trigger": "tok", "view": "from  the\nleft", "expression": None}
    assert fill(text, row) == "photo of tok, from the left, {raw}"
    assert fill("{tags}", {"tags": ["a", "", "b"]}) == "a, b"
    for bad in ("{", "x}", "{}"):
        with pytest.raises(UsageError):
            placeholders(bad)


def test_triggers_are_words() -> None:
    rename = renaming("tok", "new")
    assert rename("tok, a token by tok-tok (tok)") == "new, a token by tok-tok (new)"
    assert renaming("(a-b)", r"\1")("photo of (a-b).") == r"photo of \1."
    insert = inserting(TRIGGER)
    assert insert("a photo") == "(tok), a photo"
    assert insert("a photo of (tok)") == "a photo of (tok)"
    assert inserting("tok")("a token") == "tok, a token"


@given(st.text(max_size=30), st.text(alphabet="(tok)-ab ", min_size=1, max_size=6))
def test_inserting_twice_is_inserting_once(text: str, trigger: str) -> None:
    insert = inserting(trigger)
    assert insert(insert(text)) == insert(text)


# --- never over a person's caption --------------------------------------------------------------


def test_a_template_fills_only_what_is_empty(views: Path, settings: DatasetSettings) -> None:
    before = everything(views)
    template = "photo of {trigger}, {view}, {expression}"
    plan = plan_captions(views, settings, template=template)
    assert everything(views) == before
    assert plan.kept == 1
    assert [c.picture for c in plan.changes] == ["1.png", "2.png"]
    done = caption(views, settings, template=template)
    assert captions(views) == {
        "0.png": "my own words",
        "1.png": "photo of (tok), left side, smiling",
        "2.png": "photo of (tok)",
    }
    assert captions(views, "view") == {"0.png": "front", "1.png": "left side", "2.png": None}
    assert read_card(views / "README.md").exists is False  # no machine was asked
    assert caption(views, settings, template=template).journal is None
    caption(views, settings, template=template, overwrite=True)
    assert captions(views)["0.png"] == "photo of (tok), front"
    undo_fix(views)
    undo_fix(views)
    assert everything(views) == before
    assert done.journal is not None


def test_edits_go_over_all(views: Path, settings: DatasetSettings) -> None:
    caption(views, settings, replace=["my own=her"], trigger_insert=True)
    assert captions(views) == {"0.png": "(tok), her words", "1.png": None, "2.png": ""}
    caption(views, settings, trigger_rename=["(tok)=new-token"])
    assert captions(views)["0.png"] == "new-token, her words"
    caption(views, settings, replace=[r"(\w+) words$=\1 speech"], regex=True)
    assert captions(views)["0.png"] == "new-token, her speech"
    # untouched lines stay as they were, byte for byte
    assert (views / "metadata.jsonl").read_text().splitlines()[1:] == [
        '{"file_name": "1.png", "view": "left side", "expression": "smiling"}',
        '{"file_name": "2.png", "text": "", "view": null}',
    ]


def test_pictures_without_a_record_get_one(tmp_path: Path, settings: DatasetSettings) -> None:
    root = tmp_path / "set"
    picture(root / "a/1.png", 1)
    picture(root / "b/1.png", 2)
    caption(root, settings, template="{trigger}, {folder} {stem}")
    assert captions(root) == {"a/1.png": "(tok), a 1", "b/1.png": "(tok), b 1"}
    picture(root / "a/2.png", 3)
    caption(root, settings, template="{stem}")
    assert captions(root)["a/2.png"] == "2"
    undo_fix(root)
    undo_fix(root)
    assert sorted(everything(root)) == ["a/1.png", "a/2.png", "b/1.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing to do"),
        ({"template": "{nonsense}"}, "nonsense"),
        ({"template": "{view"}, "bare {"),
        ({"template": "x", "source": "kohya"}, "choose one"),
        ({"replace": ["nothing"]}, "OLD=NEW"),
        ({"replace": ["(=x"], "regex": True}, "regular expression"),
        ({"trigger_rename": [" =x"]}, "never empty"),
    ],
)
def test_mistakes(
    views: Path, settings: DatasetSettings, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words.replace("{", r"\{")):
        plan_captions(views, settings, **options)
    with pytest.raises(UsageError, match="trigger"):
        plan_captions(views, DatasetSettings(), template="{trigger}")
    with (views / "metadata.jsonl").open("a") as file:
        file.write("{\n")
    with pytest.raises(HubtoolsError, match="repaired first"):
        plan_captions(views, settings, template="x")


# --- other trainers --------------------------------------------------------------------------


def test_kohya_there_and_back(good: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    picture(good / "more/0.png", 7)
    picture(good / "test/9.png", 9)
    # without this, loaders find the split test alone
    (good / "README.md").write_text(
        "---\nconfigs:\n- {config_name: default, data_files: ['*', 'more/**']}\n---\n"
    )
    with (good / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "more/0.png", "text": "two\\nlines"}\n')
    done = export_captions(good, tmp_path / "out", "kohya", settings, repeats=10)
    assert (done.pictures, done.blank) == (4, 0)
    folder = tmp_path / "out/10_tok"
    assert sorted(path.name for path in folder.iterdir()) == [
        "0.png", "0.txt", "1.png", "1.txt", "2.png", "2.txt", "more_0.png", "more_0.txt",
    ]  # fmt: skip
    assert (folder / "more_0.txt").read_text() == "two lines\n"
    assert (folder / "1.png").read_bytes() == (good / "1.png").read_bytes()
    with pytest.raises(HubtoolsError, match="there already"):
        export_captions(good, tmp_path / "out", "kohya", settings)
    (folder / "1.txt").write_text("only this\nnot this\n")
    (folder / "2.txt").rename(folder / "2.caption")
    before = captions(good)
    assert not plan_captions(good, settings, source="kohya", source_dir=tmp_path / "out").changes
    rows(good, *({"file_name": f"{n}.png", "text": None} for n in range(3)))
    caption(good, settings, source="kohya", source_dir=tmp_path / "out")
    # whose it is can be told, and another picture of that name stays without
    assert captions(good) == {
        "0.png": before["0.png"],
        "1.png": "only this",
        "2.png": before["2.png"],
        "more/0.png": "two lines",
    }
    rows(good, {"file_name": "more/0.png"})
    (folder / "more_0.txt").unlink()
    assert (
        "more/0.png"
        in plan_captions(good, settings, source="kohya", source_dir=tmp_path / "out").without
    )


def test_ai_toolkit_there_and_back(good: Path, tmp_path: Path, settings: DatasetSettings) -> None:
    done = export_captions(good, tmp_path / "out", "ai-toolkit", settings)
    assert (done.trigger, done.foreign) == (TRIGGER, 0)
    assert (tmp_path / "out/1.txt").read_text() == "[trigger], view 1\n"
    before = captions(good)
    (good / "metadata.jsonl").unlink()
    (tmp_path / "out/2.txt").unlink()
    (tmp_path / "out/2.json").write_text('{"caption": "of [trigger]"}')
    with pytest.raises(UsageError, match="no trigger is set"):
        plan_captions(good, DatasetSettings(), source="ai-toolkit", source_dir=tmp_path / "out")
    caption(good, settings, source="ai-toolkit", source_dir=tmp_path / "out")
    assert captions(good) == {**before, "2.png": "of (tok)"}


def test_files_beside_the_pictures(tmp_path: Path, settings: DatasetSettings) -> None:
    root = tmp_path / "set"
    for folder in ("a", "b"):
        picture(root / folder / "1.png", 1)
        (root / folder / "1.txt").write_bytes(f"\ufeffin {folder}\r\n".encode())
    caption(root, settings, source="kohya")
    assert captions(root) == {"a/1.png": "in a", "b/1.png": "in b"}


# --- models ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP of random weights that says something."""
    import torch
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    folder = tmp_path_factory.mktemp("blip")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    words += [f"word{n}" for n in range(58)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), bos_token="[DEC]")
    processor = BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 16}  # fmt: skip
    torch.manual_seed(5)
    config = BlipConfig(
        text_config={**small, "vocab_size": 64, "encoder_hidden_size": 16, "bos_token_id": 5,
                     "sep_token_id": 3, "pad_token_id": 0, "eos_token_id": 3,
                     "projection_dim": 16, "max_position_embeddings": 64},
        vision_config={**small, "image_size": 32, "patch_size": 8, "projection_dim": 16},
        projection_dim=16,
    )  # fmt: skip
    model = BlipForConditionalGeneration(config)
    for parameter in model.parameters():  # far from zero, so that pictures make a difference
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_model_captions_what_nobody_has(
    views: Path, settings: DatasetSettings, blip: Path, cache: Path
) -> None:
    (views / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Mine\n")
    before = everything(views)
    plan = plan_captions(views, settings, model=str(blip), max_new_tokens=8)
    assert everything(views) == before
    (answers,) = (cache / "captions").glob("*.jsonl")
    assert len(answers.read_text().splitlines()) == 2
    answers.write_text(answers.read_text() + '["half a li')  # killed
    caption(views, settings, model=str(blip), max_new_tokens=8, trigger_insert=True)
    found = captions(views)
    assert found["0.png"] == "(tok), my own words"
    assert found["1.png"].startswith("(tok), word")
    assert found["1.png"] == "(tok), " + plan.changes[0].after
    card = read_card(views / "README.md")
    assert card.data == {"license": "cc0-1.0", "annotations_creators": ["machine-generated"]}
    assert (views / "README.md").read_text().endswith("---\n# Mine\n")
    # asked anew, the model says the same
    answers.unlink()
    caption(views, settings, model=str(blip), max_new_tokens=8, overwrite=True)
    again = captions(views)
    assert "(tok), " + again["1.png"] == found["1.png"]
    assert again["0.png"] != "my own words"
    undo_fix(views)
    undo_fix(views)
    assert everything(views) == before


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is asked by a chat template, of random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("llava")
    words = ["<unk>", "<pad>", "</s>", "<s>", "<image>", "user", "Describe", "this", "picture"]
    words += [f"word{n}" for n in range(40)]
    vocabulary = {word: number for number, word in enumerate(words)}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        bos_token="<s>", extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 16}  # fmt: skip
    torch.manual_seed(2)
    config = LlavaConfig(
        text_config=LlamaConfig(vocab_size=len(words), num_key_value_heads=2, bos_token_id=3,
                                eos_token_id=2, pad_token_id=1, **small),
        vision_config=CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=16, **small),
        image_token_index=4, vision_feature_layer=-1,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    head = model.get_output_embeddings().weight
    with torch.no_grad():  # it says nothing but word0 ... word39
        head.normal_()
        head[:9] = 0
    template = (
        "{% for m in messages %}<s> {{ m.role }} {% for c in m.content %}"
        "{% if c.type == 'image' %}<image> {% else %}{{ c.text }} {% endif %}{% endfor %}"
        "{% endfor %}{% if add_generation_prompt %}<s>{% endif %}"
    )
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        image_processor=pictures, tokenizer=tokenizer, patch_size=8, chat_template=template,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_a_model_that_is_asked_gives_the_answer_alone(
    views: Path, settings: DatasetSettings, llava: Path, cache: Path
) -> None:
    plan = plan_captions(
        views, settings, model=str(llava), max_new_tokens=5, prompt="Describe this"
    )
    assert len(plan.changes) == 2
    for change in plan.changes:
        said = change.after.split()
        assert 1 <= len(said) <= 5
        assert all(word.startswith("word") for word in said)  # no question, no marks


def test_the_card_keeps_who_was_there(
    views: Path, settings: DatasetSettings, blip: Path, cache: Path
) -> None:
    (views / "README.md").write_text("---\nannotations_creators: expert-generated\n---\n")
    caption(views, settings, model=str(blip), max_new_tokens=4)
    creators = read_card(views / "README.md").data["annotations_creators"]
    assert creators == ["expert-generated", "machine-generated"]


def test_no_model(views: Path, settings: DatasetSettings, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/config.json").write_text('{"model_type": "bert"}')
    for name, words in (("empty", "no config.json"), ("odd", "captions pictures")):
        with pytest.raises(HubtoolsError, match=words):
            plan_captions(views, settings, model=str(tmp_path / name))
    with pytest.raises(HubtoolsError, match="no folder"):
        plan_captions(views, settings, model="./nowhere")


# --- as typed --------------------------------------------------------------------------------


def typed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return as_typed("caption", *arguments)


def test_as_typed(views: Path, tmp_path: Path) -> None:
    before = everything(views)
    asked = typed(views, "--template", "a {view}", "--format", "human")
    assert asked.returncode == 3, asked.stderr
    assert asked.stdout.splitlines() == ["@@ 1.png (template) @@", "+a left side"]
    assert "1 picture keeps its caption" in asked.stderr
    assert typed(views, "--template", "a {view}", "--dry-run").returncode == 0
    assert everything(views) == before
    done = typed(views, "--template", "a {view}", "--yes", "--format", "json")
    told = json.loads(done.stdout)
    assert (told["changes"][0]["after"], told["applied"]) == ("a left side", True)
    again = typed(views, "--template", "a {view}", "--yes")
    assert again.returncode == 0
    assert typed(views, "--undo").returncode == 0
    assert everything(views) == before
    out = typed(views, "--export", "kohya", tmp_path / "out")
    assert out.returncode == 1  # a picture without a caption
    assert "metadata.jsonl:2" in out.stderr
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")}
    words = ["-m", "hubtools", "caption", str(views), "--model", "nobody/nothing"]
    gone = subprocess.run(  # the Hub's client reads its environment once
        [sys.executable, *words], env=os.environ | nobody, capture_output=True, text=True
    )
    assert gone.returncode == 1
    assert gone.stderr.startswith("Error: nobody/nothing is not in the local cache, and the Hub")
    assert "Traceback" not in gone.stderr
