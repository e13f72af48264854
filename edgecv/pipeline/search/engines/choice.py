"""The engine that the options of a search ask for."""

from edgecv.core.errors import InputError
from edgecv.core.events import OnEvent
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.engines.contract import Engine
from edgecv.pipeline.search.engines.local import LocalEngine, usual_workers
from edgecv.pipeline.search.options import SearchOptions
from edgecv.system.storage import Store


def engine_of(options: SearchOptions, base: Recipe, store: Store, on_event: OnEvent) -> Engine:
    """Return the engine. Raises InputError for options that do not go together, or no cluster."""
    if options.engine == "local":
        if options.ray_address is not None:
            raise InputError(
                f"--ray-address {options.ray_address}",
                "is for --engine ray, and trials run on this machine",
                remedy="give --engine ray, or leave it out",
            )
        return LocalEngine(store, options.workers or usual_workers())
    from edgecv.pipeline.search.engines.ray.engine import RayEngine

    if base.settings.device is not None:
        raise InputError(
            "--on",
            "measures on one device, which the nodes of --engine ray would share",
            remedy="use --engine local, or leave --on out",
        )
    at_a_time = options.workers or options.generation
    return RayEngine(store, options.ray_address or "auto", at_a_time, on_event)
