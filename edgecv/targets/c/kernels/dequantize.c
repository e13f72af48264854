static void dequantize_$ELEMENT(int32_t count, float scale, int32_t zero,
                                const $ELEMENT *input, float *output)
{
    for (int32_t i = 0; i < count; i++) {
        output[i] = scale * (float)(input[i] - zero);
    }
}
