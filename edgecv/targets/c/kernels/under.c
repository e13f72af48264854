/* needs: window */
/* The first pixel of the input whose window reaches an output, on one axis. */
static int32_t first_under(int32_t place, int32_t taps, int32_t stride)
{
    return place < taps ? 0 : (place - taps) / stride + 1;
}
