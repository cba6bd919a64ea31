"""Draws docs/architecture.svg from the code: python docs/draw_architecture.py

Modules and arrows are read from usframe/; what its folders are for, their order and a volume's way are stated here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap

DOCS = Path(__file__).parent
CODE = DOCS.parent / "usframe"
DRAWING = DOCS / "architecture.svg"

SHARED = "types errors hookspecs arrays geometry intensity files plain shape quality volume crop selection objects"
FOR_ALL = SHARED.split()
FOLDERS = {
    "plugins": "names that lead to code",
    "config": "what a request is",
    "data": "from files to voxels, and back",
    "simulation": "ultrasound that nobody recorded",
    "prompting": "from labels or a table to prompts",
    "encoding": "what an encoder makes of slices",
    "inference": "from voxels and prompts to masks",
    "scoring": "how well masks agree with labels",
    "reporting": "what a person looks at",
    "training": "from samples to better weights",
    "annotation": "a volume that somebody labels",
    "session": "a run in its folder, whatever fails",
    "environment": "what this machine has",
    "tasks": "what an experiment can do",
    "labelling": "cases that somebody labels in a browser",
    "serving": "sessions for programs elsewhere",
    "cli": "the command line",
}
ORDER = tuple(FOLDERS)


@dataclass(frozen=True)
class Station:
    """Modules of a folder through which a volume goes, and what comes out of them, in lines."""

    folder: str
    modules: tuple[str, ...]
    gives: tuple[str, ...] = ()


READ = Station("data", ("reading",))
PROMPT = Station("prompting", ("strategies",))
SEGMENT = Station("inference", ("slices", "propagate"))
ENDS = (
    Station("data", ("writers",), ("mask files",)),
    Station("scoring", ("rows",), ("scores",)),
    Station("reporting", ("overlay", "run"), ("overlays,", "tables,", "page")),
)
STATIONS = (READ, PROMPT, SEGMENT, *ENDS)

WIDTH, LEFT, RIGHT, GAP, PAD = 700, 122, 548, 12, 9
LINE, LETTER, CHIP = 17, 7.25, 92
FIRST_LANE, SECOND_LANE = RIGHT + 14, RIGHT + 76
INK, SOFT, THIN, WAY = "#1a1a1a", "#555555", "#9a9a9a", "#0072b2"
STYLE = f"""
text {{ font: 12px "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: {INK}; white-space: pre }}
.name {{ font-weight: bold; font-size: 13px }}
.says {{ font: 11.5px "DejaVu Sans", Verdana, Arial, sans-serif; fill: {SOFT} }}
.gives {{ font: 11px "DejaVu Sans", Verdana, Arial, sans-serif; fill: {WAY} }}
.folder {{ fill: #ffffff; stroke: #7d7d7d }}
.import {{ fill: none; stroke: {THIN}; stroke-width: 1 }}
.station {{ fill: {WAY} }}
.on {{ fill: #ffffff; font-weight: bold }}
.way {{ fill: none; stroke: {WAY}; stroke-width: 3; stroke-linejoin: round }}
.under {{ fill: none; stroke: #f7f7f4; stroke-width: 8 }}
"""


@dataclass(frozen=True)
class Box:
    """A folder (or the modules for all) on the page: what it says, and where it lies."""

    name: str
    says: str
    modules: tuple[str, ...]
    top: float
    height: float


def modules_of(folder: str) -> tuple[str, ...]:
    inside = (CODE / folder).iterdir()
    names = (path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").is_file())
    return tuple(sorted(name for name in names if name != "__init__"))


def imports_of(folder: str) -> set[str]:
    """The other folders that one imports from, wherever in its files."""
    found = set()
    for path in sorted((CODE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "usframe":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= set((node.module or "").split(".")[1:2]) if _is_ours(node.module) else set()
            elif isinstance(node, ast.Import):
                found |= {alias.name.split(".")[1] for alias in node.names if _is_ours(alias.name)}
    return found & set(ORDER) - {folder}


def _is_ours(module: str | None) -> bool:
    return (module or "").startswith("usframe.")


def stations_in(folder: str) -> list[Station]:
    return [station for station in STATIONS if station.folder == folder]


def height_of_chip(station: Station) -> float:
    return LINE * len(station.modules) + 6


def plain_lines(folder: str, modules: Sequence[str]) -> list[str]:
    """The modules of a box that are no stations, in lines that fit beside these."""
    stations = stations_in(folder)
    on_the_way = {name for station in stations for name in station.modules}
    width = RIGHT - LEFT - 2 * PAD - (CHIP + PAD if stations else 0)
    return wrap("  ".join(name for name in modules if name not in on_the_way), int(width / LETTER))


def boxes() -> list[Box]:
    """All boxes from the top down."""
    found, top = [], 34.0
    for name in ("", *ORDER):
        modules = modules_of(name) if name else FOR_ALL
        says = FOLDERS[name] if name else "for all that follow, and for plugins"
        chips = sum(height_of_chip(station) + 5 for station in stations_in(name))
        height = max(26 + LINE * len(plain_lines(name, modules)), 26 + chips) + PAD - 3
        found.append(Box(name, says, modules, top, height))
        top += height + GAP
    return found


def chip_tops(box: Box) -> Iterator[tuple[Station, float]]:
    y = box.top + 26
    for station in stations_in(box.name):
        yield station, y
        y += height_of_chip(station) + 5


def text(x: float, y: float, words: str, kind: str = "module") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def draw_box(box: Box) -> Iterator[str]:
    place = f'x="{LEFT}" y="{box.top:g}" width="{RIGHT - LEFT}" height="{box.height:g}" rx="4"'
    yield f'<rect class="folder" {place}/>'
    name = f"{box.name}/" if box.name else ""
    yield text(LEFT + PAD, box.top + 17, name, "name") if name else ""
    yield text(LEFT + PAD + (len(name) + 1.5) * LETTER * 1.1 * bool(name), box.top + 17, box.says, "says")
    for row, line in enumerate(plain_lines(box.name, box.modules)):
        yield text(LEFT + PAD, box.top + 37 + LINE * row, line)
    for station, y in chip_tops(box):
        x, height = RIGHT - CHIP - 4, height_of_chip(station)
        yield f'<rect class="station" x="{x}" y="{y:g}" width="{CHIP}" height="{height}" rx="4"/>'
        yield from (text(x + 8, y + 15 + LINE * row, name, "on") for row, name in enumerate(station.modules))


def draw_imports(places: Mapping[str, Box]) -> Iterator[str]:
    """One arc per pair of folders, at the left, from the folder that imports up to the imported one."""
    uses = {name: sorted(imports_of(name), key=ORDER.index) for name in ORDER}
    step = (LEFT - 20) / 0.75 / len(ORDER)  # a curve comes three quarters of the way to its control points
    for name in ORDER:
        for nth, used in enumerate(reversed(uses[name])):
            users = [other for other in ORDER if used in uses[other]]
            below, above = places[name], places[used]
            start = below.top + below.height / 2 * (nth + 1) / (len(uses[name]) + 1)
            end = above.top + above.height * (1 - (users.index(name) + 1) / (2 * len(users) + 2))
            bulge = LEFT - 12 - step * (ORDER.index(name) - ORDER.index(used))
            arc = f"M{LEFT} {start:.1f}C{bulge:.1f} {start:.1f} {bulge:.1f} {end:.1f} {LEFT - 5} {end:.1f}"
            yield f'<path class="import" marker-end="url(#to)" d="{arc}"/>'


def draw_way(places: Mapping[str, Box]) -> Iterator[str]:
    """The strong line at the right: read, prompt, segment, and from there to the three ends."""
    tops = {station: y for box in places.values() for station, y in chip_tops(box)}
    middle = {station: y + height_of_chip(station) / 2 for station, y in tops.items()}
    read, prompt, segment = (middle[station] for station in (READ, PROMPT, SEGMENT))
    edge, tip = RIGHT - 4, RIGHT + 2
    yield way(f"M{WIDTH - 14} {read - 5:g}H{tip}")
    yield way(f"M{edge} {read + 6:g}H{FIRST_LANE}V{prompt - 5:g}H{tip}")
    yield way(f"M{edge} {prompt + 6:g}H{FIRST_LANE}V{segment - 9:g}H{tip}")
    for station in ENDS:
        path = f"M{edge} {segment + 9:g}H{SECOND_LANE}V{middle[station]:g}H{tip}"
        yield f'<path class="under" d="M{SECOND_LANE} {middle[station]:g}H{RIGHT + 8}"/>'
        yield way(path)
        yield from rows(SECOND_LANE + 7, middle[station] + 4, *station.gives)
    yield text(SECOND_LANE - 20, read - 13, "volume, labels", "gives")
    yield from rows(FIRST_LANE + 6, (read + prompt) / 2 - 2, "voxels,", "labels")
    yield from rows(FIRST_LANE + 6, (prompt + segment) / 2 - 2, "voxels,", "prompts")
    yield text(SECOND_LANE + 7, segment + 13, "masks", "gives")


def rows(x: float, y: float, *words: str) -> Iterator[str]:
    return (text(x, y + 13 * row, word, "gives") for row, word in enumerate(words))


def way(path: str) -> str:
    return f'<path class="way" marker-end="url(#on)" d="{path}"/>'


def marker(name: str, colour: str, size: float) -> str:
    where = f'viewBox="0 0 10 10" refX="5" refY="5" markerWidth="{size}" markerHeight="{size}" orient="auto"'
    units = 'markerUnits="userSpaceOnUse"'
    return f'<marker id="{name}" {where} {units}><path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'


def draw() -> str:
    """The whole picture as SVG."""
    page = boxes()
    places = {box.name: box for box in page}
    missing = [f"{s.folder}/{name}" for s in STATIONS for name in s.modules if name not in places[s.folder].modules]
    if missing:
        raise SystemExit(f"Error: a volume's way leads through {', '.join(missing)}, which is not in usframe/")
    height = page[-1].top + page[-1].height + 14
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" role="img">'
    parts = [
        head,
        "<title>The folders of usframe, their modules, and a volume's way through them</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{marker('to', THIN, 7)}{marker('on', WAY, 12)}</defs>",
        f'<rect width="{WIDTH}" height="{height:g}" rx="6" fill="#f7f7f4"/>',
        text(14, 22, "thin: imports from", "says"),
        text(RIGHT - 20, 22, "strong: a volume's way", "gives"),
        *draw_imports(places),
        *(line for box in page for line in draw_box(box) if line),
        *draw_way(places),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    DRAWING.write_text(draw(), encoding="utf-8")
