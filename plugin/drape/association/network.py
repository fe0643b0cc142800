"""The network: a box and its camera become a point of a space that all views share.

After Chen et al., "Self-MVA" (CVPR 2025): Fourier features of two box corners and a learned camera token, an encoder of
three layers with identity, and a linear decoder back to boxes of each view. Added here: where the floors of the views
are known (``placing``), their coordinates are a part of that space, and what the encoder says corrects them; and
each box carries how sure its place is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

SEED_OF_FREQUENCIES = 20250313
"""The random frequencies are part of the architecture: the same for every model."""
FLOOR_EDGE = 0.005
"""A box whose lower edge is this near the picture's has its feet cut off, in longer sides."""
BLUR_RADIUS = 6.0
"""Distance from the camera at which floor positions are twice as uncertain as below it, in person heights."""
FARTHEST = 60.0
STEEPEST = 0.9
"""A camera this little above the heads (height of a box per distance from the horizon) cannot tell feet from heads."""
WIDEST = 2.0


class Encoded(NamedTuple):
    """Points of the common space.

    Attributes:
        feature: (N, D).
        position: (N, 2) common floor, in person heights; 0 where the camera has no floor.
        spread: (N,) log of the relative uncertainty.
        grounded: (N,) 1 where the camera has a floor, else 0.
    """

    feature: Tensor
    position: Tensor
    spread: Tensor
    grounded: Tensor


class CornerFeatures(nn.Module):
    """Random Fourier features of the corners of a box (Tancik et al. 2020), fixed, with a learned mark per corner."""

    frequencies: Tensor

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(SEED_OF_FREQUENCIES)
        self.register_buffer("frequencies", torch.randn(2, width // 2, generator=generator) * scale)
        self.corner = nn.Parameter(torch.zeros(2, width))

    def forward(self, boxes: Tensor) -> Tensor:
        """(..., 4) boxes in units of the picture's longer side to (..., 2, width)."""
        points = 2 * boxes.unflatten(-1, (2, 2)) - 1
        phase = 2 * math.pi * points @ self.frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=-1) + self.corner


class Layer(nn.Module):
    """Linear with identity, normalized over the width without affine parameters, rectified."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.linear(x)
        x = x - x.mean(dim=-1, keepdim=True)
        if self.training:
            return torch.relu(x / (x.std(dim=-1, keepdim=True) + 1e-6))
        # The same by way of the length: torch's own deviation takes longer than all the rest of the layer.
        deviation = torch.linalg.vector_norm(x, dim=-1, keepdim=True) / math.sqrt(x.shape[-1] - 1)
        return torch.relu(x / (deviation + 1e-6))


class Ground(nn.Module):
    """Floors of the cameras: a homography each, which learning may bend.

    ``matrix`` (C, 3, 3) takes homogeneous foot points in units of the longer side to the common floor; ``own`` (C, 3,
    3) to the floor around the camera itself; ``slope`` (C, 3) gives the height of a box there; ``bottom`` (C,) is the
    picture's lower edge, ``known`` (C,) whether the camera has a floor at all.
    """

    matrix: Tensor
    own: Tensor
    slope: Tensor
    bottom: Tensor
    known: Tensor

    def __init__(self, cameras: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(3).repeat(cameras, 1, 1))
        self.register_buffer("own", torch.eye(3).repeat(cameras, 1, 1))
        self.register_buffer("slope", torch.zeros(cameras, 3))
        self.register_buffer("bottom", torch.full((cameras,), 9.0))
        self.register_buffer("known", torch.zeros(cameras))
        self.bend = nn.Parameter(torch.zeros(cameras, 3, 3))

    def forward(self, boxes: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """Common floor positions (N, 2) and distances from the own camera (N,) of boxes (N, 4), in person heights."""
        u, v = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]
        a, b, c = self.slope[camera].unbind(-1)
        from_head = (boxes[:, 1] + a * u + c) / (1 - b).clamp_min(1 - STEEPEST)
        hidden = (v > self.bottom[camera] - FLOOR_EDGE) & (b < STEEPEST)
        v = torch.where(hidden, torch.maximum(v, from_head), v)
        point = torch.stack([u, v, torch.ones_like(u)], dim=-1)[..., None]
        bent = self.matrix[camera] @ (torch.eye(3, device=boxes.device) + self.bend[camera])
        return _dehomogenize(bent @ point), _dehomogenize(self.own[camera] @ point).norm(dim=-1)


def _dehomogenize(x: Tensor) -> Tensor:
    x = x[..., 0]
    return (x[:, :2] / x[:, 2:].clamp_min(1e-2)).clamp(-FARTHEST, FARTHEST)


class Network(nn.Module):
    """Encoder and decoder for a set of cameras.

    Args:
        cameras: number of cameras.
        token: width of a token; features are three tokens wide.
        layers: layers of the encoder.
        scale: standard deviation of the frequencies, in cycles per half of the picture's longer side.
    """

    def __init__(self, cameras: int, token: int = 64, layers: int = 3, scale: float = 1.0) -> None:
        super().__init__()
        width = 3 * token
        self.corners = CornerFeatures(token, scale)
        self.camera = nn.Parameter(nn.init.trunc_normal_(torch.empty(cameras, token), std=0.02))
        self.turn = nn.Parameter(torch.zeros(cameras, 2, 3), requires_grad=False)
        self.ground = Ground(cameras)
        self.encoder = nn.Sequential(*(Layer(width) for _ in range(layers)))
        self.decoder = nn.Linear(width, 4 * cameras)
        self.warp = nn.Linear(width, 3)
        nn.init.zeros_(self.warp.weight)
        nn.init.zeros_(self.warp.bias)
        self.log_width = nn.Parameter(torch.tensor(math.log(0.3)))
        self.log_floor_width = nn.Parameter(torch.tensor(math.log(0.6)))
        self.log_gain = nn.Parameter(torch.tensor(0.0))
        self.clutter = nn.Parameter(torch.tensor(-3.0))

    def encode(self, boxes: Tensor, camera: Tensor) -> Encoded:
        """Points of boxes (N, 4), in units of the picture's longer side, that cameras (N,) see."""
        boxes = self.turned(boxes, camera)
        corners = self.corners(boxes).flatten(-2)
        x = self.encoder(torch.cat([corners, self.camera[camera]], dim=-1))
        correction = self.warp(x / math.sqrt(x.shape[-1]))
        floor, radius = self.ground(boxes, camera)
        grounded = self.ground.known[camera]
        far = 1 + radius / BLUR_RADIUS
        position = (floor + far[:, None] * correction[:, :2]) * grounded[:, None]
        spread = WIDEST * torch.tanh(correction[:, 2] / WIDEST) + grounded * far.log()
        return Encoded(x / math.sqrt(x.shape[-1]), position, spread, grounded)

    def turned(self, boxes: Tensor, camera: Tensor) -> Tensor:
        """Boxes (N, 4) as the camera showed them before it was moved: an affine map, the identity while it stands."""
        turn = self.turn[camera]
        points = boxes.unflatten(-1, (2, 2))
        moved = points + points @ turn[:, :, :2].transpose(1, 2) + turn[:, None, :, 2]
        return moved.flatten(-2)

    def with_camera(self, like: int) -> Network:
        """The same network with one camera more, which begins as a copy of another."""
        cameras, token = self.camera.shape
        layers = len(self.encoder)
        out = Network(cameras + 1, token, layers)
        state = dict(self.state_dict())
        for name in ("camera", "turn", *(f"ground.{n}" for n in ("matrix", "own", "slope", "bottom", "known", "bend"))):
            state[name] = torch.cat([state[name], state[name][like : like + 1]])
        for name in ("decoder.weight", "decoder.bias"):
            state[name] = torch.cat([state[name], state[name][4 * like : 4 * like + 4]])
        out.load_state_dict(state)
        return out.eval()

    def decode(self, feature: Tensor, camera: Tensor) -> Tensor:
        """Boxes (N, 4) in units of the picture's longer side that cameras (N,) should show of features (N, 3 token)."""
        raw = self.decoder(feature * math.sqrt(feature.shape[-1])).unflatten(-1, (-1, 4))
        own = raw[torch.arange(len(raw), device=raw.device), camera]
        centre, half = own[:, :2], own[:, 2:].sigmoid() / 2
        return torch.cat([centre - half, centre + half], dim=-1)

    def evidence(self, a: Encoded, b: Encoded) -> Tensor:
        """Log-kernels (N, M): how well points of one view go with points of another, up to a constant.

        A Gaussian in the feature and, where both cameras have a floor, in the floor position, both as wide as the two
        points are unsure; a wide one is lower, as densities are.
        """
        variance = ((2 * a.spread).exp()[:, None] + (2 * b.spread).exp()[None]) / 2
        both = a.grounded[:, None] * b.grounded[None]
        return self._kernel(_squared(a.feature, b.feature), _squared(a.position, b.position), both, variance)

    def paired(self, a: Encoded, b: Encoded) -> Tensor:
        """``evidence`` of row with row, (N,), for points of equal number."""
        variance = ((2 * a.spread).exp() + (2 * b.spread).exp()) / 2
        feature, floor = ((x - y).square().sum(-1) for x, y in ((a.feature, b.feature), (a.position, b.position)))
        return self._kernel(feature, floor, a.grounded * b.grounded, variance)

    def meeting(self, a: Encoded, b: Encoded) -> Tensor:
        """``evidence`` of many meetings at once: points (G, N, ...) and (G, M, ...) to (G, N, M).

        Squared distances come from a product of matrices; in double precision nothing is lost where they are small.
        """
        x, y = a.feature.double(), b.feature.double()
        apart = (x * x).sum(-1)[:, :, None] + (y * y).sum(-1)[:, None, :] - 2 * x @ y.transpose(1, 2)
        floor = (a.position[:, :, None] - b.position[:, None]).square().sum(-1)
        variance = ((2 * a.spread).exp()[:, :, None] + (2 * b.spread).exp()[:, None]) / 2
        both = a.grounded[:, :, None] * b.grounded[:, None]
        return self._kernel(apart.clamp_min(0), floor, both, variance)

    def _kernel(self, feature: Tensor, floor: Tensor, both: Tensor, variance: Tensor) -> Tensor:
        gain = torch.where(both > 0, self.log_gain.exp(), torch.ones_like(both))
        squares = gain * feature * torch.exp(-2 * self.log_width) + both * floor * torch.exp(-2 * self.log_floor_width)
        return -squares / (2 * variance) - variance.log()


def _squared(a: Tensor, b: Tensor) -> Tensor:
    return ((a * a).sum(-1)[:, None] + (b * b).sum(-1)[None] - 2 * a @ b.T).clamp_min(0)
