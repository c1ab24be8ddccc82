/* SPDX-License-Identifier: MIT
 * wait.c - wait for events without callback, and wake who waits.
 *
 * A waiter sleeps on one bit of a word of this file (wait.h), not on its event: then the wakes for
 * all events of a round are one system call, and what is slept on is never freed.
 *
 *   W1  the waiter turns the event's word from IN_ENGINE to WAITED_FOR with its place in it; if it
 *       is WAITED_FOR already (another thread, or one that has timed out), it takes that place
 *   W2  it reads the count of the place's word
 *   W3  it reads the event's word again: if that is as in W1, it sleeps at the place while the
 *       count is as in W2; then it begins again
 *   E1  the driver turns the event's word to DONE, its last touch, and notes the place it finds
 *   E2  for each word with places noted it adds one to the count, and wakes those places
 *
 * No lost wake-up. All changes of an event's word are read-modify-writes of one word.
 * (1) If E1 comes before W1, W1 fails and the waiter sees DONE. Else E1 finds the place, and E2
 *     follows before the driver sleeps: commit() in driver.c asserts that.
 * (2) If W2 reads the count as E2 has left it, or later, then E1 happens before W3 (release E2,
 *     acquire W2), W3 reads DONE, and the waiter does not sleep.
 * (3) Else the futex, which compares under its lock, finds another count than that of W2, or the
 *     waiter sleeps before the wake, which ends it.
 * A wake too many (a place that is shared, an E2 that comes late) is a look too many: the result is
 * taken by one compare-and-swap, and nobody who has been woken believes that his event is done.
 *
 * Invariants: the result is returned once.
 * Threads:    any; NONE: the owner.
 * Ownership:  the event is the caller's again when its result has been returned. */
#include "engine/engine.h"

#include "engine/context.h"

#define N_PLACES (IOE__WAIT_WORDS * IOE__WAIT_BITS)

static struct {
	IOE__ALIGNED_LINE uint32_t count; /* of wakes sent */
} words[IOE__WAIT_WORDS];

_Static_assert(IOE__EVENT_PLACE_SHIFT + 11 <= 32 && N_PLACES == 1u << 11, "a place fits");

/* The result, if the event is done and has not been collected. */
static bool collect(struct ioe_event *event, int64_t *ret_result)
{
	uint32_t done = IOE__EVENT_DONE;

	/* Acquire: pairs with E1. */
	if (!__atomic_compare_exchange_n(&event->ioe__state, &done, IOE__EVENT_COLLECTED, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	*ret_result = event->result;
	return true;
}

uint32_t ioe__wait_place(void)
{
	static uint32_t n_places;
	static _Thread_local uint32_t place; /* + 1 */

	if (place == 0)
		place = __atomic_fetch_add(&n_places, 1, __ATOMIC_RELAXED) % N_PLACES + 1;
	return place - 1;
}

void ioe__wakes_send(struct ioe__wakes *wakes)
{
	while (wakes->words != 0) {
		const uint32_t i = (uint32_t)__builtin_ctzll(wakes->words);
		uint32_t *word = &words[i].count;

		wakes->words &= wakes->words - 1;
		/* E2. Release: pairs with W2. */
		__atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
		ioe__futex_wake_bits(word, wakes->bits[i]);
		wakes->bits[i] = 0;
	}
}

/* Sleep at the place that stands in `state`, which has been read from the event. */
static void sleep_at(const struct ioe_event *event, uint32_t state, int64_t deadline)
{
	const uint32_t place = state >> IOE__EVENT_PLACE_SHIFT;
	uint32_t *word = &words[place / IOE__WAIT_BITS].count;
	/* W2. Acquire: pairs with E2. */
	const uint32_t count = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	/* W3. Relaxed: W2 keeps it behind. */
	if (__atomic_load_n(&event->ioe__state, __ATOMIC_RELAXED) == state)
		(void)ioe__futex_wait_bits(word, count, deadline, 1u << place % IOE__WAIT_BITS);
}

static int64_t wait_sleeping(struct ioe_event *event, int64_t deadline)
{
	const uint32_t mine = IOE__EVENT_WAITED_FOR | ioe__wait_place() << IOE__EVENT_PLACE_SHIFT;
	int64_t result;

	for (;;) {
		uint32_t state = IOE__EVENT_IN_ENGINE;

		if (collect(event, &result))
			return result;
		if (ioe__time_left(deadline) == 0)
			return -ETIMEDOUT;
		/* W1. Relaxed: W3 is of the same word. */
		if (__atomic_compare_exchange_n(&event->ioe__state, &state, mine, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			state = mine;
		if ((state & IOE__EVENT_STATE_MASK) == IOE__EVENT_WAITED_FOR)
			sleep_at(event, state, deadline);
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
