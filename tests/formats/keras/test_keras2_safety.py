"""Hostile Keras 2 files of every kind are refused before any of their code runs."""

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from edited_archive import edited_archive

from edgecv.core.errors import InputError
from edgecv.formats.keras.importer import load
from edgecv.formats.trust import Trust
from edgecv.models.tf import load_tensorflow

SHAPE = (12, 12, 3)
Config = dict[str, Any]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return what no hostile file may ever make."""
    return tmp_path / "pwned"


def benign() -> Any:
    _, keras = load_tensorflow()
    layers = keras.layers
    entering = layers.Input(SHAPE, name="image")
    given = layers.Conv2D(4, 3, activation="relu", name="conv")(entering)
    given = layers.GlobalAveragePooling2D(name="pool")(given)
    given = layers.Dense(3, activation="softmax", name="classes")(given)
    return keras.Model(entering, given, name="benign")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("benign")
    model = benign()
    paths = {suffix: folder / f"model{suffix}" for suffix in (".keras", ".h5")}
    model.save(paths[".keras"])
    model.save(paths[".h5"], include_optimizer=False)
    return paths


def edited(path: Path, change: Callable[[Config], None], target: Path) -> Path:
    """Copy a file with another configuration, as someone hostile would."""
    if path.suffix == ".h5":
        shutil.copyfile(path, target)
        with h5py.File(target, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return target
    return edited_archive(path, change, target)


def layer(config: Config, name: str) -> Config:
    found: Config = next(
        each for each in config["config"]["layers"] if each["config"]["name"] == name
    )
    return found


def with_lambda(marker: Path, target: Path) -> Path:
    _, keras = load_tensorflow()
    text = str(marker)
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Lambda(
                lambda x: (__import__("pathlib").Path(text).touch(), x)[1], name="scale"
            ),
        ]
    )
    model.save(target)
    marker.unlink(missing_ok=True)  # Building it ran it as well.
    return target


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_is_refused_and_runs_only_where_the_file_is_trusted(
    suffix: str, marker: Path, tmp_path: Path
) -> None:
    path = with_lambda(marker, tmp_path / f"model{suffix}")
    said = refusal(path)
    assert "scale (Lambda) holds Python code" in said
    assert "--trust-model" in said
    assert "any code as you" in said
    assert not marker.exists()
    load(path, Trust(everything=True))
    assert marker.exists(), "the payload does work"


@pytest.mark.parametrize(("suffix", "renamed"), [(".h5", ".keras"), (".keras", ".h5")])
def test_a_lambda_under_another_name(
    suffix: str, renamed: str, marker: Path, tmp_path: Path
) -> None:
    path = with_lambda(marker, tmp_path / f"model{suffix}")
    assert "scale (Lambda)" in refusal(path.rename(tmp_path / f"renamed{renamed}"))
    assert not marker.exists()


def test_hdf5_at_the_start_and_a_zip_at_the_end(
    saved: dict[str, Path], marker: Path, tmp_path: Path
) -> None:
    """By the name tf-keras would read the hostile half of it, by its start the other one."""
    hostile = with_lambda(marker, tmp_path / "hostile.keras")
    path = tmp_path / "both.keras"
    path.write_bytes(saved[".h5"].read_bytes())
    with zipfile.ZipFile(hostile) as source, zipfile.ZipFile(path, "a") as both:
        for name in source.namelist():
            both.writestr(name, source.read(name))
    assert load(path).name == "benign"
    assert not marker.exists()


CALL = {"module": "subprocess", "class_name": "check_call", "registered_name": "check_call"}
LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}


def writes(marker: str) -> Callable[[Config], None]:
    """Call TensorFlow's own file writer from the graph."""

    def act(config: Config) -> None:
        found = layer(config, "pool")
        name = found["config"]["name"]
        found.clear()
        found |= {
            "module": "tf_keras.src.layers.core.tf_op_layer",
            "class_name": "TFOpLambda",
            "config": {"name": name, "function": "io.write_file"},
            "name": name,
            "inbound_nodes": [["_CONSTANT_VALUE", -1, marker, {"contents": "x"}]],
        }

    return act


def put(name: str, **values: Any) -> Callable[[str], Callable[[Config], None]]:
    return lambda marker: lambda config: layer(config, name).update(values)


def option(name: str, **values: Any) -> Callable[[str], Callable[[Config], None]]:
    return lambda marker: lambda config: layer(config, name)["config"].update(values)


def compiled(marker: str) -> Callable[[Config], None]:
    """Put a model that was compiled with a loss of the attacker's into another one."""

    def act(config: Config) -> None:
        inner = json.loads(json.dumps(config))
        inner["name"] = inner["config"]["name"] = "inner"
        inner["inbound_nodes"] = [[["image", 0, 0, {}]]]
        inner["compile_config"] = {"loss": {**CALL, "config": {"args": ["touch", marker]}}}
        config["config"]["layers"].append(inner)

    return act


def recurrent(kind: str, key: str, value: Any) -> Callable[[str], Callable[[Config], None]]:
    """Put a stock layer around something in the place of another one."""
    return lambda marker: (
        lambda config: layer(config, "conv").update(
            class_name=kind,
            module="keras.layers",
            registered_name=None,
            config={"name": "conv", key: value},
        )
    )


LSTM_CELL = {"class_name": "LSTMCell", "config": {"units": 4}}
OWN_CELL = {"module": "evil", "class_name": "Conv2D", "config": {"units": 4}}
HOSTILE: dict[str, tuple[Callable[[str], Callable[[Config], None]], str]] = {
    "a function of a module": (
        lambda marker: (
            lambda config: layer(config, "conv").update(
                {**CALL, "config": {"name": "conv", "args": ["touch", marker]}}
            )
        ),
        "check_call",
    ),
    "a class of os": (put("conv", module="os", class_name="system"), "system"),
    "a module beside the file": (put("conv", module="evil", class_name="Conv2D"), "evil"),
    "a module of Keras' own name": (
        put("conv", module="kerasx.layers", class_name="Conv2D"),
        "kerasx",
    ),
    "another registered class": (put("conv", registered_name="mine>Conv2D"), "mine>Conv2D"),
    "a class that is no name": (put("conv", class_name=["Conv2D"]), "no name"),
    "code as activation": (option("conv", activation=LAMBDA), "holds Python code"),
    "code as initializer": (option("conv", kernel_initializer=LAMBDA), "holds Python code"),
    "a function as activation": (
        option("conv", activation={**CALL, "class_name": "function", "config": "system"}),
        "system",
    ),
    "a function of the built-in ones": (
        option(
            "conv",
            activation={"module": "builtins", "class_name": "function", "config": "exec"},
        ),
        "exec",
    ),
    "an operation that writes files": (writes, "tf.io.write_file"),
    "a table of words from a file": (
        put("conv", class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
        "StringLookup",
    ),
    "a layer that loads a SavedModel": (
        put("conv", class_name="TFSMLayer", config={"filepath": "/tmp"}),
        "TFSMLayer",
    ),
    "a constant where a tensor goes": (
        put("conv", inbound_nodes=[["_CONSTANT_VALUE", -1, [[1.0]], {}]]),
        "a constant of the file",
    ),
    "an option of a call": (
        put("conv", inbound_nodes=[[["image", 0, 0, {"evil": "text"}]]]),
        "evil, a constant of the file",
    ),
    "a loss of a model within": (compiled, "check_call"),
    "a type of TensorFlow": (
        option("conv", strides={"class_name": "TypeSpec", "type_spec": "x", "serialized": []}),
        "TypeSpec",
    ),
    "a cell of its own": (recurrent("RNN", "cell", OWN_CELL), "evil"),
    "a cell of its own among others": (
        recurrent(
            "RNN",
            "cell",
            {"class_name": "StackedRNNCells", "config": {"cells": [LSTM_CELL, OWN_CELL]}},
        ),
        "evil",
    ),
    "a cell of another registered class": (
        recurrent("RNN", "cell", {**LSTM_CELL, "registered_name": "mine>LSTMCell"}),
        "mine>LSTMCell",
    ),
    "a function as a cell": (recurrent("RNN", "cell", CALL), "check_call"),
    "code as activation of a cell": (
        recurrent(
            "RNN",
            "cell",
            {"class_name": "LSTMCell", "config": {"units": 4, "activation": LAMBDA}},
        ),
        "holds Python code",
    ),
    "code at each step": (
        recurrent(
            "TimeDistributed",
            "layer",
            {"class_name": "Lambda", "config": {"name": "code", "function": LAMBDA}},
        ),
        "holds Python code",
    ),
    "a layer of its own backwards": (
        recurrent(
            "Bidirectional",
            "backward_layer",
            {"module": "evil", "class_name": "Conv2D", "config": {}},
        ),
        "evil",
    ),
    "a table of words at each step": (
        recurrent(
            "TimeDistributed",
            "layer",
            {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
        ),
        "StringLookup",
    ),
    "more units than memory": (option("classes", units=10**10), "more than are stored"),
    "more filters than memory": (option("conv", filters=10**9), "more than are stored"),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_configuration(
    kind: str,
    suffix: str,
    saved: dict[str, Path],
    marker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nConv2D = print\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    change, said = HOSTILE[kind]
    path = edited(saved[suffix], change(str(marker)), tmp_path / f"hostile{suffix}")
    assert said in refusal(path)
    assert not marker.exists()


def test_all_that_is_wrong_is_said_with_its_place(saved: dict[str, Path], tmp_path: Path) -> None:
    def change(config: Config) -> None:
        layer(config, "conv").update(class_name="Mine", module="my_layers")
        layer(config, "pool").update(class_name="Lambda")

    said = refusal(edited(saved[".keras"], change, tmp_path / "m.keras"))
    assert "conv (Mine) is of my_layers" in said
    assert "pool (Lambda) holds Python code" in said
    assert "--custom-objects module:name" in said


KERNEL = "model_weights/conv/conv/kernel:0"


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 3, 3, 4), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 3, 3, 4))
    file.create_virtual_dataset(KERNEL, layout)


def external(file: h5py.File) -> None:
    file.create_dataset(KERNEL, (3, 3, 3, 4), np.float32, external=[("/etc/passwd", 0, 432)])


def linked(file: h5py.File) -> None:
    file[KERNEL] = h5py.ExternalLink("/etc/passwd", "/")


def promised(file: h5py.File) -> None:
    file.create_dataset(KERNEL, (10**6, 10**6), np.float32)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (virtual, "lies in another file"),
        (external, "lies in another file"),
        (linked, "points somewhere else"),
        (promised, "larger than the file|not stored as plain numbers"),
    ],
)
def test_weights_that_are_elsewhere(
    change: Callable[[h5py.File], None], said: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    path = Path(shutil.copyfile(saved[".h5"], tmp_path / "model.h5"))
    with h5py.File(path, "r+") as file:
        del file[KERNEL]
        change(file)
    with pytest.raises(InputError, match=said):
        load(path)


def test_two_configurations_in_one_archive(saved: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copyfile(saved[".keras"], tmp_path / "model.keras"))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")
    assert "2 members config.json" in refusal(path)


def test_members_that_lie_over_each_other(saved: dict[str, Path], tmp_path: Path) -> None:
    """Two names of one stretch of the file: what is checked is not what another reader reads."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(saved[".keras"]) as source, zipfile.ZipFile(path, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, source.read(name))
        other = copy.getinfo("config.json")
        copy.getinfo("model.weights.h5").header_offset = other.header_offset
    assert "damaged" in refusal(path)


def test_names_that_lead_out_of_the_archive(saved: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copyfile(saved[".keras"], tmp_path / "model.keras"))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../escaped", "assets/../../escaped", str(tmp_path / "escaped")):
            archive.writestr(name, b"hello")
    before = set(tmp_path.parent.rglob("*"))
    assert load(path).name == "benign"
    assert set(tmp_path.parent.rglob("*")) == before


def test_weights_that_grow(saved: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with (
        zipfile.ZipFile(saved[".keras"]) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        copy.writestr("metadata.json", source.read("metadata.json"))
        copy.writestr("config.json", source.read("config.json"))
        copy.writestr("model.weights.h5", bytes(150 * 2**20))
    assert "grows to" in refusal(path)


def test_what_a_model_was_compiled_with_is_not_looked_at(
    saved: dict[str, Path], marker: Path, tmp_path: Path
) -> None:
    def change(config: Config) -> None:
        config["compile_config"] = {"loss": {**CALL, "config": {"args": ["touch", str(marker)]}}}

    assert load(edited(saved[".keras"], change, tmp_path / "m.keras")).name == "benign"
    assert not marker.exists()


def test_the_format_is_told_by_the_content(saved: dict[str, Path], tmp_path: Path) -> None:
    for name, suffix in (
        ("a.keras", ".h5"),
        ("b.h5", ".keras"),
        ("plain", ".keras"),
        ("p5", ".h5"),
    ):
        path = Path(shutil.copyfile(saved[suffix], tmp_path / name))
        assert load(path).name == "benign"
    link = tmp_path / "link.keras"
    os.symlink(saved[".h5"], link)
    assert load(link).name == "benign"


@pytest.mark.quick
def test_text_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_text("hello")
    assert "is not a Keras file" in refusal(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", b"hello")
    path.write_bytes(buffer.getvalue())
    assert "metadata.json" in refusal(path)
