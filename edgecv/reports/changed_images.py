"""Pictures of the images whose answer changed, one for each candidate."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Dataset, Outputs
from edgecv.core.images import file_name
from edgecv.core.paired_results import Flips
from edgecv.core.plugins import Task
from edgecv.core.text import counted, name_at, printable
from edgecv.evaluation.changed_answers import most_confident
from edgecv.reports.contact_sheet import Kind, Tile, write_contact_sheet
from edgecv.reports.gallery import GalleryWriter

MOST_IMAGES = 48


def write_flips(
    comparisons: Sequence[Comparison],
    measurements: Sequence[Measurement],
    baseline: Outputs,
    data: Dataset,
    task: Task,
    folder: Path,
) -> tuple[Comparison, ...]:
    """Write ``flips-ARTIFACT.png`` for each candidate, and ``gallery.json`` of all.

    Returns the comparisons, which name their pictures.
    """
    outputs = {each.artifact.path: each.outputs for each in measurements}
    named, gallery = [], GalleryWriter(len(comparisons))
    for each in comparisons:
        statistics = each.statistics
        if each.is_twin or statistics is None or not statistics.flips.count:
            named.append(each)
            continue
        head = task.head_called(each.head)
        own, before = (head.of(found) for found in (outputs[each.artifact.path], baseline))
        tiles = _tiles(statistics.flips, own, before, head.data(data), head.task)
        gallery.add(each.artifact.path, each.head, tiles)
        suffix = "-" + re.sub(r"[^A-Za-z0-9._-]", "_", each.head) if each.head else ""
        name = f"flips-{each.artifact.path}{suffix}.png"
        title = (
            f"{each.label}: {len(tiles)} of {counted(statistics.flips.count, 'image')}"
            " with another "
            "answer, the most confident first"
        )
        write_contact_sheet(title, tiles, folder / name)
        named.append(replace(each, flips_picture=name))
    gallery.write(folder)
    return tuple(named)


def _tiles(
    flips: Flips, outputs: Outputs, baseline: Outputs, data: Dataset, task: Task
) -> list[Tile]:
    places: dict[Kind, tuple[int, ...]] = {
        "win": flips.wins,
        "loss": flips.losses,
        "both wrong": flips.both_wrong,
    }
    kinds = {place: kind for kind, each in places.items() for place in each}
    labels, tiles = data.test_labels, []
    has_classes = labels is not None and labels.ndim == 1 and labels.dtype.kind in "iu"
    for place in most_confident(flips, outputs, task, MOST_IMAGES):
        kind = kinds.get(place, "")
        truth = () if labels is None else (f"{kind}: {task.truth(data, place)}",)
        lines = (*truth, *task.captions(outputs, baseline, data, place))
        picture = task.picture(outputs, baseline, data, place)
        group = name_at(data.class_names, int(data.test.labels[place])) if has_classes else ""
        name = printable(file_name(data.test.images, place))
        tiles.append(Tile(place, picture, lines, kind, group, name))
    return tiles
