/* needs: window */
/* A window over one pixel of the output: the row and column of the input where it begins, and on
 * both axes its first tap inside the image and the end of these. */
typedef struct {
    int32_t top, left, y0, y1, x0, x1, count;
} taps;

static int32_t first_tap(int32_t origin, int32_t dilation)
{
    return origin < 0 ? (dilation - 1 - origin) / dilation : 0;
}

static int32_t end_tap(int32_t origin, int32_t dilation, int32_t count, int32_t size)
{
    const int32_t inside = size > origin ? (size - origin + dilation - 1) / dilation : 0;
    return inside < count ? inside : count;
}

static taps taps_at(const window *p, int32_t oy, int32_t ox)
{
    const int32_t top = oy * p->stride_y - p->pad_top, left = ox * p->stride_x - p->pad_left;
    const int32_t y0 = first_tap(top, p->dilation_y), x0 = first_tap(left, p->dilation_x);
    const int32_t y1 = end_tap(top, p->dilation_y, p->height, p->input_height);
    const int32_t x1 = end_tap(left, p->dilation_x, p->width, p->input_width);
    const taps found = {top, left, y0, y1, x0, x1, (y1 - y0) * (x1 - x0)};
    return found;
}
