/* SPDX-License-Identifier: MIT
 * seam.h - a watch on the seam of sys.h: remembers what was staged, so that a completion can be
 *          changed by what it completes.
 * Invariants: hooks are set before the engine is opened, and not changed while it lives.
 * Threads:    hooks run on the driver's thread; one driver only. Counts may be read when the
 *             events that changed them have ended.
 * Ownership:  none. */
#ifndef IOE_TESTS_SEAM_H
#define IOE_TESTS_SEAM_H

#include "engine/backend.h"
#include "engine/ioe.h"

#include <stdint.h>

/* A request as it was staged last in its slot. */
struct seam_request {
	uint32_t generation;
	uint8_t op;
	uint32_t n_iov;
	uint32_t n_events;
	uint64_t offset;
	uint64_t length; /* after the hook has shortened it */
	int fd;
};

/* Called for each request to be staged; may lower request->length where n_iov is 0. */
extern void (*seam_on_stage)(struct ioe__request *request);
/* Called for each completion with what was staged; may change the result. */
extern void (*seam_on_completion)(struct ioe__completion *completion,
				  const struct seam_request *request);
/* Called for each batch after that; as ioe__seam.on_reap. */
extern uint32_t (*seam_on_batch)(struct ioe__completion *completions, uint32_t n, uint32_t room);

/* Begin to watch. Skips the test where the library has no seam. */
void seam_watch(void);
/* Requests staged since, by IOE_OP_*. */
uint32_t seam_n_staged(uint8_t op);
/* Completions reaped since, and the largest batch of them. */
uint32_t seam_n_reaped(void);
uint32_t seam_batch_max(void);

#endif
