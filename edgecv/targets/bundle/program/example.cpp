// Runs model.tflite on the golden images with LiteRT's C API, and compares the bytes.
//
//   c++ -std=c++17 -I LITERT example.cpp -L LIB -lLiteRt -o example && ./example
//
// LITERT: the sources of LiteRT, https://github.com/google-ai-edge/LiteRT (headers in litert/c;
// its CMake build makes litert/build_common/build_config.h).
// LIB: the folder of libLiteRt.so, which is in the Python package ai-edge-litert, too.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "litert/c/litert_common.h"
#include "litert/c/litert_compiled_model.h"
#include "litert/c/litert_environment.h"
#include "litert/c/litert_model.h"
#include "litert/c/litert_options.h"
#include "litert/c/litert_tensor_buffer.h"

namespace {

// The shape of the input as model.json says it: a file may leave sizes open.
const int kShape[] = {$shape};

using Bytes = std::vector<unsigned char>;

void Check(LiteRtStatus status, const char* what) {
  if (status != kLiteRtStatusOk) {
    std::fprintf(stderr, "%s: LiteRT gives status %d\n", what, static_cast<int>(status));
    std::exit(3);
  }
}

Bytes Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

class Model {
 public:
  explicit Model(const char* path) {
    Check(LiteRtCreateEnvironment(0, nullptr, &environment_), "environment");
    Check(LiteRtCreateModelFromFile(environment_, path, &model_), path);
    LiteRtOptions options;
    Check(LiteRtCreateOptions(&options), "options");
    Check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtHwAcceleratorCpu), "options");
    Check(LiteRtCreateCompiledModel(environment_, model_, options, &compiled_), "compiling");
    LiteRtDestroyOptions(options);
    LiteRtSignature signature;
    Check(LiteRtGetModelSignature(model_, 0, &signature), "signature");
    LiteRtParamIndex count;
    Check(LiteRtGetNumSignatureOutputs(signature, &count), "outputs");
    LiteRtTensor tensor;
    Check(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor), "input");
    LiteRtRankedTensorType type = Type(tensor);
    if (!std::equal(std::begin(kShape), std::end(kShape), type.layout.dimensions)) {
      Check(LiteRtCompiledModelResizeInputTensor(compiled_, 0, 0, kShape, std::size(kShape)),
            "shape of the input");
      Check(LiteRtGetCompiledModelInputTensorLayout(compiled_, 0, 0, &type.layout), "input");
    }
    LiteRtTensorBufferRequirements needs;
    Check(LiteRtGetCompiledModelInputBufferRequirements(compiled_, 0, 0, &needs), "input");
    input_ = Buffer(type, needs);
    std::vector<LiteRtLayout> layouts(count);
    Check(LiteRtGetCompiledModelOutputTensorLayouts(compiled_, 0, count, layouts.data(), true),
          "outputs");
    for (LiteRtParamIndex i = 0; i < count; ++i) {
      Check(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor), "output");
      Check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_, 0, i, &needs), "output");
      type = Type(tensor);
      type.layout = layouts[i];
      outputs_.push_back(Buffer(type, needs));
    }
  }

  ~Model() {
    LiteRtDestroyTensorBuffer(input_);
    for (LiteRtTensorBuffer output : outputs_) LiteRtDestroyTensorBuffer(output);
    LiteRtDestroyCompiledModel(compiled_);
    LiteRtDestroyModel(model_);
    LiteRtDestroyEnvironment(environment_);
  }

  // Returns the bytes of each output for the bytes of one input, both as model.json describes them.
  std::vector<Bytes> Run(const Bytes& image) {
    void* memory;
    Check(LiteRtLockTensorBuffer(input_, &memory, kLiteRtTensorBufferLockModeWrite), "input");
    std::memcpy(memory, image.data(), std::min(image.size(), Size(input_)));
    Check(LiteRtUnlockTensorBuffer(input_), "input");
    Check(LiteRtRunCompiledModel(compiled_, 0, 1, &input_, outputs_.size(), outputs_.data()),
          "running");
    std::vector<Bytes> answers;
    for (LiteRtTensorBuffer output : outputs_) {
      Check(LiteRtLockTensorBuffer(output, &memory, kLiteRtTensorBufferLockModeRead), "output");
      const auto* first = static_cast<const unsigned char*>(memory);
      answers.emplace_back(first, first + Size(output));
      Check(LiteRtUnlockTensorBuffer(output), "output");
    }
    return answers;
  }

 private:
  static LiteRtRankedTensorType Type(LiteRtTensor tensor) {
    LiteRtRankedTensorType type;
    Check(LiteRtGetRankedTensorType(tensor, &type), "type");
    return type;
  }

  LiteRtTensorBuffer Buffer(const LiteRtRankedTensorType& type,
                            LiteRtTensorBufferRequirements needs) {
    LiteRtTensorBuffer buffer;
    Check(LiteRtCreateManagedTensorBufferFromRequirements(environment_, &type, needs, &buffer),
          "buffer");
    return buffer;
  }

  static size_t Size(LiteRtTensorBuffer buffer) {
    size_t size;
    Check(LiteRtGetTensorBufferPackedSize(buffer, &size), "size");
    return size;
  }

  LiteRtEnvironment environment_;
  LiteRtModel model_;
  LiteRtCompiledModel compiled_;
  LiteRtTensorBuffer input_;
  std::vector<LiteRtTensorBuffer> outputs_;
};

}  // namespace

int main() {
  Model model("model.tflite");
  int images = 0, equal = 0;
  for (;; ++images) {
    char name[32];
    std::snprintf(name, sizeof name, "golden/%02d", images);
    const Bytes image = Read(std::string(name) + ".input.bin");
    if (image.empty()) break;
    const std::vector<Bytes> answers = model.Run(image);
    bool same = true;
    for (size_t i = 0; i < answers.size(); ++i) {
      same &= answers[i] == Read(std::string(name) + ".output" + std::to_string(i) + ".bin");
    }
    equal += same;
  }
  std::printf("%d of %d golden answers are equal byte for byte\n", equal, images);
  return images > 0 ? 0 : 1;
}
