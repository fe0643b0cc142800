"""Types of arrays in the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Geometry: double precision unless said otherwise."""
Floats = NDArray[np.float32]
"""What the rasteriser and the shader take."""
Mask = NDArray[np.bool_]
