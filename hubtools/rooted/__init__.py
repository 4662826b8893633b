"""File operations below one folder that never leave it, whatever lies in the folder.

A folder of pictures comes from strangers: any name in it may be a symbolic link, and may become
one between a look and an act. A `Root` opens the folder once; each operation then walks from that
descriptor, one part of the name at a time, with `O_NOFOLLOW` (openat(2)), and acts on the last
part inside the descriptor of its folder. A link on the way is an error at the moment of acting.

The path of the folder itself is the user's own word: links in it are followed.
"""

from __future__ import annotations

from hubtools.fences import (
    LeadsOut,
    fence,
    forget,
    keep_same,
    same_folders,
    unfence,
)
from hubtools.rooted.names import is_left_over, parts_of
from hubtools.rooted.root import Root
from hubtools.rooted.system import clone
from hubtools.unfinished import TEMPORARY, temporary_for

__all__ = [
    "TEMPORARY",
    "LeadsOut",
    "Root",
    "clone",
    "fence",
    "forget",
    "is_left_over",
    "keep_same",
    "parts_of",
    "same_folders",
    "temporary_for",
    "unfence",
]
