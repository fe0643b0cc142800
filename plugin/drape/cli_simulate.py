"""``drape simulate``: a recording of a simulated operating room, with its truth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from drape.cli_progress import progress_bars
from drape.errors import ConfigError, RecordingError

_EVENT = re.compile(r"(?P<kind>\w+):view(?P<view>[1-9]\d?)(?P<rest>(,\w+=[^,=]+)*)")


def simulate_command(
    out_folder: Annotated[Path, typer.Option("--out", "-o", help="Folder to be made; must be empty or not exist")],
    site: Annotated[
        str, typer.Option("--site", help="Kind of site: source, dim, steep, gowned, hazy, compressed, new")
    ] = "source",
    seed: Annotated[int, typer.Option("--seed", help="Which crew, and what it does")] = 0,
    site_number: Annotated[
        int | None,
        typer.Option("--site-number", help="Which site of its kind  [default: the seed]", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of the recording")] = 20.0,
    views: Annotated[int, typer.Option("--views", help="Cameras, 1 to 12")] = 3,
    people: Annotated[int, typer.Option("--people", help="Crew, without the patient")] = 5,
    fps: Annotated[float, typer.Option("--fps", help="Frames per second")] = 15.0,
    width: Annotated[int, typer.Option("--width", help="Pixels, an even number")] = 640,
    height: Annotated[int, typer.Option("--height", help="Pixels, an even number")] = 360,
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            metavar="KIND:VIEW[,KEY=VALUE…]",
            help="What goes wrong; repeat. camera_moved:view1,at=5,yaw=12  view_drops_out:view2,start=3,stop=6  "
            "view_freezes:…  view_goes_dark:…  clock_differs:view3,offset=0.4,drift=1e-4  rate_differs:view1,fps=25",
        ),
    ] = None,
) -> None:
    """Simulate a multi-camera operation: videos, a manifest that `drape ingest` reads, and the truth to the pixel.

    The same options give the same recording. People, clothes, light and cameras depend on site and seeds only.
    """
    from drape.simulator import Scene, SceneConfig
    from drape.simulator.export import write_recording

    events = [parse_event(text) for text in event or []]
    for entry in events:
        if entry["view"] >= views:
            raise ConfigError(f"--event names view{entry['view'] + 1} of {views}", "Name one that there is")
    try:
        config = SceneConfig.model_validate(
            {
                "family": site,
                "site": site_number,
                "seed": seed,
                "seconds": seconds,
                "views": views,
                "people": people,
                "fps": fps,
                "width": width,
                "height": height,
                "events": events,
            }
        )
    except ValidationError as error:
        raise ConfigError(_plain(error), "See `drape simulate --help`") from error
    if out_folder.exists() and (not out_folder.is_dir() or any(out_folder.iterdir())):
        raise RecordingError("The folder to be made exists and is not empty", "Choose another one")
    with progress_bars() as progress:
        manifest = write_recording(Scene(config), out_folder, progress)
    Console().print(f"{views} view(s) of {seconds:g} s. Next: drape run {manifest} --workspace WORK --out RELEASE")


def parse_event(text: str) -> dict[str, Any]:
    """An event as the simulator's configuration takes it, of ``KIND:VIEW[,KEY=VALUE…]``.

    Raises:
        ConfigError: the text has another form.
    """
    found = _EVENT.fullmatch(text)
    if found is None:
        raise ConfigError("--event takes KIND:VIEW[,KEY=VALUE…]", "For example camera_moved:view1,at=5,yaw=12")
    settings = dict(part.split("=") for part in found["rest"].split(",")[1:])
    return {"kind": found["kind"], "view": int(found["view"]) - 1, **settings}


def _plain(error: ValidationError) -> str:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    names = {"family": "--site", "site": "--site-number", "events": "--event"}
    option = names.get(where[0], f"--{where[0]}") if where else "the settings"
    inside = f" ({where[-1]})" if len(where) > 1 and not where[-1].isdigit() else ""
    return f"{option}{inside}: {first['msg']}"
