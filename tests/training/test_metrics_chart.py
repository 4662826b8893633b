"""The log survives a kill; the chart is a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubtools.training.chart import HEIGHT, WIDTH, draw_chart, nice_ticks
from hubtools.training.metrics import Metric, MetricsLog, first_and_last, read_metrics, smoothed


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
    draw_chart(tmp_path / "loss.png", metrics, "x: training loss")
    with Image.open(tmp_path / "loss.png") as chart:
        assert chart.size == (WIDTH, HEIGHT)
        colours = chart.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    blue = sum(number for number, (r, g, b) in colours if b > 150 and r < 60)
    pale = sum(number for number, (r, g, b) in colours if b > 230 and 160 < r < 200)
    assert blue > 50
    assert pale > 20 or count == 1


def test_without_metrics_there_is_no_chart(tmp_path: Path) -> None:
    draw_chart(tmp_path / "loss.png", [], "nothing")
    assert not (tmp_path / "loss.png").exists()


def test_zero_loss_draws(tmp_path: Path) -> None:
    draw_chart(tmp_path / "loss.png", [metric(1, 0.0), metric(2, 0.0)], "zero")
    assert (tmp_path / "loss.png").exists()
