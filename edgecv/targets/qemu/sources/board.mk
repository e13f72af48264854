CC = arm-none-eabi-gcc
SIZE = arm-none-eabi-size
CFLAGS = $FLAGS -mthumb -Os -std=c99 -Wall -Wextra -Werror -ffp-contract=off -ffunction-sections -fdata-sections \
  -DUART=$UART -I. -Ifirmware
SOURCES = board.c firmware/edgecv_firmware.c edgecv_model.c edgecv_weights.c

firmware.elf: $$(SOURCES) board.ld
	$$(CC) $$(CFLAGS) -nostartfiles -Wl,--gc-sections -T board.ld -o $$@ $$(SOURCES) -lm -lc -lgcc
