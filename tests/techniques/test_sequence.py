"""Which technique may follow which: what each makes must be kept by all that come after it."""

import re
from itertools import combinations, product
from typing import ClassVar

import pytest
from paths import REPOSITORY

from edgecv.core.errors import InputError
from edgecv.core.plugins import ModelProperty, Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.pipeline.recipe.checks import check_order
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.technique_options import technique_flags

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


def refusal_of_flags(*names: str, profile: str | None = None) -> str:
    """Return what the command line says of the flags of some techniques; empty if it takes them."""
    values = {"student": "plain_cnn", "shrink": "0.5", "prune": "0.5", "cluster": 16}
    options = {name: values.get(name, True) for name in names}
    try:
        CompressOptions(model="m.keras", data="digits", profile=profile, **options).to_recipe()
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("names", [*combinations(technique_flags(), 2)], ids="-".join)
def test_each_pair_of_flags_is_taken_or_one_can_be_left_out(names: tuple[str, str]) -> None:
    """--cluster --equalize was told to put one before the other, which no flag can."""
    refusal = refusal_of_flags(*names)
    assert not refusal or refusal.endswith("would undo" + f' "{names[0]}" before it; leave one out')
    assert is_possible(*reversed(names)) <= is_possible(*names), "only a recipe could make it"


@pytest.mark.parametrize("name", technique_flags())
def test_each_flag_is_taken_beside_a_board_or_named(name: str) -> None:
    """--student was told that it would undo a "shrink" that nobody had given."""
    refusal = refusal_of_flags(name, profile="arduino-nano-33-ble-sense")
    told = "--student: cannot be given beside --profile; leave out --student"
    assert refusal.startswith(told) if name == "student" else not refusal


def test_flags_whose_places_are_wrong_for_each_other_are_told_to_write_a_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TECHNIQUES.classes["distil"], "keeps", frozenset(ModelProperty))
    refusal = refusal_of_flags("shrink", "distil")
    assert not refusal
    monkeypatch.setattr(TECHNIQUES.classes["cluster"], "keeps", frozenset())
    monkeypatch.setattr(TECHNIQUES.classes["prune"], "keeps", frozenset(ModelProperty))
    remedy = 'leave one out, or write a recipe with "cluster" before "prune"'
    assert refusal_of_flags("prune", "cluster").endswith(remedy)


def test_the_page_shows_the_order_of_flags_and_the_pairs_that_are_refused() -> None:
    page = (REPOSITORY / "docs" / "guides" / "pruning.md").read_text("utf-8")
    order, pairs = page.split("## The order\n")[1].split("\n## ")[0].split("\n| ", 1)
    flags = order.split(". ")[0]
    assert re.findall(r"`(\w+)`", flags) == [*technique_flags()]
    rows = re.findall(r"`(\w+)` \| (.*) \|", pairs)
    shown = {
        frozenset((name, other)) for name, rest in rows for other in re.findall(r"`(\w+)`", rest)
    }
    refused = {
        frozenset(each) for each in combinations(technique_flags(), 2) if refusal_of_flags(*each)
    }
    assert shown == refused
