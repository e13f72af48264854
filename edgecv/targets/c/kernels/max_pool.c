/* needs: taps $CLAMP */
static void max_pool_$TYPE(const window *p, $WIDE lowest, $WIDE highest, const $ELEMENT *input,
                          $ELEMENT *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t top = oy * p->stride_y - p->pad_top;
        const int32_t y0 = first_tap(top, 1), y1 = end_tap(top, 1, p->height, p->input_height);
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t left = ox * p->stride_x - p->pad_left;
            const int32_t x0 = first_tap(left, 1), x1 = end_tap(left, 1, p->width, p->input_width);
            for (int32_t channel = 0; channel < p->input_channels; channel++) {
                $ELEMENT largest = $SMALLEST;
                for (int32_t ky = y0; ky < y1; ky++) {
                    for (int32_t kx = x0; kx < x1; kx++) {
                        const $ELEMENT x = input[((top + ky) * p->input_width + left + kx)
                                                 * p->input_channels + channel];
                        largest = x > largest ? x : largest;
                    }
                }
                *output++ = ($ELEMENT)$CLAMP(largest, lowest, highest);
            }
        }
    }
}
