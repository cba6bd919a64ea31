"""`usframe serve`: a server that viewers use as their engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from usframe.cli.options import option, plugin_files

if TYPE_CHECKING:
    from usframe.types import Backbone


@click.command()
@option("--backbone", metavar="NAME", default="medsam2", show_default=True, help="Network that answers.")
@option("--checkpoint", metavar="FILE", help="Weights instead of those the backbone looks for.")
@option("--device", metavar="auto|cpu|cuda|cuda:N|mps", default="auto", help="Where the network runs.")
@option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen.")
@option("--port", type=click.IntRange(0, 65535), default=1527, show_default=True, help="0 takes a free one.")
@option("--token", metavar="T", envvar="USFRAME_TOKEN", help="What clients must know; also USFRAME_TOKEN.")
@option("--clients", type=click.IntRange(1, 64), default=4, show_default=True, help="Sessions at a time.")
@option("--idle", type=click.IntRange(min=1), default=600, show_default=True, help="Seconds until one is released.")
@plugin_files
def command(
    backbone: str,
    checkpoint: str | None,
    device: str,
    host: str,
    port: int,
    token: str | None,
    clients: int,
    idle: int,
    files: tuple[str, ...],
) -> None:
    """Serve viewers that speak the protocols of nnInteractive (napari, 3D Slicer) and of ITK-SNAP.

    Only this machine is answered, unless --host says otherwise: then clients need a token as API key. Ctrl-C ends.
    """
    from usframe.errors import RequestError

    try:
        from usframe.serving.app import Service
        from usframe.serving.clients import Limits
        from usframe.serving.server import listen, serve, token_for
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "blosc2"):
            raise
        raise RequestError(f"serving needs the package {error.name}: pip install 'usframe[serve]'") from error
    known, made_up = token_for(host, token)
    listening = listen(host, port)
    service = Service(loaded(backbone, checkpoint, device, files), known, Limits(clients=clients, idle=idle))
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"usframe serves {backbone} at http://{shown}:{listening.getsockname()[1]} (Ctrl-C ends it)")
    if made_up:
        click.echo(f"API key for the clients: {known}")
    sys.stdout.flush()
    raise SystemExit(serve(service, listening))


def loaded(backbone: str, checkpoint: str | None, device: str, files: tuple[str, ...]) -> Backbone:
    """The network, ready to predict."""
    from usframe.inference.checkpoints import load_backbone
    from usframe.plugins import load_plugins

    plugins = load_plugins([Path(file).expanduser() for file in files])
    return load_backbone(backbone, checkpoint=checkpoint, device=device, plugins=plugins)
