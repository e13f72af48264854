"""What a device says is checked before anything is made of it."""

from pathlib import Path

import numpy as np
import pytest
from deployed import deployed_file

from edgecv import deploy
from edgecv.analysis.deploy.proof import same_gates
from edgecv.analysis.deploy.request import limits_here, limits_there
from edgecv.analysis.options import DeployOptions
from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.quantity import FRACTION
from edgecv.core.report import Deployment
from edgecv.evaluation.limits import Limits
from edgecv.targets.answers import real_outputs

pytestmark = pytest.mark.quick

RUN = (Path("main"),)


def test_stored_integers_become_reals() -> None:
    stored = {"probabilities": np.array([[0, 128, 255]], np.uint8)}
    found = real_outputs(deployed_file("tflite"), stored, 1, "board")
    np.testing.assert_allclose(found.arrays["probabilities"], [[0, 0.5, 255 / 256]])


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({}, 'gives no output "probabilities"'),
        (
            {"probabilities": np.zeros((2, 3), np.uint8)},
            r"uint8 \[2, 3\]; accepted: uint8 \[1, 3\]",
        ),
        ({"probabilities": np.zeros((1, 3), np.float32)}, "float32"),
    ],
)
def test_another_shape_or_type_is_refused(stored: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(EdgecvError, match=said):
        real_outputs(deployed_file("tflite"), stored, 1, "board")


@pytest.mark.parametrize(("same", "outcome"), [(95, "passed"), (94, "failed")])
def test_as_many_same_answers_as_asked_for_pass(same: int, outcome: str) -> None:
    found = Deployment("c", "int8.tflite", "C99", 100, same, same, 0.0)
    (gate,) = same_gates(found, FRACTION.parse("95%"))
    assert gate.outcome == outcome


def test_a_latency_that_a_deployment_is_given_is_of_the_device_alone() -> None:
    given = DeployOptions(paths=RUN, to="c", max_latency="5ms", max_size="1MB")
    limits = given.changed(Limits(max_drop_points=1.0))
    assert limits_here(limits, given) == Limits(max_drop_points=1.0, max_bytes=1_000_000)
    assert limits_there(limits, given).max_latency_us == 5000
    of_run = Limits(max_latency_us=50, latency_machine="the run's")
    assert limits_here(of_run, DeployOptions(paths=RUN, to="c")) == of_run


def test_a_speed_up_is_judged_where_the_float32_file_runs_too() -> None:
    """The row of a device has none beside it: it was inconclusive there, whatever was measured."""
    given = DeployOptions(paths=RUN, to="c", min_speedup="2x")
    limits = given.changed(Limits())
    assert limits_here(limits, given).min_speedup == 2
    assert limits_there(limits, given).min_speedup is None


def test_arrays_of_inputs_are_no_images(tmp_path: Path) -> None:
    """They ended in an internal error after the file had been opened."""
    np.savez(tmp_path / "in.npz", image=np.zeros((4, 8, 8, 3), np.float32))
    (tmp_path / "a.tflite").write_bytes(b"never opened")
    with pytest.raises(InputError, match="and no images with their splits; accepted: "):
        deploy(tmp_path / "a.tflite", to="bundle", data=tmp_path / "in.npz", out=tmp_path / "out")
