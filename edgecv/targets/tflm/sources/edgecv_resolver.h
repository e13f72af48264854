// The operators of the model in edgecv_model.h, and no others.
#ifndef EDGECV_RESOLVER_H_
#define EDGECV_RESOLVER_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

using EdgecvResolver = tflite::MicroMutableOpResolver<$OPERATORS>;

inline TfLiteStatus AddEdgecvOperators(EdgecvResolver& resolver) {
$LINES
  return kTfLiteOk;
}

#endif  // EDGECV_RESOLVER_H_
