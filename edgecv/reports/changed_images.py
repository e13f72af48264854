"""The images that get another answer, as a picture beside each candidate."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.core.paired_results import Flips
from edgecv.core.records import Comparison, Dataset, Measurement, Predictions
from edgecv.evaluation.changed_answers import most_confident
from edgecv.reports.contact_sheet import Tile, write_contact_sheet

MOST_IMAGES = 48
COLOURS = {"win": "forestgreen", "loss": "firebrick", "both wrong": "darkorange", "": "grey"}


def write_flips(
    comparisons: Sequence[Comparison],
    measurements: Sequence[Measurement],
    baseline: Predictions,
    data: Dataset,
    folder: Path,
) -> tuple[Comparison, ...]:
    """Write ``flips-ARTIFACT.png`` for each candidate; return the comparisons that name them."""
    predictions = {each.artifact.path: each.predictions for each in measurements}
    named = []
    for each in comparisons:
        statistics = each.statistics
        if each.is_twin or statistics is None or not statistics.flips.count:
            named.append(each)
            continue
        after = predictions[each.artifact.path]
        tiles = _tiles(statistics.flips, after, baseline, data)
        name = f"flips-{each.artifact.path}.png"
        title = (
            f"{each.artifact.path}: {len(tiles)} of {statistics.flips.count:,} images with another "
            "answer, the most confident first"
        )
        write_contact_sheet(title, tiles, folder / name)
        named.append(replace(each, flips_picture=name))
    return tuple(named)


def _tiles(
    flips: Flips, predictions: Predictions, baseline: Predictions, data: Dataset
) -> list[Tile]:
    names, labels = data.class_names, data.test_labels
    kinds = dict.fromkeys(flips.wins, "win") | dict.fromkeys(flips.losses, "loss")
    kinds |= dict.fromkeys(flips.both_wrong, "both wrong")
    tiles = []
    for image in most_confident(flips, predictions, MOST_IMAGES):
        kind = kinds.get(image, "")
        truth = () if labels is None else (f"{kind}: {names[labels[image]]}",)
        before, after = baseline[image], predictions[image]
        lines = (
            *truth,
            f"{names[before.argmax()]} {before.max():.0%} ->",
            f"{names[after.argmax()]} {after.max():.0%}",
        )
        tiles.append(Tile(data.test.images[image], lines, COLOURS[kind]))
    return tiles
