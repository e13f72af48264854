"""The engine of a Ray cluster: tasks of one node that is started here, and what it refuses."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgecv.core.errors import InputError, StepError
from edgecv.pipeline.search.ray_engine import RayEngine
from edgecv.system.storage import Store, write_bytes

ray = pytest.importorskip("ray", reason='needs Ray: pip install "edgecv[ray]"')
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 80_000_000}
    )
    cluster.add_node(num_cpus=2, object_store_memory=80_000_000)
    yield str(cluster.address)
    cluster.shutdown()


def test_an_address_without_a_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--ray-address 127.0.0.1:1: there is no Ray cluster"):
        RayEngine(Store(tmp_path, "s"), "127.0.0.1:1")


def test_a_node_with_another_version_is_named(address: str, tmp_path: Path) -> None:
    with closing(RayEngine(Store(tmp_path, "s"), address)) as engine:
        assert len(ray.nodes()) == 2
        with pytest.raises(InputError, match=r"node .*: has numpy .*, this machine 1.0; install"):
            engine._check_nodes({"numpy": "1.0"})


def test_runs_come_back_whole_or_not_at_all(tmp_path: Path) -> None:
    engine = object.__new__(RayEngine)
    engine._store = store = Store(tmp_path / "head", "s")
    node = Store(tmp_path / "node", "s")
    with node.writing(node.run_folder("a")) as folder:
        write_bytes(folder / "report.json", b"{}")
    place = node.run_folder("a")
    files = {each.name: each.read_bytes() for each in place.iterdir()}
    engine._bring(store.run_folder("a"), files)
    assert {p.name: p.read_bytes() for p in store.run_folder("a").iterdir()} == files
    with pytest.raises(StepError, match="came back from its node as other files than were"):
        engine._bring(store.run_folder("b"), {**files, "report.json": b"{ }"})
    listed = json.loads(files["manifest.json"])
    listed["files"]["../../x"] = {"sha256": hashlib.sha256(b"").hexdigest()}
    outside = {**files, "../../x": b"", "manifest.json": json.dumps(listed).encode()}
    with pytest.raises(StepError, match="is no file of a run"):
        engine._bring(store.run_folder("c"), outside)
    assert not store.run_folder("b").exists()
    assert not store.run_folder("c").exists()
