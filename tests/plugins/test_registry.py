"""Names lead to callables, and whatever is wrong with a name is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usframe.errors import PluginError, ReadError
from usframe.plugins.entry import Broken, Entry, Origin, Rank
from usframe.plugins.registry import Registry, blame

USFRAME = Origin("usframe 1.0", package="usframe")
OTHER = Origin("other 2.0", package="other")
MINE = Origin("mine.py", Rank.FILE)


@pytest.fixture
def prompts() -> Registry[Any]:
    registry: Registry[Any] = Registry("prompt")
    registry.add(Entry("box", "json:dumps", USFRAME))
    registry.add(Entry("point", len, USFRAME))
    return registry


@pytest.fixture
def readers() -> Registry[Any]:
    registry: Registry[Any] = Registry("reader")
    registry.add(Entry("nifti", "json:loads", USFRAME, (".nii", ".nii.gz")))
    registry.add(Entry("gzip", "json:loads", OTHER, (".gz",)))
    return registry


def test_a_callable_is_returned_and_a_string_is_imported(prompts: Registry[Any]) -> None:
    import json

    assert prompts.get("point") is len
    assert prompts.get("box") is json.dumps


def test_a_string_target_is_imported_on_first_use_only(prompts: Registry[Any]) -> None:
    prompts.add(Entry("later", "no_such_package.module:thing", OTHER))
    assert prompts.names() == ["box", "later", "point"]
    with pytest.raises(PluginError, match=r"other 2.0: cannot import no_such_package.module:thing: ModuleNotFound"):
        prompts.get("later")


@pytest.mark.parametrize(
    ("target", "cause"),
    [("json:nothing", "has no attribute 'nothing'"), ("json:__name__", "is not callable")],
)
def test_a_target_that_is_not_there_names_its_owner(prompts: Registry[Any], target: str, cause: str) -> None:
    prompts.add(Entry("new", target, OTHER))
    with pytest.raises(PluginError, match=f"other 2.0.*{cause}"):
        prompts.get("new")


def test_an_owner_that_registers_a_name_or_a_suffix_twice_is_told_at_once(
    prompts: Registry[Any], readers: Registry[Any]
) -> None:
    with pytest.raises(PluginError, match=r"^usframe 1\.0: prompt 'box' is registered twice$"):
        prompts.add(Entry("box", len, USFRAME))
    with pytest.raises(PluginError, match=r"^usframe 1\.0: suffix '\.nii' is registered twice$"):
        readers.add(Entry("third", len, USFRAME, (".new", ".nii")))


def test_a_name_of_two_packages_is_told_where_it_is_used_with_how_to_choose(prompts: Registry[Any]) -> None:
    prompts.add(Entry("box", len, OTHER))
    told = (
        "prompt 'box' is registered twice: by usframe 1.0 and by other 2.0; "
        "choose one: prefer=usframe or prefer=other; or leave one out: block=other"
    )
    with pytest.raises(PluginError) as caught:
        prompts.get("box")
    assert str(caught.value) == told
    assert prompts.check("box", {}, "prompts") == [f"prompts: {told}"]
    assert prompts.get("point") is len
    assert [prompts.fate(entry) for entry in prompts] == ["clashes with other 2.0", "clashes with usframe 1.0", ""]


def test_a_suffix_of_two_packages_is_told_where_a_file_has_it(readers: Registry[Any]) -> None:
    readers.add(Entry("fast", len, OTHER, (".nii", ".new")))
    with pytest.raises(
        PluginError, match=r"^suffix '\.nii' is registered twice: by usframe 1\.0 and by other 2\.0; "
    ):
        readers.for_path(Path("a.nii"))
    assert readers.for_path(Path("a.nii.gz"))[1].name == "nifti"
    assert readers.for_path(Path("a.new"))[1].name == "fast"
    assert {entry.name: readers.fate(entry) for entry in readers} == {
        "fast": ".nii clashes with usframe 1.0",
        "gzip": "",
        "nifti": ".nii clashes with other 2.0",
    }


def test_a_preferred_package_wins_over_packages_and_a_file_over_all(prompts: Registry[Any]) -> None:
    prompts.add(Entry("box", max, OTHER))
    prompts.add(Entry("box", min, Origin("third 3.0", Rank.PREFERRED, "third")))
    assert prompts.get("box") is min
    prompts.add(Entry("box", len, MINE))
    assert prompts.get("box") is len
    assert [prompts.fate(entry) for entry in prompts][:4] == [*["replaced by mine.py"] * 3, ""]


def test_a_reader_that_is_replaced_keeps_none_of_its_suffixes(readers: Registry[Any]) -> None:
    readers.add(Entry("nifti", len, MINE, (".nii",)))
    assert readers.for_path(Path("a.nii"))[1].owner == "mine.py"
    assert readers.for_path(Path("a.nii.gz"))[1].name == "gzip"


def test_a_suffix_goes_to_the_file_whatever_the_names(readers: Registry[Any]) -> None:
    readers.add(Entry("mine", len, MINE, (".nii",)))
    assert readers.for_path(Path("a.nii"))[1].name == "mine"
    assert readers.for_path(Path("a.nii.gz"))[1].name == "nifti"
    assert [readers.fate(entry) for entry in readers] == ["", "", ".nii replaced by mine.py"]


def test_an_unknown_name_lists_the_nearest_and_the_known(prompts: Registry[Any]) -> None:
    with pytest.raises(PluginError, match=r"unknown prompt 'boxx' \(did you mean 'box'\?\); known: box, point$"):
        prompts.get("boxx")
    with pytest.raises(PluginError, match=r"unknown prompt 'box,point' \(several, one by one: box, point\); "):
        prompts.get("box,point")


def test_an_unknown_name_may_be_one_of_a_broken_plugin() -> None:
    with pytest.raises(PluginError, match=r"known: none; not loaded because broken: bad 0\.1"):
        Registry[Any]("prompt", [Broken("bad 0.1", "ImportError")]).get("grid")


def test_an_unknown_name_may_be_one_of_a_plugin_that_was_left_out() -> None:
    assert (
        Registry[Any]("prompt", blocked=["other 2.0"]).unknown("grid").endswith("; known: none; blocked: other 2.0")
    )


def test_an_error_of_a_plugin_is_told_with_the_line_that_raised_it() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("\n\n1 / 0", "folder/mine.py", "exec"))
    assert blame(caught.value) == "ZeroDivisionError: division by zero (mine.py:3)"
    assert blame(ValueError("no\npixels")) == "ValueError: no pixels"


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", "a,b", "-p", "a=b"])
def test_names_are_safe_as_folders_and_options(prompts: Registry[Any], name: str) -> None:
    with pytest.raises(PluginError, match=r"other 2.0: the name"):
        prompts.add(Entry(name, len, OTHER))


@pytest.mark.parametrize("target", ["json", "json.dumps", ":dumps", "json:", 3])
def test_targets_are_callables_or_module_and_attribute(prompts: Registry[Any], target: object) -> None:
    with pytest.raises(PluginError, match=r"other 2.0: the target"):
        prompts.add(Entry("new", target, OTHER))  # type: ignore[arg-type]


def test_suffixes_start_with_a_dot(readers: Registry[Any]) -> None:
    with pytest.raises(PluginError, match="must start with a dot"):
        readers.add(Entry("new", len, OTHER, ("npy",)))


@pytest.mark.parametrize(
    ("file", "suffix", "name"),
    [("a.nii", ".nii", "nifti"), ("A.NII.GZ", ".nii.gz", "nifti"), ("b.tar.gz", ".gz", "gzip")],
)
def test_the_longest_suffix_wins_whatever_its_case(
    readers: Registry[Any], file: str, suffix: str, name: str
) -> None:
    found, entry = readers.for_path(Path("folder") / file)
    assert (found, entry.name) == (suffix, name)


def test_a_file_nobody_reads_lists_the_known_suffixes(readers: Registry[Any]) -> None:
    with pytest.raises(
        ReadError, match=r"scan\.xyz: no reader for this kind of file; known: \.gz, \.nii, \.nii\.gz"
    ):
        readers.for_path(Path("scan.xyz"))


@given(st.sets(st.from_regex(r"[a-z0-9+._-]{1,8}", fullmatch=True).filter(lambda name: name[0].isalnum())))
def test_entries_come_in_order_of_their_names(names: set[str]) -> None:
    registry: Registry[Any] = Registry("prompt")
    for name in names:
        registry.add(Entry(name, len, MINE))
    assert [entry.name for entry in registry] == sorted(names)
    assert all(name in registry for name in names)
