"""Trials on two raylets of this machine: the bits of the local engine, also where one is killed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ray_nodes import RayNodes, bits, ray_nodes, short_recipes

import edgecv
from edgecv.core.report import Report
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.search.engines.contract import Result, Submission, run_all
from edgecv.pipeline.search.engines.local import LocalEngine
from edgecv.pipeline.search.engines.ray.engine import RayEngine
from edgecv.system.storage import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    pytest.importorskip("ray", reason='needs Ray: pip install "edgecv[ray]"')
    with ray_nodes(tmp_path_factory.mktemp("nodes")) as found:
        yield found


@pytest.fixture(scope="module")
def model(output: Path, main_report: Report) -> Path:
    return output / "main" / "baseline.keras"


def test_runs_have_the_bits_of_the_local_engine_and_a_shared_step_is_trained_once(
    nodes: RayNodes, model: Path, tmp_path: Path
) -> None:
    trained = [
        CompressOptions(
            model=model, data="digits", formats="tflite", max_drop=50, prune=0.5, epochs=1,
            quantize=precision, name=f"p-{precision}",
        ).to_recipe()
        for precision in ("int8", "float16")
    ]  # fmt: skip
    recipes = [*trained, *short_recipes(model, 2)]
    on_ray, here = Store(tmp_path / "ray", "s"), Store(tmp_path / "local", "s")
    failed: list[Result] = []
    asked = [Submission(each) for each in recipes]

    def done(recipe: object, result: Result) -> None:
        failed.extend([] if isinstance(result, Report) else [result])

    said: list[str] = []
    with RayEngine(on_ray, nodes.address, 4, lambda event: said.append(event.message)) as engine:
        engine.look(recipes[0], [])
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(run_all, engine, asked, done)
            nodes.kill_one()  # In the main thread, as Ray wants it.
            running.result()
        made = engine.published()
    with LocalEngine(here, 1) as local:
        run_all(local, asked, done)
    assert not failed
    assert any(message.startswith("2 nodes: ") for message in said)
    assert {key for key, count in made.items() if count > 1} == set()
    for recipe in recipes:
        assert bits(on_ray, recipe.name) == bits(here, recipe.name)


def test_a_search_runs_on_the_nodes(nodes: RayNodes, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
    found = edgecv.search(
        model, data="digits", formats="tflite", max_drop=5, name="s", output=tmp_path, trials=1,
        engine="ray", ray_address=nodes.address,
    )  # fmt: skip
    assert [each.trial.steps for each in found.front] == ["int8"]
