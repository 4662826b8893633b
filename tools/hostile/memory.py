"""What this process and its workers take while something is done, in megabytes."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

_EVERY = 0.02  # seconds
KNOWN = Path("/proc/self/clear_refs").exists()  # Linux only


def _status(process: int | str, key: str) -> float:
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    found = (line for line in text.splitlines() if line.startswith(key))
    return int(next(found, "x 0").split()[1]) / 1024


def _children() -> list[str]:
    found: list[str] = []
    for thread in Path("/proc/self/task").iterdir():
        try:
            found += (thread / "children").read_text(encoding="ascii").split()
        except OSError:  # the thread has ended
            continue
    return found


class Watch:
    """Use as a context manager. `own` is by how much this process has grown at its peak, `worker`
    the largest peak of one child, `workers` the largest sum of theirs. A peak that a child has
    reached in its last moments may be missed. Zeros where the system does not tell."""

    own = worker = workers = 0.0

    def __enter__(self) -> Watch:
        if KNOWN:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
            self._before = _status("self", "VmRSS")
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if KNOWN:
            self._stop.set()
            self._thread.join()
            self.own = _status("self", "VmHWM") - self._before

    def _look(self) -> None:
        while True:
            children = _children()
            self.worker = max(self.worker, *(_status(c, "VmHWM") for c in children), 0.0)
            # resident now, for the sum: peaks of workers that take turns do not add up, nor does
            # what one frees and the next one takes between two looks
            first, second = ([_status(c, "VmRSS") for c in children] for _ in range(2))
            self.workers = max(self.workers, sum(map(min, first, second)))
            if self._stop.wait(_EVERY):
                return
