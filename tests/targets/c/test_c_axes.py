"""Generated C of files whose batch is not their first axis: each image goes through them."""

from pathlib import Path

import numpy as np
import pytest
from c_build import needs_compiler
from deployed import deployed_file
from operator_files import OperatorFile

from edgecv.core.artifact import SessionFacts, TensorFacts
from edgecv.core.plugins import DeployContext
from edgecv.targets.c.answers import encoded
from edgecv.targets.c.target import CProject

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)


@needs_compiler
@pytest.mark.quick
@pytest.mark.parametrize(("axes", "shape"), [("HWC", (8, 8, 3)), ("CHWN", (3, 8, 8, 1))])
def test_each_image_is_given_where_the_batch_is_not_in_front(
    axes: str, shape: tuple[int, ...], tmp_path: Path, context: DeployContext
) -> None:
    """The project had one of its golden images, and the program of a PC gave one answer to all."""
    made = OperatorFile()
    image, flat = made.tensor(shape, "float32"), made.constant(np.array([192], np.int32))
    output = made.operator("RESHAPE", [image, flat], made.tensor((192,), "float32"))
    path, folder = tmp_path / "flat.tflite", tmp_path / "c"
    path.write_bytes(made.content([image], [output]))
    taken, given = TensorFacts("image", shape, "float32"), TensorFacts("flat", (192,), "float32")
    facts = SessionFacts(taken, (given,), ((192,),), (8, 8, 3), axes=axes)
    order = ["NHWC".index(axis) for axis in f"N{axes.replace('N', '')}"]
    wanted = IMAGES.transpose(order).reshape(3, 192).astype(np.float32)
    file = deployed_file("tflite", path=path, facts=facts, golden=IMAGES, golden_outputs=(wanted,))
    np.testing.assert_array_equal(encoded(file, IMAGES), wanted)
    assert not encoded(file, IMAGES[:0]).size
    folder.mkdir()
    CProject().check(file, None)
    CProject().build(file, folder)
    source = (folder / "edgecv_golden.c").read_text()
    assert f"edgecv_golden_inputs[{wanted.nbytes}]" in source
    with CProject().open(file, folder, context) as device:
        assert device is not None
        np.testing.assert_array_equal(device.predict(IMAGES).only, wanted)
