"""Scores for masks that are there already, whoever made them: the workflow behind `usframe report`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from usframe.arrays import release, values_of
from usframe.config.schema import Score
from usframe.data.axis import voxel_ml
from usframe.data.case import Case
from usframe.data.cases import pair_cases
from usframe.data.masks import MaskPair, read_masks
from usframe.data.meaning import Meaning
from usframe.data.patients import note_single_slices, read_patients
from usframe.data.reading import check_readers, read_volume
from usframe.data.splits import in_part
from usframe.errors import CaseError, PairingError, ReadError
from usframe.files import write_csv
from usframe.intensity import Slices, normalise_intensity
from usframe.objects import name_objects
from usframe.plugins import Plugins
from usframe.reporting.cells import PairTest, list_tests, told
from usframe.reporting.overlay import write_overlay
from usframe.reporting.page.slices import CaseSlices, slices_path
from usframe.reporting.record import RunRecord, describe_host
from usframe.reporting.results import GIVEN, CaseResult, count_totals, print_failures
from usframe.reporting.run import print_results, write_results
from usframe.reporting.text import counted
from usframe.scoring.metrics import RowKey, Scoring
from usframe.scoring.rows import Reference
from usframe.scoring.summary import score_notes
from usframe.session.loop import Progress, stop_if_interrupted
from usframe.session.records import Session
from usframe.tasks import Output
from usframe.tasks.launch import prepare_folder
from usframe.types import Segmentation


@dataclass(frozen=True)
class MaskedCase(Case):
    """A mask, which takes the place of the volume, its labels, and the image to draw both on where there is one.

    ``masks``: those of all sets by their names, the first of which is the ``volume``.
    """

    image: Path | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, Path | None]:
        others = {f"masks {name}": path for name, path in self.masks.items() if path != self.volume}
        return {**super().files, "image": self.image, **others}


def score(config: Score, plugins: Plugins, output: Output) -> int:
    """Score every mask that has labels; returns the exit status, 1 if some case failed.

    Raises `RequestError` before any file is read where the request cannot be met.
    """
    started = time.perf_counter()
    cases, notes = find_masks(config, plugins)
    scoring = Scoring.of(config.metrics, plugins)
    meaning = Meaning(
        [case.labels for case in cases if case.labels],
        [path for case in cases for path in case.masks.values()],
        layout=config.layout,
        ignore=config.ignore,
        allow_outside=config.allow_outside,
        plugins=plugins,
        objects=name_objects(config.objects, config.labels),
        time_point=config.time_point,
    )
    cases = [replace(case, meaning=meaning) for case in cases]
    session = Session(config.folder, plugins)
    prepare_folder(config, "same", partial(session.line_up, cases))
    steps = partial(score_masks, config, scoring, plugins)
    own = session.run(steps, cases, output, limit=config.case_timeout)
    results = session.results(cases, own)
    seconds = time.perf_counter() - started + session.seconds_before(results)
    print_failures(results)
    rows = [row for result in results for row in result.rows]
    alone = note_single_slices((result.slices.get("total", 0) for result in results), config.group)
    run: RunRecord = {
        **describe_host(config, seconds),
        "masks": ", ".join(config.named_masks.values()),
        "labels": config.labels,
        "volumes": config.volumes,
        **count_totals(results, labelled=True, notes=[*notes, *alone, *score_notes(rows)]),
    }
    pictures = list(config.named_masks) if config.volumes else []
    title = ", ".join(f"{name} of {place}" for name, place in config.named_masks.items())
    answer = write_results(config.folder, results, run, title=title, mode=GIVEN, overlays=pictures)
    tests = list_tests(GIVEN, "", rows) if config.sets else []
    if config.sets:
        write_csv(config.folder / "tests.csv", list(PairTest.__annotations__), tests)
    if output.json:
        print(json.dumps({**answer, "tests": tests}, indent=2))
    elif not output.quiet:
        print_results(answer, seconds)
        for test in tests:
            print(told(test))
    stop_if_interrupted(results)
    return int(any(result.error for result in results))


def find_masks(config: Score, plugins: Plugins) -> tuple[list[MaskedCase], list[str]]:
    """The masks that have labels, and notes on labels without a mask and on masks that only some sets have.

    Raises `PairingError` and `PluginError`.
    """
    labels, readers = Path(config.labels), plugins.readers
    sets = {
        name: {
            case.name: case
            for case in pair_cases(
                Path(place).expanduser(), labels, readers=readers, label_suffix=config.label_suffix, role="masks"
            )
        }
        for name, place in config.named_masks.items()
    }
    found, *others = sets.values()
    names = [name for name in found if all(name in other for other in others)]
    names = in_part(config, names)
    if not names:
        raise PairingError(f"no case has masks of all of {', '.join(sets)}; the files of a case must have one name")
    images: dict[str, Path] = {}
    if config.volumes:
        images = {case.name: case.volume for case in pair_cases(Path(config.volumes), None, readers=readers)}
        if missing := [name for name in names if name not in images]:
            raise PairingError(*(f"volumes={config.volumes}: no volume for case {name}" for name in missing))
    patients = read_patients(config.group, names)
    cases = [
        MaskedCase(
            name,
            found[name].volume,
            found[name].labels,
            group=patients[name],
            image=images.get(name),
            masks={which: of[name].volume for which, of in sets.items()},
        )
        for name in names
        if found[name].labels is not None
    ]
    check_readers((path for case in cases for path in case.files.values() if path is not None), plugins)
    notes = [
        f"{counted(len(of) - len(names), 'case')} only {which} and not every other set has, so left out"
        for which, of in sets.items()
        if len(of) > len(names)
    ]
    spare = len(pair_cases(labels, None, readers=readers)) - len(cases) if labels.is_dir() else 0
    notes += [f"{counted(spare, 'file')} of {labels} have no mask, so they are in no score"] if spare > 0 else []
    return cases, notes


def score_masks(
    config: Score,
    scoring: Scoring,
    plugins: Plugins,
    case: MaskedCase,
    result: CaseResult,
    progress: Progress,
) -> Iterator[None]:
    """Read the masks and the labels of one case and score them into ``result``, without a network's step.

    Raises `CaseError`.
    """
    assert case.labels
    with result.timed("read"):
        pairs = {
            name: read_masks(case.labels, path, config, plugins, image=case.image, meaning=case.meaning)
            for name, path in case.masks.items()
        }
        first = next(iter(pairs.values()))
        labels = first.labels
        data = read_image(case.image, labels.data.shape, config, plugins) if case.image else None
    yield
    yield
    seen = CaseSlices(case.name, labels.data.shape, labels.data, labels.spacing_mm, first.ignored, first.known)
    for name, pair in pairs.items():
        answer = score_mask(scoring, case, pair, name, result)
        if data is not None:
            with result.timed("overlay"):
                path = config.folder / "overlays" / name / f"{case.name}.png"
                spacing = pair.labels.spacing_mm
                write_overlay(path, data, pair.labels.data, answer.mask, [], title=case.name, spacing_mm=spacing)
        seen.add(name, answer, [])
    with result.timed("overlay"):
        seen.write(slices_path(config.folder, case.name), data)


def score_mask(scoring: Scoring, case: MaskedCase, pair: MaskPair, name: str, result: CaseResult) -> Segmentation:
    """Score one mask of a case into ``result``, and give it as an answer."""
    labels, mask = pair.labels, pair.mask
    result.notes += [note for note in pair.notes if note not in result.notes]
    unknown = "voxel size unknown: hd95_mm, assd_mm and the tolerance of nsd are in pixels"
    if labels.spacing_mm is None and unknown not in result.notes:
        result.notes.append(unknown)
    objects = tuple(one for one in values_of(mask.data) if one)
    answer = Segmentation(mask.data, objects, np.full((len(objects), len(mask.data)), np.nan, np.float32))
    empty = int((~labels.data.any((1, 2)) & (True if pair.known is None else pair.known)).sum())
    result.slices = {"total": len(labels.data), "encoded": 0, "without_object": empty}
    with result.timed("score"):
        key = RowKey(case.name, case.group, GIVEN, name, names={**mask.names, **labels.names})
        reference = Reference(
            labels.data,
            labels.spacing_mm,
            scoring,
            per_frame=pair.per_frame,
            voxel_ml=voxel_ml(labels),
            ignored=pair.ignored,
            known=pair.known,
        )
        result.add(reference.score(key, answer))
    release(labels.data, mask.data)
    return answer


def read_image(image: Path, shape: tuple[int, ...], config: Score, plugins: Plugins) -> Slices:
    """The image (D, H, W) that masks of ``shape`` are drawn on. Raises `CaseError` for one of another shape."""
    volume = read_volume(
        image,
        layout=config.layout,
        allow_outside=config.allow_outside,
        time_point=config.time_point,
        plugins=plugins,
    )
    if volume.data.shape != shape:
        raise ReadError(f"{image}: a volume of {volume.data.shape} for labels of (D, H, W) = {shape}")
    try:
        data, _ = normalise_intensity(volume.data, config.intensity)
    except CaseError as error:
        raise CaseError(f"{image}: {error}") from error
    return data
