"""Names lead to callables, and whatever is wrong with a name is said in one line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usframe.errors import PluginError, ReadError
from usframe.plugins.registry import Broken, Registry


@pytest.fixture
def prompts() -> Registry:
    registry = Registry("prompt")
    registry.register("box", "json:dumps", "usframe 1.0")
    registry.register("point", len, "usframe 1.0")
    return registry


@pytest.fixture
def readers() -> Registry:
    registry = Registry("reader")
    registry.register("nifti", "json:loads", "usframe 1.0", (".nii", ".nii.gz"))
    registry.register("gzip", "json:loads", "other 2.0", (".GZ",))
    return registry


def test_a_callable_is_returned_and_a_string_is_imported(prompts: Registry) -> None:
    import json

    assert prompts.get("point") is len
    assert prompts.get("box") is json.dumps


def test_a_string_target_is_imported_on_first_use_only(prompts: Registry) -> None:
    prompts.register("later", "no_such_package.module:thing", "other 2.0")
    assert prompts.names() == ["box", "later", "point"]
    with pytest.raises(PluginError, match=r"other 2.0: cannot import no_such_package.module:thing: ModuleNotFound"):
        prompts.get("later")


@pytest.mark.parametrize(
    ("target", "cause"),
    [("json:nothing", "has no attribute 'nothing'"), ("json:__name__", "is not callable")],
)
def test_a_target_that_is_not_there_names_its_owner(prompts: Registry, target: str, cause: str) -> None:
    prompts.register("new", target, "other 2.0")
    with pytest.raises(PluginError, match=f"other 2.0.*{cause}"):
        prompts.get("new")


def test_a_name_taken_twice_names_both_owners(prompts: Registry) -> None:
    with pytest.raises(PluginError, match=r"prompt 'box' is registered twice: by usframe 1\.0 and by other 2\.0"):
        prompts.register("box", len, "other 2.0")


def test_a_suffix_taken_twice_names_both_owners(readers: Registry) -> None:
    with pytest.raises(PluginError, match=r"suffix '\.nii' is registered twice: by usframe 1\.0 and by third"):
        readers.register("third", len, "third", (".new", ".NII"))


def test_an_unknown_name_lists_the_nearest_and_the_known(prompts: Registry) -> None:
    with pytest.raises(PluginError, match=r"unknown prompt 'boxx' \(did you mean 'box'\?\); known: box, point$"):
        prompts.get("boxx")


def test_an_unknown_name_may_be_one_of_a_broken_plugin() -> None:
    with pytest.raises(PluginError, match=r"known: none; not loaded because broken: bad 0\.1"):
        Registry("prompt", [Broken("bad 0.1", "ImportError")]).get("grid")


@pytest.mark.parametrize("name", ["", "a b", "../up", "a/b", "a,b", "-p", "a=b"])
def test_names_are_safe_as_folders_and_options(prompts: Registry, name: str) -> None:
    with pytest.raises(PluginError, match=r"other 2.0: the name"):
        prompts.register(name, len, "other 2.0")


@pytest.mark.parametrize("target", ["json", "json.dumps", ":dumps", "json:", 3])
def test_targets_are_callables_or_module_and_attribute(prompts: Registry, target: object) -> None:
    with pytest.raises(PluginError, match=r"other 2.0: the target"):
        prompts.register("new", target, "other 2.0")  # type: ignore[arg-type]


def test_suffixes_start_with_a_dot(readers: Registry) -> None:
    with pytest.raises(PluginError, match="must start with a dot"):
        readers.register("new", len, "other 2.0", ("npy",))


@pytest.mark.parametrize(
    ("file", "suffix", "name"),
    [("a.nii", ".nii", "nifti"), ("A.NII.GZ", ".nii.gz", "nifti"), ("b.tar.gz", ".gz", "gzip")],
)
def test_the_longest_suffix_wins_whatever_its_case(readers: Registry, file: str, suffix: str, name: str) -> None:
    found, entry = readers.for_path(Path("folder") / file)
    assert (found, entry.name) == (suffix, name)


def test_a_file_nobody_reads_lists_the_known_suffixes(readers: Registry) -> None:
    with pytest.raises(
        ReadError, match=r"scan\.xyz: no reader for this kind of file; known: \.gz, \.nii, \.nii\.gz"
    ):
        readers.for_path(Path("scan.xyz"))


@given(st.sets(st.from_regex(r"[a-z0-9+._-]{1,8}", fullmatch=True).filter(lambda name: name[0].isalnum())))
def test_entries_come_in_order_of_their_names(names: set[str]) -> None:
    registry = Registry("prompt")
    for name in names:
        registry.register(name, len, "me")
    assert [entry.name for entry in registry] == sorted(names)
    assert all(name in registry for name in names)
