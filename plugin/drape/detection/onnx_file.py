"""An exported detector as data: an ONNX file is read and looked through before a runtime gets it.

What is accepted is what ``drape.adaptation.onnx_export`` writes. The network's input is ``pixels``, uint8
(B, height, width, 3), BGR; its outputs are ``scores`` (B, N) in [0, 1] and ``boxes`` (B, N, 4) in pixels of the input,
one of each for every point of the network's grids, before suppression. The metadata's names begin with ``drape.``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from drape.errors import WeightsError

FORMAT = "points-1"
MOST_BYTES = 1 << 30
"""RTMDet-x, the largest of its family, has 380 MB."""
LONGEST = 4096

_DOMAINS = {"", "ai.onnx"}


class OnnxFile(NamedTuple):
    """What a file says.

    ``content``: its bytes, of the digest ``sha256``. ``height``, ``width``: of the input, in pixels. ``pad``: the grey
    (or B, G, R) around a frame of another shape. ``parent``: sha256 of the weights that were exported.
    """

    content: bytes
    sha256: str
    height: int
    width: int
    pad: tuple[int, ...]
    parent: str


def read_onnx(path: Path, sha256: str | None = None) -> OnnxFile:
    """Read an exported detector.

    Args:
        path: the file.
        sha256: what it must hash to, if that is known.

    Raises:
        WeightsError: the file is missing, changed, too large or damaged; it keeps parts in other files or has
            operators outside ONNX's own; or it is no detector exported by Drape.
    """
    import onnx

    content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise WeightsError("The ONNX file was changed: its sha256 is not that of its card", "Copy the model again")
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # damaged bytes surface as protobuf's own exceptions
        raise WeightsError("The ONNX file is damaged", "Export or copy it again") from error
    _check_self_contained(model)
    facts = {item.key: item.value for item in model.metadata_props}
    if facts.get("drape.format") != FORMAT:
        raise WeightsError("The ONNX file is no detector exported by Drape", "Export it with the student's training")
    height, width = (_number(facts, f"drape.{name}", 32, LONGEST) for name in ("height", "width"))
    _check_ends(model, height, width)
    pad = tuple(int(part) for part in facts.get("drape.pad", "").split(",") if re.fullmatch(r"\d{1,3}", part))
    if len(pad) not in (1, 3) or max(pad) > 255:
        raise WeightsError("The ONNX file does not say with what frames are padded", "Export it again")
    return OnnxFile(content, digest, height, width, pad, facts.get("drape.parent", ""))


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WeightsError("The ONNX file is larger than any detector", "Choose an exported detector")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError("The ONNX file cannot be read", "Check the path of the weights") from error


def _check_self_contained(model: Any) -> None:
    domains = {opset.domain for opset in model.opset_import} | {node.domain for node in _nodes(model.graph)}
    if domains - _DOMAINS or len(model.functions):
        raise WeightsError("The ONNX file has operators that are not ONNX's own", "Export it again, without them")
    for tensor in _tensors(model.graph):
        if len(tensor.external_data) or tensor.data_location:
            raise WeightsError("The ONNX file keeps weights in other files", "Export it as a single file")


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all that are inside its nodes."""
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        yield one
        for attribute in itertools.chain.from_iterable(node.attribute for node in one.node):
            waiting += [attribute.g] if attribute.HasField("g") else []
            waiting += list(attribute.graphs)


def _nodes(graph: Any) -> Iterator[Any]:
    return itertools.chain.from_iterable(one.node for one in _graphs(graph))


def _tensors(graph: Any) -> Iterator[Any]:
    for one in _graphs(graph):
        yield from one.initializer
        for sparse in one.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for attribute in itertools.chain.from_iterable(node.attribute for node in one.node):
            yield from [attribute.t] if attribute.HasField("t") else []
            yield from attribute.tensors
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from (sparse.values, sparse.indices)


def _number(facts: dict[str, str], key: str, least: int, most: int) -> int:
    text = facts.get(key, "")
    if not re.fullmatch(r"\d{1,6}", text) or not least <= int(text) <= most:
        raise WeightsError(f"The ONNX file does not say its {key.removeprefix('drape.')}", "Export it again")
    return int(text)


def _check_ends(model: Any, height: int, width: int) -> None:
    """That inputs and outputs are those of the format."""
    inputs, outputs = _shapes(model.graph.input), _shapes(model.graph.output)
    if set(inputs) != {"pixels"} or set(outputs) != {"scores", "boxes"}:
        raise WeightsError("The ONNX file has other inputs or outputs than a detector", "Export it again")
    batch, *fixed = inputs["pixels"]
    if batch is not None or fixed != [height, width, 3] or len(outputs["boxes"]) != 3 or len(outputs["scores"]) != 2:
        raise WeightsError("The ONNX file's input has another shape than it says", "Export it again")


def _shapes(values: Iterable[Any]) -> dict[str, list[int | None]]:
    """Lengths by name; None where they are free."""
    return {
        value.name: [
            axis.dim_value if axis.HasField("dim_value") else None for axis in value.type.tensor_type.shape.dim
        ]
        for value in values
    }
