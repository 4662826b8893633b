"""Clothes and limbs. One body serves both framings; a portrait shows its upper part, larger.

Coordinates are in units of the body from the base of the neck, y downwards. What lies on the
clothes (collars, buttons) has a longitude around the trunk, like a feature on the head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hubtools.world.canvas import Point, Shape, darker, ellipse, lighter
from hubtools.world.figure import Figure
from hubtools.world.head import paint_neck
from hubtools.world.scene import Clothing, Colour

_WHITE: Colour = (248, 248, 252)
_NAVY: Colour = (52, 66, 128)
_DENIM: Colour = (74, 84, 116)
_SHOES: Colour = (72, 62, 74)
_LONG_SLEEVES: tuple[Clothing, ...] = ("hoodie", "sailor uniform", "coat")


def paint_body(figure: Figure) -> None:
    """Neck, limbs and clothes; the legs only in a full body."""
    wearer = _Wearer(figure)
    if figure.scene.framing == "full body":
        wearer.legs()
    wearer.arm(far=True)
    paint_neck(figure)
    trunk = wearer.trunk()
    wearer.trim(trunk)
    wearer.arm(far=False)


class _Wearer:
    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.pen = figure.body
        self.kind = figure.scene.outfit.kind
        self.colour = figure.scene.outfit.colour
        self.skin = figure.who.skin
        turned = math.radians(figure.yaw)
        self.sin, self.cos = math.sin(turned), math.cos(turned)
        # half the width of the trunk, of 1 as seen from the front
        self.wide = math.hypot(self.cos, 0.68 * self.sin)
        self.contrast = _NAVY if sum(self.colour) > 600 else _WHITE

    def across(self, points: Sequence[Point]) -> list[Point]:
        """The outline of something symmetrical, from its right half, top to bottom."""
        right = [(x * self.wide, y) for x, y in points]
        return [*right, *((-x, y) for x, y in reversed(right))]

    def on(self, longitude: float, y: float, out: float = 0.86) -> Point:
        """A point on the trunk. What is behind it lies on its edge."""
        angle = max(-90.0, min(90.0, longitude + self.figure.yaw))
        return out * self.wide * math.sin(math.radians(angle)), y

    # -- trunk --------------------------------------------------------------------------------------

    def trunk(self) -> Shape:
        """The main piece of clothing."""
        kind = self.kind
        top: list[Point] = [(0.30, -0.10), (0.44, 0.06), (0.82, 0.22), (0.97, 0.50)]
        if kind == "dress":
            return self._dress()
        low: list[Point] = {
            "hoodie": [(0.90, 1.10), (0.92, 1.80), (0.84, 2.10)],
            "sailor uniform": [(0.84, 1.10), (0.80, 1.70), (0.80, 1.90)],
            "coat": [(0.86, 1.10), (0.92, 1.90), (1.06, 3.10), (1.04, 3.22)],
            "t-shirt": [(0.84, 1.10), (0.82, 1.80), (0.82, 2.02)],
        }[kind]
        if kind == "sailor uniform":
            self._skirt(_NAVY if self.contrast == _NAVY else darker(self.colour, 0.30), 1.75, 2.75)
        return self.pen.fill(
            self.across([*top, *low]),
            self.colour,
            to=darker(self.colour, 0.14),
            shade=0.35,
            light=0.14,
        )

    def _dress(self) -> Shape:
        chest = [(0.34, 0.0), (0.62, 0.12), (0.88, 0.28), (0.78, 0.8), (0.50, 1.3)]
        self.pen.fill(self.across(chest), self.skin, to=darker(self.skin, 0.08), shade=0.25)
        skirt = [(0.60, 1.30), (0.78, 1.75), (1.12, 2.70), (1.34, 3.34)]
        hem = 3.42
        self.pen.fill(
            [*((x * self.wide, y) for x, y in skirt), (0, hem),
             *((-x * self.wide, y) for x, y in reversed(skirt))],
            self.colour, to=darker(self.colour, 0.16), shade=0.35, light=0.12,
        )  # fmt: skip
        for x in (-0.6, -0.2, 0.25, 0.65):
            line = [(x * self.wide * 0.8, 1.9), (x * self.wide * 1.5, 3.3)]
            self.pen.stroke(line, darker(self.colour, 0.22), 0.035)
        # straps over bare shoulders
        for longitude in (-34, 34):
            if longitude + self.figure.yaw < 80:
                strap = [self.on(longitude, 0.62, 0.78), self.on(longitude * 1.15, 0.10, 0.70)]
                self.pen.stroke(strap, self.colour, 0.13)
        bodice = [(0.30, 0.56), (0.74, 0.50), (0.83, 0.66), (0.78, 1.1), (0.66, 1.52)]
        return self.pen.fill(
            self.across(bodice), self.colour, to=darker(self.colour, 0.08), shade=0.30, light=0.14
        )

    def _skirt(self, colour: Colour, top: float, hem: float) -> None:
        self.pen.fill(
            self.across([(0.66, top), (0.80, top + 0.2), (1.08, hem)]),
            colour, to=darker(colour, 0.2), smooth=False, shade=0.35,
        )  # fmt: skip
        for x in (-0.7, -0.35, 0.0, 0.35, 0.7):
            line = [(x * self.wide * 0.9, top + 0.25), (x * self.wide * 1.3, hem - 0.04)]
            self.pen.stroke(line, darker(colour, 0.35), 0.03)

    # -- what lies on it --------------------------------------------------------------------------

    def trim(self, trunk: Shape) -> None:
        """Collars, pockets, buttons."""
        if self.kind == "hoodie":
            self._hoodie()
        elif self.kind == "sailor uniform":
            self._sailor()
        elif self.kind == "coat":
            self._coat()
        elif self.kind == "t-shirt":
            self._t_shirt()
        else:
            sash = [
                self.on(lon, y)
                for lon, y in (
                    (-100, 1.34),
                    (0, 1.40),
                    (100, 1.34),
                    (100, 1.50),
                    (0, 1.58),
                    (-100, 1.50),
                )
            ]
            self.pen.fill(
                sash,
                lighter(self.colour, 0.45) if sum(self.colour) < 640 else darker(self.colour, 0.2),
                inside=trunk,
            )

    def _hoodie(self) -> None:
        dark = darker(self.colour, 0.20)
        # the hood lies on the shoulders around the neck
        back = -0.10 * self.sin
        hood: list[Point] = [
            (back - 0.62 * self.wide, 0.12), (back - 0.40, -0.22), (back * 2, -0.28), (back + 0.42, -0.20),
            (0.64 * self.wide, 0.12), (0.44 * self.wide + 0.2 * self.sin, 0.44), (0.32 * self.sin, 0.58),
            (-0.44 * self.wide + 0.1 * self.sin, 0.44),
        ]  # fmt: skip
        self.pen.fill(hood, dark, to=darker(dark, 0.2), shade=0.3, light=0.12)
        x = 0.30 * self.sin
        wide = 0.32 * (1 - 0.35 * self.sin)
        self.pen.fill(
            [(x - wide, -0.10), (x, -0.16), (x + wide, -0.10), (x + wide * 0.55, 0.18), (x, 0.34), (x - wide * 0.55, 0.18)],
            darker(self.skin, 0.12),
        )  # fmt: skip
        cord = _WHITE if sum(self.colour) < 690 else (150, 150, 170)
        for longitude in (-16, 16):
            if abs(longitude + self.figure.yaw) < 84:
                ends = [
                    self.on(longitude, 0.48),
                    self.on(longitude + 2, 0.78),
                    self.on(longitude, 1.06),
                ]
                self.pen.stroke(ends, cord, 0.055 * self.figure.bold)
        pocket = [self.on(lon, y) for lon, y in ((-28, 1.35), (28, 1.35), (42, 1.85), (-42, 1.85))]
        self.pen.fill(pocket, darker(self.colour, 0.14), smooth=False)

    def _sailor(self) -> None:
        collar, skin = self.contrast, darker(self.skin, 0.06)
        self.pen.fill(
            [self.on(-30, -0.08, 0.60), self.on(30, -0.08, 0.60), self.on(0, 0.62)],
            skin,
            smooth=False,
        )
        for side in (-1, 1):
            flap = [
                self.on(side * 42, -0.14, 0.50), self.on(side * 70, 0.02, 0.62),
                self.on(side * 88, 0.36), self.on(side * 40, 0.56), self.on(side * 2, 0.82),
                self.on(side * 4, 0.56, 0.8),
            ]  # fmt: skip
            self.pen.fill(flap, collar, smooth=False, shade=0.15)
            stripe = [self.on(side * 82, 0.30), self.on(side * 38, 0.48), self.on(side * 6, 0.70)]
            self.pen.stroke(stripe, self.colour if collar == _WHITE else _WHITE, 0.035)
        if self.figure.turn == "profile":  # the flap on the back
            back = [
                self.on(-176, 0.0, 0.5),
                self.on(-100, 0.06, 0.5),
                self.on(-100, 0.66),
                self.on(-176, 0.62, 1.0),
            ]
            self.pen.fill(back, collar, smooth=False, shade=0.15)
        bow = (226, 64, 84) if self.colour[0] - self.colour[2] < 90 else _NAVY
        x, y = self.on(0, 0.84, 0.88)
        for side in (-1, 1):
            wide = side * (0.34 * max(0.45, self.cos))
            self.pen.fill(
                [(x, y - 0.06), (x + wide, y - 0.20), (x + wide * 0.9, y + 0.16), (x, y + 0.06)],
                bow,
                smooth=False,
            )
            self.pen.fill(
                [(x, y), (x + wide * 0.7, y + 0.42), (x + wide * 0.25, y + 0.46)],
                darker(bow, 0.12),
                smooth=False,
            )
        self.pen.fill(ellipse(x, y, 0.09, 0.09), darker(bow, 0.2), smooth=False)

    def _coat(self) -> None:
        dark = darker(self.colour, 0.22)
        # a light jumper shows between the lapels
        jumper = (236, 226, 206) if self.contrast == _WHITE else (120, 130, 160)
        self.pen.fill(
            [self.on(-30, -0.16, 0.62), self.on(30, -0.16, 0.62), self.on(16, 0.60), self.on(0, 1.08), self.on(-16, 0.60)],
            jumper, smooth=False,
        )  # fmt: skip
        x = 0.12 * self.sin
        self.pen.fill(
            [(x - 0.33, -0.24), (x + 0.33, -0.24), (x + 0.36, 0.02), (x, 0.10), (x - 0.36, 0.02)],
            darker(jumper, 0.10), to=darker(jumper, 0.22),
        )  # fmt: skip
        self.pen.stroke([self.on(0, 1.06), self.on(0, 3.2)], darker(self.colour, 0.40), 0.045)
        for side in (-1, 1):
            lapel = [
                self.on(side * 40, -0.16, 0.52), self.on(side * 74, 0.04, 0.66), self.on(side * 70, 0.42),
                self.on(side * 48, 0.50), self.on(side * 46, 0.62), self.on(side * 1, 1.12),
                self.on(side * 20, 0.52),
            ]  # fmt: skip
            self.pen.fill(lapel, dark, to=darker(dark, 0.1), smooth=False, light=0.12)
        for y in (1.34, 1.72, 2.10):
            for longitude in (-18, 18):
                if abs(longitude + self.figure.yaw) < 75:
                    bx, by = self.on(longitude, y)
                    self.pen.fill(
                        ellipse(bx, by, 0.07, 0.07),
                        darker(self.colour, 0.5),
                        smooth=False,
                        ink=False,
                    )

    def _t_shirt(self) -> None:
        x = 0.14 * self.sin
        wide = 0.40 * (1 - 0.2 * self.sin)
        collar = lighter(self.colour, 0.5) if sum(self.colour) < 640 else (150, 170, 210)
        self.pen.fill(
            [(x - wide - 0.06, -0.14), (x + wide + 0.06, -0.14), (x + wide * 0.7 + 0.05, 0.22), (x, 0.36), (x - wide * 0.7 - 0.05, 0.22)],
            collar,
        )  # fmt: skip
        self.pen.fill(
            [(x - wide, -0.18), (x + wide, -0.18), (x + wide * 0.66, 0.14), (x, 0.26), (x - wide * 0.66, 0.14)],
            darker(self.skin, 0.10), ink=False,
        )  # fmt: skip
        if self.figure.turn != "profile":  # a heart on the chest
            hx, hy = self.on(0, 0.98)
            s = 0.20 * self.wide
            heart = [
                (hx, hy + s),
                (hx - s, hy - 0.1 * s),
                (hx - 0.55 * s, hy - 0.8 * s),
                (hx, hy - 0.35 * s),
                (hx + 0.55 * s, hy - 0.8 * s),
                (hx + s, hy - 0.1 * s),
            ]
            self.pen.fill(heart, collar, ink=False)

    # -- limbs ------------------------------------------------------------------------------------

    def arm(self, *, far: bool) -> None:
        """The arms behind the trunk (far) or before it."""
        for side in (-1, 1):
            # from the front both arms are before the trunk's edge; in a profile one hides the other
            behind = side > 0 and self.figure.turn != "front"
            if behind == far:
                self._arm(side)

    def _arm(self, side: int) -> None:
        scene, pen = self.figure.scene, self.pen
        x = side * 0.90 * self.cos if self.figure.turn != "profile" else -0.12
        pose = scene.pose if scene.framing == "full body" else "standing"
        acts = side == -1  # the arm that we see in every view
        out = side * (0.14 + 0.10 * self.cos)
        shoulder = (x, 0.48)
        elbow, hand = (x + out, 1.25), (x + out * 1.15, 2.02)
        if pose == "waving" and acts:
            elbow, hand = (x - 0.62, 0.62), (x - 0.86, -0.42)
            if self.figure.turn == "profile":  # to whom it faces, clear of the face
                elbow, hand = (x + 0.80, 0.86), (x + 1.44, 0.16)
        elif pose == "hand on hip" and acts:
            elbow, hand = (x - 0.66, 1.22), (x - 0.04, 1.66)
        elif pose == "walking":
            swing = 0.42 * side if self.figure.turn != "front" else 0.0
            elbow = (x + out + swing * 0.6, 1.18)
            hand = (x + out + swing * 1.5 + 0.12 * side, 1.84)
        bare = self.kind not in _LONG_SLEEVES
        sleeve = darker(self.colour, 0.08)
        arm = self.skin if bare else sleeve
        wide = 0.34 if bare else 0.44
        away = math.dist(elbow, hand) / 0.16
        tip = (hand[0] + (hand[0] - elbow[0]) / away, hand[1] + (hand[1] - elbow[1]) / away)
        pen.fill(ellipse(tip[0], tip[1], 0.19, 0.21), self.skin, smooth=False)
        pen.limb([shoulder, elbow, hand], arm, wide, shade=0.55)
        if self.kind == "t-shirt":
            middle = (
                shoulder[0] + (elbow[0] - shoulder[0]) * 0.70,
                shoulder[1] + (elbow[1] - shoulder[1]) * 0.70,
            )
            pen.limb([shoulder, middle], sleeve, 0.52, shade=0.5)
        elif not bare and self.kind != "coat":
            cuff = self.contrast if self.kind == "sailor uniform" else darker(self.colour, 0.25)
            dx, dy = (hand[0] - tip[0]) / 0.16 * 0.9, (hand[1] - tip[1]) / 0.16 * 0.9
            half = wide / 2
            band = [(hand[0] + dx * t - dy * s * half, hand[1] + dy * t + dx * s * half)
                    for t, s in ((-0.06, -1), (-0.06, 1), (0.06, 1), (0.06, -1))]  # fmt: skip
            pen.fill(band, cuff, smooth=False, ink=False)

    def legs(self) -> None:
        pen = self.pen
        walking = self.figure.scene.pose == "walking"
        cloth: Colour | None = {"hoodie": _DENIM, "coat": (88, 82, 96)}.get(self.kind)
        for side in (1, -1):
            hip = side * 0.40 * max(self.cos, 0.12)
            stride = 0.0
            if walking:
                stride = -side * (0.18 + 0.44 * self.sin)
            lift = 0.16 if walking and side > 0 else 0.0
            foot = (hip + stride + side * 0.02, 4.78 - lift)
            leg = cloth or self.skin
            tone = leg if side < 0 else darker(leg, 0.10 if self.sin else 0.0)
            pen.limb(
                [(hip, 2.0), (hip + stride * 0.45, 3.4), foot],
                tone,
                0.50 if cloth else 0.40,
                shade=0.8,
            )
            if self.kind == "t-shirt":
                pen.limb([(hip, 2.0), (hip + stride * 0.3, 2.85)], _DENIM, 0.72, shade=0.5)
            if self.kind in ("sailor uniform", "t-shirt"):
                pen.limb([(hip + stride * 0.86, 4.36 - lift), foot], _WHITE, 0.42)
            toe = 0.30 * self.sin
            pen.fill(
                [(foot[0] - 0.26, foot[1]), (foot[0] + 0.24, foot[1] - 0.02), (foot[0] + 0.30 + toe, foot[1] + 0.26),
                 (foot[0] + 0.26 + toe, foot[1] + 0.40), (foot[0] - 0.30, foot[1] + 0.40), (foot[0] - 0.32, foot[1] + 0.2)],
                _SHOES, shade=0.3, light=0.2,
            )  # fmt: skip
        if self.kind == "t-shirt":
            pen.fill(self.across([(0.78, 1.80), (0.80, 2.30), (0.70, 2.45)]), _DENIM, smooth=False)
        elif self.kind == "hoodie":
            pen.fill(self.across([(0.74, 1.80), (0.74, 2.30), (0.60, 2.45)]), _DENIM, smooth=False)
