"""The tensors of a checked ONNX graph: their types and shapes, and the constants among them."""

from dataclasses import dataclass

from edgecv.formats.dtypes import count


@dataclass(frozen=True)
class TensorShape:
    """Type and shape of a tensor, as the graph declares it or as shape inference found it."""

    type: str
    shape: tuple[int, ...] | None
    """With -1 for open sides."""
    open_sides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Constant:
    """A tensor whose values are known before the first image."""

    name: str
    type: str
    shape: tuple[int, ...] | None
    stored_bytes: int
    scales: int = 0
    """The number of scales of its DequantizeLinear."""
    made_of: tuple["Constant", ...] | None = None
    """The stored weights that it is computed from; None if it is stored itself."""
    largest_code: int | None = None
    """The largest size of its values where they are int8; None where they are not, or not read."""

    @property
    def stored(self) -> tuple["Constant", ...]:
        """The weights in the file that it stands for."""
        return (self,) if self.made_of is None else self.made_of

    @property
    def elements(self) -> int:
        """The number of its values, 0 where that is not known."""
        return count(self.shape) or 0
