/* Two tensors that are walked together: the sizes of the axes, and the steps along each. */
typedef struct {
    int32_t size[4], first[4], second[4];
} steps;
