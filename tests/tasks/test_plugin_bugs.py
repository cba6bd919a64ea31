"""What a plugin does wrong costs its case or ends the request before any case; it never costs a finished run."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import DataSet

import usframe
from usframe.cli import main

READER = """
import numpy as np
from usframe import Volume, hookimpl

class Reader:
    def read(self, path, *, layout="auto", onto=None):
        if path.name == "case_1.odd" and "volumes" in str(path):
            return {}["no such key"]
        return Volume(np.load(path.with_suffix(".bin"), allow_pickle=False))

    def shape(self, path, *, layout="auto"):
        return self.read(path).data.shape

    def write(self, path, mask, grid):
        assert grid.affine is None and grid.spacing_mm is None
        path.touch()

@hookimpl
def usframe_register_readers(register):
    register("odd", Reader, suffixes=(".odd",))
"""


def usframe_(*words: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def plugin(tmp_path: Path, code: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    return path


@pytest.fixture
def odd(data: DataSet, tmp_path: Path) -> DataSet:
    """The three cases in a format whose reader fails on the volume of the second."""
    made = DataSet(tmp_path / "odd/volumes", tmp_path / "odd/labels", tmp_path / "out")
    for before, after in ((data.volumes, made.volumes), (data.labels, made.labels)):
        after.mkdir(parents=True)
        for path in sorted(before.iterdir()):
            name = path.name.removesuffix(".nii.gz")
            voxels = nib.load(path).get_fdata().transpose(2, 1, 0)
            (after / f"{name}.odd").touch()
            with (after / f"{name}.bin").open("wb") as file:
                np.save(file, voxels.astype(np.uint8 if after == made.labels else np.float32))
    return made


FAILED = "case_1.odd: reader odd (mine.py) failed: KeyError: 'no such key' (mine.py:8)"


def test_a_readers_bug_stays_within_its_case_in_every_task(
    odd: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin(tmp_path, READER)
    more = ["--plugin", "mine.py"]
    done = usframe_(*odd.request("-p", "box", *more))
    assert done.exit_code == 1
    assert FAILED in done.stderr
    with (odd.out / "metrics.csv").open(newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {"case_0", "case_2"}
    dry = usframe_(*odd.request("--dry-run", *more))
    assert (dry.exit_code, dry.output.count(FAILED)) == (1, 1)
    assert "3 cases (1 cannot be run)" in dry.output
    where = ["-i", odd.volumes, "-l", odd.labels]
    prepared = usframe_("prepare", *where, "-o", "prepared", "--val", "0.5", *more)
    assert (prepared.exit_code, FAILED in prepared.stderr) == (1, True)
    scored = usframe_("report", "--masks", odd.volumes, "-l", odd.labels, "-o", "scored", *more)
    assert (scored.exit_code, FAILED in scored.stderr) == (1, True)
    first, *words = odd.request("-o", "tuned", *more)
    trained = usframe_(first, "finetune", *words)
    assert trained.exit_code == 1
    assert FAILED in trained.stderr
    assert trained.stderr.splitlines()[-1] == ("Error: 1 of 3 cases cannot be used; mend or leave out its files")
    assert not Path("tuned").exists()
    assert not any("Traceback" in result.output for result in (done, dry, prepared, scored, trained))


@pytest.mark.parametrize("answer", ["None", "Volume(np.zeros((2, 3, 4), complex))", "Volume(np.zeros((2, 3, 0)))"])
def test_a_reader_that_answers_something_else_is_named(tmp_path: Path, answer: str) -> None:
    code = READER.replace('Volume(np.load(path.with_suffix(".bin"), allow_pickle=False))', answer)
    plugins = usframe.load_plugins([plugin(tmp_path, code)])
    with pytest.raises(usframe.ReadError, match=r"a\.odd: reader odd \(.*mine\.py\) returned "):
        usframe.read_volume(tmp_path / "a.odd", plugins=plugins)


@pytest.mark.parametrize(
    ("hook", "words", "message"),
    [
        ("prompts", ["-p", "late"], "prompts: "),
        ("augmentations", ["finetune", "augment.late=0.5"], "augment.late: "),
        ("readers", [], ""),
        ("metrics", [], ""),
    ],
)
def test_a_plugin_that_does_not_import_ends_the_request_before_any_case(
    data: DataSet, tmp_path: Path, hook: str, words: list[str], message: str
) -> None:
    suffixes = "suffixes=('.nii.gz',)" if hook == "readers" else ""
    path = plugin(
        tmp_path,
        f"from usframe import hookimpl\n\n@hookimpl\ndef usframe_register_{hook}(register):\n"
        f"    register('late', 'no_such_module:late', {suffixes})\n",
    )
    first, *rest = data.request(f"plugins=[{path}]")
    done = usframe_(first, *words, *rest)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {message}{path}: cannot import no_such_module:late")
    assert not data.out.exists()


BACKBONE = """
from pathlib import Path
from usframe import hookimpl, load_backbone

class Mine:
    image_size, checkpoint = 256, Path("gone.pt")

    def __init__(self, own):
        self.module, self.encode, self.decode = own.module, own.encode, own.decode

def mine(*, checkpoint, device, precision):
    return Mine(load_backbone("demo", device=device))

@hookimpl
def usframe_register_backbones(register):
    register("mine", mine)
"""


def test_a_checkpoint_that_is_not_there_is_told_before_the_first_case(data: DataSet, tmp_path: Path) -> None:
    words = data.request("--backbone", "mine", f"plugins=[{plugin(tmp_path, BACKBONE)}]")
    words = [word for word in words if word not in ("--checkpoint", "random")]
    done = usframe_(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: backbone mine says that its weights are those of gone.pt, which cannot")
    assert not data.out.exists()
    asked = usframe_(*words, "--checkpoint", "random")
    assert (
        asked.stderr == "Error: checkpoint=random is not possible: backbone mine takes a file, or its own weights\n"
    )


def test_a_backbone_that_fails_costs_its_case_and_is_named(data: DataSet, tmp_path: Path) -> None:
    code = BACKBONE.replace('Path("gone.pt")', "None").replace(
        "self.decode = own.module, own.encode, own.decode", "self.decode = own.module, own.encode, self.fail"
    )
    code = code.replace(
        "def mine(", "    def fail(self, *_, **__):\n        raise NotImplementedError('on MPS')\n\ndef mine("
    )
    words = data.request("--backbone", "mine", f"plugins=[{plugin(tmp_path, code)}]")
    done = usframe_(*(word for word in words if word not in ("--checkpoint", "random")))
    assert done.exit_code == 1
    assert (
        "case case_0 (segment): backbone Mine (mine.py): decode failed: NotImplementedError: on MPS" in done.stderr
    )


GREEDY = """
import numpy as np
from usframe import hookimpl

def greedy(frames, masks, *, rng):
    assert frames.dtype == np.float32 and masks.dtype == bool and masks.shape[1] <= 2
    frames *= 0.5
    masks[:] = False
    return frames, masks

@hookimpl
def usframe_register_augmentations(register):
    register("greedy", greedy)
"""


def test_an_augmentation_that_works_in_place_leaves_the_data_alone(data: DataSet, tmp_path: Path) -> None:
    """It gets one row of masks per object, and validation sees what it saw before."""
    first, *words = data.request("train.steps=3", "train.batch_size=2", "train.validate_every=1", "prompt={box: 1}")
    more = ["train.learning_rate=0", "train.weight_decay=0", "augment={greedy: 1.0}"]
    done = usframe_(first, "finetune", *words, *more, f"plugins=[{plugin(tmp_path, GREEDY)}]")
    assert done.exit_code == 0, done.output
    with (data.out / "curve.csv").open(newline="") as file:
        assert len({row["dice box"] for row in csv.DictReader(file)}) == 1


def test_what_is_assumed_about_files_is_told_by_every_task(data: DataSet, tmp_path: Path) -> None:
    for path in data.labels.iterdir():
        image = nib.load(path)
        only = (np.asarray(image.dataobj) == 1).astype(np.uint8) * 255
        nib.save(nib.Nifti1Image(only, image.affine), path)
    note = "the label values 0 and 255 were read as 0 and 1"
    first, *words = data.request()
    where = ["-i", data.volumes, "-l", data.labels]
    for asked in (
        [first, *words, "--dry-run"],
        [first, "finetune", *words, "--dry-run"],
        [first, "preview_augmentations", *where, "-o", tmp_path / "preview", "names=[flip]"],
        ["prepare", *where, "-o", tmp_path / "prepared"],
    ):
        done = usframe_(*asked)
        assert done.exit_code == 0, done.output
        assert note in done.output, asked
    recording = usframe.Volume(np.linspace(0, 4000, 2 * 30 * 40).reshape(2, 30, 40), notes=("as its reader said",))
    box = usframe.Prompt(0, 1, box=np.array([5, 5, 20, 20], np.float32))
    backbone = usframe.load_backbone("demo", checkpoint="random", device="cpu")
    said, assumed = usframe.segment(recording, [box], backbone).notes
    assert said == "as its reader said"
    assert assumed.startswith("intensities from")


def test_a_file_named_on_the_command_line_may_replace_a_built_in(data: DataSet, tmp_path: Path) -> None:
    code = (
        "from usframe import Prompt, hookimpl\nimport numpy as np\n\n"
        "def box(mask, *, frame, object_id, rng):\n"
        "    return Prompt(frame, object_id, box=np.array([0, 0, 1, 1], np.float32))\n\n"
        "@hookimpl\ndef usframe_register_prompts(register):\n    register('box', 'mine:box')\n"
    )
    plain = usframe_(*data.request("-p", "box"))
    assert plain.exit_code == 0, plain.output
    before = (data.out / "metrics.csv").read_text()
    shutil.rmtree(data.out)
    replaced = usframe_(*data.request("-p", "box", "--plugin", str(plugin(tmp_path, code))))
    assert replaced.exit_code == 0, replaced.output
    assert (data.out / "metrics.csv").read_text() != before


SILENT = """
from usframe import hookimpl

def silent(mask, *, frame, object_id, rng):
    return None

@hookimpl
def usframe_register_prompts(register):
    register("silent", silent)
"""


def test_a_strategy_that_prompts_nothing_is_a_note_and_not_a_bad_score_without_a_word(
    data: DataSet, tmp_path: Path
) -> None:
    done = usframe_(*data.request("-p", "silent", "-p", "box", "--plugin", str(plugin(tmp_path, SILENT))))
    assert done.exit_code == 0, done.output
    assert "note: the strategy silent prompted nothing, so its mask is empty (3 cases, first case_0)" in done.output
    assert "the strategy box" not in done.output
