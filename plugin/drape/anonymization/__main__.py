"""The verifier as a process of its own: ``python -m drape.anonymization FOLDER``.

It prints one JSON object a line: ``{"progress": [done, total, what]}`` while it works, and at last ``{"verdict": …}``
(exit status 0) or ``{"refused": {"what", "remedy"}}`` (1).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from drape.anonymization.verifier import verify_release
from drape.errors import ReleaseError


def main(arguments: list[str]) -> int:
    """See the module's description; the arguments are those after the program's name."""

    def tell(**content: Any) -> None:
        print(json.dumps(content, sort_keys=True), flush=True)

    try:
        verdict = verify_release(Path(arguments[0]), lambda done, total, what: tell(progress=[done, total, what]))
    except ReleaseError as error:
        tell(refused={"what": error.what, "remedy": error.remedy})
        return 1
    tell(verdict=verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
