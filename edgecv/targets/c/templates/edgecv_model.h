/* A neural network in plain C99, written by edgecv: no runtime, no heap, one static arena. */
#ifndef EDGECV_MODEL_H
#define EDGECV_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGECV_INPUTS $INPUTS
#define EDGECV_OUTPUTS $OUTPUTS
#define EDGECV_STEPS $STEPS
$MACROS

/* The place of an input, to be filled before each call of edgecv_invoke, which may overwrite it. */
void *edgecv_input(int number);

/* Computes the outputs. It has no state besides the arena, and is not reentrant. */
void edgecv_invoke(void);

/* The place of an output, which is valid until an input is written or edgecv_invoke is called. */
const void *edgecv_output(int number);

#ifdef EDGECV_CLOCK
/* Compiled with -DEDGECV_CLOCK=NAME, it adds up the ticks of each step by a clock of yours. */
uint32_t EDGECV_CLOCK(void);
extern uint32_t edgecv_ticks[EDGECV_STEPS];
extern const char *const edgecv_steps[EDGECV_STEPS];
#endif

#ifdef __cplusplus
}
#endif

#endif
