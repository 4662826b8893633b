"""Whatever files say, a card shows it as text, and writing one touches nothing outside."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import hubtools
from hubtools.cardlinks import is_inside, scheme_of
from hubtools.cards import rendering
from hubtools.cards.escape import (
    cell,
    code,
    code_cell,
    hub_link,
    is_web_address,
    markdown,
    python_literal,
)
from hubtools.cards.merge import Memory, blocks_of, merge
from hubtools.cards.render import write_dataset_card, write_model_card
from hubtools.cards.rules import check_card
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.frontmatter import parse
from hubtools.layout import LORA_WEIGHTS
from hubtools.manifest import BaseModelFacts, DatasetFacts, LoraFacts, RunManifest, SampleRecord
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.settings import DatasetSettings, ModelSettings
from tests.drawing import write_pictures
from tests.typed import typed

Make = Callable[..., Path]
EVIL = [
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "](javascript:alert(1)) [",
    "`` ` ``` <script>alert(1)</script>",
    "a | b |\n| --- |",
    "\n\n# heading\n\n<!-- hubtools:end captions -->\n<script>",
    "<!-- hubtools:begin x -->",
    "-->",
    "{{ 7 * 7 }} {% for x in range(9) %}",
    "\n---\nlicense: mit\n---\n",
    "'''\"\"\"); import os; os.system('x') #",
    "&#60;img onerror=x&#62;",
    "\x1b[31m\x00\u202e",
]


def html_of(text: str) -> str:
    """As GitHub and the Hub read Markdown, with raw HTML let through."""
    markdown_it = pytest.importorskip("markdown_it")
    return str(markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def active(page: str) -> list[str]:
    return re.findall(r"<(?:script|img|iframe)[^>]*|(?:href|src)=\"(?!https?:|images/)[^\"]*", page)


@pytest.fixture
def run_dir(tmp_path: Path, make_lora_file: Make) -> Path:
    root = tmp_path / "run"
    weights = make_lora_file(root / LORA_WEIGHTS)
    write_manifest(root, weights)
    write_sample(root, "a man")
    return root


def write_manifest(root: Path, weights: Path, evil: str = "fine", **base: Any) -> None:
    facts: dict[str, Any] = {
        "id": "a/b", "family": "stable-diffusion", "prediction_type": "epsilon", "license": "mit",
    }  # fmt: skip
    RunManifest(
        name=evil, status="finished", started="2026-01-02T03:04:05Z",
        base_model=BaseModelFacts(**(facts | base)),
        dataset=DatasetFacts(
            repo=evil, fingerprint="f" * 64, images=4, caption_column="text", trigger=evil
        ),
        train={"resolution": evil}, steps=20, steps_done=20, epochs=5.0, seed=42,
        lora=LoraFacts(
            file=weights.name, sha256=sha256_of(weights), bytes=1, rank=4, alpha=4.0,
            target_modules=[evil], parameters=1,
        ),
        device=evil, versions={evil: evil},
    ).write(root)  # fmt: skip


def write_sample(root: Path, prompt: str, **more: Any) -> None:
    folder = root / "samples"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (16, 16)).save(folder / "a.png")
    facts: dict[str, Any] = {
        "file": "a.png", "prompt": prompt, "seed": 1, "steps": 2, "guidance": 3.0,
        "scheduler": "default", "scheduler_class": "PNDMScheduler", "width": 16, "height": 16,
        "base_model": "a/b", "lora_sha256": sha256_of(root / LORA_WEIGHTS), "lora_weight": 1.0,
    }  # fmt: skip
    (folder / "a.json").write_text(SampleRecord(**(facts | more)).model_dump_json())


def project() -> Project:
    return Project(dataset=DatasetSettings(trigger="tok"), model=ModelSettings(license="mit"))


@pytest.mark.parametrize("evil", EVIL)
def test_a_model_card_of_hostile_facts(run_dir: Path, evil: str) -> None:
    """`<img onerror>` of a name landed in README."""
    write_manifest(run_dir, run_dir / LORA_WEIGHTS, evil, id=evil, family=evil)
    write_sample(run_dir, evil, negative_prompt=evil, scheduler=evil, scheduler_class=evil)
    text = write_model_card(run_dir, project()).text
    card = parse(text)
    front, body = card.block, card.body
    assert front is not None
    data = yaml.safe_load(front)
    assert data["license"] == "mit"
    assert data["widget"][0]["text"] == evil
    assert [block.name for block in blocks_of(body)] == [
        "title", "gallery", "about", "trigger", "use", "comfyui", "limits", "samples", "training",
        "license", "files",
    ]  # fmt: skip
    page = html_of(body)
    assert not active(page)
    assert "7 * 7" not in evil or "{{ 7 * 7 }}" in page
    snippet = next(block.text for block in blocks_of(body) if block.name == "use")
    code_of = snippet.split("```python\n")[1].rsplit("\n```", 1)[0]
    tree = ast.parse(code_of)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert "os.system" not in calls
    again = write_model_card(run_dir, project())
    assert not again.changed


@pytest.mark.parametrize("evil", [text for text in EVIL if "\0" not in text and "/" not in text])
def test_a_dataset_card_of_hostile_names(tmp_path: Path, evil: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    name = f"{evil}.png"
    Image.new("RGB", (8, 8)).save(folder / name, format="PNG")
    row = json.dumps({"file_name": name, "text": evil})
    (folder / "metadata.jsonl").write_text(row + "\n", encoding="utf-8")
    trigger = " ".join(evil.split())  # settings take one line only
    settings = Project(dataset=DatasetSettings(trigger=trigger, rights="own", rights_note=evil))
    try:
        text = write_dataset_card(folder, settings).text
    except HubtoolsError:
        return  # a caption or a name that no dataset takes
    body = parse(text).body
    own = re.compile(r'<img src="[\w%.~-]+" alt="[^"<>]*" /')  # its own pictures, and no more
    assert not [tag for tag in active(html_of(body)) if not own.fullmatch(tag)]
    assert {block.name for block in blocks_of(body)} == {
        "title", "about", "content", "columns", "captions", "use", "rights",
    }  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*EVIL, "a", " ", "\\", "&", "!", "(", ")"]), max_size=5))
def test_text_stays_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    for shown in (markdown(text), code(text), code_cell(text), hub_link(text)):
        assert not active(html_of(shown))
        assert "\n" not in shown
        assert not blocks_of(f"{shown}\n<!-- hubtools:end x -->")
    for shown in (cell(text), code_cell(text), hub_link(text)):
        assert not active(html_of(f"| a |\n|---|\n| {shown} |\n"))
    literal = python_literal(text)
    assert ast.literal_eval(literal) == text
    assert "<!--" not in literal


@pytest.mark.parametrize("show", [markdown, code, code_cell, cell])
def test_signs_that_nobody_sees_are_left_out(show: Callable[[object], str]) -> None:
    """Those of terminals, 8 bit ones too, and those that turn the direction of what follows."""
    shown = show("a\x1b[2J\x9b\u202ec\u2066d\x85e")
    assert not {sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cf")}
    assert "cd e" in shown


def test_schemes_as_browsers_read_them() -> None:
    for address in (
        "javascript:x", "JavaScript:x", " java\nscript:x", "java&#115;cript:x", "\x01javascript:x",
        "data:text/html,x", "file:///etc/passwd", "vbscript:x", "javascript://%0aalert(1)",
    ):  # fmt: skip
        assert scheme_of(address) not in (None, "http", "https"), address
        assert not is_web_address(address)
        assert not is_inside(address)
    assert is_web_address("https://example.com/a?b=c#d")
    for address in ("https://a b", 'https://a"onerror=x', "https://a<b>", "https://a)b", "//a.b"):
        assert not is_web_address(address)
    assert is_inside("LICENSE.md")
    assert not is_inside("../x")
    assert not is_inside("/x")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "../secret"])
def test_a_licence_link_that_runs_code_is_refused(run_dir: Path, link: str) -> None:
    write_manifest(
        run_dir, run_dir / LORA_WEIGHTS, license="other", license_name="x", license_link=link
    )
    with pytest.raises(HubtoolsError, match="neither an address of the web"):
        write_model_card(run_dir, Project())
    assert not (run_dir / "README.md").exists()


# --- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".hubtools", "README.md", "images", "LICENSE.md", "samples"])
def test_nothing_is_written_or_read_through_links(run_dir: Path, tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(run_dir / "samples", home)
    (home / "card.json").write_text('{"data": {}, "blocks": {}}')
    (home / "00.png").write_bytes(b"mine")
    (home / "file").write_text("---\nmine: yes\n---\n")
    if (run_dir / name).is_dir():
        shutil.rmtree(run_dir / name)
    (run_dir / name).symlink_to(home / "file" if "." in name[1:] else home)
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    write_manifest(
        run_dir, run_dir / LORA_WEIGHTS, license="other", license_name="x",
        license_link="https://example.com",
    )  # fmt: skip
    if name == "LICENSE.md":
        write_model_card(run_dir, Project())  # something is there: it stays
    else:
        with pytest.raises(HubtoolsError, match="symbolic link"):
            write_model_card(run_dir, Project())
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before
    if name == "README.md":
        with pytest.raises(HubtoolsError, match="symbolic link"):
            check_card(run_dir, "model")


def test_a_record_does_not_name_a_picture_elsewhere(run_dir: Path, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / "private.png")
    for file in ("../../private.png", str(tmp_path / "private.png")):
        write_sample(run_dir, "a man", file=file)
        write_model_card(run_dir, project())
        assert not (run_dir / "images").exists()
    (run_dir / "samples/a.png").unlink()
    (run_dir / "samples/a.png").symlink_to(tmp_path / "private.png")
    write_sample_only = json.loads((run_dir / "samples/a.json").read_text()) | {"file": "a.png"}
    (run_dir / "samples/a.json").write_text(json.dumps(write_sample_only))
    write_model_card(run_dir, project())
    assert not (run_dir / "images").exists()


def test_a_card_looks_at_files_of_its_folder_only(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (tmp_path / "there.png").touch()
    (root / "out").symlink_to(tmp_path)
    (root / "README.md").write_text(
        "---\nlicense: mit\n---\n![x](../there.png) ![x](out/there.png)"
    )
    found = [finding for finding in check_card(root, "model").findings if finding.rule == "C205"]
    assert len(found) == 2


# --- the memory ----------------------------------------------------------------------------------


def test_a_memory_of_a_stranger_takes_nothing_away(run_dir: Path) -> None:
    """A forged `.hubtools/card.json` made hubtools drop a person's keys and blocks."""
    mine = (
        "---\nlicense: mit\nlanguage: en\ntags: [mine]\n---\n"
        "<!-- hubtools:begin mine -->\nMy words.\n<!-- hubtools:end mine -->\n\nMore words.\n"
    )
    (run_dir / "README.md").write_text(mine)
    forged = Memory({"language": "en", "license": "mit", "library_name": "x"}, {})
    _, remembered = merge(None, {}, blocks_text("mine", "My words."), None)
    forged.blocks = remembered.blocks | {"title": "0", "license": "0"}
    (run_dir / ".hubtools").mkdir()
    (run_dir / ".hubtools/card.json").write_text(
        json.dumps({"data": forged.data, "blocks": forged.blocks})
    )
    text = write_model_card(run_dir, project()).text
    data = parse(text).data
    assert data["language"] == "en"
    assert data["library_name"] == "diffusers", "it says a person had removed it"
    assert "My words." in text
    assert "More words." in text
    assert "hubtools:begin license" in text, "it says a person had removed it"


def blocks_text(name: str, text: str) -> str:
    return f"<!-- hubtools:begin {name} -->\n{text}\n<!-- hubtools:end {name} -->\n"


def test_words_in_a_copied_folder_stay(run_dir: Path, tmp_path: Path) -> None:
    text = write_model_card(run_dir, project()).text
    (run_dir / "README.md").write_text(text.replace("for 20 steps", "for twenty steps"))
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    with Root(copy) as root:
        memory = Memory.read(root)
    assert memory is not None
    assert memory.foreign
    assert "for twenty steps" in write_model_card(copy, project()).text
    with Root(run_dir) as root:
        memory = Memory.read(root)
    assert memory is not None
    assert not memory.foreign


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", '{"data": 5}', "\0", '{"data":{},"blocks":1}']
)
def test_a_damaged_memory_is_none(run_dir: Path, text: str) -> None:
    (run_dir / ".hubtools").mkdir()
    (run_dir / ".hubtools/card.json").write_text(text)
    assert write_model_card(run_dir, project()).changed


# --- templates -----------------------------------------------------------------------------------


@pytest.fixture
def rendered_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a template's process does is done in this one, without its bounds. That needs no more
    than the process's own code: others prove that there is one, and what it must not take."""

    def run(words: list[str], *, input: bytes, **_: Any) -> Any:
        out = io.StringIO()
        with monkeypatch.context() as patch, contextlib.redirect_stdout(out):
            patch.setattr(sys, "stdin", io.StringIO(input.decode()))
            patch.setattr(rendering, "_bounded", lambda: None)
            rendering.main()
        return subprocess.CompletedProcess(words, 0, out.getvalue().encode(), b"")

    monkeypatch.setattr(rendering.subprocess, "run", run)


def by_template(run_dir: Path, source: str) -> str:
    folder = run_dir.parent / "templates"
    folder.mkdir(exist_ok=True)
    (folder / "model_card.md.j2").write_text(source)
    return write_model_card(run_dir, project(), template=folder).text


ENDLESS = {
    "loops": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "seconds|time or memory",
    ),
    "text": ("{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "characters"),
    "memory": ("{{ 'x' * 10 ** 11 }}", "memory"),
    "padding": ("{{ 'x' | center(10 ** 11) }}", "memory"),
    "number": ("{{ 10 ** (10 ** 9) }}", "seconds|time or memory|memory"),
    "range": ("{% for a in range(10 ** 9) %}{% endfor %}", "Range too big"),
    "macro": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "without end"),
    "include": ("{% include 'model_card.md.j2' %}", "without end|itself"),
    "undefined": ("{{ card.nothing }}", "nothing"),
    "division": ("{{ 1 / 0 }}", "ZeroDivisionError"),
    "elsewhere": ("{% include '../secret' %}", r"secret|model_card"),
    "linked": ("{% include 'linked' %}", "linked"),
    "absolute": ("{% include '/etc/passwd' %}", "passwd"),
    "attribute": ("{{ card.__class__.__mro__ }}", "unsafe|__class__|no attribute"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_template_that_does_not_end_is_a_sentence(
    run_dir: Path, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind in ("loops", "number"):  # which end by the clock alone
        monkeypatch.setattr(rendering, "SECONDS", 1)
    elif kind not in ("text", "memory", "padding"):  # which end without bounds
        request.getfixturevalue("rendered_here")
    (run_dir.parent / "secret").write_text("secret")
    (run_dir.parent / "templates").mkdir()
    (run_dir.parent / "templates/linked").symlink_to("../secret")
    source, words = ENDLESS[kind]
    with pytest.raises(HubtoolsError, match=words) as caught:
        by_template(run_dir, source)
    assert "model_card.md.j2" in caught.value.message
    assert not (run_dir / "README.md").exists()


def test_the_process_of_a_template_has_no_tokens(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to be read, should a way out of Jinja's sandbox be found."""
    monkeypatch.setenv("HF_TOKEN", "hf_ofsomebody")
    monkeypatch.setenv("WANDB_API_KEY", "ofsomebody")
    given: list[dict[str, str]] = []
    real = subprocess.run

    def looked(words: list[str], **more: Any) -> Any:
        given.append(more["env"])
        return real(words, **more)

    monkeypatch.setattr(subprocess, "run", looked)
    assert by_template(run_dir, "---\nlicense: mit\n---\n# {{ card.title }}\n")
    (environment,) = given
    assert "ofsomebody" not in str(environment)
    assert environment["PATH"] == os.environ["PATH"]


def test_the_folder_of_a_template_is_the_one_that_was_given(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, word in ((own, "mine"), (other, "private words")):
        folder.mkdir()
        (folder / "model_card.md.j2").write_text(f"---\nlicense: mit\n---\n# {word}\n")
    real = subprocess.run

    def exchanged(words: list[str], **more: Any) -> Any:
        own.rename(tmp_path / "away")
        own.symlink_to(other)
        return real(words, **more)

    monkeypatch.setattr(subprocess, "run", exchanged)
    with pytest.raises(HubtoolsError, match="is another folder than it was"):
        hubtools.card(run_dir, project=project(), template=own)
    assert not (run_dir / "README.md").exists()


def test_what_a_template_prints_is_escaped_unless_it_says_otherwise(run_dir: Path) -> None:
    write_sample(run_dir, "<b>|`")
    text = by_template(
        run_dir,
        "{% for s in card.samples %}{{ s.prompt }}, {{ s.prompt | code }}{% endfor %}\n"
        "{{ card.steps }} {{ card.license.title }} {{ '<br>' | safe }}\n{{ card.snippet }}\n",
    )
    body = parse(text).body
    assert body.startswith("&lt;b&gt;\\|\\`, `` <b>|` ``20 MIT")
    assert "<br>" in body
    assert "image = pipeline(\n    '<b>|`'," in body


def test_a_template_is_not_read_through_a_link(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "model_card.md.j2").symlink_to(tmp_path / "secret")
    with pytest.raises(HubtoolsError, match="model_card"):
        write_model_card(run_dir, project(), template=folder)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


NO_TEMPLATE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "no regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "a folder": (Path.mkdir, "no regular file"),
    "a gigabyte": (_sparse, "more than 1,000,000 bytes"),
    "latin-1": (lambda path: path.write_bytes(b"gr\xfc\xdfe"), "not UTF-8"),
    "utf-16": (lambda path: path.write_bytes("card".encode("utf-16")), "not UTF-8"),
    "zeros": (lambda path: path.write_bytes(b"a\0b"), "no text"),
}


@pytest.mark.usefixtures("rendered_here")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("place", ["model_card.md.j2", "part"])
@pytest.mark.parametrize("kind", NO_TEMPLATE)
def test_templates_that_are_none(run_dir: Path, kind: str, place: str) -> None:
    """The template itself, and what it includes."""
    make, said = NO_TEMPLATE[kind]
    folder = run_dir.parent / "templates"
    folder.mkdir()
    (folder / "model_card.md.j2").write_text("{% include 'part' %}")
    (folder / place).unlink(missing_ok=True)
    make(folder / place)
    with pytest.raises(HubtoolsError, match=said) as caught:
        write_model_card(run_dir, project(), template=folder)
    assert "model_card.md.j2" in caught.value.message
    assert not (run_dir / "README.md").exists()


@pytest.mark.parametrize(
    "template",
    ["{text.__class__}", "{text:>1000000000}", "{text!r:>99999999}", "{0}", "{}", "{text[0]}"],
)
def test_a_caption_s_template_is_no_format_string(tmp_path: Path, template: str) -> None:
    folder = write_pictures(tmp_path / "set", 1)
    done = typed("caption", folder, "--template", template, "--overwrite", "--dry-run")
    assert done.returncode == 2
    assert "__globals__" not in done.stderr


# --- bounds --------------------------------------------------------------------------------------


def test_a_card_of_many_marks_takes_little_time(tmp_path: Path) -> None:
    """Pairs of marks were looked for from each mark to the end of the text."""
    text = "<!-- hubtools:begin x -->\n" * 100_000 + "<!-- hubtools:end y -->\n" * 50_000
    before = time.process_time()
    assert blocks_of(text) == []
    nested = "<!-- hubtools:begin a -->\n<!-- hubtools:begin b -->\nx\n<!-- hubtools:end a -->"
    assert [block.name for block in blocks_of(nested)] == ["a"]
    assert time.process_time() - before < 60, "it took hours"


def test_a_large_card_is_refused_in_a_sentence(run_dir: Path) -> None:
    (run_dir / "README.md").write_text("x" * 5_000_001)
    for words in (("card", run_dir), ("card", run_dir, "--check")):
        done = typed(*words)
        assert done.returncode == 1
        assert "more than 5,000,000 bytes" in done.stderr


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)


@pytest.mark.parametrize(
    "front",
    [
        BOMB, "a: " + "[" * 100_000, "a: 2026-99-99", f"a: {'9' * 5000}", "a: !!bool x",
        "a: !!timestamp x", "a: !!int ''", "? [a]\n: b", "a: !!python/object/apply:os.system [x]",
        "widget: " + "x" * 1_000_001,
    ],
)  # fmt: skip
def test_a_hostile_front_matter_is_a_finding(run_dir: Path, front: str) -> None:
    (run_dir / "README.md").write_text(f"---\n{front}\n---\nSome words that a person wrote.\n")
    before = (run_dir / "README.md").read_bytes()
    assert "C101" in {finding.rule for finding in check_card(run_dir, "model").findings}
    with pytest.raises(HubtoolsError, match=r"README\.md"):
        write_model_card(run_dir, project())
    assert (run_dir / "README.md").read_bytes() == before


@pytest.mark.parametrize(
    "train",
    [
        {"learning_rate": "x"},
        {"learning_rate": [1]},
        {"train_batch_size": "a", "gradient_accumulation_steps": "b"},
        {"train_batch_size": 10**12, "gradient_accumulation_steps": "ab"},  # 2 TB
        {"train_batch_size": [1], "gradient_accumulation_steps": 10**12},
        {"train_batch_size": {}, "resolution": {"a": [{}]}, "snr_gamma": "x", "loss_type": [1]},
        {"resolution": "|\n# x <img src=x onerror=y>", "train_batch_size": True},
    ],
)
def test_settings_of_a_record_that_are_none(run_dir: Path, train: dict[str, Any]) -> None:
    """Whoever made the run may have written anything there."""
    path = run_dir / "run.json"
    record = json.loads(path.read_text())
    record["train"] |= train
    record["started"] = "\n```"
    path.write_text(json.dumps(record))
    settings = Project(model=ModelSettings(license="mit", repo="me/x"))
    body = parse(write_model_card(run_dir, settings).text).body
    assert len(body) < 100_000
    assert not active(html_of(body))
    assert "\n```}" not in body
