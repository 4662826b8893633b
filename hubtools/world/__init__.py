"""A small world of drawn people, from which a small base model learns to draw.

A person is a word for every attribute; a scene is what to draw; captions say it in natural words.
Everything is drawn by code and follows from its seed: the same input gives the same pixels.
"""

from hubtools.world.captions import Span, caption, full_caption, spans
from hubtools.world.people import ATTRIBUTES, Person, sample
from hubtools.world.picture import draw

__all__ = ["ATTRIBUTES", "Person", "Span", "caption", "draw", "full_caption", "sample", "spans"]
