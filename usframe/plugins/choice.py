"""Which packages win or are left out, as the user says: ``prefer`` and ``block``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from usframe.plugins.messages import listing, nearest


class Choice:
    """Distributions by name, compared as pip does: case, ``-``, ``_`` and ``.`` do not count (PEP 503)."""

    def __init__(self, prefer: Sequence[str] = (), block: Sequence[str] = ()) -> None:
        self.named = {"prefer": list(prefer), "block": list(block)}
        self._prefer, self._block = set(map(_normal, prefer)), set(map(_normal, block))

    def prefers(self, package: str) -> bool:
        return _normal(package) in self._prefer

    def blocks(self, package: str) -> bool:
        return _normal(package) in self._block

    def problems(self, installed: Iterable[str]) -> list[str]:
        """One line per name that is none of the ``installed`` plugin packages, or is both preferred and blocked."""
        known = sorted(set(installed))
        normal = set(map(_normal, known))
        problems = [
            f"{key}={name}: no plugin package is called so{nearest(name, known)}; installed: {listing(known)}"
            for key, names in self.named.items()
            for name in names
            if _normal(name) not in normal
        ]
        both = [name for name in self.named["prefer"] if self.blocks(name)]
        return problems + [f"{name} is both preferred and blocked; leave out prefer or block" for name in both]


def same_package(name: str, other: str) -> bool:
    """Whether two names are of one distribution."""
    return _normal(name) == _normal(other)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
