"""The verifier as a process of its own: ``python -m drape.anonymization FOLDER [YUNET]``.

It prints one JSON object a line: ``{"progress": [done, total, what]}`` while it works, and at last ``{"verdict": …}``
(exit status 0) or ``{"refused": {"what", "remedy", "faces"}}`` (1); ``faces`` are review items, mostly none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from drape.anonymization.faces import FacesFound
from drape.anonymization.verifier import verify_release
from drape.errors import DrapeError


def main(arguments: list[str]) -> int:
    """See the module's description; the arguments are those after the program's name."""

    def tell(**content: Any) -> None:
        print(json.dumps(content, sort_keys=True), flush=True)

    try:
        verdict = verify_release(
            Path(arguments[0]),
            lambda done, total, what: tell(progress=[done, total, what]),
            Path(arguments[1]) if len(arguments) > 1 else None,
        )
    except DrapeError as error:
        faces = error.items if isinstance(error, FacesFound) else []
        tell(refused={"what": error.what, "remedy": error.remedy, "faces": faces})
        return 1
    tell(verdict=verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
