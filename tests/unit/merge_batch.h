/* SPDX-License-Identifier: MIT
 * merge_batch.h - a batch of events for the tests of merge/, and a checker of what becomes of it.
 * Invariants: the checker is O(n^2) and made of definitions; it shares no code with merge/.
 * Threads:    the test's own.
 * Ownership:  the tests'. */
#ifndef IOE_TESTS_MERGE_BATCH_H
#define IOE_TESTS_MERGE_BATCH_H

#include "merge/merge.h"

#define BATCH_MAX 1100

struct batch {
	struct ioe_event events[BATCH_MAX];
	uint32_t n;
	struct ioe__merge_plan plan;
	void *memory;
	/* After form_and_check(). */
	struct ioe__merge_group groups[BATCH_MAX];
	uint32_t n_groups;
	uint32_t group_of[BATCH_MAX]; /* of events[i] */
	uint32_t rank_of[BATCH_MAX];  /* of events[i], by definition */
};

struct batch *batch_open(void);
void batch_close(struct batch *batch);
void batch_clear(struct batch *batch);

/* Add an event, as ioe_prep_*() and acceptance leave it. */
struct ioe_event *batch_put(struct batch *batch, uint8_t op, int fd, uint64_t offset,
			    uint64_t length);
struct ioe_event *batch_put_vector(struct batch *batch, uint8_t op, int fd, uint64_t offset,
				   uint64_t length, uint32_t n_iov);

/* Plan the batch and take its groups: each event in exactly one, adjacent, of one key, within the
 * limits. */
void batch_form(struct batch *batch, const struct ioe__merge_limits *limits);

/* batch_form(), and everything else that merge/README.md promises: the order of conflicting
 * events, by the definition of ranks; the order of leaving; and no two groups of one rank that
 * could be one. */
void batch_form_and_check(struct batch *batch, const struct ioe__merge_limits *limits);

#endif
