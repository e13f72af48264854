/* needs: neighbours_${TYPE} */
static void bilinear_${TYPE}(const bilinear_${TYPE}_sizes *p, const $ELEMENT *input, $ELEMENT *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        int32_t y0, y1;
        $WIDE dy;
        neighbours_${TYPE}(y, p->step_y, p->half_pixel, p->input_height, &dy, &y0, &y1);
        for (int32_t x = 0; x < p->output_width; x++) {
            int32_t x0, x1;
            $WIDE dx;
            neighbours_${TYPE}(x, p->step_x, p->half_pixel, p->input_width, &dx, &x0, &x1);
            const $ELEMENT *a = input + (y0 * p->input_width + x0) * p->channels;
            const $ELEMENT *b = input + (y0 * p->input_width + x1) * p->channels;
            const $ELEMENT *c = input + (y1 * p->input_width + x0) * p->channels;
            const $ELEMENT *d = input + (y1 * p->input_width + x1) * p->channels;
            for (int32_t i = 0; i < p->channels; i++) {
                const $WIDE sum = a[i] * ($ONE - dy) * ($ONE - dx) + c[i] * dy * ($ONE - dx)
                                  + b[i] * ($ONE - dy) * dx + d[i] * dy * dx;
                *output++ = $RESULT;
            }
        }
    }
}
