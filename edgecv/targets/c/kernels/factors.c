/* The factors of two quantized inputs and of their result, with zero points and limits. */
typedef struct {
    int32_t first_zero, second_zero, zero, lowest, highest;
    int32_t first, second, factor;
    int first_shift, second_shift, shift;
} factors;
