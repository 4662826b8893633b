"""A run's curve in a bounded number of points, whatever its length: neighbouring steps are told
together once there are too many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubtools.training.metrics import HeldOut, Metric

MOST = 1000  # points


@dataclass
class Point:
    """Steps `first` to `last`: the least and the greatest loss of them, the smoothed loss and the
    learning rate after the last of them."""

    first: int
    last: int
    low: float
    high: float
    smooth: float
    rate: float

    def take(self, other: Point) -> None:
        """Tell the steps of `other`, which follow, as well."""
        self.last, self.smooth, self.rate = other.last, other.smooth, other.rate
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)


class Curve:
    """Points of so many steps each (`width`, a power of two), at most `MOST`. What is added costs
    the same however much there is."""

    def __init__(self, lines: Iterable[Metric | HeldOut] = ()) -> None:
        self.points: list[Point] = []
        self.held_out: list[HeldOut] = []
        self.width = 1
        self.steps = 0
        self._held_out_every = 1
        self._held_out_seen = 0
        for line in lines:
            self.add(line)

    def add(self, line: Metric | HeldOut) -> None:
        """Take a line in; steps come in order."""
        if isinstance(line, HeldOut):
            self._add_held_out(line)
            return
        new = Point(line.step, line.step, line.loss, line.loss, line.loss_ema, line.lr)
        if self.steps % self.width:
            self.points[-1].take(new)
        else:
            self.points.append(new)
        self.steps += 1
        if len(self.points) > MOST:
            self._halve()

    def _add_held_out(self, line: HeldOut) -> None:
        self._held_out_seen += 1
        if self.held_out and (self._held_out_seen - 1) % self._held_out_every:
            self.held_out[-1] = line
        else:
            self.held_out.append(line)
        if len(self.held_out) > MOST:
            self.held_out = self.held_out[:1] + self.held_out[2::2]
            self._held_out_every *= 2

    def _halve(self) -> None:
        for one, other in zip(self.points[::2], self.points[1::2], strict=False):
            one.take(other)
        self.points, self.width = self.points[::2], self.width * 2

    @property
    def high(self) -> float:
        """The loss that a picture of the curve should reach up to: of a hundred steps one may lie
        above, so that a few wild ones do not flatten the rest."""
        highs = sorted(point.high for point in self.points)
        if not highs:
            return 1.0
        # of so many steps together, this share of the greatest lie below
        share = 0.99**self.width
        most = highs[min(len(highs) - 1, int(len(highs) * share))]
        smooth = max(point.smooth for point in self.points)
        known = [line.validation_loss for line in self.held_out]
        return max(most, smooth, *known) * 1.05 or 1.0
