/* SPDX-License-Identifier: MIT
 * seam.h - a watch on the seam of sys.h: remembers what was staged, so that a completion can be
 *          changed by what it completes, held back for a while, or followed by others; and lets
 *          the system calls that submit be refused, or take only a part.
 * Invariants: hooks are set before the engine is opened, and not changed while it lives. What is
 *             held back comes within as many reaps as the hook has said, and keeps the driver awake
 *             until then.
 * Threads:    hooks run on the driver's thread; of several drivers, each on its own, at the same
 *             time. Counts may be read when the events that changed them have ended.
 * Ownership:  what is remembered of a driver is freed by seam_forget(), or when there are too many
 *             of them. */
#ifndef IOE_TESTS_SEAM_H
#define IOE_TESTS_SEAM_H

#include "engine/backend.h"
#include "engine/ioe.h"

#include <stdint.h>

/* A request as it was staged last in its slot. */
struct seam_request {
	uint32_t generation;
	uint8_t op;
	bool in_flight; /* its completion has not been handed to the driver */
	uint32_t flags;
	uint32_t n_iov;
	uint32_t n_events;
	uint64_t offset;
	uint64_t length; /* after the hook has shortened it */
	int fd;
	const struct ioe_event *events; /* while it is in flight */
};

/* A driver that is watched. */
struct seam_driver {
	uint32_t index;   /* among those of its engine */
	uint32_t backend; /* IOE_BACKEND_* */
	void *data;       /* the hooks' own, NULL at first; freed with the rest */
};

/* Called for each request to be staged; may lower request->length where n_iov is 0. */
extern void (*seam_on_stage)(struct ioe__request *request);
/* Called for each completion with what was staged; may change the result. */
extern void (*seam_on_completion)(struct ioe__completion *completion,
				  const struct seam_request *request);
/* Called for each completion after that: for how many reaps to hold it back; 0: not at all. */
extern uint32_t (*seam_on_hold)(const struct ioe__completion *completion,
				const struct seam_request *request);
/* Called for each batch after that; as ioe__seam.on_reap, but never with n = 0, and it may not hold
 * anything back. */
extern uint32_t (*seam_on_batch)(struct ioe__completion *completions, uint32_t n, uint32_t room);
/* Called before each system call that submits while requests are in flight, staged ones included;
 * as ioe__seam.on_submit. n counts what is for the driver itself, too, and may be 0. */
extern int (*seam_on_submit)(uint32_t n);

/* Begin to watch. Skips the test where the library has no seam. */
void seam_watch(void);
/* While no engine is open: forget the drivers there were. */
void seam_forget(void);

/* In a hook: the driver that it is called for. */
struct seam_driver *seam_here(void);
/* In a hook: what has been held back so far of this driver comes with this batch. */
void seam_let_go(void);
/* In a hook: whether a completion would be taken for that of a request in flight. */
bool seam_is_in_flight(const struct ioe__completion *completion);

/* Requests staged since, by IOE_OP_*. */
uint32_t seam_n_staged(uint8_t op);
/* Completions reaped since, and the largest batch of them. */
uint32_t seam_n_reaped(void);
uint32_t seam_batch_max(void);

#endif
