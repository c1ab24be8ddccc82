/* SPDX-License-Identifier: MIT
 * timing.c - what happens to the events that are timed.
 * Invariants, Threads, Ownership: timing.h. */
#include "engine/timing.h"

#include "engine/backend.h"
#include "engine/context.h"

/* The gap to the next timed event is the top six bits of a number that goes on so (Numerical
 * Recipes' ranqd1). A fixed step would see one place only of a pattern that repeats itself, as the
 * completions of a round do. */
#define DRAW_FACTOR 1664525u
#define DRAW_TERM   1013904223u
#define DRAW_SHIFT  26

_Thread_local struct ioe__draw ioe__draw __attribute__((tls_model("initial-exec")));

/* [i] has 2^i <= ns < 2^(i+1); 1000 -> 9; 0 and 1 -> 0; the last has everything above, too. */
static uint32_t bucket_of(uint64_t ns)
{
	const uint32_t bucket = 63 - (uint32_t)__builtin_clzll(ns | 1);

	return bucket < IOE_LATENCY_BUCKETS ? bucket : IOE_LATENCY_BUCKETS - 1;
}

void ioe__latency_add(struct ioe_latency *latency, int64_t ns)
{
	/* Not ours to assert: the clock, as seen from two CPUs. */
	const uint64_t spent_ns = ns > 0 ? (uint64_t)ns : 0;

	ioe__count(&latency->n, 1);
	ioe__count(&latency->sum_ns, spent_ns);
	ioe__count(&latency->histogram[bucket_of(spent_ns)], 1);
	if (spent_ns > latency->max_ns)
		__atomic_store_n(&latency->max_ns, spent_ns, __ATOMIC_RELAXED);
}

void ioe__latency_sum(struct ioe_latency *sum, const struct ioe_latency *latency)
{
	const uint64_t max_ns = __atomic_load_n(&latency->max_ns, __ATOMIC_RELAXED);

	sum->n += __atomic_load_n(&latency->n, __ATOMIC_RELAXED);
	sum->sum_ns += __atomic_load_n(&latency->sum_ns, __ATOMIC_RELAXED);
	if (max_ns > sum->max_ns)
		sum->max_ns = max_ns;
	for (uint32_t i = 0; i < IOE_LATENCY_BUCKETS; i++)
		sum->histogram[i] += __atomic_load_n(&latency->histogram[i], __ATOMIC_RELAXED);
}

void ioe__timing_accept_drawn(struct ioe_event *event, int64_t *now_ns)
{
	/* Threads in step should not draw the same ones. */
	if (ioe__draw.state == 0)
		ioe__draw.state = (uint32_t)ioe__thread_number() * DRAW_FACTOR;
	ioe__draw.state = ioe__draw.state * DRAW_FACTOR + DRAW_TERM;
	ioe__draw.n_left = ioe__draw.state >> DRAW_SHIFT;
	if (*now_ns == 0)
		*now_ns = ioe__clock_ns();
	event->ioe__marks |= IOE__MARK_TIMED;
	event->ioe__node.since_ns = *now_ns;
}

static int64_t now_of(struct ioe__timing *timing)
{
	if (timing->now_ns == 0)
		timing->now_ns = ioe__clock_ns();
	return timing->now_ns;
}

/* A stage ends and the next begins. */
static void account(struct ioe__timing *timing, struct ioe_latency *latency,
		    struct ioe_event *event)
{
	const int64_t now_ns = now_of(timing);

	ioe__latency_add(latency, now_ns - event->ioe__node.since_ns);
	event->ioe__node.since_ns = now_ns;
}

void ioe__timing_account_taken(struct ioe__timing *timing, struct ioe_event *event)
{
	account(timing, &timing->channel, event);
}

void ioe__timing_account_given(struct ioe__timing *timing, struct ioe_event *event)
{
	if ((event->ioe__marks & IOE__MARK_STARTED) == 0)
		account(timing, &timing->pending, event);
}

void ioe__timing_account_finished(struct ioe__timing *timing, struct ioe_event *event)
{
	const bool was_given = (event->ioe__marks & IOE__MARK_STARTED) != 0;

	account(timing, was_given ? &timing->kernel : &timing->pending, event);
	/* On the way to its callback the node says whose it is. */
	event->ioe__finished_ns = event->ioe__node.since_ns;
}

void ioe__timing_account_call(struct ioe__calls *calls, struct ioe_event *event)
{
	const int64_t start_ns = ioe__clock_ns();

	ioe__latency_add(&calls->worker, start_ns - event->ioe__finished_ns);
	ioe__event_call(event);
	ioe__latency_add(&calls->callback, ioe__clock_ns() - start_ns);
}
