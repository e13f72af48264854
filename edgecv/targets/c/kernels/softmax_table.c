/* needs: clamp */
/* The exponentials of the differences 0, -1, -2, ... of the quantized inputs are in a table. */
static void softmax_table(int32_t rows, int32_t count, const float *table, float scale,
                          int32_t zero, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++, input += count, output += count) {
        int32_t largest = -128;
        float sum = 0;
        for (int32_t i = 0; i < count; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        for (int32_t i = 0; i < count; i++) {
            sum += table[largest - input[i]];
        }
        const float factor = 1.0f / (sum * scale);
        for (int32_t i = 0; i < count; i++) {
            const float value = roundf(table[largest - input[i]] * factor);
            output[i] = (int8_t)clamp((int32_t)value + zero, -128, 127);
        }
    }
}
