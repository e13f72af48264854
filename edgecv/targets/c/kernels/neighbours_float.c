/* A bilinear resize. */
typedef struct {
    int32_t input_height, input_width, output_height, output_width, channels;
    float step_y, step_x;
    int32_t half_pixel;
} bilinear_float_sizes;

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
