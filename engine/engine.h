/* SPDX-License-Identifier: MIT
 * engine.h - what an engine is made of, for engine.c, submit.c, wait.c and stats.c.
 * Invariants: constant after open but for the fields on lines of their own.
 * Threads:    any; each field says who writes.
 * Ownership:  the caller of ioe_engine_open(). */
#ifndef IOE_ENGINE_H
#define IOE_ENGINE_H

#include "engine/driver.h"

#define IOE__DRIVERS_MAX 64u

struct ioe_engine {
	struct ioe_config config; /* every default filled in */
	struct ioe_workers *workers;
	bool owns_workers;
	struct ioe__calls *calls; /* [by worker]; NULL: not POOL, or NO_TIMING */
	uint32_t n_drivers;
	struct ioe__shortage shortage; /* of open */
	uint64_t opener;               /* ioe__thread_number() of the thread that opened it */
	struct ioe__driver *drivers[IOE__DRIVERS_MAX];

	/* Events whose callback has returned or whose waiter has been served. */
	struct ioe__work_owner account IOE__ALIGNED_LINE;

	uint32_t broken IOE__ALIGNED_LINE; /* a kernel interface has broken: submits are -EIO */

	uint64_t owner IOE__ALIGNED_LINE; /* NONE: ioe__thread_number() of the owner, or 0 */
	uint64_t n_reported;              /* finished events that drive() has told of */
	uint32_t closing;                 /* close has begun */
	uint32_t n_guests;                /* threads in drain, for close to wait for */

	uint32_t nop_turn IOE__ALIGNED_LINE; /* round robin of events without fd */
};

/* Fill in the defaults: 0, -EINVAL, -E2BIG or -EOPNOTSUPP as ioe_engine_open() says. */
int ioe__config_resolve(const struct ioe_config *config, struct ioe_config *ret_config);

/* NONE: make the calling thread the owner if there is none, and bind the backend to it.
 * 0, or -EBUSY (another thread is). */
int ioe__engine_own(struct ioe_engine *engine);

/* NONE: whether the calling thread is the owner already, whether any is. */
bool ioe__engine_is_owner(const struct ioe_engine *engine);
bool ioe__engine_has_owner(const struct ioe_engine *engine);

/* One round of driving a NONE engine by its owner, callbacks included, sleeping for wait_ns at the
 * most if nothing has come since seen. Returns the number of events finished. */
uint32_t ioe__engine_drive(struct ioe_engine *engine, int64_t wait_ns, uint32_t seen);

static inline bool ioe__engine_is_none(const struct ioe_engine *engine)
{
	return engine->config.threading == IOE_THREADING_NONE;
}

/* A limit of time as the interface gives it (-1: none), as a point in time, and what is left. */
static inline int64_t ioe__deadline(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns < 0)
		return INT64_MAX;
	now = ioe__clock_ns();
	return timeout_ns < INT64_MAX - now ? now + timeout_ns : INT64_MAX;
}

static inline int64_t ioe__time_left(int64_t deadline)
{
	int64_t left;

	if (deadline == INT64_MAX)
		return -1;
	left = deadline - ioe__clock_ns();
	return left > 0 ? left : 0;
}

#endif
