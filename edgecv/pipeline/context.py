"""The context of a command: its listener, its log and its child processes, made once a command.

Everything below takes the context instead of its parts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgecv.core.events import Event, OnEvent, ignore_event
from edgecv.core.locks import waits_heard
from edgecv.datasets.cache_settings import cache_set
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline.conversion import Converter, open_converter
from edgecv.pipeline.measure import MeasurementPool
from edgecv.pipeline.prediction_cache import NO_CACHE, PredictionCache
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.system.storage import Store


@dataclass(frozen=True)
class AnalysisContext:
    """The context of a command that examines files and writes no run."""

    on_event: OnEvent
    log: Path | None
    """The file that collects what native code prints."""
    converter: Converter
    measurements: MeasurementPool
    seed: int
    threads: int
    """Threads of a runtime while its latency is measured."""
    judged_on: str = "test"
    """The split that files are judged on."""

    def emit(
        self, stage: str, message: str, step: int | None = None, total: int | None = None
    ) -> None:
        """Report an event to the listener: ``step`` of ``total`` if it is counted."""
        self.on_event(Event(stage, message, step, total))


@dataclass(frozen=True)
class RunContext(AnalysisContext):
    """The context of a run, shared by its steps."""

    store: Store = field(kw_only=True)


@contextmanager
def open_analysis(
    settings: RunSettings,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
    trust: Trust = NO_TRUST,
    prediction_cache: PredictionCache = NO_CACHE,
) -> Iterator[AnalysisContext]:
    """Open the context of a command that writes no run; its child processes end with it.

    ``trust``: allowed content of the Keras models that are measured. ``prediction_cache`` stores
    predictions for callers that measure often.
    """
    pool = MeasurementPool(
        settings.threads,
        on_event,
        log,
        trust,
        prediction_cache,
        settings.kernels,
        settings.device,
    )
    cache = cache_set(settings.cache, settings.cache_limit, is_off=settings.no_cache)
    heard = waits_heard(lambda line: on_event(Event("wait", line)))
    with heard, cache, open_converter(log) as converter, pool:
        yield AnalysisContext(
            on_event,
            log,
            converter,
            pool,
            settings.seed,
            settings.threads,
            settings.judged_on,
        )


@contextmanager
def open_run(
    store: Store,
    settings: RunSettings,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> Iterator[RunContext]:
    """Open the context of a run; its child processes end with it."""
    with open_analysis(settings, on_event, log) as shared:

        def say(line: str) -> None:
            shared.emit("wait", line)

        own = Store(store.root, store.group, store.sharing, say)
        yield RunContext(**vars(shared), store=own)
