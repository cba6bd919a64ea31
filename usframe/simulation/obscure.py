"""What hides objects from a reader of the picture: little contrast, layers that look like something else, clutter.

None of it changes what is labelled. It teaches a network to rely on the shapes of objects and on its prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from usframe.simulation.anatomy import Organ, Scene
from usframe.simulation.parts import Rng, any_rim, draw_textures, log_uniform
from usframe.simulation.probe import Probe
from usframe.simulation.shapes import Blob, Carved, draw_blob


def obscure(rng: Rng, probe: Probe, scene: Scene, *, faint: float, clutter: float) -> Scene:
    """Fade the share ``faint`` of the labelled organs, and clutter the share ``clutter`` of organs and scenes."""
    if faint:
        scene = _fade(rng, scene, faint)
    return _clutter(rng, probe, scene, clutter) if clutter else scene


def _fade(rng: Rng, scene: Scene, rate: float) -> Scene:
    """Let the surroundings shine through some labelled organs, and dim their rims alike."""
    organs = []
    for organ in scene.organs:
        faded = rng.uniform(0.5, 0.95) if organ.name and rng.random() < rate else 0.0
        rim = organ.rim and replace(organ.rim, strength=organ.rim.strength * (1 - faded))
        organs.append(replace(organ, keep=max(organ.keep, faded), rim=rim))
    return replace(scene, organs=organs)


def _clutter(rng: Rng, probe: Probe, scene: Scene, rate: float) -> Scene:
    """Give some labelled organs an outer layer of another echo, and strew patches over some scenes."""
    organs: list[Organ] = []
    for organ in scene.organs:
        organs.append(organ)
        if organ.name and rng.random() < rate:
            organs += _layer(rng, organ)
    if rng.random() < rate:
        organs += _patches(rng, probe, scene.level)
    return replace(scene, organs=organs)


def _layer(rng: Rng, organ: Organ) -> Iterator[Organ]:
    holes = organ.shape.without if isinstance(organ.shape, Carved) else ()
    body = organ.shape.body if isinstance(organ.shape, Carved) else organ.shape
    if isinstance(body, Blob):
        thin = rng.uniform(0.7, 0.95)
        inner = replace(body, a=body.a * thin, b=body.b * thin)
        level, soft = organ.level + rng.uniform(-15, 12), rng.uniform(0.008, 0.03)
        textures, keep = draw_textures(rng, 4, 5), rng.uniform(0, 0.6)
        yield Organ(Carved(body, [inner, *holes]), None, level, textures, soft=soft, keep=keep, part=True)


def _patches(rng: Rng, probe: Probe, surroundings: float) -> Iterator[Organ]:
    for _ in range(rng.integers(1, 9)):
        area = log_uniform(rng, 0.002, 0.06) * probe.area
        place = probe.locate(rng.uniform(0, 1), rng.uniform(0, 1))
        shape = draw_blob(rng, place, area, aspect=log_uniform(rng, 1, 4), lobes=0.08, drift=0.2)
        rim = any_rim(rng) if rng.random() < 0.3 else None
        soft, keep = log_uniform(rng, 0.01, 0.08), rng.uniform(0, 0.7)
        level, textures = surroundings + rng.uniform(-20, 16), draw_textures(rng, 3, 5)
        yield Organ(shape, None, level, textures, rim, soft=soft, keep=keep, part=True)
