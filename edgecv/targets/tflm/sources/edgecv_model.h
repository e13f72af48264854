// A TFLite file of $BYTES bytes, SHA-256 $SHA256.
#ifndef EDGECV_MODEL_H_
#define EDGECV_MODEL_H_

constexpr unsigned int kEdgecvModelBytes = $BYTES;

// What TFLite Micro's interpreter takes on a machine of 64 bits; a board of 32 bits takes less.
constexpr unsigned int kEdgecvArenaBytes = $ARENA;

extern const unsigned char kEdgecvModel[kEdgecvModelBytes];

#endif  // EDGECV_MODEL_H_
