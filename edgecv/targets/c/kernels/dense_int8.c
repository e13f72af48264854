/* needs: range clamp dot_int8 rescale */
/* weights: output, input */
static void dense_int8(int32_t rows, int32_t inputs, int32_t outputs, const range *q,
                       const int8_t *input, const int8_t *weights, const int32_t *bias,
                       const int32_t *multipliers, const int8_t *shifts, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += inputs) {
        const int8_t *w = weights;
        for (int32_t i = 0; i < outputs; i++, w += inputs) {
            const int32_t sum = rescale(bias[i] + dot_int8(input, w, inputs, q->input_zero),
                                        multipliers[i], shifts[i], 1);
            *output++ = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
        }
    }
}
