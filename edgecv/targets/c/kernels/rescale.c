/* A product with a fixed-point multiplier, rounded by 2^31 and then by a power of two: halves
 * upwards, or the second time away from zero. */
static int32_t rescale(int32_t x, int32_t multiplier, int shift, int upward)
{
    const int left = shift > 0 ? shift : 0;
    const int right = shift > 0 ? 0 : -shift;
    const int64_t product = (int64_t)(int32_t)((uint32_t)x << left) * multiplier;
    const int64_t high = (product + (INT64_C(1) << 30)) >> 31;
    const int64_t half = (INT64_C(1) << right) >> 1;
    return (int32_t)((high + half - (!upward && right > 0 && high < 0)) >> right);
}
