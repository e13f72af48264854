/* needs: taps clamp_float */
/* weights: row, column, input channel of its group, output channel */
static void convolution_float(const window *p, float lowest, float highest, const float *input,
                              const float *weights, const float *bias, int32_t depth,
                              float *output)
{
    enum { BLOCK = 16 };
    const int32_t filters = p->output_channels / (p->input_channels / depth);
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const taps t = taps_at(p, oy, ox);
            for (int32_t channel = 0; channel < p->output_channels;) {
                const int32_t rest = filters - channel % filters;
                const int32_t count = rest < BLOCK ? rest : BLOCK;
                float sums[BLOCK] = {0};
                for (int32_t ky = t.y0; ky < t.y1; ky++) {
                    const int32_t row = (t.top + ky * p->dilation_y) * p->input_width;
                    for (int32_t kx = t.x0; kx < t.x1; kx++) {
                        const float *x = input + channel / filters * depth
                                         + (row + t.left + kx * p->dilation_x) * p->input_channels;
                        const float *w = weights + channel
                                         + (ky * p->width + kx) * depth * p->output_channels;
                        for (int32_t i = 0; i < depth; i++, w += p->output_channels) {
                            for (int32_t j = 0; j < count; j++) {
                                sums[j] += x[i] * w[j];
                            }
                        }
                    }
                }
                for (int32_t j = 0; j < count; j++, channel++) {
                    *output++ = clamp_float(sums[j] + bias[channel], lowest, highest);
                }
            }
        }
    }
}
