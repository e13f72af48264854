/* A function of one byte, by its table. */
static void lookup(int32_t count, const uint8_t *input, const uint8_t *table, uint8_t *output)
{
    for (int32_t i = 0; i < count; i++) {
        output[i] = table[input[i]];
    }
}
