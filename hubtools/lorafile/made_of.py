"""What the header of a LoRA in half precision says of the file that it was made of."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from hubtools.files import json_value

MADE_OF_KEY = "hubtools_made_of"
_MOST = 2000  # letters of that entry
_LONGEST = 300  # letters of a layer's name
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class MadeOf:
    """The file of full precision: its SHA-256, and how far the changes of the one in half precision
    are from its own, each as a share of the change's size (Frobenius norm): of all layers together,
    and of the layer that is farthest off."""

    sha256: str
    whole: float
    worst: float
    worst_layer: str

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> MadeOf | None:
        """What a header says; None for one that says nothing, or not in this form."""
        text = metadata.get(MADE_OF_KEY, "")
        if not text or len(text) > _MOST:
            return None
        try:
            found = cls(**json_value(text.encode()))
        except (ValueError, TypeError, RecursionError):
            return None
        return found if found.is_sound else None

    @property
    def is_sound(self) -> bool:
        """Whether each value is of its form: a header comes from anybody."""
        shares = (self.whole, self.worst)
        return (
            isinstance(self.sha256, str)
            and SHA256.fullmatch(self.sha256) is not None
            and all(type(one) in (int, float) and math.isfinite(one) and one >= 0 for one in shares)
            and isinstance(self.worst_layer, str)
            and len(self.worst_layer) <= _LONGEST
        )

    @property
    def entry(self) -> dict[str, str]:
        """What is written into the header."""
        return {MADE_OF_KEY: json.dumps(asdict(self), sort_keys=True)}

    @property
    def words(self) -> str:
        """How far off it is, for a plan or a card."""
        return f"its changes differ by {self.whole:.2g} of their size, {self.worst:.2g} at most"
