/* needs: taps range clamp rescale */
/* weights: row, column, output channel */
static void depthwise_int8(const window *p, const range *q, const int8_t *input,
                           const int8_t *weights, const int32_t *bias,
                           const int32_t *multipliers, const int8_t *shifts, int32_t lanes,
                           int8_t *output)
{
    enum { BLOCK = 32 };
    const int32_t factor = p->output_channels / p->input_channels;
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const taps t = taps_at(p, oy, ox);
            for (int32_t channel = 0; channel < p->output_channels; channel += BLOCK) {
                const int32_t rest = p->output_channels - channel;
                const int32_t count = rest < BLOCK ? rest : BLOCK;
                int32_t sums[BLOCK];
                memcpy(sums, bias + channel, (size_t)count * sizeof *sums);
                for (int32_t ky = t.y0; ky < t.y1; ky++) {
                    const int32_t row = (t.top + ky * p->dilation_y) * p->input_width;
                    for (int32_t kx = t.x0; kx < t.x1; kx++) {
                        const int8_t *w = weights + channel
                                          + (ky * p->width + kx) * p->output_channels;
                        const int8_t *x = input
                            + (row + t.left + kx * p->dilation_x) * p->input_channels;
                        if (factor == 1) {
                            for (int32_t j = 0; j < count; j++) {
                                sums[j] += (int16_t)(x[channel + j] - q->input_zero)
                                           * (int16_t)w[j];
                            }
                        } else {
                            for (int32_t j = 0; j < count; j++) {
                                sums[j] += (x[(channel + j) / factor] - q->input_zero) * w[j];
                            }
                        }
                    }
                }
                for (int32_t j = 0; j < count; j++) {
                    const int32_t k = channel + j;
                    const int32_t sum = rescale(sums[j], multipliers[k], shifts[k], k < lanes);
                    *output++ = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
                }
            }
        }
    }
}
