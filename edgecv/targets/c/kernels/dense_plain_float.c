/* needs: clamp_float */
/* weights: output, input. Sums are added in the order of the reference kernel. */
static void dense_plain_float(int32_t rows, int32_t inputs, int32_t outputs, float lowest,
                              float highest, const float *input, const float *weights,
                              const float *bias, float *output)
{
    for (int32_t row = 0; row < rows; row++, input += inputs) {
        const float *w = weights;
        for (int32_t i = 0; i < outputs; i++, w += inputs) {
            float sum = 0;
            for (int32_t j = 0; j < inputs; j++) {
                sum += input[j] * w[j];
            }
            *output++ = clamp_float(sum + bias[i], lowest, highest);
        }
    }
}
