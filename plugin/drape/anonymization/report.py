"""The report of a release on one page, for those who decide and do not program: HTML that loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

import cv2
import numpy as np

from drape import tables
from drape.anonymization.faces import to_bgr
from drape.anonymization.manifest import Manifest, ViewEntry
from drape.anonymization.report_words import (
    checked_sentences,
    limit_sentences,
    override_sentence,
    purpose_sentence,
    risk_sentences,
    signer_sentence,
    target_sentences,
)
from drape.media import read_planes
from drape.recording import View

WITHIN = 1500
"""Sample pictures are of a view's first so many frames, so that a long video is not decoded once more."""

WIDTH = 480

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;max-width:52em;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin-bottom:.1em}h2{font-size:1.1em;margin:1.3em 0 .3em}
table{border-collapse:collapse;width:100%;font-size:.88em}
td,th{border:1px solid #bbb;padding:.25em .5em;text-align:right}
td:first-child,th:first-child{text-align:left}th{background:#eee}ul{margin:.3em 0;padding-left:1.3em}
figure{display:inline-block;margin:.3em .5em .3em 0}img{width:15.5em;border:1px solid #bbb}figcaption{font-size:.8em}
.id{font-family:monospace;font-size:.9em;overflow-wrap:anywhere}
@media print{body{font-size:10.5px;margin:0;max-width:none}h2{break-after:avoid}figure,table{break-inside:avoid}}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def report_html(manifest: Manifest, folder: Path) -> str:
    """The report of a verified release; same release, same text.

    Args:
        manifest: with its verdict and its signer.
        folder: holds the released videos, from which the pictures are taken.
    """
    views = manifest.views
    hours = sum(view.seconds for view in views) / 3600
    parts = [
        f"<h1>Report on release {escape(manifest.release)}</h1>",
        f'<p class="id">recording {escape(manifest.recording)}</p>',
        "<h2>What this is</h2>",
        _list(
            [
                f"{len(views)} camera view(s) of one operation, {_duration(hours)} of video in all. Sound, names, "
                "dates and device data of the originals are not part of it.",
                purpose_sentence(manifest),
                signer_sentence(manifest),
            ]
        ),
        "<h2>What was masked</h2>",
        _table(manifest),
        _list(_masking(manifest)),
        "<h2>What was checked in the finished files</h2>",
        _list(checked_sentences(manifest)),
        "<h2>What may still be seen</h2>",
        _list(risk_sentences(manifest)),
        "<h2>Exceptions</h2>",
        _list([override_sentence(manifest)]),
        "<h2>Limits</h2>",
        _list(limit_sentences(manifest)),
        "<h2>Samples of the released pictures</h2>",
        "".join(_figures(folder, view) for view in views),
        "<h2>How to check this report</h2>",
        "<p>Run <code>drape verify</code> on the folder, with the public key of those who signed. It needs neither the "
        "originals nor a network, reads every file to the last byte, and says so if anything was changed, this page "
        "included.</p>",
    ]
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
    title = f"<title>Report on release {escape(manifest.release)}</title>"
    body = "\n".join(parts)
    head = f"<head>{head}{title}<style>{_STYLE}</style></head>"
    return f'<!doctype html>\n<html lang="en">{head}<body>\n{body}\n</body></html>\n'


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.1f} s"


def _table(manifest: Manifest) -> str:
    verdict = manifest.verdict or {"views": {}}
    names = ("view", "length", "frames", "with masks on people", "nobody found", "grey cards", "picture masked")
    head = "".join(f"<th>{name}</th>" for name in (*names, "fixed regions", "boxes by reviewers"))
    rows = []
    for view in manifest.views:
        states = view.states
        share = verdict["views"].get(view.id, {}).get("masked_share", 0.0)
        cells = [
            view.id,
            _duration(view.seconds / 3600),
            str(view.frames),
            *(str(states.get(name, 0)) for name in ("detected", "verified_empty", "unknown")),
            f"{share:.1%}",
            str(len(view.fixed)),
            str(view.reviewed),
        ]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _masking(manifest: Manifest) -> list[str]:
    config = manifest.config
    fill = {
        "solid": "one even grey, from which nothing of the person can be computed back",
        "blur": "a few coarse colour patches with noise, of which nothing finer than themselves can be computed back",
    }[config["fill"]]
    said = [
        *target_sentences(manifest, fill),
        f"Masks are wider than the person by {config['margin_x']:.0%} at each side, {config['margin_top']:.0%} above "
        f"and {config['margin_bottom']:.0%} below, and stand {config['temporal_padding_s']:g} s before and after.",
        f"Whatever was a person with a probability of {config['min_existence']:g} or more is masked.",
        "A grey card replaces the whole picture where the software could not say whether anybody is in it.",
    ]
    if manifest.raised:
        said.append(f"The profile raised these settings: {', '.join(manifest.raised)}.")
    return said


def _figures(folder: Path, view: ViewEntry) -> str:
    out = []
    for number, picture in _pictures(folder, view):
        data = base64.b64encode(picture).decode()
        caption = f"{escape(view.id)}, frame {number}"
        image = f'<img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        out.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    return "".join(out)


def _pictures(folder: Path, view: ViewEntry) -> list[tuple[int, bytes]]:
    """The frame with the most masks and the middle one among the first, as JPEG, each with its number."""
    frame = tables.read(folder / f"{view.id}.regions.parquet", tables.REGIONS).column("frame").to_numpy()
    last = min(view.frames, WITHIN)
    most = int(np.bincount(frame[frame < last], minlength=1).argmax())
    wanted = sorted({most, last // 2})
    out = []
    for planes in read_planes(View(id=view.id, name=view.id, media=folder / f"{view.id}.mp4", stream=0)):
        if planes.index in wanted:
            picture = to_bgr((planes.y, planes.u, planes.v))
            height = max(1, round(picture.shape[0] * WIDTH / picture.shape[1]))
            if picture.shape[1] > WIDTH:
                picture = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
            out.append((planes.index, cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()))
        if planes.index >= wanted[-1]:
            break
    return out
