"""Names with terminal escapes, and names that are no UTF-8: nothing fails, nothing is obeyed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_injection.fuzz.attacks import check_text, printed
from small_report import REPORT

from edgecv.acceptance.junit import to_junit
from edgecv.acceptance.markdown import to_markdown
from edgecv.acceptance.records import Judgement, Since
from edgecv.cli.console import Screen
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.report import Gate
from edgecv.core.text import printable_lines
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.system.storage import seal

HOSTILE = "a\x1b[2J\x9b31m\u202e\x07caf\udce9"


@pytest.mark.quick
def test_what_is_shown_has_one_escape() -> None:
    assert printable_lines(f"{HOSTILE}\nb") == "a?[2J?31m??caf?\nb"


@pytest.mark.quick
def test_files_for_other_programs_hold_no_escapes() -> None:
    gate = Gate("runs", HOSTILE, 0.0, None, "failed", HOSTILE)
    since = Since("2026-11-24", None)
    judgement = Judgement(
        HOSTILE, HOSTILE, since, "failed", (gate,), (), (HOSTILE,), (HOSTILE,), REPORT
    )
    check_text(to_junit(judgement).decode())
    check_text(to_markdown(judgement))


def test_a_screen_shows_no_escape(capfd: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen.answer(f"{HOSTILE}\n")
        screen.warn([HOSTILE])
        screen.on_event(Event("data", HOSTILE))
        screen.on_event(Event("data", HOSTILE, 1, 2))
        screen.lines([(HOSTILE, HOSTILE)])
    shown = capfd.readouterr()
    check_text(shown.out)
    check_text(shown.err)
    assert "a?[2J" in shown.out
    assert "a?[2J" in shown.err


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
@pytest.mark.parametrize("name", [b"caf\xe9", b"a\x1b[2Jb", "\u00e9\u4e2d".encode()])
def test_a_command_succeeds_for_any_name(
    locale: dict[str, str], name: bytes, tmp_path: Path
) -> None:
    run = os.fsencode(tmp_path) + b"/" + name
    os.mkdir(run)
    Path(os.fsdecode(run), "a.txt").write_text("a")
    seal(Path(os.fsdecode(run)))
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "verify", run],
        capture_output=True, check=False, env={**os.environ, **locale},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    check_text(done.stdout.decode())


@pytest.mark.quick
def test_a_recipe_refuses_a_name_that_it_cannot_hold() -> None:
    with pytest.raises(InputError, match=r"is no name in UTF-8, as a recipe is written; rename"):
        CompressOptions(model="caf\udce9.keras", data="digits").to_recipe()


def test_a_wrong_name_is_one_printable_line() -> None:
    code, text = printed(["verify", "caf\udce9\x1b[2J"])
    assert code == 2
    check_text(text)
    assert text.count("\n") == 1
