/* SPDX-License-Identifier: MIT
 * test_iovpool.c - the allocator of iovec arrays: blocks never overlap, and nothing is lost.
 * Invariants: seeded; IOE_SEED replays.
 * Threads:    one.
 * Ownership:  each test's own pool. */
#include "engine/iovpool.h"
#include "tests/check.h"
#include "tests/lib/random.h"

#define N 4096u

Test(iovpool, a_block_of_the_largest_size_is_there_at_first)
{
	struct ioe__iovpool pool;
	uint32_t n_got;

	check_eq(ioe__iovpool_init(&pool, 1), 0);
	check_eq(pool.n, IOE__IOV_BLOCK_MAX);
	check_eq(ioe__iovpool_take(&pool, IOE__IOV_BLOCK_MAX, 2, &n_got), 0);
	check_eq(n_got, IOE__IOV_BLOCK_MAX);
	check_eq(ioe__iovpool_take(&pool, 2, 2, &n_got), IOE__NO_IOV_BLOCK);
	ioe__iovpool_give(&pool, 0);
	check_eq(ioe__iovpool_take(&pool, IOE__IOV_BLOCK_MAX, 2, &n_got), 0);
	ioe__iovpool_deinit(&pool);
}

Test(iovpool, less_is_given_when_there_is_no_more)
{
	struct ioe__iovpool pool;
	uint32_t n_got;
	uint32_t small;

	check_eq(ioe__iovpool_init(&pool, 1), 0);
	small = ioe__iovpool_take(&pool, 5, 2, &n_got);
	check_eq(n_got, 5);
	cr_assert_neq(ioe__iovpool_take(&pool, 1024, 2, &n_got), IOE__NO_IOV_BLOCK);
	check_eq(n_got, 512);
	check_eq(ioe__iovpool_take(&pool, 1024, 512, &n_got), IOE__NO_IOV_BLOCK);
	ioe__iovpool_give(&pool, small);
	ioe__iovpool_deinit(&pool);
}

struct block {
	uint32_t index;
	uint32_t n;
};

Test(iovpool, blocks_never_overlap_and_all_comes_back)
{
	struct random random = random_open(1);
	struct ioe__iovpool pool;
	struct block blocks[256];
	uint8_t *used = calloc(N, 1);
	uint32_t n_blocks = 0;
	uint32_t n_got;

	check_eq(ioe__iovpool_init(&pool, N), 0);
	for (uint32_t round = 0; round < 20000; round++) {
		if (n_blocks < 256 && random_below(&random, 2) == 0) {
			const uint32_t n = 1 + (uint32_t)random_below(&random, 200);
			struct block block = { .n = n };

			block.index = ioe__iovpool_take(&pool, n, 1, &block.n);
			if (block.index == IOE__NO_IOV_BLOCK)
				continue;
			check_op(block.n, <=, n);
			for (uint32_t i = 0; i < block.n; i++)
				check_eq(used[block.index + i]++, 0);
			blocks[n_blocks++] = block;
		} else if (n_blocks > 0) {
			const uint32_t which = (uint32_t)random_below(&random, n_blocks);

			for (uint32_t i = 0; i < blocks[which].n; i++)
				used[blocks[which].index + i] = 0;
			ioe__iovpool_give(&pool, blocks[which].index);
			blocks[which] = blocks[--n_blocks];
		}
	}
	while (n_blocks > 0)
		ioe__iovpool_give(&pool, blocks[--n_blocks].index);
	for (uint32_t i = 0; i < N / IOE__IOV_BLOCK_MAX; i++) {
		cr_assert_neq(ioe__iovpool_take(&pool, IOE__IOV_BLOCK_MAX, 1, &n_got),
			      IOE__NO_IOV_BLOCK);
		check_eq(n_got, IOE__IOV_BLOCK_MAX);
	}
	ioe__iovpool_deinit(&pool);
	free(used);
}
