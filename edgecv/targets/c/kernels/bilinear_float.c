/* A bilinear resize. */
typedef struct {
    int32_t input_height, input_width, output_height, output_width, channels;
    float step_y, step_x;
    int32_t half_pixel;
} bilinear_floats;

static void neighbours_float(int32_t position, float step, int32_t half_pixel, int32_t size,
                             float *distance, int32_t *lower, int32_t *upper)
{
    const float place = half_pixel ? ((float)position + 0.5f) * step - 0.5f
                                   : (float)position * step;
    const int32_t below = (int32_t)floorf(place), above = (int32_t)ceilf(place);
    *lower = below > 0 ? below : 0;
    *upper = above < size ? above : size - 1;
    *distance = place - (float)*lower;
}

static void bilinear_float(const bilinear_floats *p, const float *input, float *output)
{
    for (int32_t y = 0; y < p->output_height; y++) {
        int32_t y0, y1;
        float dy;
        neighbours_float(y, p->step_y, p->half_pixel, p->input_height, &dy, &y0, &y1);
        for (int32_t x = 0; x < p->output_width; x++) {
            int32_t x0, x1;
            float dx;
            neighbours_float(x, p->step_x, p->half_pixel, p->input_width, &dx, &x0, &x1);
            const float *a = input + (y0 * p->input_width + x0) * p->channels;
            const float *b = input + (y0 * p->input_width + x1) * p->channels;
            const float *c = input + (y1 * p->input_width + x0) * p->channels;
            const float *d = input + (y1 * p->input_width + x1) * p->channels;
            for (int32_t i = 0; i < p->channels; i++) {
                *output++ = a[i] * (1 - dy) * (1 - dx) + c[i] * dy * (1 - dx)
                            + b[i] * (1 - dy) * dx + d[i] * dy * dx;
            }
        }
    }
}
