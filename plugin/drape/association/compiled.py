"""Loops that are compiled (numba)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile without fast-math, so that results do not depend on how the compiler reorders sums.

    Compiled code is kept beside the source or in the user's cache; where neither folder can be written, it is not kept.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True, fastmath=False)(function))
    except RuntimeError:  # numba found no folder to write to
        return cast(Function, njit(nogil=True, fastmath=False)(function))
