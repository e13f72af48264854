"""Keras 3 ``.keras`` files, rebuilt layer by layer in tf-keras, and compared with the original."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.formats.keras.allowlist import Problem, check_names, refuse
from edgecv.formats.keras.keras3.archive import KerasArchive, read_archive
from edgecv.formats.keras.keras3.build import Builder, Unbuildable
from edgecv.formats.keras.keras3.original import OriginalModel
from edgecv.formats.keras.keras3.parity import RebuildParity, keras3_parity
from edgecv.formats.keras.keras3.plan import ModelPlan, PlanReader
from edgecv.formats.keras.keras3.weights import KerasWeights, UnusableWeights
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.models.tf import load_tensorflow


class Rebuilt(NamedTuple):
    """A tf-keras model, and the layer that stands for each layer of the original."""

    model: KerasModel
    ends: dict[str, Any]


def load_with_parity(path: Path, trust: Trust) -> tuple[KerasModel, RebuildParity]:
    """Return the tf-keras model of a Keras 3 archive, and its parity with the original.

    Raises InputError if it cannot be rebuilt, is not safe, or is not the same afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="edgecv-keras3-") as name:
        folder = Path(name)
        archive = read_archive(path, folder)
        plan = read_plan(path, archive, trust)
        # Keras 3 takes seconds to start: it does so while the model is rebuilt, and sees the file
        # only after that.
        with OriginalModel(path, folder, trust) as original:
            rebuilt = rebuild(path, archive, plan, trust)
            copy = folder / "checked.keras"
            archive.write(copy)
            parity = keras3_parity(original, copy, *rebuilt, archive.policies)
    return rebuilt.model, parity


def read_plan(path: Path, archive: KerasArchive, trust: Trust = NO_TRUST) -> ModelPlan:
    """Return the plan of a configuration. Raises InputError with all problems."""
    reader = PlanReader(trust)
    try:
        unsafe = check_names(archive.configuration, trust)
        plan = reader.model(archive.configuration, "", "")
    except RecursionError:
        raise InputError(str(path), "is a damaged Keras file: its tables are nested") from None
    named = {problem.place for problem in unsafe}
    refuse(path, [*unsafe, *(each for each in reader.problems if each.place not in named)])
    return plan


def rebuild(path: Path, archive: KerasArchive, plan: ModelPlan, trust: Trust = NO_TRUST) -> Rebuilt:
    """Return the model of a plan, with the archive's weights. Raises InputError with the place."""
    load_tensorflow()
    objects = trust.objects()
    try:
        with KerasWeights(archive.weights) as weights:
            builder = Builder(weights, objects)
            model = builder.build(plan)
            extra = weights.left_over()
    except Unbuildable as error:
        refuse(path, [error.problem])
        raise AssertionError from error
    except UnusableWeights as error:
        raise InputError(
            str(path),
            f"has weights that cannot be read: {error}",
            remedy="save the model again in Keras 3",
        ) from None
    refuse(path, [Problem(name, "weights", "belong to no layer") for name in extra])
    return Rebuilt(model, builder.ends)
