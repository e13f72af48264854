/* needs: under range clamp dot_int8 rescale */
/* weights: output channel, row, column, input channel; the window strides over the output */
static void transposed_int8(const window *p, const range *q, const int8_t *input,
                            const int8_t *weights, const int32_t *bias,
                            const int32_t *multipliers, const int8_t *shifts, int32_t lanes,
                            int8_t *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t bottom = oy + p->pad_top;
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t right = ox + p->pad_left;
            for (int32_t channel = 0; channel < p->output_channels; channel++) {
                int32_t sum = bias[channel];
                for (int32_t iy = first_under(bottom, p->height, p->stride_y);
                     iy < p->input_height && iy * p->stride_y <= bottom; iy++) {
                    for (int32_t ix = first_under(right, p->width, p->stride_x);
                         ix < p->input_width && ix * p->stride_x <= right; ix++) {
                        const int32_t ky = bottom - iy * p->stride_y, kx = right - ix * p->stride_x;
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
