"""The pages of the embedded Hub: what they show, asked over HTTP and once by a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools.dataset.validate import validate
from hubtools.journey.outlook import Judgement
from hubtools.localhub.server import Hub
from tests.browser import CHROMIUM, Browser
from tests.drawing import write_pictures
from tests.localhub.asking import CLIENT

CARD = """---
license: mit
base_model: me/base
instance_prompt: tok
pipeline_tag: text-to-image
tags: [lora]
widget:
- text: a hat
  parameters: {negative_prompt: ugly}
  output: {url: images/0.png}
---
# LoRA

<Gallery />

Made with [the base](https://huggingface.co/me/base), not [another](https://huggingface.co/me/nix).

See [this](missing.md).
"""
DRAWN = "a hat\nNegative prompt: ugly\nSteps: 7, Sampler: ddim, Seed: 3, Size: 8x8"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A model, pushed; its base and two datasets, mounted."""
    root = tmp_path_factory.mktemp("pages")
    lora = root / "lora"
    (lora / "images").mkdir(parents=True)
    info = PngInfo()
    info.add_itxt("parameters", DRAWN)
    Image.new("RGB", (8, 8), (9, 90, 9)).save(lora / "images/0.png", pnginfo=info)
    (lora / "README.md").write_text(CARD)
    (lora / "lora.safetensors").write_bytes(b"\x02" + b"\0" * 7 + b"{}")
    (root / "base").mkdir()
    (root / "base/README.md").write_text("---\nlicense: mit\n---\n# Base\n")
    with Hub(root / "hub", outlook=Judgement()) as hub:
        hub.store.mount("model", "me/base", root / "base")
        hub.store.mount("dataset", "me/people", _people(root / "people"))
        hub.store.mount("dataset", "me/many", _many(root / "many"))
        api = HfApi(endpoint=hub.url, token=hub.token)
        api.create_repo("me/lora", private=True)
        api.upload_folder(repo_id="me/lora", folder_path=lora)
        yield hub


def _people(folder: Path) -> Path:
    """Two splits; of the other one a picture is missing, and a column holds numbers."""
    write_pictures(folder / "train", 3, (16, 24))
    write_pictures(folder / "test", 3, (16, 16))
    for table in (folder / "train/metadata.jsonl", folder / "test/metadata.jsonl"):
        rows = [json.loads(line) for line in table.read_text().splitlines()]
        for row, score in zip(rows, (2.5, None, -1.0), strict=True):
            row["score"] = score
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "test/picture1.png").unlink()
    return folder


def _many(folder: Path) -> Path:
    """120 rows of two pictures."""
    write_pictures(folder, 2, (8, 8))
    rows = [{"file_name": f"picture{n % 2}.png", "text": f"row <{n:03}>"} for n in range(120)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def ask(hub: Hub, path: str, status: int = 200) -> str:
    answer = CLIENT.get(f"{hub.url}{path}", headers={"accept": "text/html"})
    assert answer.status_code == status, answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    shown: str = answer.text
    assert not re.search(
        r"""(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)[^"]*\.(?:js|css)""", shown
    )
    return shown


def cells(shown: str) -> list[list[str]]:
    """The texts of the viewer's rows."""
    body = shown[shown.index("<tbody>") : shown.index("</tbody>")]
    body = re.sub(r"<template>.*?</template>", "", body)
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r"<tr.*?</tr>", body)
    ]


def test_a_gallery_opens_with_prompt_and_parameters(hub: Hub) -> None:
    shown = ask(hub, "/me/lora")
    figure = shown[shown.index("<figure>") : shown.index("</figure>")]
    assert 'class="zoom"' in figure
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", figure))
    assert told == {
        "Prompt": "a hat", "Negative prompt": "ugly", "Steps": "7", "Sampler": "ddim",
        "Seed": "3", "Size": "8x8",
    }  # fmt: skip
    assert "<td>ddim</td>" in ask(hub, "/me/lora/blob/main/images/0.png")
    pictures = ask(hub, "/datasets/me/people")
    assert "<dt>score</dt><dd>2.5</dd>" in pictures


def test_names_of_pictures_are_no_addresses(hub: Hub, tmp_path: Path) -> None:
    write_pictures(tmp_path, 2, (8, 8))
    table = tmp_path / "metadata.jsonl"
    for number, name in enumerate(("in the wood #3.png", "50%20.png")):
        (tmp_path / f"picture{number}.png").rename(tmp_path / name)
        table.write_text(table.read_text().replace(f"picture{number}.png", name))
    hub.store.mount("dataset", "me/names", tmp_path)
    shown = ask(hub, "/datasets/me/names")
    assert "missing: " not in shown
    assert "in%20the%20wood%20%233.png" in shown
    assert "50%2520.png" in shown


def test_links_lead_to_what_is_here(hub: Hub) -> None:
    shown = ask(hub, "/me/lora")
    assert '<a href="/me/base" rel="noreferrer">the base</a>' in shown
    assert "huggingface.co/me/nix" not in shown
    assert "another</span>" in shown


def test_no_section_stands_twice(hub: Hub) -> None:
    for path in ("/me/lora", "/datasets/me/people"):
        heads = re.findall(r"<h[12][^>]*>(.*?)</h[12]>", ask(hub, path))
        assert len(heads) == len(set(heads))
        assert not {"Files", "History"} & set(heads)
        # as many as were pushed, and the one that a new repository has
        assert re.search(r"<dt>Files</dt><dd>\d+( and \.gitattributes)? · ", ask(hub, path))


def test_findings_stand_at_their_line(hub: Hub) -> None:
    shown = ask(hub, "/me/lora")
    paragraph = shown.index("See <a")
    rule = re.search(r'<div class="finding[^>]*><span[^>]*>(C\d+)</span>', shown[paragraph:])
    assert rule is not None
    assert shown.index("<h1>LoRA</h1>") < paragraph
    assert "missing.md" in shown[paragraph + rule.start() :].split("</div>")[0]
    numbered = ask(hub, "/me/lora/blob/main/README.md")
    line = CARD[: CARD.index("See [this]")].count("\n") + 1
    behind = numbered[numbered.index(f'id="L{line}"') :].split("<code", 1)[0]
    assert rule[1] in behind
    assert rule[1] in ask(hub, "/me/lora/tree/main/")


def test_advice_names_no_folder_of_the_hub(hub: Hub) -> None:
    """What a repository is laid out in to be judged is no place that a reader has."""
    api = HfApi(endpoint=hub.url, token=hub.token)
    api.create_repo("me/bare", private=True)
    card = b"---\ntags: [lora]\n---\n# Bare\n"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="me/bare")
    shown = ask(hub, "/me/bare")
    assert "`hubtools card FOLDER --license ID`" in shown
    assert "view-" not in shown


def test_the_viewer_has_the_rows_that_validate_predicts(hub: Hub, tmp_path: Path) -> None:
    people = hub.store.find("dataset", "me", "people")
    assert people is not None
    assert people.mount is not None
    predicted = validate(people.mount.folder).facts["loaders"]["auto"]["splits"]
    for split, told in predicted.items():
        shown = ask(hub, f"/datasets/me/people/viewer/default/{split}")
        numbers = [row[0] for row in cells(shown) if len(row) > 1]
        assert numbers == [str(number) for number in range(told["rows"])]
        heads = re.findall(r'<th scope="col"><a[^>]*>(\w+)', shown)
        assert heads == told["columns"]
    assert "float64" in shown
    assert "-1 to 2.5, mean 0.75 · 1 empty" in shown
    assert "The loader stops at this row: there is no such file" in shown
    assert "D201" in shown
    assert "Loading: raises on access" in shown
    assert "D201" not in ask(hub, "/datasets/me/many/viewer")


def test_the_viewer_sorts_searches_and_turns_pages(hub: Hub) -> None:
    many = "/datasets/me/many/viewer/default/train"
    assert len(cells(ask(hub, many))) == 50
    assert [row[0] for row in cells(ask(hub, f"{many}?p=2"))] == [str(n) for n in range(100, 120)]
    assert [row[0] for row in cells(ask(hub, f"{many}?p=999"))][-1] == "119"
    found = cells(ask(hub, f"{many}?q=%3C11&sort=text&desc=1"))
    assert [row[2] for row in found] == [f"row &lt;{n}&gt;" for n in range(119, 109, -1)]
    assert "0 of 120 rows" in ask(hub, f"{many}?q=nowhere")
    scores = "/datasets/me/people/viewer/default/test?sort=score"
    for query, order in (("", ["2", "0", "1"]), ("&desc=1", ["0", "2", "1"])):
        numbers = [row[0] for row in cells(ask(hub, scores + query)) if len(row) > 1]
        assert numbers == order
    ask(hub, "/datasets/me/many/viewer/default/nix", 404)


def test_a_missing_page_says_what_is_missing(hub: Hub) -> None:
    for path, words in (
        ("/me/nix", "This Hub has no model me/nix."),
        ("/datasets/me/lora", "There is a model of that name."),
        ("/me/lora/blob/main/no.txt", "There is no file no.txt in me/lora at main."),
        ("/me/lora/tree/v9/", "me/lora has no branch, tag or commit v9."),
        ("/nobody", "There is nobody called nobody here."),
        ("/me/lora/nothing", "find the page"),
        ("/docs/hub", "find the page"),
    ):
        shown = ask(hub, path, 404)
        assert words in shown.replace("&#x27;", "'")
        assert "password" not in shown
    # a program is told what the Hub tells it
    answer = CLIENT.get(f"{hub.url}/me/nix")
    assert answer.status_code == 401


def test_lists_have_pictures(hub: Hub) -> None:
    models, datasets = ask(hub, "/models"), ask(hub, "/datasets")
    assert models.count("<img") == 1
    assert "text-to-image · mit · based on me/base" in models
    assert datasets.count("<img") == 2
    assert "5 pictures" in datasets
    assert "me/people" not in models
    assert "No spaces yet" in ask(hub, "/spaces")


def test_words_of_records_are_words(tmp_path: Path) -> None:
    """Names, values and columns from strangers run nothing."""
    evil = "</td><script>alert(1)</script>\"'onerror=alert(1) x"
    folder = tmp_path / "evil"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    info = PngInfo()
    info.add_itxt("parameters", f"{evil}\nSteps: <b>, Seed: {evil}")
    Image.new("RGB", (8, 8)).save(folder / "<img src=x onerror=alert(1)>.png", pnginfo=info)
    rows = [
        {"file_name": "a.png", "text": evil, evil: evil},
        {"file_name": "<img src=x onerror=alert(1)>.png", "text": "b", evil: None},
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Hub(tmp_path / "hub", outlook=Judgement()) as hub:
        hub.store.mount("dataset", "me/evil", folder)
        for path in ("", "/viewer", f"/viewer/default/train?q={evil}", "/tree/main/"):
            seen = Tags()
            seen.feed(ask(hub, f"/datasets/me/evil{path}"))
            assert [name for name, _ in seen.tags].count("script") == 1
            told = {attribute for _, attributes in seen.tags for attribute in attributes}
            assert not {one for one in told if one.startswith("on")}
            assert {"b", "iframe", "style"}.isdisjoint(name for name, _ in seen.tags)


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))


def test_pages_of_a_gated_repository_show_its_card_alone(tmp_path: Path) -> None:
    """To a stranger; its owner sees all of it."""
    folder = write_pictures(tmp_path / "secret", 2, (8, 8))
    (folder / "metadata.jsonl").write_text('{"file_name": "picture0.png", "text": "zanzibar"}\n')
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Closed\n")
    with Hub(tmp_path / "hub", outlook=Judgement(), open_pages=False) as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        where = {"repo_id": "me/closed", "repo_type": "dataset"}
        api.create_repo(**where, private=False)
        api.upload_folder(**where, folder_path=folder)
        more = b'{"file_name": "picture1.png", "text": "zanzibar too"}\n'
        api.upload_file(
            **where, path_or_fileobj=more, path_in_repo="metadata.jsonl", create_pr=True
        )
        api.update_repo_settings(**where, gated="auto")
        head = api.repo_info(**where).sha
        page = "/datasets/me/closed"
        told = 0
        paths = "/viewer /viewer/default/train /tree/main/ /commits/main /blob/main/metadata.jsonl"
        paths += " /blob/main/picture0.png /discussions/1 /cell/picture0.png"
        paths += f" /commit/{head} /resolve/main/metadata.jsonl"
        for path in ("", *paths.split()):
            accept = {"accept": "text/html"}
            stranger = CLIENT.get(f"{hub.url}{page}{path}", headers=accept)
            assert "zanzibar" not in stranger.text, path
            assert "D202" not in stranger.text, path
            owner = {**accept, "authorization": f"Bearer {hub.token}"}
            told += "zanzibar" in CLIENT.get(f"{hub.url}{page}{path}", headers=owner).text
        assert told >= 6
        assert "Closed" in CLIENT.get(f"{hub.url}{page}", headers=accept).text
        assert "is gated" in CLIENT.get(f"{hub.url}{page}/viewer", headers=accept).text


def test_without_checks_there_is_no_viewer(local_hub: Hub) -> None:
    HfApi().create_repo("me/x", repo_type="dataset")
    assert "Viewer" not in ask(local_hub, "/datasets/me/x")
    assert "without the checks" in ask(local_hub, "/datasets/me/x/viewer", 404)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_picture_opens_in_a_browser(hub: Hub, tmp_path: Path) -> None:
    """The script runs under the page's own policy."""
    with Browser(tmp_path) as browser:
        browser.open(f"{hub.url}/me/lora#picture-1")
        browser.until("document.querySelector('dialog').open")
        seen = browser.html()
    dialog = seen[seen.index("<dialog") :]
    assert re.match(r"<dialog[^>]* open", dialog)
    assert "<dd>ddim</dd>" in dialog
    assert "1 of 1" in dialog
