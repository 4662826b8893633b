"""Workers may crash, hang and lie; the files that did it are named, the others are done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from photos import put_photo

from hubtools.dataset.pictures.tasks import PIXELS, PROBE, THUMB
from hubtools.dataset.workers.pool import Failure, Limits, WorkerPool
from hubtools.errors import HubtoolsError

HOSTILE = "hostile_worker"


def jobs(root: Path, *names: str) -> list[tuple[str, str | None]]:
    return [(str(put_photo(root, name, n, (32, 24))), None) for n, name in enumerate(names)]


def test_who_crashes_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    names = [
        "a.png",
        "crash1.png",
        "b.png",
        "leave.png",
        "c.png",
        "hang.png",
        "crash2.png",
        "d.png",
    ]
    with WorkerPool(2, Limits(seconds=1.5), program=HOSTILE) as crew:
        results = dict(crew.run(PROBE, jobs(tmp_path, *names)))
    told = {names[n]: r.reason for n, r in results.items() if isinstance(r, Failure)}
    assert told == {
        "crash1.png": "decoding it crashed the decoder (signal 11)",
        "crash2.png": "decoding it crashed the decoder (signal 11)",
        "leave.png": "decoding it stopped the decoder (exit code 7)",
        "hang.png": "decoding it took longer than 1.5 seconds",
    }
    assert len(results) == len(names)


def test_a_crew_can_be_asked_again_and_dismissed_in_the_middle(tmp_path: Path) -> None:
    asked = jobs(tmp_path, *(f"{n}.png" for n in range(70)))
    with WorkerPool(2) as crew:
        assert len(dict(crew.run(PROBE, asked))) == 70
        assert {type(thumb) for _, thumb in crew.run(THUMB, asked[:3])} == {bytes}
        next(crew.run(PIXELS, asked))


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_workers_that_never_answer_sensibly_get_a_sentence(tmp_path: Path, memory: int) -> None:
    limits = Limits(memory=memory)
    with (
        WorkerPool(1, limits, program="broken_worker") as crew,
        pytest.raises(HubtoolsError, match="cannot be started"),
    ):
        list(crew.run(PROBE, jobs(tmp_path, "a.png")))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_what_others_left_behind_is_not_charged_to_a_file(tmp_path: Path) -> None:
    some = jobs(tmp_path, "a.png", "b.png")
    with WorkerPool(1, Limits(memory=100 << 20), program="keeping_worker") as crew:
        for _ in range(4):  # each keeps 60 MB: together they are beyond any limit of one
            assert [done for _, done in crew.run(PROBE, some[:1])] == ["kept"]
        ((_, seen),) = crew.run(PROBE, some[1:])
        assert isinstance(seen, Failure)  # which takes 200 MB at once
        assert "stopped" in seen.reason
