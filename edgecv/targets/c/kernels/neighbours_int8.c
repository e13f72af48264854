/* A bilinear resize; steps and distances are in 1024ths of a pixel. */
typedef struct {
    int32_t input_height, input_width, output_height, output_width, channels;
    int32_t step_y, step_x, half_pixel;
} bilinear_int8_sizes;

static void neighbours_int8(int32_t position, int32_t step, int32_t half_pixel, int32_t size,
                            int32_t *distance, int32_t *lower, int32_t *upper)
{
    const int32_t place = position * step + (half_pixel ? step / 2 - 512 : 0);
    *lower = place / 1024 > 0 ? place / 1024 : 0;
    *upper = (place + 1023) / 1024 < size ? (place + 1023) / 1024 : size - 1;
    *distance = place - 1024 * *lower;
}
