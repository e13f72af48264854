/* needs: range clamp dot_int$BITS rescale */
/* weights: output, input; a row of them has so many bytes */
static void dense_int$BITS(int32_t rows, int32_t inputs, int32_t outputs, int32_t bytes,
                       const range *q, const int8_t *input, const $WEIGHT *weights,
                       const int32_t *bias, const int32_t *multipliers, const int8_t *shifts,
                       int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += inputs) {
        const $WEIGHT *w = weights;
        for (int32_t i = 0; i < outputs; i++, w += bytes) {
            const int32_t sum = rescale(bias[i] + dot_int$BITS(input, w, inputs, q->input_zero),
                                        multipliers[i], shifts[i], 1);
            *output++ = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
        }
    }
}
