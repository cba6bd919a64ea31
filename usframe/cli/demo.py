"""`usframe demo`: simulate a small data set, then segment it as a user would."""

from __future__ import annotations

import re
from pathlib import Path

import click

from usframe.cli.options import option, plugin_files


@click.command()
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@option("-o", "--out", type=click.Path(path_type=Path), default=Path("usframe_demo"), show_default=True)
@option("--cases", type=click.IntRange(min=1), default=6, show_default=True, help="Volumes to simulate.")
@option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of every draw.")
@click.option("--data-only", is_flag=True, help="Stop after writing volumes/ and labels/.")
@plugin_files
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    overrides: tuple[str, ...],
    out: Path,
    cases: int,
    seed: int,
    data_only: bool,
    files: tuple[str, ...],
    quiet: bool,
) -> None:
    """Simulate ultrasound volumes with labels, and segment them with every prompt strategy.

    Writes OUT/volumes, OUT/labels and OUT/objects.json (what each label is), and the run in OUT/results. KEY=VALUE
    reaches the keys of experiment all_prompts.
    """
    from usframe.cli.options import overrides_of
    from usframe.errors import RequestError
    from usframe.files import write_json
    from usframe.tasks import Output, execute

    if data_only and (overrides or files):
        raise RequestError("KEY=VALUE and --plugin are for the run; --data-only has none")
    volumes, labels = out / "volumes", out / "labels"
    if out.exists() and any(out.iterdir()) and not (out / "objects.json").exists():
        raise RequestError(f"{out} holds something else than a demo; choose another folder with -o")
    remove_cases(out)
    objects = write_cases(volumes, labels, cases, seed)
    write_json(out / "objects.json", objects)
    if not quiet:
        click.echo(f"Simulated {cases} volumes with labels in {volumes} and {labels} (seed {seed}).")
    if data_only:
        return
    request = {
        "volumes": volumes,
        "labels": labels,
        "out": out / "results",
        "backbone": "demo",
        "overwrite": "true",
    }
    given = [*overrides_of({key: str(value) for key, value in request.items()}), *overrides]
    status = execute("all_prompts", given, Output(quiet=quiet), files=files)
    if not quiet:
        click.echo(
            f"\nOpen {out / 'results' / 'report.html'} in a browser. On your own data, type next:\n"
            "  usframe run -i VOLUMES -l LABELS -o OUT --backbone demo --dry-run"
        )
    raise SystemExit(status)


def remove_cases(out: Path) -> None:
    """Take away the volumes and labels of an earlier demo in ``out``, and nothing else."""
    from usframe.errors import RequestError
    from usframe.plain import read_json

    if not (record := out / "objects.json").exists():
        return
    for folder in ("volumes", "labels"):
        if (out / folder).is_symlink():
            raise RequestError(f"{out / folder} is a link; choose another folder with -o")
    try:
        names = [str(name) for name in read_json(record)]
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(f"{record} cannot be read; choose another folder with -o") from error
    for name in filter(re.compile(r"[a-z_]+_\d{3,}").fullmatch, names):
        for folder in ("volumes", "labels"):
            (out / folder / f"{name}.nii.gz").unlink(missing_ok=True)


def write_cases(volumes: Path, labels: Path, cases: int, seed: int) -> dict[str, dict[int, str]]:
    """Write case after case, one kind of organ after the other; returns the name of each case's objects."""
    import numpy as np

    from usframe import Volume, simulate, write_mask
    from usframe.simulation import SCENES

    objects = {}
    organs = [scene for scene in SCENES if scene != "generic"]
    for number in range(cases):
        scan = simulate(seed * 10_000 + number, scene=organs[number % len(organs)])
        name = f"{scan.scene}_{number:03d}"
        picture = np.round(scan.image * 255).astype(np.uint8)
        memory = Volume(picture, spacing_mm=scan.spacing_mm)
        for folder, voxels in ((volumes, picture), (labels, scan.labels)):
            write_mask(folder / f"{name}.nii.gz", voxels, memory)
        objects[name] = scan.names
    return objects
