"""Masks as run lengths, in COCO's form: columns from top to bottom, lengths of zeros and ones in turn, as text.

The text is that of COCO's mask tools (``rleToString``): every length from the third on is written as its difference to
the length two before it, in groups of five bits, the lowest first, with a sixth bit where more follow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def run_lengths(mask: NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]) -> Ints:
    """Lengths of the runs of zeros and ones, column by column, of a mask that is given as a cut-out.

    Args:
        mask: (h, w), the part of the picture outside which everything is zero.
        corner: column and row of its top left pixel in the picture.
        size: width and height of the picture.

    Returns:
        Lengths, zeros first; together they are width x height.
    """
    height, width = mask.shape
    fenced = np.zeros((width, height + 2), np.int8)
    fenced[:, 1:-1] = mask.T
    edge = np.diff(fenced, axis=1)
    column, row = np.nonzero(edge > 0)
    first = (column + corner[0]) * size[1] + row + corner[1]
    column, row = np.nonzero(edge < 0)
    last = (column + corner[0]) * size[1] + row + corner[1]
    # A run that reaches the bottom goes on at the top of the next column.
    joined = first[1:] == last[:-1]
    first, last = first[np.append(True, ~joined)[: len(first)]], last[np.append(~joined, True)[: len(last)]]
    borders = np.stack([first, last], axis=1).ravel()
    lengths = np.diff(np.concatenate([[0], borders, [size[0] * size[1]]]))
    return lengths[:-1] if lengths[-1] == 0 else lengths


def encode(lengths: Ints) -> str:
    """Run lengths as text."""
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    text = bytearray()
    for value in values.tolist():
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            text.append((group | 32 if more else group) + 48)
    return text.decode("ascii")


def decode(text: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (height, width) of a text.

    Args:
        text: from ``encode``.
        size: width and height of the picture.
    """
    lengths: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        group = code - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) if group & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(size[0], size[1]).T
