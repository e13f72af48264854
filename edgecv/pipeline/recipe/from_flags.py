"""Recipes from the options of a command line or of a call in Python."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.options import Text
from edgecv.core.plugins import Exporter, Technique
from edgecv.core.registry import ARCHITECTURES
from edgecv.datasets.resolve import resolve
from edgecv.evaluation.limits import Limits
from edgecv.formats.lookup import formats_from
from edgecv.pipeline.recipe.checks import (
    check_data,
    check_kernels,
    check_order,
    check_precisions,
    check_trainings,
    check_unlabelled,
)
from edgecv.pipeline.recipe.flag_values import (
    check_calibration,
    exports_of,
    names_in,
    with_calibration,
    with_one_scale,
    with_packing,
)
from edgecv.pipeline.recipe.log_options import LogOptions
from edgecv.pipeline.recipe.options import (
    DataOptions,
    InputOptions,
    StoreOptions,
    TaskOptions,
    TrustOptions,
)
from edgecv.pipeline.recipe.part_options import RecipePartOptions
from edgecv.pipeline.recipe.ready import recipe_path
from edgecv.pipeline.recipe.recipe import Recipe, check_encodable, load_recipe
from edgecv.pipeline.recipe.task_checks import check_targets
from edgecv.pipeline.recipe.technique_options import technique_flags
from edgecv.pipeline.recipe.training_options import BaselineTrainingOptions, TrainingOptions

OF_A_TRAINING = (
    "architecture", "from_model", "weights", "freeze", "schedule", "minutes", "training_device",
)  # fmt: skip
"""Options of a baseline's training alone."""
OF_A_BASELINE = (
    ", which edgecv train takes; --epochs, --lr, --batch and --patience bound the training of a"
    " technique"
)
"""Further remedy for options of a baseline's training beside a MODEL."""
OF_A_NEW_RECIPE = (
    "quantize",
    "formats",
    "io",
    "one_scale",
    "task",
    "profile",
    "teacher",
    *technique_flags(),
    *(name for name in TrainingOptions.model_fields if name != "seed"),
)
"""Options that a recipe defines, so that they are refused together with one."""


CHOSEN_BY_AUTO = ("quantize", "profile", "teacher", "unlabelled", *technique_flags())
"""Options that say themselves what --auto finds."""


class CompressOptions(RecipePartOptions):
    """Options of ``edgecv compress`` and ``edgecv.compress``. None means not given."""

    force: bool = False
    """Replace an existing run of this name."""
    auto: bool = False
    """Try recipes, the cheapest first, until one holds the limits on validation images and is worth
    it: then prove it on the test images."""

    def to_recipe(self, *, is_only_trained: bool = False, is_searched: bool = False) -> Recipe:
        """Return the recipe. Raises InputError that names the flag or the recipe's key.

        ``is_only_trained``: True where nothing but its baseline is made. ``is_searched``: True
        where a search chooses its techniques.
        """
        if self.auto:
            self.refuse("--auto", CHOSEN_BY_AUTO)
        if self.recipe is None:
            recipe = self._new_recipe(is_searched=is_searched)
        else:
            path, has_model = recipe_path(self.recipe), self.model is not None
            found = load_recipe(
                path, self._data(), for_model=has_model, is_only_trained=is_only_trained
            )
            recipe = self._changed_recipe(found)
        check_encodable(recipe)
        if self.kernels is not None:
            check_kernels(recipe.exports, recipe.settings)
        return recipe

    def _new_recipe(self, *, is_searched: bool) -> Recipe:
        recipe = self._recipe_of_flags(are_chosen=is_searched or self.auto)
        check_data(recipe.data, recipe.baseline, recipe.techniques, recipe.gates, "--data")
        check_targets(recipe.data, recipe.task, "--data")
        check_unlabelled(recipe.settings, recipe.techniques, "--unlabelled")
        _check_calibration(recipe, "--calibration-images")
        return recipe

    def _recipe_of_flags(self, *, are_chosen: bool) -> Recipe:
        """Return the recipe of the options; ``are_chosen``: others choose its techniques."""
        if self.model is not None:
            self.refuse("MODEL", OF_A_TRAINING, OF_A_BASELINE)
        else:
            self._refuse_without_model()
        quantize = names_in(self.quantize or ("int8",))
        steps = ""
        for name, value in self.given_techniques().items():
            steps += f"-{name}" if value is True else f"-{name}{value}"
        steps += f"-{Path(self.profile).stem}" if self.profile else ""
        data = self.data or "cifar10"
        origin_of_data = Path(data).stem if isinstance(data, str) else data.name
        origin = Path(self.model).stem if self.model else self.architecture or "cifar_cnn"
        if self.from_model is not None:
            self.refuse("--from", ("architecture", "weights"))
            origin = f"from-{Path(self.from_model).stem}"
        possible = formats_from(Path(self.model)) if self.model else ()
        exports = exports_of(
            quantize, self.formats, self.calibration_images, self.io, possible=possible
        )
        exports = with_packing(with_one_scale(exports, self.one_scale), self.pack)
        techniques = self._techniques(exports, are_chosen=are_chosen)
        check_order(techniques, "the options", are_flags=True)
        check_trainings(techniques, "the options")
        check_precisions(techniques, exports, "--quantize")
        for technique in techniques:
            technique.check_exports(exports, self.flag_name(technique.name))
        return Recipe(
            settings=self._settings(
                {
                    "name": self.name
                    or _clean(f"{origin_of_data}-{origin}{steps}-{'-'.join(quantize)}")
                }
            ),
            data=resolve(
                data,
                skip_bad_images=self.skip_bad_images,
                resize=self.resize,
                validation=self.validation,
            ),
            task=self._weighted_task(),
            task_is_given=bool(self.task or self.class_weights) or not self.model,
            baseline=self._baseline(),
            architecture=ARCHITECTURES.parse(
                {"architecture": self.architecture or "cifar_cnn"}, "--architecture"
            ),
            schedule=self.parsed_schedule(is_trained=self.model is None),
            techniques=techniques,
            exports=exports,
            gates=self.changed(Limits(), on_device=self.on is not None),
            logs=self.parsed_logs(),
        )

    def _techniques(
        self, exports: Sequence[Exporter], *, are_chosen: bool
    ) -> tuple[Technique, ...]:
        """Return the techniques in their order of application."""
        training = self.training
        techniques = self.parsed_techniques(exports, training)
        given = [*training, *(["class_weights"] if self.model and self.class_weights else [])]
        if given and not are_chosen and not any(each.trainings for each in techniques):
            raise InputError(
                self.flag_name(given[0]),
                "is for a training, and MODEL is only converted",
                accepted="with a technique that trains, such as --qat or --prune",
                remedy="leave it out",
            )
        return techniques

    def _changed_recipe(self, recipe: Recipe) -> Recipe:
        self.refuse("--recipe", OF_A_NEW_RECIPE)
        changes: dict[str, Any] = {
            "settings": self._settings({**dict(recipe.settings), "name": self.name or recipe.name}),
            "data": resolve(recipe.data, validation=self.validation),
            "gates": self.changed(recipe.gates, on_device=self.on is not None),
            "logs": self.parsed_logs() or recipe.logs,
        }
        if self.model is not None:
            # What the recipe says beside the model's own file stays.
            kept = {name: getattr(recipe.baseline, name) for name in ("teacher", "labels")}
            own = {name: value for name, value in kept.items() if value is not None}
            given = self._baseline()
            changes["baseline"] = given.model_copy(
                update={name: value for name, value in own.items() if not getattr(given, name)}
            )
        else:
            self._refuse_without_model()
            self.refuse("--recipe", ("input_size",))
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
        changes["exports"] = with_packing(changes.get("exports", recipe.exports), self.pack)
        changed = recipe.replace(**changes)
        searched, techniques = changed.search is not None, changed.techniques
        check_data(
            changed.data,
            changed.baseline,
            techniques,
            changed.gates,
            "--data",
            is_searched=searched,
        )
        check_unlabelled(changed.settings, techniques, "--unlabelled", is_searched=searched)
        is_flag = self.calibration_images is not None
        where = "--calibration-images" if is_flag else f"{self.recipe}, calibration_images"
        _check_calibration(changed, where)
        return changed


class TrainOptions(
    StoreOptions,
    LogOptions,
    BaselineTrainingOptions,
    TaskOptions,
    DataOptions,
    TrustOptions,
    InputOptions,
):
    """Options of ``edgecv train`` and ``edgecv.train``."""

    recipe: Text | None = None
    """Train the baseline of this recipe."""

    def to_recipe(self) -> Recipe:
        """Return the recipe whose baseline is trained. Raises InputError that names the flag."""
        given = {name: getattr(self, name) for name in TrainOptions.model_fields}
        return CompressOptions(**given).to_recipe(is_only_trained=True)


def _check_calibration(recipe: Recipe, where: str) -> None:
    is_trained = recipe.baseline.model is None
    check_calibration(recipe.data, recipe.exports, where, is_trained=is_trained)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("-._").rstrip("-.")[:100]
