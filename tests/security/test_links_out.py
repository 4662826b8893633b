"""Links that lead out of a folder: pictures are read there and it is told; words of anything else
that lies there are neither shown nor made captions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.dataset.examples import read_examples
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.inference.lora import resolve_lora
from hubtools.manifest import RunManifest
from hubtools.project import load_project
from tests.drawing import write_pictures
from tests.typed import typed

WORD = "zebrafinch"  # of the file outside

OUTSIDE = {
    "text": f"{WORD} {WORD}\n",
    "records": json.dumps({"file_name": "picture0.png", "text": WORD}) + "\n",
    "broken records": f'{{"file_name": "picture0.png", "text": {WORD}\n',
    "table": f"file_name,text\npicture0.png,{WORD}\n",
    "card": f"---\nlicense: {WORD}\nconfigs: {WORD}\n---\n{WORD}\n",
    "broken card": f"---\n{WORD}: [\n---\n",
    "settings": f"[dataset]\ntrigger = '{WORD}'\n{WORD} = 1\n",
    "latin-1": f"{WORD} \xe9\n".encode("latin-1"),
}
CASES = [
    *((name, kind) for name in ("picture0.txt", "picture0.json") for kind in ("text", "latin-1")),
    *(("metadata.jsonl", kind) for kind in ("text", "records", "broken records", "latin-1")),
    *((name, "records") for name in ("metadata.parquet", "more.jsonl", "Metadata.jsonl")),
    *((name, "table") for name in ("metadata.csv", "train.csv")),
    *(("README.md", kind) for kind in ("text", "card", "broken card")),
    *(("hubtools.toml", kind) for kind in ("text", "settings")),
    ("picture0.png", "text"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "data", 2)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_words_outside_are_not_shown(data: Path, tmp_path: Path, name: str, kind: str) -> None:
    content = OUTSIDE[kind]
    secret = tmp_path / "secret"
    secret.write_bytes(content if isinstance(content, bytes) else content.encode())
    (data / name).unlink(missing_ok=True)
    (data / name).symlink_to(secret)
    commands: list[tuple[str | Path, ...]] = [
        ("validate", data),
        ("fix", data, "--dry-run"),
    ]
    for words in commands:
        done = typed(*words, cwd=tmp_path)
        assert WORD not in done.stdout + done.stderr, done.stdout + done.stderr
        assert "bug" not in done.stderr
    try:
        said = [example.caption for example in read_examples(data, "text")]
    except HubtoolsError as error:
        said = [f"{error.message} {error.hint}"]
    assert WORD not in " ".join(said)


@pytest.mark.parametrize("name", ["picture0.txt", "metadata.jsonl", "README.md"])
def test_texts_that_are_links_out_are_told(data: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(WORD)
    (data / name).unlink(missing_ok=True)
    (data / name).symlink_to(tmp_path / "secret")
    (told,) = [f for f in validate(data).findings if f.rule == "D222"]
    assert told.path == name
    assert "not read" in told.message


def test_a_folder_of_links_is_told_and_the_advice_works(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    for name in ("picture0.png", "picture1.png"):
        (data / name).rename(store / name)
        (data / name).symlink_to(store / name)
    (told,) = [f for f in validate(data).findings if f.rule == "D222"]
    assert "picture0.png" in told.message
    assert "picture1.png" in told.message
    assert "`hubtools fix --unsafe copy-links`" in str(told.fix)
    assert len(read_examples(data, "text")) == 2  # links of one's own are read
    done = typed("fix", data, "--unsafe", "copy-links", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (data / "picture0.png").is_symlink()
    assert (data / "picture0.png").read_bytes() == (store / "picture0.png").read_bytes()
    assert "D222" not in {f.rule for f in validate(data).findings}


def test_links_inside_and_the_cache_of_the_hub_are_no_links_out(data: Path, tmp_path: Path) -> None:
    (data / "metadata.jsonl").rename(data / "real.jsonl")
    (data / "metadata.jsonl").symlink_to("real.jsonl")
    assert "D222" not in {f.rule for f in validate(data).findings}
    snapshot = tmp_path / "datasets--a--b" / "snapshots" / "c0ffee"
    blobs = tmp_path / "datasets--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name in ("picture0.png", "picture1.png", "real.jsonl"):
        (data / name).rename(blobs / name)
        (snapshot / name.replace("real", "metadata")).symlink_to(f"../../blobs/{name}")
    assert "D222" not in {f.rule for f in validate(snapshot).findings}
    assert len(read_examples(snapshot, "text")) == 2


def test_settings_that_are_a_link_out(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine.toml"
    other.write_text("[dataset]\ntrigger = 'tok'\n")
    (data / "hubtools.toml").symlink_to(other)
    done = typed("validate", data, cwd=data)
    assert done.returncode == 2
    assert "leads out" in done.stderr
    assert "--project hubtools.toml" in done.stderr
    assert load_project(data / "hubtools.toml").dataset.trigger == "tok"  # named, and so meant


@pytest.mark.parametrize("name", ["pytorch_lora_weights.safetensors", "other.safetensors"])
def test_a_lora_in_a_folder_that_is_a_link_out(
    tmp_path: Path, make_lora_file: Callable[..., Path], name: str
) -> None:
    file = make_lora_file(tmp_path / "elsewhere" / "x.safetensors")
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(file)
    with pytest.raises(HubtoolsError, match="leads out") as caught:
        resolve_lora(str(run))
    assert f"--lora {run / name}" in str(caught.value.hint)
    assert resolve_lora(str(run / name)).path == run / name  # named, and so meant
    (run / name).unlink()
    (run / name).hardlink_to(file)
    assert resolve_lora(str(run)).rank == 4


def test_facts_of_a_run_that_are_a_link_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(json.dumps({WORD: 1}))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").symlink_to(tmp_path / "secret")
    with pytest.raises(HubtoolsError, match="leads out"):
        RunManifest.read(tmp_path / "run")
