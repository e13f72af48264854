"""Keras 3 files, rebuilt layer by layer in tf-keras, or exported by Keras 3 as they are.

Either model is compared with the original, which Keras 3 runs in a child process.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import listed
from edgecv.formats.keras.allowlist import MODELS, VALUES, Problem, check_names, refuse
from edgecv.formats.keras.keras3.archive import KerasArchive, read_archive, with_tables
from edgecv.formats.keras.keras3.build import Builder, Unbuildable, Untranslatable
from edgecv.formats.keras.keras3.original import OriginalModel
from edgecv.formats.keras.keras3.parity import NotEqual, RebuildParity, keras3_parity
from edgecv.formats.keras.keras3.plan import ModelPlan, PlanReader
from edgecv.formats.keras.keras3.weights import KerasWeights, UnusableWeights, checked_bytes
from edgecv.formats.saved_model.importer import network_in
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.models.tf import load_tensorflow

SHOWN = 3
"""The most layers that a note names as a reason."""


class Rebuilt(NamedTuple):
    """A tf-keras model, and the layer that stands for each layer of the original."""

    model: KerasModel
    ends: dict[str, Any]


class NotRebuilt(Exception):
    """A model that tf-keras cannot have. The message names the layers."""


def load_with_parity(path: Path, trust: Trust) -> tuple[KerasModel, RebuildParity]:
    """Return the tf-keras model of a Keras 3 archive, and its parity with the original.

    Raises InputError if it is not safe, is damaged, or is not the same afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="edgecv-keras3-") as name:
        folder = Path(name)
        archive = read_archive(path, folder)
        check_classes(path, archive.configuration, trust)
        # Keras 3 takes seconds to start: it does so while the model is rebuilt, and sees the file
        # only after that.
        with OriginalModel(path, folder, trust) as original:
            return _converted(archive, original, folder, trust)


def load_hdf5_with_parity(
    path: Path, configuration: Any, trust: Trust
) -> tuple[KerasModel, RebuildParity]:
    """Return the same for an HDF5 file of Keras 3, which Keras 3 writes as an archive before."""
    with tempfile.TemporaryDirectory(prefix="edgecv-keras3-") as name:
        folder = Path(name)
        check_classes(path, with_tables(configuration, _with_module), trust)
        checked_bytes(path, path)
        link, saved = folder / "checked.h5", folder / "saved.keras"
        link.symlink_to(path.absolute())
        with OriginalModel(path, folder, trust) as original:
            original.save(link, saved)
            archive = read_archive(saved, folder)
            check_classes(path, archive.configuration, trust)
            return _converted(archive, original, folder, trust)


def check_classes(path: Path, configuration: Any, trust: Trust = NO_TRUST) -> None:
    """Raise InputError if a configuration names a class that does not only compute."""
    try:
        refuse(path, check_names(configuration, trust))
    except RecursionError:
        raise InputError(str(path), "is a damaged Keras file: its tables are nested") from None


def read_plan(path: Path, archive: KerasArchive, trust: Trust = NO_TRUST) -> ModelPlan:
    """Return the plan of a checked configuration. Raises NotRebuilt."""
    reader = PlanReader(trust)
    try:
        plan = reader.model(archive.configuration, "", "")
    except RecursionError:
        raise InputError(str(path), "is a damaged Keras file: its tables are nested") from None
    if reader.problems:
        raise NotRebuilt(listed([str(each) for each in dict.fromkeys(reader.problems)], SHOWN))
    return plan


def rebuild(path: Path, archive: KerasArchive, plan: ModelPlan, trust: Trust = NO_TRUST) -> Rebuilt:
    """Return the model of a plan, with the archive's weights.

    Raises NotRebuilt, or InputError with the place of the damage.
    """
    load_tensorflow()
    objects = trust.objects()
    try:
        with KerasWeights(archive.weights) as weights:
            builder = Builder(weights, objects)
            model = builder.build(plan)
            extra = weights.left_over()
    except Untranslatable as error:
        raise NotRebuilt(str(error.problem)) from None
    except Unbuildable as error:
        refuse(path, [error.problem])
        raise AssertionError from error
    except UnusableWeights as error:
        raise error.of_file(path) from None
    refuse(path, [Problem(name, "weights", "belong to no layer") for name in extra])
    return Rebuilt(model, builder.ends)


def _converted(
    archive: KerasArchive, original: OriginalModel, folder: Path, trust: Trust
) -> tuple[KerasModel, RebuildParity]:
    copy = folder / "checked.keras"
    try:
        plan = read_plan(original.path, archive, trust)
        rebuilt = rebuild(original.path, archive, plan, trust)
        archive.write(copy)
        return rebuilt.model, keras3_parity(original, copy, *rebuilt, archive.policies)
    except (NotRebuilt, NotEqual) as error:
        reason = error.found if isinstance(error, NotEqual) else str(error)
    checked_bytes(original.path, archive.weights)
    archive.write(copy)
    exported = folder / "exported"
    try:
        original.export(copy, exported)
        model = network_in(exported, original.path)
        parity = keras3_parity(original, copy, model, {}, archive.policies)
    except (InputError, StepError) as error:
        found = (
            f"cannot be rebuilt in tf-keras ({reason}), nor be converted as it is: {error.found}"
        )
        raise InputError(
            str(original.path), found, accepted=error.accepted, remedy=error.remedy
        ) from error
    return model, replace(parity, unbuildable=reason)


def _with_module(table: dict[str, Any]) -> dict[str, Any]:
    """Add the module that Keras takes a layer of an HDF5 file from."""
    name = table.get("class_name")
    is_named = bool(table.keys() & {"module", "registered_name"})
    if isinstance(name, str) and name not in VALUES and not is_named:
        table["module"] = "keras" if name in MODELS else "keras.layers"
    return table
