"""One labelled set of two: the pseudo labels of a site and pictures that somebody labelled by hand."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from drape.adaptation.lessons import Lesson, read_lessons
from drape.adaptation.training_set import ANNOTATIONS, PERSON, TrainingSet, annotation, replacing, write_list
from drape.errors import AdaptationError


def merge_sets(training: Path, labelled: Path, root: Path) -> TrainingSet:
    """Write the pictures of two COCO sets, with their weights and ignored regions, as one. Pictures are linked where
    the disk allows it, so that they take no room twice.

    Args:
        training: COCO file of the pseudo labels.
        labelled: COCO file of the user's own labels: has a category person, and names pictures in its own folder.
        root: folder to be made, as ``write_training_set`` makes it.

    Raises:
        AdaptationError: a set cannot be read, a picture lies outside its set's folder or is missing, or the disk is
            full. The folder is as it was.
    """
    content: dict[str, Any] = {
        "info": {"description": "Pseudo labels and labels of people"},
        "images": [],
        "annotations": [],
        "categories": [PERSON],
    }
    with replacing(Path(root)) as partial:
        for kind, source in (("site", training), ("labelled", labelled)):
            for lesson in read_lessons(source):
                _add(content, lesson, kind, source.parent, partial)
        digest = write_list(partial, content)
    boxes = sum(not one["ignore"] for one in content["annotations"])
    return TrainingSet(Path(root), Path(root) / ANNOTATIONS, len(content["images"]), boxes, digest)


def _add(content: dict[str, Any], lesson: Lesson, kind: str, home: Path, folder: Path) -> None:
    picture = lesson.picture.resolve()
    if not picture.is_relative_to(home.resolve()):
        raise AdaptationError("A labelled picture lies outside its set's folder", "Put a copy of it into the folder")
    if not picture.is_file():
        raise AdaptationError("A labelled picture is missing", "Bring it back, or leave it out of the list")
    number = len(content["images"]) + 1
    name = f"images/{kind}-{number:08d}{picture.suffix.lower()}"
    try:
        os.link(picture, folder / name)
    except OSError:  # another disk, or one without links
        shutil.copyfile(picture, folder / name)
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()
    size = {"width": lesson.width, "height": lesson.height}
    content["images"].append({"id": number, "file_name": name, **size, "sha256": digest})
    told = [*zip(lesson.boxes.tolist(), lesson.weights.tolist(), strict=True)]
    told += [(box, 0.0) for box in lesson.ignored.tolist()]
    for box, weight in told:
        content["annotations"].append(annotation(len(content["annotations"]) + 1, number, box, weight))
