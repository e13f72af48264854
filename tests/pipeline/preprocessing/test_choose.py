"""The choice of a preprocessing: by a paired test on images of all classes, or by statistics."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from edgecv.core.data import Dataset, Images, Outputs, Split
from edgecv.core.errors import InputError
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.preprocessing import NAMED, Preprocessing
from edgecv.evaluation.task_of import default_task
from edgecv.pipeline.preprocessing import ModelReader, choose_preprocessing, no_outputs
from edgecv.pipeline.preprocessing.trial import choices_with, run_trial, sample_size
from edgecv.pipeline.task_choice import choose_task

CLASSES = 2
BETTER = {name: 0.6 for name in NAMED} | {"0..1": 0.9}


def ordered_data(count: int = 600, *, has_labels: bool = True) -> Dataset:
    """Return two classes, all images of the first before the second; a pixel holds its number."""
    labels = np.repeat([0, 1], count // 2)
    images = np.zeros((count, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(count), 256)
    images[:, 0, 0, 2] = labels
    nothing = Split(images[:0], labels[:0], "")
    test = Split(images, labels, "")
    names = ("first", "second") if has_labels else ()
    return Dataset("ordered", names, nothing, nothing, nothing, test, has_labels=has_labels)


def model(
    accuracies: Mapping[str, float],
    evidence: InputEvidence | None = None,
    tried: list[str] | None = None,
) -> ModelReader:
    """Return a model that is right on a share of the images, by its preprocessing."""

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        found = {}
        for name in choices:
            if tried is not None:
                tried.append(name)
            number = images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 0, 1]
            is_right = (number * 7919 % 1000) < 1000 * accuracies.get(name, 0.5)
            answers = np.where(is_right, images[:, 0, 0, 2], 1 - images[:, 0, 0, 2])
            found[name] = Outputs.one(np.eye(CLASSES, dtype=np.float32)[answers])
        return found

    return ModelReader("model.h5", predict, lambda images: evidence or InputEvidence())


def test_a_clearly_better_choice_ends_the_run_and_is_named() -> None:
    message = r"other pixels than 0\.\.255.*(89|9\d)\.\d% as 0\.\.1.* give --preprocess 0\.\.1$"
    with pytest.raises(InputError, match=message):
        choose_preprocessing(model(BETTER), ordered_data(), default_task(), None)


def test_pixels_that_give_no_numbers_are_wrong_ones() -> None:
    works = model(dict.fromkeys(NAMED, 0.9))

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        return {**works.predict(images, choices), "0..255": no_outputs(images)}

    reader = ModelReader("model.h5", predict, works.evidence)
    with pytest.raises(InputError, match=r"0\.0% as 0\.\.255.*give --preprocess 0\.\.1, "):
        choose_preprocessing(reader, ordered_data(), default_task(), None)


def test_outputs_of_another_count_are_refused_before_they_are_scored() -> None:
    reader = model(BETTER)

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        rows = np.full((len(images), 4), 0.25, np.float32)
        return dict.fromkeys(choices, Outputs.one(rows)) | {"0..255": no_outputs(images)}

    reader = ModelReader("model.h5", predict, reader.evidence)
    with pytest.raises(InputError, match=r"gives 4 classes; accepted: 2, as ordered has"):
        choose_preprocessing(reader, ordered_data(), default_task(), None)


def test_choices_that_cannot_be_with_distinct_digits_leave_the_default() -> None:
    same = dict.fromkeys(NAMED, 0.8)
    found = choose_preprocessing(model(same), ordered_data(), default_task(), None)
    assert (found.preprocess, found.notes) == (None, ())


def test_a_choice_that_only_seems_better_is_said() -> None:
    accuracies = {name: 0.7 for name in NAMED} | {"-1..1": 0.8}
    few = ordered_data(40)
    (note,) = choose_preprocessing(model(accuracies), few, default_task(), None).notes
    assert "-1..1 may be the right --preprocess" in note


def test_an_open_choice_is_tried_on_more_images_where_a_class_is_rare() -> None:
    """As many images of each class are fewer than a trial asks for: it was taken for all."""
    data = ordered_data(4000)
    labels = np.arange(4000) >= 3850
    data.test.images[:, 0, 0, 2] = labels
    data = replace(data, test=Split(data.test.images, labels.astype(np.int64), ""))
    reader = model(dict.fromkeys(NAMED, 0.8) | {"0..1": 0.83})
    choices, current = choices_with(None, 3)
    trial = run_trial(reader, choices, current, data, default_task())
    assert trial.images > 1000
    assert trial.images == sample_size(data, 2000)


def test_a_model_that_says_one_class_is_not_taken_for_a_right_one() -> None:
    """A sample of one class would make 100% out of 50%."""

    def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
        first = np.tile(np.array([0.9, 0.1], np.float32), (len(images), 1))
        other = first[:, ::-1]
        return {n: Outputs.one(first if n == "caffe" else other) for n in choices}

    reader = ModelReader("model.h5", predict, lambda images: InputEvidence())
    (note,) = choose_preprocessing(reader, ordered_data(), default_task(), None).notes
    assert "with no --preprocess is the model better than guessing" in note
    assert "50.0% as caffe" in note


def test_a_slow_model_is_tried_on_as_many_images_as_a_minute_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, taken = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(accuracies: Mapping[str, float], image_s: float) -> ModelReader:
        quick = model(accuracies)

        def predict(images: Images, choices: Mapping[str, Preprocessing]) -> Mapping[str, Outputs]:
            now[0] += image_s * len(images)
            taken.append(len(images))
            return quick.predict(images, choices)

        return ModelReader("model.h5", predict, quick.evidence)

    with pytest.raises(InputError, match="score on 100 images, as many as a minute allows, is "):
        choose_preprocessing(slow(BETTER, 0.6), ordered_data(), default_task(), None)
    with pytest.raises(InputError, match=r"on 64 images, .*give --preprocess 0\.\.1$"):
        choose_preprocessing(slow(BETTER, 9.0), ordered_data(), default_task(), None)
    same = dict.fromkeys(NAMED, 0.8)
    (note,) = choose_preprocessing(slow(same, 9.0), ordered_data(), default_task(), None).notes
    assert "no other --preprocess than 0..255 is clearly better: its score on 64 images" in note
    assert taken == [64, 36, 64, 64]


@pytest.mark.parametrize("asked", ["0..1", "0..255"])
def test_what_was_asked_for_is_kept(asked: str) -> None:
    found = choose_preprocessing(model(BETTER), ordered_data(), default_task(), NAMED[asked])
    assert found.preprocess is None
    assert [f"--preprocess {asked} was asked for" in note for note in found.notes] == (
        [] if asked == "0..1" else [True]
    )


def test_numbers_of_a_recipe_are_compared_too() -> None:
    own = Preprocessing(scale=0.5)
    (note,) = choose_preprocessing(model(BETTER), ordered_data(), default_task(), own).notes
    assert "49.8% as given" in note


def test_a_graph_that_rescales_is_not_tried() -> None:
    tried: list[str] = []
    evidence = InputEvidence("its graph brings 0..255 to 0..1")
    reader = model(BETTER, evidence, tried)
    assert choose_preprocessing(reader, ordered_data(), default_task(), None).preprocess is None
    assert not tried


def test_batch_normalization_decides_between_several_that_are_better() -> None:
    evidence = InputEvidence("", (("0..255", 900.0), ("0..1", 0.02), ("imagenet", 3.0)))
    accuracies = {"0..255": 0.5, "0..1": 0.8, "imagenet": 0.9}
    with pytest.raises(InputError, match=r"give --preprocess 0\.\.1$"):
        choose_preprocessing(model(accuracies, evidence), ordered_data(), default_task(), None)


def test_statistics_decide_where_accuracy_does_not() -> None:
    evidence = InputEvidence("", (("0..255", 900.0), ("0..1", 0.02), ("-1..1", 0.8)))
    with pytest.raises(InputError, match=r"divergence.*give --preprocess 0\.\.1$"):
        choose_preprocessing(
            model(dict.fromkeys(NAMED, 0.8), evidence), ordered_data(40), default_task(), None
        )


@pytest.mark.parametrize(
    ("divergences", "expected"),
    [
        ({"0..255": 0.1, "0..1": 4.0}, None),
        ({"0..255": 4000.0, "0..1": 0.02, "-1..1": 0.8}, "0..1"),
        (
            {"0..255": 4000.0, "0..1": 0.2, "-1..1": 0.3},
            r"0\.\.1 or --preprocess -1\.\.1",
        ),
        ({"0..255": 0.0, "0..1": 0.0}, r"give --preprocess 0\.\.255 or --preprocess 0\.\.1"),
        ({"0..255": 4000.0, "0..1": 2.0}, "was trained on none of them"),
        ({}, "has no batch normalization that shows its pixels"),
    ],
)
def test_without_labels_statistics_decide_or_the_flag_is_asked_for(
    divergences: dict[str, float], expected: str | None
) -> None:
    reader = model({}, InputEvidence("", tuple(divergences.items())))
    data = ordered_data(has_labels=False)
    if expected in (None, "0..1"):
        assert choose_preprocessing(reader, data, default_task(), None).preprocess == expected
        return
    with pytest.raises(InputError, match=expected):
        choose_preprocessing(reader, data, default_task(), None)


def test_labels_that_fit_no_output_are_not_called_missing() -> None:
    """A model of one number was told that its folders of classes have no labels."""
    data = replace(ordered_data(), class_names=("first", "second", "third"))
    task, notes = choose_task(data, [(1,)], "numbers", "model.h5")
    found = "1 number an image, which fits no targets of the data (3 classes): compared by numbers"
    message = re.escape(f"; the model gives {found}; without labels for its outputs nothing")
    with pytest.raises(InputError, match=message):
        choose_preprocessing(model({}), task.of_task(data), task, None, notes)


def test_several_that_fit_are_refused_in_a_whole_sentence() -> None:
    divergences = (("0..255", 3.0), ("0..1", 0.05), ("-1..1", 0.03))
    reader = model({}, InputEvidence(divergences=divergences))
    with pytest.raises(InputError) as caught:
        choose_preprocessing(reader, ordered_data(has_labels=False), default_task(), None)
    assert str(caught.value) == (
        "model.h5: does not show which of its pixels are right: divergence of what its first batch"
        " normalization sees from what it saw in training: 0..255 3, 0..1 0.05, -1..1 0.03; give"
        " --preprocess -1..1 or --preprocess 0..1: the one that it was trained with"
    )
