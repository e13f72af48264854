/* The mean over the middle of three axes. */
static void mean_float(int32_t outer, int32_t reduced, int32_t inner, const float *input,
                       float *output)
{
    for (int32_t i = 0; i < outer; i++, input += reduced * inner) {
        for (int32_t j = 0; j < inner; j++) {
            float sum = 0;
            for (int32_t k = 0; k < reduced; k++) {
                sum += input[k * inner + j];
            }
            *output++ = sum / (float)reduced;
        }
    }
}
