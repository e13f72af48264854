"""A model in plain layers, without batch normalization: each kernel as a converter writes it."""

from edgecv.core.keras_types import KerasModel
from edgecv.techniques.rewrites.fold_batch_norm import fold, fuse_relus, normalizations_in
from edgecv.techniques.rewrites.plain_layers import (
    merge_rescalings,
    one_thing_a_layer,
    with_biases,
    without_normalizations,
)


def plain(model: KerasModel) -> tuple[KerasModel, tuple[str, ...]]:
    """Return a flat copy without batch normalization and relu as layers, and what was folded.

    Both converters then get plain convolutions, with one range behind each. Otherwise tfmot would
    round kernels before the normalization that converters fold into them, and would not round
    kernels with a relu layer behind them.
    """
    folded, names = fold(merge_rescalings(one_thing_a_layer(model)))
    if any(True for _ in normalizations_in(folded)):
        folded = without_normalizations(folded)
    return fuse_relus(with_biases(folded)), names
