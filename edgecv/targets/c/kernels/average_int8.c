/* needs: taps clamp */
static void average_int8(const window *p, int32_t lowest, int32_t highest, const int8_t *input,
                         int8_t *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t top = oy * p->stride_y - p->pad_top;
        const int32_t y0 = first_tap(top, 1), y1 = end_tap(top, 1, p->height, p->input_height);
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t left = ox * p->stride_x - p->pad_left;
            const int32_t x0 = first_tap(left, 1), x1 = end_tap(left, 1, p->width, p->input_width);
            const int32_t count = (y1 - y0) * (x1 - x0);
            for (int32_t channel = 0; channel < p->input_channels; channel++) {
                int32_t sum = 0;
                for (int32_t ky = y0; ky < y1; ky++) {
                    for (int32_t kx = x0; kx < x1; kx++) {
                        sum += input[((top + ky) * p->input_width + left + kx)
                                     * p->input_channels + channel];
                    }
                }
                sum = (sum + (sum > 0 ? count / 2 : -(count / 2))) / count;
                *output++ = (int8_t)clamp(sum, lowest, highest);
            }
        }
    }
}
