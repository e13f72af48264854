/* needs: halves */
/* The products of two patches with two rows of weights, of an even count. */
static void dots_int4(const int16_t *x, const int16_t *y, const uint8_t *v, const uint8_t *w,
                      int32_t count, int32_t sums[4])
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t i = 0; i < count; i += 2, v++, w++) {
        a += x[i] * low_half(*v) + x[i + 1] * high_half(*v);
        b += x[i] * low_half(*w) + x[i + 1] * high_half(*w);
        c += y[i] * low_half(*v) + y[i + 1] * high_half(*v);
        d += y[i] * low_half(*w) + y[i + 1] * high_half(*w);
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}
