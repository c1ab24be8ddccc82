/* SPDX-License-Identifier: MIT
 * helpers.h - doing requests by blocking system calls on helper threads, for the backends that
 *             have nothing better; and the place where the driver sleeps meanwhile.
 *
 * The sleeper. One driver sleeps, anybody wakes it. Two words: asleep (IOE__AWAKE, or how the
 * driver sleeps) and woken (somebody has asked for the driver). Why no wake is lost:
 *   1. The driver stores asleep = how (S1), then looks for work, which is woken and the done
 *      stack (S2); only if there is none does it block.
 *   2. Whoever has something for the driver publishes it, by setting woken or by pushing on the
 *      done stack (S3), then looks at asleep (S4). If it is not IOE__AWAKE it exchanges it for
 *      that, and the one who gets the other value signals.
 *   3. S1 to S4 are seq_cst, hence in one order. If S3 comes before S2, the driver sees the work
 *      and does not block. Else S1, which is before S2, is before S3 and S4: the waker sees the
 *      sleeper and signals, or somebody else has, for the same sleep.
 *   4. The signal is not lost. IOE__ASLEEP_FUTEX: the driver blocks while asleep still has that
 *      value, which the kernel compares under the lock that the futex wake takes. The
 *      exchange came before the wake. IOE__ASLEEP_EVENTFD: what the driver blocks in ends
 *      when the eventfd is readable, also when it was readable before.
 *   5. A signal may be late, when the driver has woken for another reason: then it ends the
 *      next sleep early, once.
 *   6. A waker that finds woken set already leaves at once: the driver has not taken it back yet
 *      (end()), and will do so only on its way to looking at everything again; whoever set
 *      it has signalled or is about to.
 *
 * Invariants: each request given is completed exactly once; a slot's job is with one side only.
 * Threads:    ioe__sleeper_wake() and _notify() anywhere; everything else on the driver's thread,
 *             open and close as in backend.h.
 * Ownership:  requests are borrowed until they are reaped; the sleeper is the backend's. */
#ifndef IOE_HELPERS_H
#define IOE_HELPERS_H

#include "engine/backend.h"

enum {
	IOE__AWAKE = 0,
	IOE__ASLEEP_FUTEX = 1,   /* on the word asleep */
	IOE__ASLEEP_EVENTFD = 2, /* in something that a readable eventfd ends */
};

struct ioe__sleeper {
	uint32_t asleep;
	uint32_t woken;
	int eventfd; /* for IOE__ASLEEP_EVENTFD */
} IOE__ALIGNED_LINE;

/* Driver: about to sleep. False: do not, somebody has called ioe__sleeper_wake(). True: look at
 * everything else once more, then block. ioe__sleeper_end() in both cases. */
static inline bool ioe__sleeper_begin(struct ioe__sleeper *sleeper, uint32_t how)
{
	__atomic_store_n(&sleeper->asleep, how, __ATOMIC_SEQ_CST);  /* S1 */
	return !__atomic_load_n(&sleeper->woken, __ATOMIC_SEQ_CST); /* S2 */
}

/* Driver: awake, and going to look at everything. */
static inline void ioe__sleeper_end(struct ioe__sleeper *sleeper)
{
	__atomic_store_n(&sleeper->asleep, IOE__AWAKE, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sleeper->woken, __ATOMIC_SEQ_CST))
		__atomic_exchange_n(&sleeper->woken, 0, __ATOMIC_SEQ_CST);
}

/* Something has been published (S3): signal if the driver sleeps. */
static inline void ioe__sleeper_notify(struct ioe__sleeper *sleeper)
{
	if (__atomic_load_n(&sleeper->asleep, __ATOMIC_SEQ_CST) == IOE__AWAKE) /* S4 */
		return;
	switch (__atomic_exchange_n(&sleeper->asleep, IOE__AWAKE, __ATOMIC_SEQ_CST)) {
	case IOE__ASLEEP_FUTEX:
		ioe__futex_wake(&sleeper->asleep, 1);
		break;
	case IOE__ASLEEP_EVENTFD:
		ioe__eventfd_signal(sleeper->eventfd);
		break;
	default:
		break;
	}
}

/* What a backend's wake() is. */
static inline void ioe__sleeper_wake(struct ioe__sleeper *sleeper)
{
	if (!__atomic_exchange_n(&sleeper->woken, 1, __ATOMIC_SEQ_CST)) /* S3 */
		ioe__sleeper_notify(sleeper);
}

struct ioe__helpers;

/* Start the helpers: n of them, min(config->n_helpers, depth), for requests with slots in
 * [0, depth). Uses driver and counters of config. 0, -ENOMEM, -EAGAIN, -EMFILE, -ENFILE. */
int ioe__helpers_open(const struct ioe__backend_config *config, uint32_t depth,
		      struct ioe__sleeper *sleeper, struct ioe__helpers **ret_helpers);

/* Every request has been reaped. NULL is nothing. */
void ioe__helpers_close(struct ioe__helpers *helpers);

/* Give a request to the helpers; it starts with the next ioe__helpers_start(). */
void ioe__helpers_add(struct ioe__helpers *helpers, const struct ioe__request *request);

/* Let the helpers begin with what has been added, in that order. */
void ioe__helpers_start(struct ioe__helpers *helpers);

/* Complete a request without them: nop, or what the kernel has refused. */
void ioe__helpers_complete(struct ioe__helpers *helpers, const struct ioe__request *request,
			   int64_t result);

/* As the backend's: end a request that has been given and not been reaped with -ECANCELED, if no
 * helper has begun with it, or if its helper waits for a pipe, socket or terminal. */
void ioe__helpers_cancel(struct ioe__helpers *helpers, const struct ioe__request *request);

uint32_t ioe__helpers_reap(struct ioe__helpers *helpers, struct ioe__completion *ret_completions,
			   uint32_t n);

/* Whether reap would return something. seq_cst: it is the look of step 1 above (S2). */
bool ioe__helpers_pending(const struct ioe__helpers *helpers);

/* Sleep on the futex until there is something to reap, ioe__sleeper_wake() has been called, a
 * signal comes, or wait_ns is over (-1: no limit). */
void ioe__helpers_wait(struct ioe__helpers *helpers, int64_t wait_ns);

#endif
