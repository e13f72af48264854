"""``edgecv predict``."""

import json
from dataclasses import asdict

from edgecv.analysis.options import PredictOptions
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions


class PredictCommand(JsonOptions, PredictOptions):
    """Options of ``edgecv predict``."""


def run(options: PredictCommand, screen: Screen) -> int:
    """Show the answer of a file for each image."""
    from edgecv.analysis.predict import Prediction, predict
    from edgecv.pipeline.context import open_analysis
    from edgecv.pipeline.recipe.run_settings import RunSettings

    with open_analysis(RunSettings(name="predict"), screen.on_event, screen.log) as context:
        found = predict(options, context)
    texts = [
        (path, f"{path}: {each.answer}" if isinstance(each, Prediction) else each)
        for path, each in found
    ]
    tables = [
        {"path": path, **(asdict(each) if isinstance(each, Prediction) else {"error": str(each)})}
        for path, each in found
    ]
    to_json = (lambda _: json.dumps(tables, indent=2)) if options.as_json else None
    return screen.results(texts, str, to_json)
