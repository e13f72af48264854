/* The firmware over the standard input and output, for a PC. On a board, give it these functions
 * with the serial port and the clock of the board, and call edgecv_serve. */
#include "edgecv_firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint8_t board_read(void)
{
    const int byte = getchar();
    if (byte == EOF) {
        exit(0);
    }
    return (uint8_t)byte;
}

void board_write(uint8_t byte)
{
    putchar(byte);
    if (byte == '\n') {
        fflush(stdout);
    }
}

uint32_t board_microseconds(void)
{
    return (uint32_t)((double)clock() * 1e6 / CLOCKS_PER_SEC);
}

int main(void)
{
    edgecv_serve();
    return 0;
}
