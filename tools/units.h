/* SPDX-License-Identifier: MIT
 * units.h - numbers with units, read and written by fio's conventions.
 * Invariants: inside the tool a size is in bytes and a time in nanoseconds, both uint64_t.
 * Threads:    any; nothing is shared.
 * Ownership:  text is written into the caller's buffer.
 */
#ifndef IOE_TOOLS_UNITS_H
#define IOE_TOOLS_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "4k" "1MiB" "0x1000" "2g": suffixes k m g t p are 1024-based, in any case, with an optional
 * "b" or "ib" behind them. -EINVAL: not a size; -ERANGE: does not fit. */
int units_parse_size(const char *text, uint64_t *ret_bytes);

/* "30" "1.5s" "200ms" "10us" "2m" "1h" "1d". A bare number is in units of unit_ns. */
int units_parse_time(const char *text, uint64_t unit_ns, uint64_t *ret_ns);

/* A whole number, decimal or 0x, with a suffix as a size has, as fio takes it: "10k" is 10240. */
int units_parse_count(const char *text, uint64_t *ret_count);

/* A whole number, with "%" behind it or not; may be more than 100. */
int units_parse_percent(const char *text, uint64_t *ret_percent);

enum units_base {
	UNITS_THOUSAND, /* 48.4k, 198M */
	UNITS_1024,     /* 189Mi */
};

#define UNITS_TEXT_MAX 32

/* At most four digits, as fio prints it: 5248, 48.4k, 189Mi. Returns text. */
const char *units_format(double number, enum units_base base, char text[UNITS_TEXT_MAX]);

/* Bytes, or bytes a second: "4096B", "379MiB" (1024-based), "198MB" (1000-based). */
const char *units_format_bytes(double bytes, enum units_base base, char text[UNITS_TEXT_MAX]);

#endif
