/* Batches of matrices: the steps along three axes of batches, along rows of the first or columns of
 * the second, and along the axis that is summed. */
typedef struct {
    int32_t size[3], rows, columns, depth, first[5], second[5];
} matrices;
