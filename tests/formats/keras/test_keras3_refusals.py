"""Files that are refused: hostile and damaged ones; and those that tf-keras has nothing for."""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.formats.keras.importer import load
from edgecv.formats.keras.keras3 import load as _keras3
from edgecv.formats.keras.keras3.archive import read_archive
from edgecv.formats.keras.keras3.options import NoCounterpart, object_of

SHAPE = (12, 12, 3)
WEIGHTS = "model.weights.h5"
CLASSES = "layers/dense/vars/0"


@pytest.fixture(autouse=True)
def _no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may get as far as Keras 3."""

    class Started(_keras3.OriginalModel):
        def ask(self, *_: Any) -> None:
            pytest.fail("Keras 3 was shown the file")

        save = export = ask

    monkeypatch.setattr(_keras3, "OriginalModel", Started)


@pytest.fixture
def path(save: Callable[[Any], Path], small: Any) -> Path:
    return save(small)


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in config["config"]["layers"] if each["config"]["name"] == name
    )
    return found


def with_option(path: Path, edited: Any, option: str, value: Any) -> Path:
    """Copy an archive, an option of its convolution changed."""
    changed: Path = edited(
        path, lambda config: layer(config, "conv")["config"].update({option: value})
    )
    return changed


def check(found: str, said: str) -> None:
    assert "conv (" in found
    assert said in found


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load(path)
    return str(caught.value)


def obstacle(path: Path) -> str:
    """Return why a file is not rebuilt in tf-keras, although nothing in it is unsafe."""
    with tempfile.TemporaryDirectory() as folder, pytest.raises(_keras3.NotRebuilt) as caught:
        archive = read_archive(path, Path(folder))
        _keras3.check_classes(path, archive.configuration)
        _keras3.rebuild(path, archive, _keras3.read_plan(path, archive))
    return str(caught.value)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Copy an archive, its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    target = path.with_name("rewritten.keras")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def with_weights(path: Path, change: Callable[[h5py.File], None]) -> Path:
    def act(members: dict[str, bytes]) -> None:
        file = io.BytesIO(members[WEIGHTS])
        with h5py.File(file, "r+") as weights:
            change(weights)
        members[WEIGHTS] = file.getvalue()

    return rewritten(path, act)


# The configuration.


def test_a_lambda_is_named_by_its_path(keras3: Any, save: Any) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    scale = layers.Lambda(lambda x: x * 2, name="scale", output_shape=SHAPE)
    features = keras3.Model(entering, scale(entering), name="features")
    said = refusal(save(keras3.Sequential([layers.Input(SHAPE), features])))
    assert "features/scale (Lambda) holds Python code" in said
    assert "save the model again" in said


def test_a_custom_class(keras3: Any, save: Any) -> None:
    @keras3.saving.register_keras_serializable("mine")
    class Twice(keras3.layers.Layer):  # type: ignore[misc]
        def call(self, given: Any) -> Any:
            return given * 2

    said = refusal(save(keras3.Sequential([keras3.layers.Input(SHAPE), Twice(name="twice")])))
    assert "twice (Twice) is not of Keras but of mine>Twice" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"module": "os", "class_name": "system"}, "is not of Keras but of os"),
        ({"module": "keras.src.utils", "class_name": "get_file"}, "is not known to compute alone"),
        ({"module": "keras.src.layers", "class_name": "Conv2D"}, "is not known to compute alone"),
        ({"module": "keras.layers.evil", "class_name": "Conv2D"}, "is not known to compute alone"),
        ({"module": "keras.src.ops.core", "class_name": "Map"}, "is not known to compute alone"),
        ({"module": "keras.src.ops.numpy", "class_name": "a.b"}, "is not known to compute alone"),
        ({"module": "keras.src.ops.function", "class_name": "Function"}, "is not known to compute"),
        ({"module": "kerasx.layers"}, "is not of Keras but of kerasx.layers"),
        ({"module": None}, "is not of Keras but of an unknown module"),
        ({"module": ["keras.layers"]}, "is not of Keras"),
        ({"registered_name": "mine>Conv2D"}, "is registered as mine>Conv2D"),
        ({"class_name": ["Conv2D"]}, "names a class that is no name"),
        ({"class_name": "__lambda__", "config": {"name": "conv"}}, "holds Python code"),
        ({"class_name": "TFSMLayer"}, "is not known to compute alone"),
        ({"class_name": "TorchModuleWrapper"}, "is not known to compute alone"),
        ({"class_name": "StringLookup"}, "is not known to compute alone"),
    ],
)
def test_a_layer_that_is_another(
    path: Path, edited: Any, change: dict[str, Any], said: str
) -> None:
    found = refusal(edited(path, lambda config: layer(config, "conv").update(change)))
    assert "conv" in found
    assert said in found


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("activation", {"class_name": "__lambda__", "config": {"value": "x"}}, "holds Python code"),
        (
            "activation",
            {"class_name": "function", "module": "os", "config": "system"},
            "is not of Keras but of os",
        ),
        (
            "activation",
            {
                "class_name": "function",
                "module": "builtins",
                "config": "relu",
                "registered_name": "mine>relu",
            },
            "is registered as mine>relu",
        ),
        ("kernel_initializer", {"class_name": "Evil", "module": "evil", "config": {}}, "evil"),
        ("dtype", {"class_name": "QuantizedDTypePolicy", "module": "keras", "config": {}}, "conv"),
        ("filters", 10**9, "needs"),
    ],
)
def test_an_option_that_is_not_safe(
    path: Path, edited: Any, option: str, value: Any, said: str
) -> None:
    check(refusal(with_option(path, edited, option, value)), said)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("activation", "system", "has the activation 'system'"),
        ("activation", "squareplus", "has the activation 'squareplus'"),
        ("kernel_regularizer", {"config": {"a": 1}}, "has kernel_regularizer None"),
        ("filters", {"a": 1}, "has filters that is no number"),
        ("unheard_of", 1, "has the option unheard_of"),
        ("lora_rank", 4, "has the option lora_rank"),
        ("data_format", "channels_first", "has its channels first"),
        ("dtype", "float64", "computes in 'float64'"),
        ("filters", "four", "is not possible in tf-keras"),
    ],
)
def test_an_option_that_is_not_known(
    path: Path, edited: Any, option: str, value: Any, said: str
) -> None:
    check(obstacle(with_option(path, edited, option, value)), said)


def test_all_problems_are_said_at_once(keras3: Any, save: Any) -> None:
    layers = keras3.layers
    entering = keras3.Input((8, 4))
    given = layers.Conv1D(2, 3, data_format="channels_first", name="second")(entering)
    given = layers.LSTM(3, name="third")(given)
    said = obstacle(save(keras3.Model(entering, keras3.ops.exp(given))))
    for part in ("second (Conv1D)", "third (LSTM)", " (Exp)"):
        assert part in said
    given = layers.Lambda(lambda x: x, name="first")(entering)
    given = layers.Lambda(lambda x: x, name="last")(given)
    said = refusal(save(keras3.Model(entering, given)))
    for part in ("first (Lambda)", "last (Lambda)"):
        assert part in said


RECURRENT: dict[str, Callable[[Any], Any]] = {
    "LSTM": lambda layers: layers.LSTM(3),
    "GRU": lambda layers: layers.GRU(3),
    "SimpleRNN": lambda layers: layers.SimpleRNN(3),
    "RNN": lambda layers: layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)]),
    "Bidirectional": lambda layers: layers.Bidirectional(layers.LSTM(3)),
    "TimeDistributed": lambda layers: layers.TimeDistributed(layers.Dense(3)),
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_stock_recurrent_layer_is_not_called_possible_code(
    kind: str, keras3: Any, save: Any
) -> None:
    entering = keras3.Input((8, 4))
    said = obstacle(save(keras3.Model(entering, RECURRENT[kind](keras3.layers)(entering))))
    assert f"({kind}) has no counterpart in tf-keras" in said
    assert "code" not in said


def test_a_layer_shared_between_models(keras3: Any, save: Any) -> None:
    """Keras 3 stores its weights once, and cannot load such a file itself."""
    layers = keras3.layers
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    entering = keras3.Input(SHAPE)
    inner = keras3.Model(entering, shared(entering), name="inner")
    outer = keras3.Input(SHAPE)
    path = save(keras3.Model(outer, layers.Add()([inner(outer), shared(outer)])))
    assert "shared (Conv2D) has a kernel of shape (0,) in the file" in refusal(path)


def test_an_operation_that_has_no_layer(keras3: Any, save: Any) -> None:
    entering = keras3.Input(SHAPE)
    said = obstacle(save(keras3.Model(entering, keras3.ops.mean(entering, axis=(0, 1)))))
    assert "(Mean) is not over the height and width of images" in said


@pytest.mark.parametrize("code", ["x / y", "x[:, 1:]", "K.ops.transpose(x)", "1 / x", "x ** 2"])
def test_other_operations(keras3: Any, save: Any, code: str) -> None:
    x, y = keras3.Input(SHAPE), keras3.Input(SHAPE)
    given = eval(code, {"x": x, "y": y, "K": keras3})
    assert obstacle(save(keras3.Model([x, y], [given, y])))


def test_what_a_file_compiles_is_not_looked_at(path: Path, edited: Any, rebuilt: Any) -> None:
    """Losses and optimizers are no part of the model: Keras never gets to see them."""
    evil = {"optimizer": {"class_name": "Evil", "module": "evil", "config": {}}}
    changed = edited(path, lambda config: config.update({"compile_config": evil}))
    assert rebuilt(changed).count_params() > 0


def test_a_graph_that_leads_nowhere(keras3: Any, save: Any, edited: Any) -> None:
    entering = keras3.Input(SHAPE)
    given = keras3.layers.ReLU(name="last")(keras3.layers.ReLU(name="first")(entering))
    path = save(keras3.Model(entering, given))

    def loop(config: dict[str, Any]) -> None:
        node = layer(config, "first")["inbound_nodes"][0]
        node["args"][0]["config"]["keras_history"] = ["last", 0, 0]

    assert "takes a tensor that nothing gives" in refusal(edited(path, loop))

    def outside(config: dict[str, Any]) -> None:
        config["config"]["output_layers"] = ["nowhere", 0, 0]

    assert "'nowhere'" in refusal(edited(path, outside))

    def twice(config: dict[str, Any]) -> None:
        config["config"]["layers"].append(config["config"]["layers"][-1])

    assert "has 2 layers named last" in obstacle(edited(path, twice))


def test_tensors_larger_than_memory(keras3: Any, save: Any, edited: Any) -> None:
    entering = keras3.Input(SHAPE)
    path = save(keras3.Model(entering, keras3.layers.UpSampling2D(2, name="up")(entering)))
    changed = edited(path, lambda config: layer(config, "up")["config"].update(size=[10**5, 10**5]))
    assert "up (UpSampling2D) gives a tensor of shape" in refusal(changed)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "holds no table"),
        (None, "holds no table"),
        ({"class_name": "Sequential"}, "the model (Sequential)"),
    ],
)
def test_a_configuration_that_is_none(path: Path, value: Any, said: str) -> None:
    def act(members: dict[str, bytes]) -> None:
        members["config.json"] = json.dumps(value).encode()

    assert said in refusal(rewritten(path, act))


def test_a_name_cannot_move_the_cursor(path: Path, edited: Any) -> None:
    name = "\x1b[2J" + "a" * 500
    said = refusal(edited(path, lambda config: layer(config, "conv").update({"class_name": name})))
    assert "\x1b" not in said
    assert "a" * 100 not in said


# The archive.


@pytest.mark.parametrize("bytes_left", [10, 200, 2000])
def test_a_file_cut_short(path: Path, bytes_left: int) -> None:
    path.write_bytes(path.read_bytes()[:bytes_left])
    assert "Keras file" in refusal(path)


@pytest.mark.parametrize("place", range(100, 1000, 90))
def test_a_damaged_archive(path: Path, place: int) -> None:
    """A byte that is another: refused, or of no consequence, but never an error of its own."""
    changed = rewritten(path, lambda members: None)
    data = bytearray(changed.read_bytes())
    data[place * len(data) // 1000] ^= 0xFF
    changed.write_bytes(data)
    assert "eras" in refusal(changed)


def test_a_configuration_that_grows(path: Path) -> None:
    def act(members: dict[str, bytes]) -> None:
        members["config.json"] = b" " * 50_000_001

    assert "larger than 50 MB" in refusal(rewritten(path, act))


def test_weights_that_grow(path: Path) -> None:
    def act(members: dict[str, bytes]) -> None:
        members[WEIGHTS] = bytes(150 * 2**20)

    assert "grows to" in refusal(rewritten(path, act))


def test_names_that_lead_out_of_the_archive(path: Path, tmp_path: Path, rebuilt: Any) -> None:
    def act(members: dict[str, bytes]) -> None:
        members["../escaped"] = members["assets/../../escaped"] = b"hello"
        members[str(tmp_path / "absolute")] = b"hello"

    changed = rewritten(path, act)
    before = set(tmp_path.parent.rglob("*"))
    assert rebuilt(changed).count_params() > 0
    written = {each.name for each in set(tmp_path.parent.rglob("*")) - before}
    assert written == {"rebuilt", "weights.h5"}


def test_two_members_of_one_name(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")
    assert "2 members config.json" in refusal(path)


def test_tables_nested_without_end(path: Path) -> None:
    def act(members: dict[str, bytes]) -> None:
        members["config.json"] = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

    assert "Keras file" in refusal(rewritten(path, act))


def test_numbers_that_are_none(path: Path) -> None:
    def act(members: dict[str, bytes]) -> None:
        members["config.json"] = members["config.json"].replace(
            b'"strides": [1', b'"strides": [NaN'
        )

    assert "NaN is not a number" in refusal(rewritten(path, act))


def test_an_archive_without_weights(path: Path) -> None:
    assert "holds no model.weights.h5" in refusal(
        rewritten(path, lambda members: members.pop(WEIGHTS) and None)
    )


def test_another_version_of_keras(path: Path) -> None:
    def act(members: dict[str, bytes]) -> None:
        members["metadata.json"] = b'{"keras_version": "4.0"}'

    assert "was saved by Keras 4.0" in refusal(rewritten(path, act))


def test_an_hdf5_file_of_keras_3_is_checked_as_well(keras3: Any, tmp_path: Path) -> None:
    layers, path = keras3.layers, tmp_path / "model.h5"
    lambda_ = layers.Lambda(lambda x: x * 2, name="scale", output_shape=SHAPE)
    keras3.Sequential([layers.Input(SHAPE), lambda_]).save(path)
    assert "scale (Lambda) holds Python code" in refusal(path)


# The weights.


def replace_with(value: Any) -> Callable[[h5py.File], None]:
    def act(file: h5py.File) -> None:
        del file[CLASSES]
        file[CLASSES] = value

    return act


def computed(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 3), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 3))
    del file[CLASSES]
    file.create_virtual_dataset(CLASSES, layout)


def elsewhere(file: h5py.File) -> None:
    del file[CLASSES]
    file.create_dataset(CLASSES, (4, 3), np.float32, external=[("/etc/passwd", 0, 48)])


def promised(file: h5py.File) -> None:
    del file[CLASSES]
    file.create_dataset(CLASSES, (10**6, 10**6), np.float32)


def packed(file: h5py.File) -> None:
    del file[CLASSES]
    file.create_dataset(CLASSES, data=np.zeros((4, 3), np.float32), compression="gzip")


def hard_loop(file: h5py.File) -> None:
    file["layers/again"] = file["layers"]


def extra(file: h5py.File) -> None:
    file["layers/dense_1/vars/0"] = np.zeros(3, np.float32)


def missing(file: h5py.File) -> None:
    del file["layers/dense/vars/1"]


def objects(file: h5py.File) -> None:
    del file[CLASSES]
    file.create_dataset(CLASSES, data=["a", "b"], dtype=h5py.string_dtype())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (replace_with(h5py.ExternalLink("/etc/passwd", "/")), "points somewhere else"),
        (replace_with(h5py.SoftLink("/layers/conv2d/vars/0")), "points somewhere else"),
        (computed, "lies in another file"),
        (elsewhere, "lies in another file"),
        (promised, "is larger than the file|is not stored as plain numbers"),
        (packed, "is not stored as plain numbers"),
        (hard_loop, "is in more than one place"),
        (objects, "not numbers"),
        (extra, "layers/dense_1/vars/0 .weights. belong to no layer"),
        (missing, r"classes .Dense. has weights of shapes \[\(4, 3\)\], and needs"),
        (replace_with(np.zeros((4, 4), np.float32)), "classes .Dense. has a kernel of shape"),
        (replace_with(np.zeros((3, 4), np.float32)), "classes .Dense. has weights of shapes"),
        (replace_with(np.zeros((4, 3), np.float64)), "is float64, not float32"),
    ],
)
def test_weights_that_are_not_plain(
    path: Path, change: Callable[[h5py.File], None], said: str
) -> None:
    changed = with_weights(path, change)
    with pytest.raises(InputError, match=said):
        load(changed)


def test_weights_that_are_no_hdf5(path: Path) -> None:
    def act(members: dict[str, bytes]) -> None:
        members[WEIGHTS] = b"something else" * 100

    assert "is no HDF5 file" in refusal(rewritten(path, act))


def test_groups_named_by_layer(path: Path, rebuilt: Any) -> None:
    """Some writers name the groups of the weights by layer, and not by class."""

    def act(file: h5py.File) -> None:
        for name in list(file["layers"]):
            group = file["layers"][name]
            file["layers"].move(name, group["vars"].attrs["name"] + ".")
        for name in list(file["layers"]):
            file["layers"].move(name, name.removesuffix("."))

    model = rebuilt(with_weights(path, act))
    with h5py.File(io.BytesIO(zipfile.ZipFile(path).read(WEIGHTS))) as file:
        expected = file[CLASSES][()]
    np.testing.assert_array_equal(model.get_layer("classes").get_weights()[0], expected)


@pytest.mark.parametrize("name", [{}, ["L2"], 3, None])
@pytest.mark.parametrize("option", ["kernel_initializer", "kernel_regularizer", "bias_constraint"])
def test_an_object_whose_name_is_none(option: str, name: Any) -> None:
    with pytest.raises(NoCounterpart, match=f"has {option}"):
        object_of({"class_name": name, "config": {}}, option)


def test_an_object_whose_options_are_no_table() -> None:
    with pytest.raises(NoCounterpart, match="no table"):
        object_of({"class_name": "L2", "config": [1]}, "kernel_regularizer")
