"""What the models of a run cost by their graphs, counted once each."""

from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.records import Costs, ModelCost
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.conversion import Converter
from edgecv.reports.json_file import read_model_cost, write_model_cost
from edgecv.system.storage import Store, content_key

STAGE_VERSION = 1


def costs_of(
    baseline: ModelFile, compressed: ModelFile, store: Store, converter: Converter
) -> tuple[Costs | None, tuple[str, ...]]:
    """Return what the models cost, or a sentence that says why it is not known."""
    try:
        return Costs(
            _cost_of(baseline, store, converter), _cost_of(compressed, store, converter)
        ), ()
    except InputError as error:
        return None, (f"multiply-accumulates and activations are not known: {error}",)


def _cost_of(model: ModelFile, store: Store, converter: Converter) -> ModelCost:
    def make(folder: Path) -> None:
        write_model_cost(converter.count(model), folder / "cost.json")

    key = content_key("cost", STAGE_VERSION, model.sha256, model.trust.model_dump())
    return read_model_cost(store.stage("costs", key, make) / "cost.json")
