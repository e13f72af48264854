/* needs: window range clamp gather dots_int$BITS rescale */
/* weights: output channel, then row, column, input channel of its group, and zeros up to taps;
 * a row of them has so many bytes.
 * Two pixels and two output channels are computed at a time; the last may be one of them twice. */
static void convolution_int$BITS(const window *p, const range *q, const int8_t *input,
                             const $WEIGHT *weights, const int32_t *bias,
                             const int32_t *multipliers, const int8_t *shifts, int32_t lanes,
                             int32_t depth, int32_t taps, int32_t bytes, int16_t *patches,
                             int8_t *output)
{
    const int32_t filters = p->output_channels / (p->input_channels / depth);
    const int32_t last = p->output_height * p->output_width - 1;
    for (int32_t pixel = 0; pixel <= last; pixel += 2) {
        const int32_t pixels[2] = {pixel, pixel < last ? pixel + 1 : pixel};
        for (int32_t start = 0; start < p->output_channels; start += filters) {
            for (int32_t i = 0; i < 2; i++) {
                gather(p, q->input_zero, depth, pixels[i], input + start / filters * depth,
                       patches + i * taps);
            }
            for (int32_t filter = 0; filter < filters; filter += 2) {
                const int32_t one = start + filter, other = filter + 1 < filters ? one + 1 : one;
                int32_t sums[4];
                dots_int$BITS(patches, patches + taps, weights + one * bytes,
                          weights + other * bytes, taps, sums);
                for (int32_t i = 0; i < 4; i++) {
                    const int32_t channel = i % 2 ? other : one;
                    const int32_t sum = rescale(sums[i] + bias[channel], multipliers[channel],
                                                shifts[channel], channel < lanes);
                    output[pixels[i / 2] * p->output_channels + channel]
                        = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
                }
            }
        }
    }
}
