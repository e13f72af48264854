/* needs: taps $CLAMP */
static void $NAME(const window *p, $WIDE lowest, $WIDE highest, const $ELEMENT *input,
                  $ELEMENT *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const taps t = taps_at(p, oy, ox);
            for (int32_t channel = 0; channel < p->input_channels; channel++) {
                $WIDE found = $START;
                for (int32_t ky = t.y0; ky < t.y1; ky++) {
                    for (int32_t kx = t.x0; kx < t.x1; kx++) {
                        const $WIDE x = input[((t.top + ky) * p->input_width + t.left + kx)
                                              * p->input_channels + channel];
                        found = $NEXT;
                    }
                }
                *output++ = ($ELEMENT)$CLAMP($RESULT, lowest, highest);
            }
        }
    }
}
