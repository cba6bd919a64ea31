"""Attacks by what files, patients, prompts and segments are called: on terminals, pages, tables and pictures."""

from __future__ import annotations

import base64
import csv
import hashlib
import html.parser
import json
import os
import pty
import re
import shutil
import sys
from pathlib import Path

from attacker import Scene, attack

from kinds.folders import QUICK

HTML = "<script>alert(1)<" + "\N{DIVISION SLASH}script><img src=x onerror=alert(1)>\"'"
NAMES = {
    "escape codes": "a\x1b]0;b\x07\x1b[2J",
    "line ends": "a\nError: all is lost",
    "carriage returns": "a\rError: all is lost",
    "one-byte control codes": "a\x9b2Jb",
    "turned writing": "a\u202eb",
    "bytes that are no UTF-8": "a\udcff\udcfeb",
    "tags": HTML,
    "a formula": "=cmd|' !A0'",
    "a sum": "+1+1",
    "a difference": "-1+1",
    "a call": "@SUM(1)",
    "a formula in full width": "＝1+1",
    "a formula after a tab": "\t=1+1",
    "a formula after a carriage return": "\r=1+1",
    "formulas of TeX": "$\\frac{a$ ${",
    "templates": "{{ 7 * 7 }}{% raw %}",
    "an option": "--help",
    "a variable of a shell": "$(touch ran);`touch ran`",
    "percent signs": "%s%n%d%",
    "braces": "{0}{a.__class__}",
    "250 bytes": "n" * 235,
}


PICTURE = re.compile(r"data:image/webp;base64,UklGR[A-Za-z0-9+/]+=*")


class Page(html.parser.HTMLParser):
    """The tags and attributes of a page; its scripts are data, or the one that its policy allows by its hash."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.policy, self.script = "", dict[str, str | None]()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.wrong += [tag] * (tag in ("iframe", "object", "embed", "base"))
        self.script = dict(attributes) if tag == "script" else {}
        if tag == "script":
            self.script.setdefault("type", None)
        if tag == "meta" and dict(attributes).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attributes)["content"] or ""
        for name, value in attributes:
            place = (value or "").strip().lower()
            led_out = name in ("src", "href") and place.startswith(
                ("javascript:", "data:", "http", "//", "/", "..")
            )
            own = (tag, name) == ("img", "src") and PICTURE.fullmatch(value or "")
            self.wrong += [f"{tag} {name}={value}"] * (
                name.startswith("on") or (led_out and not own) or value == "x"
            )

    def handle_data(self, data: str) -> None:
        if not self.script:
            return
        if self.script["type"] == "application/json":
            json.loads(data)
        else:
            digest = base64.b64encode(hashlib.sha256(data.encode()).digest()).decode()
            self.wrong += [f"script {data[:40]}"] * (f"'sha256-{digest}'" not in self.policy)
        self.script = {}


def checked(scene: Scene) -> None:
    """No page of the scene has a tag, and no table a formula, that came with a name."""
    for path in scene.folder.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not Page(text).wrong, f"{path.name}: {Page(text).wrong[:3]}"
        assert "49" not in text or "{{ 7 * 7 }}" not in str(path)
    for path in scene.out.rglob("*.csv"):
        content = path.read_bytes()
        assert not {*b"\x1b\x07\x9b"} & {*content} or b"\xc2\x9b" not in content, path.name
        for row in csv.reader(content.decode().splitlines()):
            for cell in row:
                if cell.startswith(tuple("=+-@\t\r＝＋－＠")):
                    float(cell)
    for path in scene.out.rglob("*.json"):
        path.read_text(encoding="utf-8")


def _name(what: str, name: str) -> None:
    def function(scene: Scene) -> None:
        for folder in (scene.volumes, scene.data.labels):
            shutil.copy(folder / "good.nii.gz", folder / f"{name}.nii.gz")
            shutil.copy(folder / "good.nii.gz", folder / f"other{name[:200]}.nii.gz")
        (scene.volumes / f"other{name[:200]}.nii.gz").write_bytes(b"damaged")
        told = scene.run("overlays=true")
        scene.refused(told, "(read)", status=1)
        checked(scene)
        (scene.volumes / f"other{name[:200]}.nii.gz").unlink()
        (scene.data.labels / f"other{name[:200]}.nii.gz").unlink()
        shutil.copytree(scene.data.labels, scene.folder / "masks")
        where = ("-i", "volumes", "-l", "labels")
        for words in (
            ("run", *where, "-o", "dry", "--backbone", "demo", "--checkpoint", "random", "--dry-run"),
            ("report", "--masks", "masks", "-l", "labels", "-i", "volumes", "-o", scene.out / "scores"),
            ("prepare", *where, "-o", scene.out / "prepared", "--cache"),
            ("run", "preview_augmentations", *where, "-o", scene.out / "preview", "names=[flip]", "draws=1"),
        ):
            told = scene.usframe(*words)
            assert told.status == 0, f"{words[0]}: {told.err[-400:]}"
        checked(scene)

    attack(f"names with {what}")(function)


for _what, _text in NAMES.items():
    _name(_what, _text)


@attack("names of all kinds in a comparison")
def comparison(scene: Scene) -> None:
    for name in ("=1+1", HTML, "$\\frac{a$", "a\x1b[2J\nb"):
        for folder in (scene.volumes, scene.data.labels):
            shutil.copy(folder / "good.nii.gz", folder / f"{name}.nii.gz")
    rows = "".join(f'"{name}",@p\n' for name in ("=1+1", HTML.replace('"', '""'), "$\\frac{a$", "a\x1b[2J\nb"))
    scene.write("people.csv", f"case,group\n{rows}good,=2\n")
    words = scene.data.request("seeds=1", "mode=slice", "prompts=[box,point]", "group=people.csv", "overlays=true")
    told = scene.usframe("run", "compare_prompts", *words[1:], limit=90)
    assert told.status == 0, told.err[-400:]
    checked(scene)


@attack("names of all kinds in a fine-tuning")
def training(scene: Scene) -> None:
    for name in ("=1+1", HTML, "$\\frac{a$", "a\x1b[2J\nb"):
        for folder in (scene.volumes, scene.data.labels):
            shutil.copy(folder / "good.nii.gz", folder / f"{name}.nii.gz")
    words = scene.data.request(*QUICK)
    told = scene.usframe(words[0], "finetune", *words[1:], limit=90)
    assert told.status == 0, told.err[-400:]
    checked(scene)


@attack("patients of all kinds")
def patients(scene: Scene) -> None:
    for group in ("=1+1", HTML, "a\x1b[2J\nb", "\t=1", "@a"):
        cell = group.replace('"', '""')
        scene.write("people.csv", f'case,group\ngood,"{cell}"\n')
        told = scene.run("group=people.csv", "overwrite=true")
        assert told.status == 0, told.err[-400:]
        checked(scene)


@attack("prompts with arguments of codes and tags")
def arguments(scene: Scene) -> None:
    plugin = (
        "import usframe\n"
        "def told(mask, *, frame, object_id, rng, how='a'):\n"
        "    return usframe.Prompt(frame, object_id, mask=mask)\n"
        "@usframe.hookimpl\n"
        "def usframe_register_prompts(register):\n    register('told', told)\n"
    )
    scene.write("told.py", plugin)
    for n, how in enumerate((HTML, "../../../outside", "=1+1", "$\\frac{a$", "a\\e[2J\\nb", "\\x9b2J")):
        text = how.replace("\\frac", "\\\\frac").replace('"', '\\"')
        scene.write("mine.yaml", f'defaults: [zero_shot]\nprompts: [{{told: {{how: "{text}"}}}}]\n')
        words = scene.data._replace(out=scene.out / str(n)).request("--plugin", "told.py")
        told = scene.usframe(words[0], "mine.yaml", *words[1:])
        assert told.status == 0, told.err[-400:]
        checked(scene)
    assert {path.name for path in scene.outside.iterdir()} == {"secret.raw"}


@attack("names of segments with codes, tags and formulas")
def segments(scene: Scene) -> None:
    header = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 30 20 5\nencoding: raw\n"
    header += "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n"
    for n, name in enumerate((HTML, "=1+1", "a\x9b2Jb", "@a", "../../x")):
        keys = f"Segment0_Name:={name}\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n\n"
        for folder in ("masks", "truth"):
            scene.write(f"{folder}/a.seg.nrrd", (header + keys).encode() + b"\0" * 1500 + b"\1" * 1500)
        told = scene.usframe("report", "--masks", "masks", "--labels", "truth", "-o", scene.out / str(n))
        assert told.status == 0, told.err[-400:]
        checked(scene)


@attack("a name of codes on a terminal that shows progress")
def progress(scene: Scene) -> None:
    for folder in (scene.volumes, scene.data.labels):
        shutil.copy(folder / "good.nii.gz", folder / "a\x1b[2J\x9bb.nii.gz")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(scene.folder)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        from usframe.cli import main

        try:
            main(scene.data.request("overlays=false"), "usframe")
        finally:
            os._exit(0)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # its end
        pass
    os.waitpid(child, 0)
    assert b"case" in shown, "no progress"
    assert b"\x1b[2J" not in shown, "raw codes on the terminal"
    assert "\x9b".encode() not in shown, "raw codes on the terminal"


@attack("masks whose folder is called by codes")
def report_of_codes(scene: Scene) -> None:
    folder = Path("a\x1b[2J\nError: b")
    shutil.copytree(scene.data.labels, scene.folder / folder)
    told = scene.usframe("report", "--masks", folder, "--labels", "labels", "-o", "out")
    assert told.status == 0, told.err
    checked(scene)
    told = scene.usframe("report", "--masks", folder, "--labels", "labels", "-o", folder)
    scene.refused(told)
