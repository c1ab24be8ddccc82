/* SPDX-License-Identifier: MIT
 * wait.c - wait for events without callback.
 *
 * The waiter turns the event's word from IN_ENGINE to WAITED_FOR and sleeps on it; the engine turns
 * it to DONE by one exchange and wakes if it was WAITED_FOR (event.c). Either the engine's exchange
 * comes first and the waiter's compare-and-swap fails, or the engine sees the waiter.
 *
 * Invariants: the result is returned once.
 * Threads:    any; NONE: the owner.
 * Ownership:  the event is the caller's again when its result has been returned. */
#include "engine/engine.h"

#include "engine/context.h"

/* The result, if the event is done and has not been collected. */
static bool collect(struct ioe_event *event, int64_t *ret_result)
{
	uint32_t done = IOE__EVENT_DONE;

	/* Acquire: pairs with the exchange in ioe__event_hand_over(). */
	if (!__atomic_compare_exchange_n(&event->ioe__state, &done, IOE__EVENT_COLLECTED, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	*ret_result = event->result;
	return true;
}

static int64_t wait_sleeping(struct ioe_event *event, int64_t deadline)
{
	uint32_t *word = &event->ioe__state;
	int64_t result;

	for (;;) {
		uint32_t state = IOE__EVENT_IN_ENGINE;
		int64_t left;

		if (collect(event, &result))
			return result;
		left = ioe__time_left(deadline);
		if (left == 0)
			return -ETIMEDOUT;
		if (__atomic_compare_exchange_n(word, &state, IOE__EVENT_WAITED_FOR, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
		    state == IOE__EVENT_WAITED_FOR)
			(void)ioe__futex_wait(word, IOE__EVENT_WAITED_FOR, left);
		else if (state != IOE__EVENT_DONE)
			return -EINVAL;
	}
}

static int64_t wait_driving(struct ioe_engine *engine, struct ioe_event *event, int64_t deadline)
{
	int ret = ioe__engine_own(engine);

	if (ret < 0)
		return ret;
	for (;;) {
		const uint32_t seen = ioe__driver_seen(engine->drivers[0]);
		const int64_t left = ioe__time_left(deadline);
		int64_t result;

		if (collect(event, &result))
			return result;
		if (!ioe__event_is_held(event))
			return -EINVAL;
		(void)ioe__engine_drive(engine, left, seen);
		if (left == 0)
			return collect(event, &result) ? result : -ETIMEDOUT;
	}
}

int64_t ioe_wait_for(struct ioe_engine *engine, struct ioe_event *event, int64_t timeout_ns)
{
	int64_t result;

	if (event == NULL || timeout_ns < -1)
		return -EINVAL;
	if (ioe__context == IOE__CONTEXT_DRIVER)
		return -EDEADLK;
	if (event->callback != NULL)
		return -EINVAL;
	if (collect(event, &result))
		return result;
	if (engine == NULL || !ioe__event_is_held(event))
		/* Done in between is not "never submitted". */
		return collect(event, &result) ? result : -EINVAL;
	/* A close on another thread may end the event and then the engine: only NONE, whose owner
	 * we have to be, looks at the engine from here on. */
	if (!event->ioe__driven)
		return wait_sleeping(event, ioe__deadline(timeout_ns));
	if (ioe__in_callback())
		return -EDEADLK;
	return wait_driving(engine, event, ioe__deadline(timeout_ns));
}

int64_t ioe_wait(struct ioe_engine *engine, struct ioe_event *event)
{
	return ioe_wait_for(engine, event, -1);
}
