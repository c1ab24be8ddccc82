/* SPDX-License-Identifier: MIT
 * order.h - when a barrier may start (law 7).
 *
 * For each fd number with unfinished events there is a record: a list of them in the order of
 * arrival. A barrier may start when it is the first of its list. Records are found by hashing the
 * fd; there are more of them than requests that can be in the kernel, so that when they run
 * out, the driver has more to do than it may (README.md, "Records").
 *
 * Invariants: an event is in the list of its fd from admit to finish; records with an empty list
 *             are free.
 * Threads:    the driver's only.
 * Ownership:  events are borrowed; memory is allocated at init. */
#ifndef IOE_ORDER_H
#define IOE_ORDER_H

#include "engine/event.h"

struct ioe__record {
	struct ioe_event *first; /* the oldest unfinished event of this fd */
	struct ioe_event *last;
	int fd;
	uint16_t next; /* in the bucket, or in the list of free records */
};

struct ioe__order {
	struct ioe__record *records; /* [1, n_records]; 0 means none */
	uint16_t *buckets;
	uint32_t bucket_mask;
	uint32_t n_records;
	uint16_t free;
	uint16_t last; /* the record looked up last */
};

/* Records for n events of different fds at least. 0 or -ENOMEM; deinit takes a failed one too. */
int ioe__order_init(struct ioe__order *order, uint32_t n);
void ioe__order_deinit(struct ioe__order *order);

/* Append the event to its fd's list. False: no record is free; try again when events have
 * finished. Events without fd (nop) need none. */
bool ioe__order_admit(struct ioe__order *order, struct ioe_event *event);

/* Whether a barrier may start. */
static inline bool ioe__order_is_first(const struct ioe_event *event)
{
	return event->ioe__fd_prev == NULL;
}

/* Take a finished event out. Returns a barrier that may start now, or NULL. */
struct ioe_event *ioe__order_finish(struct ioe__order *order, struct ioe_event *event);

/* Some event that waits as a barrier, or NULL (to cancel them all; O(records + events)). */
struct ioe_event *ioe__order_find_waiting(const struct ioe__order *order);

#endif
