static void ${NAME}_float(int32_t count, $PARAMETER const float *input, float *output)
{
    for (int32_t i = 0; i < count; i++) {
        const float x = input[i];
        output[i] = $EXPRESSION;
    }
}
