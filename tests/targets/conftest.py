"""A real int8 file for targets: the digits network, with what LiteRT's built-in kernels answer."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from deployed import deployed_file
from ssh_server import Server, file_at, running

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images, Outputs
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.system.isolation import ModelClient

if TYPE_CHECKING:
    from edgecv.core.report import Report


@pytest.fixture(scope="session")
def images() -> Images:
    """Return four images of noise."""
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="session")
def answered(main_report: "Report", output: Path, images: Images) -> tuple[DeployedFile, Outputs]:
    """Return an int8 file, and what LiteRT's built-in kernels answer to the images."""
    path = output / "main" / "int8.tflite"
    with ModelClient("litert", 1, options={"kernels": "builtin"}) as client:
        facts, outputs = client.open(path), client.predict(path, images)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    artifact = Artifact(path.name, "tflite", "int8", len(content), 0, sha256)
    file = deployed_file("tflite", path=path, artifact=artifact, facts=facts, golden=images[:2])
    return file, outputs


@pytest.fixture
def context() -> DeployContext:
    """Return a context that keeps nothing."""
    return DeployContext(lambda stage, message: None)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start an sshd."""
    with running(tmp_path_factory.mktemp("sshd")) as made:
        yield made


@pytest.fixture(scope="session")
def file(output: Path, main_report: "Report") -> DeployedFile:
    """Return an int8 .tflite."""
    return file_at(output / "main" / "int8.tflite")[0]
