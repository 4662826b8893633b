"""A headless Chromium that clicks and types: the DevTools protocol over two pipes, no library.

with Browser(folder) as page:
    page.open("http://127.0.0.1:1234/")
    page.click("#button")
    page.key("Control+s")
    page.until("document.title === 'done'")
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# name -> (code, number of the key, text)
_KEYS = {
    "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), "Tab": ("Tab", 9, ""),
    " ": ("Space", 32, " "), "ArrowLeft": ("ArrowLeft", 37, ""), "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""), "ArrowDown": ("ArrowDown", 40, ""),
    "Delete": ("Delete", 46, ""), "End": ("End", 35, ""), "Home": ("Home", 36, ""),
    "PageDown": ("PageDown", 34, ""),
}  # fmt: skip
# Its pipes are 3 and 4, whatever numbers they have here.
_PLUG = """
import os, sys
one, other = (os.dup2(int(fd), 100 + n) for n, fd in enumerate(sys.argv[1:3]))
os.dup2(one, 3), os.dup2(other, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_MODIFIERS = {"Alt": 1, "Control": 2, "Shift": 8}
# Seconds for it to begin, for an answer, for what a test waits for: each a hundred times what it
# takes. What is longer in coming never comes.
_START, _ANSWER, _WAIT = 60.0, 120.0, 120.0
# Seconds in which what is clicked must not have moved.
_REST = 0.05


class Silent(Exception):
    """The browser has gone, or says nothing any more."""


class _Chromium:
    """The process, which several tabs may share: `ask` it, and hear its `events`."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM is not None
        self._folder = folder
        self._rest, self._count = b"", 0
        self.patience = _START
        self.events: list[dict[str, Any]] = []
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        command = [
            sys.executable, "-ISc", _PLUG, str(to_read), str(to_write), CHROMIUM, "--headless",
            "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--remote-debugging-pipe", f"--user-data-dir={folder / 'chromium'}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)

    def end(self) -> None:
        """With all processes that it began."""
        os.close(self._to)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_WAIT)
        os.close(self._from)
        shutil.rmtree(self._folder / "chromium", ignore_errors=True)

    def ask(self, method: str, session: str | None = None, **params: Any) -> Any:
        """What is answered; `session`: that of a tab."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        try:
            while data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            raise Silent("the browser has gone") from None
        until = time.monotonic() + self.patience
        while True:
            answer = self.next(until)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def next(self, until: float) -> dict[str, Any]:
        """What it says next."""
        while b"\0" not in self._rest:
            left = max(0.0, until - time.monotonic())
            if not select.select([self._from], [], [], left)[0]:
                raise Silent("the browser answers no more")
            block = os.read(self._from, 1 << 16)
            if not block:
                raise Silent("the browser has gone")
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        if answer.get("method") == "Inspector.targetCrashed":
            raise Silent("the page has crashed")
        return answer


_place: Path | None = None  # of the one that is shared
_shared: list[_Chromium] = []


@contextlib.contextmanager
def one_browser(folder: Path) -> Iterator[None]:
    """Within, every `Browser` is a window of the same process, which takes longer to begin than
    most tests take; it shares nothing else with the others."""
    global _place
    _place = folder
    try:
        yield
    finally:
        _place = None
        while _shared:
            _shared.pop().end()


class Browser:
    """One tab of `width` times `height` pixels; `dark` and `touch` as a person's would be."""

    def __init__(
        self, folder: Path, *, width: int = 1280, height: int = 800, dark: bool = False
    ) -> None:
        for last in (False, False, True):
            self._process = _shared[0] if _shared else _Chromium(_place or folder)
            try:
                self._attach()
                break
            except Silent:
                self._give_up()
                if last:
                    raise
        if _place is not None and not _shared:
            _shared.append(self._process)
        self.resize(width, height, dark=dark)

    def _attach(self) -> None:
        process = self._process
        self._session = None
        self.events = process.events = []
        self._context = process.ask("Target.createBrowserContext")["browserContextId"]
        made = process.ask("Target.createTarget", url="about:blank", browserContextId=self._context)
        wanted = {"targetId": made["targetId"], "flatten": True}
        self._session = process.ask("Target.attachToTarget", **wanted)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Inspector"):
            self.call(f"{domain}.enable")
        process.patience = _ANSWER

    def _give_up(self) -> None:
        _shared.clear()
        self._process.end()

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Another window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if not _shared:
            self._process.end()
            return
        try:
            self._process.ask("Target.disposeBrowserContext", browserContextId=self._context)
        except Silent:
            self._give_up()

    def call(self, method: str, **params: Any) -> Any:
        """Ask the tab; what it answers."""
        return self._process.ask(method, self._session, **params)

    def event(self, method: str) -> dict[str, Any]:
        """Wait for an event of the browser; what it says."""
        until = time.monotonic() + _WAIT
        while True:
            for event in self.events:
                if event.get("method") == method:
                    self.events.remove(event)
                    found: dict[str, Any] = event["params"]
                    return found
            self.events.append(self._process.next(until))

    def open(self, url: str) -> None:
        """Go to an address; returns when the page is there."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """The value of an expression; promises are waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait until an expression is true; its value."""
        script = f"(() => {{ {script} }})()" if "return" in script else script
        until = time.monotonic() + _WAIT
        while (value := self.run(script)) in (None, False, 0, ""):  # an element is {}
            if time.monotonic() > until:
                seen = self.run("document.body.innerText.slice(0, 3000)")
                raise AssertionError(f"never true: {script}\n{self.complaints}\n{seen}")
            time.sleep(0.02)
        return value

    def click(self, selector: str, *, count: int = 1) -> None:
        """Click in the middle of the first element that fits, with a real mouse, once it rests."""
        find = (
            f"const e = document.querySelector({json.dumps(selector)});"
            " if (!e) return null; e.scrollIntoView({block: 'nearest'});"
            " const b = e.getBoundingClientRect();"
            " return b.width ? [b.left + b.width / 2, b.top + b.height / 2] : null"
        )
        before, where = None, self.until(find)
        while where != before:
            time.sleep(_REST)
            before, where = where, self.until(find)
        at = {"x": where[0], "y": where[1], "button": "left", "clickCount": count}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def key(self, keys: str) -> None:
        """Press one key, such as `Enter`, `a`, `Control+Shift+z`."""
        *held, name = keys.split("+") if len(keys) > 1 else [keys]
        modifiers = sum(_MODIFIERS[one] for one in held)
        letter = name[0].upper()
        code, number, text = _KEYS.get(name, (f"Key{letter}", ord(letter), name))
        text = "" if modifiers & 3 else text
        key = {"key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        self.call(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **key
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def type(self, text: str) -> None:
        """Write into what has the focus, letter by letter."""
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="char", text=letter, key=letter)

    def html(self) -> str:
        """The page as it is now."""
        found: str = self.run("document.documentElement.outerHTML")
        return found

    def picture(self, path: Path) -> None:
        """A screenshot, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    @property
    def complaints(self) -> list[str]:
        """What the page has said on its console: errors, and what its policy forbade."""
        self.run("1")
        found = []
        for event in self.events:
            if event.get("method") == "Log.entryAdded":
                entry = event["params"]["entry"]
                found += [entry["text"]] if entry["level"] == "error" else []
            elif event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"])[:500])
        return found
