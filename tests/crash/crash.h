/* SPDX-License-Identifier: MIT
 * crash.h - what both crash programs do: crashes shared out to every backend, with POOL and
 *                  with INLINE, and what is made of what they have left.
 * Invariants: none.
 * Threads:    main.
 * Ownership:  none. */
#ifndef IOE_TESTS_CRASH_H
#define IOE_TESTS_CRASH_H

#include "tests/crash/records.h"

/* First thing: memory shared with children, and what a failure says. */
struct acks *crash_begin(int argc, char **argv, const char *program);

/* Call run() for each combination that has a share of the n crashes, is asked for by name, and can
 * be had here. what: such a crash, in the plural. */
void crash_combinations(uint64_t n, const char *what,
			void (*run)(uint32_t backend, uint32_t threading, uint64_t share));

/* The end of a scenario: fail if anything is lost, or say how much was found. */
void crash_found_all(const struct verdict *verdict);
/* The end of a proof: fail if nothing is lost after n crashes, or say what is. */
void crash_found_lies(const struct verdict *verdict, uint32_t n);

#endif
