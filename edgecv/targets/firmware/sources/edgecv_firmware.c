/* Answers the commands of the MLPerf Tiny benchmark over a serial port, and one of its own:
 *   name%  profile%  timestamp%  db load N%  db HEX%  infer N [WARMUPS]%  results%
 *   outputs%   all outputs as they are stored: m-outputs-[HEX]
 * Each command ends with % and is answered by lines, of which m-ready is the last. */
#include "edgecv_firmware.h"

#include "edgecv_identity.h"
#include "edgecv_model.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_COMMAND 520 /* MLPerf Tiny's commands have 80 characters at the most. */
#define LONGEST_VECTOR 64

static const uint32_t output_bytes[] = {EDGECV_ALL_OUTPUT_BYTES};
static uint8_t input[EDGECV_INPUT_0_BYTES];
static uint32_t expected, loaded;

static void say(const char *text)
{
    while (*text) {
        board_write((uint8_t)*text++);
    }
}

static void say_number(uint32_t number)
{
    char digits[11];
    int place = 10;
    digits[place] = 0;
    do {
        digits[--place] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    say(digits + place);
}

static void say_hex(const uint8_t *bytes, uint32_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < count; i++) {
        board_write((uint8_t)digits[bytes[i] >> 4]);
        board_write((uint8_t)digits[bytes[i] & 15]);
    }
}

/* Writes a value with three decimals: small integer arithmetic in place of printf. */
static void say_decimal(float value)
{
    if (!(value > -2e6f && value < 2e6f)) {
        say(value < 0 ? "-inf" : value > 0 ? "inf" : "nan");
        return;
    }
    if (value < 0) {
        say("-");
        value = -value;
    }
    uint32_t thousandths = (uint32_t)(value * 1000.0f + 0.5f);
    say_number(thousandths / 1000);
    say(".");
    board_write((uint8_t)('0' + thousandths / 100 % 10));
    board_write((uint8_t)('0' + thousandths / 10 % 10));
    board_write((uint8_t)('0' + thousandths % 10));
}

static void say_results(void)
{
    const EDGECV_OUTPUT_0_TYPE *values = edgecv_output(0);
    say("m-results-[");
    for (uint32_t i = 0; i < EDGECV_OUTPUT_0_ELEMENTS && i < LONGEST_VECTOR; i++) {
        if (i) {
            say(",");
        }
#ifdef EDGECV_OUTPUT_0_SCALE
        say_decimal(EDGECV_OUTPUT_0_SCALE * (float)((int32_t)values[i] - EDGECV_OUTPUT_0_ZERO_POINT));
#else
        say_decimal((float)values[i]);
#endif
    }
    say("]\r\n");
}

static void say_outputs(void)
{
    say("m-outputs-[");
    for (int number = 0; number < EDGECV_OUTPUTS; number++) {
        say_hex(edgecv_output(number), output_bytes[number]);
    }
    say("]\r\n");
}

static void say_time(void)
{
    say("m-lap-us-");
    say_number(board_microseconds());
    say("\r\n");
}

/* The input is copied each time: edgecv_invoke may overwrite it. */
static void run(uint32_t times)
{
    while (times--) {
        memcpy(edgecv_input(0), input, sizeof input);
        edgecv_invoke();
    }
}

static void infer(uint32_t times, uint32_t warmups)
{
    say("m-warmup-start-");
    say_number(warmups);
    say("\r\n");
    run(warmups);
    say("m-warmup-done\r\nm-infer-start-");
    say_number(times);
    say("\r\n");
    say_time();
    run(times);
    say_time();
    say("m-infer-done\r\n");
    say_results();
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void load(const char *digits)
{
    if (strlen(digits) % 2) {
        say("e-[Insufficient number of hex digits]\r\n");
        return;
    }
    for (; *digits && loaded < expected; digits += 2) {
        int high = hex_digit(digits[0]), low = hex_digit(digits[1]);
        if (high < 0 || low < 0) {
            say("e-[Invalid hex digit]\r\n");
            return;
        }
        input[loaded++] = (uint8_t)(high << 4 | low);
    }
    if (expected && loaded == expected) {
        say("m-load-done\r\n");
    }
}

static uint32_t number_of(const char *text, uint32_t otherwise)
{
    return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static void buffer(const char *what)
{
    if (what == NULL) {
        say("e-[Command 'db' requires a subcommand]\r\n");
    } else if (strcmp(what, "load") == 0) {
        uint32_t bytes = number_of(strtok(NULL, " "), 0);
        if (bytes == 0 || bytes > sizeof input) {
            expected = 0;
            say("e-[Supplied buffer size is not 1 to ");
            say_number(sizeof input);
            say("]\r\n");
            return;
        }
        expected = bytes;
        loaded = 0;
        say("m-[Expecting ");
        say_number(bytes);
        say(" bytes]\r\n");
    } else {
        load(what);
    }
}

static void answer(char *command, int is_too_long)
{
    const char *word = strtok(command, " \r\n");
    if (is_too_long) {
        say("e-[Command too long]\r\n");
    } else if (word == NULL) {
        say("e-[Unknown command: ]\r\n");
    } else if (strcmp(word, "name") == 0) {
        say("m-name-dut-[edgecv]\r\n");
    } else if (strcmp(word, "profile") == 0) {
        say("m-profile-[edgecv firmware 1]\r\nm-model-[" EDGECV_MODEL_SHA256 "]\r\n");
    } else if (strcmp(word, "timestamp") == 0) {
        say_time();
    } else if (strcmp(word, "db") == 0) {
        buffer(strtok(NULL, " "));
    } else if (strcmp(word, "infer") == 0) {
        uint32_t times = number_of(strtok(NULL, " "), 1);
        infer(times, number_of(strtok(NULL, " "), 10));
    } else if (strcmp(word, "results") == 0) {
        say_results();
    } else if (strcmp(word, "outputs") == 0) {
        say_outputs();
    } else {
        say("e-[Unknown command: ");
        say(word);
        say("]\r\n");
    }
    say("m-ready\r\n");
}

void edgecv_serve(void)
{
    static char command[LONGEST_COMMAND + 1];
    uint32_t length = 0;
    int is_too_long = 0;
    say("m-init-done\r\nm-ready\r\n");
    for (;;) {
        char c = (char)board_read();
        if (c == '%') {
            command[length] = 0;
            answer(command, is_too_long);
            length = 0;
            is_too_long = 0;
        } else if (length < LONGEST_COMMAND) {
            command[length++] = c;
        } else {
            is_too_long = 1;
        }
    }
}
