#include "edgecv_model.h"
#include "edgecv_weights.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static union {
    double alignment;
    uint8_t bytes[EDGECV_ARENA_BYTES];
} arena;

$KERNELS
void *edgecv_input(int number)
{
    switch (number) {
$INPUTS
    default: return NULL;
    }
}

const void *edgecv_output(int number)
{
    switch (number) {
$OUTPUTS
    default: return NULL;
    }
}

void edgecv_invoke(void)
{
$STEPS
}
