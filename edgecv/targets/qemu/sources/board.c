/* A Cortex-M of QEMU's MPS2 and MPS3 boards: vectors, memory, floating point unit, serial port. */
#include "edgecv_firmware.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_DATA REGISTER(UART + 0x00)
#define UART_STATE REGISTER(UART + 0x04)
#define UART_CONTROL REGISTER(UART + 0x08)
#define UART_DIVIDER REGISTER(UART + 0x10)
#define COPROCESSOR_ACCESS REGISTER(0xE000ED88u)

void board_reset(void);

extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;

uint8_t board_read(void)
{
    while (!(UART_STATE & 2u)) {
    }
    return (uint8_t)UART_DATA;
}

void board_write(uint8_t byte)
{
    while (UART_STATE & 1u) {
    }
    UART_DATA = byte;
}

/* QEMU counts no cycles: a time would say nothing. */
uint32_t board_microseconds(void)
{
    return 0;
}

void board_reset(void)
{
    const uint32_t *from = &data_load;
    for (uint32_t *to = &data_start; to < &data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end; to++) {
        *to = 0;
    }
    COPROCESSOR_ACCESS |= 0xFu << 20;
    __asm volatile("dsb\n isb");
    UART_DIVIDER = 16;
    UART_CONTROL = 3;
    edgecv_serve();
}

static void fault(void)
{
    for (const char *text = "\r\ne-[fault]\r\n"; *text; text++) {
        board_write((uint8_t)*text);
    }
    for (;;) {
    }
}

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[] = {
    (handler)(uintptr_t)&stack_top, board_reset, fault, fault, fault, fault, fault,
};
