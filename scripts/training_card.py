"""The example detector's card: what it was made of, how, and how well it sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_TEXT = """# The example person detector

A small RTMDet (CSPNeXt backbone, one class) for inputs of {width} x {height} pixels, trained from scratch on
rendered rooms by `scripts/train_detector.py`. It stands in for an off-the-shelf detector at a new hospital: good
at the sites it knows, weak at others. **It has never seen a real person. It is for trying Drape on simulated
recordings, never for releasing a real one**, and Drape says so whenever it is used.

| | |
|---|---|
| weights | `{file}`, half precision, {megabytes:.2f} MB |
| sha256 | `{sha256}` |
| trained on | {stills} stills with {persons} persons; family `{family}`, sites {first} to {last} |
| training | seed {seed}, {steps} steps of {batch} ({samples} samples), {seconds} s on {threads} core(s) |
| licence | Apache-2.0, like Drape; no other data or weights went into it |

Measured on {measured_sites} unseen sites of each family, {per_site} stills of each, at IoU .5
(`python -m bench.example_detector`). *Clearly visible*: three quarters of the person are seen, 60 pixels high;
*all*: a fifth is seen. The true box is that of the whole person where more than .6 is visible, else of what is
visible. A box on the patient, a reflection, a picture on a screen or somebody who is hardly seen counts neither
for nor against.

{table}
"""


def write_card(folder: Path, facts: dict[str, Any], table: str) -> None:
    """Write ``card.json`` (the facts) and ``CARD.md`` (the facts in words, and the table)."""
    (folder / "card.json").write_text(json.dumps(facts, indent=2) + "\n")
    (folder / "CARD.md").write_text(_TEXT.format(**facts, megabytes=facts["bytes"] / 1e6, table=table))
