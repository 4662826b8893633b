"""The page in a browser: a run that begins, goes on and ends; by keys; on a phone; in the dark."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubtools.watching.serving import watching
from tests import forkserver
from tests.browser import CHROMIUM, Browser, one_browser
from tests.watched import manifest, write_run, write_sample, write_steps

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no browser here")
STATUS = "document.querySelector('#status').textContent"
FACTS = "document.querySelector('#facts').textContent"
CLOSED = "!document.querySelector('#large').open"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@pytest.fixture(scope="module", autouse=True)
def _one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with one_browser(tmp_path_factory.mktemp("browser")):
        yield


def test_a_run_as_it_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    with watching(folder, 3.6) as served, Browser(tmp_path) as page:
        page.open(served.url)
        page.until(f"{STATUS} === 'not begun'")
        write_run(folder, 40)
        for prompt, text in enumerate(("tok <b>", "a dog")):
            write_sample(folder, 0, prompt, text)
        page.until(f"{FACTS}.includes('40 of 100') && {STATUS} === 'running'")
        for said in ("2 steps/s", "30 s", "cost so far0.02", "loss, smoothed"):
            assert said in page.run(FACTS)
        page.until("document.querySelectorAll('.cell img').length === 2")
        assert page.run("document.querySelector('.strip h3').textContent") == "tok <b>"
        assert page.run("document.querySelector('#bar').value") == 0.4
        assert page.run("document.title").startswith("40 % · lora")

        now = "document.dispatchEvent(new Event('visibilitychange'))"  # else it asks in 2 s
        write_steps(folder, range(41, 51), [0, 50])
        for prompt in range(2):
            write_sample(folder, 50, prompt, "tok <b>")
        page.run(now)
        page.until("document.querySelectorAll('.cell img').length === 4")
        page.until("document.querySelectorAll('#loss circle').length === 2")
        assert "loss, held out" in page.run(FACTS)

        manifest(status="interrupted").write(folder)
        page.run(now)
        page.until(f"{STATUS} === 'interrupted'")
        assert "goes on" in page.run("document.querySelector('#notes').textContent")
        manifest(status="finished", steps_done=100).write(folder)
        write_steps(folder, range(51, 101))
        page.run(now)
        page.until(f"{STATUS} === 'finished'")
        assert page.run("document.querySelector('#notes').textContent") == ""
        assert page.complaints == []

        shutil.rmtree(folder)  # moved aside: the next one has not begun
        page.run(now)
        page.until(f"{STATUS} === 'not begun'")


def test_samples_and_curves_by_keys_at_any_size(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a-run-of-a-very-long-name-that-does-not-fit-anywhere-at-all", 60)
    for step in (0, 20, 40, 60):
        for prompt, text in enumerate(("tok, " * 60, "a dog")):
            if (step, prompt) != (20, 1):
                write_sample(folder, step, prompt, text)
    with watching(folder) as served, Browser(tmp_path) as page:
        page.open(served.url)
        page.until("document.querySelectorAll('.cell img').length === 7")
        # a long prompt makes no wide strip, at whose end no picture is
        strips = "document.querySelector('#strips')"
        assert page.run(f"{strips}.scrollWidth <= {strips}.clientWidth")
        read = "document.querySelector('#loss .tip-text')?.textContent"
        page.until("document.querySelector('#loss path')")
        page.run("document.querySelector('#loss').focus()")
        page.key("Home")
        page.until(f"{read} === 'step 1'")
        page.key("ArrowRight")
        page.until(f"{read} === 'step 2'")
        page.key("Escape")
        page.until(f"{read} === undefined")

        page.run("document.querySelector('button.cell').focus()")
        page.key("Enter")
        page.until("document.querySelector('#picture').naturalWidth > 0")
        which = "document.querySelector('#which').textContent"
        assert page.run(which).startswith("The base")
        page.key("ArrowDown")
        page.until("document.querySelector('#said').textContent === 'a dog'")
        page.key("ArrowRight")  # over the one that is not there
        page.until(f"{which}.startsWith('After step 40')")
        page.key("Escape")
        page.until(CLOSED)
        page.until("(document.activeElement.dataset.at || '').includes('step000040_p01')")

        for width, dark in ((1280, False), (390, True), (320, False)):
            page.resize(width, 800, dark=dark)
            assert page.run(FITS), width
            page.click("button.cell")
            page.until(f"!({CLOSED}) && document.querySelector('#picture').naturalWidth > 0")
            assert page.run(FITS), width
            page.key("Escape")
            page.until(CLOSED)
        page.run("document.querySelector('#log').click()")
        page.run("document.querySelector('#settings').open = true")
        assert page.run(FITS)
        assert "owner/base" in page.run("document.querySelector('#values').innerText")
        assert page.complaints == []


def test_a_page_whose_command_has_ended_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "lora", 10)
    process = forkserver.start("watch", "--price-per-hour", "3.6", cwd=tmp_path, together=False)
    try:
        while not (found := re.search(r"http://\S+/\s", process.said()[0])):
            assert process.poll() is None, process.said()
            time.sleep(0.01)
        with Browser(tmp_path) as page:
            page.open(found[0].strip())
            page.until(f"{FACTS}.includes('cost so far') && {STATUS} === 'running'")
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0
            page.run("document.dispatchEvent(new Event('visibilitychange'))")
            page.until("document.querySelector('#notes').textContent.includes('Nobody answers')")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
