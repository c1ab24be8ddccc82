/* SPDX-License-Identifier: MIT
 * request.h - requests made of events, and the settle table: what becomes of a completed one.
 *
 * A slot goes free -> staged -> free; from stage to reap it is the backend's to read. Its
 * generation grows each time it is freed, so that a completion that comes twice or too late does
 * not match and is dropped.
 *
 * Invariants: the events of a request are adjacent, in the order of their offsets; of more than
 *             one, only the first may have been transferred in part.
 * Threads:    the driver's only.
 * Ownership:  events are borrowed. */
#ifndef IOE_REQUEST_H
#define IOE_REQUEST_H

#include "engine/backend.h"
#include "engine/event.h"
#include "engine/iovpool.h"

enum ioe__request_state {
	IOE__REQUEST_FREE = 0,
	IOE__REQUEST_STAGED, /* with the backend */
};

/* Named bounds of law 8 (every retry has one). */
#define IOE__AGAIN_MAX       1024           /* -EINTR or -EAGAIN in a row for one event */
#define IOE__AGAIN_QUICK_MAX 16             /* of those, so many may wait for a completion only */
#define IOE__AGAIN_NS        IOE__NS_PER_MS /* the others wait so long: a second in all */
#define IOE__STALLS_MAX      1              /* transfers of 0 bytes of a write in a row, forgiven */

/* What the settle table says. */
enum ioe__verdict {
	IOE__VERDICT_FINISH,  /* its events have ended, each with result */
	IOE__VERDICT_ADVANCE, /* result bytes have moved: events in full end, the rest goes on */
	IOE__VERDICT_AGAIN,   /* the same again, now */
	IOE__VERDICT_LATER,   /* the same again, after a completion or a while */
	IOE__VERDICT_SPLIT,   /* each event again, alone */
};

struct ioe__settlement {
	enum ioe__verdict verdict;
	int64_t result;
};

/* What requests of several events have to know of their file. Good until the next drain, in which
 * the fd number may be another file's. */
struct ioe__file_view {
	int fd; /* -1: none has been looked at */
	bool direct;
	struct ioe_alignment alignment;
};

/* Make a request of the events of a group, first -> ... by their nodes, n_events of them with
 * n_buffers elements in all; takes an iovec block from the pool if it needs one. May make it of
 * fewer events, when the pool is dry or one has to be alone: returns the number, >= 1. The slot
 * must be free. */
uint32_t ioe__request_build(struct ioe__request *request, struct ioe__iovpool *pool,
			    struct ioe__file_view *view, struct ioe_event *first, uint32_t n_events,
			    uint32_t n_buffers);

/* Free the slot: its events have been taken out. */
void ioe__request_release(struct ioe__request *request, struct ioe__iovpool *pool);

/* The settle table: the one place that decides. Changes counts in the events (attempts,
 * stalls), nothing else. */
struct ioe__settlement ioe__request_settle(struct ioe__request *request, int64_t result);

#endif
