/* --self-test: says how many golden answers agree, and fails if one does not.
 * --times, of "make times": the share of each step in the time of this machine.
 * Otherwise: reads inputs as bytes until the end of the standard input, and writes the outputs. */
#ifndef ARDUINO
#include "edgecv_golden.h"
#include "edgecv_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const size_t input_bytes[] = {$INPUT_BYTES};
static const size_t output_bytes[] = {$OUTPUT_BYTES};
static const int output_is_float[] = {$OUTPUT_IS_FLOAT};

static float float_at(const uint8_t *bytes)
{
    float value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Integers must be equal; float32 within 1e-5 of the largest number of the output, or of 1. */
static int agrees(const uint8_t *found, const uint8_t *wanted, size_t bytes, int is_float)
{
    float largest = 1.0f;
    if (!is_float) {
        return memcmp(found, wanted, bytes) == 0;
    }
    for (size_t i = 0; i < bytes; i += sizeof(float)) {
        largest = fmaxf(largest, fabsf(float_at(wanted + i)));
    }
    for (size_t i = 0; i < bytes; i += sizeof(float)) {
        if (!(fabsf(float_at(found + i) - float_at(wanted + i)) <= 1e-5f * largest)) {
            return 0;
        }
    }
    return 1;
}

static int self_test(void)
{
    const uint8_t *input = edgecv_golden_inputs, *output = edgecv_golden_outputs;
    int agreed = 0;
    for (int image = 0; image < EDGECV_GOLDEN; image++) {
        int same = 1;
        for (int i = 0; i < EDGECV_INPUTS; input += input_bytes[i], i++) {
            memcpy(edgecv_input(i), input, input_bytes[i]);
        }
        edgecv_invoke();
        for (int i = 0; i < EDGECV_OUTPUTS; output += output_bytes[i], i++) {
            same = same && agrees(edgecv_output(i), output, output_bytes[i], output_is_float[i]);
        }
        agreed += same;
    }
    printf("%d of %d golden answers agree\n", agreed, EDGECV_GOLDEN);
    return agreed == EDGECV_GOLDEN ? 0 : 1;
}

#ifdef EDGECV_CLOCK
#include <time.h>

uint32_t EDGECV_CLOCK(void)
{
    return (uint32_t)(clock() * (1e6 / CLOCKS_PER_SEC));
}

static int times(void)
{
    double whole = 0;
    int runs = 0;
    for (clock_t end = clock() + CLOCKS_PER_SEC / 2; clock() < end; runs++) {
        const uint8_t *input = edgecv_golden_inputs;
        for (int i = 0; i < EDGECV_INPUTS; input += input_bytes[i], i++) {
            memcpy(edgecv_input(i), input, input_bytes[i]);
        }
        edgecv_invoke();
    }
    for (int i = 0; i < EDGECV_STEPS; i++) {
        whole += edgecv_ticks[i];
    }
    for (int i = 0; i < EDGECV_STEPS; i++) {
        printf("%5.1f%%  %s\n", 100 * edgecv_ticks[i] / fmax(whole, 1), edgecv_steps[i]);
    }
    printf("%.1f us a run on this machine\n", whole / runs);
    return 0;
}
#endif

int main(int count, char **arguments)
{
#ifdef EDGECV_CLOCK
    if (count > 1 && strcmp(arguments[1], "--times") == 0) {
        return times();
    }
#endif
    if (count > 1 && strcmp(arguments[1], "--self-test") == 0) {
        return self_test();
    }
    for (;;) {
        for (int i = 0; i < EDGECV_INPUTS; i++) {
            if (fread(edgecv_input(i), 1, input_bytes[i], stdin) != input_bytes[i]) {
                return i == 0 && feof(stdin) ? 0 : 1;
            }
        }
        edgecv_invoke();
        for (int i = 0; i < EDGECV_OUTPUTS; i++) {
            if (fwrite(edgecv_output(i), 1, output_bytes[i], stdout) != output_bytes[i]) {
                return 1;
            }
        }
        fflush(stdout);
    }
}
#endif
