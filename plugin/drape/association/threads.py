"""Small matrices are multiplied fastest by one thread, and with equal bits whatever the machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

Given = ParamSpec("Given")
Result = TypeVar("Result")


def one_thread(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorator: torch works with one thread while the function runs; afterwards with as many as before."""

    @wraps(function)
    def wrapper(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return function(*args, **kwargs)
        finally:
            torch.set_num_threads(before)

    return wrapper
