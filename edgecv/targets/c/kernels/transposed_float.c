/* needs: window clamp_float */
/* weights: output channel, row, column, input channel; the window strides over the output */
static void transposed_float(const window *p, float lowest, float highest,
                             const float *input, const float *weights, const float *bias,
                             float *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            for (int32_t channel = 0; channel < p->output_channels; channel++) {
                float sum = 0;
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
                        const float *x = input + (iy * p->input_width + ix) * p->input_channels;
                        const float *w = weights
                            + ((channel * p->height + ky) * p->width + kx) * p->input_channels;
                        for (int32_t i = 0; i < p->input_channels; i++) {
                            sum += x[i] * w[i];
                        }
                    }
                }
                *output++ = clamp_float(sum + bias[channel], lowest, highest);
            }
        }
    }
}
