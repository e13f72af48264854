/* needs: window range clamp dot_int8 rescale */
/* weights: output channel, row, column, input channel; the window strides over the output */
static void transposed_int8(const window *p, const range *q, const int8_t *input,
                            const int8_t *weights, const int32_t *bias,
                            const int32_t *multipliers, const int8_t *shifts, int32_t lanes,
                            int8_t *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            for (int32_t channel = 0; channel < p->output_channels; channel++) {
                int32_t sum = bias[channel];
                for (int32_t ky = (oy + p->pad_top) % p->stride_y; ky < p->height;
                     ky += p->stride_y) {
                    const int32_t iy = (oy + p->pad_top - ky) / p->stride_y;
                    if (oy + p->pad_top < ky || iy >= p->input_height) {
                        continue;
                    }
                    for (int32_t kx = (ox + p->pad_left) % p->stride_x; kx < p->width;
                         kx += p->stride_x) {
                        const int32_t ix = (ox + p->pad_left - kx) / p->stride_x;
                        if (ox + p->pad_left < kx || ix >= p->input_width) {
                            continue;
                        }
                        const int8_t *x = input + (iy * p->input_width + ix) * p->input_channels;
                        const int8_t *w = weights
                            + ((channel * p->height + ky) * p->width + kx) * p->input_channels;
                        sum += dot_int8(x, w, p->input_channels, q->input_zero);
                    }
                }
                sum = rescale(sum, multipliers[channel], shifts[channel], channel < lanes);
                *output++ = (int8_t)clamp(sum + q->output_zero, q->lowest, q->highest);
            }
        }
    }
}
