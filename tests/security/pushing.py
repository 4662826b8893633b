"""Pushing a small dataset to the embedded Hub, beside a colleague who does so too."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from PIL import Image

from hubtools.publish.push import PushOptions, plan_push, push

REPO = "me/people"
TOKEN = "hf_" + "aB3" * 11 + "x"
CARD = "---\nlicense: cc0-1.0\n---\n# People\n"
LEDGER = ".hubtools/pushed.json"


def plan(folder: Path, **options: Any) -> Any:
    return plan_push(folder, REPO, "dataset", PushOptions(**options))


def send(folder: Path, **options: Any) -> Any:
    return push(plan(folder, **options))


def there() -> set[str]:
    return set(HfApi().list_repo_files(REPO, repo_type="dataset")) - {".gitattributes"}


def text_of(name: str) -> str:
    return Path(hf_hub_download(REPO, name, repo_type="dataset")).read_text()


def head() -> str:
    return str(HfApi().dataset_info(REPO).sha)


def colleague(name: str, data: bytes | None) -> None:
    """Somebody else writes a file, or deletes it."""
    if data is None:
        HfApi().delete_file(name, REPO, repo_type="dataset")
    else:
        HfApi().upload_file(
            path_or_fileobj=data, path_in_repo=name, repo_id=REPO, repo_type="dataset"
        )


def rules(made: Any) -> set[str]:
    return {finding.rule for finding in made.report.findings}


def linked(dataset: Path, root: Path) -> Path:
    """A dataset folder of links to pictures that lie elsewhere."""
    root.mkdir()
    shutil.copy(dataset / "metadata.jsonl", root)
    shutil.copy(dataset / "README.md", root)
    for number in range(3):
        (root / f"{number}.png").symlink_to(dataset / f"{number}.png")
    return root


def same_length(path: Path) -> None:
    facts = path.stat()
    path.write_text(TOKEN[: facts.st_size].ljust(facts.st_size))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def without_picture(root: Path) -> None:
    (root / "2.png").rename(root.parent / "2.png")


def table(name: str, text: str) -> Callable[[Path], None]:
    return lambda root: (root / name).write_text(text) and None


def make_dataset(root: Path) -> Path:
    """Three pictures with captions, a card and a note."""
    root.mkdir()
    rows = []
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 9, 9)).save(root / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": f"number {number}"}) + "\n")
    (root / "metadata.jsonl").write_text("".join(rows))
    (root / "README.md").write_text(CARD)
    (root / "notes.txt").write_text("some words about it\n")
    return root


def before_call(
    monkeypatch: Any, owner: Any, name: str, act: Callable[[], object], *, always: bool = False
) -> None:
    """Let something happen right before the client makes a call (the first one, or `always`): the
    moment that somebody else may choose. `act` may make such calls itself."""
    real, waiting = getattr(owner, name), [True]

    def called(*arguments: Any, **options: Any) -> Any:
        if waiting:
            waiting.clear()
            act()
            if always:
                waiting.append(True)
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, called)
