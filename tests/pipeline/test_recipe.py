import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import REPOSITORY

from edgecv.core.errors import InputError
from edgecv.core.registry import ARCHITECTURES, EXPORTERS
from edgecv.pipeline.recipe.from_flags import CompressOptions, TrainOptions
from edgecv.pipeline.recipe.recipe import load_recipe, parse_recipe
from edgecv.pipeline.recipe.schema import recipe_schema
from edgecv.pipeline.run import train
from edgecv.pipeline.search.options import SearchOptions
from edgecv.system.storage import Store

pytestmark = pytest.mark.quick

RECIPES = REPOSITORY / "recipes"
MINIMAL: dict[str, Any] = {
    "name": "a",
    "data": {"source": "digits"},
    "export": [{"format": "tflite", "precision": "int8"}],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**MINIMAL, **changes}


WRONG = [
    (changed(nmae="a"), 'unknown key "nmae"', 'did you mean "name"'),
    (changed(name="a/b"), "'a/b'", "letters, digits"),
    (changed(name="baselines"), "taken by edgecv", "another name"),
    (changed(seed=-1), '"seed" is -1', "greater than or equal to 0"),
    (changed(seed="1"), "\"seed\" is '1'", "a whole number"),
    (changed(threads=0), '"threads" is 0', "greater than or equal to 1"),
    (changed(data={"source": "digit"}), 'unknown data set "digit"', 'did you mean "digits"'),
    (changed(data={}), 'no "source" names the data set', 'source = "digits"'),
    (changed(data="digits"), "not a table", "[data]"),
    (changed(export=[]), "asks for no artifact", "[[export]]"),
    (changed(export=[*MINIMAL["export"] * 2]), "export[2]", "stands there twice"),
    (changed(export=[{"format": "tflight"}]), 'unknown format "tflight"', 'mean "tflite"'),
    (changed(export=[{"format": "tflite"}]), '"precision" is missing', "add precision"),
    (
        changed(export=[{"format": "tflite", "precision": "int4"}]),
        "\"precision\" is 'int4'",
        "int16x8",
    ),
    (
        changed(export=[{"format": "tflite", "precision": "int8", "calibration": 5}]),
        'unknown key "calibration"',
        "calibration_images",
    ),
    (
        changed(
            export=[
                {"format": "tflite", "precision": "int8"},
                {"format": "tflite", "precision": "int8", "calibration_images": 10},
            ]
        ),
        "int8 as tflite stands there twice",
        "same file",
    ),
    (changed(baseline={"input_shape": [32, 32, 4]}), "input_shape", "1 or 3"),
    (changed(baseline={"input_shape": [-1, 32, 3]}), "input_shape", "greater than"),
    (changed(baseline={"input_shape": [99999, 32, 3]}), "input_shape", "less than"),
    (
        changed(baseline={"training": {"minimum_steps": 99999999999}}),
        "minimum_steps",
        "less than",
    ),
    (changed(technique=[{"technique": "prune", "sparsity": 1.5}]), '"sparsity" is 1.5', "less"),
    (changed(technique=[{"technique": "prune", "pattern": "1:4"}]), "pattern", "2:4"),
    (
        changed(technique=[{"technique": "prune", "layers": {"a": 2.0}}]),
        "layers.a",
        "less than 1",
    ),
    (changed(technique=[{"technique": "cluster", "clusters": 1}]), "clusters", "equal to 2"),
    (changed(technique=[{"technique": "prun"}]), "unknown technique", 'mean "prune"'),
    (
        changed(
            technique=[{"technique": "qat"}],
            export=[{"format": "tflite", "precision": "float16"}],
        ),
        '"qat" makes a model for int8, and float16 is asked for',
        'leave "qat" out',
    ),
    (changed(technique={"technique": "prune"}), "not a list of tables", "technique"),
    (
        changed(technique=[{"technique": "cluster"}, {"technique": "prune"}]),
        '"prune" would undo "cluster"',
        'put "prune" before "cluster"',
    ),
    (
        changed(technique=[{"technique": "qat"}, {"technique": "cluster"}]),
        '"cluster" would undo "qat"',
        'put "cluster" before "qat"',
    ),
    (
        changed(technique=[{"technique": "qat"}, {"technique": "qat"}]),
        '"qat" stands there twice',
        "keep one",
    ),
    (changed(gates={"max_drop_points": -1}), "[gates]", "greater than or equal to 0"),
    (changed(gates={"max_drop": 1}), 'unknown key "max_drop"', "max_drop_points"),
    (changed(baseline={"architecture": "cifar"}), "unknown architecture", "cifar_cnn"),
    (changed(baseline={"training": {"epochs": 0}}), '"epochs" is 0', "baseline.training"),
    (changed(baseline={"training": {"schedule": "defualt"}}), "unknown schedule", "default"),
    (changed(baseline={"training": {"decay": "step"}}), "\"decay\" is 'step'", "cosine"),
    (
        changed(baseline={"training": {"weight_decay": 0.1}}),
        "weight_decay is for adamw and sgd",
        "baseline.training",
    ),
    (
        changed(technique=[{"technique": "prune", "training": {"ema": 0.99}}]),
        "ema averages the weights, and zeros would not stay",
        "leave ema out",
    ),
    (
        changed(technique=[{"technique": "distil", "training": {"minutes": 3}}]),
        "minutes are for the training of a baseline",
        "give epochs",
    ),
    (
        changed(technique=[{"technique": "distil", "training": {"device": "cpu"}}]),
        "device is for the training of a baseline",
        "leave it out",
    ),
    (
        changed(technique=[{"technique": "prune", "training": {"mixed_precision": "bfloat16"}}]),
        "mixed_precision trains a copy, and zeros would not stay",
        "leave mixed_precision out",
    ),
    (changed(baseline={"preprocess": "0..1"}), "preprocess is for a model", "by itself"),
    (changed(baseline={"labels": ["a", "b"]}), "labels are of a model", "those of data"),
    (changed(baseline={"trust": True}), "trust and custom_objects are for a model", "is ours"),
    (
        changed(baseline={"model": "m.keras", "architecture": "cifar_cnn"}),
        "names a model and how to train one",
        "keep one",
    ),
]


@pytest.mark.parametrize(("table", "found", "accepted"), WRONG, ids=[row[1] for row in WRONG])
def test_a_wrong_recipe_is_one_line_with_place_and_remedy(
    table: dict[str, Any], found: str, accepted: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_recipe(table, "recipes/a.toml")
    message = str(caught.value)
    assert message.startswith("recipes/a.toml")
    assert "\n" not in message
    assert found in message
    assert accepted in message


@pytest.mark.parametrize(
    ("text", "message"),
    [("name = ", "is not TOML"), ("\ufeff[[", "is not TOML"), ("name = 'a'", "[data]")],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_recipe(path)
    assert message in str(caught.value)


def test_a_number_of_five_thousand_digits(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"seed = {'9' * 5000}")
    with pytest.raises(InputError, match="is not TOML"):
        load_recipe(path)


def test_a_training_needs_no_export(tmp_path: Path) -> None:
    """A recipe that only says data and baseline was refused by ``edgecv train`` too."""
    path = tmp_path / "a.toml"
    lines = ['name = "a"', "[data]", 'source = "digits"', "[baseline]", 'architecture = "resnet8"']
    path.write_text("\n".join(lines))
    recipe = TrainOptions(recipe=str(path)).to_recipe()
    assert (recipe.data.name, recipe.architecture.name) == ("digits", "resnet8")
    # Rounding needs integers in a file, which only a run writes.
    path.write_text("\n".join([*lines, "[[technique]]", 'technique = "adaround"']))
    assert TrainOptions(recipe=str(path)).to_recipe().exports == ()
    for options in (CompressOptions(recipe=str(path)), SearchOptions(recipe=str(path))):
        with pytest.raises(InputError, match=r"a\.toml: asks for no artifact; add \[\[export\]\]"):
            options.to_recipe()
    path.write_text("export = 5\n" + "\n".join(lines))
    with pytest.raises(InputError, match="asks for no artifact"):
        TrainOptions(recipe=str(path)).to_recipe()


def test_the_share_of_validation_images_is_an_option(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        'name = "a"\n[data]\nsource = "digits"\n[[export]]\nformat = "tflite"\nprecision = "int8"'
    )
    for kind in (CompressOptions, SearchOptions, TrainOptions):
        for data in ({"data": "digits"}, {"recipe": str(path)}):
            assert kind(**data).to_recipe().data.validation == 0.1
            assert kind(**data, validation=0.3).to_recipe().data.validation == 0.3
    for fraction in (0, 0.5):
        with pytest.raises(ValueError, match="validation"):
            CompressOptions(data="digits", validation=fraction)


def test_a_recipe_that_never_ends() -> None:
    with pytest.raises(InputError, match="/dev/zero: is a device; accepted: a file of TOML"):
        load_recipe(Path("/dev/zero"))


def test_formats_may_stand_behind_commas() -> None:
    both = CompressOptions(data="digits", formats=("tflite,onnx",)).to_recipe()
    assert [exporter.name for exporter in both.exports] == ["tflite", "onnx"]


def test_names_are_with_distinct_digits_without_case() -> None:
    recipe = CompressOptions(
        data="digits", quantize="INT8", formats=("TFLite",), io="Int8", architecture="ResNet8"
    ).to_recipe()
    assert [(each.name, each.precision, each.io) for each in recipe.exports] == [
        ("tflite", "int8", "int8")
    ]
    assert recipe.architecture.name == "resnet8"


def test_calibration_images_go_to_the_exports_that_need_them(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        'name = "a"\n[data]\nsource = "digits"\n'
        '[[export]]\nformat = "tflite"\nprecision = "float16"\n'
        '[[export]]\nformat = "tflite"\nprecision = "int8"\n'
    )
    recipe = CompressOptions(recipe=str(path), calibration_images=30).to_recipe()
    assert [exporter.calibration_images for exporter in recipe.exports] == [None, 30]


def test_a_recipe_has_a_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("#" * 1_000_001)
    with pytest.raises(InputError, match="larger than a recipe"):
        load_recipe(path)


PRECISIONS = [
    (name, precision) for name, cls in EXPORTERS.classes.items() for precision in cls.precisions
]


@given(
    exports=st.lists(st.sampled_from(PRECISIONS), min_size=1, unique=True),
    architecture=st.sampled_from(list(ARCHITECTURES.classes)),
    epochs=st.integers(1, 100),
    rate=st.floats(1e-6, 1),
    seed=st.integers(0, 2**31 - 1),
    drop=st.none() | st.floats(0, 100),
)
def test_every_recipe_reads_back_as_it_was_written(
    exports: list[tuple[str, str]],
    architecture: str,
    epochs: int,
    rate: float,
    seed: int,
    drop: float | None,
) -> None:
    recipe = parse_recipe(
        {
            "name": "a",
            "seed": seed,
            "data": {"source": "digits"},
            "export": [{"format": name, "precision": each} for name, each in exports],
            "baseline": {
                "architecture": architecture,
                "training": {"epochs": epochs, "learning_rate": rate},
            },
            "gates": {} if drop is None else {"max_drop_points": drop},
        },
        "test",
    )
    assert parse_recipe(tomllib.loads(recipe.to_toml()), "again") == recipe


@pytest.mark.parametrize(
    "flags",
    [
        CompressOptions(data="digits"),
        CompressOptions(data="digits", formats=("tflite",), quantize="float16", max_drop=1.5),
        CompressOptions(data="digits", model="some.keras", quantize="none", seed=3, threads=2),
        CompressOptions(data="digits", schedule="reference", epochs=2, calibration_images=50),
        CompressOptions(
            data="digits", shrink="30kparams, 6x", distil=True, prune="0.5", cluster=8, qat=True
        ),
    ],
)
def test_a_command_line_is_a_recipe_too(flags: CompressOptions, tmp_path: Path) -> None:
    recipe = flags.to_recipe()
    path = tmp_path / "a.toml"
    path.write_text(recipe.to_toml())
    assert load_recipe(path) == recipe
    assert CompressOptions(recipe=str(path)).to_recipe() == recipe


def test_flags_change_a_recipe(tmp_path: Path) -> None:
    recipe = CompressOptions(
        recipe=str(RECIPES / "cifar10-int8.toml"),
        data="digits",
        name="mine",
        seed=5,
        max_drop=2.5,
        calibration_images=40,
    ).to_recipe()
    assert (recipe.name, recipe.settings.seed, recipe.data.name) == ("mine", 5, "digits")
    assert recipe.gates.max_drop_points == 2.5
    assert {exporter.calibration_images for exporter in recipe.exports} == {40}


def test_a_model_beside_a_recipe_keeps_what_is_not_of_its_file(tmp_path: Path) -> None:
    """The teacher of a recipe was dropped without a word, and its default task forced on MODEL."""
    path = tmp_path / "model.keras"
    path.touch()
    plain = CompressOptions(recipe=str(RECIPES / "converged-int8.toml"), model=str(path))
    recipe, own = plain.to_recipe(), load_recipe(RECIPES / "converged-int8.toml")
    assert recipe.baseline.teacher == own.baseline.teacher is not None
    assert (recipe.baseline.model, recipe.task_is_given) == (str(path), False)
    other = tmp_path / "other.toml"
    other.write_text(
        'name = "other"\ndata = {source = "digits"}\ntask = {task = "multilabel"}\n'
        'baseline = {model = "old.keras", preprocess = "0..1", labels = ["b", "a"]}\n'
        'export = [{format = "tflite", precision = "int8"}]\n'
    )
    changed = CompressOptions(recipe=str(other), model=str(path)).to_recipe()
    assert (changed.baseline.labels, changed.baseline.preprocess) == (("b", "a"), None)
    assert (changed.task.name, changed.task_is_given) == ("multilabel", True)
    names = tmp_path / "labels.txt"
    names.write_text("c\nd\n")
    named = CompressOptions(recipe=str(other), model=str(path), labels=str(names))
    assert named.to_recipe().baseline.labels == ("c", "d")


def test_kernels_of_litert_are_refused_where_it_runs_no_file() -> None:
    asked = CompressOptions(data="digits", formats=("onnx",), kernels="builtin")
    with pytest.raises(InputError, match="--kernels: is for"):
        asked.to_recipe()
    both = CompressOptions(data="digits", kernels="builtin").to_recipe()
    assert both.settings.kernels == "builtin"


def test_a_recipe_of_a_model_trains_no_other_network(tmp_path: Path) -> None:
    """``train`` trained the usual architecture in place of the model that the recipe names."""
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "mine"\ndata = {source = "digits"}\nbaseline = {model = "mine.keras"}\n'
        'export = [{format = "tflite", precision = "int8"}]\n'
    )
    recipe = TrainOptions(recipe=str(path)).to_recipe()
    with pytest.raises(InputError, match=r"mine, \[baseline\]: names the model mine.keras"):
        train(recipe, Store.at(tmp_path / "runs"))


def test_data_that_is_given_needs_no_path_in_the_recipe(tmp_path: Path) -> None:
    """A recipe for arrays without a path was refused, although --data names the file."""
    path = tmp_path / "plan.toml"
    text = 'name = "a"\n[data]\nsource = "npz"\n[[export]]\nformat = "tflite"\nprecision = "int8"\n'
    path.write_text(text)
    with pytest.raises(InputError, match='"path" is missing'):
        CompressOptions(recipe=path).to_recipe()
    recipe = CompressOptions(recipe=path, data="digits").to_recipe()
    assert recipe.data.name == "digits"


def test_distil_teaches_every_step_and_stands_after_shrink() -> None:
    flags = CompressOptions(
        data="digits", shrink="0.4", distil=True, prune="0.5", cluster=8, qat=True
    )
    shrink, distil, *others = flags.to_recipe().techniques
    assert [each.name for each in (shrink, distil, *others)] == [
        "shrink", "distil", "prune", "cluster", "qat",
    ]  # fmt: skip
    assert not shrink.fine_tune  # type: ignore[attr-defined]
    assert all(each.distil is not None for each in others)  # type: ignore[attr-defined]
    (alone,) = CompressOptions(data="digits", shrink="0.4").to_recipe().techniques
    assert alone.fine_tune  # type: ignore[attr-defined]


def test_a_speed_is_measured_on_what_will_be_written() -> None:
    def asked(**flags: Any) -> tuple[str, str]:
        (shrink,) = CompressOptions(data="digits", shrink="2x", **flags).to_recipe().techniques
        return shrink.runtime, shrink.precision  # type: ignore[attr-defined]

    assert asked() == ("litert", "int8")
    assert asked(formats=("onnx",)) == ("onnxruntime", "int8")
    assert asked(formats=("onnx",), quantize="none") == ("onnxruntime", "float32")
    assert asked(formats=("tflite",), quantize="float16") == ("litert", "float16")


@pytest.fixture(scope="module")
def validator() -> Any:
    from jsonschema.validators import validator_for

    schema = recipe_schema()
    found = validator_for(schema)
    found.check_schema(schema)
    return found(schema)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_called_as_its_file(path: Path, validator: Any) -> None:
    assert load_recipe(path).name == path.stem
    validator.validate(tomllib.loads(path.read_text()))
    assert path.read_text().startswith("#:schema ./recipe.schema.json\n")


def test_the_published_schema_is_the_current_one() -> None:
    import json

    published = json.loads((RECIPES / "recipe.schema.json").read_text())
    assert published == recipe_schema(), "run: edgecv schema > recipes/recipe.schema.json"


def test_the_schema_refuses_a_misspelt_key(validator: Any) -> None:
    from jsonschema import ValidationError

    with pytest.raises(ValidationError):
        validator.validate(changed(nmae="a"))
