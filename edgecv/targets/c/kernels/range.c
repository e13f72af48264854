/* The zero points and the limits of an operator's quantized values. */
typedef struct {
    int32_t input_zero, output_zero, lowest, highest;
} range;
