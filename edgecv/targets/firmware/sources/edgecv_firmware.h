/* What a board gives to the firmware. edgecv_firmware.c needs nothing else of it. */
#ifndef EDGECV_FIRMWARE_H
#define EDGECV_FIRMWARE_H

#include <stdint.h>

/* Waits for the next byte of the serial port. */
uint8_t board_read(void);

/* Sends a byte. */
void board_write(uint8_t byte);

/* Microseconds since any moment; 0 always on a board without a clock. */
uint32_t board_microseconds(void);

/* Answers commands for ever. */
void edgecv_serve(void);

#endif
