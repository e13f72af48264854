"""The head of a task that fits an architecture, for tests of networks."""

from edgecv.core.plugins import Architecture, Head
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.evaluation.tasks.segmentation import MapHead


def head_for(architecture: Architecture | type[Architecture], classes: int) -> Head:
    return MapHead(classes) if architecture.features == "map" else ClassHead(classes)
