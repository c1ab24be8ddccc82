/* SPDX-License-Identifier: MIT
 * stress.h - what the stress programs share: scaled counts, scenarios by name, engines.
 * A stress program is PROGRAM [SUBSTRING]: it runs the scenarios whose name holds the substring,
 * prints a line for each, and exits with 0, with 1 on failure, with 77 when nothing could be run.
 * Environment: IOE_STRESS_PERCENT scales every count (100; under a sanitizer 10), IOE_SEED,
 *              IOE_SEEDS (a number of seeds, where a program runs several).
 * Invariants: none.
 * Threads:    main.
 * Ownership:  none. */
#ifndef IOE_TESTS_STRESS_H
#define IOE_TESTS_STRESS_H

#include "engine/ioe.h"

#include <stdbool.h>
#include <stdint.h>

/* First thing in main(). */
void stress_begin(int argc, char **argv);
/* Last thing in main(): the exit status. */
int stress_end(void);

/* n by IOE_STRESS_PERCENT, at least 1. */
uint64_t stress_scaled(uint64_t n);
/* The same, with 100 as the default under a sanitizer too. */
uint64_t stress_scaled_full(uint64_t n);

/* How many seeds to run, random_seed() and those that follow: IOE_SEEDS; else the one if IOE_SEED
 * was given, else n, scaled. */
uint64_t stress_seeds(uint64_t n);
/* Fail if the program has not ended, or said this again, after so many seconds. */
void stress_patience(uint32_t seconds);

/* Whether to run the scenario; remembers its name and the time. */
bool stress_scenario(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* It has been run: print its name, how many things were done, and how fast. */
void stress_done(uint64_t n, const char *unit);
/* It could not be run here. */
void stress_skipped(const char *reason);

extern const char *const stress_backends[4];   /* by IOE_BACKEND_* */
extern const char *const stress_threadings[3]; /* by IOE_THREADING_* */

/* Open, or fail; false if the backend is not available here (and says so). */
bool stress_open(const struct ioe_config *config, struct ioe_engine **ret_engine);

#endif
