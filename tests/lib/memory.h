/* SPDX-License-Identifier: MIT
 * memory.h - buffers that show a byte too many, patterns that show a byte in the wrong place.
 * Invariants: a pattern is a function of seed and file offset, different in every 8 bytes.
 * Threads:    any.
 * Ownership:  buffers are freed with their own functions, or with the process. */
#ifndef IOE_TESTS_MEMORY_H
#define IOE_TESTS_MEMORY_H

#include <stdint.h>

/* length bytes, right before a page that cannot be touched; page aligned if length is a multiple of
 * the page. Filled with 0xa5. */
void *guard_buffer_open(uint64_t length);
void guard_buffer_close(void *buffer, uint64_t length);

/* length bytes aligned to 4096, filled with 0xa5; free() it. */
void *aligned_buffer(uint64_t length);

/* The bytes that belong at offset.. of a file of that seed. */
void pattern_fill(void *buffer, uint64_t length, uint64_t offset, uint64_t seed);
/* The index of the first byte that is not as pattern_fill() would make it, or -1. */
int64_t pattern_differs(const void *buffer, uint64_t length, uint64_t offset, uint64_t seed);
/* The index of the first byte that is not value, or -1. */
int64_t bytes_differ(const void *buffer, uint64_t length, uint8_t value);

#endif
