"""From a scene to a picture."""

from __future__ import annotations

from PIL import Image

from hubtools.world import accessories, hair
from hubtools.world.backgrounds import paint_background
from hubtools.world.canvas import Canvas
from hubtools.world.clothes import paint_body
from hubtools.world.face import paint_face
from hubtools.world.figure import Figure
from hubtools.world.head import paint_ears, paint_head
from hubtools.world.scene import Scene
from hubtools.world.styles import PAINT_STYLES, block_of, finish


def draw(scene: Scene, size: int = 512) -> Image.Image:
    """Draw a scene as an RGB picture of `size` x `size` pixels. The same input gives the same
    pixels."""
    canvas = Canvas(_pixels(scene, size), PAINT_STYLES[scene.style])
    paint_background(canvas, scene.background, scene.seed)
    figure = Figure(canvas, scene)
    if scene.framing == "full body":
        x, y = figure.body.place([(0, 5.2)])[0] / canvas.unit
        canvas.pen(x, y).glow(0, 0, 66, 10, (60, 50, 70), 0.38)
    hair.paint_hair_behind(figure)
    paint_body(figure)
    if scene.accessory == "scarf":
        accessories.paint_scarf(figure)
    head = paint_head(figure)
    if not hair.shows_ears(scene.character.hair_style):
        paint_ears(figure)
    paint_face(figure, head)
    hair.paint_hair(figure)
    if hair.shows_ears(scene.character.hair_style):
        paint_ears(figure)
    if scene.accessory == "glasses":
        accessories.paint_glasses(figure)
    elif scene.accessory == "cap":
        accessories.paint_cap(figure)
    elif scene.accessory == "headphones":
        accessories.paint_headphones(figure)
    elif scene.accessory == "flower":
        accessories.paint_flower(figure)
    return finish(canvas.image, scene.style, size, scene.seed)


def _pixels(scene: Scene, size: int) -> int:
    """The width of the canvas: twice or three times the picture's, for smooth edges."""
    if scene.style == "pixel art":
        block = block_of(size)
        return -(-size // block) * 6
    # dots hide the edges anyway
    return size * (3 if size <= 256 and scene.style != "pointillist painting" else 2)
