"""No patient is on both sides of a split, whatever the data; and a split that is read is one."""

import json
import re

import pytest
from conftest import DataSet, usframe_
from hypothesis import given
from hypothesis import strategies as st

from usframe.data.splits import Split, check_leakage, make_splits, read_splits, without, write_splits
from usframe.errors import RequestError

CASES = [f"p{patient}_{number}" for patient in range(8) for number in range(1 + patient % 3)]
PATIENTS = {case: case.partition("_")[0] for case in CASES}
data_sets = st.lists(st.integers(1, 6), min_size=6, max_size=20).map(
    lambda sizes: {f"{n:02d}_{k}": f"{n:02d}" for n, size in enumerate(sizes) for k in range(size)}
)
seeds = st.integers(0, 2**32)


def patients_of(cases, patients):
    return {patients[case] for case in cases}


@given(patients=data_sets, folds=st.integers(1, 4), test=st.sampled_from([0, 0.2]), seed=seeds)
def test_every_case_is_in_one_part_with_all_cases_of_its_patient(patients, folds, test, seed):
    for split in make_splits(patients, folds=folds, val=0.2, test=test, seed=seed):
        assert sorted([*split.train, *split.val, *split.test]) == sorted(patients)
        assert split.train
        assert split.val
        assert bool(split.test) == bool(test)
        check_leakage(split, patients)


@given(patients=data_sets, folds=st.integers(2, 5), test=st.sampled_from([0, 0.1]), seed=seeds)
def test_folds_validate_every_case_once_and_share_the_test_part(patients, folds, test, seed):
    splits = make_splits(patients, folds=folds, val=0.2, test=test, seed=seed)
    assert len(splits) == folds
    assert len({split.test for split in splits}) == 1
    assert sorted(case for split in splits for case in split.val) == sorted({*patients} - {*splits[0].test})
    sizes = [len(split.val) for split in splits]
    assert max(sizes) - min(sizes) <= 6  # never more than the cases of the largest patient


@given(patients=data_sets, val=st.floats(0.05, 0.5), test=st.floats(0.05, 0.3), seed=seeds)
def test_shares_are_of_the_patients(patients, val, test, seed):
    total = len({*patients.values()})
    (split,) = make_splits(patients, folds=1, val=val, test=test, seed=seed)
    assert len(patients_of(split.val, patients)) == max(1, round(val * total))
    assert len(patients_of(split.test, patients)) == max(1, round(test * total))


@given(order=st.permutations(sorted(PATIENTS)), folds=st.integers(1, 3), seed=seeds)
def test_the_seed_decides_and_the_order_of_the_cases_does_not(order, folds, seed):
    again = {case: PATIENTS[case] for case in order}
    settings = {"folds": folds, "val": 0.3, "test": 0.1, "seed": seed}
    assert make_splits(again, **settings) == make_splits(PATIENTS, **settings)


def test_other_seeds_give_other_splits_and_every_patient_gets_its_turn():
    patients = {str(n): str(n) for n in range(10)}
    drawn = [make_splits(patients, folds=1, val=0.2, test=0, seed=seed)[0].val for seed in range(60)]
    assert {case for cases in drawn for case in cases} == {*patients}
    assert len({*drawn}) > 20


def test_a_part_has_its_share_of_cases_where_some_patients_have_many():
    patients = {f"{n}_{k}": str(n) for n in range(20) for k in range(30 if n < 10 else 1)}
    for seed in range(20):
        (split,) = make_splits(patients, folds=1, val=0.2, test=0.2, seed=seed)
        assert [len(split.val), len(split.test)] == [62, 62]


def test_folds_and_one_split_have_the_same_test_part():
    one, several = (make_splits(PATIENTS, folds=folds, val=0.2, test=0.25, seed=3) for folds in (1, 3))
    assert {split.test for split in several} == {one[0].test}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 9}, "folds=9 are too many for 8 patients"),
        ({"folds": 7, "test": 0.25}, "folds=7 are too many for 6 patients beside 2 for testing"),
        ({"val": 0.9, "test": 0.25}, "no patient is left to train on: val=0.9 for 6 patients beside 2 for"),
        ({"folds": 0}, "folds=0 is not possible; it must be at least 1"),
        ({"val": 1.0}, "val=1 is not possible; it must be a share between 0 and 1"),
        ({"val": float("nan")}, "val=nan is not possible"),
        ({"test": -0.1}, "test=-0.1 is not possible; it must be a share from 0 to below 1"),
    ],
)
def test_an_impossible_split_is_refused(settings, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        make_splits(PATIENTS, **({"folds": 1, "val": 0.2, "test": 0, "seed": 0} | settings))


def test_one_patient_cannot_be_split():
    with pytest.raises(RequestError, match=r"no patient is left to train on: val=0.2 for 1 patient$"):
        make_splits({"a": "p", "b": "p"}, folds=1, val=0.2, test=0, seed=0)


def test_a_patient_in_two_parts_is_named_with_the_cases():
    split = Split(("p0_0", "p1_0"), ("p2_0", "p1_1"), ("p2_1",))
    with pytest.raises(RequestError) as refused:
        check_leakage(split, PATIENTS)
    assert [problem.partition(";")[0] for problem in refused.value.problems] == [
        "patient p1 is in train (case p1_0) and in val (case p1_1)",
        "patient p2 is in val (case p2_0) and in test (case p2_1)",
    ]


def test_cases_are_taken_out_of_all_parts():
    assert without(Split(("a", "b"), ("c",), ("d",)), {"b", "d"}) == Split(("a",), ("c",), ())


@pytest.mark.parametrize("test", [0, 0.25])
def test_what_is_written_is_read_back_and_has_the_shape_that_nnunet_reads(tmp_path, test):
    splits = make_splits(PATIENTS, folds=3, val=0.2, test=test, seed=1)
    write_splits(tmp_path / "splits.json", splits)
    assert read_splits(tmp_path / "splits.json", CASES) == splits
    for fold in json.loads((tmp_path / "splits.json").read_text()):
        assert list(fold) == ["train", "val", *(["test"] if test else [])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON (Expecting"),
        ('{"train": []}', "must be a list of folds such as"),
        ("[]", "must be a list of folds such as"),
        ('[["a"]]', "fold 0 must have the keys train and val, may have test, and no others"),
        ('[{"train": ["p0_0"], "valid": ["p1_0"]}]', "fold 0 must have the keys train and val"),
        ('[{"train": ["p0_0"], "val": "p1_0"}]', "fold 0: val must be a list of case names"),
        ('[{"train": ["p0_0"], "val": [1]}]', "fold 0: val must be a list of case names"),
        ('[{"train": ["p0_0"], "val": []}]', "fold 0 has no case in val"),
        ('[{"train": ["p0_0"], "val": ["p0_0"]}]', "fold 0: case p0_0 is in train and again in val"),
        ('[{"train": ["p0_0", "p0_0"], "val": ["p1_0"]}]', "fold 0: case p0_0 is in train and again in train"),
        ('[{"train": ["p0_0", "x"], "val": ["p1_9"]}]', "there is no case x, p1_9 (did you mean 'p1_"),
    ],
)
def test_a_file_that_is_no_split_is_one_line(tmp_path, content, message):
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(RequestError, match=re.escape(f"{tmp_path / 's.json'}: {message}")) as refused:
        read_splits(tmp_path / "s.json", CASES)
    assert len(str(refused.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(RequestError, match=r"s.json: cannot be read \(No such file or directory\)"):
        read_splits(tmp_path / "s.json", CASES)


def test_a_run_and_a_report_take_one_part_of_a_split(data: DataSet) -> None:
    names = sorted(path.name.removesuffix(".nii.gz") for path in data.labels.iterdir())
    file = data.out.with_name("splits.json")
    file.write_text(json.dumps([{"train": names[:1], "val": names[1:2], "test": names[2:]}]))
    done = usframe_(*data.request(f"splits={file}", "part=test"))
    assert done.exit_code == 0, done.output
    assert [path.name for path in (data.out / "masks").rglob("*.nii.gz")] == [f"{names[2]}.nii.gz"]
    masks = next(path.parent for path in (data.out / "masks").rglob("*.nii.gz"))
    folders = ("--masks", masks, "-l", data.labels, "-o", data.out.with_name("scored"))
    scored = usframe_("report", *folders, f"splits={file}", "part=test")
    assert scored.exit_code == 0, scored.output
    assert "1 of 1 case" in scored.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("part=test",), "fold 0 has no part test; usframe prepare --test 0.2 sets one aside"),
        (("part=val",), "there is no case nobody"),
        ((), "choose part=test, val or train"),
        (("part=train", "fold=3"), "fold=3 is not possible"),
        (("part=train", "cases=[somebody]"), "cases=somebody not found"),
        (("part=train", "splits=null"), "part=train is one of a file: give splits=FILE"),
    ],
)
def test_a_part_that_cannot_be_taken_is_told(data: DataSet, words: tuple[str, ...], told: str) -> None:
    names = sorted(path.name.removesuffix(".nii.gz") for path in data.labels.iterdir())
    file = data.out.with_name("splits.json")
    file.write_text(json.dumps([{"train": names, "val": ["nobody"]}]))
    done = usframe_(*data.request(f"splits={file}", *words))
    assert done.exit_code == 2
    assert told in done.output
    assert not data.out.exists()
