"""Training on a tiny model: it learns, resumes bit for bit, keeps its best, stops at NaN."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars, tiny
from weights import weights_sha256

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.core.plugins import Constraint
from edgecv.core.preprocessing import Preprocessing
from edgecv.datasets.digits import Digits
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.softmax import logits_model, separate_softmax
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.models.training import batch_norm as moving_averages
from edgecv.models.training import pace
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.devices import use_device
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.evaluation import Evaluation
from edgecv.models.training.loop import fit
from edgecv.models.training.losses import Teacher
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.schedules import SCHEDULES, parse_schedule

QUICK = Schedule(epochs=4, minimum_steps=0, batch=16, learning_rate=0.02)


def split(images: int, seed: int) -> Split:
    return bars(images, seed, (8, 8, 1))


DATA = Dataset("bars", ("top", "bottom"), split(120, 1), split(10, 2), split(40, 3), split(40, 4))


def train(
    folder: Path,
    model: Any,
    schedule: Schedule = QUICK,
    on_event: Any = lambda event: None,
    data: Dataset = DATA,
) -> tuple[Epoch, ...]:
    return fit(
        model,
        data,
        Classification(),
        schedule,
        seed=7,
        checkpoint=folder / "epoch.npz",
        on_event=on_event,
    )


def test_it_learns_and_does_nothing_twice(tmp_path: Path) -> None:
    model = tiny()
    history = train(tmp_path, model)
    assert len(history) == 4
    predictions = model(DATA.test.images.astype(np.float32)).numpy()
    assert Classification().metric(Outputs.one(predictions), DATA.test.labels) > 0.9
    again = tiny(seed=99)
    assert train(tmp_path, again) == history
    assert weights_sha256(again) == weights_sha256(model)


def test_the_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    model = tiny()
    history = train(tmp_path, model)
    predictions = model(DATA.validation.images.astype(np.float32)).numpy()
    best = max(epoch.validation_score for epoch in history)
    assert Classification().metric(Outputs.one(predictions), DATA.validation.labels) == best


class Interruption(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path, epoch: int) -> None:
    whole = tiny()
    expected = train(tmp_path, whole)
    (tmp_path / "epoch.npz").unlink()

    def interrupt(event: Event) -> None:
        if event.stage == "step" and event.values["epoch"] > epoch:
            raise Interruption

    with pytest.raises(Interruption):
        train(tmp_path, tiny(), on_event=interrupt)
    resumed = tiny(seed=99)  # Other first weights: all must come from the checkpoint.
    history = train(tmp_path, resumed)
    assert weights_sha256(resumed) == weights_sha256(whole)
    without_clock = [(each.loss, each.validation_score) for each in history]
    assert without_clock == [(each.loss, each.validation_score) for each in expected]


@pytest.mark.parametrize(
    "options",
    [
        {"ema": 0.8},
        {"optimizer": "adamw"},
        {"optimizer": "sgd", "weight_decay": 0.001, "ema": 0.8, "momentum": 0.5},
        {"cutout": 3, "mixup": 0.3},
        {"mixed_precision": "float16"},
        {"mixed_precision": "bfloat16", "optimizer": "adamw"},
        {"augment": {"crop": 0.9, "rotate": 5.0, "colour": 0.1, "blur": 0.5, "choose": 2.0}},
    ],
)
def test_each_option_trains_and_an_interruption_changes_nothing(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    schedule = QUICK.model_copy(update=options)
    plain, whole, resumed = tiny(), tiny(), tiny()
    train(tmp_path, plain)
    (tmp_path / "epoch.npz").unlink()
    assert max(each.validation_score for each in train(tmp_path, whole, schedule)) > 0.9
    assert weights_sha256(whole) != weights_sha256(plain)
    (tmp_path / "epoch.npz").unlink()

    def interrupt(event: Event) -> None:
        if event.stage == "step" and event.values["epoch"] > 2:
            raise Interruption

    with pytest.raises(Interruption):
        train(tmp_path, tiny(), schedule, interrupt)
    train(tmp_path, resumed, schedule)
    assert weights_sha256(resumed) == weights_sha256(whole)


def test_dropout_is_the_same_after_an_interruption(tmp_path: Path) -> None:
    def dropping() -> Any:
        _, keras = load_tensorflow()
        return tiny(0, keras.layers.Dropout(0.5), keras.layers.GaussianNoise(0.1))

    whole, resumed = dropping(), dropping()
    generator = whole.layers[-4]._random_generator
    train(tmp_path, whole)
    assert whole.layers[-4]._random_generator is generator
    (tmp_path / "epoch.npz").unlink()

    def interrupt(event: Event) -> None:
        if event.stage == "step" and event.values["epoch"] > 2:
            raise Interruption

    with pytest.raises(Interruption):
        train(tmp_path, dropping(), on_event=interrupt)
    train(tmp_path, resumed)
    assert weights_sha256(resumed) == weights_sha256(whole)


def test_minutes_decide_the_epochs_and_an_interruption_keeps_their_number(tmp_path: Path) -> None:
    schedule = QUICK.model_copy(update={"minutes": 0.01})
    model = tiny()
    (tmp_path / "epoch.json").write_text("3")
    assert len(train(tmp_path, model, schedule)) == 3
    for path in tmp_path.iterdir():
        path.unlink()
    assert len(train(tmp_path, tiny(), schedule)) >= 1
    assert int((tmp_path / "epoch.json").read_text()) >= 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"ema": 0.9}, "ema: averages weights that are held to a rule"),
        ({"mixed_precision": "bfloat16"}, "mixed_precision: trains a copy of weights that are"),
    ],
)
def test_other_weights_than_those_held_to_a_rule_are_refused(
    option: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """In 16 bits the rule held the original, and the copy lost the zeros of a user's model."""

    class Zeros(Constraint):
        def project(self) -> None: ...

    with pytest.raises(InputError, match=message):
        fit(
            tiny(),
            DATA,
            Classification(),
            QUICK.model_copy(update=option),
            seed=7,
            checkpoint=tmp_path / "epoch.npz",
            on_event=lambda event: None,
            constraint=Zeros(),
        )


def test_a_model_with_regularized_activations_trains(tmp_path: Path) -> None:
    """Their loss is one of a batch: an evaluation behind the first epoch ended in a traceback."""
    _, keras = load_tensorflow()
    layers, decay = keras.layers, keras.regularizers.L2(0.01)
    set_seed(0)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(8, "relu", activity_regularizer=decay, kernel_regularizer=decay),
            layers.ActivityRegularization(l2=0.01),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )
    schedule = QUICK.model_copy(update={"epochs": 1})
    (epoch,) = train(tmp_path, model, schedule)
    assert math.isfinite(epoch.validation_loss)
    kernel = model.layers[1].get_weights()[0]
    found = Evaluation(model, Classification()).of(DATA.validation)
    assert found.loss == pytest.approx(epoch.validation_loss, rel=1e-5)
    model.layers[1].kernel.assign(kernel * 0)  # All images have the same answer then.
    without = Evaluation(model, Classification()).of(DATA.validation).loss
    answers = model(DATA.validation.images.astype(np.float32)).numpy()
    rows = np.arange(len(answers))
    assert without == pytest.approx(-np.log(answers[rows, DATA.validation.labels]).mean(), rel=1e-4)


def test_a_schedule_without_new_options_is_written_as_ever() -> None:
    """Its table is part of the keys of stored trainings."""
    assert list(Schedule().model_dump()) == [
        "epochs", "minimum_steps", "batch", "learning_rate", "decay", "warmup", "mirror",
        "patience", "shift",
    ]  # fmt: skip
    assert Schedule(ema=0.99).model_dump()["ema"] == 0.99
    default = SCHEDULES["default"]
    assert Schedule(**default.model_dump()) == default


def test_the_budget_of_a_training_to_convergence_is_one_of_steps() -> None:
    default = SCHEDULES["default"]
    assert default.total_epochs(640) * default.steps_per_epoch(640) == 2_000
    assert default.total_epochs(50_000) == 60
    assert default.total_epochs(1_000_000) * default.steps_per_epoch(1_000_000) <= 60_000
    assert default.total_epochs(100_000_000) == 1


def finite_epochs(folder: Path) -> int:
    """Return the number of epochs in a checkpoint, all of whose values are finite."""
    with np.load(folder / "epoch.npz") as kept:
        assert all(np.isfinite(kept[name]).all() for name in kept.files)
        return len(kept["history"])


def test_a_loss_that_is_not_finite_stops_the_training_and_says_when(tmp_path: Path) -> None:
    model = tiny()
    broken = [np.full_like(weight, np.nan) for weight in model.get_weights()]

    def damage(event: Event) -> None:
        if event.stage == "epoch" and event.step == 2:
            model.set_weights(broken)

    expected = (
        r"the loss is nan in epoch 3 of 4, step 1 of 7, at a learning rate of 0\.\d+; "
        r"epoch 2, the last good one, is kept; lower learning_rate"
    )
    with pytest.raises(StepError, match=expected):
        train(tmp_path, model, on_event=damage)
    assert finite_epochs(tmp_path) == 2


def test_a_number_too_large_for_float16_is_named_with_its_step(tmp_path: Path) -> None:
    schedule = QUICK.model_copy(update={"mixed_precision": "float16"})
    model = tiny()
    model.layers[1].set_weights([each * 1e6 for each in model.layers[1].get_weights()])
    with pytest.raises(StepError) as caught:
        train(tmp_path, model, schedule)
    assert "in epoch 1 of 4, step 1 of 7, at a learning rate of" in str(caught.value)
    assert str(caught.value).endswith(
        "in float16; leave mixed_precision out, or lower learning_rate"
    )


def test_16_bits_that_are_slower_than_float32_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor without instructions for bfloat16 took six times as long, said nothing, and
    estimated an eighth of the time: gradients are the slow part."""
    schedule = QUICK.model_copy(update={"mixed_precision": "bfloat16"})
    notes: dict[float, list[str]] = {}
    weights = set()
    for limit in (0.0, math.inf):
        monkeypatch.setattr(pace, "MUCH_SLOWER", limit)
        events: list[Event] = []
        model = tiny()
        train(tmp_path, model, schedule, events.append)
        (tmp_path / "epoch.npz").unlink()
        notes[limit] = [each.message for each in events if each.stage == "note"]
        weights.add(weights_sha256(model))
    said = r"bfloat16 takes about [\d.]+ times as long as float32 on this processor: without"
    assert [re.match(said, each) is not None for each in notes[0.0]].count(True) == 1
    assert notes[math.inf] == notes[0.0][1:]
    assert len(weights) == 1  # The timed steps are undone.


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="--device: there is no gpu:7 here; accepted: cpu"):
        use_device("gpu:7")
    use_device("cpu")


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    """The last step of an epoch can break them after the last loss was read."""
    model = tiny()

    def damage(event: Event) -> None:
        if event.stage == "step" and event.step == 14:
            model.set_weights([np.full_like(weight, np.inf) for weight in model.get_weights()])

    expected = r"NaN or infinite weights after epoch 2 of 4.*epoch 1, the last good one, is kept"
    with pytest.raises(StepError, match=expected):
        train(tmp_path, model, on_event=damage)
    assert finite_epochs(tmp_path) == 1


def test_a_checkpoint_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    whole = tiny()
    train(tmp_path, whole)
    path = tmp_path / "epoch.npz"
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2]):
        path.write_bytes(damaged)
        again = tiny()
        said: list[Event] = []
        train(tmp_path, again, on_event=said.append)
        assert "the epochs kept on disk are damaged: starting again" in {e.message for e in said}
        assert weights_sha256(again) == weights_sha256(whole)


def test_logits_and_probabilities_are_the_same_model() -> None:
    model = tiny()
    images = DATA.test.images.astype(np.float32)
    logits = logits_model(model)(images).numpy().astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(images).numpy(), softmax, atol=1e-6)


def test_a_softmax_within_a_dense_layer_becomes_a_layer(tmp_path: Path) -> None:
    set_seed(0)
    _, keras = load_tensorflow()
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(image)
    both = keras.layers.Add()([keras.layers.Dense(4)(flat), keras.layers.Dense(4)(flat)])
    fused = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="end")(both))
    separate = separate_softmax(fused)
    images = DATA.test.images.astype(np.float32)
    np.testing.assert_allclose(separate(images).numpy(), fused(images).numpy(), atol=1e-6)
    assert logits_model(separate)(images).shape == (40, 2)
    assert separate_softmax(separate) is separate
    train(tmp_path, separate)


def test_a_model_without_a_softmax_layer_is_refused() -> None:
    _, keras = load_tensorflow()
    model = keras.Sequential([keras.layers.InputLayer((4,)), keras.layers.Dense(2)])
    with pytest.raises(StepError, match="not a softmax"):
        logits_model(model)


def test_a_taught_model_says_what_its_teacher_says_and_not_what_the_labels_say(
    tmp_path: Path,
) -> None:
    def swapped(split: Split) -> Split:
        return replace(split, labels=1 - split.labels)

    teacher = tiny()
    chosen_by_teacher = replace(DATA, validation=swapped(DATA.validation))
    fit(
        teacher,
        replace(chosen_by_teacher, train=swapped(DATA.train)),
        Classification(),
        QUICK,
        seed=7,
        checkpoint=tmp_path / "teacher.npz",
        on_event=lambda event: None,
    )
    student = tiny(seed=5)
    fit(
        student,
        chosen_by_teacher,
        Classification(),
        QUICK,
        seed=7,
        checkpoint=tmp_path / "student.npz",
        on_event=lambda event: None,
        teacher=Teacher(teacher, Distillation(mix=0.0)),
    )
    pixels = DATA.test.images.astype(np.float32)
    agreement = np.mean(teacher(pixels).numpy().argmax(1) == student(pixels).numpy().argmax(1))
    assert agreement > 0.7  # A student of the labels would agree on one image in ten.


@pytest.mark.parametrize("decay", ["constant", "linear", "cosine"])
def test_the_learning_rate_rises_and_falls(decay: Any) -> None:
    rates = Schedule(decay=decay, learning_rate=0.1, warmup=0.2).learning_rates(100)
    assert rates.shape == (100,)
    assert (np.diff(rates[:20]) > 0).all()
    assert rates.max() == pytest.approx(0.1, rel=0.05)
    assert (rates[-1] < 0.01) == (decay != "constant")


def test_a_small_data_set_gets_more_epochs() -> None:
    schedule = Schedule(epochs=10, minimum_steps=800, batch=128)
    assert schedule.total_epochs(128_000) == 10
    assert schedule.total_epochs(1280) == 80
    assert schedule.total_epochs(5) == 800


def test_a_shift_as_wide_as_the_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="less than the side"):
        train(tmp_path, tiny(), Schedule(shift=8))


def residual() -> Any:
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    given = layers.Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 128, -1)(image))
    for _ in range(3):
        path = layers.ReLU()(layers.BatchNormalization()(given))
        given = layers.Add()([given, layers.Conv2D(8, 3, padding="same")(path)])
    given = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(given))
    return keras.Model(image, layers.Softmax()(layers.Dense(10)(given)))


def test_a_short_training_finds_batch_normalization_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Averages that lag behind the weights make bad answers; real ones do not."""
    data = Digits().load((8, 8, 1), 0, lambda done, total: None)
    schedule = QUICK.model_copy(update={"epochs": 2, "batch": 64, "shift": 0, "mirror": False})
    notes: list[str] = []

    def listen(event: Event) -> None:
        if event.stage == "note":
            notes.append(event.message)

    def trained(folder: Path) -> tuple[Any, float]:
        folder.mkdir(exist_ok=True)
        model = residual()
        train(folder, model, schedule, listen, data)
        predictions = model(data.test.images[:].astype(np.float32), training=False).numpy()
        return model, Classification().metric(Outputs.one(predictions), data.test.labels)

    model, settled = trained(tmp_path / "settled")
    again, _ = trained(tmp_path / "settled")  # From the checkpoint, as after a kill.
    assert weights_sha256(again) == weights_sha256(model)
    assert "found anew" in notes[-1]
    monkeypatch.setattr(moving_averages, "STEPS_THAT_SUFFICE", 0)
    lagging_model, lagging = trained(tmp_path / "lagging")
    assert settled > lagging + 0.1
    pairs = zip(model.trainable_weights, lagging_model.trainable_weights, strict=True)
    assert all((one.numpy() == other.numpy()).all() for one, other in pairs)


def test_a_training_says_its_time_before_it_begins_and_that_it_goes_on(tmp_path: Path) -> None:
    said: list[Event] = []

    def stopping(event: Event) -> None:
        said.append(event)
        if event.stage == "epoch" and event.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, tiny(), on_event=stopping)
    lines = [event for event in said if event.total is None]
    assert lines[0].message.startswith("training 4 epochs of ")
    assert ": about 5 seconds" in lines[0].message
    said.clear()
    train(tmp_path, tiny(), on_event=said.append)
    lines = [event for event in said if event.total is None]
    assert lines[0].message == "an interrupted training goes on after epoch 2 of 4"
    assert lines[1].message.startswith("training 2 epochs of ")


def test_the_history_has_the_score_of_the_weights_that_are_kept(tmp_path: Path) -> None:
    model = tiny()
    history = train(tmp_path, model)
    outputs = Outputs.one(model(DATA.validation.images.astype(np.float32)).numpy())
    best = max(history, key=lambda each: (each.validation_score, each.epoch))
    assert best.validation_score == Classification().metric(outputs, DATA.validation.labels)


NUMBERS = replace(DATA, meaning=Preprocessing(scale=0.5))


@pytest.mark.parametrize(
    "written",
    [Schedule(), parse_schedule({}, "test"), parse_schedule(Schedule().model_dump(), "test")],
    ids=["left out", "by name", "read from a recipe"],
)
def test_numbers_are_neither_mirrored_nor_shifted(written: Schedule) -> None:
    still = written.for_data(NUMBERS, mirrors=True)
    assert (still.mirror, still.shift) == (False, 0)
    pixels = written.for_data(DATA, mirrors=True)
    assert (pixels.mirror, pixels.shift) == (True, 2)


@pytest.mark.parametrize("option", [{"shift": 3}, {"mirror": True}])
def test_a_move_of_numbers_is_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    asked = parse_schedule({**QUICK.model_dump(), **option}, "test")
    with pytest.raises(InputError, match="is for pixels, and the data holds other numbers"):
        train(tmp_path, tiny(), asked.for_data(NUMBERS, mirrors=True), data=NUMBERS)
