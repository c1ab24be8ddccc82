/* SPDX-License-Identifier: MIT
 * merge_batch.h - a batch of events for the tests of merge/, and a checker of what becomes of it.
 * Invariants: the checker is O(n^2) and made of definitions; it shares no code with merge/. What
 *             fails prints the batch, as the lines of a test that has it.
 * Threads:    the test's own.
 * Ownership:  the tests'. */
#ifndef IOE_TESTS_MERGE_BATCH_H
#define IOE_TESTS_MERGE_BATCH_H

#include "merge/merge.h"

struct batch {
	struct ioe_event *events;
	uint32_t n;
	uint32_t capacity;
	struct ioe__merge_plan plan;
	void *memory;
	uint64_t seed; /* printed with a failure, if not 0: what the events were made of */
	/* After batch_form(). */
	struct ioe__merge_limits limits;
	struct ioe__merge_group *groups;
	uint32_t n_groups;
	uint32_t *group_of; /* of events[i] */
	uint32_t *taken;    /* events in the order in which they left */
	/* After batch_form_and_check(), all by definition. */
	uint32_t *rank_of;  /* of events[i] */
	bool *told_apart;   /* events[i] is mergeable, with one of the first 64 sets of traits */
	bool *contested;    /* events[i] is in a cluster with a conflict */
	uint32_t *work;     /* the checker's own */
	uint32_t n_untold;  /* mergeable events with other traits than those */
	uint32_t n_limited; /* pairs of groups that only the limits keep apart */
	uint32_t n_excused; /* pairs that are apart since one of more than 64 has not been tried */
};

/* A batch of up to capacity events, with a plan of that capacity. */
struct batch *batch_open(uint32_t capacity);
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
 * events, by the definition of ranks; the order of leaving; which groups are contested; and no two
 * groups of one rank that could be one. */
void batch_form_and_check(struct batch *batch, const struct ioe__merge_limits *limits);

/* Form the batch that `formed` has formed in another plan: what comes out is the same. */
void batch_form_the_same(struct batch *batch, const struct batch *formed);

/* Form it in another plan, take so many groups, and end the plan: the events that are left come
 * back in the order of arrival. */
void batch_form_and_end(struct batch *batch, const struct batch *formed, uint32_t n_groups);

#endif
