// Runs model.tflite on Android with LiteRT's Interpreter.
//
// build.gradle.kts: implementation("com.google.ai.edge.litert:litert:2.1.5")
// Put model.tflite and labels.txt into src/main/assets.

import android.content.Context
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.Interpreter

/** The shape of the input as model.json says it: a file may leave sizes open. */
private val SHAPE = intArrayOf($shape)

class Model(context: Context, threads: Int = 1) : AutoCloseable {
    private val interpreter: Interpreter
    val labels: List<String>

    init {
        val file = context.assets.openFd("model.tflite")
        val bytes = FileInputStream(file.fileDescriptor).channel.map(
            FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength
        )
        interpreter = Interpreter(bytes, Interpreter.Options().setNumThreads(threads))
        if (!interpreter.getInputTensor(0).shape().contentEquals(SHAPE)) {
            interpreter.resizeInput(0, SHAPE)
            interpreter.allocateTensors()
        }
        labels = context.assets.open("labels.txt").bufferedReader().readLines()
    }

    /** A buffer for the bytes of the input: fill it as model.json describes, row by row. */
    fun newInput(): ByteBuffer = buffer(interpreter.getInputTensor(0).numBytes())

    /** The bytes of each output, as model.json describes them. */
    fun run(input: ByteBuffer): List<ByteBuffer> {
        input.rewind()
        val outputs = (0 until interpreter.outputTensorCount).associateWith {
            buffer(interpreter.getOutputTensor(it).numBytes())
        }
        interpreter.runForMultipleInputsOutputs(arrayOf<Any>(input), outputs.toMutableMap<Int, Any>())
        return outputs.values.onEach { it.rewind() }.toList()
    }

    private fun buffer(bytes: Int) = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

    override fun close() = interpreter.close()
}
