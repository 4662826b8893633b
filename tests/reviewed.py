"""A dataset, the page that serves it, and what a browser would send to it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hubtools
from hubtools.settings import DatasetSettings

SETTINGS = DatasetSettings(trigger="tok", license="cc0-1.0", rights="own")


class Page:
    """The page at an address: what it is told, as JSON."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self.port, self.path = int(parts.port or 0), parts.path

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an answer. `path` is absolute if it begins with `/`; headers
        are written with `_`."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            whole = path if path.startswith("/") else self.path + path
            connection.request(method, whole, body, named)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON there."""
        status, body, _ = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, status: int = 200, **value: Any) -> Any:
        """What is answered to a JSON object."""
        found, body, _ = self.ask(
            "POST", path, json.dumps(value).encode(), Content_Type="application/json"
        )
        assert found == status, body
        return json.loads(body)

    def change(self, *changes: Sequence[Any], **more: Any) -> Any:
        """Change what is pending: pairs of a key and a value."""
        return self.post("change", changes=list(changes), what="a change", **more)

    def write(self, name: str, text: str, column: str = "text") -> Any:
        """Give a picture a caption."""
        return self.change([["caption", name, column], {"after": text}])

    def findings(self) -> Any:
        """The report, once it is there."""
        until = time.monotonic() + 120
        while not (answer := self.get("findings"))["report"]:
            assert not answer["failed"], answer
            assert time.monotonic() < until, "the rules never answered"
        return answer["report"]

    def apply(self) -> Any:
        """Look at the plan, and do it; the plan."""
        made = self.post("plan")
        self.post("apply", digest=made["digest"])
        return made

    def picture(self, name: str) -> Any:
        """The record of a picture."""
        return next(one for one in self.get("set")["pictures"] if one["name"] == name)


@contextmanager
def served(folder: Path, settings: DatasetSettings = SETTINGS, **options: Any) -> Iterator[Page]:
    """The page of a folder, in this process."""
    with hubtools.review(folder, settings, **options) as page:
        yield Page(page.url)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All files of a dataset but hubtools' own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".hubtools" not in path.parts
    }


def captions_of(folder: Path, column: str = "text") -> dict[str, Any]:
    """The captions that lie in metadata.jsonl."""
    lines = (folder / "metadata.jsonl").read_bytes().split(b"\n")
    rows = [json.loads(line) for line in lines if line]
    return {row["file_name"]: row.get(column) for row in rows}
