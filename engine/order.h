/* SPDX-License-Identifier: MIT
 * order.h - what may start when: barriers (law 7), and overlaps (law 6).
 *
 * For each fd number with unfinished events there is a record: a list of them in the order of
 * arrival. A barrier may start when it is the first of its list. Records are found by hashing the
 * fd; there are more of them than requests that can be in the kernel, so that when they run
 * out, the driver has more to do than it may (README.md, "Records").
 *
 * An event is *watched* until it finishes if others of its batch conflict with it, or if it came
 * back from a request unfinished (short, -EAGAIN, split). A later event of its batch that conflicts
 * with it and has not been staged is held: it hangs on the latest event that it conflicts with, and
 * is looked at again when that finishes. So conflicting events run one after another, whatever
 * order a backend's helpers or the device would have run them in.
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

/* Linked by ioe__again_next and _prev; an event is in one of the two at most. */
struct ioe__watch_list {
	struct ioe_event *first;
	struct ioe_event *last;
};

struct ioe__order {
	struct ioe__record *records; /* [1, n_records]; 0 means none */
	uint16_t *buckets;
	uint32_t bucket_mask;
	uint32_t n_records;
	uint16_t free;
	uint16_t last; /* the record looked up last */
	struct ioe__watch_list watched;
	struct ioe__watch_list held; /* in the order of arrival */
	/* What has any chance to conflict: all that is watched or held lies in [low, high), and so
	 * many of it change a file. Grows, and starts anew when both lists are empty. */
	uint64_t low;
	uint64_t high;
	uint32_t n_changes;
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

/* Take a finished event out. Events that were held for it and may start are watched and appended to
 * released. Returns a barrier that may start now, or NULL. */
struct ioe_event *ioe__order_finish(struct ioe__order *order, struct ioe_event *event,
				    struct ioe__event_list *released);

/* Some event that waits as a barrier, or NULL (to cancel them all; O(records + events)). */
struct ioe_event *ioe__order_find_waiting(const struct ioe__order *order);

/* Watch an event from now on until it finishes. */
void ioe__order_watch(struct ioe__order *order, struct ioe_event *event);

/* Whether anything is watched or held, so that events must be looked at before they are staged. */
static inline bool ioe__order_is_alert(const struct ioe__order *order)
{
	return order->watched.first != NULL || order->held.first != NULL;
}

/* Hold the event if it conflicts with a watched or a held event of its batch, until that has
 * finished. False if it does not: it may start. */
bool ioe__order_hold(struct ioe__order *order, struct ioe_event *event);

/* Everything is to be ended: what is held hangs on nothing any more, and can be finished in any
 * order. */
void ioe__order_cut_loose(struct ioe__order *order);

#endif
