/* SPDX-License-Identifier: MIT
 * permutation.c - a bijection of [0, n) by arithmetic: a Feistel network on mixed digits.
 *
 * A number is taken as two digits, high of base a and low of base b, ab >= n, about the root of n
 * each. Each step adds to one digit, modulo its base, a hash of the other: that can be turned back,
 * whatever the hash is, so the steps together are a bijection of [0, ab). What falls outside
 * [0, n) goes through them again until it falls inside: walking along a cycle of [0, ab), from one
 * number below n to the next one below n, which is a bijection of those. ab - n is less than a, so
 * that is rare: n = 1000000: never; n = 1000003: a = 1001, b = 1000, 997 of 1001000.
 * Invariants: as in the header.
 * Threads:    any.
 * Ownership:  none.
 */
#include "tools/bench/permutation.h"

/* The least number whose square is not below n. */
static uint64_t root_up(uint64_t n)
{
	uint64_t root = 0;

	/* of the greatest number whose square is below n */
	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) < n)
			root |= bit;
	return root + 1;
}

void permutation_init(struct permutation *permutation, uint64_t n_blocks, uint64_t seed)
{
	uint64_t state = permutation_mix(seed);

	permutation->n_blocks = n_blocks;
	permutation->n_high = root_up(n_blocks);
	permutation->n_low = (n_blocks - 1) / permutation->n_high + 1;
	for (uint32_t i = 0; i < 2 * PERMUTATION_ROUNDS; i++) {
		state = permutation_mix(state);
		permutation->keys[i] = state;
	}
}

/* digit + hash of other, modulo base: digit is below base, and so is the hash, which is scaled
 * instead of divided. */
static inline uint64_t step(uint64_t digit, uint64_t other, uint64_t key, uint64_t base)
{
	__extension__ typedef unsigned __int128 wide;
	uint64_t hash = (other ^ key) * 0x9e3779b97f4a7c15u;

	hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
	digit += (uint64_t)((wide)hash * base >> 64);
	return digit < base ? digit : digit - base;
}

uint64_t permutation_at(const struct permutation *permutation, uint64_t i)
{
	uint64_t n_high = permutation->n_high, n_low = permutation->n_low;
	const uint64_t *keys = permutation->keys;

	do {
		uint64_t high = i / n_low, low = i % n_low;

		for (uint32_t k = 0; k < 2 * PERMUTATION_ROUNDS; k += 2) {
			high = step(high, low, keys[k], n_high);
			low = step(low, high, keys[k + 1], n_low);
		}
		i = high * n_low + low;
	} while (i >= permutation->n_blocks);
	return i;
}
