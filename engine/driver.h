/* SPDX-License-Identifier: MIT
 * driver.h - a driver: one channel, one backend, and the loop between them.
 *
 *   drain channel -> plan -> stage -> commit (and sleep) -> reap -> settle -> finish -> deliver
 *
 * driver.c has the loop and the thread, pending.c what happens to events before they are with the
 * backend, settle.c what happens to them after. README.md has the whole.
 *
 * Invariants: in_flight <= depth; an event is in at most one of the lists below or in a request;
 *             a barrier that waits is in none (order.h has it).
 * Threads:    what is marked "any" below; everything else by the thread that drives: the driver's
 *             own (POOL, INLINE) or the owner (NONE).
 * Ownership:  the engine owns the driver; the driver owns its backend, and opens, enables and
 *             closes it on the thread that drives (but for NONE, whose backend is opened by
 *             ioe_engine_open()). */
#ifndef IOE_DRIVER_H
#define IOE_DRIVER_H

#include "channel/channel.h"
#include "engine/backend.h"
#include "engine/event.h"
#include "engine/iovpool.h"
#include "engine/order.h"
#include "engine/overlap.h"
#include "engine/request.h"
#include "engine/timing.h"
#include "merge/merge.h"
#include "workers/workers.h"

#include <pthread.h>

struct ioe__driver_config {
	uint32_t index;
	uint32_t backend;   /* IOE_BACKEND_* */
	uint32_t threading; /* IOE_THREADING_* */
	uint32_t depth_max;
	uint32_t n_helpers;
	uint32_t channel_capacity;
	struct ioe__merge_limits limits;
	uint64_t spin_ns; /* 0: never */
	bool timing;
	struct ioe_workers *workers;     /* POOL: where callbacks run */
	struct ioe__work_owner *account; /* of callbacks that have returned */
	uint32_t *broken;                /* the engine's: set when a kernel interface has broken */
	struct ioe__shortage *shortage;  /* the engine's, while it is opened */
};

/* Written by the driving thread with ioe__count(), read by any. */
struct ioe__driver_counters {
	uint64_t events_own; /* accepted from callbacks on the driver: not through the channel */
	uint64_t events_by_op[32];
	uint64_t events_finished;
	uint64_t errors;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t requests;
	uint64_t merged_requests;
	uint64_t merged_events;
	uint64_t resumed;
	uint64_t retried;
	uint64_t split;
	uint64_t stale_completions;
	uint64_t parks;
	uint64_t in_flight;
	uint64_t in_flight_max;
	uint64_t in_flight_ns;
	uint64_t elapsed_ns;
};

/* ioe__driver.command: bits that are set once, and a count of kicks above them. */
#define IOE__COMMAND_STOP   1u /* end when nothing is left */
#define IOE__COMMAND_CANCEL 2u /* end everything with -ECANCELED */
#define IOE__COMMAND_KICK   4u

/* Completions taken at a time, at the most. */
#define IOE__REAP_MAX 256
/* Where callbacks run on the driver and submit again: a share of the depth, so that the next
 * requests go out while the rest of the completions is still being dealt with; where threads are
 * woken who submit again, of what is in flight (README.md). */
#define IOE__REAP_SHARE      8
#define IOE__REAP_SHARE_DEEP 4 /* from a depth on at which much is left with the kernel anyway */
#define IOE__REAP_DEEP       128
#define IOE__REAP_MIN        4
/* Events planned at a time: bounds a sort. As many as the channel holds, within these. */
#define IOE__PLAN_MIN 1024
#define IOE__PLAN_MAX 4096

struct ioe__driver {
	struct ioe__channel channel;

	/* Other threads write. */
	uint32_t command IOE__ALIGNED_LINE;
	uint32_t started; /* 0, then 1 or the negated error of the start + 1; a futex */
	uint32_t may_end; /* nobody will wake the backend any more: it may be closed; a futex */

	/* The driving thread's, from here on. */
	struct ioe__driver_config config IOE__ALIGNED_LINE;
	const struct ioe__backend_ops *ops;
	struct ioe__backend *backend;
	uint32_t depth;
	uint32_t reap_max; /* completions taken in a round */
	uint32_t n_free;
	uint32_t *free_slots; /* a stack */
	struct ioe__request *requests;
	struct ioe__completion *completions; /* [2 * IOE__REAP_MAX]: room for the seam's */
	struct ioe__iovpool iovpool;
	struct ioe__file_view view;
	struct ioe__order order;
	struct ioe__overlaps overlaps;
	struct ioe__merge_plan plan;
	void *plan_memory;

	/* Events before they are staged; the order in which they are served is pending.c's. */
	struct ioe__event_list again;     /* came back, or let go by law 6 */
	struct ioe__event_list ready;     /* barriers that may start */
	struct ioe__event_list placeless; /* nops and syncs: what has no place in a file */
	struct ioe__merge_group current;  /* of the plan, staged in part: slots or iovecs ran out */
	struct ioe__event_list incoming;  /* admitted, not planned */
	uint32_t n_incoming;
	struct ioe__event_list delayed; /* wait for a while after -EAGAIN */
	struct ioe__event_list arrived; /* taken from the channel, not admitted */

	struct ioe__event_list finished; /* callbacks to be delivered */
	uint64_t n_handed_over;          /* finished without callback, not yet in the account */
	struct ioe__wakes wakes;         /* for who sleeps waiting for those */
	bool woke;             /* sleepers, and nobody else, by the last events that ended */
	uint64_t n_restore;    /* credit to be returned */
	uint64_t n_unfinished; /* admitted, not finished */
	uint32_t in_flight;
	uint32_t n_staged;      /* since the last commit */
	uint32_t batch;         /* number of drains so far; what has arrived since is of the next */
	bool has_arrived;       /* there is something of the next */
	uint32_t planned_batch; /* the drain that the last planned event came with */
	int failing;    /* -ECANCELED or -EIO: how every event that is not in the kernel ends */
	bool cancelled; /* the backend has been asked to cancel what it has */
	bool broken;
	bool enabled;
	bool is_plans_turn; /* of placeless and the plan */
	bool completed;     /* something has come back since `delayed` was last looked at */

	/* Time, and spinning (driver.c). */
	int64_t now_ns;
	uint32_t in_flight_then; /* at now_ns, the last stamp */
	int64_t idle_ns[2];      /* moving averages of the time without work before work came */
	uint32_t spin_backoff;   /* sleeps to come without spinning */

	struct ioe__driver_counters counters;
	struct ioe__backend_counters backend_counters;
	struct ioe__timing timing;
	pthread_t thread;
	bool has_thread;
	char reason[IOE__REASON_MAX];
};

/* Allocate, open the backend and (POOL, INLINE) start the thread. 0 or -errno. */
int ioe__driver_open(const struct ioe__driver_config *config, struct ioe__driver **ret_driver);

/* NONE: bind the backend to the calling thread, the owner; the first call does it. If that fails
 * the driver is broken, and events end with -EIO. */
void ioe__driver_enable(struct ioe__driver *driver);

/* After STOP, with every producer gone: the thread may close the backend when it is empty. To be
 * said to all drivers before the first is stopped: io_destroy() waits for an RCU grace period, and
 * so all wait for the same. */
void ioe__driver_let_end(struct ioe__driver *driver);

/* After that, and (NONE) with everything finished: end the thread, close the backend. Callbacks
 * that are still running may be refused by the channel afterwards. */
void ioe__driver_stop(struct ioe__driver *driver);

/* After that, with every callback returned. */
void ioe__driver_free(struct ioe__driver *driver);

/* Any thread: set a bit of command, or kick; the driver looks soon. */
void ioe__driver_command(struct ioe__driver *driver, uint32_t command);

/* What to pass to step, read before looking at what might make a sleep wrong. */
uint32_t ioe__driver_seen(const struct ioe__driver *driver);

/* One round of the loop. Sleeps for wait_ns at most (-1: no limit) if there is nothing to do and
 * no command has come since `seen`. INLINE runs callbacks; NONE leaves them in `finished`. */
void ioe__driver_step(struct ioe__driver *driver, int64_t wait_ns, uint32_t seen);

/* Run the callbacks of `finished` here; returns their number. */
uint32_t ioe__driver_run_callbacks(struct ioe__driver *driver);

/* Events accepted so far, mod 2^40 (IOE__CHANNEL_COUNT_MASK). Any thread: whoever has seen an event
 * in the account sees what its callback submitted. */
uint64_t ioe__driver_accepted(const struct ioe__driver *driver);

/* Nothing accepted is left with the driver: the loop may end (after STOP). */
bool ioe__driver_is_empty(const struct ioe__driver *driver);

/* ---- pending.c ---- */

/* Take what is in the channel and admit it. */
void ioe__pending_absorb(struct ioe__driver *driver);

/* An event of a callback on this driver, accepted: it does not go through the channel. */
void ioe__pending_add(struct ioe__driver *driver, struct ioe_event *event);

/* Stage whatever may be staged while there are free slots. */
void ioe__pending_stage(struct ioe__driver *driver);

/* End everything that is not in the kernel with driver->failing. */
void ioe__pending_fail(struct ioe__driver *driver);

/* ---- settle.c ---- */

/* What became of n requests. */
void ioe__settle(struct ioe__driver *driver, const struct ioe__completion *completions, uint32_t n);

/* An event has ended: account for it, and hand it to its waiter or to `finished`. */
void ioe__finish(struct ioe__driver *driver, struct ioe_event *event, int64_t result);

#endif
