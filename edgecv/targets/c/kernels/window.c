/* A sliding window over an image: heights, widths and numbers of channels in elements. */
typedef struct {
    int32_t input_height, input_width, input_channels;
    int32_t output_height, output_width, output_channels;
    int32_t height, width, stride_y, stride_x, dilation_y, dilation_x, pad_top, pad_left;
} window;
