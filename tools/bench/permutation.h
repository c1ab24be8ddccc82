/* SPDX-License-Identifier: MIT
 * permutation.h - every block once, in an order without a visible one, and no map of what was done.
 * Invariants: permutation_at() is a bijection of [0, n_blocks), the same one for the same seed.
 * Threads:    any; a permutation is const after permutation_init().
 * Ownership:  the caller's memory; nothing is allocated.
 */
#ifndef IOE_TOOLS_PERMUTATION_H
#define IOE_TOOLS_PERMUTATION_H

#include <stdint.h>

#define PERMUTATION_ROUNDS 3

struct permutation {
	uint64_t n_blocks;
	uint64_t n_high; /* the least square that is not below n_blocks has sides of this length */
	uint64_t n_low;  /* n_high * n_low is n_blocks or hardly more */
	uint64_t keys[2 * PERMUTATION_ROUNDS];
};

/* The output function of splitmix64: a bijection of 64-bit numbers without visible order. */
static inline uint64_t permutation_mix(uint64_t n)
{
	n += 0x9e3779b97f4a7c15u;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
	return n ^ (n >> 31);
}

/* n_blocks is 1 at least. Another pass over the same blocks takes another seed; seeds may be small
 * numbers in a row. */
void permutation_init(struct permutation *permutation, uint64_t n_blocks, uint64_t seed);

/* The block that is number i, i below n_blocks; some 20 ns. */
uint64_t permutation_at(const struct permutation *permutation, uint64_t i);

#endif
