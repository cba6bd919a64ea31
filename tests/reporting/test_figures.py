"""Figures within a page."""

from xml.etree import ElementTree

from matplotlib.figure import Figure

from usframe.reporting.page.figures import inline
from usframe.reporting.style import FAINT, INK, plain_style


@plain_style()
def drawn(told: str) -> str:
    figure = Figure(figsize=(3, 2))
    panel = figure.subplots()
    panel.plot([0, 1], [0, 1], color="#0072B2")
    panel.grid(color=FAINT)
    panel.set_title("Dice & <steps>", color=INK)
    return str(inline(figure, told))


def test_a_figure_is_one_element_with_its_letters_and_what_it_shows():
    svg = ElementTree.fromstring(drawn('"a" & <b>').replace("xlink:href", "href"))
    assert (svg.get("role"), svg.get("aria-label")) == ("img", '"a" & <b>')
    assert "Dice & <steps>" in "".join(svg.itertext())
    assert svg.get("viewBox")
    assert svg.get("width") is svg.get("height") is None


def test_what_is_no_data_has_the_colours_of_the_page():
    svg = drawn("a").lower()
    assert "var(--ink)" in svg
    assert "var(--line)" in svg
    assert "#0072b2" in svg
    assert not any(colour.lower() in svg for colour in (INK, FAINT))


def test_the_same_figure_is_drawn_the_same():
    assert drawn("a") == drawn("a")
