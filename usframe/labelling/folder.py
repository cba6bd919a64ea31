"""OUT of `usframe annotate`: a session for each case, the labels that were saved, and the prompts of all.

``sessions/CASE/`` is as `usframe.annotation.desk` keeps it, ``labels/CASE.SUFFIX`` the mask on the source's voxels,
``prompts.csv`` the prompts of all cases, for ``frames=file:OUT/prompts.csv``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from usframe.annotation import desk
from usframe.annotation.session import Session
from usframe.data.case import Case
from usframe.data.writers import mask_suffix, write_mask
from usframe.errors import RequestError
from usframe.files import link_in, write_csv
from usframe.plain import read_json, read_text
from usframe.plugins import Plugins
from usframe.session.folder import close_folder, lock_folder

SESSIONS, LABELS, PROMPTS = "sessions", "labels", "prompts.csv"
Standing: TypeAlias = Literal["untouched", "begun", "accepted"]


class Folder:
    """OUT, which no other process works in until `close`."""

    def __init__(self, out: Path, cases: Sequence[Case], plugins: Plugins) -> None:
        """Raises `RequestError` where OUT is in use, is a link somewhere, or has files that are another's."""
        self.out, self.cases, self.plugins = out, cases, plugins
        lock_folder(out)
        try:
            for case in cases:
                self._check(case)
        except RequestError:
            close_folder()
            raise

    def session_of(self, case: Case) -> Path:
        return self.out / SESSIONS / case.name

    def labels_of(self, case: Case) -> Path:
        return self.out / LABELS / f"{case.name}{mask_suffix(case.suffix)}"

    def standing(self, case: Case) -> Standing:
        """How far somebody has come with a case, as it was kept."""
        record = self._record(case)
        return "untouched" if record is None else "accepted" if record["accepted"] else "begun"

    def names(self) -> dict[int, str]:
        """The objects of all cases by id: what a case begins with that nobody has touched."""
        records = (self._record(case) for case in self.cases)
        found = [one for record in records if record for one in record["objects"]]
        return {one["id"]: one["name"] for one in sorted(found, key=lambda one: bool(one["name"]))}

    def take_up(self, case: Case, session: Session) -> bool:
        """Bring a fresh session to where it was kept; whether it was. Raises `RequestError`."""
        return desk.take_up(session, self.session_of(case), case.name, self.plugins)

    def keep(self, case: Case, session: Session) -> None:
        """Raises `WriteError`."""
        desk.keep(session, self.session_of(case), case.name)

    def save(self, case: Case, session: Session) -> Path:
        """Write the labels of a case; their file. Raises `WriteError`."""
        path = self.labels_of(case)
        write_mask(path, session.mask, session.volume, plugins=self.plugins)
        self.gather()
        return path

    def gather(self) -> None:
        """Write the prompts of all cases into one file. Raises `WriteError`."""
        write_csv(self.out / PROMPTS, desk.COLUMNS, (row for case in self.cases for row in self._prompts(case)))

    def close(self) -> None:
        """Let others at OUT, whose ``prompts.csv`` is of all that was kept. Raises `WriteError`."""
        try:
            self.gather()
        finally:
            close_folder()

    def _prompts(self, case: Case) -> list[dict[str, str]]:
        path = self.session_of(case) / desk.PROMPTS
        if not path.exists():
            return []
        rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
        place = path.parent.relative_to(self.out).as_posix()
        return [{**row, "mask": row["mask"] and f"{place}/{row['mask']}"} for row in rows]

    def _record(self, case: Case) -> desk.Kept | None:
        try:
            kept: desk.Kept = read_json(self.session_of(case) / desk.RECORD, desk.Kept)
        except (OSError, ValueError):  # `take_up` tells of it
            return None
        return kept

    def _check(self, case: Case) -> None:
        labels, session = self.labels_of(case), self.session_of(case)
        for path in (labels, session / desk.RECORD, self.out / PROMPTS):
            if link := link_in(self.out, path):
                raise RequestError(f"{link} is a link, and labels stay in their folder; choose another -o")
        if labels.exists() and not (session / desk.RECORD).exists():
            raise RequestError(
                f"{labels} was not made here and would be replaced; move it away, or choose another -o"
            )
