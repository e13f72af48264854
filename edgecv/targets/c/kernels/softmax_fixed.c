/* needs: clamp */
static int32_t high_product(int32_t a, int32_t b)
{
    const int64_t product = (int64_t)a * b;
    return (int32_t)((product + (product >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30)))
                     / (INT64_C(1) << 31));
}

static int32_t shift_right(int32_t x, int by)
{
    const int32_t mask = (int32_t)((INT64_C(1) << by) - 1);
    return (x >> by) + ((x & mask) > (mask >> 1) + (x < 0));
}

static int32_t shift_left(int32_t x, int by)
{
    const int64_t value = (int64_t)x * (1 << by);
    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

/* 1 / (1 + x) for x in [0, 1), with 31 bits behind the point, by three steps of Newton. */
static int32_t reciprocal(int32_t x)
{
    const int32_t half = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
    int32_t y = 1515870810 + high_product(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        y += shift_left(high_product(y, (1 << 29) - high_product(half, y)), 2);
    }
    return shift_left(y, 1);
}

/* The exponentials of the differences 0, -1, -2, ... of the quantized inputs are in a table. */
static void softmax_fixed(int32_t rows, int32_t count, const int32_t *table,
                          const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += count, output += count) {
        int32_t largest = -128, sum = 0;
        int headroom = 0;
        for (int32_t i = 0; i < count; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        for (int32_t i = 0; i < count; i++) {
            sum += shift_right(table[largest - input[i]], 12);
        }
        while (headroom < 31 && !(((uint32_t)sum << headroom) & UINT32_C(0x80000000))) {
            headroom++;
        }
        const int32_t factor = reciprocal(
            (int32_t)(((uint32_t)sum << headroom) - UINT32_C(0x80000000)));
        for (int32_t i = 0; i < count; i++) {
            const int32_t value = high_product(factor, table[largest - input[i]]);
            output[i] = (int8_t)clamp(shift_right(value, 35 - headroom) - 128, -128, 127);
        }
    }
}
