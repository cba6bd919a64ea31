"""`usframe prepare`: splits, fingerprint and cache of real files, by the real command."""

import csv
import io
import json
import re
import signal
import subprocess
import sys
from base64 import b64decode

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import AFFINE, write_case
from PIL import Image
from whole_pages import check_whole

from usframe.cli import main
from usframe.data.cache import Cache, open_cached
from usframe.data.cases import pair_cases
from usframe.data.reading import read_labels, read_volume
from usframe.errors import ReadError, WriteError
from usframe.intensity import normalise_intensity
from usframe.plugins.load import load_plugins


def words(data, *more):
    return ["prepare", *map(str, ("-i", data.volumes, "-l", data.labels, "-o", data.out, *more))]


def prepare(data, *more):
    return CliRunner().invoke(main, words(data, *more))


def rows(data):
    with (data.out / "fingerprint.csv").open() as file:
        return list(csv.DictReader(file))


def splits(data):
    return json.loads((data.out / "splits.json").read_text())


def record(data):
    return json.loads((data.out / "prepare.json").read_text())


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".usframe" not in path.parts
    }


def test_a_split_a_table_and_a_record_are_written(data):
    done = prepare(data)
    assert done.exit_code == 0, done.output
    assert {path.name for path in data.out.iterdir() if path.is_file()} == {
        "splits.json",
        "fingerprint.csv",
        "prepare.json",
        "report.html",
    }
    (fold,) = splits(data)
    assert {part: len(cases) for part, cases in fold.items()} == {"train": 2, "val": 1}
    kept = record(data)
    assert kept["cases"] == {"total": 3, "failed": 0, "patients": 3}
    assert kept["folds"][0]["train"] == {"cases": 2, "patients": 2}
    assert (kept["settings"]["val"], kept["settings"]["test"], kept["failures"]) == (0.2, 0.0, [])
    assert "note: every case counts as a patient of its own" in done.output


def test_the_fingerprint_tells_sizes_spacing_intensities_and_objects(data):
    write_case(data, "case_0", depth=5)
    prepare(data)
    row = rows(data)[0]
    assert [row[key] for key in ("case", "group", "slices", "rows", "columns")] == [
        "case_0",
        "case_0",
        "5",
        "36",
        "48",
    ]
    volume, labels = (nib.load(folder / "case_0.nii.gz") for folder in (data.volumes, data.labels))
    spacing = nib.affines.voxel_sizes(AFFINE)
    found = [float(row[f"spacing_{axis}_mm"]) for axis in "whd"]
    assert found == pytest.approx(spacing, rel=1e-4)
    values, objects = volume.get_fdata(), labels.get_fdata()
    for name in ("min", "max", "mean"):
        assert float(row[f"intensity_{name}"]) == pytest.approx(getattr(values, name)(), rel=1e-4)
    assert (row["labels"], row["slices_without_object"], row["unit"]) == ("1 2", "2", "ml")
    for one in (1, 2):
        assert float(row[f"volume_{one}"]) == pytest.approx(
            (objects == one).sum() * spacing.prod() / 1000, rel=1e-4
        )


def test_names_of_objects_are_in_the_fingerprint(data):
    prepare(data, "objects={2: wall}")
    assert {row["names"] for row in rows(data)} == {"2 wall"}


def test_without_spacing_volumes_are_voxels(data):
    for folder in (data.volumes, data.labels):
        for path in list(folder.iterdir()):
            np.save(folder / f"{path.name.removesuffix('.nii.gz')}.npy", nib.load(path).get_fdata().T)
            path.unlink()
    done = prepare(data, "--cache")
    assert done.exit_code == 0, done.output
    row = rows(data)[0]
    assert (row["unit"], row["spacing_d_mm"]) == ("voxels", "")
    assert int(row["volume_1"]) == (np.load(data.labels / "case_0.npy") == 1).sum()
    assert set(json.loads((data.out / "cache/spacing.json").read_text()).values()) == {None}


def test_a_clip_has_no_millilitres(data):
    done = prepare(data, "axis=time")
    assert done.exit_code == 0, done.output
    row = rows(data)[0]
    assert row["unit"] == "voxels"
    assert int(row["volume_1"]) == (nib.load(data.labels / "case_0.nii.gz").get_fdata() == 1).sum()


@pytest.mark.parametrize("how", [(), ("--layout", "hwd", "--intensity", "minmax")])
def test_the_cache_holds_what_a_run_reads(data, how):
    assert prepare(data, "--cache", *how).exit_code == 0
    layout, intensity = (how[1], how[3]) if how else ("auto", "auto")
    spacing = json.loads((data.out / "cache/spacing.json").read_text())
    for case in pair_cases(data.volumes, data.labels, readers=load_plugins().readers):
        volume = read_volume(case.volume, layout=layout)
        for folder, wanted in (
            ("volumes", normalise_intensity(volume.data, intensity)[0]),
            ("labels", read_labels(case.labels, volume, layout=layout).data),
        ):
            cached = open_cached(data.out / "cache" / folder / f"{case.name}.npy")
            assert isinstance(cached, np.memmap)
            assert not cached.flags.writeable
            assert cached.dtype == wanted.dtype
            np.testing.assert_array_equal(cached, wanted)
        assert spacing[case.name] == [float(mm) for mm in volume.spacing_mm]


def test_the_cache_is_a_data_set_with_the_same_values(data):
    write_case(data, "bright", seed=3)
    nib.save(
        nib.Nifti1Image((nib.load(data.volumes / "bright.nii.gz").get_fdata() * 900).astype(np.int16), AFFINE),
        data.volumes / "bright.nii.gz",
    )
    prepare(data, "--cache")
    cached = data._replace(volumes=data.out / "cache/volumes", labels=data.out / "cache/labels")
    again = cached._replace(out=data.out.parent / "again")
    assert prepare(again, "--cache").exit_code == 0
    for folder in ("volumes", "labels"):
        assert files(again.out / "cache" / folder) == files(data.out / "cache" / folder)
    assert splits(again) == splits(data)
    done = CliRunner().invoke(
        main, cached._replace(out=data.out.parent / "run").request("-p", "box", "overlays=false")
    )
    assert done.exit_code == 0, done.output


def pictures_of(page):
    """Case -> what the page shows of it, RGB."""
    found = re.findall(r'src="data:image/webp;base64,([^"]+)" alt="A slice of (\w+) ', page)
    return {case: np.asarray(Image.open(io.BytesIO(b64decode(letters)))) for letters, case in found}


def test_the_page_shows_a_slice_of_every_case_and_the_part_it_is_in(data):
    assert prepare(data, "--cache", "--group", r"(\d)", "objects={1: vessel}").exit_code == 0
    page = (data.out / "report.html").read_text(encoding="utf-8")
    check_whole(page, data.out, figures=0, pictures=3)
    (fold,) = splits(data)
    for case in (*fold["train"], *fold["val"]):
        part = "train" if case in fold["train"] else "val"
        assert f'<strong>{case}</strong><b class="tag">{part}</b>' in page
    assert "patient 1" in page
    assert "5 x 36 x 48, 1.5 x 0.4031 x 0.4031 mm" in page
    assert re.search(r"1 vessel: 0\.\d+ ml", page)
    shown = pictures_of(page)
    for picture in shown.values():
        assert picture.shape == (180, 240, 3)  # 36 x 48 pixels that are square
        colourful = np.ptp(picture.astype(int), axis=2) > 60
        assert 0.01 < colourful.mean() < 0.2  # outlines
    again = prepare(data, "--cache", "--group", r"(\d)", "objects={1: vessel}")
    assert again.exit_code == 0
    assert pictures_of((data.out / "report.html").read_text(encoding="utf-8")).keys() == shown.keys()


def test_the_page_names_the_fold_that_validates_a_case(data):
    assert prepare(data, "--folds", "3").exit_code == 0
    page = (data.out / "report.html").read_text(encoding="utf-8")
    for number, fold in enumerate(splits(data)):
        assert f'<strong>{fold["val"][0]}</strong><b class="tag">val of fold {number}</b>' in page


def test_patients_stay_together_over_folds_and_the_test_part_is_the_same(data):
    for number in range(3, 8):
        write_case(data, f"case_{number}", depth=3)
    assert prepare(data, "--folds", 2, "--test", 0.25, "--group", "_[01]|_[23]|_[45]|_[67]").exit_code == 0
    first, second = splits(data)
    assert first["test"] == second["test"]
    assert sorted([*first["val"], *second["val"], *first["test"]]) == [f"case_{n}" for n in range(8)]
    for fold in (first, second):
        assert all(len(cases) > 1 for cases in fold.values())


def test_a_bad_case_is_named_and_the_others_go_on(data):
    prepare(data)
    whole = splits(data)[0]
    bad = data.volumes / f"{whole['train'][0]}.nii.gz"
    sound = bad.read_bytes()
    bad.write_bytes(sound[:200])
    done = prepare(data, "--cache")
    assert done.exit_code == 1
    assert f"Error: case {whole['train'][0]} (read): {bad}" in done.output
    assert splits(data) == [{"train": whole["train"][1:], "val": whole["val"]}]
    assert len(rows(data)) == len(list((data.out / "cache/volumes").iterdir())) == 2
    assert [failure["case"] for failure in record(data)["failures"]] == whole["train"][:1]
    bad.write_bytes(sound)
    assert prepare(data, "--cache").exit_code == 0
    assert splits(data) == [whole]


def test_a_case_that_has_become_bad_leaves_the_cache(data):
    prepare(data, "--cache")
    one = splits(data)[0]["train"][0]
    (data.labels / f"{one}.nii.gz").write_bytes(b"")
    assert prepare(data, "--cache").exit_code == 1
    assert one not in {path.stem for path in data.out.rglob("cache/*/*")}
    assert one not in json.loads((data.out / "cache/spacing.json").read_text())


def test_where_a_part_fails_as_a_whole_there_is_no_split(data):
    prepare(data)
    (data.volumes / f"{splits(data)[0]['val'][0]}.nii.gz").write_bytes(b"")
    done = prepare(data)
    assert done.exit_code == 1
    assert "Error: fold 0: all cases of a part failed, so " in done.output
    assert not (data.out / "splits.json").exists()


def test_a_second_time_only_what_changed_is_done_again(data):
    assert prepare(data, "--cache").exit_code == 0
    before = files(data.out)
    times = {path: path.stat().st_mtime_ns for path in data.out.glob("cache/*/*")}
    write_case(data, "case_1", depth=7, seed=9)
    assert prepare(data, "--cache").exit_code == 0
    done = {path.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert done == {"case_1.npy", "case_1.json"}
    assert open_cached(data.out / "cache/volumes/case_1.npy").shape[0] == 7
    assert files(data.out)["splits.json"] == before["splits.json"]
    assert [row["slices"] for row in rows(data)] == ["5", "7", "6"]


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        (("--seed", 1), "was prepared with other settings (seed=0)"),
        (("--folds", 2, "--layout", "hwd"), "was prepared with other settings (layout=auto, folds=1)"),
    ],
)
def test_what_was_prepared_otherwise_is_replaced_only_when_asked(data, more, difference):
    prepare(data, "--cache")
    before = files(data.out)
    refused = prepare(data, *more)
    wanted = f"Error: {data.out} {difference}; choose another -o, or add --overwrite to replace it\n"
    assert (refused.exit_code, refused.output) == (2, wanted)
    assert files(data.out) == before
    assert prepare(data, *more, "--overwrite").exit_code == 0
    assert not (data.out / "cache").exists()


def test_other_cases_are_refused_because_the_split_would_change(data):
    prepare(data)
    write_case(data, "new")
    refused = prepare(data)
    assert refused.exit_code == 2
    assert "was prepared from other cases or patients (such as case new); choose" in refused.output
    (data.out / "prepare.json").write_text("[]")
    assert "holds a prepare.json that cannot be read; choose another -o" in prepare(data).output


def test_a_split_of_ones_own_is_checked_and_taken(data):
    mine = data.out.parent / "mine.json"
    mine.write_text('[{"train": ["case_2"], "val": ["case_0"]}]')
    assert prepare(data, "--splits", mine).exit_code == 0
    assert splits(data) == json.loads(mine.read_text())
    refused = prepare(data, "--splits", mine, "--group", "(case)", "--overwrite")
    assert refused.exit_code == 2
    assert "Error: patient case is in train (case case_2) and in val (case case_0)" in refused.output
    mine.write_text('[{"train": ["case_2"], "val": ["case_O"]}]')
    assert "there is no case case_O (did you mean 'case_" in prepare(data, "--splits", mine).output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--folds", 4), "folds=4 are too many for 3 patients"),
        (("--folds", 2, "--val", 0.3), "val is for one split; of several folds each validates its share"),
        (("--splits", "s.json", "--test", 0.3), "splits is a split already; leave folds, val and test out"),
        (("--splits", "no.json"), "no.json: cannot be read"),
        (("--group", r"(\d)x"), r"group=(\d)x finds no patient in the case name case_0 (and 2 more)"),
        (("--layout", "xyz"), "layout=xyz is not possible; choose one of auto, dhw"),
        (("--seed", -1), "seed=-1 is not possible; it must be at least 0"),
        (("--label-suffix", "_gt"), "no labels for this volume"),
        (("--plugin", "no.py"), "no.py: there is no such plugin file"),
    ],
)
def test_a_wrong_request_is_told_and_writes_nothing(data, more, message):
    refused = prepare(data, *more)
    assert refused.exit_code == 2
    assert message in refused.output
    assert all(line.startswith("Error: ") for line in refused.output.splitlines())
    assert not data.out.exists()


def test_the_data_are_never_part_of_out(data):
    prepare(data, "--cache")
    inside = data._replace(volumes=data.out / "cache/volumes", labels=data.out / "cache/labels")
    assert "is part of what was prepared; choose another -o" in prepare(inside, "--overwrite").output
    assert (data.out / "cache/volumes/case_0.npy").exists()
    assert "lies inside volumes=" in prepare(data._replace(out=data.volumes / "out")).output
    foreign = data._replace(out=data.out.parent / "foreign")
    (foreign.out / "cache").mkdir(parents=True)
    (foreign.out / "cache/mine.txt").write_text("mine")
    assert "cache is not a run's and would be replaced" in prepare(foreign, "--cache").output


def test_json_is_the_record_and_quiet_is_silent(data):
    done = prepare(data, "--json")
    assert json.loads(done.stdout) == {"out": str(data.out), **record(data)}
    assert prepare(data, "--quiet").output == ""


STOPS_IN_THE_SECOND_CASE = """
import time
import numpy as np
from usframe import hookimpl

save, saved = np.lib.format.write_array_header_1_0, []

def stopping_save(file, form):
    if len(saved) == 3:
        file.write(b"half")
        file.flush()
        print("half-way", flush=True)
        for _ in range(1200):
            time.sleep(0.05)
    saved.append(form)
    save(file, form)

np.lib.format.write_array_header_1_0 = stopping_save

@hookimpl
def usframe_register_readers(register):
    pass
"""


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_stopped_half_way_no_file_is_there_by_half_and_it_goes_on(data, tmp_path, stop):
    whole = data._replace(out=tmp_path / "whole")
    assert prepare(whole, "--cache").exit_code == 0
    (tmp_path / "stop.py").write_text(STOPS_IN_THE_SECOND_CASE)
    process = subprocess.Popen(
        [sys.executable, "-m", "usframe", *words(data, "--cache", "--plugin", tmp_path / "stop.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half-way\n"
    process.send_signal(stop)
    _, errors = process.communicate(timeout=30)
    assert errors == ("Error: interrupted\n" if stop == signal.SIGINT else "")
    seen = {str(path.relative_to(data.out / "cache")) for path in data.out.glob("cache/*/[!.]*")}
    assert seen == {"volumes/case_0.npy", "labels/case_0.npy", "records/case_0.json", "volumes/case_1.npy"}
    first = (data.out / "cache/volumes/case_0.npy").stat().st_mtime_ns
    assert prepare(data, "--cache").exit_code == 0
    assert (data.out / "cache/volumes/case_0.npy").stat().st_mtime_ns == first
    kept, wanted = files(data.out), files(whole.out)
    assert {*kept} == {*wanted}
    assert {name for name in wanted if kept[name] != wanted[name]} == {"prepare.json", "report.html"}  # the date


def test_a_full_disk_leaves_no_file(data, monkeypatch):
    def save(file, form):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    cache = Cache(data.out, load_plugins())
    (case, *_) = pair_cases(data.volumes, data.labels, readers=load_plugins().readers)
    monkeypatch.setattr(np.lib.format, "write_array_header_1_0", save)
    with pytest.raises(WriteError, match=r"case_0.npy: cannot be written \(No space left on device\)$"):
        cache.put(case, np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2), np.uint8), {})
    assert [path for path in data.out.rglob("*") if path.is_file()] == []
    assert cache.about(case) is None


@pytest.mark.parametrize("content", [b"", b"no array", None])
def test_an_array_that_cannot_be_opened_is_one_line(tmp_path, content):
    path = tmp_path / "a.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReadError, match=r"a.npy: cannot be opened as an array \(.+\)$") as refused:
        open_cached(path)
    assert len(str(refused.value).splitlines()) == 1
    np.save(path, np.zeros((2, 2)))
    with pytest.raises(ReadError, match="holds no array of three axes"):
        open_cached(path)
