/* needs: steps$NEEDS */
static void $NAME(const steps *p, $PARAMETERS const $ELEMENT *first, const $ELEMENT *second,
                  $ELEMENT *output)
{
    for (int32_t i = 0; i < p->size[0]; i++) {
        for (int32_t j = 0; j < p->size[1]; j++) {
            for (int32_t k = 0; k < p->size[2]; k++) {
                const $ELEMENT *a = first + i * p->first[0] + j * p->first[1] + k * p->first[2];
                const $ELEMENT *b = second + i * p->second[0] + j * p->second[1]
                                    + k * p->second[2];
                for (int32_t m = 0; m < p->size[3]; m++) {
                    const $WIDE x = a[m * p->first[3]], y = b[m * p->second[3]];
$BODY
                }
            }
        }
    }
}
