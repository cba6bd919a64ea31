"""Attacks by what a request names: an experiment file, prompts, splits, patients; and by where it is typed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from attacker import SECRET, Scene, attack

LEVELS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
BOMB = f"task: predict\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{LEVELS}"
CHAIN = ("label_suffix", "labels", "volumes", "backbone", "checkpoint", "group", "device")
EXPERIMENTS = {
    "aliases that double": BOMB,
    "merge keys that double": BOMB.replace("[", "{p: [").replace("]", "]}"),
    "an alias in itself": "task: predict\ncases: &a [*a]\n",
    "references that double": "task: predict\nout: "
    + "x" * 1000
    + "\n"
    + "".join(f"{key}: {f'${{{before}}}' * 100}\n" for before, key in zip(("out", *CHAIN), CHAIN, strict=False)),
    "references in a circle": "task: predict\nlabels: ${volumes}\nvolumes: ${labels}\n",
    "a deep nest": f"task: predict\ncases: {'[' * 5000}{']' * 5000}\n",
    "a deep nest of references": f"task: predict\nlabels: {'${' * 3000}a{'}' * 3000}\n",
    "a huge file": f"task: predict\n# {'x' * 2**20}\n",
    "an environment variable": "task: predict\nlabel_suffix: ${oc.env:SECRET}\n",
    "an environment variable with blanks": 'task: predict\nlabel_suffix: "${ oc.env : SECRET}"\n',
    "an environment variable after backslashes": "task: predict\nlabel_suffix: a\\\\${oc.env:SECRET}\n",
    "a resolver whose name is put together": "task: predict\nname: oc.env\nlabel_suffix: ${${name}:SECRET}\n",
    "an environment variable in a key": "task: predict\n'${oc.env:SECRET}': 1\n",
    "an environment variable in the defaults": "defaults: [override /noise: '${oc.env:SECRET}']\n",
    "a resolver that decodes": "task: predict\nlabel_suffix: ${oc.decode:'${oc.env:SECRET}'}\n",
    "a resolver that creates": "task: predict\nlabel_suffix: ${oc.create:1}\n",
    "Hydra's own values": "task: predict\nlabel_suffix: ${hydra:runtime.cwd}\n",
    "an object of Python": "task: !!python/object/apply:os.system [touch ran]\n",
    "a module of Python": "task: !!python/module:evil\n",
    "a new object of Python": "task: !!python/object/new:evil.Evil {}\n",
    "a target": "task: predict\n_target_: os.system\n",
    "a target in a plugin": "task: predict\nprompts: [{box: {_target_: os.system}}]\n",
    "a plugin": "task: predict\nplugins: [evil.py]\n",
    "a plugin by way of defaults": "defaults: [second]\n",
    "a search path": "task: predict\nhydra: {searchpath: [pkg://evil]}\n",
    "a search path in the defaults": "defaults: [{override hydra/launcher: evil}]\n",
    "a callback of Hydra": "task: predict\nhydra: {callbacks: {a: {_target_: evil.Evil}}}\n",
    "defaults outside": "defaults: [../outside/secret]\n",
    "defaults at an absolute path": "defaults: [/etc/passwd]\n",
    "defaults of a package": "defaults: ['pkg://evil/a']\n",
    "defaults that lead back": "defaults: [mine]\n",
    "a NUL byte": 'task: predict\nlabel_suffix: "a\\0b"\n',
    "a number of 10,000 digits": f"task: predict\nbatch_size: {'9' * 10000}\n",
    "a number beyond floats": "task: predict\nbox_margin: 1e999\n",
    "an expression that never ends": "task: predict\nvolumes: names\nlabels: names\ngroup: ^(a|a)*$\n",
    "an expression nested too deeply": "task: predict\nvolumes: names\nlabels: names\n"
    f"group: {'(' * 3000}{')' * 3000}\n",
    "an expression that fills memory": "task: predict\nvolumes: names\nlabels: names\n"
    "group: '(((a{1,500}b?){1,500}c?){1,500}d?){1,500}$'\n",
    "an expression that guesses": "task: predict\nvolumes: names\nlabels: names\ngroup: '(?:(?:a+b?){e<=9})+$'\n",
    "splits without end": "task: finetune\nvolumes: volumes\nlabels: labels\nsplits: /dev/zero\n",
    "prompts without end": "task: predict\nvolumes: volumes\nframes: file:zero.csv\n",
    "patients without end": "task: predict\nvolumes: volumes\nlabels: labels\ngroup: zero.csv\n",
    "weights without end": "task: predict\nvolumes: volumes\nlabels: labels\nbackbone: demo\ncheckpoint: zero.pt\n",
    "a name that leaves OUT": "task: score\nmasks: labels\nlabels: labels\nname: ../../x\n",
    "codes in a value": 'task: predict\nmode: "a\\e[2J\\nError: b"\n',
    "codes in a key": 'task: predict\n"a\\e[2J\\nError: b": 1\n',
    "codes in a tag": "task: predict\nlabels: !a%1b%5b2J 1\n",
}


def _experiment(what: str, text: str) -> None:
    def function(scene: Scene) -> None:
        scene.environment = {"SECRET": SECRET}
        for name in ("evil.py", "evil/__init__.py"):
            scene.write(name, "open('ran', 'w')\n")
        scene.write("evil/a.yaml", f"task: {SECRET}\n")
        scene.write("outside/secret.yaml", f"task: {SECRET}\n")
        scene.write("second.yaml", "task: predict\nplugins: [evil.py]\n")
        for ending in ("csv", "pt"):
            (scene.folder / f"zero.{ending}").symlink_to("/dev/zero")
        scene.write(f"names/{'a' * 40}!.nii.gz", b"x")
        told = scene.usframe("run", scene.write("mine.yaml", text).name, "-o", "out")
        wanting = sum(told.err.count(f"Error: {key} is required") for key in ("volumes", "labels"))
        scene.refused(told, lines=1 + wanting)
        assert not scene.out.exists(), "something was written"

    attack(f"an experiment with {what}")(function)


for _what, _text in EXPERIMENTS.items():
    _experiment(_what, _text)


@attack("an OUT with a line end that writes into the experiment kept there")
def out_with_line_end(scene: Scene) -> None:
    name = "a\nseed: 4711\n#"
    told = scene.usframe(*scene.data._replace(out=Path(name)).request("overlays=false"))
    assert told.status == 0, told.err
    (kept,) = scene.folder.glob("a*/experiment.yaml")
    assert "\nseed: 4711" not in kept.read_text()


PROMPTS = {
    "a frame beyond counting": "case,frame,object,box\ngood,1e300,1,1 1 9 9\n",
    "a frame of 5,000 digits": f"case,frame,object,box\ngood,{'9' * 5000},1,1 1 9 9\n",
    "an object of 10^9": "case,frame,object,box\ngood,1,1000000000,1 1 9 9\n",
    "a box of 10^39": "case,frame,object,box\ngood,1,1,1 1 1e39 1e39\n",
    "a box of 10^300": "case,frame,object,box\ngood,1,1,-1e300 -1e300 1e300 1e300\n",
    "a point of NaN": "case,frame,object,points\ngood,1,1,nan nan 1\n",
    "a point far away": "case,frame,object,points\ngood,1,1,1e30 1e30 1\n",
    "a cell without end": f"case,frame,object,box\ngood,1,1,{'1 ' * 200000}\n",
    "a case that leaves the folder": "case,frame,object,box\n../outside/secret,1,1,1 1 9 9\n",
    "codes in a case": 'case,frame,object,box\n"a\x1b[2J\nError: b",1,1,1 1 9 9\n',
    "a column of codes": "case,frame,object,box,\x1b[2J\ngood,1,1,1 1 9 9,1\n",
    "a mask outside": "case,frame,object,mask\ngood,1,1,../outside/secret.nii.gz\n",
    "a mask at an absolute path": "case,frame,object,mask\ngood,1,1,/etc/passwd\n",
    "a mask without end": "case,frame,object,mask\ngood,1,1,/dev/zero\n",
    "a mask of NUL": "case,frame,object,mask\ngood,1,1,a\0b\n",
    "rows without end": "case,frame,object,box\n" + "good,x,1,1 1 9 9\n" * 200000,
    "JSON nested deeply": "[" * 100000,
    "JSON of long numbers": f'[{{"case": "good", "frame": {"9" * 5000}, "object": 1, "box": [1, 1, 9, 9]}}]',
    "JSON beyond floats": f'[{{"case": "good", "frame": 1, "object": 1, "box": [1, 1, {"9" * 400}, 9]}}]',
    "JSON of objects for cells": '[{"case": {"a": 1}, "frame": {}, "object": [], "box": {"x": 1}}]',
    "JSON of NaN": '[{"case": "good", "frame": NaN, "object": 1, "box": [1, 1, 9, 9]}]',
    "JSON with a mask of NUL": '[{"case": "good", "frame": 1, "object": 1, "mask": "a\\u0000b"}]',
    "JSON with codes": '[{"case": "a\\u001b[2J\\nError: b", "frame": 1, "object": 1, "box": [1, 1, 9, 9]}]',
}


def _prompts(what: str, text: str) -> None:
    def function(scene: Scene) -> None:
        (scene.outside / "secret.nii.gz").write_bytes((scene.data.labels / "good.nii.gz").read_bytes())
        name = "asked/prompts.json" if what.startswith("JSON") else "asked/prompts.csv"
        scene.write(name, text)
        told = scene.run(f"frames=file:{name}")
        many = what == "rows without end"
        assert told.status in (1, 2), told.err
        words = ["lies outside"] * (what == "a mask outside")
        scene.refused(told, *words, status=told.status, lines=21 if many else 1)
        assert not scene.files(scene.out / "masks"), "a mask was written"

    attack(f"prompts with {what}")(function)


for _what, _text in PROMPTS.items():
    _prompts(_what, _text)

SPLITS = {
    "nested deeply": "[" * 100000,
    "of long numbers": "9" * 5000,
    "of names that leave the folder": '[{"train": ["good"], "val": ["../../outside/secret"]}]',
    "of codes": '[{"train": ["good"], "val": ["a\\u001b[2J\\nError: b"]}]',
    "of half a letter": '[{"train": ["good"], "val": ["\\ud800"]}]',
    "of folds without end": "[" + ",".join(['{"train": ["a"], "val": ["b"]}'] * 20000) + "]",
}


def _splits(what: str, text: str) -> None:
    def function(scene: Scene) -> None:
        scene.write("splits.json", text)
        for task in ("prepare", "run finetune"):
            where = ("-i", "volumes", "-l", "labels", "-o", "out", "splits=splits.json")
            more = ("--backbone", "demo", "--checkpoint", "random", "--device", "cpu") if task != "prepare" else ()
            scene.refused(scene.usframe(*task.split(), *where, *more), "splits.json")

    attack(f"splits {what}")(function)


for _what, _text in SPLITS.items():
    _splits(_what, _text)

PATIENTS = {
    "cells without end": f"case,group\ngood,{'a' * 200000}\n",
    "rows that are short": "case,group\ngood\n",
    "NUL": "case,group\ngood,a\0b\n",
    "one case twice": "case,group\ngood,a\ngood,b\n",
    "no UTF-8": b"case,group\ngood,\xff\n",
    "codes in a case": 'case,group\n"a\x1b[2J\nError: b",p\n',
}


def _patients(what: str, text: str | bytes) -> None:
    def function(scene: Scene) -> None:
        scene.write("participants.csv", text)
        told = scene.run("group=participants.csv")
        if told.status == 0:  # a name of NUL is a name, and must be told as one
            assert what == "NUL"
            assert "\0" not in (scene.out / "metrics.csv").read_text()
        else:
            scene.refused(told, "participants.csv")

    attack(f"patients with {what}")(function)


for _what, _text in PATIENTS.items():
    _patients(_what, _text)


@attack("words of a command line with codes")
def codes_in_words(scene: Scene) -> None:
    for words in (
        ("run", "--a\x1b[2J\nError: b"),
        ("demo", "--cases", "a\x1b[2J"),
        ("report", "--masks", "a\x1b[2J", "--masks", "b"),
        ("x\x1b[2J",),
        ("plugins", "--kind", "a\x9b2J"),
        ("run", "a=\x1b[2J"),
        ("run", "seed=\x1b[2J"),
    ):
        assert scene.usframe(*words).status == 2


def _started(scene: Scene, words: list[str], **environment: str) -> None:
    """A process of its own in the scene's folder, as a user starts it."""
    import subprocess

    done = subprocess.run(
        [sys.executable, *words],
        cwd=scene.folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr[-800:]
    assert done.returncode == 0, done.stderr[-400:]
    assert not scene.ran.exists(), "code was run"


@attack("packages of the working folder that hide installed ones")
def hiding_packages(scene: Scene) -> None:
    for name in ("sam2", "hydra", "usframe_plugins", "evil"):
        scene.write(f"{name}/__init__.py", "open('ran', 'w')\n")
    scene.write("evil-1.dist-info/METADATA", "Name: evil\nVersion: 1\n")
    scene.write("evil-1.dist-info/entry_points.txt", "[usframe]\nevil = evil\n")
    script = Path(sys.executable).with_name("usframe")
    _started(scene, [str(script), "plugins"])
    _started(scene, ["-m", "usframe", "plugins"])


@attack("a matplotlibrc in the working folder")
def matplotlibrc(scene: Scene) -> None:
    scene.write("evil.py", "open('ran', 'w')\n")
    scene.write(
        "matplotlibrc", "backend: module://evil\ntext.usetex: True\nfigure.dpi: 100000\nsavefig.dpi: 9999\n"
    )
    words = ["-m", "usframe", "run", "compare_prompts", *scene.data.request("seeds=0", "mode=slice")[1:]]
    _started(scene, words)


@attack("variables that Hydra and OmegaConf know")
def variables(scene: Scene) -> None:
    scene.environment = {"HYDRA_FULL_ERROR": "1", "HYDRA_BOOTSTRAP": "1", "SECRET": SECRET}
    scene.refused(scene.usframe("run", "label_suffix=${oc.env:SECRET}", "-i", "none", "-l", "none"))
    scene.refused(scene.usframe("run", scene.write("a.yaml", "defaults: [nothing]\n").name))


@attack("a list of names for a demo that leave it")
def demo_names(scene: Scene) -> None:
    (scene.outside / "mine.nii.gz").write_bytes(b"mine")
    demo = scene.folder / "demo"
    scene.write("demo/objects.json", json.dumps({"../../outside/mine": {}, str(scene.outside / "mine"): {}}))
    for text in (None, "[" * 100000, "3", '{"a": 1}', "\x1b[2J", '["\\u0000"]'):
        if text is not None:
            scene.write("demo/objects.json", text)
        told = scene.usframe("demo", "-o", demo, "--cases", 1, "--data-only")
        assert told.status == 0 or len(told.lines) == 1, told.err
        assert (scene.outside / "mine.nii.gz").exists(), "a file elsewhere was removed"


@attack("a demo in a folder of links")
def demo_links(scene: Scene) -> None:
    names = ("thyroid", "carotid", "heart", "fetal_head", "head", "neck", "kidney", "liver", "bladder", "prostate")
    for name in names:
        for number in range(3):
            (scene.outside / f"{name}_{number:03d}.nii.gz").write_bytes(b"mine")
    kept = {path.name: path.read_bytes() for path in scene.outside.iterdir()}
    scene.write("demo/objects.json", json.dumps({f"{name}_000": {} for name in names}))
    for name in ("volumes", "labels"):
        (scene.folder / "demo" / name).symlink_to(scene.outside)
    told = scene.usframe("demo", "-o", "demo", "--cases", 2, "--data-only")
    scene.refused(told, "demo", status=told.status)
    assert told.status in (1, 2)
    assert {path.name: path.read_bytes() for path in scene.outside.iterdir()} == kept
