#ifndef EDGECV_GOLDEN_H
#define EDGECV_GOLDEN_H

#include <stdint.h>

/* Inputs with the outputs of the file on the machine that wrote this project, one after another. */
#define EDGECV_GOLDEN $COUNT
extern const uint8_t edgecv_golden_inputs[];
extern const uint8_t edgecv_golden_outputs[];

#endif
