"""The cost in significance of choosing among many trials."""

from collections.abc import Sequence

from edgecv.core.text import counted, were
from edgecv.pipeline.search.front import FrontPoint
from edgecv.pipeline.search.trial import SearchTrial


def significance_notes(trials: Sequence[SearchTrial], front: Sequence[FrontPoint]) -> list[str]:
    """Return what choosing among many trials costs."""
    judged = [each for each in trials if each.figures is not None]
    if not judged or judged[0].figures is None:
        return []
    images = judged[0].figures.images
    notes = [
        f"{counted(len(judged), 'recipe')} {were(len(judged))} compared on the same {images:,}"
        " validation images: the best of many looks better there than it is, so its figures there"
        " prove nothing"
    ]
    if front:
        tested, count = front[0].figures.images, len(front)
        notes.append(
            f"the table is of {tested:,} test images, which chose nothing: each interval is one of"
            f" 95% by itself; that all {count} hold at once is certain to"
            f" {max(0, 100 - 5 * count)}% or more"
            if count > 1
            else f"the table is of {tested:,} test images, which chose nothing: the interval of 95%"
            " needs no correction for the number of trials"
        )
        if count > 1:
            notes.append(
                "who takes one of them by the figures of this table has chosen on the test images:"
                f" hold it to 1 in {20 * count} instead of 1 in 20"
            )
    return notes
