"""A command line is a recipe too: flags in, recipe out."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Exporter, Technique
from edgecv.core.registry import ARCHITECTURES, TASKS, TECHNIQUES
from edgecv.datasets.class_order import read_labels
from edgecv.datasets.resolve import resolve
from edgecv.evaluation.limits import Limits
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.flag_values import (
    TIMED_ON,
    check_calibration,
    exports_of,
    prune_fraction,
    shrink_options,
    with_calibration,
)
from edgecv.pipeline.recipe.limit_flags import LimitOptions
from edgecv.pipeline.recipe.recipe import (
    BaselineOptions,
    Recipe,
    RunSettings,
    check_data,
    check_name,
    check_precisions,
    load_recipe,
    parse_schedule,
)

RECIPE_ONLY = (
    "quantize",
    "formats",
    "io",
    "shrink",
    "distil",
    "prune",
    "cluster",
    "qat",
    "architecture",
    "schedule",
    "epochs",
)


class CompressOptions(LimitOptions):
    """What a command line may say. None means that the flag was not given."""

    model: str | None = None
    preprocess: str | None = None
    labels: str | None = None
    io: str | None = None
    trust_model: bool = False
    custom_objects: tuple[str, ...] = ()
    recipe: str | None = None
    quantize: str | None = None
    shrink: str | None = None
    distil: bool = False
    prune: str | None = None
    cluster: int | None = None
    qat: bool = False
    formats: tuple[str, ...] = ()
    data: str | DatasetSource | None = None
    architecture: str | None = None
    schedule: str | None = None
    epochs: int | None = None
    name: str | None = None
    calibration_images: int | None = None
    seed: int | None = None
    threads: int | None = None
    skip_bad_images: bool = False

    def to_recipe(self) -> Recipe:
        """Return the recipe. Raises InputError that names the flag or the recipe's key."""
        if self.recipe is None:
            return self._new_recipe()
        return self._changed_recipe(load_recipe(Path(self.recipe)))

    def _new_recipe(self) -> Recipe:
        recipe = self._recipe_of_flags()
        check_data(recipe.data, recipe.baseline, recipe.techniques, recipe.gates, "--data")
        _check_calibration(recipe, "--calibration-images")
        return recipe

    def _recipe_of_flags(self) -> Recipe:
        if self.model is not None:
            self._refuse("MODEL", ("architecture", "schedule", "epochs"))
        else:
            self._refuse_without_model()
        quantize = self.quantize or "int8"
        steps = f"-shrink{self.shrink}" if self.shrink else ""
        steps += "-distil" if self.distil else ""
        steps += f"-prune{self.prune}" if self.prune else ""
        steps += f"-cluster{self.cluster}" if self.cluster else ""
        steps += "-qat" if self.qat else ""
        data = self.data or "cifar10"
        origin_of_data = Path(data).stem if isinstance(data, str) else data.name
        origin = Path(self.model).stem if self.model else self.architecture or "cifar_cnn"
        formats = self.formats
        if not formats and self.model is not None and self.model.lower().endswith(".onnx"):
            formats = ("onnx",)  # Nothing else can be written of one.
        exports = exports_of(quantize, formats, self.calibration_images, self.io)
        techniques = self._techniques(exports)
        check_precisions(techniques, exports, "--quantize")
        for technique in techniques:
            technique.check_exports(exports, "--shrink")
        return Recipe(
            settings=_settings(
                self.name or _clean(f"{origin_of_data}-{origin}{steps}-{quantize}"),
                self.seed or 0,
                1 if self.threads is None else self.threads,
            ),
            data=resolve(data, skip_bad_images=self.skip_bad_images),
            task=TASKS.parse({"task": "classification"}, "task"),
            baseline=self._baseline(),
            architecture=ARCHITECTURES.parse(
                {"architecture": self.architecture or "cifar_cnn"}, "--architecture"
            ),
            schedule=self._schedule(),
            techniques=techniques,
            exports=exports,
            gates=self.changed(Limits()),
        )

    def _techniques(self, exports: Sequence[Exporter]) -> tuple[Technique, ...]:
        """Return the techniques in the order that keeps the work of each."""
        taught: dict[str, Any] = {"distil": {}} if self.distil else {}
        asked: list[tuple[str, dict[str, Any]]] = []
        if self.shrink is not None:
            left = {"fine_tune": False} if self.distil else {}
            targets = shrink_options(self.shrink)
            if {"latency_us", "speedup", "int8_bytes"} & set(targets):
                first = exports[0]  # Measured as what will be written: of two formats, as TFLite.
                targets |= {"runtime": TIMED_ON[first.format], "precision": first.precision}
            asked.append(("shrink", {**targets, **left}))
        if self.distil:
            asked.append(("distil", {}))
        if self.prune is not None:
            target = {"pattern": self.prune} if ":" in self.prune else None
            asked.append(
                ("prune", {**(target or {"sparsity": prune_fraction(self.prune)}), **taught})
            )
        if self.cluster is not None:
            asked.append(("cluster", {"clusters": self.cluster, **taught}))
        if self.qat:
            asked.append(("qat", taught))
        return tuple(
            parse_options(TECHNIQUES.get(name, f"--{name}"), options, f"--{name}")
            for name, options in asked
        )

    def _changed_recipe(self, recipe: Recipe) -> Recipe:
        self._refuse("--recipe", RECIPE_ONLY)
        changes: dict[str, Any] = {
            "settings": _settings(
                self.name or recipe.name,
                recipe.settings.seed if self.seed is None else self.seed,
                recipe.settings.threads if self.threads is None else self.threads,
            ),
            "gates": self.changed(recipe.gates),
        }
        if self.data is not None:
            changes["data"] = resolve(self.data, skip_bad_images=self.skip_bad_images)
        elif self.skip_bad_images:
            raise InputError("--skip-bad-images", "goes with --data when there is a recipe")
        if self.model is not None:
            changes["baseline"] = self._baseline()
        else:
            self._refuse_without_model()
        if self.calibration_images is not None:
            calibrated = [exporter for exporter in recipe.exports if exporter.is_calibrated]
            if not calibrated:
                raise InputError("--calibration-images", "no export of the recipe needs any")
            changes["exports"] = tuple(
                with_calibration(exporter, self.calibration_images)
                if exporter.is_calibrated
                else exporter
                for exporter in recipe.exports
            )
        changed = recipe.replace(**changes)
        check_data(changed.data, changed.baseline, changed.techniques, changed.gates, "--data")
        is_flag = self.calibration_images is not None
        where = "--calibration-images" if is_flag else f"{self.recipe}, calibration_images"
        _check_calibration(changed, where)
        return changed

    def _baseline(self) -> BaselineOptions:
        options = {
            "model": self.model,
            "preprocess": self.preprocess,
            "trust": self.trust_model,
            "custom_objects": self.custom_objects,
        }
        where = "--preprocess" if self.preprocess is not None else "--custom-objects"
        checked = parse_options(BaselineOptions, options, where)
        if self.labels is None:
            return checked
        names = read_labels(Path(self.labels))
        return parse_options(BaselineOptions, {**checked.model_dump(), "labels": names}, "--labels")

    def _refuse_without_model(self) -> None:
        for field in ("preprocess", "labels", "trust_model", "custom_objects"):
            if getattr(self, field):
                flag = f"--{field.replace('_', '-')}"
                raise InputError(
                    flag,
                    "goes with a MODEL, and none is given",
                    remedy=f"name the model's file, or leave {flag} out",
                )

    def _schedule(self) -> Schedule:
        options: dict[str, Any] = {"schedule": self.schedule or "default"}
        if self.epochs is not None:
            options |= {"epochs": self.epochs, "minimum_steps": 0}
        return parse_schedule(options, "--schedule" if self.epochs is None else "--epochs")

    def _refuse(self, beside: str, fields: Sequence[str]) -> None:
        for field in fields:
            if getattr(self, field):
                flag = "--format" if field == "formats" else f"--{field}"
                raise InputError(
                    flag, f"cannot be given beside {beside}", remedy=f"leave out {flag}"
                )


def _check_calibration(recipe: Recipe, where: str) -> None:
    is_trained = recipe.baseline.model is None
    check_calibration(recipe.data, recipe.exports, where, is_trained=is_trained)


def _settings(name: str, seed: int, threads: int) -> RunSettings:
    check_name(name, "--name")
    checked = parse_options(RunSettings, {"name": name, "seed": seed}, "--seed")
    return parse_options(RunSettings, {**checked.model_dump(), "threads": threads}, "--threads")


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100]
