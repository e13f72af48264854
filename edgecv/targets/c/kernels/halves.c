/* Two weights of 4 bits in a byte, -8 to 7: the first is in the low half. */
static int16_t low_half(uint8_t byte)
{
    return (int16_t)(((byte & 15) ^ 8) - 8);
}

static int16_t high_half(uint8_t byte)
{
    return (int16_t)(((byte >> 4) ^ 8) - 8);
}
