"""Files that keep their weights beside them: their size and answers are those of both."""

from collections.abc import Callable
from pathlib import Path

from edgecv.acceptance.testing.fixture import EdgecvCompare

Comparing = Callable[..., EdgecvCompare]


def test_files_with_weights_beside_them_are_measured_whole(
    comparing: Comparing, tmp_path: Path
) -> None:
    import onnx

    for name in ("good", "bad"):
        folder = tmp_path / "outside" / name
        folder.mkdir(parents=True)
        onnx.save_model(
            onnx.load(tmp_path / "models" / f"{name}.onnx"),
            folder / "model.onnx",
            save_as_external_data=True,
            location="weights",
            size_threshold=0,
        )
    compare = comparing()

    def compared(path: str) -> tuple[float, int]:
        pair = compare(path, baseline="models/baseline.onnx", data="digits")
        assert pair.comparison.agreement is not None
        return pair.comparison.agreement, pair.comparison.artifact.bytes

    for name in ("good", "bad"):
        agreement, size = compared(f"models/{name}.onnx")
        found, whole = compared(f"outside/{name}/model.onnx")
        assert found == agreement
        assert abs(whole - size) < 100
