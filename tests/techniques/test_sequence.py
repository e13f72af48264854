"""Which technique may follow which: what each makes must be kept by all that come after it."""

from itertools import product
from typing import ClassVar

import pytest

from edgecv.core.errors import InputError
from edgecv.core.plugins import ModelProperty, Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.pipeline.recipe.checks import check_order
from edgecv.pipeline.recipe.from_flags import CompressOptions

pytestmark = pytest.mark.quick

MAY_FOLLOW = {
    "shrink": (),
    "distil": ("shrink", "prune", "cluster"),
    "prune": ("shrink", "distil"),
    "cluster": ("shrink", "distil", "prune"),
    "qat": ("shrink", "distil", "prune", "cluster"),
}


def is_possible(*names: str) -> bool:
    try:
        check_order([TECHNIQUES.classes[name]() for name in names], "recipe.toml")
    except InputError:
        return False
    return True


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_technique_follows_only_those_whose_work_it_keeps(length: int) -> None:
    for names in product(MAY_FOLLOW, repeat=length):
        wanted = all(
            earlier in MAY_FOLLOW[later]
            for number, later in enumerate(names)
            for earlier in names[:number]
        )
        assert is_possible(*names) == wanted, names


class Rounding(Technique):
    """A technique of another package."""

    name: ClassVar[str] = "rounding"
    makes: ClassVar[frozenset[str]] = frozenset({"rounded weights"})
    keeps: ClassVar[frozenset[str]] = frozenset({ModelProperty.ZEROS})

    def check_model(self, model: object) -> None:
        """Accept all."""

    def apply(self, model: object, context: object) -> object:
        """Return the model."""
        return model


def test_a_technique_of_another_package_says_for_itself_where_it_may_stand() -> None:
    prune, cluster = (TECHNIQUES.classes[name] for name in ("prune", "cluster"))
    assert Rounding.may_follow(prune)
    assert not Rounding.may_follow(cluster)
    assert not prune.may_follow(Rounding), "training would undo what it does not know"


def test_flags_are_held_to_the_order_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag's place decides the order: what a later one would undo is refused, as in a recipe."""
    prune = TECHNIQUES.classes["prune"]
    monkeypatch.setattr(prune, "keeps", frozenset())
    with pytest.raises(InputError, match='"prune" would undo "shrink" before it; leave one out'):
        CompressOptions(data="digits", shrink="0.5", prune="0.5").to_recipe()
