/* needs: bilinear */
static void bilinear_int8(const bilinear *p, const int8_t *input, int8_t *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        int32_t dy, y0, y1;
        neighbours(y, p->step_y, p->half_pixel, p->input_height, &dy, &y0, &y1);
        for (int32_t x = 0; x < p->output_width; x++) {
            int32_t dx, x0, x1;
            neighbours(x, p->step_x, p->half_pixel, p->input_width, &dx, &x0, &x1);
            const int8_t *a = input + (y0 * p->input_width + x0) * p->channels;
            const int8_t *b = input + (y0 * p->input_width + x1) * p->channels;
            const int8_t *c = input + (y1 * p->input_width + x0) * p->channels;
            const int8_t *d = input + (y1 * p->input_width + x1) * p->channels;
            for (int32_t i = 0; i < p->channels; i++) {
                const int32_t sum = a[i] * (1024 - dy) * (1024 - dx) + b[i] * (1024 - dy) * dx
                                    + c[i] * dy * (1024 - dx) + d[i] * dy * dx;
                *output++ = (int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
            }
        }
    }
}
