"""Somebody at the page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


class Reader:
    """Somebody at the page, who notes what goes wrong in it and whom it asks."""

    def __init__(self, browser: Any, address: str) -> None:
        self.wrong: list[str] = []
        self.hosts: set[str] = set()
        self.page = browser.new_page(viewport={"width": 1200, "height": 800})
        self.page.on("console", lambda one: self.wrong.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda one: self.wrong.append(str(one)))
        self.page.on("request", lambda one: self.hosts.add(one.url.split("/")[2]))
        self.open(address)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.wait("document.getElementById('number').textContent.startsWith('Slice')")

    def ask(self, path: str) -> Any:
        return self.page.evaluate("async (path) => (await fetch(path)).json()", path)

    def case(self) -> Any:
        return self.ask(f"/api/cases/{self.page.inner_text('#title')}")

    def until(self, what: str) -> Any:
        """The case, once ``what`` holds for it; a JavaScript expression of ``told``."""
        check = (
            "async () => { const name = document.getElementById('title').textContent;"
            "const told = await (await fetch('/api/cases/' + name)).json();"
            f"return {what} ? told : null; }}"
        )
        return self.wait(check)

    def wait(self, script: str) -> Any:
        """What a JavaScript expression comes to, once that is true; the page's policy forbids to wait within it."""
        for _ in range(300):
            if found := self.page.evaluate(script):
                return found
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{script} has not come true; the page says {self.page.inner_text('footer')!r}")

    def pixels(self, canvas: str = "view") -> np.ndarray:
        """What is seen on a canvas, (H, W, 3) of 0 to 255."""
        script = """(name) => { const view = document.getElementById(name);
            const { data } = view.getContext('2d').getImageData(0, 0, view.width, view.height);
            let text = '';
            for (let n = 0; n < data.length; n += 4) text += String.fromCharCode(data[n], data[n + 1], data[n + 2]);
            return [view.height, view.width, btoa(text)]; }"""
        height, width, text = self.page.evaluate(script, canvas)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3)

    def ink(self, canvas: str = "view") -> int:
        """Pixels of a canvas that are coloured, which grey values are not."""
        red, _, blue = self.pixels(canvas).astype(int).transpose(2, 0, 1)
        return int((abs(red - blue) > 12).sum())

    def extent(self, canvas: str) -> tuple[int, int]:
        """How high and wide a plane is drawn."""
        seen = self.pixels(canvas).any(2)
        return tuple(int(np.ptp(np.flatnonzero(seen.any(axis)))) + 1 for axis in (1, 0))

    def place(self, x: float, y: float, canvas: str = "view") -> tuple[float, float]:
        """Shares of a canvas as pixels of the page."""
        box = self.page.locator(f"#{canvas}").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(self, *shares: tuple[float, float], button: str = "left") -> None:
        self.page.mouse.move(*self.place(*shares[0]))
        self.page.mouse.down(button=button)
        for one in shares[1:]:
            self.page.mouse.move(*self.place(*one), steps=5)
        self.page.mouse.up(button=button)
