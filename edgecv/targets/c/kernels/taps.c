/* needs: window */
/* The first tap of a window that lies inside the image, on one axis. */
static int32_t first_tap(int32_t origin, int32_t dilation)
{
    return origin < 0 ? (dilation - 1 - origin) / dilation : 0;
}

/* The number of taps up to the last that lies inside the image, on one axis. */
static int32_t end_tap(int32_t origin, int32_t dilation, int32_t taps, int32_t size)
{
    const int32_t inside = size > origin ? (size - origin + dilation - 1) / dilation : 0;
    return inside < taps ? inside : taps;
}
