"""Pages of the embedded Hub about what somebody else has written: they are of a size to look at,
and no address or number of it stops them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools.journey.outlook import Judgement
from hubtools.localhub.pages.card import rendered
from hubtools.localhub.pages.place import Place
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

LARGEST = 4_000_000  # bytes of a page; each of these was of hundreds of millions
MANY = 1000


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("pages") / "hub", outlook=Judgement()) as hub:
        yield hub


def shown(hub: Hub, folder: Path, body: str, front: str = "", page: str = "", **row: object) -> str:
    """A page of a dataset of one picture, which says much of how it was drawn."""
    drawn = PngInfo()
    drawn.add_text("parameters", f"{'x' * 60_000}\nSteps: 1")
    Image.new("RGB", (64, 64)).save(folder / "0.png", pnginfo=drawn)
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "0.png"} | row) + "\n")
    (folder / "README.md").write_text(f"---\nlicense: mit\n{front}---\n# X\n\n{body}\n")
    hub.store.mount("dataset", f"me/{folder.name}", folder)
    answer = CLIENT.get(
        f"{hub.url}/datasets/me/{folder.name}{page}", headers={"accept": "text/html"}
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.text) < LARGEST
    return str(answer.text)


def test_a_gallery_of_very_many_that_is_asked_for_very_often(hub: Hub, tmp_path: Path) -> None:
    widgets = "widget:\n" + "- output:\n    url: 0.png\n" * MANY
    page = shown(hub, tmp_path, "<Gallery/>" * MANY, widgets)
    assert page.count('class="gallery"') == 2  # of the card, and of the records
    assert "and more" in page


def test_a_long_text_beside_very_many_pictures(hub: Hub, tmp_path: Path) -> None:
    columns = {f"c{number}_file_name": "0.png" for number in range(300)}
    page = shown(hub, tmp_path, "", page="/viewer", text="word " * 100_000, **columns)
    assert "and 242 columns more" in page


@pytest.mark.parametrize(
    "number", [10**400, -(10**400), float("inf"), float("nan")], ids=["high", "low", "inf", "nan"]
)
def test_numbers_beyond_measure(hub: Hub, tmp_path: Path, number: float) -> None:
    assert "row" in shown(hub, tmp_path, "", page="/viewer?sort=n", text="a", n=number)


def test_addresses_that_are_none(hub: Hub, tmp_path: Path) -> None:
    body = "[x](http://[) ![y](http://[bad)\n\n<img src='http://['>\n"
    front = "widget:\n- output:\n    url: 'http://['\n"
    assert ">X</h1>" in shown(hub, tmp_path, body, front)


def test_brackets_that_nobody_closes() -> None:
    class Nothing(Place):
        def __init__(self) -> None:
            pass

    assert len(rendered("[" * 60_000, Nothing())) < 50_100
    assert "<strong>end" in rendered("[a] " * 40_000 + "**end**", Nothing())


def test_very_many_configurations_of_one_file(hub: Hub, tmp_path: Path) -> None:
    """Each is a dataset of its own to read."""
    named = "".join(f"- config_name: c{n}\n  data_files: metadata.jsonl\n" for n in range(60))
    page = shown(hub, tmp_path, "", f"configs:\n{named}", page="/viewer")
    assert "10 further configurations" in page
    assert page.count('class="chip') == 50
