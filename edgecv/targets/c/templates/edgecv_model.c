#include "edgecv_model.h"
#include "edgecv_weights.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static union {
    double alignment;
    uint8_t bytes[EDGECV_ARENA_BYTES];
} arena;

#ifdef EDGECV_CLOCK
uint32_t edgecv_ticks[EDGECV_STEPS];
const char *const edgecv_steps[EDGECV_STEPS] = {
$NAMES
};
#define START uint32_t before = EDGECV_CLOCK();
#define DONE(step) { uint32_t now = EDGECV_CLOCK(); edgecv_ticks[step] += now - before; before = now; }
#else
#define START
#define DONE(step)
#endif

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
    START
$STEPS
}
