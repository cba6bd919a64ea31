"""The installed command: what it prints, where, and with which exit status."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from usframe import __version__
from usframe.cli import COMMANDS, main
from usframe.cli.run import EXPERIMENTS, split_request
from usframe.cli.run import command as run
from usframe.config.compose import CONFIGS

USFRAME = Path(sysconfig.get_path("scripts")) / "usframe"
Done = subprocess.CompletedProcess[str]
Usframe = Callable[..., Done]


@pytest.fixture
def usframe(tmp_path: Path) -> Usframe:
    """Run the installed command from an empty folder."""
    if not USFRAME.exists():
        pytest.skip("usframe is not installed in this environment: pip install -e .")

    def run(*words: str) -> Done:
        return subprocess.run([str(USFRAME), *words], cwd=tmp_path, capture_output=True, text=True)

    return run


def errors_of(done: Done) -> list[str]:
    """The problems of a request that was refused."""
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert all(line.startswith("Error: ") for line in lines)
    return [line.removeprefix("Error: ") for line in lines]


def test_the_installed_command_and_the_module_are_the_same(usframe: Usframe, tmp_path: Path) -> None:
    module = [sys.executable, "-m", "usframe", "--help"]
    same = subprocess.run(module, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert usframe("--help").stdout == same.stdout
    assert usframe("--version").stdout == f"usframe, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_listed_and_has_help(name: str) -> None:
    listing = CliRunner().invoke(main, ["--help"]).output
    assert f"\n  {name} " in listing
    command = import_module(f"usframe.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert all(
        option.help for option in command.params if isinstance(option, click.Option) and option.name != "out"
    )
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def parts_of(name: str) -> Iterator[tuple[list[str], click.Command]]:
    """What is typed for a command, or for each that is in it."""
    command = import_module(f"usframe.cli.{name}").command
    yield [name], command
    if isinstance(command, click.Group):
        yield from (([name, part], inner) for part, inner in command.commands.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_takes_one_value_is_refused_where_it_is_given_twice(name: str) -> None:
    takes_one = [
        (words, option)
        for words, command in parts_of(name)
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag and "repeatable" not in (option.help or "")
    ]
    assert takes_one
    for words, option in takes_one:
        spelt = option.opts[-1]
        first, second = getattr(option.type, "choices", ("1", "1"))[:2]
        done = CliRunner().invoke(main, [*words, option.opts[0], first, spelt, second])
        assert done.exit_code == 2
        last = done.output.splitlines()[-1]
        assert last.startswith(f"Error: {spelt} is given 2 times ({first}")
        assert last.endswith("); give one of them")


def test_every_file_of_the_command_line_is_a_command() -> None:
    files = {path.stem for path in Path(str(import_module("usframe.cli").__file__)).parent.glob("*.py")}
    assert files - {"__init__", "options", "completion", "sweep"} == set(COMMANDS)


def test_help_imports_nothing_but_click() -> None:
    script = (
        "import sys\nfrom usframe.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'sam2', 'hydra', 'omegaconf', 'numpy', 'SimpleITK', 'pluggy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_an_unknown_command_is_exit_status_2(usframe: Usframe) -> None:
    done = usframe("rnu")
    assert done.returncode == 2
    assert "No such command 'rnu' (did you mean 'run'?)" in done.stderr


def test_a_command_that_is_like_no_other_has_no_suggestion(usframe: Usframe) -> None:
    assert usframe("xyz").stderr.splitlines()[-1] == "Error: No such command 'xyz'."


# usframe run


def test_the_help_of_run_and_the_shell_know_every_experiment(usframe: Usframe) -> None:
    own = {path.stem for path in (CONFIGS / "experiment").glob("*.yaml")} - {"prepare", "score"}
    assert set(EXPERIMENTS) == own
    told = usframe("run", "--help").stdout
    assert [name for name in own if f"  {name} " not in told] == []
    context = click.Context(run)
    parameter = next(one for one in run.params if one.name == "request")
    assert [found.value for found in parameter.shell_complete(context, "p")] == [
        "propagate",
        "preview_augmentations",
    ]


def test_everything_wrong_with_a_request_is_said_at_once(usframe: Usframe) -> None:
    words = ("-p", "bx", "--backbone", "medsam", "--device", "gpu", "batch_size=x", "lables=3")
    wrong = errors_of(usframe("run", "zero_shot", *words))
    parts = ("'bx'", "'medsam'", "device=gpu", "batch_size=x", "'lables'", "volumes is", "labels is")
    for part in parts:
        assert sum(part in line for line in wrong) == 1, part
    assert len(wrong) == len(parts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["zeroshot"], "unknown experiment 'zeroshot' (did you mean 'zero_shot'?)"),
        (["no.yaml"], "no.yaml: there is no such experiment file"),
        (["-i", "a", "-l", "b", "frames=last"], "frames=last is not possible; choose one of largest, middle"),
        (
            ["-i", "a", "-l", "b", "--precision", "half"],
            "precision=half is not possible; choose one of auto, fp32",
        ),
        (
            ["-i", "a", "-l", "b", "zero_shot", "all_prompts"],
            "'all_prompts' is no option; options are written",
        ),
        (["-i", "a", "-l", "b", "plugins=[mine.py]"], "mine.py: there is no such plugin file"),
        (["-i", "a, b=[c]", "-l", "d", "-o", "a, b=[c]/e"], "out=a, b=[c]/e lies inside volumes=a, b=[c];"),
        (["score", "masks=a", "labels=b", "--dry-run"], "--dry-run is not available for task=score"),
    ],
)
def test_a_wrong_request_is_one_line(usframe: Usframe, words: list[str], message: str) -> None:
    (problem,) = errors_of(usframe("run", *words))
    assert problem.startswith(message)


def test_a_refused_request_loads_no_network(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom usframe.cli import main\n"
        "try: main(['run', '-p', 'bx'])\nexcept SystemExit as exit: assert exit.code == 2\n"
        "assert not {'torch', 'sam2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, stderr=subprocess.DEVNULL)


def test_the_experiment_is_the_first_word_without_an_equals_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("lr=1.yaml").touch()
    assert split_request([]) == ("zero_shot", [])
    assert split_request(["seed=1", "all_prompts", "out=x.yaml"]) == ("all_prompts", ["seed=1", "out=x.yaml"])
    assert split_request(["seed=1", "lr=1.yaml"]) == ("lr=1.yaml", ["seed=1"])


# usframe plugins


def test_plugins_as_a_table_and_as_json(usframe: Usframe) -> None:
    table = usframe("plugins", "--kind", "prompt").stdout.splitlines()
    assert table[0].split() == ["name", "kind", "origin", "imports", "does"]
    rows = json.loads(usframe("plugins", "--kind", "prompt", "--json").stdout)
    told = [" ".join(row[key] for key in table[0].split()) for row in rows["plugins"]]
    assert told == [" ".join(line.split()) for line in table[1:]]
    point = next(row for row in rows["plugins"] if row["name"] == "point")
    assert point["arguments"] == {"count": {"default": 1}}
    assert rows["broken"] == []


def test_plugins_says_what_does_not_import_and_what_is_broken(usframe: Usframe, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from usframe import hookimpl\n\n@hookimpl\ndef usframe_register_prompts(register):\n"
        "    register('lazy', 'no_such_module:thing')\n"
    )
    site = tmp_path / "site"
    (site / "bad-0.1.dist-info").mkdir(parents=True)
    (site / "bad-0.1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 0.1\n")
    (site / "bad-0.1.dist-info/entry_points.txt").write_text("[usframe]\nbad = no_such_package\n")
    done = subprocess.run(
        [str(USFRAME), "plugins", "--kind", "prompt", "--plugin", "mine.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    lazy = next(line for line in done.stdout.splitlines() if line.startswith("lazy"))
    missing = "cannot import no_such_module:thing: ModuleNotFoundError: No module named 'no_such_module'"
    assert " ".join(lazy.split()) == f"lazy prompt mine.py {missing}"
    assert done.stdout.endswith("broken: bad 0.1: ModuleNotFoundError: No module named 'no_such_package'\n")


def test_plugins_refuses_a_file_that_is_not_there(usframe: Usframe) -> None:
    assert errors_of(usframe("plugins", "--plugin", "no.py")) == ["no.py: there is no such plugin file"]


def test_an_interrupt_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [str(USFRAME), "plugins", "--plugin", "slow.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (130, "Error: interrupted\n")


def test_config_show_prints_a_file_that_run_takes(usframe: Usframe, tmp_path: Path) -> None:
    shown = usframe("config", "show", "propagate", "frames=uniform:3", "noise=mild")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "frames: uniform:3\n" in shown.stdout
    assert usframe("config", "show", "propagate", "frames=uniform:3", "noise=mild", "-o", "mine.yaml").stdout == ""
    assert (tmp_path / "mine.yaml").read_text() == shown.stdout.replace("FILE.yaml", "mine.yaml")
    assert errors_of(usframe("config", "show", "-o", "mine.yaml")) == [
        "mine.yaml: is there already; choose another name"
    ]
    again = usframe("config", "show", "mine.yaml", "out=outputs/propagate")
    assert again.stdout == shown.stdout


def test_config_show_names_what_is_wrong_and_not_what_is_missing(usframe: Usframe) -> None:
    done = usframe("config", "show", "propagate", "frame=uniform:3", "mode=both")
    assert errors_of(done)[0] == "task=predict has no key 'frame' (did you mean 'frames'?)"
    assert len(errors_of(done)) == 2
