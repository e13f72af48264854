"""Channel pruning: whole channels are removed, and the narrower model is trained further.

The graph of dependent channels is that of Fang et al., "DepGraph: towards any structural pruning",
2023, implemented anew; for the rankings see ``channel_pruning/ranking.py``.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from edgecv.core.comparison import Comparison
from edgecv.core.costs import Costs
from edgecv.core.data import Shape
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
from edgecv.core.report import Gate
from edgecv.models.channels.costs import totals
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rebuild import rebuild
from edgecv.models.channels.trace import trace
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.channel_pruning.allocation import narrowest
from edgecv.techniques.channel_pruning.measured_files import exporters, precisions
from edgecv.techniques.channel_pruning.ranking import Ranking, check_has_scales
from edgecv.techniques.channel_pruning.round import PruningRound
from edgecv.techniques.channel_pruning.target_flag import targets_of_flag
from edgecv.techniques.channel_pruning.target_gates import check_is_written, target_gates
from edgecv.techniques.channel_pruning.targets import Targets, out_of_reach
from edgecv.techniques.channel_pruning.width_steps import (
    WidthSteps,
    channels_by_layer,
    sizes_of,
    width_steps_of,
)

HALF = 0.5


class Shrink(Technique):
    """Removes whole channels, and trains the narrower model on."""

    name: ClassVar[str] = "shrink"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.WIDTHS})
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Remove channels: the fraction of multiply-accumulates to keep (0.5), or a target: "
        "1.2Mmacs, 30kparams, 35KB (int8 file), 10us, 6x (faster than float32); several with a "
        "comma. Bytes and times are those of the first --format.",
        place=10,
        kind=Text,
        parse=targets_of_flag,
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
        default="litert", json_schema_extra=lambda schema: schema.update(enum=[*exporters()])
    )
    """The runtime on which latency and bytes are measured."""
    precision: str = Field(
        default="int8", json_schema_extra=lambda schema: schema.update(enum=[*precisions()])
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
        by_runtime = exporters()
        if self.precision not in by_runtime[self.runtime].precisions:
            able = [name for name, cls in by_runtime.items() if self.precision in cls.precisions]
            raise ValueError(f"{self.precision} is for {', '.join(able)} alone")
        if self.arena_bytes and self._file_format != "tflite":
            raise ValueError("arena_bytes is of a .tflite file: leave runtime out")
        return self

    @field_validator("runtime", "precision")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        known = [*exporters()] if info.field_name == "runtime" else precisions()
        if value not in known:
            raise ValueError(" or ".join(map(repr, known)))
        return value

    @property
    def trainings(self) -> tuple[Schedule, ...]:
        """The schedule of each round."""
        return (self.training,) * self.rounds if self.fine_tune else ()

    @property
    def is_timed(self) -> bool:
        """True if a latency or a speedup is asked for."""
        return self._targets(None).is_timed

    @property
    def measured_files(self) -> tuple[tuple[str, str], ...]:
        """The files that targets on bytes, memory and time are measured on."""
        return tuple((self._file_format, each) for each in self._targets(None).precisions)

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if nothing can be removed, or a target is out of reach."""
        graph = trace(model)
        width_steps = self._width_steps(graph, sizes_of(graph))
        if self.ranking == "bn_scale":
            check_has_scales(
                graph, tuple(each for each in graph.widths if each.name in width_steps)
            )
        macs, parameters = totals(graph, graph.everything())
        least = narrowest(graph, width_steps)
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
        return narrowest(graph, self._width_steps(graph, sizes_of(graph))).parameters

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
        before = sizes_of(graph)
        for number in range(1, self.rounds + 1):
            model = self._narrower(model, targets, before, number, context)
            is_narrower = channels_by_layer(trace(model)) != channels_by_layer(graph)
            # A model that fits into a board's memory as it is is not trained for that.
            if self.fine_tune and (is_narrower or self.arena_bytes is None):
                context.fit(model, self.training, None, self.distil)
        made, left = channels_by_layer(graph), channels_by_layer(trace(model))
        makers = dict.fromkeys(path for width in graph.widths for path in width.makers)
        changes = [f"{path} {made[path]} to {left[path]}" for path in makers]
        if made == left:
            context.note("nothing had to be removed: the model holds all that is asked for")
        context.note(f"channels: {', '.join(changes)}")
        return model

    def check_exports(self, exports: Sequence[Exporter], where: str) -> None:
        """Raise InputError if no file is written that a measured target could be seen in."""
        check_is_written(self._targets(None), self._file_format, exports, where)

    def gates(self, comparisons: Sequence[Comparison], costs: Costs | None) -> list[Gate]:
        """Return the gates that hold the finished files to the targets."""
        targets = self._targets(None if costs is None else costs.baseline.macs)
        after = None if costs is None else costs.compressed
        return target_gates(targets, self._file_format, comparisons, after)

    def _narrower(
        self,
        model: KerasModel,
        targets: Targets,
        before: Mapping[str, int],
        number: int,
        context: TechniqueContext,
    ) -> KerasModel:
        """Return the model of one round, not trained; what is removed is found once."""
        graph = trace(model)
        steps = self._width_steps(graph, before)
        this = PruningRound(model, graph, steps, targets, self.ranking, number, self.rounds)
        chosen = context.remember(f"round-{number}", lambda: this.choose(context))
        for note in chosen["notes"]:
            context.note(note)
        return rebuild(model, graph, graph.without(np.array(chosen["gone"], np.int64)))

    def _width_steps(self, graph: ChannelGraph, before: Mapping[str, int]) -> WidthSteps:
        return width_steps_of(
            graph.widths,
            before,
            kept=self.widths,
            exclude=self.exclude,
            floor=self.floor,
            multiple=self.multiple,
        )

    def _targets(self, macs: int | None) -> Targets:
        """Return the targets for a model of ``macs`` multiply-accumulates, if that is known."""
        limits = self.parameters, self.int8_bytes, self.latency_us, self.speedup
        kind = self.runtime, self.precision
        wanted = None if macs is None else self._macs_wanted(macs)
        return Targets(wanted, *limits, *kind, self.arena_bytes)

    def _macs_wanted(self, macs: int) -> float | None:
        """Return the fewest multiply-accumulates that are asked for."""
        asked = [each for each in (self.macs, self._fraction and self._fraction * macs) if each]
        return min(asked) if asked else None

    @property
    def _file_format(self) -> str:
        return exporters()[self.runtime].format

    @property
    def _fraction(self) -> float | None:
        of_files = self.int8_bytes, self.arena_bytes, self.latency_us, self.speedup
        others = self.macs, self.parameters, *of_files
        if self.keep is None and not self.widths and not any(others):
            return HALF
        return self.keep
