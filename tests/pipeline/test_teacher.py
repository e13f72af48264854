"""A student in place of the network, and a teacher in place of the baseline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import recipe

from edgecv.core.errors import InputError
from edgecv.core.events import ignore_event
from edgecv.core.registry import ARCHITECTURES, TASKS, TECHNIQUES
from edgecv.core.report import Report
from edgecv.models.tf import keras
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.context import open_run
from edgecv.pipeline.recipe.parts import BaselineOptions, TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe, load_recipe, parse_recipe
from edgecv.pipeline.run import run, train
from edgecv.pipeline.teacher import RunTeacher
from edgecv.pipeline.user_models import open_user_model
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store

pytestmark = pytest.mark.usefixtures("marks_registered")

TUNING = {"epochs": 8, "minimum_steps": 100, "batch": 32, "learning_rate": 0.01}
NETWORK = {
    "architecture": "plain_cnn",
    "filters": [8, 8],
    "strides": [2, 2],
    "kernels": [3, 3],
    "unpadded": [],
}
STUDENT = {
    "technique": "student",
    "network": NETWORK,
    "training": TUNING,
    "distil": {"mix": 0.0},  # Labels are not looked at: all that it knows is the teacher's.
}


def plan(name: str, teacher: Path | None, *techniques: dict[str, Any]) -> Recipe:
    """Return a recipe whose baseline has hardly been trained, without a control."""
    made = recipe(TASKS.parse({"task": "classification"}, "test"), *techniques)
    own = {"teacher": None if teacher is None else str(teacher)}
    settings = made.settings.model_copy(update={"name": name, "control": "off"})
    return made.replace(
        settings=settings,
        schedule=Schedule(epochs=1, minimum_steps=0, batch=32, learning_rate=0.0005, warmup=0.0),
        exports=made.exports[:1],
        baseline=made.baseline.model_copy(update=own),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("teachers"))


@pytest.fixture(scope="module")
def teacher(store: Store) -> Path:
    trained = train(recipe(TASKS.parse({"task": "classification"}, "test")), store)
    assert trained.test.value > 0.9
    return trained.folder / "model.keras"


@pytest.fixture(scope="module")
def taught(store: Store, teacher: Path) -> Report:
    return run(plan("taught", teacher, STUDENT), store)


def test_a_student_learns_all_from_the_teacher(taught: Report) -> None:
    twin, student = taught.comparisons
    assert twin.value is not None
    assert student.value is not None
    assert twin.value < 0.8, "the baseline itself has nothing to teach"
    assert student.value > 0.9
    assert taught.costs is not None
    assert taught.costs.compressed.parameters < taught.costs.baseline.parameters
    notes = [note for note in taught.notes if note.startswith("student: ")]
    assert notes[0].startswith("student: plain_cnn of ")
    assert "student: taught by " in notes[1]
    assert " on the validation images, where the baseline has " in notes[1]


def test_the_recipe_of_a_run_names_network_and_teacher(taught: Report, teacher: Path) -> None:
    assert taught.recipe["baseline"]["teacher"] == str(teacher)
    (table,) = taught.recipe["technique"]
    assert table["network"] == {**NETWORK, "separable": [], "residual": False}
    assert TECHNIQUES.table(TECHNIQUES.parse(table, "test")) == table


def test_another_teacher_is_another_training(
    taught: Report, store: Store, teacher: Path, tmp_path: Path
) -> None:
    messages: list[str] = []
    other = keras.models.load_model(teacher)
    kernel = next(each for each in other.trainable_variables if "kernel" in each.name)
    kernel.assign(kernel * 1.01)
    other.save(tmp_path / "other.keras")
    for path in (teacher, tmp_path / "other.keras"):
        run(
            plan(f"again-{path.stem}", path, {**STUDENT, "training": {**TUNING, "epochs": 8}}),
            store,
            on_event=lambda event: messages.append(event.message),
        )
    assert messages.count("student is stored already") == 1
    assert messages.count("reading the data") == 2, "once a run: the teacher's is the same"


def test_a_network_is_trained_as_the_teacher_and_stored_like_a_baseline(
    taught: Report, store: Store
) -> None:
    wanted = recipe(TASKS.parse({"task": "classification"}, "test"))
    table = {
        "network": ARCHITECTURES.table(wanted.architecture),
        "training": {**wanted.schedule.model_dump(), "maximum_steps": None},
    }
    options = BaselineOptions.model_validate({"teacher": table})
    assert isinstance(options.teacher, TeacherNetwork)
    assert options.teacher.training == wanted.schedule
    made = plan("network", None, STUDENT)
    baseline = made.baseline.model_copy(update={"teacher": options.teacher})
    messages: list[str] = []
    run(
        made.replace(baseline=baseline),
        store,
        on_event=lambda event: messages.append(event.message),
    )
    assert "student is stored already" in messages, "it is the model that was named by its path"
    read = read_report(store.run_folder("network") / "report.json")
    assert read.recipe["baseline"]["teacher"]["network"] == table["network"]


def network(side: int, classes: int) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((side, side, 1)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


@pytest.mark.parametrize(
    ("side", "classes", "found"),
    [(16, 5, "5"), (12, 3, "takes images of 12x12x1")],
)
def test_a_teacher_of_other_images_or_classes_is_refused(
    store: Store, tmp_path: Path, side: int, classes: int, found: str
) -> None:
    network(side, classes).save(tmp_path / "other.keras")
    with pytest.raises(InputError) as caught:
        run(plan("refused", tmp_path / "other.keras", STUDENT), store)
    assert "other.keras" in str(caught.value)
    assert found in str(caught.value)
    assert not store.run_folder("refused").exists()


def test_a_teacher_of_other_pixels_has_those_of_the_model_or_is_told_what_to_do(
    store: Store, teacher: Path, tmp_path: Path
) -> None:
    """It was refused with a flag that a teacher has not."""
    layers = keras.layers
    trained = keras.models.load_model(teacher)
    _, rescaling, *others = trained.layers
    assert isinstance(rescaling, layers.Rescaling)
    pixels = layers.Input((16, 16, 1))
    answers = pixels
    for layer in others:
        answers = layer(answers)
    bare = keras.Model(pixels, answers)
    bare.save(tmp_path / "bare.keras")
    with pytest.raises(InputError) as caught:
        run(plan("refused", tmp_path / "bare.keras", STUDENT), store)
    assert str(caught.value).startswith(f"the teacher {tmp_path / 'bare.keras'}: scores better on")
    assert f"edgecv compress {tmp_path / 'bare.keras'} with its own" in caught.value.remedy
    student = {**STUDENT, "training": {**TUNING, "epochs": 1}}
    bare_alone = {"model": str(tmp_path / "bare.keras"), "preprocess": "-1..1"}
    own = BaselineOptions.model_validate(bare_alone)
    run(plan("bare", None).replace(baseline=own), store)
    report = run(plan("followed", store.run_folder("bare") / "baseline.keras", student), store)
    (note,) = (each for each in report.notes if "taught by" in each)
    assert "accuracy 9" in note or "accuracy 100" in note
    made = plan("as-the-model", tmp_path / "bare.keras", student)
    options = {**bare_alone, "teacher": bare_alone["model"]}
    own = BaselineOptions.model_validate(options)
    messages: list[str] = []
    report = run(
        made.replace(baseline=own), store, on_event=lambda event: messages.append(event.message)
    )
    assert any("takes no pixels of 0..255: it has those of the model" in each for each in messages)
    (note,) = (each for each in report.notes if "taught by" in each)
    assert "accuracy 9" in note or "accuracy 100" in note


def test_a_teacher_has_the_order_of_classes_that_the_model_is_given(
    store: Store, teacher: Path
) -> None:
    """The model itself was refused as its teacher: its classes were taken in another order."""
    made = plan("labels", teacher, STUDENT)
    own = {"model": str(teacher), "teacher": str(teacher), "labels": ["dark", "high", "wide"]}
    made = made.replace(baseline=BaselineOptions.model_validate(own))
    with open_run(store, made.settings, ignore_event, None) as context:
        note = RunTeacher(open_user_model(made, context)).note
    taught, baseline = note.split(": accuracy ")[1].split(" on the validation images, where the ")
    assert baseline == f"baseline has {taught}"


def test_images_without_labels_are_learned_from_and_kept_by_their_content(
    store: Store, teacher: Path, tmp_path: Path
) -> None:
    made = plan("further", teacher, {**STUDENT, "training": {**TUNING, "epochs": 1}})
    data = made.data.load((16, 16, 1), 0, lambda done, total: None)
    judged = np.concatenate([data.test.images[:4], data.validation.images[:3]])
    others = np.random.default_rng(0).integers(0, 255, (50, 16, 16, 1)).astype(np.uint8)
    messages: list[str] = []

    def report_of(name: str, images: Any) -> Report:
        np.save(tmp_path / f"{name}.npy", images)
        own = {"name": name, "unlabelled": str(tmp_path / f"{name}.npy")}
        settings = made.settings.model_copy(update=own)
        recipe_of_run = made.replace(settings=settings)
        return run(recipe_of_run, store, on_event=lambda event: messages.append(event.message))

    report = report_of("further", np.concatenate([others, judged]))
    facts = report.data.unlabelled
    assert facts is not None
    assert (facts.images, facts.left_out) == (50, 7)
    (note,) = (each for each in report.notes if "without labels" in each)
    assert "student: 50 images without labels beside the training images" in note
    assert "7 more were left out, as they are test or validation images" in note
    assert "50% of each batch, and a control sees none of them" in note
    assert read_report(store.run_folder("further") / "report.json").data.unlabelled == facts
    assert load_recipe(store.run_folder("further") / "recipe.toml").settings.unlabelled
    assert "student is stored already" not in messages
    report_of("same", others)
    assert messages.count("student is stored already") == 1
    assert messages.count("reading the data") == 2, "once a run: the teacher's is the same"


@pytest.mark.quick
@pytest.mark.parametrize(
    ("techniques", "found"),
    [
        ([{"technique": "prune"}], "no technique learns from a teacher"),
        ([{"technique": "distil", "mix": 1.0}], "no technique learns from a teacher"),
        ([], "no technique learns from a teacher"),
        ([{"technique": "prune", "distil": {}}], "there is no nowhere"),
    ],
)
def test_images_without_labels_that_teach_nobody_are_refused(
    techniques: list[dict[str, Any]], found: str
) -> None:
    table = {
        "name": "refused",
        "unlabelled": "nowhere",
        "data": {"source": "digits"},
        "export": [{"format": "tflite", "precision": "int8"}],
        "technique": techniques,
    }
    with pytest.raises(InputError, match=found):
        parse_recipe(table, "test")


def test_a_teacher_that_is_not_there_or_teaches_nobody_is_refused(tmp_path: Path) -> None:
    table = {
        "name": "refused",
        "data": {"source": "digits"},
        "baseline": {"teacher": str(tmp_path / "none.keras")},
        "export": [{"format": "tflite", "precision": "int8"}],
    }
    with pytest.raises(InputError, match="no technique learns from one"):
        parse_recipe({**table, "technique": [{"technique": "prune"}]}, "test")
    with pytest.raises(InputError, match=r"there is no file .*none\.keras"):
        parse_recipe({**table, "technique": [{"technique": "distil"}]}, "test")
