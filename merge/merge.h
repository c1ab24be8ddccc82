/* SPDX-License-Identifier: MIT
 * merge.h - plan how a batch of events becomes requests: a pure function.
 *
 * A batch is what was there when the driver looked: add the events in the order of their arrival,
 * plan once, then take the groups one after another and make a request of each.
 *
 * Invariants: every event of the batch is in exactly one group; no group exceeds the limits but a
 *             single event that exceeds them alone; the events of a group are adjacent, in the
 *             order of their offsets, and agree in the merge key (fd, read or write, flags,
 *             rw_flags, ioprio, lane); two conflicting events (overlapping, one a write or
 *             fallocate) are in different groups, and the group of the earlier one is taken first;
 *             no two groups could be one, but for limits and that order (README.md has the exact
 *             rule).
 * Threads:    none; one plan belongs to one driver. No IO, no allocation after init.
 * Ownership:  events are borrowed between add and take, or end; only their node.next is written,
 *             by these two. */
#ifndef IOE_MERGE_H
#define IOE_MERGE_H

#include "engine/ioe.h"

struct ioe__merge_limits {
	uint64_t bytes_max;  /* of a group of more than one event; 0: no merging */
	uint32_t events_max; /* in a group */
	uint32_t iov_max;    /* buffers of a group of more than one event, at most IOV_MAX */
};

/* What take returns: a request to be. */
struct ioe__merge_group {
	struct ioe_event *first; /* linked by ioe__node.next, ascending offsets, NULL at the end */
	uint32_t n_events;
	uint32_t n_buffers; /* elements an iovec for all of it has: 1 for each plain event */
	uint64_t bytes;
	/* Some event of it is in a cluster of overlapping events of this batch of which one changes
	 * the file: whoever runs the groups has to keep conflicting ones in order. */
	bool contested;
};

struct ioe__merge_item;
struct ioe__merge_key;
struct ioe__merge_node;
struct ioe__merge_traits;

/* Private. Arrays of capacity entries where not said otherwise, some 230 bytes for each event. */
struct ioe__merge_plan {
	struct ioe__merge_item *items;    /* in the order of arrival */
	struct ioe__merge_key *keys;      /* of the items that may have a neighbour, sorted */
	struct ioe__merge_key *points;    /* 2 * capacity: ends of ranges */
	struct ioe__merge_key *scratch;   /* 2 * capacity */
	struct ioe__merge_node *tree;     /* 4 * capacity */
	struct ioe__merge_traits *traits; /* those met in this batch */
	uint64_t *filter;    /* bits: some range has an end, or a granule, that hashes here */
	uint64_t length_max; /* of the ranges in this batch */
	uint32_t *links;     /* 2 * capacity */
	uint32_t *order;     /* indexes of items in the order of leaving, if by_rank */
	uint32_t *counts;    /* capacity + 1 */
	uint32_t capacity;
	uint32_t n;           /* events in the batch */
	uint32_t n_mergeable; /* of those, by their flags */
	uint32_t n_changes;   /* of those, writes and fallocates */
	uint32_t n_traits;
	uint32_t cursor; /* turns that are over */
	uint32_t n_left; /* events not taken */
	bool by_rank;    /* items leave in the order of (rank, arrival), else of arrival */
};

/* Bytes of memory a plan for batches of up to capacity events needs. */
size_t ioe__merge_memory_bytes(uint32_t capacity);

/* Set up a plan in memory (ioe__merge_memory_bytes(capacity), aligned to 64). capacity in
 * [1, 2^23]. */
void ioe__merge_init(struct ioe__merge_plan *plan, void *memory, uint32_t capacity);

/* Begin a new batch; the old one must have been taken whole, or ended. */
void ioe__merge_reset(struct ioe__merge_plan *plan);

/* Add an event to the batch, in the order of arrival. The caller keeps n <= capacity. */
void ioe__merge_add(struct ioe__merge_plan *plan, struct ioe_event *event);

/* Form the groups. O(n log n), conflicts or not; O(n), some nanoseconds an event, where no events
 * are adjacent or near each other. limits above what the kernel takes (0x7ffff000 bytes, 1024
 * buffers) are lowered to it; bytes_max 0 or events_max 1: every event is a group, in the order of
 * arrival. */
void ioe__merge_form(struct ioe__merge_plan *plan, const struct ioe__merge_limits *limits);

/* Take the next group: groups leave in the order of their earliest events, those that have to be
 * behind a conflicting one after all that have not. False when all have been taken. */
bool ioe__merge_take(struct ioe__merge_plan *plan, struct ioe__merge_group *ret_group);

/* End the batch before it has been taken whole: the events that are left, in the order of arrival,
 * linked by ioe__node.next from the one returned to *ret_last; or NULL. */
struct ioe_event *ioe__merge_end(struct ioe__merge_plan *plan, struct ioe_event **ret_last);

/* Whether a group of more than one event may be so large. */
static inline bool ioe__merge_fits(const struct ioe__merge_limits *limits, uint64_t bytes,
				   uint32_t n_events, uint32_t n_buffers)
{
	return bytes <= limits->bytes_max && n_events <= limits->events_max &&
	       n_buffers <= limits->iov_max;
}

/* Whether b can stand right behind a in a request: same key, adjacent, both mergeable, and nothing
 * of b done yet. */
bool ioe__merge_joins(const struct ioe_event *a, const struct ioe_event *b);

/* Whether a and b overlap in one file and one of them changes it (law 6). A fallocate that
 * collapses or inserts a range overlaps all that is behind its offset. */
bool ioe__merge_conflict(const struct ioe_event *a, const struct ioe_event *b);

/* The bytes [*ret_low, *ret_high) of its file that an event touches; false: it has none. */
bool ioe__merge_range(const struct ioe_event *event, uint64_t *ret_low, uint64_t *ret_high);

/* Whether the event changes the bytes of its range (write, fallocate). */
bool ioe__merge_changes(const struct ioe_event *event);

/* Buffers an event adds to an iovec: n_iov of vectored ones, else 1. */
uint32_t ioe__merge_n_buffers(const struct ioe_event *event);

#endif
