"""A look at model and data on each node of a cluster, before the first trial."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version

from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.pipeline.search.engines.ray.cluster import RayNode, first_sentence, on_node, ray
from edgecv.pipeline.search.engines.ray.node import Delivery, Order, look_at_data

LOOK_AT_NODES_S = 600.0
"""Longest time for a node to open model and data."""


def check_packages(nodes: Sequence[RayNode]) -> None:
    """Raise InputError where a node has no edgecv: it could not even say its versions."""

    def has_edgecv() -> bool:
        from importlib.util import find_spec

        return find_spec("edgecv") is not None

    library = ray()
    # A function of a function is sent as it is: one of this module would be imported there.
    task = library.remote(has_edgecv)
    asked = [
        task.options(num_cpus=0, scheduling_strategy=on_node(each.id)).remote() for each in nodes
    ]
    for node, reference in zip(nodes, asked, strict=True):
        try:
            has = library.get(reference, timeout=LOOK_AT_NODES_S)
        except library.exceptions.RayError as error:
            raise RuntimeFailure(
                f"node {node.name}", f"did not answer: {first_sentence(error)}"
            ) from None
        if not has:
            raise InputError(
                f"node {node.name}",
                "has no edgecv",
                remedy=f"install edgecv {version('edgecv')} there, from the same clone or wheel",
            )


class NodeLook:
    """The look of each node at model and data: it begins at once, beside that of the head."""

    def __init__(self, nodes: Sequence[RayNode], order: Order) -> None:
        task = ray().remote(look_at_data)
        self._asked = [
            (
                node,
                task.options(
                    num_cpus=0, max_retries=0, scheduling_strategy=on_node(node.id)
                ).remote(order),
            )
            for node in nodes
        ]

    def deliveries(self) -> Iterator[tuple[RayNode, Delivery]]:
        """Yield what each node delivers. Raises RuntimeFailure where one delivers nothing."""
        library = ray()
        for node, reference in self._asked:
            try:
                yield node, library.get(reference, timeout=LOOK_AT_NODES_S)
            except library.exceptions.RayError as error:
                raise RuntimeFailure(
                    f"node {node.name}", f"did not open model and data: {first_sentence(error)}"
                ) from None
