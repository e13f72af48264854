"""The commands as people call them: exit codes, one-line errors, streams, interruption."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

from edgecv.cli import run
from edgecv.cli.console import Screen
from edgecv.core.errors import InputError
from edgecv.core.report import Report


def edgecv(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecv", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dry_run_prints_a_recipe_and_touches_nothing(tmp_path: Path) -> None:
    done = edgecv("compress", "--data", "digits", "--max-drop", "2", "--dry-run", folder=tmp_path)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "plan.toml").write_text(done.stdout)
    again = edgecv("compress", "--recipe", "plan.toml", "--dry-run", folder=tmp_path)
    assert again.stdout == done.stdout
    table = edgecv("compress", "--recipe", "plan.toml", "--dry-run", "--json", folder=tmp_path)
    assert json.loads(table.stdout) == tomllib.loads(done.stdout)


def test_code_that_ends_the_program_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(*arguments: object, **named: object) -> None:
        sys.exit(0)

    monkeypatch.setattr("edgecv.cli.app", leave)
    assert run() == 3
    assert "ended the program with status 0" in capsys.readouterr().err


def test_values_are_named_in_plain_words(tmp_path: Path) -> None:
    shown = edgecv("compress", "--help", folder=tmp_path).stdout
    assert "--quantize TEXT" in shown
    assert "--cluster INTEGER" in shown
    assert "<str>" not in shown
    assert "<list" not in shown


def test_help_has_a_section_for_each_kind_of_option(tmp_path: Path) -> None:
    shown = edgecv("compress", "--help", folder=tmp_path).stdout
    titles = [line for line in shown.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles[:2] == ["Arguments:", "Model and files:"]
    assert {"Techniques:", "Images:", "Training:", "Limits:", "Runs:"} <= set(titles)
    assert titles[-1] == "Other options:"
    assert "  MODEL  " in shown
    limits = shown.partition("Limits:")[2].partition("Runs:")[0]
    assert "--max-drop" in limits
    assert "[default: int8]" in " ".join(shown.split())
    few = edgecv("verify", "--help", folder=tmp_path).stdout
    assert "Options:" in few
    assert "Other options:" not in few


def test_compress_with_json_and_a_gate(output: Path) -> None:
    done = edgecv(
        "compress", "--data", "digits", "--epochs", "3", "--format", "tflite", "--max-drop", "50",
        "--name", "cli", "--json", folder=output.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["outcome"] == "passed"
    assert "Traceback" not in done.stderr
    assert "WARNING" not in done.stderr
    assert (output / "cli" / "log.txt").exists()
    twin = output / "cli" / "float32.tflite"  # Opened sooner than the Keras model.
    table = edgecv("validate", output / "cli", "--baseline", twin, folder=output.parent)
    assert table.returncode == 0
    assert "int8.tflite" in table.stdout
    assert "PASSED" in table.stdout
    assert "no worse than 50 points (95%)" in table.stdout  # The run's own limit.
    few = edgecv(
        "validate", output / "cli", "--baseline", twin, "--max-drop", "0.01", "--drop-on", "bound",
        folder=output.parent,
    )  # fmt: skip
    assert few.returncode == 4, few.stdout
    assert "cannot tell with" in few.stdout


def test_a_failed_gate_and_a_bad_file_have_codes_of_their_own(
    main_report: Report, output: Path
) -> None:
    model = output / "main" / "float32.tflite"
    noise = output.parent / "noise.tflite"
    noise.write_bytes(np.random.default_rng(0).bytes(999))
    done = edgecv("validate", model, noise, "--data", "digits", folder=output.parent)
    assert done.returncode == 3
    assert "noise.tflite could not be measured" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.quick
def test_help_is_in_groups_with_a_sentence_and_an_example_for_each_command(tmp_path: Path) -> None:
    from edgecv.cli.commands import COMMANDS

    text = edgecv("--help", folder=tmp_path).stdout
    for name, command in COMMANDS.items():
        assert f"{command.group}:\n" in text
        assert f"\n  {name} " in text
        assert f"$ {command.example}\n" in text


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("edgecv com", "compress compare"),
        ("edgecv validate --max-ga", ""),
        ("edgecv bench --bu", "--budget"),
    ],
)
def test_the_shell_completes_commands_and_options(
    typed: str, completed: str, tmp_path: Path
) -> None:
    words = typed.split()
    program = "import sys; sys.argv = ['edgecv']; from edgecv.cli import run; sys.exit(run())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "_EDGECV_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) - 1),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == completed.split()
    assert done.stderr == ""


@pytest.mark.quick
def test_completion_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "--install-completion", "bash"],
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "completion installed" in done.stdout
    assert (tmp_path / ".bashrc").exists()


REDIRECTED = {">&-": 0, "| true": 0, ">/dev/full": 3}


@pytest.mark.parametrize(
    ("argument", "redirect"),
    [
        pytest.param(argument, redirect, marks=() if argument == "list" else pytest.mark.slow)
        for argument in ("list", "--help", "schema", "--version")
        for redirect in REDIRECTED
    ],
)
def test_an_output_that_cannot_be_written_is_a_line_or_nothing(
    argument: str, redirect: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m edgecv {argument} {redirect}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == REDIRECTED[redirect], done.stderr
    assert done.stderr.count("\n") <= 1
    assert "Traceback" not in done.stderr


def test_a_table_in_a_file_is_as_wide_as_it_needs() -> None:
    from rich.table import Table

    from edgecv.cli.console import Screen

    table = Table("artifact", "note")
    table.add_row("a" * 90, "b" * 90)
    with Screen(quiet=True) as screen:
        text = screen.rendered(table)
    assert "a" * 90 in text
    assert "b" * 90 in text


def test_a_narrow_terminal_gets_the_whole_table(main_report: Report) -> None:
    import io

    from rich.console import Console

    from edgecv.cli.show import narrow_tables

    text = io.StringIO()
    Console(file=text, width=80).print(*narrow_tables(main_report))
    assert "…" not in text.getvalue()
    assert all(len(line) <= 80 for line in text.getvalue().splitlines())


@pytest.mark.quick
def test_two_bundles_are_compared_without_options_of_a_deployment(tmp_path: Path) -> None:
    for given, said in (
        (("--to", "c"), "--to: cannot be given beside --diff; leave out --to"),
        ((), "a: is no bundle"),
    ):
        done = edgecv("deploy", "--diff", "a", "b", *given, folder=tmp_path)
        assert done.returncode == 2
        assert said in done.stderr


@pytest.mark.quick
def test_list_shows_what_is_registered(tmp_path: Path) -> None:
    lines = edgecv("list", folder=tmp_path).stdout.splitlines()
    first_words = {line.split("  ")[0].strip() for line in lines}
    assert first_words == {
        "data set", "architecture", "importer", "task", "technique", "format", "runtime",
        "target", "log", "recipe", "profile",
    }  # fmt: skip


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_interruption_keeps_the_work_and_leaves_no_half_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "edgecv", "compress", "--data", "digits", "--epochs", "200"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    checkpoints = tmp_path / "exported" / ".store" / "checkpoints"
    end = time.monotonic() + 60
    while not list(checkpoints.glob("*.npz")) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.splitlines()[-1].startswith("edgecv: interrupted")
    assert "Traceback" not in error
    assert list(checkpoints.glob("*.npz"))
    shown = {path.name for path in (tmp_path / "exported").iterdir()}
    assert shown <= {".store", ".partial"}
    assert not list((tmp_path / "exported" / ".partial").iterdir())


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-m", "edgecv", "list"],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    assert list(tmp_path.iterdir()) == []


def test_the_width_is_that_of_the_terminal_that_standard_output_is(tmp_path: Path) -> None:
    """Descriptor 1 is the log while a command works: its width is not the one to ask for."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "list"],
        stdout=its,
        stderr=subprocess.PIPE,
        check=True,
        cwd=tmp_path,
    )
    assert done.stderr == b""
    os.close(its)
    lines = os.read(mine, 100_000).decode().splitlines()
    os.close(mine)
    assert max(map(len, lines)) > 90


def test_quiet_shows_the_verdict_alone_and_verbose_what_libraries_print(
    main_report: Report, output: Path, tmp_path: Path
) -> None:
    given = ("report", output / "main", "--to", tmp_path / "page.html")
    usual = edgecv(*given, folder=tmp_path)
    assert usual.stdout.startswith("PASSED: ")
    assert "median us" in usual.stdout
    quiet = edgecv(*given, "--quiet", folder=tmp_path)
    assert quiet.stdout.startswith("PASSED: ")
    assert "median us" not in quiet.stdout
    refused = edgecv(*given, "--quiet", "--verbose", folder=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "edgecv: --quiet: stands beside --verbose; give one of them\n"


@pytest.mark.quick
def test_a_path_that_may_not_be_looked_into_is_no_bug_of_edgecv() -> None:
    """``--output /root/x`` of an ordinary user was an internal error."""
    reason = r"^/root/x: this user may not look into it"
    with pytest.raises(InputError, match=reason) as found, Screen():
        raise PermissionError(13, "Permission denied", "/root/x")
    assert found.value.exit_code == 2


def test_verbose_shows_the_log_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError), Screen(verbose=True) as screen:
        os.write(2, b"a library \x1b[2J\n")
        screen.answer("an answer")
        raise InputError("--x", "is wrong")
    shown = capfd.readouterr()
    assert shown.out == "an answer\n"
    assert "a library ?[2J\n" in shown.err
    assert "Traceback" in shown.err
