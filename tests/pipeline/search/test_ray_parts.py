"""The parts of the Ray engine that need no cluster: addresses, versions, stages made once."""

import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecv.core.data import SPLITS
from edgecv.core.errors import InputError
from edgecv.formats.trust import Trust
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.search.engines.choice import engine_of
from edgecv.pipeline.search.engines.contract import LostMachines, UnfitMachine
from edgecv.pipeline.search.engines.ray.cluster import connect
from edgecv.pipeline.search.engines.ray.head import MAKE, THERE, WAIT, SearchHead
from edgecv.pipeline.search.engines.ray.node import check_data, check_software, environment_of
from edgecv.pipeline.search.engines.ray.node_files import (
    check_code,
    check_files,
    without_network_teacher,
)
from edgecv.pipeline.search.engines.ray.node_watch import WAIT_FOR_NODES_S, NodeWatch
from edgecv.pipeline.search.engines.ray.software import CODE, Software, installed
from edgecv.pipeline.search.engines.trial_server import TrialServer
from edgecv.pipeline.search.named_files import hashes_of
from edgecv.pipeline.search.options import SearchOptions
from edgecv.system.storage import Store, pack

pytestmark = pytest.mark.quick


def test_without_ray_it_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'--engine ray: needs Ray; pip install "edgecv\[ray\]"'):
        connect("auto")


def test_nodes_have_the_cache_that_the_search_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    recipe = SearchOptions(data="digits", no_cache=True).to_recipe()
    assert environment_of(recipe) == {"OMP_NUM_THREADS": "3", "EDGECV_NO_CACHE": "1"}


@pytest.mark.parametrize("address", ["nonsense", "host:", "ray://host:10001", "host:many"])
def test_what_is_no_address_is_refused(address: str) -> None:
    pytest.importorskip("ray", reason='needs Ray: pip install "edgecv[ray]"')
    with pytest.raises(InputError, match=r"is no address; accepted: auto or HOST:PORT"):
        connect(address)


def test_an_address_without_a_cluster_is_refused_at_once() -> None:
    pytest.importorskip("ray", reason='needs Ray: pip install "edgecv[ray]"')
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            client, _ = server.accept()
            client.recv(1024)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(InputError, match=r"there is no Ray cluster, but another server"):
            connect(f"127.0.0.1:{port}")
    with pytest.raises(InputError, match=r"there is no Ray cluster: .*refused; start one") as found:
        connect(f"127.0.0.1:{port}")
    assert found.value.exit_code == 2


def test_an_address_is_for_the_engine_ray_and_a_device_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    asked = SearchOptions(data="digits", ray_address="auto")
    with pytest.raises(InputError, match=r"--ray-address auto: is for --engine ray, and trials"):
        engine_of(asked, asked.to_recipe(), store, print)
    asked = SearchOptions(data="digits", formats="tflite", engine="ray", on="ssh://host")
    with pytest.raises(InputError, match=r"--on: measures on one device, which the nodes"):
        engine_of(asked, asked.to_recipe(), store, print)


def test_a_node_with_another_version_is_named_with_its_package() -> None:
    own = installed()
    assert {"Python", "tensorflow", "numpy", CODE} <= set(own.versions)
    check_software("b (1)", own, own)
    for name, version in (("numpy", "1.0"), ("Python", "3.9.1"), (CODE, "0123")):
        other = Software({**own.versions, name: version}, own.processor)
        with pytest.raises(UnfitMachine, match=rf"node b \(1\): has {name} {version}, and the mac"):
            check_software("b (1)", other, own)
    fewer = replace(own, versions={k: v for k, v in own.versions.items() if k != "onnx"})
    with pytest.raises(UnfitMachine, match="has onnx none, and the machine of the search has"):
        check_software("b (1)", fewer, own)


def test_a_node_with_other_images_is_named() -> None:
    own = {"train": "a", "calibration": "d", "validation": "b", "test": "c"}
    check_data("b (1)", own, own)
    check_data("b (1)", own, {})
    for split in ("calibration", "test"):
        other = {**own, split: "e"}
        with pytest.raises(UnfitMachine, match=rf"b \(1\): has other {split} images; model and"):
            check_data("b (1)", other, own)


def test_a_node_with_other_code_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "layers_of_a_node.py"
    path.write_text("class Own: pass\n")
    code = Trust(custom_objects=("layers_of_a_node:Own",))
    own = code.code_sha256()
    check_code("b (1)", code, own)
    path.write_text("class Own: size = 2\n")
    with pytest.raises(UnfitMachine, match=r"b \(1\): has another layers_of_a_node:Own"):
        check_code("b (1)", code, own)


def test_a_look_gives_the_hash_of_each_split(tmp_path: Path) -> None:
    recipe = CompressOptions(data="digits", epochs=1).to_recipe()
    server: Any = SimpleNamespace(heartbeat=lambda: None)
    facts, _ = TrialServer(server).look(recipe.table(), str(tmp_path), [])
    assert set(facts["sha256"]) == set(SPLITS)


def fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/weights").write_bytes(b"1234")


class Through:
    """The sharing of a node's store, with the head in this process."""

    def __init__(self, head: SearchHead, root: Path, holder: str) -> None:
        self.head, self.store, self.holder = head, Store(root), holder

    def fetch(self, kind: str, name: str) -> bool:
        state = self.head.claim(kind, name, self.holder)
        assert state != WAIT
        if state == THERE:
            self.store.receive(self.store.place(kind, name), self.head.fetch(kind, name))
        return state == THERE

    def publish(self, kind: str, name: str) -> None:
        self.head.publish(kind, name, pack(self.store.place(kind, name)))


def test_a_stage_is_made_once_on_all_nodes_and_comes_to_the_head(tmp_path: Path) -> None:
    head = SearchHead(str(tmp_path / "head"))
    one, two = (
        Store(tmp_path / name, sharing=Through(head, tmp_path / name, f"trial/{name}"))
        for name in ("one", "two")
    )
    one.stage("techniques", "k", fill)
    place = two.stage("techniques", "k", lambda folder: pytest.fail("made twice"))
    assert (place / "sub/weights").read_bytes() == b"1234"
    assert (tmp_path / "head/.store/techniques/k/sub/weights").read_bytes() == b"1234"


def test_others_wait_for_who_makes_a_stage_and_one_of_them_makes_it_where_that_one_dies(
    tmp_path: Path,
) -> None:
    head = SearchHead(str(tmp_path))
    assert head.claim("techniques", "k", "a/0") == MAKE
    assert head.claim("techniques", "k", "b/0") == WAIT
    assert head.claim("techniques", "other", "b/0") == MAKE
    head.release("a/0")
    assert head.claim("techniques", "k", "b/0") == MAKE
    assert head.claim("techniques", "k", "a/1") == WAIT
    assert head.begin()
    head.begin_no_more()
    assert not head.begin()


def test_a_folder_that_does_not_arrive_whole_is_refused(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    content = pack(store.stage("techniques", "k", fill))
    place = other.place("techniques", "k")
    for wrong in (content[:600], content.replace(b"1234", b"1235"), b"x" * 2000):
        with pytest.raises(InputError):
            other.receive(place, wrong)
        assert not place.exists()
    other.receive(place, content)
    assert (place / "manifest.json").read_bytes() == (
        store.place("techniques", "k") / "manifest.json"
    ).read_bytes()


def test_a_node_with_another_model_or_none_is_named(tmp_path: Path) -> None:
    model, more = tmp_path / "m.keras", tmp_path / "more"
    model.write_bytes(b"one")
    more.mkdir()
    (more / "a.png").write_bytes(b"a")
    asked = SearchOptions(data="digits", model=str(model), unlabelled=str(more))
    own = hashes_of(asked.to_recipe())
    assert set(own) == {str(model), str(more)}
    check_files("b (1)", own)
    model.write_bytes(b"two")
    with pytest.raises(UnfitMachine, match=r"b \(1\): has another .*m\.keras: sha256 \w{12} a"):
        check_files("b (1)", own)
    model.unlink()
    with pytest.raises(UnfitMachine, match=r"has no .*m\.keras; model and data are read on each"):
        check_files("b (1)", own)


def test_a_teacher_that_is_trained_is_the_heads() -> None:
    recipe = SearchOptions(data="digits").to_recipe()
    network = TeacherNetwork.model_validate({"network": {"architecture": "plain_cnn"}})
    taught = recipe.replace(baseline=recipe.baseline.model_copy(update={"teacher": network}))
    assert hashes_of(taught) == {}
    assert without_network_teacher(taught).baseline.teacher is None
    assert without_network_teacher(recipe) is recipe


def test_a_cluster_without_nodes_is_not_waited_for_for_ever() -> None:
    now, there, said = [0.0], [True], list[str]()
    watch = NodeWatch(lambda: there[0], said.append, lambda: now[0])
    for second, has in ((0, True), (20, False), (300, False), (400, True), (410, False)):
        now[0], there[0] = float(second), has
        watch.look()
    assert len(said) == 2
    assert "the cluster has no node that a trial fits on: waiting for one, for up to" in said[0]
    now[0] = 410 + WAIT_FOR_NODES_S
    expected = r"--engine ray: the cluster has had no node that a trial fits on for 10 minutes?"
    with pytest.raises(LostMachines, match=expected):
        watch.look()
