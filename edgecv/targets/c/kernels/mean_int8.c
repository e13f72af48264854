/* needs: clamp rescale */
/* The mean over the middle of three axes; the first of the last axis are rounded upwards. */
static void mean_int8(int32_t outer, int32_t reduced, int32_t inner, int32_t before,
                      int32_t multiplier, int shift, int32_t after, int32_t lanes,
                      const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < outer; i++, input += reduced * inner) {
        for (int32_t j = 0; j < inner; j++) {
            int32_t sum = before;
            for (int32_t k = 0; k < reduced; k++) {
                sum += input[k * inner + j];
            }
            sum = rescale(sum, multiplier, shift, j < lanes);
            *output++ = (int8_t)clamp(sum + after, -128, 127);
        }
    }
}
