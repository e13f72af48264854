"""A user's own layers: named by path where they are missing, imported where they are given."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edited_archive import edited_archive

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.input_spec import input_spec_of
from edgecv.core.preprocessing import named
from edgecv.formats.keras.importer import load, load_with_parity
from edgecv.formats.model_file import ModelFile
from edgecv.formats.trust import Trust, import_object
from edgecv.models.preprocessing import with_preprocessing
from edgecv.models.tf import load_tensorflow
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.user_models.adapted_file import adapt_file
from edgecv.system.isolation import ModelClient
from edgecv.system.storage import Store, tree_sha256

SHAPE = (12, 12, 3)
MODULE = '''
from tensorflow import keras


class Gain(keras.layers.Layer):
    """Multiplies each channel; holds a convolution of its own."""

    def __init__(self, start=2.0, **options):
        super().__init__(**options)
        self.start = start
        self.mix = keras.layers.Conv2D(3, 1, name="mix")

    def build(self, input_shape):
        self.gain = self.add_weight(
            name="gain", shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.start))
        self.mix.build(input_shape)
        super().build(input_shape)

    def call(self, given):
        return self.mix(given) * self.gain

    def get_config(self):
        return {**super().get_config(), "start": self.start}


def halved(given):
    return given / 2


NUMBER = 3
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of the user's into the working directory; return its name."""
    name = f"my_layers_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


def save_keras2(module: str, path: Path) -> Any:
    _, keras = load_tensorflow()
    objects = Trust(custom_objects=(f"{module}:Gain", f"{module}:halved")).objects()
    # tf-keras itself cannot load such a function from an .h5.
    is_archive = path.suffix == ".keras"
    halving = [keras.layers.Activation(objects["halved"], name="half")] if is_archive else []
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Rescaling(1 / 255),
            objects["Gain"](3.0, name="gain"),
            *halving,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, name="classes"),
        ],
        name="own",
    )
    model.save(path)
    return model


def save_keras3(module: str, path: Path, keras3: Any, randomize: Callable[[Any], None]) -> Any:
    """Save a model with the same layer as Keras 3 has it."""
    layers, namespace = keras3.layers, {"__name__": module}
    exec(MODULE.replace("from tensorflow import keras", "import keras"), namespace)
    entering = layers.Input(SHAPE)
    given = namespace["Gain"](3.0, name="gain")(layers.Rescaling(1 / 255)(entering))  # type: ignore[operator]
    given = layers.Dense(3, name="classes")(layers.GlobalAveragePooling2D()(given))
    model = keras3.Model(entering, given)
    randomize(model)
    model.save(path)
    return model


def given(module: str, *names: str) -> Trust:
    return Trust(custom_objects=tuple(f"{module}:{name}" for name in names))


@pytest.fixture
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_of_keras_2(module: str, suffix: str, tmp_path: Path, images: Images) -> None:
    path = tmp_path / f"model{suffix}"
    original = save_keras2(module, path)
    with pytest.raises(InputError, match=r"gain \(Gain\) .* --custom-objects module:name"):
        load(path, given(module, "halved"))
    if suffix == ".keras":
        with pytest.raises(InputError, match=r"half \(halved\) is of builtins"):
            load(path, given(module, "Gain"))
    model = load(path, given(module, "Gain", "halved"))
    pixels = images.astype(np.float32)
    np.testing.assert_array_equal(model.predict(pixels), original.predict(pixels))


def test_a_layer_of_keras_3_is_rebuilt_and_compared(
    module: str, tmp_path: Path, keras3: Any, randomize: Callable[[Any], None], images: Images
) -> None:
    path = tmp_path / "model.keras"
    original = save_keras3(module, path, keras3, randomize)
    with pytest.raises(InputError, match=r"gain \(Gain\) .* --custom-objects module:name"):
        load(path)
    model, parity = load_with_parity(path, given(module, "Gain"))
    assert parity is not None
    assert parity.largest_difference < 1e-5
    assert type(model.get_layer("gain")).__module__ == module
    pixels = images.astype(np.float32)
    np.testing.assert_allclose(
        model.predict(pixels), np.asarray(original(pixels, training=False)), atol=1e-5
    )


def test_a_layer_of_keras_3_itself_is_converted_as_it_is(
    module: str, tmp_path: Path, keras3: Any, randomize: Callable[[Any], None]
) -> None:
    path = tmp_path / "model.keras"
    save_keras3(module, path, keras3, randomize)
    other = tmp_path / f"{module}_3.py"
    other.write_text(MODULE.replace("from tensorflow import keras", "import keras"))
    _, parity = load_with_parity(path, given(f"{module}_3", "Gain"))
    assert parity is not None
    assert "Gain is no layer of tf-keras" in parity.sentences()[0]
    assert parity.largest_difference < 1e-5


def test_what_is_kept_of_it_is_loaded_again_everywhere(
    module: str, tmp_path: Path, images: Images, converter: Converter
) -> None:
    path = tmp_path / "own.keras"
    save_keras2(module, path)
    trust, store = given(module, "Gain", "halved"), Store(tmp_path / "exported")
    adapted = adapt_file(ModelFile.at(path, trust, input_spec_of("0..255")), store, converter)
    assert any("of the user's own code" in note for note in adapted.notes)
    kept = adapted.keep(store)
    assert kept.path.suffix == ".keras"
    expected = adapted.model.predict(images.astype(np.float32))
    np.testing.assert_array_equal(kept.load().predict(images.astype(np.float32)), expected)
    with ModelClient("keras", 1, options=trust.model_dump()) as worker:
        np.testing.assert_allclose(worker.predict(kept.path, images).only, expected, atol=1e-6)
    again = adapt_file(ModelFile.at(path, trust, input_spec_of("0..255")), store, converter)
    np.testing.assert_array_equal(again.model.predict(images.astype(np.float32)), expected)


def test_a_name_of_the_users_is_not_a_door_to_another_module(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file may say where the class lies: it is not looked for there."""
    path, marker = tmp_path / "model.keras", tmp_path / "pwned"
    save_keras2(module, path)
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nGain = print\n")

    def edit(config: dict[str, Any]) -> None:
        for each in config["config"]["layers"]:
            if each["class_name"] == "Gain":
                each |= {"module": "evil", "registered_name": "evil>Gain"}

    edited = edited_archive(path, edit, tmp_path / "edited.keras")
    assert load(edited, given(module, "Gain", "halved")).get_layer("gain").start == 3.0
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_objects_of_a_package_are_given_by_their_own_name(
    suffix: str, tmp_path: Path, images: Images
) -> None:
    """As public packages register theirs; an .h5 names a class by its package alone."""
    _, keras = load_tensorflow()
    name, source = f"packaged_{tmp_path.name.replace('-', '_')}", MODULE
    for line in ("class Gain", "def halved"):
        mark = '@keras.utils.register_keras_serializable("theirs")'
        source = source.replace(line, f"{mark}\n{line}")
    (tmp_path / f"{name}.py").write_text(source)
    sys.path.insert(0, str(tmp_path))
    path, trust = tmp_path / f"model{suffix}", given(name, "Gain", "halved")
    known = dict(keras.utils.get_custom_objects())  # Our own layer is in there too.
    try:
        objects = trust.objects()
        gain = [objects["Gain"](3.0, name=f"gain_{number}") for number in range(2)]
        # tf-keras itself cannot load such a function from an .h5.
        half = keras.layers.Activation(objects["halved"])
        model = keras.Sequential([keras.layers.Input(SHAPE), *gain, half])
        model.save(path)
        with pytest.raises(InputError, match=r"gain_0 \(.*Gain\) .*gain_1 \(.*Gain\) "):
            load(path, given(name, "halved"))
        pixels = images.astype(np.float32)
        np.testing.assert_array_equal(load(path, trust).predict(pixels), model.predict(pixels))
    finally:
        sys.path.remove(str(tmp_path))
        registry = keras.utils.get_custom_objects()
        for key in registry.keys() - known.keys():
            del registry[key]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no_such_module:Gain", 'no module "no_such_module" here.*start edgecv where'),
        ("{module}:Gone", 'has no "Gone"; accepted: Gain'),
        ("{module}:NUMBER", "is a int; accepted: a class or a function"),
        ("broken:Gain", "broken cannot be imported: ZeroDivisionError"),
        ("needy:Gain", 'no module "needy" here: it needs "no_such_library"'),
    ],
)
def test_what_cannot_be_imported(module: str, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "needy.py").write_text("import no_such_library")
    with pytest.raises(InputError, match=said):
        Trust(custom_objects=(text.format(module=module),)).objects()


@pytest.mark.parametrize("text", ["Gain", "my_layers:", ":Gain", "my/layers.py:Gain", "a:b:c"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(InputError, match="accepted: module:name"):
        CompressOptions(model="m.keras", custom_objects=(text,)).to_recipe()


def test_two_of_one_name() -> None:
    with pytest.raises(InputError, match="bear one name"):
        CompressOptions(model="m.keras", custom_objects=("a:Gain", "b:Gain")).to_recipe()


def test_it_goes_into_the_recipe() -> None:
    recipe = CompressOptions(
        model="m.keras", trust_model=True, custom_objects=("a:Gain",)
    ).to_recipe()
    table = recipe.table()["baseline"]
    assert table == {"model": "m.keras", "trust": True, "custom_objects": ["a:Gain"]}


def test_several_stand_in_one_value() -> None:
    options = CompressOptions(model="m.keras", custom_objects=("a:Gain, b:halved", "c:Other"))
    expected = ["a:Gain", "b:halved", "c:Other"]
    assert options.to_recipe().table()["baseline"]["custom_objects"] == expected


def test_code_in_a_file_of_keras_3_that_is_trusted(
    tmp_path: Path, keras3: Any, randomize: Callable[[Any], None], converter: Converter
) -> None:
    layers, path = keras3.layers, tmp_path / "model.keras"
    entering = layers.Input(SHAPE)
    given = layers.Lambda(lambda x: x / 255 * 2 - 1, name="scale", output_shape=SHAPE)(entering)
    given = layers.Dense(3)(layers.GlobalAveragePooling2D()(given))
    model = keras3.Model(entering, given)
    randomize(model)
    model.save(path)
    with pytest.raises(InputError, match=r"scale \(Lambda\) holds Python code.*--trust-model"):
        load(path)
    trust, store = Trust(everything=True), Store(tmp_path / "exported")
    adapted = adapt_file(ModelFile.at(path, trust), store, converter)
    assert "any code" in adapted.notes[0]
    pixels = np.full((1, *SHAPE), 7, np.float32)
    np.testing.assert_allclose(
        adapted.keep(store).load().predict(pixels),
        adapted.model.predict(pixels),
        atol=1e-6,
    )


def test_what_is_trusted_is_copied_too(tmp_path: Path) -> None:
    """What each preprocessing would give is found on copies: a Lambda must not end the run."""
    _, keras = load_tensorflow()
    layers, path = keras.layers, tmp_path / "model.keras"
    entering = layers.Input(SHAPE)
    given = layers.Conv2D(4, 3, padding="same")(layers.Lambda(lambda x: x * 2.0)(entering))
    given = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(given))
    model = keras.Model(entering, given)
    model.save(path)
    trust = Trust(everything=True)
    loaded = load(path, trust)
    pixels = np.full((1, *SHAPE), 7, np.float32)
    with trust.scope():
        copy, _ = with_preprocessing(loaded, named("-1..1", "test"), "test")
    expected = loaded(pixels / 127.5 - 1, training=False).numpy()
    np.testing.assert_allclose(copy(pixels, training=False).numpy(), expected, atol=1e-5)
    with pytest.raises(ValueError, match="arbitrary code execution"):
        with_preprocessing(loaded, named("-1..1", "test"), "test")


def test_a_model_is_another_one_when_the_code_that_it_needs_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions, exports and techniques of the old code were taken from the store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    path, code = tmp_path / "model.keras", tmp_path / "own_code_here.py"
    path.write_bytes(b"a model")
    package = tmp_path / "own_package_here"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "layers.py").write_text("raise RuntimeError  # It must not be imported.")
    trust = Trust(custom_objects=("own_code_here:Gain", "own_package_here.layers:Other"))
    found = set()
    for text in ("gain = 1", "gain = 2"):
        for place in (code, package / "layers.py"):
            place.write_text(text)
            found.add(ModelFile.at(path, trust).sha256)
    assert len(found) == 4
    assert ModelFile.at(path, trust).sha256 == ModelFile.at(path, trust).sha256
    assert ModelFile.at(path).sha256 == tree_sha256(path)


def test_code_that_has_changed_since_it_was_imported_is_not_taken_for_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a notebook the old function trained, and its model was stored as that of the new one."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own_code_of_a_notebook.py"
    path.write_text("def train():\n    return 1\n")
    text = "own_code_of_a_notebook:train"
    assert import_object(text)() == import_object(text)() == 1
    path.write_text("def train():\n    return 2000\n")
    with pytest.raises(InputError, match="has changed since Python has read it"):
        import_object(text)
    importlib.reload(sys.modules["own_code_of_a_notebook"])
    assert import_object(text)() == 2000
