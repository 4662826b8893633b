"""Cards as people write them, each with the rules that tell what is wrong with it, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from hubtools.cards.rules import Kind, check_card

HEAD = (
    "license: mit\nbase_model: me/base\nlibrary_name: diffusers\npipeline_tag: text-to-image\n"
    "instance_prompt: zwx\n"
)
BODY = "# Robots\n\n![a robot](a.png)\n\nA LoRA of an invented robot, drawn by its author.\n"
# name -> (kind, more front matter, more text, {(rule, line), ...}); the head has 6 lines
CARDS: dict[str, tuple[Kind, str, str, set[tuple[str, int]]]] = {
    "tags that YAML reads otherwise": (
        "model",
        "tags:\n- lora\n- 1girl\n- 2024\n- on\n",
        "",
        {("C116", 10), ("C116", 11)},
    ),
    "tags of one text": ("model", "tags: lora, robot\n", "", {("C104", 7)}),
    "tags in braces": ("model", "tags: {lora: 1}\n", "", {("C104", 7)}),
    "a date as a tag": ("model", "tags: [lora, 2024-01-01]\n", "", {("C116", 7)}),
    "a language by name": ("model", "language: English\n", "", {("C117", 7)}),
    "a language by region": ("model", "language:\n- en\n- pt-BR\n", "", {("C117", 9)}),
    "a language of a country": ("model", "language: jp\n", "", {("C117", 7)}),
    "Norwegian without quotes": ("model", "language: no\n", "", {("C117", 7)}),
    "a language in capitals": ("model", "language: EN\n", "", {("C117", 7)}),
    "three letters": ("model", "language: [nds, yue]\n", "", set()),
    "a number in model-index": (
        "model",
        (
            "model-index:\n- name: zwx\n  results:\n  - task: {type: text-to-image}\n"
            "    dataset: {name: x, type: x, config: 1}\n    metrics: []\n"
        ),
        "",
        {("C119", 11), ("C119", 12)},
    ),
    "model-index of names": ("model", "model-index: zwx\n", "", {("C119", 7)}),
    "metrics without values": (
        "model",
        (
            "model-index:\n- name: zwx\n  results:\n  - task: {type: t}\n"
            "    dataset: {name: x, type: x}\n    metrics:\n    - type: fid\n"
        ),
        "",
        {("C119", 13)},
    ),
    "a widget of prompts": ("model", "widget: [a robot]\n", "<Gallery />\n", {("C110", 7)}),
    "a widget that is no list": ("model", "widget:\n  text: a zwx\n", "", {("C110", 7)}),
    "a picture that is a number": (
        "model",
        "widget:\n- text: a zwx\n  output: {url: 1}\n",
        "<Gallery />\n",
        {("C110", 9)},
    ),
    "a thumbnail of the folder": ("model", "thumbnail: a.png\n", "", {("C122", 7)}),
    "a dataset by its title": ("model", "datasets: [My Robots]\n", "", {("C106", 7)}),
    "a dataset that is empty": ("model", "datasets: [null]\n", "", {("C106", 7)}),
    "a relation of ones own": ("model", "base_model_relation: lora\n", "", {("C124", 7)}),
    "British spelling": ("model", "licence: mit\n", "", set()),
    "a hyphen in a key": ("model", "new-version: me/y\n", "", {("C120", 7)}),
    "a key for datasets": ("model", "dataset: me/x\n", "", {("C120", 7)}),
    "keys of ones own": ("model", "trained_by: me\nsteps: 500\n", "", set()),
    "empty values": ("model", "tags:\nlanguage: []\n", "", {("C118", 7), ("C118", 8)}),
    "a name that begins with #": ("model", "thumbnail: #1\n", "", {("C121", 7)}),
    "a comment": ("model", "metrics: [fid] # of 100 pictures\n", "", set()),
    "a key twice": ("model", "license: mit\n", "", {("C307", 7)}),
    "numbers for texts": ("model", "new_version: 2\n", "", {("C125", 7)}),
    "library in a list": ("model", "metrics: [fid, 1]\n", "", {("C127", 7)}),
    "a gate of unknown fields": (
        "model",
        "extra_gated_fields:\n  Name: text\n  Use:\n    type: select\n    options: [1, other]\n",
        "",
        {("C123", 11)},
    ),
    "a gate's text as a list": ("model", "extra_gated_prompt: [I agree]\n", "", {("C123", 7)}),
    "a good gate": (
        "model",
        (
            "extra_gated_fields:\n  Name: text\n  Country: country\n  Use:\n    type: select\n"
            "    options:\n    - Research\n    - {label: Other, value: other}\n"
        ),
        "",
        set(),
    ),
    "a picture in HTML": (
        "model",
        "",
        '<img src="samples/none.png" alt="a robot">\n',
        {("C205", 14)},
    ),
    "a picture of a page": (
        "model",
        "",
        "![a robot](https://huggingface.co/datasets/me/x/blob/main/a.png)\n",
        {("C209", 14)},
    ),
    "a picture of the repository": (
        "model",
        "",
        "![a robot](https://huggingface.co/me/x/resolve/main/a.png)\n",
        set(),
    ),
    "a table and its text": (
        "model",
        "",
        "| weight | looks |\n|:--|--:|\n| 0.8 | good |\nMore is too much.\n",
        {("C211", 17)},
    ),
    "a table and a heading": ("model", "", "a | b\n--|--\n1 | 2\n## Data\nMine.\n", set()),
    "dashes below text": ("model", "", "A title\n---\nAnd text | with a bar.\n", set()),
    "code that goes on": ("model", "", "```python\nimport torch\n\n## Licence\n", {("C212", 14)}),
    "a fence in a longer fence": ("model", "", "````md\n```\n# no heading\n````\n", set()),
    "a list of contents": (
        "model",
        "",
        "- [How to use it](#how-to-use-it)\n- [Limits](#limit)\n\n## How to use it!\n\nLoad it.\n",
        {("C214", 15)},
    ),
    "folded for good": ("model", "", "<details><summary>All</summary>\n\nMore.\n", {("C215", 14)}),
    "headings in a row": (
        "model",
        "",
        "## Uses\n\n### Direct\n\n### Others\n\nNone.\n",
        {("C216", 16)},
    ),
    "a last heading": ("model", "", "## Citation\n", {("C216", 14)}),
    "a picture without words": ("model", "", "![](a.png)\n", {("C217", 14)}),
    "two configs of one name": (
        "dataset",
        "configs:\n- config_name: a\n  data_files: x/*\n- config_name: a\n  data_files: y/*\n",
        "",
        {("C126", 10)},
    ),
    "a config without a path": (
        "dataset",
        "configs:\n- config_name: a\n  data_files:\n  - split: train\n",
        "",
        {("C126", 10)},
    ),
    "configs as a mapping": ("dataset", "configs: {default: x/*}\n", "", {("C126", 7)}),
    "a size in words": ("dataset", "size_categories: [100]\n", "", {("C111", 7)}),
    "a task in words": ("dataset", "task_categories: [text to image]\n", "", {("C111", 7)}),
    "columns without names": (
        "dataset",
        "dataset_info:\n  features:\n  - name: image\n    dtype: image\n  - dtype: string\n",
        "",
        {("C130", 11)},
    ),
    "examples as a text": (
        "dataset",
        "dataset_info:\n  splits:\n  - name: train\n    num_examples: '21'\n",
        "",
        {("C130", 10)},
    ),
    "no viewer": ("dataset", "viewer: false\n", "", set()),
    "a viewer in quotes": ("dataset", "viewer: 'false'\n", "", {("C131", 7)}),
}


@pytest.mark.parametrize("name", CARDS)
def test_cards_of_people(tmp_path: Path, name: str) -> None:
    kind, front, body, expected = CARDS[name]
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    text = f"---\n{HEAD}{front}---\n{BODY}"
    after = text.count("\n") + 1
    (tmp_path / "README.md").write_text(text + ("\n" + body if body else ""))
    found = check_card(tmp_path, kind, ignore=["C204", "C109"]).findings
    shift = after - 12  # of what more front matter takes
    assert {(each.rule, each.line) for each in found} == {
        (rule, line if rule[:2] != "C2" else line + shift - 1) for rule, line in expected
    }


def test_there_are_enough_of_them() -> None:
    assert len(CARDS) >= 40
