/* needs: under clamp_float */
/* weights: output channel, row, column, input channel; the window strides over the output */
static void transposed_float(const window *p, float lowest, float highest,
                             const float *input, const float *weights, const float *bias,
                             float *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t bottom = oy + p->pad_top;
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t right = ox + p->pad_left;
            for (int32_t channel = 0; channel < p->output_channels; channel++) {
                float sum = 0;
                for (int32_t iy = first_under(bottom, p->height, p->stride_y);
                     iy < p->input_height && iy * p->stride_y <= bottom; iy++) {
                    for (int32_t ix = first_under(right, p->width, p->stride_x);
                         ix < p->input_width && ix * p->stride_x <= right; ix++) {
                        const int32_t ky = bottom - iy * p->stride_y, kx = right - ix * p->stride_x;
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
