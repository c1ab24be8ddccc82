/* SPDX-License-Identifier: MIT
 * overlap.h - conflicting events of a batch run one after another (law 6).
 *
 * An event is *watched* until it finishes if others of its batch conflict with it, or if it came
 * back from a request unfinished (short, -EAGAIN, split). A later event of its batch that conflicts
 * with it and has not been staged is *held*: it hangs on an event that it conflicts with, and is
 * looked at again when that finishes. So conflicting events run one after another, whatever order a
 * backend's helpers or the device would have run them in.
 *
 * Finding a conflict. Watched and held events hang in buckets by where they begin. The range of an
 * event with a length in (2^(c-1), 2^c] is of class c; files are cut into granules of 2^c bytes for
 * the events of class c, and an event is found by (batch, fd, c, granule of its first byte). What
 * overlaps [low, high) and is of class c begins in a granule from that before low's to that of
 * high - 1: of events as long as this one these are three. In a bucket changes and reads have lists
 * of their own, since a read conflicts with changes only, and a change with all that it overlaps.
 * Sample: of 4096 bytes (class 12), [8192, 12288) looks at granules 1 and 2.
 *
 * Invariants: an event is in one list at most; lists of held events are in the order in which they
 *             were held, which is that of the batch.
 * Threads:    the driver's only.
 * Ownership:  events are borrowed; memory is allocated at init. */
#ifndef IOE_OVERLAP_H
#define IOE_OVERLAP_H

#include "engine/event.h"

struct ioe__overlap_bucket;

struct ioe__overlaps {
	struct ioe__overlap_bucket *buckets;
	uint32_t n_buckets; /* a power of two */
	uint32_t n;         /* watched or held */
	uint32_t n_held;
	uint32_t n_changes; /* of n, those that change their file */
	uint32_t cursor;    /* of find_held: no bucket before it holds any */
	uint32_t n_of_class[64];
	uint64_t classes; /* bits: n_of_class is not 0 */
	uint64_t turn;    /* of the next that is held */
	uint64_t work;    /* looks at events and buckets; counted with IOE_VERIFY */
	/* What has any chance to conflict: all that is watched or held lies in [low, high). Grows,
	 * and starts anew when nothing is left. */
	uint64_t low;
	uint64_t high;
};

/* For some n events at a time; more are as right, and slower. 0 or -ENOMEM; deinit takes a failed
 * one too. */
int ioe__overlap_init(struct ioe__overlaps *overlaps, uint32_t n);
void ioe__overlap_deinit(struct ioe__overlaps *overlaps);

/* Whether anything is watched or held, so that events must be looked at before they are staged. */
static inline bool ioe__overlap_is_alert(const struct ioe__overlaps *overlaps)
{
	return overlaps->n > 0;
}

/* Watch an event from now on until it finishes. */
void ioe__overlap_watch(struct ioe__overlaps *overlaps, struct ioe_event *event);

/* Hold the event if it conflicts with a watched or a held event of its batch, until that has
 * finished. False if it does not: it may start. */
bool ioe__overlap_hold(struct ioe__overlaps *overlaps, struct ioe_event *event);

/* An event has finished. Events that were held for it and may start are watched, and appended to
 * released. */
void ioe__overlap_finish(struct ioe__overlaps *overlaps, struct ioe_event *event,
			 struct ioe__event_list *released);

/* Everything is to be ended: what is held hangs on nothing any more, and can be finished in any
 * order. */
void ioe__overlap_cut_loose(struct ioe__overlaps *overlaps);

/* After that: some held event, or NULL. */
struct ioe_event *ioe__overlap_find_held(struct ioe__overlaps *overlaps);

#endif
