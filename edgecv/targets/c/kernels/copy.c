/* A copy of runs of bytes, with the sizes of five axes and the steps along each in bytes. */
typedef struct {
    int32_t size[5], from[5], to[5], run;
} copies;

static void copy(const copies *p, const void *input, void *output)
{
    const uint8_t *from = input;
    uint8_t *to = output;
    for (int32_t i = 0; i < p->size[0]; i++) {
        for (int32_t j = 0; j < p->size[1]; j++) {
            for (int32_t k = 0; k < p->size[2]; k++) {
                for (int32_t m = 0; m < p->size[3]; m++) {
                    for (int32_t n = 0; n < p->size[4]; n++) {
                        memcpy(to + i * p->to[0] + j * p->to[1] + k * p->to[2] + m * p->to[3]
                                   + n * p->to[4],
                               from + i * p->from[0] + j * p->from[1] + k * p->from[2]
                                   + m * p->from[3] + n * p->from[4],
                               (size_t)p->run);
                    }
                }
            }
        }
    }
}
