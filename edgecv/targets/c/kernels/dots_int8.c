/* The products of one input with four rows of weights. */
static void dots_int8(const int8_t *x, const int8_t *w, int32_t step, int32_t count, int32_t zero,
                      int32_t sums[4])
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t i = 0; i < count; i++) {
        const int16_t value = (int16_t)(x[i] - zero);
        a += value * (int16_t)w[i];
        b += value * (int16_t)w[i + step];
        c += value * (int16_t)w[i + 2 * step];
        d += value * (int16_t)w[i + 3 * step];
    }
    sums[0] += a;
    sums[1] += b;
    sums[2] += c;
    sums[3] += d;
}
