/* SPDX-License-Identifier: MIT
 * random.h - numbers that can be had again: IOE_SEED=... replays what a test printed.
 * Invariants: one seed, one sequence.
 * Threads:    a struct random belongs to one thread.
 * Ownership:  the caller's. */
#ifndef IOE_TESTS_RANDOM_H
#define IOE_TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

/* IOE_SEED; where it is not set a new one is chosen, printed on stderr and set when the program
 * starts. */
uint64_t random_seed(void);
/* Whether IOE_SEED was set by who started the program. */
bool random_seed_was_given(void);
/* A sequence of its own for each stream number. */
struct random random_open(uint64_t stream);
/* The same with a seed of the caller's. */
struct random random_open_at(uint64_t seed, uint64_t stream);
uint64_t random_next(struct random *random);
/* In [0, limit); limit > 0. */
uint64_t random_below(struct random *random, uint64_t limit);
/* In [low, high]. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);

#endif
