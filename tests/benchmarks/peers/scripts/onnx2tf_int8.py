"""onnx2tf -oiqt, calibrated with -cind, uint8 ends."""

from pathlib import Path

import numpy as np
import onnx
import onnx2tf
from contract import Made, keep_files

GUIDE = "https://github.com/PINTO0309/onnx2tf#cli-parameter"


def convert(inputs: Path, output: Path) -> Made:
    source, images = inputs / "float32.onnx", output / "calibration.npy"
    name = onnx.load(source).graph.input[0].name
    np.save(images, np.load(inputs / "calibration.npy").astype(np.float32))
    folder = output / "onnx2tf"
    onnx2tf.convert(
        input_onnx_file_path=str(source),
        output_folder_path=str(folder),
        keep_shape_absolutely_input_names=[name],
        output_integer_quantized_tflite=True,
        quant_type="per-channel",
        custom_input_op_name_np_data_path=[[name, str(images), [[[[0.0]]]], [[[[1.0]]]]]],
        input_quant_dtype="uint8",
        output_quant_dtype="uint8",
        non_verbose=True,
    )
    path = output / "int8.tflite"
    (folder / "float32_full_integer_quant.tflite").rename(path)
    yield path, "-oiqt -iqd uint8 -oqd uint8, calibrated with -cind"


keep_files(convert, GUIDE, ("onnx2tf", "tensorflow", "onnx"))
