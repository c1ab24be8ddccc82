/* SPDX-License-Identifier: MIT
 * merge_shapes.h - the batches whose planning is measured: ordinary ones, and those made to be
 *                  expensive. Used by unit/test_merge_cost.c, which counts work, and by
 *                  cost/cost_merge.c, which takes the time.
 * Invariants: a shape and n make one batch.
 * Threads:    the caller's own.
 * Ownership:  the table is constant. */
#ifndef IOE_TESTS_MERGE_SHAPES_H
#define IOE_TESTS_MERGE_SHAPES_H

#include "tests/lib/merge_batch.h"

struct merge_shape {
	const char *name;
	/* Put n events into an empty batch. */
	void (*put)(struct batch *batch, uint32_t n);
	struct ioe__merge_limits limits;
	bool hostile; /* made to be expensive */
	bool linear;  /* O(n): nothing can merge, or it is all in order as it stands */
};

extern const struct merge_shape merge_shapes[];
extern const uint32_t merge_n_shapes;

#endif
