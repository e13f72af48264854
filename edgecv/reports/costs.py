"""Costs of a model by its graph, before and after compression: table, sentence, picture."""

from collections.abc import Mapping
from pathlib import Path

from edgecv.core.costs import Costs, LayerCost, ModelCost
from edgecv.reports.png import literal, new_figure, write_picture

HEADINGS = ("layer", "type", "output", "multiply-accumulates", "parameters", "activations")


def costs_sentence(costs: Costs) -> str:
    """Return the costs of the whole model; one number each where nothing changed."""
    before, after = costs.baseline, costs.compressed
    return (
        f"{_change(before.macs, after.macs)} multiply-accumulates, "
        f"{_change(before.parameters, after.parameters)} parameters, "
        f"{_change(before.peak_activations, after.peak_activations)} activations at most at one "
        "time (bytes, as int8)"
    )


def costs_rows(costs: Costs) -> list[tuple[str, ...]]:
    """Return a row for each layer, as before -> after, under ``HEADINGS``."""
    after: dict[str, list[LayerCost]] = {}
    for layer in costs.compressed.layers:
        after.setdefault(layer.name, []).append(layer)
    rows = []
    for layer in costs.baseline.layers:
        calls = after.get(_name_in(after, layer.name))  # A shared layer occurs once for each call.
        rows.append(_row(layer, calls.pop(0) if calls else None))
    return [*rows, ("all", "", "", *_sums(costs.baseline, costs.compressed))]


def write_widths(costs: Costs, path: Path) -> None:
    """Draw the channels of each layer with a kernel, before and after, into a PNG file."""
    after = {layer.name: layer.output_shape[-1] for layer in costs.compressed.layers}
    names = [
        layer.name
        for layer in costs.baseline.layers
        if layer.macs and _name_in(after, layer.name) in after
    ]
    after = {name: after[_name_in(after, name)] for name in names}
    widths = {layer.name: layer.output_shape[-1] for layer in costs.baseline.layers}
    figure = new_figure(8, 1.2 + 0.32 * len(names))
    axes = figure.subplots()
    places = range(len(names))
    axes.barh(places, [widths[name] for name in names], color="lightgrey", label="before")
    axes.barh(places, [after[name] for name in names], color="tab:blue", height=0.5, label="after")
    for place, name in zip(places, names, strict=True):
        text = f" {_change(widths[name], after[name])}"
        axes.text(widths[name], place, text, va="center", fontsize=8)
    axes.set_yticks(places, [literal(name) for name in names], fontsize=8)
    axes.set(xlabel="channels", title="Widths before and after", ylim=(len(names) - 0.4, -0.6))
    axes.margins(x=0.15)
    axes.legend(loc="lower right")
    write_picture(figure, path)


def _name_in(after: Mapping[str, object], name: str) -> str:
    """Return the name of a layer after the techniques, which may flatten nested models."""
    return name if name in after else name.rpartition("/")[2]


def _row(before: LayerCost, after: LayerCost | None) -> tuple[str, ...]:
    if after is None:
        # Batch normalization folded into the layer before it.
        return (before.name, before.type, "folded", *("0",) * 3)
    shapes = ("x".join(map(str, each.output_shape)) for each in (before, after))
    return (
        before.name,
        before.type,
        " -> ".join(dict.fromkeys(shapes)),
        _change(before.macs, after.macs),
        _change(before.parameters, after.parameters),
        _change(before.activations, after.activations),
    )


def _sums(before: ModelCost, after: ModelCost) -> tuple[str, ...]:
    return (
        _change(before.macs, after.macs),
        _change(before.parameters, after.parameters),
        f"{_change(before.peak_activations, after.peak_activations)} at one time",
    )


def _change(before: int, after: int) -> str:
    """Return both numbers, or one where they are the same.

    >>> _change(64, 24), _change(7, 7)
    ('64 -> 24', '7')
    """
    return f"{before:,}" if before == after else f"{before:,} -> {after:,}"
