/* needs: window */
/* Copies the input under a window, as distances from the zero point: 0 outside the image. */
static void gather(const window *p, int32_t zero, int32_t depth, int32_t pixel,
                   const int8_t *input, int16_t *patch)
{
    const int32_t top = pixel / p->output_width * p->stride_y - p->pad_top;
    const int32_t left = pixel % p->output_width * p->stride_x - p->pad_left;
    for (int32_t ky = 0; ky < p->height; ky++) {
        const int32_t y = top + ky * p->dilation_y;
        for (int32_t kx = 0; kx < p->width; kx++, patch += depth) {
            const int32_t x = left + kx * p->dilation_x;
            if (y < 0 || y >= p->input_height || x < 0 || x >= p->input_width) {
                memset(patch, 0, (size_t)depth * sizeof *patch);
                continue;
            }
            const int8_t *from = input + (y * p->input_width + x) * p->input_channels;
            for (int32_t i = 0; i < depth; i++) {
                patch[i] = (int16_t)(from[i] - zero);
            }
        }
    }
}
