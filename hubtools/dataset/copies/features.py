"""What a vision model saw in pictures, kept, so that it need not be shown one of them again.

One file a dataset, beside the memory of the scan: features by the digest of a picture's bytes, and
how well pairs agreed. They hold for one encoder (`vision.encoders.encoder_identity`); what another
one saw is put in place of them. A missing, damaged or foreign file is an empty memory, and two runs
at a time replace each other's whole.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.dataset.pictures.packed import pack, unpack
from hubtools.kept import read_kept, write_kept
from hubtools.layout import FEATURES_CACHE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MAGIC = b"hubtools features\n"
_FORM = 1


def beside(memory: Path) -> Path:
    """Where features are kept if the scan's memory is `memory`."""
    return memory.with_suffix(f".{FEATURES_CACHE}")


class Features:
    """Features of pictures, by digest (32 hex digits). `pairs`: how well two agreed, by their
    digests in order."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.pairs: dict[tuple[str, str], float] = {}
        self._rows: dict[str, npt.NDArray[np.float16]] = {}

    def __contains__(self, digest: str) -> bool:
        return digest in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, digest: str, features: npt.NDArray[Any]) -> None:
        """Keep the features (d,) of a picture: their direction, which is all that is compared, to
        three digits."""
        import numpy as np

        length = float(np.linalg.norm(features)) or 1.0
        self._rows[digest] = (features / length).astype(np.float16)

    def of(self, digests: Collection[str]) -> npt.NDArray[np.float16]:
        """(n, d), in their order. Raises `KeyError` for one that is not here."""
        import numpy as np

        return np.stack([self._rows[digest] for digest in digests])

    @classmethod
    def load(cls, place: Path, identity: str) -> Features:
        """What `save` wrote for the same encoder, else an empty one."""
        import numpy as np

        found = cls(identity)
        try:
            head, parts = unpack(_MAGIC, read_kept(place) or b"")
            if head["form"] != [_FORM, sys.byteorder] or head["identity"] != identity:
                return cls(identity)
            digests = _parted(parts["digests"])
            rows = np.frombuffer(parts["features"], np.float16).reshape(len(digests), -1)
            found._rows = dict(zip(digests, rows, strict=True))
            ones, others = _parted(parts["ones"]), _parted(parts["others"])
            agreed = np.frombuffer(parts["agreed"], np.float32).tolist()
            found.pairs = dict(zip(zip(ones, others, strict=True), agreed, strict=True))
        except (ValueError, KeyError, TypeError):
            return cls(identity)
        return found

    def save(self, place: Path, wanted: Collection[str]) -> None:
        """Keep it at `place`; what is of none of the pictures `wanted` goes, once it is more than
        they are. A disk that takes no more is no reason to fail; it is told."""
        import numpy as np

        if len(self._rows) > 2 * len(wanted) + 1000:
            known = frozenset(wanted)
            self._rows = {key: row for key, row in self._rows.items() if key in known}
        pairs = {
            (one, other): agree
            for (one, other), agree in self.pairs.items()
            if one in self._rows and other in self._rows
        }
        parts = {
            "digests": bytes.fromhex("".join(self._rows)),
            "features": np.stack(list(self._rows.values())).tobytes() if self._rows else b"",
            "ones": bytes.fromhex("".join(one for one, _ in pairs)),
            "others": bytes.fromhex("".join(other for _, other in pairs)),
            "agreed": np.array(list(pairs.values()), np.float32).tobytes(),
        }
        head = {"form": [_FORM, sys.byteorder], "identity": self.identity}
        write_kept(place, pack(_MAGIC, head, parts))


def _parted(data: bytes) -> list[str]:
    if len(data) % 16:
        raise ValueError("cut off")
    return [data[place : place + 16].hex() for place in range(0, len(data), 16)]
