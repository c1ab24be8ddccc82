/* SPDX-License-Identifier: MIT
 * input.h - numbers out of the input of a fuzz target.
 * Invariants: behind the end of the input all bytes are 0.
 * Threads:    an input belongs to one thread.
 * Ownership:  the bytes are the caller's. */
#ifndef IOE_TESTS_INPUT_H
#define IOE_TESTS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *data;
	size_t size;
	size_t at;
};

static inline bool input_has_more(const struct input *input)
{
	return input->at < input->size;
}

static inline uint8_t input_byte(struct input *input)
{
	return input->at < input->size ? input->data[input->at++] : 0;
}

static inline uint64_t input_bytes(struct input *input, uint32_t n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | input_byte(input);
	return value;
}

/* In [low, high]; one byte, or two where the range is wider. */
static inline uint32_t input_between(struct input *input, uint32_t low, uint32_t high)
{
	const uint32_t n = high - low + 1;

	return low + (uint32_t)input_bytes(input, n > 256 ? 2 : 1) % n;
}

/* Any number of 64 bits, mostly one at which something changes: a small one, a limit of ioe.h and
 * those beside it, a power of two and those beside it, or 8 bytes of the input. */
static inline uint64_t input_number(struct input *input)
{
	static const uint64_t limits[] = {
		256,
		512,
		1024,
		16384,
		1048576,
		262144,
		0x7ffff000,
		1000000000,
		UINT32_MAX,
		INT32_MAX,
		INT64_MAX,
		UINT64_MAX,
		UINT64_MAX - 4096,
	};
	const size_t n_limits = sizeof(limits) / sizeof(limits[0]);
	const uint8_t code = input_byte(input);

	if (code < 0x40)
		return code;
	if (code < 0x80)
		return limits[(code - 0x40) / 3 % n_limits] + (code - 0x40) % 3 - 1;
	if (code < 0xf0)
		return (UINT64_C(1) << (code - 0x80) % 64) + (code - 0x80) / 64 - 1;
	return input_bytes(input, 8);
}

#endif
