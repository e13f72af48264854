/* needs: taps $NEEDS */
/* weights: row, column, output channel */
static void depthwise_$TYPE(const window *p, $LIMITS, const $ELEMENT *input,
                            const $ELEMENT *weights, const $SUM *bias,
                            ${FACTORS}$ELEMENT *output)
{
    enum { BLOCK = $BLOCK };
    const int32_t factor = p->output_channels / p->input_channels;
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const taps t = taps_at(p, oy, ox);
            for (int32_t channel = 0; channel < p->output_channels; channel += BLOCK) {
                const int32_t rest = p->output_channels - channel;
                const int32_t count = rest < BLOCK ? rest : BLOCK;
                $SUM sums[BLOCK] = {0};
                for (int32_t ky = t.y0; ky < t.y1; ky++) {
                    const int32_t row = (t.top + ky * p->dilation_y) * p->input_width;
                    for (int32_t kx = t.x0; kx < t.x1; kx++) {
                        const $ELEMENT *w = weights + channel
                                            + (ky * p->width + kx) * p->output_channels;
                        const $ELEMENT *x = input
                            + (row + t.left + kx * p->dilation_x) * p->input_channels;
                        if (factor == 1) {
                            for (int32_t j = 0; j < count; j++) {
                                sums[j] += ${FROM}x[channel + j]$LESS * ${CAST}w[j];
                            }
                        } else {
                            for (int32_t j = 0; j < count; j++) {
                                sums[j] += ${FROM}x[(channel + j) / factor]$LESS * ${CAST}w[j];
                            }
                        }
                    }
                }
                for (int32_t j = 0; j < count; j++) {
                    const int32_t k = channel + j;
                    const $SUM sum = sums[j] + bias[k];
                    *output++ = $RESULT;
                }
            }
        }
    }
}
