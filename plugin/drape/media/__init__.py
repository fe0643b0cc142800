"""Read and write video by presentation time; one decoder for everything that looks at pixels."""

from drape.media.mosaic import NOT_SHOWN, Mosaic, Tile, plan_mosaic, render_mosaic
from drape.media.probe import probe
from drape.media.reader import read_frames, read_planes
from drape.media.scan import scan
from drape.media.times import frame_times
from drape.media.types import BT709, Colour, Frame, Planes, Probe
from drape.media.writer import VideoWriter, mp4_times

__all__ = [
    "BT709",
    "NOT_SHOWN",
    "Colour",
    "Frame",
    "Mosaic",
    "Planes",
    "Probe",
    "Tile",
    "VideoWriter",
    "frame_times",
    "mp4_times",
    "plan_mosaic",
    "probe",
    "read_frames",
    "read_planes",
    "render_mosaic",
    "scan",
]
