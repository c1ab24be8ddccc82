/* SPDX-License-Identifier: MIT
 * test_merge_cost.c - planning is O(n log n), whatever the batch, and O(n) where no ranges are
 *                     near each other: by counting what it does (ioe__merge_work), not by time.
 * Invariants: counts are exact: the same on every machine.
 * Threads:    none.
 * Ownership:  batches are the tests'. */
#include "merge/plan.h"
#include "tests/check.h"
#include "tests/lib/merge_shapes.h"

/* The constants, some 5/4 of what has been counted at the most: 13.1 for nested reads and writes,
 * 17 where every second event writes the same block (12.5 for a sequential run, 8.8 for random
 * writes, 3.5 for random reads). */
#define WORK_OF_N_LOG_N_MAX 16
#define WORK_OF_N_MAX       20

static uint64_t work_of(struct batch *batch, const struct merge_shape *shape, uint32_t n)
{
	uint64_t before = ioe__merge_work;

	batch_clear(batch);
	shape->put(batch, n);
	batch_form(batch, &shape->limits);
	return ioe__merge_work - before;
}

Test(merge, no_batch_costs_more_than_n_log_n)
{
	static const uint32_t sizes[] = { 256, 1024, 8192 };
	struct batch *batch = batch_open(8192);
	uint64_t least = UINT64_MAX;

	for (uint32_t s = 0; s < merge_n_shapes; s++) {
		const struct merge_shape *shape = &merge_shapes[s];

		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			const uint64_t n = sizes[k];
			const uint64_t n_log_n = n * (uint64_t)__builtin_ctzll(n);
			const uint64_t work = work_of(batch, shape, sizes[k]);

			cr_assert(work <= WORK_OF_N_LOG_N_MAX * n_log_n, "%s, n = %llu: %llu",
				  shape->name, (unsigned long long)n, (unsigned long long)work);
			cr_assert(!shape->linear || work <= WORK_OF_N_MAX * n, "%s, n = %llu: %llu",
				  shape->name, (unsigned long long)n, (unsigned long long)work);
			if (shape->hostile && work < least)
				least = work;
		}
	}
	check_op(least, >=, 256); /* it has been counted */
	batch_close(batch);
}

/* What a batch leaves behind in a plan would else show as work that the next one has no use for. */
Test(merge, a_plan_used_again_does_no_more_than_a_new_one)
{
	for (uint32_t s = 0; s < merge_n_shapes; s++) {
		struct batch *batch = batch_open(256);
		const uint64_t work = work_of(batch, &merge_shapes[s], 256);

		for (uint32_t before = 0; before < merge_n_shapes; before++) {
			work_of(batch, &merge_shapes[before], 256);
			cr_assert(work_of(batch, &merge_shapes[s], 256) == work, "%s after %s",
				  merge_shapes[s].name, merge_shapes[before].name);
		}
		batch_close(batch);
	}
}
