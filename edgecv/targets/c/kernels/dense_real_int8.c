/* needs: range clamp dot_int8 */
/* weights: output, input */
static void dense_real_int8(int32_t rows, int32_t inputs, int32_t outputs, const range *q,
                            const int8_t *input, const int8_t *weights, const int32_t *bias,
                            const double *factors, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += inputs) {
        const int8_t *w = weights;
        for (int32_t i = 0; i < outputs; i++, w += inputs) {
            const int32_t sum = bias[i] + dot_int8(input, w, inputs, q->input_zero);
            const int32_t value = (int32_t)fmin(fmax(round(sum * factors[i]), -65536), 65536);
            *output++ = (int8_t)clamp(value + q->output_zero, q->lowest, q->highest);
        }
    }
}
