"""A picture of what the augmentations do to a volume of the user's: the task `preview`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Preview
from usframe.data.cases import pair_cases
from usframe.files import write_file
from usframe.plugins.load import Plugins
from usframe.reporting.overlay import COLOURS
from usframe.tasks.launch import prepare_folder
from usframe.training.augmentation import Augment
from usframe.training.labelled import LabelledClips, Volumes, look_through

SIDE, LINE, GAP, ACROSS = 224, 24, 4, 8
BACKGROUND = 22
PICTURE = "augmentations.png"


def preview(config: Preview, plugins: Plugins, *, quiet: bool = False) -> int:
    """Draw ``config.draws`` draws of each augmentation on the middle slice of a clip; returns the exit status.

    Raises `RequestError` and `CaseError` as a training would.
    """
    cases = pair_cases(
        Path(config.volumes), Path(config.labels), readers=plugins.readers, label_suffix=config.label_suffix
    )
    read = Volumes(config, plugins)
    known = look_through(cases[config.seed % len(cases)], read)
    source = LabelledClips([known], read, length=min(config.clip_length, known.length), seed=config.seed)
    clip = source.clip(len(source.items) // 2, config.seed)
    ids = [int(one) for one in np.unique(clip.labels) if one]
    masks = clip.labels[:, None] == np.array(ids, np.uint8)[:, None, None]
    names = config.names or plugins.augmentations.names()
    prepare_folder(config)
    columns = [_column("none", [(clip.images, masks)] * config.draws)]
    for name in names:
        augment = Augment({name: (plugins.augmentations.get(name), 1.0)})
        seeds = range(config.seed, config.seed + config.draws)
        drawn = [augment(clip.images, masks, rng=np.random.default_rng([seed, 2])) for seed in seeds]
        columns.append(_column(name, drawn))
    path = Path(config.out or "") / PICTURE
    columns += [np.full_like(columns[0], BACKGROUND)] * (-len(columns) % ACROSS)
    sheet = [np.hstack(columns[first : first + ACROSS]) for first in range(0, len(columns), ACROSS)]
    write_file(path, cv2.imencode(".png", np.vstack(sheet))[1].tobytes())
    if not quiet:
        print(f"{clip.origin}: {len(names)} augmentations, {config.draws} draws of each\nWrote {path}")
    return 0


def _column(name: str, drawn: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> NDArray[np.uint8]:
    """The middle slices one below the other with the outlines of their masks, under their name."""
    title = np.full((LINE, SIDE + GAP, 3), BACKGROUND, np.uint8)
    cv2.putText(title, name, (4, LINE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (225, 225, 225), 1, cv2.LINE_AA)
    return np.vstack(
        [title, *(_picture(images[len(images) // 2], masks[len(images) // 2]) for images, masks in drawn)]
    )


def _picture(image: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    grey = cv2.resize((image * 255).astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    for number, mask in enumerate(masks):
        large = cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        contours = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
        cv2.drawContours(picture, contours, -1, COLOURS[number % len(COLOURS)], 1, cv2.LINE_AA)
    return np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=BACKGROUND)
