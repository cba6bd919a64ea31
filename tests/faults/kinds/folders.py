"""Attacks by what lies in OUT: records and lists that no run wrote, links that lead out of it."""

from __future__ import annotations

import json
import pickle
import shutil
from hashlib import sha256

from attacker import Scene, attack

from kinds.weights import Evil

QUICK = (
    *("train.steps=2", "train.batch_size=2", "train.validate_every=1", "train.validation_slices=2"),
    *("train.tracker=none", "train.parameters=decoder"),
)


def _mine(scene: Scene) -> dict[str, bytes]:
    """Files that are the user's, outside OUT."""
    for name in ("mine.txt", "deep/mine.txt", ".usframe-00000000"):
        scene.write(f"outside/{name}", "mine")
    return {str(path): path.read_bytes() for path in Scene.files(scene.outside)}


def _kept(scene: Scene, before: dict[str, bytes]) -> None:
    after = {str(path): path.read_bytes() for path in Scene.files(scene.outside)}
    assert after.keys() >= before.keys(), f"removed: {before.keys() - after.keys()}"
    assert {key: after[key] for key in before} == before, "changed"
    assert after.keys() == before.keys(), f"written: {after.keys() - before.keys()}"


HASH = sha256(b"mine").hexdigest()


def _manifest(what: str, *entries: object) -> None:
    def function(scene: Scene) -> None:
        before = _mine(scene)
        text = json.dumps(entries).replace("OUTSIDE", str(scene.outside))
        lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in json.loads(text)]
        scene.write("out/.usframe/manifest.jsonl", "\n".join(lines))
        scene.write("out/.usframe/begun.json", "{}")
        (scene.out / "link").symlink_to(scene.outside)
        told = scene.run("overwrite=true")
        if told.status:
            scene.refused(told)
        _kept(scene, before)

    attack(f"a manifest with {what}")(function)


_manifest("a file outside", {"path": "../outside/mine.txt", "sha256": HASH})
_manifest("a file at an absolute path", {"path": "OUTSIDE/mine.txt", "sha256": HASH})
_manifest("a folder outside", {"folder": "../outside/deep"})
_manifest("a folder at an absolute path", {"folder": "OUTSIDE"})
_manifest("a folder that is OUT's parent", {"folder": ".."}, {"folder": "."}, {"folder": ""})
_manifest("a file behind a link", {"path": "link/mine.txt", "sha256": HASH})
_manifest("a folder behind a link", {"folder": "link/deep"})
_manifest("a folder that is a link", {"folder": "link"})
_manifest("a way in and out", {"path": "masks/../../outside/mine.txt", "sha256": HASH})
_manifest("unfinished files outside", {"path": "../outside/x", "sha256": HASH}, {"path": "link/x", "sha256": HASH})
_manifest(
    "lines that no run wrote", [], 3, None, {"folder": 3}, {"path": []}, {"path": "a"}, "[" * 100000, "\x1b[2J"
)
_manifest("a NUL", {"folder": "a\0b"}, {"path": "a\0b", "sha256": HASH})
_manifest("names without end", {"folder": "a/" * 5000}, {"path": "b" * 5000, "sha256": HASH})


def _link(what: str, place: str, target: str) -> None:
    def function(scene: Scene) -> None:
        before = _mine(scene)
        assert scene.run("-p", "box").status == 0
        for overwrite in ("false", "true"):
            link = scene.out / place
            if link.is_dir() and not link.is_symlink():
                shutil.rmtree(link)
            else:
                link.unlink(missing_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(scene.outside / target)
            told = scene.usframe(*scene.data.request("-p", "box", "baselines=false", f"overwrite={overwrite}"))
            if told.status:
                scene.refused(told, status=told.status)
            _kept(scene, before)

    attack(f"OUT with a link for {what}")(function)


_link("its masks", "masks", "deep")
_link("masks of a prompt", "masks/box", "deep")
_link("a mask", "masks/box/good.nii.gz", "mine.txt")
_link("a mask that is not there", "masks/box/good.nii.gz", "new.txt")
_link("its pictures", "overlays", "deep")
_link("pictures of a prompt", "overlays/box", "deep")
_link("a table", "metrics.csv", "mine.txt")
_link("what a run keeps for itself", ".usframe", "deep")
_link("its records", ".usframe/cases", "deep")
_link("a record", ".usframe/cases/good.json", "mine.txt")
_link("its lock", ".usframe/lock", "mine.txt")
_link("its list of files", ".usframe/manifest.jsonl", "mine.txt")
_link("what it was begun with", ".usframe/begun.json", "mine.txt")
_link("what has ended", ".usframe/done", "deep")
_link("an unfinished table", ".usframe-4d6ea3f0", "mine.txt")


@attack("OUT with links for all its unfinished files")
def unfinished(scene: Scene) -> None:
    import os
    import zlib

    before = _mine(scene)
    names = ["experiment.yaml", "metrics.csv", "summary.json", "failures.csv", "run.json", "report.html"]
    for name in names:
        link = scene.out / f".usframe-{zlib.crc32(os.fsencode(name)):08x}"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(scene.outside / "mine.txt")
    told = scene.run()
    assert told.status in (0, 2), told.err
    _kept(scene, before)


RECORDS = {
    "nested deeply": "[" * 100000,
    "a list": "[]",
    "a number": "3",
    "text for rows": '{"result": {"case": "good", "rows": "abc", "stage": "score"}, "inputs": {}, "outputs": {}}',
    "rows of numbers": '{"result": {"case": "good", "rows": [1, 2]}, "inputs": {}, "outputs": {}}',
    "rows without columns": '{"result": {"case": "good", "rows": [{}]}, "inputs": INPUTS, "outputs": {}}',
    "notes of numbers": '{"result": {"case": "good", "notes": [1]}, "inputs": INPUTS, "outputs": {}}',
    "seconds of text": '{"result": {"case": "good", "seconds": {"read": "a"}}, "inputs": INPUTS, "outputs": {}}',
    "inputs of a list": '{"result": {"case": "good"}, "inputs": [], "outputs": []}',
    "inputs of text": '{"result": {"case": "good"}, "inputs": {"volume": "a", "labels": 3}, "outputs": {"a": 3}}',
    "outputs outside": '{"result": {"case": "good"}, "inputs": INPUTS, "outputs": {"../outside/mine.txt": "HASH"}}',
    "outputs of the system": '{"result": {"case": "good"}, "inputs": INPUTS, "outputs": {"/dev/zero": "a"}}',
    "another case": '{"result": {"case": "../a", "error": "\\u001b[2J"}, "inputs": INPUTS, "outputs": {}}',
    "codes in an error": '{"result": {"case": "good", "error": "\\u001b[2J\\nError: b"}, "inputs": {}}',
    "numbers of 5,000 digits": f'{{"result": {{"case": "good", "seconds": {{"a": {"9" * 5000}}}}}}}',
    "NaN": '{"result": {"case": "good", "slices": {"total": NaN}}, "inputs": INPUTS, "outputs": {}}',
    "half a letter": '{"result": {"case": "good", "notes": ["\\ud800"]}, "inputs": INPUTS, "outputs": {}}',
}


def _record(what: str, text: str) -> None:
    def function(scene: Scene) -> None:
        before = _mine(scene)
        assert scene.run().status == 0
        record = scene.out / ".usframe/cases/good.json"
        inputs = json.dumps(json.loads(record.read_text())["inputs"])
        record.write_text(text.replace("INPUTS", inputs).replace("HASH", HASH))
        told = scene.run()
        assert told.status == 0, told.err[-400:]
        _kept(scene, before)

    attack(f"a record of {what}")(function)


for _what, _text in RECORDS.items():
    _record(_what, _text)


def _begun(what: str, place: str, text: str, *words: str) -> None:
    def function(scene: Scene) -> None:
        asked = words or tuple(scene.data.request("overlays=false"))
        assert scene.usframe(*asked).status == 0
        path = scene.out / place
        path.write_text(text)
        if (manifest := scene.out / ".usframe/manifest.jsonl").exists():
            entry = {"path": place, "sha256": sha256(text.encode()).hexdigest()}
            manifest.write_text(f"{manifest.read_text()}\n{json.dumps(entry)}")
        told = scene.usframe(*asked)
        if told.status:
            scene.refused(told, status=told.status)

    attack(f"{place} of {what}")(function)


ODD = {
    "a deep nest": "[" * 100000,
    "a list": "[]",
    "text": '"a"',
    "other things": '{"a": [3], "settings": 3, "scores": 3}',
}
for _what, _text in ODD.items():
    _begun(_what, ".usframe/begun.json", _text)


def _prepared(what: str, place: str, text: str | bytes) -> None:
    def function(scene: Scene) -> None:
        shutil.copy(scene.volumes / "good.nii.gz", scene.volumes / "other.nii.gz")
        shutil.copy(scene.data.labels / "good.nii.gz", scene.data.labels / "other.nii.gz")
        asked = ("prepare", "-i", "volumes", "-l", "labels", "-o", "out", "--cache")
        assert scene.usframe(*asked).status == 0
        path = scene.out / place
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        told = scene.usframe(*asked)
        if told.status:
            scene.refused(told, status=told.status)

    attack(f"{place} of {what}")(function)


for _what, _text in ODD.items():
    _prepared(_what, "prepare.json", _text)
    _prepared(_what, "cache/records/good.json", _text)
_prepared("a pickle", "cache/volumes/good.npy", pickle.dumps(Evil()))


def _training(what: str, harm: object) -> None:
    def function(scene: Scene) -> None:
        assert callable(harm)
        shutil.copy(scene.volumes / "good.nii.gz", scene.volumes / "other.nii.gz")
        shutil.copy(scene.data.labels / "good.nii.gz", scene.data.labels / "other.nii.gz")
        before = _mine(scene)
        words = scene.data.request(*QUICK, "train.cache=1")
        asked = [words[0], "finetune", *words[1:]]
        told = scene.usframe(*asked, limit=90)
        assert told.status == 0, told.err[-500:]
        harm(scene)
        told = scene.usframe(*asked, limit=90)
        if told.status:
            scene.refused(told, status=told.status)
        _kept(scene, before)

    attack(f"a training with {what}")(function)


def _replace(*patterns: str) -> object:
    def harm(scene: Scene) -> None:
        found = [path for pattern in patterns for path in scene.out.glob(pattern)]
        assert found, patterns
        for path in found:
            path.write_bytes(pickle.dumps(Evil()))

    return harm


def _relink(place: str) -> object:
    def harm(scene: Scene) -> None:
        shutil.rmtree(scene.out / place, ignore_errors=True)
        (scene.out / place).symlink_to(scene.outside / "deep")

    return harm


_training("code in its state", _replace("state/custom_checkpoint_*.pkl"))
_training("code in its optimizer", _replace("state/optimizer.bin"))
_training("code in a file of its state", _replace("state/*"))
_training("code in its draws", _replace("state/random_states_*.pkl"))
_training("code in its embeddings", _replace("embeddings/*"))
_training("code in its weights", _replace("checkpoint_*.pt"))
_training("a link for its state", _relink("state"))
_training("a link for its old state", _relink("state.old"))
_training("a link for its unfinished state", _relink("state.part"))
_training("a link for its embeddings", _relink("embeddings"))
_training("scores of before that are none", lambda scene: (scene.out / "before.json").write_text('{"scores": [3]}'))
