"""Everything that a user can name is documented, and the README is a front door."""

import builtins
import inspect
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from documentation import DOCS, GENERATORS, generator, written_text
from paths import REPOSITORY
from small_report import REPORT

import edgecv
from edgecv.acceptance.lock import AcceptedLimits
from edgecv.core.registry import TASKS, all_registries
from edgecv.evaluation.limits import Limits, gate_texts
from edgecv.pipeline.search.trial_lines import HEADINGS
from edgecv.reports.run_table import AGAINST_CONTROL, run_tables

pytestmark = pytest.mark.quick

README = REPOSITORY / "README.md"
MOST_LINES, MOST_BYTES = 120, 7_000
EXIT_CODES = (0, 1, 2, 3, 4, 130)
SET_UP = (
    "python3 -m venv .venv && . .venv/bin/activate && pip install . && "
    "edgecv compress --recipe recipes/quickstart.toml",
    'pip install ".[test]" && pytest',
)
NAMED = [
    pytest.param(registry.kind, name, id=f"{registry.kind}-{name}")
    for registry in all_registries()
    for name in registry.classes
    if registry.kind not in ("importer", "runtime")
]


def str_of(key: Any) -> str:
    return f"{key.table}-{key.name}"


@cache
def generated() -> dict[str, str]:
    pages: dict[str, str] = generator("mkdocs_hooks").generated_pages()
    return pages


def test_the_readme_is_short() -> None:
    text = README.read_bytes()
    assert len(text.splitlines()) <= MOST_LINES
    assert len(text) <= MOST_BYTES


@pytest.mark.parametrize("command", SET_UP)
def test_the_set_up_commands_stand_in_the_readme(command: str) -> None:
    assert f"\n{command}\n" in README.read_text("utf-8")


def test_the_table_of_the_readme_is_of_a_real_run() -> None:
    rows = re.findall(r"^\| \S+\.(?:tflite|onnx) .*$", README.read_text("utf-8"), re.MULTILINE)
    results = (DOCS / "results" / "quickstart.md").read_text("utf-8")
    assert len(rows) == 4
    for row in rows:
        assert row in results


def test_links_between_files_lead_somewhere() -> None:
    for page in (README, REPOSITORY / "SECURITY.md", REPOSITORY / "recipes" / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", generator("cli_reference").commands())
def test_a_command_is_documented(name: str) -> None:
    assert f"## edgecv {name}\n" in generated()["reference/cli.md"]
    assert re.search(rf"\bedgecv {name}\b", written_text()), f"no page shows edgecv {name}"


def test_every_option_has_a_meaning() -> None:
    for name, command in generator("cli_reference").commands().items():
        for parameter in command.params:
            assert parameter.help, f"edgecv {name}, {parameter.name}"
            if parameter.param_type_name == "option":
                assert f"`{parameter.opts[0]}`" in generated()["reference/cli.md"]


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_what_is_registered_is_documented(kind: str, name: str) -> None:
    assert f"| `{name}` |" in generated()["reference/plugins.md"]
    assert re.search(rf"[`\"]{re.escape(name)}[`\"]", written_text()), (
        f"no page explains the {kind} {name}"
    )


def test_every_key_of_a_recipe_has_a_meaning() -> None:
    for key in generator("recipe_reference").all_keys():
        assert key.meaning, f"write a docstring below the field {str_of(key)}"
        assert key.row() in generated()["reference/recipe.md"]


@pytest.mark.parametrize("name", [*Limits.model_fields, *AcceptedLimits.model_fields])
def test_a_limit_is_explained(name: str) -> None:
    pages = ("guides/limits.md", "guides/gate.md")
    assert any(f"`{name}" in (DOCS / page).read_text("utf-8") for page in pages)


def test_every_gate_is_explained() -> None:
    text = (DOCS / "reference" / "gates.md").read_text("utf-8")
    limits = [name for name in Limits.model_fields if name not in ("drop_on", "latency_machine")]
    for name in (*limits, *gates_in_the_package()):
        assert f"`{name}`" in text, name


def test_every_gate_of_a_limit_is_named_as_reports_name_it() -> None:
    """A limit of a fraction has a gate of another name than its key."""
    text = (DOCS / "reference" / "gates.md").read_text("utf-8")
    assert not [name for name in gate_texts() if f"`{name}`" not in text]


def test_the_glossary_has_the_words_of_tables_and_verdicts() -> None:
    text = (DOCS / "concepts" / "glossary.md").read_text("utf-8")
    tasks = [name for name in TASKS.classes if name != "heads"]
    metrics = {each.name for name in tasks for each in TASKS.parse({"task": name}, "test").metrics}
    headings = {key for table in run_tables(REPORT) for key in table.headings}
    assert {"mIoU", "delta1"} <= metrics
    assert {"points", "runtime"} <= headings
    of_searches = {*HEADINGS, AGAINST_CONTROL} - {"trial", "recipe", "state", "verdict"}
    words = {*TASKS.classes, *metrics, *headings, *of_searches} - {"mIoU without background"}
    assert not [word for word in sorted(words) if not re.search(rf"\b{word}\b", text)]
    row = next(line for line in text.splitlines() if line.startswith("| times faster, speed-up |"))
    assert "in one process" not in row, "finished files are timed in several"


def test_edgecv_is_installed_by_name_only_where_it_is_installed_already() -> None:
    """No index has it: a name alone would ask for a package of somebody else."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    paths = [*(REPOSITORY / "edgecv").rglob("*.py"), *DOCS.rglob("*.md"), README]
    found = [
        (path.name, name)
        for path in paths
        for name in re.findall(r"pip install [\"']?(edgecv[^\s\"'`]*)", path.read_text("utf-8"))
    ]
    known = {f"edgecv[{extra}]" for extra in extras["optional-dependencies"]}
    assert {name for _, name in found} <= known
    # Other machines, and projects that only test their files, may have none yet.
    assert not {"edgecv[ray]", "edgecv[pytest]"} & {
        name for page, name in found if page[-3:] == ".md"
    }


@pytest.mark.parametrize("page", ["reference/exit-codes.md", "guides/python.md"])
def test_errors_that_a_page_names_can_be_imported(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    named = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)*(?:Error|Failure|File)\b", text))
    assert not {name for name in named if not hasattr(builtins, name)} - set(edgecv.__all__)


def test_functions_that_the_page_on_python_names_are_those_that_there_are() -> None:
    text = (DOCS / "guides" / "python.md").read_text("utf-8")
    named = re.findall(r"`(\w+)`", text.split("\n\n")[1].split(". ")[0])
    assert set(named) == {name for name in edgecv.__all__ if name[0].islower()}


def gates_in_the_package() -> set[str]:
    """Return the names that gates are made with, as they stand in the code."""
    found: set[str] = set()
    for path in (REPOSITORY / "edgecv").rglob("*.py"):
        code = path.read_text("utf-8")
        found |= set(re.findall(r"(?:\bGate|_gate|\bat_most)\(\s*\"([a-z_0-9]+)\"", code))
        found |= set(re.findall(r"^    name, path = \"([a-z_0-9]+)\"", code, re.MULTILINE))
        found |= set(re.findall(r"^[A-Z_]+ = \"(accepted_[a-z_]+)\"$", code, re.MULTILINE))
    assert {"runs", "weights", "macs", "accepted_bytes", "conversion_difference"} <= found
    return found


@pytest.mark.parametrize("page", ["guides/limits.md", "reference/exit-codes.md"])
def test_every_exit_code_is_explained(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \|", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert tuple(int(code) for code in rows) == EXIT_CODES


def test_the_exit_codes_are_those_of_the_help() -> None:
    from edgecv.cli import app

    assert {int(code) for code in re.findall(r"\d+", str(app.info.epilog))} == set(EXIT_CODES)


@pytest.mark.parametrize(
    "recipe", sorted((REPOSITORY / "recipes").glob("*.toml")), ids=lambda path: path.stem
)
def test_a_recipe_is_described(recipe: Path) -> None:
    name = tomllib.loads(recipe.read_text("utf-8"))["name"]
    assert f"`{name}`" in (REPOSITORY / "recipes" / "README.md").read_text("utf-8")


def test_every_decision_is_in_the_list() -> None:
    listed = (DOCS / "decisions" / "index.md").read_text("utf-8")
    for page in (DOCS / "decisions").glob("[0-9]*.md"):
        assert f"({page.name})" in listed


def test_every_word_of_a_verdict_is_in_the_glossary() -> None:
    glossary = (DOCS / "concepts" / "glossary.md").read_text("utf-8")
    for word in (
        "wins losses p points interval agreement flips twin baseline candidate gate speed-up"
    ).split():
        assert re.search(rf"^\| [^|]*\b{word}\b[^|]*\|", glossary, re.MULTILINE), word
    for words in ("no worse than", "worst class", "not distinguishable from chance"):
        assert f"| {words}" in glossary
    assert "calibration error" in glossary


def test_every_public_name_is_in_the_python_reference() -> None:
    import edgecv

    page = generated()["reference/python.md"]
    for name in edgecv.__all__:
        if name != "__version__":
            assert re.search(rf"^(::: \S+\.|## edgecv\.){name}$", page, re.MULTILINE), name


def test_every_parameter_is_in_the_python_reference() -> None:
    import edgecv

    sections = generated()["reference/python.md"].split("\n## edgecv.")[1:]
    found = {section.split("\n")[0]: section.split("\n::: ")[0] for section in sections}
    for name in edgecv.__all__:
        if inspect.isfunction(function := getattr(edgecv, name)):
            rows = re.findall(
                r"^\| `(\w+)` \| [^|]+ \| [^|]* \| (.+) \|$", found[name], re.MULTILINE
            )
            assert [row[0] for row in rows] == list(inspect.signature(function).parameters)
            assert all(meaning.strip() for _, meaning in rows), name


def test_the_references_need_no_heavy_library() -> None:
    program = (
        f"import sys; sys.path[:0] = [{str(GENERATORS)!r}]\n"
        "from mkdocs_hooks import generated_pages; generated_pages()\n"
        "print([n for n in ('tensorflow', 'keras', 'onnx', 'onnxruntime') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
