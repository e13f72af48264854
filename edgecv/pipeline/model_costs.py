"""Multiply-accumulates and activations of the models of a run, counted once for each."""

from dataclasses import asdict
from pathlib import Path

from edgecv.core.costs import Costs, ModelCost
from edgecv.core.errors import InputError
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.context import RunContext
from edgecv.reports.json_file import read_model_cost
from edgecv.system.storage import content_key, write_json

STAGE_VERSION = 1


def costs_of(
    baseline: ModelFile, compressed: ModelFile, context: RunContext
) -> tuple[Costs | None, tuple[str, ...]]:
    """Return the costs of both models, or a sentence with the reason why they are unknown."""
    try:
        return Costs(_cost_of(baseline, context), _cost_of(compressed, context)), ()
    except InputError as error:
        return None, (f"multiply-accumulates and activations are not known: {error}",)


def _cost_of(model: ModelFile, context: RunContext) -> ModelCost:
    def make(folder: Path) -> None:
        write_json(folder / "cost.json", asdict(context.converter.count(model)))

    key = content_key("cost", STAGE_VERSION, model.sha256, model.trust.model_dump())
    return read_model_cost(context.store.stage("costs", key, make) / "cost.json")
