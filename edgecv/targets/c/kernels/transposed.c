/* needs: under $NEEDS */
/* weights: output channel, row, column, input channel; the window strides over the output */
static void transposed_$TYPE(const window *p, $LIMITS, const $ELEMENT *input,
                             const $ELEMENT *weights, const $SUM *bias,
                             ${FACTORS}$ELEMENT *output)
{
    for (int32_t oy = 0; oy < p->output_height; oy++) {
        const int32_t bottom = oy + p->pad_top;
        for (int32_t ox = 0; ox < p->output_width; ox++) {
            const int32_t right = ox + p->pad_left;
            for (int32_t k = 0; k < p->output_channels; k++) {
                $SUM sum = 0;
                for (int32_t iy = first_under(bottom, p->height, p->stride_y);
                     iy < p->input_height && iy * p->stride_y <= bottom; iy++) {
                    for (int32_t ix = first_under(right, p->width, p->stride_x);
                         ix < p->input_width && ix * p->stride_x <= right; ix++) {
                        const int32_t ky = bottom - iy * p->stride_y, kx = right - ix * p->stride_x;
                        const $ELEMENT *x = input + (iy * p->input_width + ix) * p->input_channels;
                        const $ELEMENT *w = weights
                            + ((k * p->height + ky) * p->width + kx) * p->input_channels;
                        for (int32_t i = 0; i < p->input_channels; i++) {
                            sum += ${FROM}x[i]$LESS * ${CAST}w[i];
                        }
                    }
                }
                sum += bias[k];
                *output++ = $RESULT;
            }
        }
    }
}
