static int32_t dot_int8(const int8_t *x, const int8_t *w, int32_t count, int32_t zero)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        sum += (int16_t)(x[i] - zero) * (int16_t)w[i];
    }
    return sum;
}
