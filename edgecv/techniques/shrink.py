"""Channel pruning: whole channels are removed, and the narrower model is trained further.

The graph of dependent channels is that of Fang et al., "DepGraph: towards any structural pruning",
2023, implemented anew; for the rankings see ``channel_pruning/ranking.py``.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from edgecv.core.comparison import Comparison
from edgecv.core.costs import Costs
from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import Text
from edgecv.core.plugins import (
    Exporter,
    Head,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.core.registry import EXPORTERS, RUNTIMES
from edgecv.core.report import Gate
from edgecv.evaluation.gates import latency_gate, most_gate, speed_gate
from edgecv.formats.lookup import runtime_of_format
from edgecv.models.channels.costs import totals
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rebuild import rebuild
from edgecv.models.channels.trace import trace
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.channel_pruning.allocation import Candidate, ChannelAllocation, order_of
from edgecv.techniques.channel_pruning.measurements import Measurements
from edgecv.techniques.channel_pruning.ranking import Ranking, check_has_scales, scores
from edgecv.techniques.channel_pruning.sensitivity import damages
from edgecv.techniques.channel_pruning.target_flag import parse_targets
from edgecv.techniques.channel_pruning.targets import Search, Targets, out_of_reach
from edgecv.techniques.channel_pruning.width_steps import WidthSteps, width_steps_of

HALF = 0.5


def _of_flag(value: str, exports: Sequence[Exporter]) -> dict[str, Any]:
    targets = parse_targets(value)
    if not {"latency_us", "speedup", "int8_bytes"} & set(targets):
        return targets
    first = exports[0]  # Measured as what will be written: of several, as the first.
    runtime = runtime_of_format(first.format).name
    return {**targets, "runtime": runtime, "precision": first.precision}


class Shrink(Technique):
    """Removes whole channels, and trains the narrower model on."""

    name: ClassVar[str] = "shrink"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.WIDTHS})
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Remove channels: the fraction of multiply-accumulates to keep (0.5), or a target: "
        "1.2Mmacs, 30kparams, 35KB (int8 file), 10us, 6x (faster than float32); several with a "
        "comma.",
        place=10,
        kind=Text,
        parse=_of_flag,
        beside={"distil": {"fine_tune": False}},
    )
    keep: float | None = Field(default=None, gt=0, lt=1)
    """Fraction of the multiply-accumulates to keep; 0.5 where no target is given."""
    macs: int | None = Field(default=None, ge=1)
    """No more multiply-accumulates than this."""
    parameters: int | None = Field(default=None, ge=1)
    """No more parameters than this."""
    int8_bytes: int | None = Field(default=None, ge=1)
    """An int8 file of no more bytes than this, in the format of ``runtime``."""
    arena_bytes: int | None = Field(default=None, ge=1)
    """No more bytes of memory than this for the int8 .tflite file as plain C."""
    latency_us: float | None = Field(default=None, gt=0)
    """An image in no more microseconds than this, measured on ``runtime``."""
    speedup: float | None = Field(default=None, gt=1)
    """At least so many times faster than the float32 twin, measured on ``runtime``."""
    runtime: str = Field(
        default="litert", json_schema_extra=lambda schema: schema.update(enum=[*_exporters()])
    )
    """The runtime on which latency and bytes are measured."""
    precision: str = Field(
        default="int8", json_schema_extra=lambda schema: schema.update(enum=[*_precisions()])
    )
    """The precision at which latency is measured."""
    widths: dict[str, Annotated[int, Field(ge=1)]] = Field(default={})
    """Channels to keep by layer, by name pattern: {"conv_1" = 16}; the first that matches."""
    ranking: Ranking = "l1"
    """The channels that go first: those of small weights (l1, l2; with the BatchNormalization after
    them folded in), of a small BatchNorm scale (bn_scale), of little first-order effect on the
    loss (taylor), or close to all others (geometric_median)."""
    floor: float = Field(default=0.125, gt=0, le=1)
    """The smallest fraction of its channels that a layer keeps."""
    multiple: int = Field(default=8, ge=1, le=256)
    """Numbers of channels are multiples of this, which kernels like."""
    rounds: int = Field(default=1, ge=1, le=20)
    """Remove and train in so many rounds, with a new ranking in each."""
    exclude: tuple[str, ...] = Field(default=(), strict=False)
    """Layers to leave whole, by name pattern."""
    fine_tune: bool = True
    """Train after each round; false leaves all training to the next technique."""
    training: Schedule = Schedule(epochs=10, minimum_steps=400, learning_rate=0.003, warmup=0.1)
    """The fine-tuning after each round."""
    distil: Distillation | None = None
    """Train against the baseline's outputs."""

    @model_validator(mode="after")
    def _rounds_are_trained(self) -> Self:
        if not self.fine_tune and (self.rounds > 1 or self.distil):
            raise ValueError("fine_tune = false trains nothing: leave rounds and distil out")
        return self

    @model_validator(mode="after")
    def _is_a_file(self) -> Self:
        exporters = _exporters()
        if self.precision not in exporters[self.runtime].precisions:
            able = [name for name, cls in exporters.items() if self.precision in cls.precisions]
            raise ValueError(f"{self.precision} is for {', '.join(able)} alone")
        if self.arena_bytes and self._file_format != "tflite":
            raise ValueError("arena_bytes is of a .tflite file: leave runtime out")
        return self

    @field_validator("runtime", "precision")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        known = [*_exporters()] if info.field_name == "runtime" else _precisions()
        if value not in known:
            raise ValueError(" or ".join(map(repr, known)))
        return value

    @property
    def trainings(self) -> tuple[Schedule, ...]:
        """The schedule of each round."""
        return (self.training,) * self.rounds if self.fine_tune else ()

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if nothing can be removed, or a target is out of reach."""
        graph = trace(model)
        width_steps = self._width_steps(graph, _widths(graph))
        if self.ranking == "bn_scale":
            check_has_scales(
                graph, tuple(each for each in graph.widths if each.name in width_steps)
            )
        macs, parameters = totals(graph, graph.everything())
        least = _narrowest(graph, width_steps)
        for option, wanted, fewest, all_of in (
            ("multiply-accumulates", self._macs_wanted(macs), least.macs, macs),
            ("parameters", self.parameters, least.parameters, parameters),
        ):
            if wanted is not None and wanted < fewest:
                raise out_of_reach(
                    option,
                    f"{wanted:,.0f} of {all_of:,} are asked for",
                    f"{fewest:,} and more, at this floor and multiple",
                )

    def least_parameters(self, model: KerasModel, input_shape: Shape, head: Head) -> int:
        """Return the parameters of the narrowest model, at this floor and multiple."""
        graph = trace(model)
        return _narrowest(graph, self._width_steps(graph, _widths(graph))).parameters

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a narrower copy of the model, trained on."""
        self.check_model(model)
        graph = trace(model)
        if graph.not_followed:
            context.note(
                f"left whole, as channels cannot be followed through it: "
                f"{', '.join(graph.not_followed)}"
            )
        if graph.whole:
            context.note(
                "left whole, as a removed channel would leave a value behind or others depend on "
                f"it: {', '.join(graph.whole)}"
            )
        targets = self._targets(totals(graph, graph.everything())[0])
        before = _widths(graph)
        for number in range(1, self.rounds + 1):
            model = self._round(model, targets, before, number, context)
            is_narrower = _channels(trace(model)) != _channels(graph)
            # A model that fits into a board's memory as it is is not trained for that.
            if self.fine_tune and (is_narrower or self.arena_bytes is None):
                context.fit(model, self.training, None, self.distil)
        made, left = _channels(graph), _channels(trace(model))
        makers = dict.fromkeys(path for width in graph.widths for path in width.makers)
        changes = [f"{path} {made[path]} to {left[path]}" for path in makers]
        if made == left:
            context.note("nothing had to be removed: the model holds all that is asked for")
        context.note(f"channels: {', '.join(changes)}")
        return model

    def check_exports(self, exports: Sequence[Exporter], where: str) -> None:
        """Raise InputError if no file is written that a measured target could be seen in."""
        kinds = {(exporter.format, exporter.precision) for exporter in exports}
        file_format = self._file_format
        for option, precision in (
            ("int8_bytes", "int8"),
            ("arena_bytes", "int8"),
            ("latency_us", self.precision),
            ("speedup", self.precision),
        ):
            if getattr(self, option) and (file_format, precision) not in kinds:
                raise InputError(
                    where,
                    f'"{option}" is of an {precision} {file_format} file, and none is written',
                    remedy=f"ask for {precision} as {file_format}, or change runtime or precision",
                )

    def gates(self, comparisons: Sequence[Comparison], costs: Costs | None) -> list[Gate]:
        """Return the gates that hold the finished files to the targets."""
        found: list[Gate] = []
        if costs is not None:
            after = costs.compressed
            wanted = self._macs_wanted(costs.baseline.macs)
            found += [most_gate("macs", "model", wanted, after.macs)] if wanted else []
            if self.parameters:
                found.append(most_gate("parameters", "model", self.parameters, after.parameters))
        for each in comparisons:
            artifact = each.artifact
            if each.is_twin or artifact.format != self._file_format:
                continue
            if self.int8_bytes and artifact.precision == "int8":
                found.append(
                    most_gate("int8_bytes", artifact.path, self.int8_bytes, artifact.bytes)
                )
            if self.speedup and artifact.precision == self.precision:
                found.append(speed_gate(each, self.speedup))
            if self.latency_us and artifact.precision == self.precision:
                found.append(latency_gate(each, self.latency_us))
        return found

    def _round(
        self,
        model: KerasModel,
        targets: Targets,
        before: Mapping[str, int],
        number: int,
        context: TechniqueContext,
    ) -> KerasModel:
        graph = trace(model)
        width_steps = self._width_steps(graph, before)
        chosen = context.remember(
            f"round-{number}",
            lambda: self._choose(model, graph, width_steps, targets, number, context),
        )
        for note in chosen["notes"]:
            context.note(note)
        return rebuild(model, graph, graph.without(np.array(chosen["gone"], np.int64)))

    def _choose(
        self,
        model: KerasModel,
        graph: ChannelGraph,
        width_steps: WidthSteps,
        targets: Targets,
        number: int,
        context: TechniqueContext,
    ) -> dict[str, Any]:
        """Return the units to remove in this round, and sentences for the report."""
        began = time.perf_counter()
        narrowing = self._ranked(model, graph, width_steps, number, context)
        took = time.perf_counter() - began
        whole = {name: steps[0] for name, steps in width_steps.items()}
        measurements = Measurements(
            lambda kept: rebuild(model, graph, graph.without(narrowing.gone({**whole, **kept}))),
            context,
            self.runtime,
            whole,
            f"round-{number}-trial",
        )
        search = Search(targets, width_steps, measurements)
        wanted = search.wanted()
        narrowing = replace(narrowing, timings=search.timings)
        path = list(narrowing.path(wanted))
        place = search.first_that_holds(path)
        if number == self.rounds:
            chosen = search.widened(path[place], narrowing, wanted)
        else:  # With rounds to come, an even part of the way.
            chosen = path[-(-place // (self.rounds - number + 1))]
        notes = [
            f"ranked by {self.ranking} in {took:.1f} s, {len(path)} candidates; multiply-"
            f"accumulates {chosen.macs:,}, parameters {chosen.parameters:,}",
            *search.notes,
        ]
        return {"gone": narrowing.gone(chosen.kept).tolist(), "notes": notes}

    def _ranked(
        self,
        model: KerasModel,
        graph: ChannelGraph,
        width_steps: WidthSteps,
        number: int,
        context: TechniqueContext,
    ) -> ChannelAllocation:
        context.progress(f"ranking channels by {self.ranking}", 0, 1)
        found = scores(model, graph, self.ranking, context)
        orders = {each.name: order_of(each, found) for each in graph.widths}
        damage: dict[str, list[float]] = context.remember(
            f"round-{number}-damage",
            lambda: dict(damages(model, graph, orders, width_steps, context)),
        )
        return ChannelAllocation(
            graph, orders, width_steps, {name: tuple(each) for name, each in damage.items()}
        )

    def _width_steps(self, graph: ChannelGraph, before: Mapping[str, int]) -> WidthSteps:
        return width_steps_of(
            graph.widths,
            before,
            kept=self.widths,
            exclude=self.exclude,
            floor=self.floor,
            multiple=self.multiple,
        )

    def _targets(self, macs: int) -> Targets:
        """Return the targets for a model of ``macs`` multiply-accumulates."""
        limits = self.parameters, self.int8_bytes, self.latency_us, self.speedup
        kind = self.runtime, self.precision
        return Targets(self._macs_wanted(macs), *limits, *kind, self.arena_bytes)

    def _macs_wanted(self, macs: int) -> float | None:
        """Return the fewest multiply-accumulates that are asked for."""
        asked = [each for each in (self.macs, self._fraction and self._fraction * macs) if each]
        return min(asked) if asked else None

    @property
    def _file_format(self) -> str:
        return _exporters()[self.runtime].format

    @property
    def _fraction(self) -> float | None:
        of_files = self.int8_bytes, self.arena_bytes, self.latency_us, self.speedup
        others = self.macs, self.parameters, *of_files
        if self.keep is None and not self.widths and not any(others):
            return HALF
        return self.keep


def _exporters() -> dict[str, type[Exporter]]:
    """Map each runtime that runs on devices to the exporter of its files."""
    writers = {cls.format: cls for cls in EXPORTERS.classes.values()}
    return {
        name: writers[cls.format]
        for name, cls in RUNTIMES.classes.items()
        if cls.runs_on_devices and cls.format in writers
    }


def _precisions() -> list[str]:
    return list(dict.fromkeys(each for cls in _exporters().values() for each in cls.precisions))


def _channels(graph: ChannelGraph) -> dict[str, int]:
    """Return the number of channels that each layer makes."""
    return {path: len(each.made) for path, each in graph.layers.items() if each.made is not None}


def _widths(graph: ChannelGraph) -> dict[str, int]:
    return {width.name: len(width) for width in graph.widths}


def _narrowest(graph: ChannelGraph, width_steps: WidthSteps) -> Candidate:
    """Return the narrowest model that can be made."""
    orders = {each.name: each.units for each in graph.widths}
    narrowest = {name: steps[-1] for name, steps in width_steps.items()}
    return ChannelAllocation(graph, orders, width_steps, {}).candidate(narrowest)
