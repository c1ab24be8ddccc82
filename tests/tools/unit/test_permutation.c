/* SPDX-License-Identifier: MIT
 * test_permutation.c - every block once, and in no order that can be seen.
 * Invariants: seeds are fixed: what passes once passes always.
 * Threads:    one.
 * Ownership:  maps are freed by the tests. */
#include <math.h>

#include "tests/check.h"
#include "tools/bench/permutation.h"

#define CELLS 64

static void check_bijective(uint64_t n_blocks, uint64_t seed)
{
	bool *seen = calloc(n_blocks, sizeof(*seen));
	struct permutation permutation;

	cr_assert_not_null(seen);
	permutation_init(&permutation, n_blocks, seed);
	for (uint64_t i = 0; i < n_blocks; i++) {
		uint64_t block = permutation_at(&permutation, i);

		check_op(block, <, n_blocks);
		cr_assert(!seen[block], "%llu of %llu comes twice, seed %llu",
			  (unsigned long long)block, (unsigned long long)n_blocks,
			  (unsigned long long)seed);
		seen[block] = true;
	}
	free(seen);
}

Test(permutation, every_block_comes_once)
{
	static const uint64_t sizes[] = { 17, 4095, 4096, 4097, 65537, 1000000, 1000003 };

	for (uint64_t n = 1; n < 300; n++)
		for (uint64_t seed = 0; seed < 5; seed++)
			check_bijective(n, seed);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (uint64_t seed = 1; seed < 3; seed++)
			check_bijective(sizes[i], seed);
}

Test(permutation, huge_files_stay_in_range)
{
	static const uint64_t sizes[] = { UINT64_C(1) << 32, (UINT64_C(1) << 40) - 87,
					  (UINT64_C(1) << 52) + 1, UINT64_C(1) << 62 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct permutation permutation;

		permutation_init(&permutation, sizes[i], 1);
		for (uint64_t k = 0; k < 100000; k++) {
			check_op(permutation_at(&permutation, k), <, sizes[i]);
			check_op(permutation_at(&permutation, sizes[i] - 1 - k), <, sizes[i]);
		}
	}
}

/* Of 1000 blocks of two unrelated permutations about one is at the same place. */
Test(permutation, seeds_in_a_row_differ)
{
	enum { SEEDS = 50, N = 1000 };
	struct permutation permutations[SEEDS];
	uint32_t n_same = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++)
		permutation_init(&permutations[seed], N, seed);
	for (uint32_t a = 0; a < SEEDS; a++)
		for (uint32_t b = a + 1; b < SEEDS; b++)
			for (uint64_t i = 0; i < N; i++)
				n_same += permutation_at(&permutations[a], i) ==
					  permutation_at(&permutations[b], i);
	/* 1225 pairs: 1225 expected, deviation 35 */
	check_op(n_same, >, 1225 - 5 * 35);
	check_op(n_same, <, 1225 + 5 * 35);
}

/* Chi square of even counts: the distance from what is expected, in deviations. */
static double deviations(const uint64_t counts[CELLS])
{
	double n = 0, sum = 0;

	for (uint32_t i = 0; i < CELLS; i++)
		n += (double)counts[i];
	for (uint32_t i = 0; i < CELLS; i++)
		sum += pow((double)counts[i] - n / CELLS, 2) * CELLS / n;
	return (sum - (CELLS - 1)) / sqrt(2 * (CELLS - 1));
}

/* Steps between blocks that follow each other, or almost; their low bits; and where in the file
 * they are: all of these are as even as chance would have it. */
Test(permutation, there_is_no_order_in_it)
{
	static const uint64_t sizes[] = { 4096, 65536, 100003, 1 << 20, (1 << 20) + 1 };
	static const uint64_t apart[] = { 1, 2, 3, 8, 64, 1024 };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		for (size_t d = 0; d < sizeof(apart) / sizeof(*apart); d++) {
			uint64_t steps[CELLS] = { 0 }, bits[CELLS] = { 0 }, places[CELLS] = { 0 };
			uint64_t n = sizes[s];
			struct permutation permutation;

			permutation_init(&permutation, n, s * 100 + d);
			for (uint64_t i = 0; i < n && i < 100000; i++) {
				uint64_t a = permutation_at(&permutation, i);
				uint64_t b = permutation_at(&permutation, (i + apart[d]) % n);

				steps[(a + n - b) % n * CELLS / n]++;
				bits[(a ^ b) % CELLS]++;
				places[a * 8 / n * 8 + b * 8 / n]++;
			}
			cr_assert_lt(deviations(steps), 5, "steps of %llu, %llu apart",
				     (unsigned long long)n, (unsigned long long)apart[d]);
			cr_assert_lt(deviations(bits), 5, "bits of %llu, %llu apart",
				     (unsigned long long)n, (unsigned long long)apart[d]);
			cr_assert_lt(deviations(places), 5, "places of %llu, %llu apart",
				     (unsigned long long)n, (unsigned long long)apart[d]);
		}
	}
}
