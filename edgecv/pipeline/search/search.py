"""Searching recipes that hold limits; the plan of a search, and its status."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from edgecv.core.events import OnEvent, ignore_event
from edgecv.datasets.cache_settings import cache_set
from edgecv.pipeline.search.engines.choice import engine_of
from edgecv.pipeline.search.front import SearchResult
from edgecv.pipeline.search.journal import optuna
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.plan import SearchPlan
from edgecv.pipeline.search.proposals import stored_trials
from edgecv.pipeline.search.recipe_search import RecipeSearch
from edgecv.pipeline.search.trial import SearchTrial
from edgecv.pipeline.user_models import check_user_model
from edgecv.system.storage import Store


def search(options: SearchOptions, on_event: OnEvent = ignore_event) -> SearchResult:
    """Search recipes that hold the limits, and prove the front on test images.

    A search that was stopped goes on. Raises InputError for limits and options that cannot be,
    StepError where trials keep failing.
    """
    with opened(options, on_event) as found:
        space, facts = found.look()
        with found.store.lock(f"search-{found.base.name}", label=found.base.name):
            return found.run(space, facts)


def plan(options: SearchOptions, on_event: OnEvent = ignore_event) -> SearchPlan:
    """Return the space of a search and its cost; nothing is trained or written."""
    with opened(options, on_event) as found:
        space, facts = found.look(trains_teacher=False)
        return SearchPlan(options, found.base, space, facts, found.engine.workers, found.left_out)


def known_trials(options: SearchOptions) -> tuple[str, list[SearchTrial]]:
    """Return the name of a search and its trials, also while it runs.

    Raises InputError where there is none.
    """
    base = options.to_recipe()
    store = Store.at(options.output, base.name)
    return base.name, stored_trials(store.root / store.group, base.name)


@contextmanager
def opened(options: SearchOptions, on_event: OnEvent) -> Iterator["RecipeSearch"]:
    """Yield a search that has not begun, with its engine."""
    base = options.to_recipe()
    check_user_model(base)
    optuna()
    store = Store.at(options.output, base.name)
    store.check_writable()
    own = base.settings
    cache = cache_set(own.cache, own.cache_limit, is_off=own.no_cache)
    with cache, closing(engine_of(options, base, store, on_event)) as engine:
        yield RecipeSearch(options, base, store, engine, on_event)
