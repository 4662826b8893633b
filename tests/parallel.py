"""`pytest --workers N`: the tests on N processes, a file at a time.

They are forked once all is imported and collected, which takes longer than most files of tests.
Each takes the next file of the queue when it is done with one, and tells what came out.

Meanwhile one more, forked before, is busy with the files that the list `--early` names: those that
need no PyTorch. Their tests take less time in it, as it has little in memory; those that fork, a
third. When there is nothing else to do the others take the rest of these files, and one more of
them begins when it is done.
"""

from __future__ import annotations

import gc
import io
import itertools
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
from _pytest.config import create_terminal_writer

from tests import forkserver, homes, largepages


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=1, metavar="N", help="processes of tests")
    parser.addoption(
        "--early", type=Path, metavar="LIST", help="names files begun while others are collected"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    config, option = session.config, session.config.option
    if option.workers > 1:
        gc.disable()  # all that is imported and collected stays
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS  # perhaps without these files
    if option.early and option.workers > 1 and not option.collectonly and not chosen:
        paths = option.early.read_text("utf-8").split()
        config.stash[_EARLY] = _begin_early(session, paths)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    option = session.config.option
    if option.workers < 2 or option.collectonly or session.testsfailed or not session.items:
        return None
    early = session.config.stash.get(_EARLY, None)
    if early is not None:
        del session.config.stash[_EARLY]
    _Crew(session, early).run(option.workers)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    early = config.stash.get(_EARLY, None)
    if early is not None:  # there was no loop
        _end(early.pid)


class _Early(NamedTuple):
    connection: Connection
    pid: int
    queue: int  # of its files, as it numbers its tests


_EARLY = pytest.StashKey[_Early]()


def _begin_early(session: pytest.Session, paths: list[str]) -> _Early:
    """A process that collects these files and does their tests. It tells how they are called, and
    then the same as others, with numbers of its own."""
    import fcntl  # as fork, not everywhere

    ours, theirs = Pipe(duplex=False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # nobody hears it yet
        fcntl.fcntl(theirs.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
    queue = os.pipe()
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(queue[1])
        return _Early(ours, pid, queue[0])
    code = 1
    try:
        ours.close()
        gc.enable()
        _be_alone(session.config, "early", _ready(forkserver.import_plain))
        forkserver.branch()
        session.perform_collect(paths)
        crew = _Crew(session, queue=queue)
        theirs.send([item.nodeid for item in session.items])
        session.config.pluginmanager.register(_Plain())
        crew.do_tests(theirs)
        code = 0
    except BaseException:
        theirs.send(traceback.format_exc())
    finally:
        os._exit(code)


def _be_alone(config: pytest.Config, home: str, holders: list[Any]) -> None:
    """In a process that was forked: nothing of the one that shows what comes out."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    forkserver.log_to_stderr()
    capture.suspend_global_capture()
    plugins, name = config.pluginmanager, "terminalreporter"
    plugins.unregister(name=name)  # what is told there nobody sees
    plugins.register(_Nowhere(create_terminal_writer(config, io.StringIO())), name)
    homes.move(home, holders)


def _ready(import_them: Callable[[], None]) -> list[Any]:
    """Import what tests need, which all that is forked shares; answers what `homes.move` takes."""
    import_them()
    gc.collect()
    holders = homes.holders()
    gc.freeze()  # of no interest to the collections of garbage in what is forked
    largepages.gather()
    return holders


class _Plain:
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        yield
        assert "torch" not in sys.modules, "This needs PyTorch: it does not belong in the list."


class _Nowhere:
    """What is asked for a place to write to."""

    def __init__(self, writer: Any) -> None:
        self._tw = writer


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


class _Worker(NamedTuple):
    number: int
    pid: int
    began: list[int]  # indices of the tests that it began, the last one last
    broken: list[str]  # why it could not go on
    early: list[int] | None = None  # the indices of what it calls 0, 1, ...


class _Crew:
    def __init__(
        self,
        session: pytest.Session,
        early: _Early | None = None,
        queue: tuple[int, int] | None = None,
    ) -> None:
        self._session, self._items = session, session.items
        self._hook = session.config.hook
        self._capture = session.config.pluginmanager.getplugin("capturemanager")
        self._workers: dict[Connection, _Worker] = {}
        self._count = 0
        taken = self._welcome(early) if early is not None else []
        # Each reads the number of one test, the first of a file: what is not read is yet to do.
        read, write = queue or os.pipe()
        everywhere = range(len(self._items))
        self._queues: list[tuple[int, Sequence[int]]] = [(read, everywhere)]
        if early is not None:
            self._queues.append((early.queue, taken))
        with os.fdopen(write, "wb") as file:
            for number in self._firsts(everywhere):
                if number not in taken:
                    file.write(number.to_bytes(4, "big"))

    def _firsts(self, numbers: Iterable[int]) -> list[int]:
        """Those of them that are the first of a file."""
        return [number for number in numbers if not number or not self._goes_on(number - 1)]

    def _welcome(self, early: _Early) -> list[int]:
        """The indices of its tests."""
        told = early.connection.recv()
        known = {item.nodeid: number for number, item in enumerate(self._items)}
        taken = [known.get(name, -1) for name in told] if isinstance(told, list) else [-1]
        files = {self._items[number].path for number in taken}
        if taken != [n for n, item in enumerate(self._items) if item.path in files]:
            _end(early.pid)
            raise RuntimeError(f"What is begun early was collected otherwise: {told}")
        self._workers[early.connection] = _Worker(0, early.pid, [], [], taken)
        return taken

    def run(self, count: int) -> None:
        """Until all is done; raises what ends a session early."""
        self._capture.resume_global_capture()
        gc.enable()
        self._holders = _ready(forkserver.import_all)
        self._capture.suspend_global_capture()
        self._capture.read_global_capture()
        try:
            for _ in range(count - len(self._workers)):
                self._start()
            while self._workers:
                for connection in wait(list(self._workers)):
                    assert isinstance(connection, Connection)
                    self._hear(connection)
        finally:
            for worker in self._workers.values():
                _end(worker.pid)

    def _start(self, first: int | None = None) -> None:
        """One more; `first`: the test that it begins with."""
        ours, theirs = Pipe(duplex=False)
        self._count += 1
        pid = os.fork()
        if not pid:
            ours.close()
            for other in self._workers:
                other.close()
            self._work(theirs, first)
        theirs.close()
        self._workers[ours] = _Worker(self._count, pid, [], [])

    def _hear(self, connection: Connection) -> None:
        try:
            said = connection.recv()
        except EOFError:
            self._ended(connection)
            return
        if isinstance(said, int):
            early = self._workers[connection].early
            number = said if early is None else early[said]
            self._workers[connection].began.append(number)
            item = self._items[number]
            self._hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        elif isinstance(said, str):
            self._workers[connection].broken.append(said)
        elif isinstance(said, dict):
            self._warned(**said)
        else:
            item = self._items[self._workers[connection].began[-1]]
            for data in said:
                report = self._hook.pytest_report_from_serializable(
                    config=self._session.config, data=data
                )
                self._hook.pytest_runtest_logreport(report=report)
            self._hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _warned(self, text: str, place: tuple[str, int], rest: tuple[Any, Any, Any]) -> None:
        message = warnings.WarningMessage(UserWarning(text), UserWarning, *place)
        told = {"warning_message": message} | dict(
            zip(("when", "nodeid", "location"), rest, strict=True)
        )
        self._hook.pytest_warning_recorded.call_historic(kwargs=told)

    def _ended(self, connection: Connection) -> None:
        worker = self._workers.pop(connection)
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        if not code:
            if worker.early is not None:
                self._start()
            return
        number = worker.began[-1] if worker.began else 0
        item = self._items[number]
        why = "".join(worker.broken) or f"The process ended with {code}."
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
        self._hook.pytest_runtest_logreport(report=report)
        if worker.began:  # else the next one could not begin either
            self._start(number + 1 if self._goes_on(number) else None)

    # --- in a process of tests ---------------------------------------------------------------

    def _work(self, connection: Connection, first: int | None) -> NoReturn:
        code = 1
        try:
            _be_alone(self._session.config, f"worker{self._count}", self._holders)
            forkserver.branch()
            self.do_tests(connection, first)
            code = 0
        except BaseException:
            connection.send(traceback.format_exc())
        finally:
            os._exit(code)

    def do_tests(self, connection: Connection, first: int | None = None) -> None:
        told = _Told(self._session.config, connection)
        self._session.config.pluginmanager.register(told)
        told.hears = True
        for number in itertools.chain(self._file(first), self._rest()):
            connection.send(number)
            self._hook.pytest_runtest_protocol(
                item=self._items[number], nextitem=self._next(number)
            )
        self._session._setupstate.teardown_exact(None)
        connection.close()

    def _file(self, first: int | None) -> Iterator[int]:
        """The tests of a file from this one on."""
        while first is not None:
            yield first
            first = first + 1 if self._goes_on(first) else None

    def _rest(self) -> Iterator[int]:
        for queue, numbers in self._queues:
            while number := os.read(queue, 4):
                yield from self._file(numbers[int.from_bytes(number, "big")])

    def _next(self, number: int) -> Any:
        """What comes after a test, as far as pytest needs it: which fixtures are kept."""
        return self._items[number + 1] if self._goes_on(number) else _AnotherFile(self._session)

    def _goes_on(self, number: int) -> bool:
        """True if the file of a test has another one after it."""
        both = self._items[number : number + 2]
        return len(both) == 2 and both[0].path == both[1].path


class _AnotherFile(NamedTuple):
    session: pytest.Session

    def listchain(self) -> list[Any]:
        return [self.session]


class _Told:
    """Tells the process that shows what comes out."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config, self._connection = config, connection
        self._reports: list[Any] = []
        self.hears = False  # what warned before, elsewhere, is told to who comes new

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._reports.append(data)

    def pytest_runtest_logfinish(self) -> None:
        self._connection.send(self._reports)
        self._reports = []

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: Any
    ) -> None:
        if not self.hears:
            return
        text = f"{warning_message.category.__name__}: {warning_message.message}"
        place = (warning_message.filename, warning_message.lineno)
        self._connection.send({"text": text, "place": place, "rest": (when, nodeid, location)})
