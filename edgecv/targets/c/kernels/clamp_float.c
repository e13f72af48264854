static float clamp_float(float value, float lowest, float highest)
{
    return value < lowest ? lowest : value > highest ? highest : value;
}
