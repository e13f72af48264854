/* needs: halves */
static int32_t dot_int4(const int8_t *x, const uint8_t *w, int32_t count, int32_t zero)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i += 2, w++) {
        sum += (int16_t)(x[i] - zero) * low_half(*w);
        if (i + 1 < count) {
            sum += (int16_t)(x[i + 1] - zero) * high_half(*w);
        }
    }
    return sum;
}
