"""Holds what a package or a plugin file registers to the contracts of its kinds, with pytest."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from inspect import Parameter, getsourcefile, isclass, isfunction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pluggy import HookimplMarker

from usframe.errors import PluginError, UsframeError
from usframe.plugins.arguments import own_arguments
from usframe.plugins.choice import same_package
from usframe.plugins.entry import Entry
from usframe.plugins.kinds import KINDS
from usframe.plugins.load import Plugins
from usframe.plugins.messages import listing, nearest, one_line

LONGEST = 300  # characters of an error that are shown
hookimpl = HookimplMarker("pytest")
TESTS = "from usframe_contracts.registered import contracts_of\n\nglobals().update(contracts_of({owner!r}))\n"


@dataclass
class Check:
    """One sentence of a contract about one target. ``wrong``: a line for each case in which it does not hold."""

    about: str
    says: str
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def standing(self) -> str:
        return "failed" if self.wrong else "skipped" if self.skipped else "ok"


def registered_by(plugins: Plugins, owner: str) -> list[tuple[str, Entry]]:
    """(kind, entry) of everything that ``owner`` registers: a distribution, or the path of a loaded plugin file.

    Raises `PluginError` where no plugin package is called so, it is broken, or registers nothing.
    """
    entries = [(kind, entry) for kind, registry in plugins.by_kind().items() for entry in registry]
    found = [(kind, entry) for kind, entry in entries if _is_owner(entry, owner)]
    if not found:
        for label, cause in plugins.broken:
            if same_package(label.partition(" ")[0], owner):
                raise PluginError(f"{label}: {cause}")
        known = sorted({entry.origin.package for _, entry in entries if entry.origin.package})
        if any(same_package(owner, package) for package in known) or owner.endswith(".py"):
            raise PluginError(f"{owner}: it registers nothing")
        raise PluginError(
            f"no plugin package is called {owner!r}{nearest(owner, known)}; installed: {listing(known)}; "
            "a file must end in .py"
        )
    return found


def run_checks(plugins: Plugins, owner: str) -> list[Check]:
    """Every check of everything that ``owner`` registers; see `registered_by` for what it raises.

    Raises `UsframeError` where pytest is not installed, and where the tests themselves cannot be run.
    """
    entries = registered_by(plugins, owner)
    checks = [check for kind, entry in entries for check in _before(kind, entry)]
    if find_spec("pytest") is None:
        raise UsframeError("the contracts are pytest tests: pip install pytest")
    return checks + _tested(owner, _sources(entries))


def _before(kind: str, entry: Entry) -> Iterator[Check]:
    """Whether a target imports, and why it is not tested where only its author can."""
    about = f"{kind} {entry.name}"
    try:
        target = entry.load()
    except PluginError as error:
        yield Check(about, "it imports", [str(error).removeprefix(f"{entry.owner}: ")])
        return
    yield Check(about, "it imports")
    needed = [name for name, one in own_arguments(target, KINDS[kind]).items() if one is Parameter.empty]
    if needed and kind != "metric":
        told = f"usframe has no {listing(needed)} to give; test it in its package, with functools.partial"
        yield Check(about, "it keeps its contract", skipped=told)


def _is_owner(entry: Entry, owner: str) -> bool:
    origin = entry.origin
    return same_package(origin.package, owner) if origin.package else origin.label == str(Path(owner))


class Report:
    """A plugin of pytest: outcomes as `Check`, by what is tested and the name of the test, in the tests' order.

    ``sources``: files and folders of the plugin that is tested.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        self.sources = sources
        self.checks: dict[tuple[str, str], Check] = {}

    def pytest_itemcollected(self, item: Any) -> None:
        says = item.originalname.removeprefix("test_").replace("_", " ")
        self.checks.setdefault(_key(item), Check(item.cls.about, says))

    @hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
        report = yield
        check = self.checks[_key(item)]
        if report.skipped:
            check.skipped = str(call.excinfo.value)
        elif report.failed:
            case = f"{item.callspec.id}: " if hasattr(item, "callspec") else ""
            check.wrong.append(case + self.told(call.excinfo))
        return report

    def told(self, raised: Any) -> str:
        """The error, and where: the last line of the plugin's own files, else of the contract."""
        places = [(Path(place.path), place.lineno + 1) for place in raised.traceback]
        own = [place for place in places if any(place[0].is_relative_to(source) for source in self.sources)]
        tests = [place for place in places if place[0].parent.name in ("usframe_contracts", "contracts")]
        where = "".join(f" ({path.name}:{line})" for path, line in (own or tests)[-1:])
        return one_line(raised.value)[:LONGEST] + where


def _key(item: Any) -> tuple[str, str]:
    return item.cls.about, item.originalname


def _sources(entries: Sequence[tuple[str, Entry]]) -> list[Path]:
    """The modules of the targets, or the folders of the packages that these are in."""
    found = []
    for _, entry in entries:
        with contextlib.suppress(UsframeError, TypeError):
            target: Any = entry.load()
            target = target if isfunction(target) or isclass(target) else type(target)
            if file := getsourcefile(target):
                inner = target.__module__.count(".")
                found.append(Path(file).absolute().parents[inner - 1] if inner else Path(file).absolute())
    return found


def _tested(owner: str, sources: Sequence[Path]) -> list[Check]:
    import pytest

    report, printed = Report(sources), io.StringIO()
    with TemporaryDirectory() as made, contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        folder = Path(made).resolve()
        (folder / "pytest.ini").write_text("[pytest]\naddopts =\n", encoding="utf-8")
        (folder / "test_registered.py").write_text(TESTS.format(owner=owner), encoding="utf-8")
        words = [
            "-q",
            "-c",
            str(folder / "pytest.ini"),
            "--rootdir",
            str(folder),
            "--basetemp",
            str(folder / "files"),
        ]
        words += ["-p", "no:cacheprovider", "-p", "no:warnings", "--import-mode", "importlib", "--strict-markers"]
        status = pytest.main([*words, str(folder)], plugins=[report])
    if status == pytest.ExitCode.INTERRUPTED and report.checks:
        raise KeyboardInterrupt
    if not report.checks:
        told = [line for line in printed.getvalue().splitlines() if line.startswith(("E ", "ERROR"))]
        raise UsframeError(f"the contracts cannot be run: {' '.join(told[-1:]) or 'pytest found none'}")
    return list(report.checks.values())
