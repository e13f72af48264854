/* needs: round_double round_upward */
static int32_t multiply_either(int32_t x, int32_t multiplier, int shift, int upward)
{
    return upward ? multiply_upward(x, multiplier, shift) : multiply_double(x, multiplier, shift);
}
