"""Reports as one file: what a page must have within it to be read alone."""

import re
from html import unescape
from pathlib import Path


def check_whole(page: str, folder: Path, *, figures: int, pictures: int = 0) -> None:
    """Figures and pictures are inside, and addresses are parts of the page or files beside it.

    Raises `AssertionError`.
    """
    assert page.count("<svg") == page.count("</svg>") == figures
    assert page.count("<img") == page.count('<img src="data:image/webp;base64,UklGR') == pictures
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    parts = set(re.findall(r"url\(([^)]+)\)", page))
    addresses = {address.strip("'\"") for address in parts | set(re.findall(r'\b(?:href|src)="([^"]*)"', page))}
    assert {"run.json", "experiment.yaml"} <= addresses or "prepare.json" in addresses
    for address in addresses:
        if address.startswith("data:"):
            continue
        if address.startswith("#"):
            assert address[1:] in names
        else:
            assert re.fullmatch(r"[a-z_]+\.(csv|json|png|yaml)", address), address
            assert (folder / address).is_file() or address in {"run.json", "experiment.yaml", "splits.json"}
    for words in ("How to cite", "For research use, not for clinical use.", "default-src 'none'"):
        assert words in unescape(page)
