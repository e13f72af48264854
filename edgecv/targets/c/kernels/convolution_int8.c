/* needs: window range clamp dot_int8 dots_int8 round_$ROUNDING */
/* weights: output channel, row, column, input channel of its group */
static void convolution_int8_$ROUNDING(const window *p, const range *q, const int8_t *input,
                                       const int8_t *weights, const int32_t *bias,
                                       const int32_t *multipliers, const int8_t *shifts,
                                       int32_t depth, int8_t *output)
{
    const int32_t filters = p->output_channels / (p->input_channels / depth);
    const int32_t step = p->height * p->width * depth;
    const int joined = depth == p->input_channels && p->dilation_x == 1;
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t top = oy * p->stride_y - p->pad_top;
        const int32_t y0 = first_tap(top, p->dilation_y);
        const int32_t y1 = end_tap(top, p->dilation_y, p->height, p->input_height);
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t left = ox * p->stride_x - p->pad_left;
            const int32_t x0 = first_tap(left, p->dilation_x);
            const int32_t x1 = end_tap(left, p->dilation_x, p->width, p->input_width);
            /* Taps of a row that lie side by side in memory are one run. */
            const int32_t taps = joined && x0 < x1 ? x1 - x0 : 1;
            for (int32_t channel = 0; channel < p->output_channels;) {
                const int32_t count = filters - channel % filters < 4 ? 1 : 4;
                const int8_t *from = input + channel / filters * depth;
                int32_t sums[4] = {0};
                for (int32_t ky = y0; ky < y1; ky++) {
                    const int32_t row = (top + ky * p->dilation_y) * p->input_width + left;
                    for (int32_t kx = x0; kx < x1; kx += taps) {
                        const int8_t *x = from + (row + kx * p->dilation_x) * p->input_channels;
                        const int8_t *w = weights + channel * step + (ky * p->width + kx) * depth;
                        if (count == 4) {
                            dots_int8(x, w, step, taps * depth, q->input_zero, sums);
                        } else {
                            sums[0] += dot_int8(x, w, taps * depth, q->input_zero);
                        }
                    }
                }
                for (int32_t i = 0; i < count; i++, channel++) {
                    const int32_t sum = multiply_$ROUNDING(sums[i] + bias[channel],
                                                           multipliers[channel], shifts[channel]);
                    *output++ = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
                }
            }
        }
    }
}
