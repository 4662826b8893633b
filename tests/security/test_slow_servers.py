"""Each drop of an answer is a sign of life, so that no time-out of the client ends it."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

from hubtools.errors import HubtoolsError
from hubtools.hub import answers, pace
from hubtools.hub.commit import Repository
from hubtools.hub.download import fetched, model_info
from hubtools.hub.patience import _patient, be_patient
from hubtools.hub.reading import get
from hubtools.journey import doctor

HEAD = b"HTTP/1.1 200 OK\r\nX-Repo-Commit: " + b"1" * 40 + b'\r\nETag: "' + b"e" * 40 + b'"\r\n'
INFO = b'{"id": "o/n", "sha": "' + b"1" * 40 + b'", "siblings": []}'


class Server:
    """One that answers each request, once it has read so many bytes, as `says` has it: byte by
    byte after the first `slow` of them."""

    def __init__(self) -> None:
        self.says, self.slow, self.reads = b"", 1 << 30, 1
        self.then: Callable[[], bytes] | None = None
        self.over = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                at, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(at,), daemon=True).start()

    def _answer(self, at: socket.socket) -> None:
        with closing(at):
            try:
                asked = at.recv(1 << 16)
                while len(asked) < self.reads and (more := at.recv(1 << 16)):
                    asked += more
                if self.then is not None:
                    self.says = self.then()
                body = b"" if asked.startswith(b"HEAD") else self.says.partition(b"\r\n\r\n")[2]
                said = self.says.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
                at.sendall(said[: self.slow])
                for number in range(self.slow, len(said)):
                    if self.over.wait(0.002):
                        return
                    at.sendall(said[number : number + 1])
            except OSError:
                return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    be_patient()  # it would take another client else
    server = Server()
    session = httpx2.Client(transport=_patient(httpx2.HTTPTransport()), follow_redirects=True)
    monkeypatch.setattr(_http, "_GLOBAL_CLIENT", session)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pace, "HEAD", 0.1)
    monkeypatch.setattr(pace, "SPAN", 0.1)
    yield server
    server.over.set()
    server.socket.close()
    session.close()


@contextmanager
def told(sentence: str) -> Iterator[None]:
    with pytest.raises(HubtoolsError, match=f"^The Hub is too slow \\(.*\\): {sentence}"):
        yield


ASKS: dict[str, Callable[[], object]] = {
    "info": lambda: model_info("o/n"),
    "file": lambda: fetched("o/n", "a.bin"),
    "to be read": lambda: get("o/n", "model", "1" * 40, "a.bin", 10**6),
    "made": lambda: Repository("o/n", "model").create(private=True),
}


@pytest.mark.parametrize("how", ASKS)
def test_a_head(server: Server, how: str) -> None:
    server.says, server.slow = HEAD + b"X: y\r\n" * 5000 + b"\r\n", 10
    with told("its answer did not begin in"):
        ASKS[how]()


# `slow`: the last bytes of heads, or bodies, which an answer to HEAD has not.
@pytest.mark.parametrize(
    ("how", "slow"), [("info", 45), ("info", 60), ("file", 45), ("to be read", 60)]
)
def test_a_chain_of_redirects(server: Server, how: str, slow: int) -> None:
    """Each step takes less than the time of one, all of them more."""
    count = itertools.count()

    def says() -> bytes:
        onward = b"HTTP/1.1 307 Onward\r\nLocation: /%d\r\n" % next(count)
        return onward + b"Content-Length: 20\r\n\r\n" + bytes(20)

    server.then, server.slow = says, slow
    with told("its answer did not begin in"):
        ASKS[how]()
    assert next(count) < 20


@pytest.mark.parametrize("location", ["http://[", "//[::1", "http://\udc80/", "http://a:b/", "\0"])
def test_an_address_that_is_none_is_for_the_client_to_judge(location: str) -> None:
    answer = SimpleNamespace(headers={"location": location})
    below = SimpleNamespace(handle_request=lambda request: answer)
    assert pace.Kept(below).handle_request(httpx2.Request("GET", "http://a/")) is answer


@pytest.mark.parametrize("how", ["file", "to be read"])
def test_a_file(server: Server, tmp_path: Path, how: str) -> None:
    server.says = HEAD + b"Content-Length: 5000\r\n\r\n" + bytes(5000)
    server.slow = len(HEAD) + 30
    with told("it sent less than 300,000 bytes in"):
        ASKS[how]()
    assert not [path for path in tmp_path.rglob("blobs/*") if path.is_file()]


def test_an_answer_of_the_api(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_LONGEST", 0.05)
    server.says = HEAD + b"Content-Length: %d\r\n\r\n" % len(INFO) + INFO
    server.slow = len(HEAD) + 30
    with told("its answer did not end in"):
        model_info("o/n")


def test_what_is_sent(server: Server) -> None:
    """A server that takes next to nothing of it."""
    made = pace.Pace(httpx2.Request("PUT", f"{server.url}/a"), "took")
    made.note(0.09, 100)
    with told("it took less than 300,000 bytes in"):
        made.note(0.02, 100)
    made = pace.Pace(None, "took")
    for _ in range(100):
        made.note(0.02, 70_000)


def test_what_is_sent_counts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(pace.Pace, "note", lambda self, seconds, count: counted.append(count))
    server.reads = 100_000
    server.says = HEAD + b"Content-Length: 2\r\n\r\n{}"
    _http.get_session().post(f"{server.url}/api/x", content=bytes(100_000))
    assert sum(counted) > 100_000
    assert max(counted) <= 1 << 14


def test_the_question_of_doctor(server: Server) -> None:
    server.says, server.slow = HEAD + b"X: y\r\n" * 5000 + b"\r\n", 10
    said = doctor._answers(server.url, 0.05)
    assert (said.value, said.state) == ("no answer: timed out", "note")


def test_in_time(server: Server) -> None:
    """Waiting alone counts, and the head's deadline ends with it."""
    server.says = HEAD + b"Content-Length: %d\r\n\r\n" % len(INFO) + INFO
    server.slow = len(server.says) - 20
    for _ in range(2):
        assert model_info("o/n").files == ()
    server.slow = 1 << 30
    server.says = HEAD + b"Content-Length: 400000\r\n\r\n" + bytes(400_000)
    assert fetched("o/n", "a.bin").stat().st_size == 400_000
