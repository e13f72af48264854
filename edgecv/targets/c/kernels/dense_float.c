/* needs: clamp_float */
/* weights: output, input */
static void dense_float(int32_t rows, int32_t inputs, int32_t outputs, float lowest,
                        float highest, const float *input, const float *weights,
                        const float *bias, float *output)
{
    for (int32_t row = 0; row < rows; row++, input += inputs) {
        const float *w = weights;
        for (int32_t i = 0; i < outputs; i++, w += inputs) {
            float sums[8] = {0};
            int32_t j = 0;
            for (; j + 8 <= inputs; j += 8) {
                for (int32_t k = 0; k < 8; k++) {
                    sums[k] += input[j + k] * w[j + k];
                }
            }
            float sum = ((sums[0] + sums[1]) + (sums[2] + sums[3]))
                        + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
            for (; j < inputs; j++) {
                sum += input[j] * w[j];
            }
            *output++ = clamp_float(sum + bias[i], lowest, highest);
        }
    }
}
