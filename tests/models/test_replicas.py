"""Several devices share each batch: the weights are those of one device with the same batch."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.models.training.replicas import is_first_worker
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.checks import check_devices
from edgecv.pipeline.recipe.parts import BaselineOptions, TeacherNetwork

PROGRAM = Path(__file__).with_name("replica_program.py")
PATHS = os.pathsep.join([*map(str, PROGRAM.parents[1:3]), os.environ.get("PYTHONPATH", "")])
NEAR = 1e-5


def cluster(index: int, ports: list[int]) -> str:
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def start(device: str, folder: Path, tf_config: str = "", **options: Any) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(PROGRAM), device, "4", str(folder), json.dumps(options)]
    environment = {**os.environ, "PYTHONPATH": PATHS, "TF_CONFIG": tf_config}
    if not tf_config:
        del environment["TF_CONFIG"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def end(*started: subprocess.Popen[str]) -> None:
    for each in started:
        said, _ = each.communicate(timeout=500)
        assert each.returncode == 0, said[-3000:]


def weights(folder: Path) -> list[np.ndarray[Any, Any]]:
    with np.load(folder / "weights.npz") as file:
        return [file[key] for key in sorted(file.files)]


def farthest(one: Path, other: Path) -> float:
    pairs = zip(weights(one), weights(other), strict=True)
    return max(float(np.abs(left - right).max()) for left, right in pairs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"mixup": 0.2, "cutout": 2, "optimizer": "adamw"}, {"ema": 0.8}]
)
def test_several_devices_end_with_the_weights_of_one(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """With batch normalization and augmentation; the figures of all epochs are equal too."""
    ports = free_ports(2)
    first, second = (
        start("workers", tmp_path / f"worker{place}", cluster(place, ports), **options)
        for place in range(2)
    )
    end(first, second)
    end(start("cpu", tmp_path / "one", **options))
    end(start("two-cpus", tmp_path / "gpus", **options))
    assert farthest(tmp_path / "worker0", tmp_path / "worker1") == 0
    assert farthest(tmp_path / "one", tmp_path / "worker0") < NEAR
    assert farthest(tmp_path / "one", tmp_path / "gpus") < NEAR
    said = (tmp_path / "worker1" / "messages.txt").read_text()
    assert "shared by 2 devices, worker 2 of 2" in said


@pytest.mark.slow
def test_workers_that_were_stopped_go_on_from_the_epochs_of_the_first(tmp_path: Path) -> None:
    for name, options in (("whole", {}), ("cut", {"stop": 3}), ("cut", {})):
        ports = free_ports(2)
        end(
            *(
                start("workers", tmp_path / f"{name}{place}", cluster(place, ports), **options)
                for place in range(2)
            )
        )
        (tmp_path / "cut1" / "epoch.npz").unlink(missing_ok=True)
    assert farthest(tmp_path / "whole0", tmp_path / "cut0") == 0
    assert farthest(tmp_path / "whole0", tmp_path / "cut1") == 0
    said = (tmp_path / "cut1" / "messages.txt").read_text()
    assert "an interrupted training goes on after epoch 2 of 4" in said


@pytest.mark.quick
@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", cluster(2, [1, 2]), cluster(-1, [1, 2]), cluster(0, [1])],
)
def test_a_cluster_without_two_workers_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="TF_CONFIG is "):
        is_first_worker()
    with pytest.raises(InputError, match="TF_CONFIG is "):
        check_devices(BaselineOptions(), Schedule(device="workers"), alone=True)


@pytest.mark.quick
def test_the_first_worker_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in range(2):
        monkeypatch.setenv("TF_CONFIG", cluster(place, [1, 2]))
        assert is_first_worker() == (place == 0)


@pytest.mark.quick
def test_several_devices_are_refused_where_they_cannot_train() -> None:
    network = {"network": {"architecture": "plain_cnn"}, "training": {"device": "workers"}}
    teacher = TeacherNetwork.model_validate(network)
    for baseline, schedule in (
        (BaselineOptions(), Schedule(device="workers")),
        (BaselineOptions(teacher=teacher), Schedule()),
    ):
        with pytest.raises(InputError, match="for the training of a baseline alone"):
            check_devices(baseline, schedule, alone=False)
    with pytest.raises(InputError, match="is for edgecv's own training"):
        check_devices(BaselineOptions(train="mine:train"), Schedule(device="gpus"), alone=True)
    check_devices(BaselineOptions(), Schedule(device="gpus"), alone=False)
    with pytest.raises(ValueError, match="epochs in place of minutes"):
        Schedule(device="gpus", minutes=1)


def test_gpus_that_are_not_there_are_named() -> None:
    from edgecv.models.training.devices import use_device

    with pytest.raises(InputError, match="TensorFlow sees 0 here; accepted: two GPUs or more"):
        use_device("gpus")
