/* A product with a fixed-point multiplier, rounded twice, halves upwards. */
static int32_t multiply_upward(int32_t x, int32_t multiplier, int shift)
{
    const int left = shift > 0 ? shift : 0;
    const int right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(int32_t)((uint32_t)x << left) * multiplier;
    const int64_t high = (product + (INT64_C(1) << 30)) >> 31;
    return (int32_t)((high + ((INT64_C(1) << right) >> 1)) >> right);
}
