"""What a device lacks is said before anything slow begins."""

from pathlib import Path

import pytest

from edgecv.core.errors import InputError
from edgecv.core.plugins import DeployContext, Target
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.user_models import check_user_model
from edgecv.targets.adb.target import Adb
from edgecv.targets.qemu.target import Qemu
from edgecv.targets.serial import target as serial
from edgecv.targets.tflm import target as tflm
from edgecv.targets.web.target import Web

pytestmark = pytest.mark.quick

TARGETS: dict[str, tuple[Target, str]] = {
    "tflm": (tflm.Tflm(), r'needs the package tflite-micro, .*; pip install "edgecv\[micro\]"'),
    "serial": (serial.SerialBoard(port="/dev/nowhere"), "there is no such port; is the board"),
    "no port": (serial.SerialBoard(), "names no port"),
    "qemu": (Qemu(), "needs arm-none-eabi-gcc.*apt-get install gcc-arm"),
    "web": (Web(), "npm install"),
    "adb": (Adb(benchmark_model=__file__), "needs adb, which is not installed"),
    "benchmark_model": (Adb(), "--benchmark-model: is needed"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_needs_is_looked_for_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, message = TARGETS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tflm, "is_installed", lambda: False)
    monkeypatch.setattr(serial, "_pyserial", lambda: None)
    with pytest.raises(InputError, match=message):
        target.reach(["tflite"], DeployContext(lambda stage, text: None))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("cifar_cnn", "images of 8x8 are too small; accepted: 18x18"),
        ("mobilenet_v2", "images of 8x8 are too small"),
    ],
)
def test_images_too_small_for_a_network_are_refused_before_they_are_read(
    architecture: str, message: str
) -> None:
    options = CompressOptions(data="digits", architecture=architecture, input_size="8x8")
    with pytest.raises(InputError, match=message):
        check_user_model(options.to_recipe())
