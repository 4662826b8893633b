"""The log survives a kill; the chart is a picture."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools.training import metrics
from hubtools.training.chart import HEIGHT, WIDTH, draw_chart, nice_ticks
from hubtools.training.curve import MOST, Curve
from hubtools.training.metrics import (
    HeldOut,
    Metric,
    MetricsLog,
    first_and_last,
    read_log,
    read_metrics,
    smoothed,
)


def metric(step: int, loss: float = 0.5) -> Metric:
    return Metric(step, loss, loss, 0.25, 1e-4, 0.125)


def test_resume_cuts_the_log_back_and_drops_a_half_line(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    log.append([metric(1), metric(2)])
    log.append([metric(3)])
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + b'{"step": 4, "lo')
    assert [m.step for m in read_metrics(tmp_path)] == [1, 2, 3]
    again = MetricsLog(tmp_path, 2)
    again.append([metric(3, 0.75)])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(1, 0.5), (2, 0.5), (3, 0.75)]
    assert set(lines[0]) == {"step", "loss", "loss_ema", "grad_norm", "lr", "seconds"}


@pytest.mark.parametrize(
    "mine",
    [
        "from here on it is too strong\n",
        '{"mine": 1, "step": 2}\n',
        "no end of a line",
        '{"st": 1}',
        '{"step": 3, "loss": 0.1, "mine": "the best"}',
        '{"step": 3, "loss": 0.1} the best',
        '{"step": 3: from here on it is too strong',
    ],
)
def test_what_a_person_notes_in_the_log_is_kept(tmp_path: Path, mine: str) -> None:
    MetricsLog(tmp_path, 0).append([metric(1), metric(2)])
    path = tmp_path / "metrics.jsonl"
    noted = path.read_text() + mine
    path.write_text(noted)
    for _ in range(2):
        MetricsLog(tmp_path, 2).append([])
    (kept,) = (tmp_path / ".hubtools/replaced").rglob(path.name)
    assert kept.read_text() == noted
    assert [one.step for one in read_metrics(tmp_path)] == [1, 2]


def test_a_log_that_is_too_long_to_be_read_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MetricsLog(tmp_path, 0).append([metric(1), metric(2)])
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    monkeypatch.setattr(metrics, "_MOST", len(whole) - 1)
    MetricsLog(tmp_path, 2)
    (kept,) = (tmp_path / ".hubtools/replaced").rglob("metrics.jsonl")
    assert kept.read_bytes() == whole


def test_what_a_kill_leaves_of_a_line_is_nobody_s(tmp_path: Path) -> None:
    path, odd = tmp_path / "metrics.jsonl", replace(metric(10), grad_norm=float("inf"), lr=1e-7)
    MetricsLog(tmp_path, 0).append([odd])
    line = path.read_bytes()
    MetricsLog(tmp_path, 0).append([HeldOut(3, float("nan"))])
    for one in (line, path.read_bytes()):
        for end in range(1, len(one)):
            path.write_bytes(line + one[:end])
            MetricsLog(tmp_path, 10)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("mine", [b"a painting", None])
def test_a_chart_that_a_person_has_painted_on_is_kept(tmp_path: Path, mine: bytes | None) -> None:
    path = tmp_path / "loss.png"
    told: list[str] = []
    for _ in range(2):
        draw_chart(path, Curve([metric(1)]), "x", told.append)
    assert [one.name for one in tmp_path.iterdir()] == ["loss.png"]  # as it was written
    if mine is None:
        with Image.open(path) as chart:
            info = PngInfo()
            for key, text in chart.text.items():  # type: ignore[attr-defined]
                info.add_text(key, text)
            chart.putpixel((5, 5), (255, 0, 0))
            chart.save(path, pnginfo=info)
        mine = path.read_bytes()
    path.write_bytes(mine)
    path.chmod(0o600)
    for _ in range(2):
        draw_chart(path, Curve([metric(1)]), "x", told.append)
    (kept,) = (tmp_path / ".hubtools/replaced").rglob("loss.png")
    assert kept.read_bytes() == mine
    assert len(told) == 1
    assert ".hubtools/replaced" in told[0]
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_line_is_json_even_with_an_infinite_norm(tmp_path: Path) -> None:
    MetricsLog(tmp_path, 0).append([Metric(1, 0.5, 0.5, math.inf, 1e-4, 0.1)])
    text = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["grad_norm"] is None


def test_smoothed_loss_is_the_mean_at_first_and_forgets_later() -> None:
    value = None
    for step, loss in enumerate([4.0, 2.0, 0.0], start=1):
        value = smoothed(value, loss, step)
    assert value == pytest.approx(2.0)
    assert smoothed(1.0, 0.0, 5000) == pytest.approx(0.98)


def test_first_and_last_tenth() -> None:
    assert first_and_last([]) is None
    assert first_and_last([metric(1, 3.0)]) == (3.0, 3.0)
    many = [metric(step, float(step)) for step in range(1, 101)]
    assert first_and_last(many) == (5.5, 95.5)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_are_round_few_and_within(low: float, span: float, count: int) -> None:
    ticks = nice_ticks(low, low + span, count)
    assert len(ticks) <= count + 1
    slack = span * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


@pytest.mark.parametrize("count", [1, 2, 3000])
def test_the_chart_shows_both_curves(tmp_path: Path, count: int) -> None:
    metrics = [
        Metric(step, 0.3 + 0.2 * math.sin(step), 0.3 + 0.1 / step, 0.1, 1e-4, 0.1)
        for step in range(1, count + 1)
    ]
    draw_chart(tmp_path / "loss.png", Curve(metrics), "x: training loss")
    with Image.open(tmp_path / "loss.png") as chart:
        assert chart.size == (WIDTH, HEIGHT)
        colours = chart.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    blue = sum(number for number, (r, g, b) in colours if b > 150 and r < 60)
    pale = sum(number for number, (r, g, b) in colours if b > 230 and 160 < r < 200)
    assert blue > 50
    assert pale > 20 or count == 1


def test_without_metrics_there_is_no_chart(tmp_path: Path) -> None:
    draw_chart(tmp_path / "loss.png", Curve(), "nothing")
    assert not (tmp_path / "loss.png").exists()


def test_zero_loss_draws(tmp_path: Path) -> None:
    draw_chart(tmp_path / "loss.png", Curve([metric(1, 0.0), metric(2, 0.0)]), "zero")
    assert (tmp_path / "loss.png").exists()


def test_a_long_run_has_as_many_points_as_a_short_one_and_hides_no_peak() -> None:
    curve = Curve(
        Metric(step, 9.0 if step == 77_777 else 0.5, 0.4, 0.1, 1 / step, 0.1)
        for step in range(1, 100_001)
    )
    assert MOST / 2 <= len(curve.points) <= MOST
    assert (curve.points[0].first, curve.points[-1].last) == (1, 100_000)
    assert [p.first for p in curve.points if p.high == 9.0] == [77_777 // 128 * 128 + 1]
    assert all(a.last + 1 == b.first for a, b in itertools.pairwise(curve.points))
    assert curve.points[-1].rate == 1 / 100_000
    assert curve.high < 1  # one wild step does not flatten the rest


def test_the_chart_tells_held_out_loss_and_rate(tmp_path: Path) -> None:
    steps = [Metric(n, 0.3, 0.3, 0.1, 1e-4 * n, 0.1) for n in range(1, 101)]
    curve = Curve([*steps, HeldOut(0, 0.4), HeldOut(50, 0.35), HeldOut(100, 0.5)])
    draw_chart(tmp_path / "loss.png", curve, "x: training loss")
    with Image.open(tmp_path / "loss.png") as chart:
        colours = chart.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert sum(number for number, (r, g, b) in colours if r > 180 and g < 110 and b < 60) > 50


def test_held_out_losses_lie_between_the_steps_and_are_cut_back_with_them(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    log.append([HeldOut(0, 0.9), metric(1), metric(2), HeldOut(2, 0.8), metric(3), HeldOut(3, 0.7)])
    MetricsLog(tmp_path, 2)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2, 2]
    assert lines[0] == {"step": 0, "validation_loss": 0.9}
    assert read_log(tmp_path).held_out == [HeldOut(0, 0.9), HeldOut(2, 0.8)]
