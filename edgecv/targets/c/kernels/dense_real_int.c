/* needs: range clamp dot_int$BITS */
/* weights: output, input; a row of them has so many bytes */
static void dense_real_int$BITS(int32_t rows, int32_t inputs, int32_t outputs, int32_t bytes,
                            const range *q, const int8_t *input, const $WEIGHT *weights,
                            const int32_t *bias, const double *factors, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += inputs) {
        const $WEIGHT *w = weights;
        for (int32_t i = 0; i < outputs; i++, w += bytes) {
            const int32_t sum = bias[i] + dot_int$BITS(input, w, inputs, q->input_zero);
            const int32_t value = (int32_t)fmin(fmax(round(sum * factors[i]), -65536), 65536);
            *output++ = (int8_t)clamp(value + q->output_zero, q->lowest, q->highest);
        }
    }
}
