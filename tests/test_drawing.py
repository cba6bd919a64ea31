"""The picture in `docs/architecture.md` is what the code is now."""

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

from test_architecture import ABOVE, ORDER

DOCS = Path(__file__).parents[1] / "docs"
DRAWN = runpy.run_path(str(DOCS / "draw_architecture.py"))
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
WIDEST = 0.62  # of a letter, as a share of its height, in the fonts that are asked for


def test_the_drawing_is_made_from_the_code_as_it_is() -> None:
    kept = (DOCS / "architecture.svg").read_text(encoding="utf-8")
    assert kept == DRAWN["draw"](), "run: python docs/draw_architecture.py"


def test_folders_are_drawn_and_explained_in_the_order_that_is_enforced() -> None:
    assert list(DRAWN["ORDER"]) == list(ORDER)
    assert set(DRAWN["FOR_ALL"]) == set(ABOVE)
    assert re.findall(r"^\| `(\w+)/` \|", PAGE, flags=re.MULTILINE) == list(ORDER)


def test_every_arrow_leads_to_a_folder_above() -> None:
    for folder in ORDER:
        assert all(ORDER.index(used) < ORDER.index(folder) for used in DRAWN["imports_of"](folder)), folder


def test_no_words_leave_the_drawing() -> None:
    drawing = ElementTree.fromstring(DRAWN["draw"]())
    sizes = {"module": 12, "on": 12, "name": 13, "says": 11.5, "gives": 11}
    texts = list(drawing.iter("{http://www.w3.org/2000/svg}text"))
    assert texts
    for text in texts:
        width = len(text.text or "") * WIDEST * sizes[text.attrib["class"]]
        assert float(text.attrib["x"]) + width <= DRAWN["WIDTH"] + 1, text.text


def test_every_place_that_the_page_names_is_there() -> None:
    root = DOCS.parent
    places = re.findall(r"`((?:usframe|plugins|configs|checkpoints|tests|docs)/[\w/.]+)`", PAGE)
    assert len(places) > 20
    assert [place for place in places if not (root / place).exists()] == []
