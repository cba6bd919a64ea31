"""A picture of what the augmentations do to a volume of the user's: the task `preview`."""

from __future__ import annotations

import numpy as np

from usframe.config.schema import Preview
from usframe.data.cases import find_cases
from usframe.errors import escape
from usframe.plugins import Plugins
from usframe.reporting.augmentations import draw_sheet
from usframe.tasks import Output
from usframe.tasks.launch import prepare_folder
from usframe.training.augmentation import Augment
from usframe.training.labelled import LabelledClips, Volumes, scan_case

PICTURE = "augmentations.png"


def preview(config: Preview, plugins: Plugins, output: Output) -> int:
    """Draw ``config.draws`` draws of each augmentation on the middle slice of a clip; returns the exit status.

    Raises `RequestError` and `CaseError` as a training would.
    """
    cases = find_cases(config, config.labels, plugins)
    case = cases[config.seed % len(cases)]
    read = Volumes(config, plugins)
    scanned = scan_case(case, read)
    source = LabelledClips([scanned], read, length=min(config.clip_length, scanned.length), seed=config.seed)
    clip = source.clip(len(source.items) // 2, config.seed)
    ids = [int(one) for one in np.unique(clip.labels) if one not in (0, config.ignore)]
    masks = clip.labels[:, None] == np.array(ids, np.uint8)[:, None, None]
    columns = [("none", [(clip.images, masks)] * config.draws)]
    for name in config.names or plugins.augmentations.names():
        augment = Augment({name: (plugins.augmentations.get(name), 1.0)})
        seeds = range(config.seed, config.seed + config.draws)
        drawn = [augment(clip.images, masks, rng=np.random.default_rng([seed, 2])) for seed in seeds]
        columns.append((name, drawn))
    prepare_folder(config)
    path = config.folder / PICTURE
    draw_sheet(path, columns)
    if not output.quiet:
        for note in read.notes[case.name]:
            print(escape(f"note: {case.name}: {note}"))
        print(escape(f"{clip.origin}: {len(columns) - 1} augmentations, {config.draws} draws of each"))
        print(escape(f"Wrote {path}"))
    return 0
