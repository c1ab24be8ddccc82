/* SPDX-License-Identifier: MIT
 * count_alloc.h - count every allocation of the process.
 * Linking this in replaces malloc and its like in the whole program (under a sanitizer: hooks it).
 * Invariants: only what happens between start and stop is counted.
 * Threads:    any; all threads are counted.
 * Ownership:  none. */
#ifndef IOE_TESTS_COUNT_ALLOC_H
#define IOE_TESTS_COUNT_ALLOC_H

#include <stdint.h>

void count_alloc_start(void);
/* Stop, and return how often memory was allocated, resized or freed since the start. */
uint64_t count_alloc_stop(void);

#endif
