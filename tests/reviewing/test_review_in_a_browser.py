"""The page in a browser, by mouse and keys."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forkserver
from tests.browser import CHROMIUM, Browser, one_browser
from tests.drawing import write_pictures
from tests.reviewed import bytes_of, captions_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no browser here")


@pytest.fixture(scope="module", autouse=True)
def _one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with one_browser(tmp_path_factory.mktemp("browser")):
        yield


@contextmanager
def started(folder: Path) -> Iterator[tuple[str, forkserver.Process]]:
    """The command in a process of its own, and the address that it prints."""
    words = ("review", folder, "--trigger", "tok", "--license", "cc0-1.0")
    process = forkserver.start(*words, together=False)
    try:
        until = time.monotonic() + 120
        while not (found := re.search(r"http://\S+/\s", process.said()[0])):
            assert process.poll() is None, process.said()
            assert time.monotonic() < until, f"no address: {process.said()}"
            time.sleep(0.01)
        yield found[0].strip(), process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def ready(page: Browser, url: str) -> None:
    page.open(url)
    page.until("document.querySelectorAll('.tile .words').length > 3")


# A letter is typed: whether the button waits for what it would do now.
ONE_LETTER_MORE = """(() => {
  document.querySelector('#m-new').dispatchEvent(new Event('input'));
  return document.querySelector('#m-go').disabled;
})()"""
# A dialog closes and a key opens the next before the page hears that the first has closed.
NEXT_KEY_AT_ONCE = """(() => {
  document.querySelector('#dialog').close();
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'v', bubbles: true }));
})()"""
LATE = """const ask = window.fetch, told = new Promise((done) => { window.tell = done; });
window.fetch = async (...asked) => {
  if (String(asked[0]).includes("findings")) await told;
  return ask(...asked);
};"""


# What is sent to be kept waits until it is let go.
HELD = """const ask = window.fetch; window.held = [];
window.fetch = async (...asked) => {
  if (String(asked[0]).endsWith("change")) await new Promise((go) => { window.held.push(go); });
  return ask(...asked);
};"""


def test_it_says_kept_once_all_is(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 5)
    kept = "document.querySelector('#kept').textContent"
    with Browser(tmp_path) as page, started(folder) as (url, _):
        page.call("Page.addScriptToEvaluateOnNewDocument", source=HELD)
        ready(page, url)
        page.key("Enter")
        page.type("a")
        page.key("Enter")  # to the next, while the first stands in line
        page.type("b")
        page.key("Enter")
        page.until("held.length === 1")
        page.run("held[0]()")
        page.until("held.length === 2")
        assert page.run(kept) == "keeping…"
        page.run("held[1]()")
        page.until(f"{kept} === 'kept'")
        assert page.run("document.querySelectorAll('.mark.edited').length") == 2


def test_captions_by_mouse_and_keys_survive_a_kill(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 8)
    records = (folder / "metadata.jsonl").read_text()
    (folder / "metadata.jsonl").write_text(records.replace("photo of a tok, number 7", ""))
    before = bytes_of(folder)
    with Browser(tmp_path) as page:
        with started(folder) as (url, process):
            ready(page, url)
            page.click("#p7 .face")  # what was found follows what is typed, and comes back with it
            page.until("document.querySelector('.found').textContent.includes('D502')")
            page.click("#detail textarea")
            page.type("a tok")
            page.until("!document.querySelector('.found').textContent.includes('D502')")
            page.until("!document.querySelector('#p7 .mark.error')")
            page.key("Escape")
            page.click("#detail .past button")
            page.until("document.querySelector('.found').textContent.includes('D502')")
            page.click("#p1 .face")  # by mouse: open it, click into the field, write
            page.click("#detail textarea")
            page.key("End")
            page.type(", by mouse")
            page.until("document.querySelector('#p1 .words').textContent.endsWith('by mouse')")
            page.key("Escape")
            page.key("ArrowRight")  # by keys: two captions in a row
            page.key("Enter")
            page.type(", by keys")
            page.key("Enter")
            page.type(", on the way")
            page.until("document.querySelector('#p3 .words').textContent.endsWith('on the way')")
            page.until("document.querySelector('#kept').textContent === 'kept'")
            assert bytes_of(folder) == before
            process.send_signal(signal.SIGKILL)
            process.wait()
            page.until("document.querySelector('.note.bad')?.textContent.includes('has stopped')"
                       " || window.dispatchEvent(new Event('focus')) && false")  # fmt: skip
        with started(folder) as (url, _):
            ready(page, url)
            page.until("document.querySelectorAll('.mark.edited').length === 3")
            assert bytes_of(folder) == before
            page.key("Control+s")
            page.until("document.querySelector('#do-apply:enabled')")
            shown = page.run("document.querySelector('#dialog').textContent")
            assert "by mouse" in shown
            assert "metadata.jsonl" in shown
            assert bytes_of(folder) == before
            page.key("Enter")
            page.until("document.querySelector('#open-apply:disabled')")
            after = captions_of(folder)
            assert after["picture1.png"] == "photo of a tok, number 1, by mouse"
            assert after["picture2.png"] == "photo of a tok, number 2, by keys"
            assert after["picture3.png"] == "photo of a tok, number 3, on the way"
            page.click("#open-history")
            page.click("#undo-last")
            page.until("document.querySelector('#notes').textContent.includes('pending again')")
            page.until("document.querySelectorAll('.mark.edited').length === 3")
            assert bytes_of(folder) == before
            page.key("Control+z")
            page.until("document.querySelector('#p1 .words').textContent.endsWith('number 1')")
        died = ("ERR_CONNECTION", "ERR_CONTENT_LENGTH_MISMATCH", "ERR_EMPTY_RESPONSE")
        assert [c for c in page.complaints if not any(why in c for why in died)] == []


def test_tags_of_other_captions_are_offered(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 5)
    lines = (folder / "metadata.jsonl").read_text().splitlines()
    tags = ["red scarf, smile", "red scarf, redwood", "smile", "", ""]
    rows = [json.loads(line) | {"text": tag} for line, tag in zip(lines, tags, strict=True)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    offered = "[...document.querySelectorAll('.tags-offered button')].map((b) => b.textContent)"
    with Browser(tmp_path, width=390, height=800) as page, started(folder) as (url, _):
        page.call("Page.addScriptToEvaluateOnNewDocument", source=LATE)
        ready(page, url)
        page.click("#p3 .face")
        page.click("#detail textarea")
        page.type("r")
        assert page.run(offered) == []  # one letter says too little
        page.run("window.tell()")  # the rules answer while somebody writes
        page.until("document.querySelector('#open-findings:enabled')")
        page.type("e")
        assert page.run(offered) == ["red scarf 2", "redwood 1"]
        page.key("Tab")
        page.until("document.querySelector('#detail textarea').value === 'red scarf'")
        page.type(", re")
        assert page.run(offered) == ["redwood 1"]  # not what the caption has
        page.key("Escape")
        assert page.run(offered) == []
        assert page.run("document.activeElement.tagName") == "TEXTAREA"
        page.type("d")
        page.key("ArrowDown")
        page.key("Tab")
        page.type(", SM")
        page.click(".tags-offered button")
        page.until("document.querySelector('#kept').textContent === 'kept'")
        page.until(
            "document.querySelector('#detail textarea').value === 'red scarf, redwood, smile'"
        )
        page.type(", re")  # nothing is left of it, so Tab goes on to the next field
        assert page.run(offered) == []
        number = "+document.querySelector('#open-findings').textContent.split(' ')[1]"
        page.until("document.querySelector('#kept').textContent === 'kept'")
        there = page.run(number)
        page.key("Control+s")
        page.until("document.querySelector('#do-apply:focus')")
        page.key("Control+z")
        page.until("!document.querySelector('#dialog').open")
        page.until("document.querySelector('#detail textarea').value === ''")
        page.key("Delete")  # its findings go with it
        page.until(f"{number} < {there}")
        assert page.run("document.documentElement.scrollWidth") == 390
        assert page.complaints == []


def test_it_is_readable_on_a_telephone_and_by_night(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 5)
    with Browser(tmp_path, width=390, height=800, dark=True) as page, started(folder) as (url, _):
        ready(page, url)
        assert page.run("document.documentElement.scrollWidth") == 390
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(19, 19, 22)"
        assert page.run("document.querySelector('#p2').getBoundingClientRect().right < 390")
        page.click("#p1 .face")
        page.until("getComputedStyle(document.querySelector('#detail')).display === 'block'")
        assert page.run("document.querySelector('textarea').getBoundingClientRect().width > 300")
        page.click("#detail [aria-label='The next picture']")
        page.until("document.querySelector('#detail h2').textContent === 'picture2.png'")
        page.click("#detail .narrow")
        page.until("getComputedStyle(document.querySelector('#detail')).display === 'none'")
        page.click("#show-filters")
        page.run("document.querySelector('#search').focus()")
        page.type("number 3")
        page.until("document.querySelector('#count').textContent === '1 of 5 pictures'")
        assert page.complaints == []


SAYS_WHOSE_COPY = (
    "document.querySelector('.found').textContent.includes('the same file: picture5.png')"
)


def test_many_at_once_by_keys(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 6)
    (folder / "copy.png").write_bytes((folder / "picture5.png").read_bytes())
    before = bytes_of(folder)
    with Browser(tmp_path) as page, started(folder) as (url, _):
        ready(page, url)
        page.until("document.querySelector('#open-copies:not([hidden])')")
        page.until(SAYS_WHOSE_COPY)
        page.key("ArrowRight")
        page.key("Shift+ArrowRight")
        page.key("Shift+ArrowRight")  # three are selected
        page.key("b")
        page.until("document.activeElement.id === 'm-text'")
        page.type("photo")
        page.key("Tab")
        page.type("drawing")
        page.until("document.querySelector('#m-go:enabled')?.textContent === 'Change 3 captions'")
        assert page.run("document.querySelectorAll('#dialog .change ins').length") == 3
        assert page.run(ONE_LETTER_MORE) is True  # what is shown is not what would be done
        page.until("document.querySelector('#m-go:enabled')?.textContent === 'Change 3 captions'")
        page.key("Enter")
        page.until("document.querySelectorAll('.mark.edited').length === 3")
        page.key("Control+z")
        page.until("document.querySelectorAll('.mark.edited').length === 0")
        page.key("Control+Shift+z")
        page.until("document.querySelectorAll('.mark.edited').length === 3")
        page.key("Escape")
        page.key("r")  # of the one that the keys are at
        page.until("document.querySelector('.tile.here img').style.transform === 'rotate(90deg)'")
        page.key("d")
        page.click(".copy:not(:last-child) .primary")  # keep the first, which has a caption
        page.until("document.querySelector('.copy.gone')")
        page.run(NEXT_KEY_AT_ONCE)
        page.until("document.querySelector('#dialog .finding')")
        page.key("Escape")
        page.key("Control+s")
        page.until("document.querySelector('#do-apply:enabled')")
        assert bytes_of(folder) == before
        page.key("Enter")
        page.until("document.querySelector('#open-apply:disabled')")
        after = captions_of(folder)
        assert sum(text.startswith("drawing") for text in after.values()) == 3
        assert not (folder / "copy.png").exists()
        assert page.complaints == []


def test_the_crop_is_dragged_and_one_finding_is_fixed(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 5, size=(1024, 512))
    meta = folder / "metadata.jsonl"
    meta.write_text(
        meta.read_text().replace("a tok,", "somebody,").replace("body, number 0", " tok")
    )
    before = bytes_of(folder)
    crop = "document.querySelector('.cut')?.getBoundingClientRect()"
    with Browser(tmp_path) as page, started(folder) as (url, _):
        ready(page, url)
        page.until("document.querySelector('#open-findings:enabled')")
        page.click("#p1 .face")
        page.until("document.querySelector('.cut.placed')")
        left, top, wide = page.run(f"[{crop}.left, {crop}.top, {crop}.width]")
        where = {"y": top + 20, "button": "left"}
        for kind, x in (("Pressed", left + 9), ("Moved", left), ("Moved", left - 4000),
                        ("Released", left - 4000)):  # fmt: skip
            page.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, clickCount=1, **where)
        page.until("document.querySelector('#p1 .mark.edited')")
        assert page.run(f"{crop}.left") == page.run("document.querySelector('.shown')"
                                                    ".getBoundingClientRect().left")  # fmt: skip
        assert page.run(f"{crop}.width") == wide
        page.key("Control+z")
        page.until(f"Math.abs({crop}?.left - {left}) < 1")
        page.key("Escape")
        page.key("ArrowRight")
        page.key("Shift+C")  # the same by keys, of the next one
        page.until("document.activeElement.classList.contains('placed')")
        page.key("ArrowRight")
        page.key("Shift+ArrowRight")
        page.key("Escape")
        page.until("document.querySelector('#p2 .mark.edited')")
        assert page.run("document.activeElement.id") == "grid"
        page.until("document.querySelectorAll('#detail .finding button').length === 2")
        page.click("#detail .finding button")  # of this picture; the other is for all
        page.until("document.querySelector('#open-apply').textContent.startsWith('Apply 2')")
        page.key("Control+s")
        page.until("document.querySelector('#do-apply:enabled')")
        page.key("Enter")
        page.until("document.querySelector('#open-apply:disabled')")
        rows = [json.loads(line) for line in meta.read_text().splitlines()]
        # 512 of 1,024 pixels are cut off: a twentieth of them, and one
        assert [row.get("crop_focus") for row in rows] == [
            None, None, [round((256 + 26 + 1 + 256) / 1024, 4), 0.5], None, None,
        ]  # fmt: skip
        assert [row["text"][:4] == "tok," for row in rows] == [n == 2 for n in range(5)]
        page.until("document.querySelector('#detail .facts')")
        page.click("#open-history")
        # a time as people write it; what `fix --undo --id` takes is behind it
        first = "document.querySelector('#dialog .finding strong')"
        page.until(f"Boolean({first})")
        assert re.fullmatch(r"\d+ \w+ \d{4},? [\d:]{8}", page.run(f"{first}.textContent"))
        assert re.search(r"--id \d{8}T\d{6}Z", page.run(f"{first}.title"))
        page.click("#undo-last")
        page.until("!document.querySelector('#dialog').open")
        page.until("document.querySelector('#p2 .words').textContent.startsWith('photo')")
        assert bytes_of(folder) == before
        page.key("k")  # the file itself is cut, by keys
        page.until("document.activeElement.classList.contains('cutting')")
        wide = page.run(f"{crop}.width")
        page.key("-")
        page.key("ArrowRight")
        assert page.run(f"{crop}.width") < wide
        page.key("Enter")
        page.until(
            "document.querySelector('#open-apply').textContent.startsWith('Apply 3 changes')"
        )
        page.key("Control+z")
        page.until("document.querySelector('#open-apply').textContent.startsWith('Apply 2')")
        # numbers beside the rules follow what is typed
        beside = "[...document.querySelectorAll('#f-rule option')].map((one) => one.text)"
        page.until(f"{beside}.some((text) => / D504 .*\\(4\\)/.test(text))")
        page.run("""(() => { const area = document.querySelector('#detail textarea');
            area.value = ''; area.dispatchEvent(new Event('input')); })()""")
        page.until(f"{beside}.some((text) => / D504 .*\\(3\\)/.test(text))")
        page.until(f"{beside}.some((text) => /D502 A caption is empty.*\\(1\\)/.test(text))")
        assert page.complaints == []


def test_tags_are_looked_through_and_dragged(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "people", 5)
    lines = (folder / "metadata.jsonl").read_text().splitlines()
    texts = ["tok, red, hat", "tok, red, dark red", "tok, blue", "hat, red, tok", "tok"]
    rows = [json.loads(line) | {"text": text} for line, text in zip(lines, texts, strict=True)]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    row = "[...document.querySelectorAll('.tags > div')]"
    chips = "[...document.querySelectorAll('.own-tags > span')]"
    with Browser(tmp_path) as page, started(folder) as (url, _):
        ready(page, url)
        page.key("t")
        page.until("document.querySelector('.tags .tag')?.textContent === 'tok'")
        # tiles in reserve are not seen
        assert page.run("[...document.querySelectorAll('.tile')].every((e) => e.id || e.hidden)")
        often = page.run(f"{row}.map((one) => one.children[1].textContent)")
        assert often == ["5", "3", "2", "1", "1"]
        page.click(".tags > div:nth-child(2) button")  # with red
        page.click(".tags > div:nth-child(3) button:nth-of-type(2)")  # without hat
        page.until("document.querySelector('#count').textContent === '1 of 5 pictures'")
        page.key("Escape")
        page.click("#chosen button:nth-child(2)")
        page.until("document.querySelector('#count').textContent === '3 of 5 pictures'")
        page.key("t")
        page.click(".tags > div:nth-child(2) button:nth-of-type(3)")  # rename it: exactly red
        page.type("green")
        page.until("document.querySelector('#m-go:enabled')?.textContent === 'Change 3 captions'")
        page.key("Enter")
        page.until("document.querySelectorAll('.mark.edited').length === 3")
        page.click("#p1 .face")
        page.until(f"{chips}.length === 3")
        page.run(f"{chips}[0].scrollIntoView({{block: 'center'}})")
        first, last = page.run(
            f"[{chips}[0], {chips}[2]].map((one) => one.getBoundingClientRect())"
            ".map((box) => [box.left + 6, box.right - 2, box.top + 9])"
        )
        way = [("Pressed", first[0]), ("Moved", last[0]), ("Moved", last[1]), ("Released", last[1])]
        for kind, x in way:
            page.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=last[2],
                      button="left", clickCount=1)  # fmt: skip
        value = "document.querySelector('#detail textarea').value"
        page.until(f"{value} === 'green, dark red, tok'")
        page.key("Alt+ArrowLeft")
        page.until(f"{value} === 'green, tok, dark red'")
        page.key("Delete")
        page.until(f"{value} === 'green, dark red'")
        page.until("document.querySelector('#kept').textContent === 'kept'")
        assert page.complaints == []
