static void fill_$ELEMENT(int32_t count, $ELEMENT value, $ELEMENT *output)
{
    for (int32_t i = 0; i < count; i++) {
        output[i] = value;
    }
}
