"""An experiment is composed from YAML and overrides, and everything wrong with it is said at once."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usframe.config.compose import CONFIGS
from usframe.config.overrides import override
from usframe.config.schema import Predict, Pretrain
from usframe.errors import ConfigError
from usframe.tasks import compose, load, read
from usframe.tasks.launch import save_experiment

TRAINING = str(Path(__file__).parents[2] / "checkpoints/training/01_slices.yaml")
ASKED = ["volumes=images", "labels=truth"]
Write = Callable[..., str]


def plain(text: str) -> bool:
    """Not ???, which OmegaConf keeps for a value still to be given, and not ~/, which is written out."""
    return text != "???" and not text.startswith("~/")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(plain)
printable = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])).filter(plain)


def problems_of(*overrides: str, experiment: str = "zero_shot") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compose(experiment, overrides)
    assert all(len(problem.splitlines()) == 1 for problem in caught.value.problems)
    return list(caught.value.problems)


def predict(*overrides: str, experiment: str | Path = "zero_shot") -> Predict:
    config = compose(str(experiment), [*ASKED, *overrides])
    assert isinstance(config, Predict)
    return config


def pretrain(*overrides: str) -> Pretrain:
    config = compose(TRAINING, overrides)
    assert isinstance(config, Pretrain)
    return config


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a YAML file and run from its folder; returns its path."""
    monkeypatch.chdir(tmp_path)

    def written(text: str, name: str = "mine.yaml") -> str:
        Path(name).write_text(text, encoding="utf-8")
        return name

    return written


# What is composed


def test_zero_shot_is_the_default_and_needs_only_volumes_and_labels() -> None:
    config = compose(overrides=ASKED)
    assert isinstance(config, Predict)
    assert (config.volumes, config.labels, config.prompts) == ("images", "truth", ["box+point"])
    assert (config.backbone, config.out, config.noise.box) == ("medsam2", "outputs/zero_shot", 0)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_yaml_opens_with_a_command_that_composes(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    launcher, _, typed = first.removeprefix("# ").rpartition("-m ")
    assert launcher.startswith("accelerate launch --config_file") == (path.parent.name == "accelerate")
    start, command, experiment, *options = typed.split()
    assert (start, command) == ("usframe", "run")
    keys = {"-i": "volumes", "-l": "labels", "-o": "out"}
    overrides = [word for word in options if "=" in word]
    overrides += [f"{keys[option]}={value}" for option, value in pairwise(options) if option in keys]
    load(compose(experiment, overrides))


def test_an_experiment_builds_on_another() -> None:
    config = predict(experiment="all_prompts")
    assert config.prompts == ["mask", "mask+point", "box+point", "box", "point"]
    assert config.backbone == "medsam2"


def test_the_last_word_about_a_key_wins() -> None:
    assert predict("seed=1", "noise.box=0.1", "seed=2", "noise.box=0.2").seed == 2
    assert predict("noise=mild", "noise.box=0.2", "noise.box=0.3").noise.box == 0.3


def test_every_key_is_reached_by_its_dotted_name() -> None:
    config = predict("noise.box=0.3", "batch_size=2", "cases=[a,'001']", "overlays=false", "label_layout=hwd")
    assert (config.noise.box, config.batch_size, config.overlays) == (0.3, 2, False)
    assert (config.cases, config.label_layout) == (["a", "001"], "hwd")
    trained = pretrain("train.losses.dice=2", "simulate.shape=[4,64,64]", "train={steps: 3}")
    assert (trained.train.losses["dice"], trained.train.steps, trained.simulate.shape) == (2, 3, [4, 64, 64])


def test_a_group_is_chosen_by_name_and_adjusted_by_key() -> None:
    assert predict("noise=mild").noise.mask == 2
    adjusted = predict("noise.box=0.5", "noise=mild").noise
    assert (adjusted.box, adjusted.mask) == (0.5, 2)


def test_shares_of_prompts_are_set_one_by_one_or_all_together() -> None:
    assert pretrain("prompt.box+point=3").prompt["box+point"] == 3
    assert len(pretrain("prompt.box+point=3").prompt) == 5
    assert pretrain("prompt={centre: 1}").prompt == {"centre": 1}


# The user's own YAML


def test_a_yaml_without_a_defaults_list(write: Write) -> None:
    config = predict("noise=mild", experiment=write("task: predict\nprompts: [box]\nnoise: {box: 0.2}\n"))
    assert (config.prompts, config.noise.mask, config.out) == (["box"], 2, "outputs/mine")
    assert predict(experiment="mine.yaml").noise.box == 0.2


def test_a_yaml_that_builds_on_a_shipped_experiment(write: Write) -> None:
    defaults = "defaults:\n  - all_prompts\n  - override /noise: mild\n"
    name = write(f"{defaults}noise: {{box: 0.7}}\nvolumes: ${{labels}}/scans\n")
    config = compose(name, ["labels=truth"])
    assert isinstance(config, Predict)
    assert (len(config.prompts), config.noise.box, config.noise.mask) == (5, 0.7, 2)
    assert config.volumes == "truth/scans"


def test_a_yaml_may_bring_members_of_a_group(write: Write) -> None:
    Path("noise").mkdir()
    Path("noise/wild.yaml").write_text("box: 0.9\n")
    name = write("defaults: [zero_shot, override /noise: wild]\n", "my run, 1.yaml")
    assert predict(experiment=name).noise.box == 0.9
    assert predict("noise=wild", "noise.mask=1", experiment=name).noise.mask == 1


texts_of_a_yaml = {
    "code to run": ("task: predict\n_target_: os.system\n", "task=predict has no key '_target_'"),
    "hydra": ("hydra: {searchpath: [pkg://this]}\ntask: predict\n", "unknown key 'hydra'"),
    "plugins": ("task: predict\nplugins: [evil.py]\n", "plugins can only be named on the command line"),
    "plugins by way of another": ("defaults: [other]\n", "plugins can only be named on the command line"),
    "python objects": (
        "task: !!python/object/apply:os.getcwd []\n",
        ":1: could not determine a constructor",
    ),
    "syntax": ("task: predict\nprompts: [box\n", ":3: "),
    "a key twice": ("task: predict\nseed: 1\nseed: 2\n", ":3: found duplicate key seed"),
    "no keys": ("- box\n", "an experiment is made of 'key: value' lines"),
    "no task": ("seed: 1\n", r"names no task; begin it with 'defaults: \[zero_shot\]'"),
    "a list of tasks": ("task: [predict]\n", r"task=\['predict'\] is not possible"),
    "no such default": ("defaults: [nothing]\n", "Could not load 'nothing'"),
    "itself as default": ("defaults: [mine]\n", "leads back to itself"),
    "no such reference": (
        "task: predict\nlabel_suffix: ${nowhere}\n",
        "Interpolation key 'nowhere' not found",
    ),
    "a reference to another kind": (
        "task: predict\nobjects: ${volumes}\n",
        r"objects=images is not possible; it must be a name for each label value, such as {1: lumen, 2: wall}",
    ),
    "a group as key": ("task: predict\nnoise: mild\n", "name one of mild, none in the defaults list"),
    "wrong type": ("task: predict\nseed: [1]\n", r"seed=\[1\] is not possible; it must be a whole number"),
}


@pytest.mark.parametrize("what", texts_of_a_yaml)
def test_a_wrong_yaml_is_one_line_with_its_path(write: Write, what: str) -> None:
    text, message = texts_of_a_yaml[what]
    write("task: predict\nplugins: [evil.py]\n", "other.yaml")
    with pytest.raises(ConfigError, match=f"^mine.yaml.*{message}") as caught:
        compose(write(text), ASKED)
    assert len(caught.value.problems) == 1
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        ("zeroshot", r"unknown experiment 'zeroshot' \(did you mean 'zero_shot'\?\); known: all_prompts, "),
        ("no/such.yaml", "no/such.yaml: there is no such experiment file"),
        ("missing.yaml", "missing.yaml: there is no such experiment file$"),
        ("zero_shot.yml", "there is no such experiment file; the experiment of that name is zero_shot"),
        ("old.yml", "old.yml: an experiment file must end in .yaml"),
    ],
)
def test_an_experiment_that_is_not_there(write: Write, experiment: str, message: str) -> None:
    write("task: predict\n", "old.yml")
    with pytest.raises(ConfigError, match=message):
        compose(experiment)


# What cannot be asked for


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("volums=x", "task=predict has no key 'volums' (did you mean 'volumes'?)"),
        ("noise.bx=1", "task=predict has no key 'noise.bx' (did you mean 'noise.box'?)"),
        ("seed.x=1", "task=predict has no key 'seed.x'"),
        ("+seed=1", "task=predict has no key '+seed' (did you mean 'seed'?)"),
        ("hydra.searchpath=[pkg://this]", "task=predict has no key 'hydra.searchpath'"),
        ("train.steps=3", "task=predict has no key 'train.steps'; it is a key of task finetune and pretrain"),
        ("~seed", "'~seed' is no option; options are written KEY=VALUE"),
        ("task=pretrain", "task=pretrain is not possible; choose one of predict"),
        ("batch_size=many", "batch_size=many is not possible; it must be a whole number"),
        ("batch_size=1.5", "batch_size=1.5 is not possible; it must be a whole number"),
        ("batch_size=true", "batch_size=True is not possible; it must be a whole number"),
        ("batch_size=0", "batch_size=0 is not possible; it must be at least 1"),
        ("box_margin=nan", "box_margin=nan is not possible; it must be at least 0"),
        ("noise.point=2", "noise.point=2.0 is not possible; it must be at least 0 and at most 1"),
        ("seed=4294967296", "seed=4294967296 is not possible; it must be at least 0 and at most 4294967295"),
        (f"seed=1{'0' * 400}", f"seed=1{'0' * 400} is not possible; it must be at least 0 and at most 4294967295"),
        ("noise=mld", "noise=mld is not possible (did you mean 'mild'?); choose one of mild, none"),
        ("noise=3", "noise=3 is not possible; set noise.box, noise.point, noise.mask"),
        ("overlays=3", "overlays=3 is not possible; it must be true or false"),
        ("label_suffix=true", "label_suffix=True is not possible; it must be text"),
        ("layout=null", "layout=None is not possible; it must be text"),
        ("layout=dhd", "layout=dhd is not possible; choose one of auto, dhw, "),
        ("prompts=box", "prompts=box is not possible; it must be a list: prompts=[box]"),
        (
            "prompts=box,point",
            "prompts=box,point: one value at a time; a list is written prompts=[box,point], and -m runs each",
        ),
        ("prompts=[]", "prompts is empty"),
        ("prompts=[box,box]", "prompts names box twice"),
        ("cases=[a,b,a]", "cases names a twice"),
        (
            "cases=[Jose\u0301,b]",
            "cases=[Jose\u0301,b]: token recognition error at: '\u0301'; a text goes in quotes: "
            "\"cases=['Jose\u0301','b']\"",
        ),
        ("out=[", "out=[: no viable alternative at input '['; a text goes in quotes: \"out='['\""),
        ("device=gpu", "device=gpu is not possible; choose one of auto, cpu, cuda, cuda:N, mps"),
        (
            "frames=every:0",
            "frames=every:0 is not possible; choose one of largest, middle, first, every:N, uniform:K",
        ),
        ("frames=file:prompts.xlsx", "frames=file:prompts.xlsx is not possible; choose one of largest, "),
        ("frames=[]", "frames=[] is not possible; choose one of largest, "),
        ("frames='support:'", "frames=support: is not possible; choose one of largest, "),
        ("frames=true", "frames=True is not possible; it must be text or a list"),
        ("frames=3,10", "frames=3,10: one value at a time; a list is written frames=[3,10], and -m runs each"),
        ("frames=[3,10]", "frames=[3, 10] is for mode=propagate; slice mode prompts every labelled slice"),
        ("z_range=[9,3]", "z_range=[9, 3] is not possible; write [first, last] (slices counted from 0), labels or"),
        ("z_range=all", "z_range=all is not possible; write [first, last]"),
        ("patience=-1", "patience=-1 is not possible; it must be at least 0"),
        ("postprocess=true", "postprocess=True is not possible; it must be names with numbers such as {a: 1}, or"),
        ("postprocess.min_volume_ml=-2", "postprocess.min_volume_ml=-2 is not possible; it must be at least 0"),
        ("postprocess=[fill_holes,fill_holes]", "postprocess names fill_holes twice"),
        ("prompts=[{point: 3}]", "prompts={'point': 3} is not possible; write [{point: {ARGUMENT: VALUE}}]"),
        ("prompts=[[box]]", "prompts=['box'] is not possible; write [NAME] or [{NAME: {ARGUMENT: VALUE}}]"),
        ("out=images/results", "out=images/results lies inside volumes=images; choose another -o"),
        ("out=truth", "out=truth lies inside labels=truth; choose another -o"),
        ("cases=3", "cases=3 is not possible; it must be a list: cases=[3]"),
    ],
)
def test_one_wrong_option_is_one_line(wrong: str, message: str) -> None:
    (problem,) = problems_of(*ASKED, wrong)
    assert problem.startswith(message)


def test_one_slice_is_a_list_of_one() -> None:
    assert compose("propagate", [*ASKED, "frames=3"]).frames == [3]
    assert compose("propagate", [*ASKED, "frames=[3,10]", "z_range=[0,12]"]).z_range == [0, 12]


def test_prompts_from_a_file_need_no_labels_and_no_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    config = compose("all_prompts", ["volumes=images", "frames='file:~/clicks.csv'"])
    assert isinstance(config, Predict)
    assert (config.frames, config.prompts) == ("file:/home/me/clicks.csv", ["file"])
    load(config)
    assert problems_of("volumes=images", "frames=file:a.csv", "z_range=labels", "prompts=[box]") == [
        "frames=file:a.csv takes the place of prompts; leave -p out",
        "z_range=labels needs labels: -l LABELS",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("prompt={box: 0}", "prompt: no strategy has a share above 0"),
        ("prompt.box=-0.1", "prompt.box=-0.1 is not possible; it must be at least 0"),
        ("prompt.box=much", "prompt.box=much is not possible; it must be a number"),
        ("train.losses.focal=-1", "train.losses.focal=-1.0 is not possible; it must be at least 0"),
        ("train.losses.focal=much", "train.losses.focal=much is not possible; it must be a number"),
        ("simulate.shape=[3,3]", "simulate.shape=[3, 3] is not possible; write [D, H, W]"),
        ("volumes=x", "task=pretrain has no key 'volumes'"),
    ],
)
def test_one_wrong_option_of_a_training(wrong: str, message: str) -> None:
    (problem,) = problems_of(wrong, experiment=TRAINING)
    assert problem.startswith(message)


def test_everything_wrong_is_said_at_once(write: Write) -> None:
    name = write("task: predict\nsed: 1\nlayout: xyz\n")
    problems = problems_of("volume=x", "batch_size=x", "noise=mld", "out=[", experiment=name)
    for part in ("sed", "layout", "'volume'", "batch_size", "noise", "out=[", "volumes is"):
        assert sum(part in problem for problem in problems) == 1, part


def test_unknown_prompts_and_backbones_join_the_other_problems() -> None:
    config, problems = read("zero_shot", [*ASKED, "prompts=[bx,point]", "backbone=medsam"])
    assert problems == []
    with pytest.raises(ConfigError) as caught:
        load(config, ["another problem"])
    other, backbone, prompt = caught.value.problems
    assert other == "another problem"
    assert prompt.startswith("prompts: unknown prompt 'bx' (did you mean 'box'?); known: box, ")
    assert backbone.startswith("backbone: unknown backbone 'medsam' (did you mean 'medsam2'?); known: demo, ")


# Texts survive


@settings(max_examples=30, deadline=None)
@given(text=texts, words=st.lists(texts, max_size=3))
def test_any_text_survives_as_an_override(text: str, words: list[str]) -> None:
    config, _ = read("zero_shot", [override("volumes", text), override("cases", words)])
    assert isinstance(config, Predict)
    assert (config.volumes, config.cases) == (text, [normalize("NFC", word) for word in words])


@pytest.mark.parametrize("text", ["2024_05_01", "1e3", "+5", "0x1", "1.50", "nan", "-inf", "1_0/2", "007"])
def test_a_text_that_could_be_a_number_stays_as_it_is_written(text: str) -> None:
    config = predict(f"out={text}", f"cases=[{text}, a:{text} ,'1_0']", f"label_suffix={text}")
    assert (config.out, config.cases) == (text, [text, f"a:{text}", "1_0"])
    assert config.label_suffix == text


@pytest.mark.parametrize(
    ("line", "number"), [("cases: [a, 101_02]", "10102"), ("cases: [010]", "8"), ("out: 2024_05_01", "20240501")]
)
def test_a_number_where_a_yaml_means_a_text_is_refused(write: Write, line: str, number: str) -> None:
    key = line.partition(":")[0]
    (problem,) = problems_of(*ASKED, experiment=write(f"defaults: [zero_shot]\n{line}\n"))
    assert problem == (
        f"mine.yaml: {key} holds the number {number}, where a text is wanted; put it in quotes, as it is meant"
    )


def test_numbers_may_be_written_so_where_numbers_are_wanted() -> None:
    assert predict("batch_size=1_0", "noise.box=1e-1", "frames=1_2", "mode=propagate").frames == [12]


@settings(max_examples=30, deadline=None)
@given(volumes=printable.filter(bool), names=st.lists(printable, max_size=3))
def test_any_printable_text_survives_in_a_saved_experiment(
    tmp_path_factory: pytest.TempPathFactory, volumes: str, names: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "saved.yaml"
    cases = [normalize("NFC", name) for name in names]  # as cases are called
    config = Predict(volumes=volumes, labels="truth", out="results", cases=cases)
    save_experiment(config, path)
    again, _ = read(str(path))
    assert again == config


@pytest.mark.parametrize(
    ("experiment", "overrides"),
    [
        ("zero_shot", [*ASKED, "noise=mild", "seed=3", "out=results"]),
        (TRAINING, ["prompt={box: 1, point: 2.5}", "train.learning_rate=1e-5"]),
    ],
)
def test_a_saved_experiment_runs_again_and_says_how(tmp_path: Path, experiment: str, overrides: list[str]) -> None:
    config, path = compose(experiment, overrides), tmp_path / "experiment.yaml"
    save_experiment(config, path)
    assert path.read_text().startswith(f"# usframe run {path}\n")
    assert "\nversion: 1\n" in path.read_text()
    assert compose(str(path)) == config
    assert asdict(compose(str(path), ["noise=none"]))["noise"]["box"] == 0


def test_a_file_without_a_version_is_read_and_one_of_a_later_usframe_says_what_to_do(write: Write) -> None:
    assert compose(str(write("task: predict\nseed: 3\nvolumes: a\nlabels: b\n", "old.yaml"))).seed == 3
    later = write("version: 2\ntask: predict\n", "later.yaml")
    with pytest.raises(ConfigError, match=r"later\.yaml: its keys are of version 2, and this usframe knows them"):
        compose(str(later))
    for version in ("0", "true", "new"):
        wrong = write(f"version: {version}\ntask: predict\n", "wrong.yaml")
        with pytest.raises(ConfigError, match=r"wrong\.yaml: version=\w+ is not possible; leave it out"):
            compose(str(wrong))


def test_a_saved_experiment_does_not_replace_a_run_unasked(tmp_path: Path) -> None:
    save_experiment(predict("overwrite=true"), tmp_path / "experiment.yaml")
    assert predict(experiment=tmp_path / "experiment.yaml").overwrite is False


def test_a_path_may_begin_at_home(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    name = write("defaults: [zero_shot]\nvolumes: ~/images\nlabels: ./~/truth\n")
    config = compose(name, ["out='~/results'", "plugins=['~/mine.py']", "label_suffix='~/'"])
    assert isinstance(config, Predict)
    assert (config.volumes, config.labels, config.out) == ("/home/me/images", "./~/truth", "/home/me/results")
    assert (config.plugins, config.label_suffix, config.checkpoint) == (["/home/me/mine.py"], "~/", None)


def test_plugin_files_of_a_saved_experiment_are_in_its_command_only(tmp_path: Path) -> None:
    config, path = predict("plugins=[mine.py]"), tmp_path / "experiment.yaml"
    save_experiment(config, path)
    assert path.read_text().startswith(f"# usframe run {path} plugins=[mine.py]\n")
    assert compose(str(path), ["plugins=[mine.py]"]) == config


# Hydra is shared with sam2

COMPOSE = "from usframe.tasks import compose\nassert compose(overrides=['volumes=a', 'labels=b']).labels == 'b'\n"
SAM2 = "import sam2\n"
SAM2_COMPOSES = (
    "import hydra\nassert hydra.compose('configs/sam2.1/sam2.1_hiera_t.yaml').model.image_size == 1024\n"
    "assert str(hydra.version.getbase()) == '1.2'\n"
)
FOREIGN = "import hydra\nhydra.initialize_config_module('sam2', version_base='1.3')\n"


@pytest.mark.parametrize(
    "script",
    [
        COMPOSE + COMPOSE,
        SAM2 + COMPOSE + SAM2_COMPOSES,
        COMPOSE + SAM2 + SAM2_COMPOSES + COMPOSE,
        SAM2 + SAM2_COMPOSES + COMPOSE + COMPOSE + SAM2_COMPOSES,
        FOREIGN + COMPOSE + "assert str(hydra.version.getbase()) == '1.3'\n",
    ],
    ids=["alone", "sam2 first", "sam2 second", "sam2 in use", "another hydra application"],
)
def test_sam2_and_usframe_compose_in_any_order_from_any_folder(script: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_composing_imports_no_network() -> None:
    script = COMPOSE + "import sys; assert not {'torch', 'sam2', 'numpy', 'SimpleITK'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
