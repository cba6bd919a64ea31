"""Files of prompts; the cases that are good have good rows in them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from . import Place, Recipe, labels, pair, save

HEAD = "case,frame,object,box,points,mask\n"
GOOD = "good_0,1,1,6 4 22 20,,\ngood_1,2,2,25 17 39 31,,\n"
BOX = "6 4 22 20"


def table(rows: str, *, head: str = HEAD, good: str = GOOD, name: str = "prompts.csv") -> Callable[[Place], Any]:
    """A table of prompts in which CASE stands for the bad one."""

    def make(place: Place) -> None:
        pair(place, ".nii.gz")
        text = head + good + rows.replace("CASE", place.case)
        (place.volumes.parent / name).write_bytes(text.encode("latin-1"))

    return make


def listed(*rows: Any) -> Callable[[Place], Any]:
    return table("", head=json.dumps(rows if rows else {}), good="", name="prompts.json")


def shown(rows: str, mask: Any) -> Callable[[Place], Any]:
    """A table that names ``prompt.nii.gz``, which holds ``mask``."""

    def make(place: Place) -> None:
        table(rows)(place)
        save(place.volumes.parent / "prompt.nii.gz", mask)

    return make


def file(name: str = "prompts.csv") -> Sequence[str]:
    return ("--mode", "propagate", f"frames=file:PLACE/{name}")


def refused(name: str, rows: str, says: str, **more: Any) -> Recipe:
    """A table that is refused as a whole, before any case."""
    return Recipe(f"prompts_{name}", table(rows, **more), says, 2, options=file())


def failing(name: str, make: Callable[[Place], Any], says: str) -> Recipe:
    """A row that its volume does not fit."""
    return Recipe(f"prompts_{name}", make, says, 1, options=file())


RECIPES = [
    refused("nothing", "", "names no column", head="", good=""),
    refused("no_header", "CASE,1,1,6 4 22 20\n", "unknown column", head=""),
    refused("column", "", "unknown column 'slice'", head="case,slice,object,box,points,mask\n"),
    refused("no_object", "", "names no column object", head="case,frame,box\n", good="good_0,1,6 4 22 20\n"),
    refused("case", f"stranger,1,1,{BOX},,\n", "no volume for case stranger"),
    refused("no_case", f",1,1,{BOX},,\n", "names no case"),
    refused("frame_words", f"CASE,first,1,{BOX},,\n", "'first' is not a number"),
    refused("frame_half", f"CASE,1.5,1,{BOX},,\n", "whole number"),
    refused("frame_negative", f"CASE,-1,1,{BOX},,\n", "counted from 0"),
    refused("frame_infinite", f"CASE,inf,1,{BOX},,\n", "not a number"),
    refused("object_zero", f"CASE,1,0,{BOX},,\n", "1 to 255"),
    refused("object_300", f"CASE,1,300,{BOX},,\n", "1 to 255"),
    refused("box_three", "CASE,1,1,6 4 22,,\n", "3 numbers"),
    refused("box_nan", "CASE,1,1,6 4 nan 20,,\n", "not a number"),
    refused("box_words", "CASE,1,1,left top right bottom,,\n", "not a number"),
    refused("box_backwards", "CASE,1,1,22 20 6 4,,\n", "ends before it begins"),
    refused("box_shares", "CASE,1,1,0.1 0.1 0.5 0.5,,\n", "normalised"),
    refused("box_commas", "CASE,1,1,6,4,22,20\n", "more cells"),
    refused("points_one", "CASE,1,1,,7,\n", "are not x y label"),
    refused("points_label", "CASE,1,1,,7 7 5,\n", "are not x y label"),
    refused("points_outside", "CASE,1,1,,7 7 0,\n", "neither a box nor a mask"),
    refused("nothing_said", "CASE,1,1,,,\n", "neither a box nor a mask"),
    refused("no_mask", "CASE,1,1,,,nowhere.nii.gz\n", "no such file"),
    refused("no_utf8", "CASE \xfc,1,1,,,\n", "cannot be read|utf-8"),
    refused("nul", f"CASE\0,1,1,{BOX},,\n", "no volume for case|NUL"),
    refused("long_cell", f"CASE,1,1,{'9' * 200000},,\n", "cannot be read|not a number|field"),
    Recipe("prompts_missing", table("", name="other.csv"), "cannot be read", 2, options=file()),
    Recipe(
        "prompts_folder", lambda place: pair(place, ".nii.gz"), "cannot be read", 2, options=file("volumes.csv")
    ),
    Recipe(
        "prompts_pipe",
        lambda place: (pair(place, ".nii.gz"), os.mkfifo(place.volumes.parent / "prompts.csv")),
        "no file",
        2,
        options=file(),
    ),
    Recipe(
        "prompts_json",
        table("", head="[{", good="", name="prompts.json"),
        "prompts.json",
        2,
        options=file("prompts.json"),
    ),
    Recipe("prompts_json_no_list", listed(), "list of rows", 2, options=file("prompts.json")),
    Recipe("prompts_json_words", listed("CASE", 1), "list of rows", 2, options=file("prompts.json")),
    Recipe(
        "prompts_json_deep",
        table("", head="[" * 99999, good="", name="prompts.json"),
        "prompts.json",
        2,
        options=file("prompts.json"),
    ),
    Recipe(
        "prompts_json_case",
        listed({"case": ["a"], "frame": 1, "object": 1, "box": [1, 2, 9, 9]}),
        "case",
        2,
        options=file("prompts.json"),
    ),
    Recipe(
        "prompts_json_frame",
        listed({"case": "good_0", "frame": {"a": 1}, "object": 1, "box": [1, 2, 9, 9]}),
        "not a number",
        2,
        options=file("prompts.json"),
    ),
    Recipe(
        "prompts_json_big",
        listed({"case": "good_0", "frame": 10**400, "object": 1, "box": [1, 2, 9, 9]}),
        "not a number|frame",
        2,
        options=file("prompts.json"),
    ),
    failing("frame_beyond", table(f"CASE,99,1,{BOX},,\n"), "last slice"),
    failing("box_outside", table("CASE,1,1,200 200 220 220,,\n"), "outside|beyond"),
    failing("points_beyond", table("CASE,1,1,,900 900 1,\n"), "outside|beyond"),
    failing("mask_nothing", shown("CASE,1,7,,,prompt.nii.gz\n", labels()), "nothing of object 7"),
    failing("mask_shape", shown("CASE,1,1,,,prompt.nii.gz\n", labels()[:, :-1]), "shape"),
]
