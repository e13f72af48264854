static void softmax_float(int32_t rows, int32_t count, float beta, const float *input,
                          float *output)
{
    for (int32_t row = 0; row < rows; row++, input += count, output += count) {
        float largest = input[0], sum = 0;
        for (int32_t i = 1; i < count; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        for (int32_t i = 0; i < count; i++) {
            output[i] = expf((input[i] - largest) * beta);
            sum += output[i];
        }
        for (int32_t i = 0; i < count; i++) {
            output[i] = output[i] / sum;
        }
    }
}
