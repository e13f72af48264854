/* needs: matrices$NEEDS */
static void matmul_$TYPE(const matrices *p, $PARAMETERS const $ELEMENT *first,
                         const $ELEMENT *second, $ELEMENT *output)
{
    for (int32_t n = 0; n < p->size[0] * p->size[1] * p->size[2]; n++) {
        const int32_t i = n / p->size[2] / p->size[1], j = n / p->size[2] % p->size[1];
        const int32_t k = n % p->size[2];
        const $ELEMENT *a = first + i * p->first[0] + j * p->first[1] + k * p->first[2];
        const $ELEMENT *b = second + i * p->second[0] + j * p->second[1] + k * p->second[2];
        for (int32_t row = 0; row < p->rows; row++) {
            for (int32_t column = 0; column < p->columns; column++) {
                $WIDE sum = 0;
                for (int32_t m = 0; m < p->depth; m++) {
                    const $WIDE x = a[row * p->first[3] + m * p->first[4]];
                    const $WIDE y = b[column * p->second[3] + m * p->second[4]];
                    sum += $PRODUCT;
                }
                *output++ = $RESULT;
            }
        }
    }
}
