/* Rows and columns that are taken from the input, of pixels of some bytes. */
static void nearest(int32_t rows, int32_t columns, int32_t width, int32_t pixel,
                    const uint16_t *row, const uint16_t *column, const void *input, void *output)
{
    const uint8_t *from = input;
    uint8_t *to = output;
    for (int32_t y = 0; y < rows; y++) {
        for (int32_t x = 0; x < columns; x++, to += pixel) {
            memcpy(to, from + (row[y] * width + column[x]) * pixel, (size_t)pixel);
        }
    }
}
