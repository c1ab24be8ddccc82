/* SPDX-License-Identifier: MIT
 * oracle.h - what must become of each event: a watch on the seam that sees every request and every
 *            completion, makes faults of them, and works out by the laws, not by the engine's own
 *            table, which outcome each event has to have.
 *
 * At every request: it is made of events that may share one, it goes on where they stand, it is
 * within the limits, and nothing that has to be over before it (laws 6 and 7) is not. At every
 * completion: what each of its events has got, and whether that is its end (laws 3 and 4). At every
 * callback: the outcome is that, to the byte and the errno.
 *
 * An event's number (bytes.h) is what its arg points at: struct oracle_tag.
 *
 * Invariants: one engine at a time, of one driver.
 * Threads:    all functions but oracle_watch() under oracle_lock(), which is never held in a call
 *             of the engine: the hooks take it themselves.
 * Ownership:  none. */
#ifndef IOE_TESTS_ORACLE_H
#define IOE_TESTS_ORACLE_H

#include "engine/ioe.h"

#include <stdbool.h>
#include <stdint.h>

struct oracle_tag {
	uint32_t number;
	bool is_own; /* from a callback on its driver: takes no place in the channel */
};

/* What is done to a request, at most fault_times times for each event. */
enum oracle_fault {
	ORACLE_NONE,
	ORACLE_CUT,         /* the kernel is asked for less */
	ORACLE_SHORT,       /* it has done less, it says */
	ORACLE_ONE,         /* one byte */
	ORACLE_NOTHING,     /* 0 bytes */
	ORACLE_INTERRUPTED, /* -EINTR */
	ORACLE_AGAIN,       /* -EAGAIN */
	ORACLE_BROKEN,      /* -EIO */
	ORACLE_FULL,        /* -ENOSPC */
	ORACLE_TWICE,       /* the completion comes twice */
	ORACLE_STALE,       /* and one of an earlier request comes again */
	ORACLE_PART,        /* a part of it, and when it is gone on with -EIO */
	ORACLE_LATE,        /* it comes some rounds later */
	ORACLE_FAULTS,
};

struct oracle_limits {
	uint32_t depth;
	uint64_t merge_bytes; /* 0: no merging */
	uint32_t merge_events;
	uint32_t turn; /* completions of one batch come in another order */
	/* Of every second system call that submits. 0: nothing; 1: the kernel takes half; 2, 3: it
	 * takes nothing, full or interrupted. */
	uint32_t refusal;
	bool has_busy; /* -EBUSY is an answer */
	bool is_used;  /* an engine that has done something already */
};

void oracle_watch(void);
void oracle_lock(void);
void oracle_unlock(void);

/* A new engine is about to be opened; forgets the counts. */
void oracle_open(const struct oracle_limits *limits);
/* From now on what is not over may end with -ECANCELED. */
void oracle_cancel(void);
/* An event with a number is about to be submitted; its fd is good for what it does, or not. */
void oracle_expect(uint32_t number, const struct ioe_event *event, bool fd_is_good, uint32_t fault,
		   uint32_t fault_times);
/* Its callback runs, or it has been waited for: fails unless this is how it has to end. Returns
 * whether its read, if it is one, has ended where the file ends and nowhere else. */
bool oracle_end(uint32_t number, const struct ioe_event *event);

/* Of the events that take a place in the channel: those that a request was made of, or that ended
 * without. */
uint32_t oracle_n_begun(void);
/* The counters of a drained engine are what has been seen. */
void oracle_check_stats(const struct ioe_stats *stats, uint64_t n_accepted);

#endif
