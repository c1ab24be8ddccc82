/* SPDX-License-Identifier: MIT
 * timing.h - where the time of an event goes, by stages; of one event in 32.
 *
 * A submitter draws which of its events are timed, at random (IOE__MARK_TIMED). Such an event takes
 * the point in time at which its present stage began along, and whoever takes it on to the next one
 * reads the clock and accounts the stage that is over. All other events pay for a look at the mark.
 * README.md, "Time", has what each reading means, what it costs, and why one in 32.
 *
 * Invariants: an event is accounted once in each stage that it goes through; a stage is never
 *             accounted as less than 0.
 * Threads:    accept: the submitter; taken, given, finished: the driver; call: who runs the
 *             callback. Each struct has one writer and any readers (ioe__count()).
 * Ownership:  the driver's is a part of it; those of the workers are an array of the engine's. */
#ifndef IOE_TIMING_H
#define IOE_TIMING_H

#include "engine/event.h"

/* Of callbacks. Those of different workers are on lines of their own. */
struct ioe__calls {
	struct ioe_latency worker;
	struct ioe_latency callback;
} IOE__ALIGNED_LINE;

/* Of a driver. */
struct ioe__timing {
	int64_t now_ns; /* one reading for this part of the round; 0: there is none yet */
	struct ioe_latency channel;
	struct ioe_latency pending;
	struct ioe_latency kernel;
	struct ioe__calls calls; /* INLINE, NONE */
};

/* How many events of this thread go by before the next is timed: in [0, 63], 31.5 on average. */
struct ioe__draw {
	uint32_t n_left;
	uint32_t state;
};
extern _Thread_local struct ioe__draw ioe__draw __attribute__((tls_model("initial-exec")));

/* Slow paths: of events that are timed. */
void ioe__timing_accept_drawn(struct ioe_event *event, int64_t *now_ns);
void ioe__timing_account_taken(struct ioe__timing *timing, struct ioe_event *event);
void ioe__timing_account_given(struct ioe__timing *timing, struct ioe_event *event);
void ioe__timing_account_finished(struct ioe__timing *timing, struct ioe_event *event);
void ioe__timing_account_call(struct ioe__calls *calls, struct ioe_event *event);

/* Account ns in a latency. */
void ioe__latency_add(struct ioe_latency *latency, int64_t ns);

/* Add what another thread may be counting to what is the caller's. */
void ioe__latency_sum(struct ioe_latency *sum, const struct ioe_latency *latency);

static inline bool ioe__event_is_timed(const struct ioe_event *event)
{
	return __builtin_expect((event->ioe__marks & IOE__MARK_TIMED) != 0, 0);
}

/* An event has been accepted, and is about to be pushed. *now_ns is 0 or when this was read for
 * another event of the same call. */
static inline void ioe__timing_accept(struct ioe_event *event, int64_t *now_ns)
{
	if (__builtin_expect(ioe__draw.n_left > 0, 1))
		ioe__draw.n_left--;
	else
		ioe__timing_accept_drawn(event, now_ns);
}

/* Another part of the driver's round: what the clock said before is no longer now. */
static inline void ioe__timing_forget(struct ioe__timing *timing)
{
	timing->now_ns = 0;
}

/* Taken out of the channel. */
static inline void ioe__timing_taken(struct ioe__timing *timing, struct ioe_event *event)
{
	if (ioe__event_is_timed(event))
		ioe__timing_account_taken(timing, event);
}

/* In a request, about to be given to the kernel; counts for the first time only. */
static inline void ioe__timing_given(struct ioe__timing *timing, struct ioe_event *event)
{
	if (ioe__event_is_timed(event))
		ioe__timing_account_given(timing, event);
}

/* Ended, and in no list of its fd any more. */
static inline void ioe__timing_finished(struct ioe__timing *timing, struct ioe_event *event)
{
	if (ioe__event_is_timed(event))
		ioe__timing_account_finished(timing, event);
}

#endif
