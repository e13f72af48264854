/* The products of two patches with two rows of weights. */
static void dots_int8(const int16_t *x, const int16_t *y, const int8_t *v, const int8_t *w,
                      int32_t count, int32_t sums[4])
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t i = 0; i < count; i++) {
        a += x[i] * (int16_t)v[i];
        b += x[i] * (int16_t)w[i];
        c += y[i] * (int16_t)v[i];
        d += y[i] * (int16_t)w[i];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}
