/* needs: window range clamp dot_int8 round_$ROUNDING */
/* weights: output channel, row, column, input channel of its group */
static void convolution_int8_$ROUNDING(const window *p, const range *q, const int8_t *input,
                             const int8_t *weights, const int32_t *bias,
                             const int32_t *multipliers, const int8_t *shifts,
                             int32_t depth, int8_t *output)
{
    const int32_t groups = p->input_channels / depth;
    const int32_t filters = p->output_channels / groups;
    const int joined = groups == 1 && p->dilation_x == 1;
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t top = oy * p->stride_y - p->pad_top;
        const int32_t y0 = first_tap(top, p->dilation_y);
        const int32_t y1 = end_tap(top, p->dilation_y, p->height, p->input_height);
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t left = ox * p->stride_x - p->pad_left;
            const int32_t x0 = first_tap(left, p->dilation_x);
            const int32_t x1 = end_tap(left, p->dilation_x, p->width, p->input_width);
            const int8_t *w = weights;
            for (int32_t channel = 0; channel < p->output_channels; channel++) {
                const int32_t offset = channel / filters * depth;
                int32_t sum = bias[channel];
                for (int32_t ky = y0; ky < y1; ky++) {
                    const int32_t row = (top + ky * p->dilation_y) * p->input_width;
                    if (joined && x0 < x1) {
                        sum += dot_int8(input + (row + left + x0) * depth,
                                        w + (ky * p->width + x0) * depth,
                                        (x1 - x0) * depth, q->input_zero);
                        continue;
                    }
                    for (int32_t kx = x0; kx < x1; kx++) {
                        const int32_t pixel = row + left + kx * p->dilation_x;
                        sum += dot_int8(input + pixel * p->input_channels + offset,
                                        w + (ky * p->width + kx) * depth, depth,
                                        q->input_zero);
                    }
                }
                w += p->height * p->width * depth;
                sum = multiply_$ROUNDING(sum, multipliers[channel], shifts[channel]);
                *output++ = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
            }
        }
    }
}
