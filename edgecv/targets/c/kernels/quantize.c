/* needs: clamp */
static void quantize_$ELEMENT(int32_t count, float scale, int32_t zero, const float *input,
                              $ELEMENT *output)
{
    for (int32_t i = 0; i < count; i++) {
        const float value = roundf(input[i] / scale);
        const float bounded = value < -65536.0f ? -65536.0f : value > 65536.0f ? 65536.0f : value;
        output[i] = ($ELEMENT)clamp((int32_t)bounded + zero, $LOWEST, $HIGHEST);
    }
}
