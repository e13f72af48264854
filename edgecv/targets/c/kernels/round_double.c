/* A product with a fixed-point multiplier, rounded twice: by 2^31, then by a power of two. */
static int32_t multiply_double(int32_t x, int32_t multiplier, int shift)
{
    const int left = shift > 0 ? shift : 0;
    const int right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(int32_t)((uint32_t)x << left) * multiplier;
    const int64_t nudge = product >= 0 ? (INT64_C(1) << 30) : 1 - (INT64_C(1) << 30);
    const int32_t high = (int32_t)((product + nudge) / (INT64_C(1) << 31));
    const int32_t mask = (int32_t)((INT64_C(1) << right) - 1);
    const int32_t threshold = (mask >> 1) + (high < 0);
    return (high >> right) + ((high & mask) > threshold);
}
