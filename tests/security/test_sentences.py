"""A user's mistake, or the world's, is one sentence; "a bug" is said of hubtools' own only."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubtools.hub.errors import as_sentence
from tests.drawing import write_pictures
from tests.typed import typed


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


_BROKEN: dict[str, Callable[[Path], object]] = {
    "no unet": lambda b: shutil.rmtree(b / "unet"),
    "no tokenizer": lambda b: shutil.rmtree(b / "tokenizer"),
    "no scheduler": lambda b: shutil.rmtree(b / "scheduler"),
    "cut off": lambda b: cut(b / "unet" / "diffusion_pytorch_model.safetensors"),
    "empty weights": lambda b: (b / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b""),
    "no json": lambda b: (b / "unet" / "config.json").write_text("{"),
    "no object": lambda b: (b / "unet" / "config.json").write_text("[]"),
    "index of numbers": lambda b: (b / "model_index.json").write_text("[1]"),
    "deep json": lambda b: (b / "model_index.json").write_text("[" * 100_000),
    "no class": lambda b: (b / "model_index.json").write_text("{}"),
    "odd parts": lambda b: (b / "model_index.json").write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline", "unet": [1, 2, 3], "vae": ["x"]})
    ),
    "left out": lambda b: (b / "model_index.json").write_text(
        json.dumps(json.loads((b / "model_index.json").read_text()) | {"vae": [None, None]})
    ),
    "text for a number": lambda b: (b / "unet" / "config.json").write_text(
        json.dumps(json.loads((b / "unet" / "config.json").read_text()) | {"in_channels": "x"})
    ),
    "odd encoder": lambda b: (b / "text_encoder" / "config.json").write_text(
        json.dumps({"model_type": "clip_text_model", "hidden_size": "wide"})
    ),
    "odd scheduler": lambda b: (b / "scheduler" / "scheduler_config.json").write_text(
        json.dumps({"_class_name": "DDIMScheduler", "beta_schedule": "none of them"})
    ),
    "a file for a folder": lambda b: (shutil.rmtree(b / "vae"), (b / "vae").write_text("")),
}


@pytest.mark.parametrize("how", _BROKEN)
def test_broken_bases(base: Path, how: str) -> None:
    _BROKEN[how](base)
    done = typed("generate", "a hat", "--base-model", base, "--size", 64, cwd=base.parent)
    assert done.returncode in (1, 2), done.stderr
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Hint: " in done.stderr


@pytest.mark.parametrize("how", ["no unet", "no json", "text for a number", "odd encoder"])
def test_broken_bases_in_training(base: Path, pictures: Path, how: str) -> None:
    _BROKEN[how](base)
    words = ["--base-model", base, "--train-data-dir", pictures, "--output-dir", "run"]
    words += ["--max-train-steps", 1, "--resolution", 64, "--target-modules", "to_v"]
    done = typed("train", *words, cwd=base.parent)
    assert done.returncode in (1, 2), done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("command", ["generate", "grid", "evaluate"])
@pytest.mark.parametrize("device", ["cuda", "mps", "cuda:7", "meta", "nonsense", "cpu:3", ""])
def test_devices_that_are_not_there(
    command: str, device: str, tiny_base: Path, pictures: Path, tmp_path: Path
) -> None:
    import torch

    if device.startswith("cuda") and torch.cuda.device_count():
        pytest.skip("there is a GPU")
    words: list[str | Path] = [command, "--base-model", tiny_base, "--device", device]
    words += {"generate": ["a"], "grid": ["a", "--x", "seed=1"], "evaluate": []}[command]
    if command == "evaluate":
        (tmp_path / "run").mkdir()
        words += ["--train-data-dir", pictures, "--output-dir", "run"]
    done = typed(*words, cwd=tmp_path)
    assert done.returncode in (1, 2), done.stderr
    assert "bug" not in done.stderr
    if command != "evaluate":
        assert "device" in done.stderr


def test_places_that_cannot_be_written(tiny_base: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    far = "x" * 300
    for output in ("file", f"file/{'run'}", far):
        done = typed("generate", "a", "--base-model", tiny_base, "-o", output, cwd=tmp_path)
        assert done.returncode in (1, 2), (output, done.stderr)
        assert "bug" not in done.stderr
        words = ["--base-model", tiny_base, "--train-data-dir", pictures, "--output-dir", output]
        done = typed("train", *words, "--max-train-steps", 1, "--resolution", 64, cwd=tmp_path)
        assert done.returncode in (1, 2), (output, done.stderr)
        assert "bug" not in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/a", None, "/b"),
            "different file systems",
        ),
        (OSError(errno.EXDEV, os.strerror(errno.EXDEV)), "different file systems"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a"), "disk is full"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/a"), "read-only"),
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "/a"), "too long"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output"),
        (OSError("Consistency check failed: file should be of size 5"), "Consistency check"),
        (
            ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
            "could not be reached",
        ),
        (MemoryError(), "memory"),
        (RuntimeError("CUDA error: device-side assert triggered"), "GPU failed"),
        (RuntimeError("MPS backend out of memory (8 GB)"), "ran out of memory"),
        (RuntimeError("Could not determine home directory."), "knows no such user"),
        (RuntimeError("Symlink loop from '/x/o'"), "leads back to itself"),
        (RuntimeError("Data processing error: CAS service error"), "storage"),
        (RuntimeError("Task error: File reconstruction error: CAS Client Error: x"), "storage"),
        (OSError("I/O error: I/O error: failed to fill whole buffer"), "storage"),
        (ImportError("cannot import name x", name="torchvision"), "torchvision"),
    ],
)
def test_errors_of_the_world(error: Exception, said: str) -> None:
    sentence = as_sentence(error)
    assert sentence is not None
    assert said in sentence.message
    assert sentence.hint, said
    assert "\n" not in sentence.message


def test_a_dying_server() -> None:
    httpx = pytest.importorskip("httpx2")  # what huggingface_hub speaks through

    for kind in (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout, httpx.CloseError):
        sentence = as_sentence(kind("peer closed connection without sending complete message body"))
        assert sentence is not None
        assert "could not be reached" in sentence.message


def test_bugs_are_bugs() -> None:
    for error in (
        KeyError("x"),
        TypeError("x"),
        RuntimeError("x"),
        ImportError("x", name="hubtools.x"),
    ):
        assert as_sentence(error) is None


# --- projects that came with more than pictures --------------------------------------------------


def test_a_rehearsal_of_somebody_else(tmp_path: Path) -> None:
    """Its Hub and its cache could hold another base model: it is moved aside."""
    from hubtools.journey.stage import own_folder

    notes: list[str] = []
    folder = tmp_path / ".hubtools" / "rehearsal"
    (folder / "hf-home").mkdir(parents=True)
    (folder / "owner.json").write_text('{"made_by": "hubtools rehearse"}')
    assert own_folder(tmp_path, notes.append) == folder
    assert not (folder / "hf-home").exists()
    assert (tmp_path / ".hubtools" / "rehearsal.other-1" / "hf-home").exists()
    assert len(notes) == 1
    (folder / "hub").mkdir()
    own_folder(tmp_path, notes.append)
    assert (folder / "hub").exists()
    assert len(notes) == 1


@pytest.mark.parametrize("name", [".hubtools", ".hubtools/rehearsal"])
def test_a_linked_rehearsal(tmp_path: Path, name: str) -> None:
    from hubtools.errors import HubtoolsError
    from hubtools.journey.stage import own_folder

    project = tmp_path / "project"
    (project / name).parent.mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (project / name).symlink_to(tmp_path / "home")
    with pytest.raises(HubtoolsError, match="symbolic link"):
        own_folder(project, print)
    assert list((tmp_path / "home").iterdir()) == []


def test_init_writes_through_no_link(tmp_path: Path, pictures: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (home / "ignore").write_text("mine")
    (project / "dataset").symlink_to("../home")
    (project / ".gitignore").symlink_to("../home/ignore")
    for more in (["--example"], ["--from", pictures], []):
        done = typed("init", project, *more, "--force")
        assert done.returncode in (1, 2), done.stderr
        assert "bug" not in done.stderr
    (project / "dataset").unlink()
    assert typed("init", project, "--example", "--force").returncode == 0
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("ignore", "mine")]
    (project / ".gitignore").unlink()
    (project / ".gitignore").write_bytes(b"caf\xe9\n")
    assert typed("init", project, "--example", "--force").returncode == 0
    assert (project / ".gitignore").read_bytes() == b"caf\xe9\nruns/\n.hubtools/\n"


# --- files that are none ---------------------------------------------------------------------

PLACES: dict[str, tuple[str, ...]] = {
    "fix --from-plan": ("fix", "{set}", "--from-plan", "{file}"),
    "push --from-plan": ("push", "--from-plan", "{file}"),
    "prune --from-plan": ("prune", "--from-plan", "{file}", "--apply"),
    "shard --from-plan": ("shard", "--from-plan", "{file}", "--to", "out"),
    "validate --baseline": ("validate", "{set}", "--baseline", "{file}"),
    "validate": ("validate", "{file}"),
    "validate merge": ("validate", "merge", "{file}", "{set}"),
    "validate merge last": ("validate", "merge", "{file}"),
    "unshard": ("unshard", "{file}", "--to", "out"),
    "generate --from": ("generate", "--from", "{file}"),
    "generate --lora": ("generate", "a hat", "--lora", "{file}"),
    "generate --base-model": ("generate", "a hat", "--base-model", "{file}"),
    "validate --project": ("validate", "{set}", "--project", "{file}"),
    "train --project": ("train", "--dry-run", "--project", "{file}"),
    "caption --from": ("caption", "{set}", "--import", "kohya", "--from", "{file}"),
    "caption --model": ("caption", "{set}", "--model", "{file}"),
    "card --template": ("card", "{set}", "--template", "{file}"),
    "init --from": ("init", "new", "--from", "{file}"),
    "shard": ("shard", "{file}", "--to", "out"),
    "inspect": ("inspect", "{file}"),
    "prune": ("prune", "{file}"),
}
ODD_FILES = ("pipe", "device", "folder", "huge", "nothing", "noise")


@pytest.fixture
def in_time() -> Iterator[None]:
    """A command that waits for a pipe ends the test instead of the suite."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(60)
    yield
    signal.alarm(0)


def odd_file(path: Path, kind: str) -> Path:
    if kind == "device":
        return Path("/dev/zero")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 42)
    elif kind == "noise":
        path.write_bytes(bytes(range(256)) * 40)
    return path


@pytest.mark.usefixtures("in_time")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ODD_FILES)
@pytest.mark.parametrize("where", PLACES)
def test_files_that_are_none(where: str, kind: str, pictures: Path, tmp_path: Path) -> None:
    """Each is a sentence at once: nothing waits for a pipe, or reads a device to its end."""
    ending = {"unshard": ".tar", "validate": ".tar", "generate --from": ".png"}.get(where, "")
    file = odd_file(tmp_path / f"odd{ending}", kind)
    words = [w.format(set=pictures, file=file) for w in PLACES[where]]
    done = typed(*words, cwd=tmp_path)
    assert done.returncode in (0, 1, 2, 3)
    assert "bug" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    if kind != "folder":
        assert done.returncode, done.stdout


@pytest.mark.usefixtures("in_time")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["pipe", "device", "huge"])
@pytest.mark.parametrize(
    "name",
    ["a.png", "a.txt", "metadata.jsonl", "metadata.parquet", "README.md", "train.tar",
     "train.parquet", ".gitignore", "LICENSE"],
)  # fmt: skip
def test_files_that_are_none_in_a_folder(kind: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    if name not in ("train.tar", "train.parquet"):
        shutil.copy(write_pictures(tmp_path / "p", 1) / "picture0.png", folder / "b.png")
        if not name.startswith("metadata"):
            (folder / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "a man"}\n')
    file = odd_file(folder / name, kind)
    if kind == "device":
        (folder / name).symlink_to(file)
    for words in (
        ("validate", folder), ("fix", folder, "--dry-run"),
        ("caption", folder, "--import", "kohya", "--dry-run"),
        ("shard", folder, "--to", tmp_path / "shards", "--format", "webdataset"),
        ("unshard", folder, "--to", tmp_path / "unpacked"),
        ("card", folder, "--dry-run"),
        ("push", folder, "me/set", "--dry-run"),
    ):  # fmt: skip
        done = typed(*words, cwd=tmp_path, HF_HUB_OFFLINE="1")
        assert done.returncode in (0, 1, 2, 3)
        assert "bug" not in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr


# --- what is there is not written over -------------------------------------------------------

OUTPUTS: dict[str, tuple[str, ...]] = {
    "--write-baseline": ("validate", "{set}", "--baseline", "{file}", "--write-baseline"),
    "--report": ("validate", "{set}", "--report", "{file}"),
    "--partial": ("validate", "{set}", "--shard", "1/1", "--partial", "{file}"),
    "--sheet": ("inspect", "{set}", "--sheet", "{file}"),
    "--contact-sheet": ("generate", "a hat", "--contact-sheet", "{file}", "--base-model", "{base}",
                        "--size", "64", "--num-inference-steps", "1"),
    "push --plan": ("push", "{set}", "me/set", "--plan", "{file}"),
    "fix --plan": ("fix", "{set}", "--plan", "{file}"),
    "shard --plan": ("shard", "{set}", "--plan", "{file}"),
}  # fmt: skip
_PRECIOUS = {
    "notes.txt": b"all I know",
    "metadata.jsonl": b'{"file_name": "a.png", "text": "a man"}\n',
    "one.jsonl": b'{"schema": 1, "findings": 3}\n',
    "report.json": b'{"schema": 1, "subject": "x", "ok": true}',
    "known.json": b'{"schema": 1, "findings": [], "mine": 1}',
    "other.json": b'{"schema": 1, "findings": [{"rule": "D101"}]}',
    "page.html": b"<!doctype html><title>thesis</title>",
    "picture.png": b"\x89PNG\r\n\x1a\nmine",
    "my.sarif": b'{"runs": []}',
    "README.md": b"# Mine\n",
    "hubtools.toml": b"[train]\n",
    "deep.json": b"[" * 100_000,
}


@pytest.mark.parametrize("name", _PRECIOUS)
@pytest.mark.parametrize("option", OUTPUTS)
def test_outputs_replace_only_what_they_wrote(
    option: str, name: str, pictures: Path, tiny_base: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out" / name
    file.parent.mkdir()
    file.write_bytes(_PRECIOUS[name])
    words = [w.format(set=pictures, file=file, base=tiny_base) for w in OUTPUTS[option]]
    done = typed(*words, cwd=tmp_path)
    assert done.returncode in (1, 2), done.stderr
    assert "bug" not in done.stderr
    assert file.read_bytes() == _PRECIOUS[name]
    assert [one.name for one in file.parent.iterdir()] == [name]


@pytest.mark.parametrize("ending", [".html", ".json", ".jsonl", ".sarif", ".txt"])
@pytest.mark.parametrize("clean", [True, False])
def test_reports_are_renewed(ending: str, clean: bool, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", 2)
    if not clean:
        (folder / "metadata.jsonl").write_text('{"file_name": "none.png"}\n')
    file = tmp_path / f"report{ending}"
    select = ("--select", "D101" if clean else "D")
    for _ in range(2):
        done = typed("validate", folder, *select, "--report", file)
        assert done.returncode in (0, 3), done.stderr
    file.write_bytes(b"")
    assert typed("validate", folder, *select, "--report", file).returncode in (0, 3)


def test_other_outputs_are_renewed(pictures: Path, tmp_path: Path) -> None:
    for words in (
        ("inspect", pictures, "--sheet", tmp_path / "sheet.png"),
        ("validate", pictures, "--shard", "1/1", "--partial", tmp_path / "part"),
        ("validate", pictures, "--baseline", tmp_path / "known.json", "--write-baseline"),
    ):
        for _ in range(2):
            done = typed(*words, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
