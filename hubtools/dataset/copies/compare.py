"""Whether two pictures are one, judged by 64x64 pixels of each."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Thumb = npt.NDArray[np.uint8]  # (64, 64, 3)

# Shares of the contrast. Pictures that were encoded again or scaled differ by at most 0.02 all over
# and 0.04 at worst; brightened until the lights are lost, by 0.03 and 0.12. A drawn face that
# smiles differs as little all over, but more at its mouth: there the worst is over four times the
# whole. Different drawings of one figure differ by 0.5 and more.
_COPY_WHOLE, _COPY_WORST, _COPY_EVEN = 0.08, 0.16, 4.0
_COPY_SURELY = 0.05
_ALIKE_WHOLE = 0.25
# Grey levels below which a difference is noise, whatever the contrast.
_NOISE = 1.0


class Grade(IntEnum):
    """How much alike two pictures are."""

    DIFFERENT = 0
    ALIKE = 1  # the same but for a part: a watermark, another expression
    COPY = 2  # the same all over, but for size, compression and brightness
    PIXELS = 3  # pixel by pixel
    BYTES = 4  # byte by byte


def residual(one: Thumb, other: Thumb) -> tuple[float, float, float]:
    """(of the whole, of the worst of 8x8 blocks, contrast): root mean square differences in grey
    levels, once one picture's brightness and contrast are fitted to the other's."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    if a.mean() > b.mean():
        a, b = b, a  # brightening loses more at the white end than darkening at the black
    inside = (a > 4) & (b > 4) & (a < 251) & (b < 251)
    x, y = (a[inside], b[inside]) if inside.mean() > 0.3 else (a.ravel(), b.ravel())
    middle_x, middle_y = x.mean(), y.mean()
    x = x - middle_x
    spread = float(x @ x)
    # A negative would be another picture; a thousandfold, noise made visible.
    gain = min(max(float(x @ (y - middle_y)) / spread, 0.1), 10.0) if spread else 1.0
    apart = ((a - middle_x) * gain + middle_y).clip(0, 255) - b
    blocks = (apart * apart).reshape(8, 8, 8, 8, 3).mean(axis=(1, 3, 4))
    return float(blocks.mean()) ** 0.5, float(blocks.max()) ** 0.5, float(b.std())


def same_picture(one: Thumb, other: Thumb) -> Grade:
    """`DIFFERENT`, `ALIKE` or `COPY`."""
    whole, worst, contrast = residual(one, other)
    if whole <= max(_COPY_WHOLE * contrast, _NOISE):
        even = worst <= min(_COPY_WORST * contrast, _COPY_EVEN * whole)
        if even or worst <= max(_COPY_SURELY * contrast, 3 * _NOISE):
            return Grade.COPY
        return Grade.ALIKE
    return Grade.ALIKE if whole <= _ALIKE_WHOLE * contrast else Grade.DIFFERENT
