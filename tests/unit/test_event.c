/* SPDX-License-Identifier: MIT
 * test_event.c - P26: the end of an event and its waiter, as close to each other as they can be;
 *                many waiters of one round, of one event, and at one place.
 * Invariants: none.
 * Threads:    those that wait for events, and the one that ends them.
 * Ownership:  events are the tests'. */
#include "engine/event.h"
#include "tests/check.h"
#include "tests/lib/process.h"
#include "tests/lib/random.h"

#include <pthread.h>
#include <sched.h>

enum { ROUNDS = CHECK_SANITIZED ? 10000 : 200000 };

/* Of events of other modes than NONE only the event is looked at. */
static char nothing;
static struct ioe_engine *const no_engine = (struct ioe_engine *)(void *)&nothing;

static struct ioe_event event;
static uint32_t round_begun, round_ended;

/* As an event is when the driver is about to end it. */
static void begin(struct ioe_event *begun)
{
	ioe_prep_nop(begun);
	ioe__event_accept(begun, false);
	begun->ioe__stage = IOE__STAGE_FINISHED;
}

static void spin_to(const uint32_t *word, uint32_t value)
{
	for (uint32_t i = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; i++)
		if (i % 256 == 0)
			sched_yield();
}

static void spin(uint64_t n)
{
	for (; n > 0; n--)
		ioe__cpu_relax();
}

static void *end_events(void *arg)
{
	struct random random = *(struct random *)arg;
	struct ioe__wakes wakes = { 0 };

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		spin_to(&round_begun, round);
		spin(random_below(&random, 64));
		ioe__event_hand_over(&event, &wakes);
		ioe__wakes_send(&wakes);
		__atomic_store_n(&round_ended, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

Test(event, p26_waiter_that_meets_the_end_is_woken, .timeout = 60)
{
	struct random mine = random_open(1), theirs = random_open(2);
	pthread_t thread;

	check_eq(pthread_create(&thread, NULL, end_events, &theirs), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		begin(&event);
		__atomic_store_n(&round_begun, round, __ATOMIC_RELEASE);
		spin(random_below(&mine, 64));
		check_eq(ioe_wait(no_engine, &event), 0);
		spin_to(&round_ended, round);
	}
	pthread_join(thread, NULL);
}

struct sleeper {
	struct ioe_event *event;
	struct ioe_event own;
	int64_t timeout_ns;
	int64_t result;
	uint32_t place;
	pid_t tid;
	pthread_t thread;
};

static void *wait_for_event(void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->place = ioe__wait_place();
	__atomic_store_n(&sleeper->tid, gettid(), __ATOMIC_RELEASE);
	sleeper->result = ioe_wait_for(no_engine, sleeper->event, sleeper->timeout_ns);
	return NULL;
}

/* Start a thread that waits, without end, for the event, or for one of its own. */
static void start(struct sleeper *sleeper, struct ioe_event *awaited)
{
	*sleeper = (struct sleeper){ .event = awaited, .timeout_ns = -1 };
	if (awaited == NULL) {
		sleeper->event = &sleeper->own;
		begin(sleeper->event);
	}
	check_eq(pthread_create(&sleeper->thread, NULL, wait_for_event, sleeper), 0);
	while (__atomic_load_n(&sleeper->tid, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	cr_assert(thread_wait_asleep(sleeper->tid));
}

static int64_t join(struct sleeper *sleeper)
{
	check_eq(pthread_join(sleeper->thread, NULL), 0);
	return sleeper->result;
}

Test(event, all_waiters_of_a_round_are_woken_together, .timeout = 60)
{
	enum { N = 100, ENDED = 70 };
	static struct sleeper sleepers[N];
	struct ioe__wakes wakes = { 0 };

	for (uint32_t i = 0; i < N; i++)
		start(&sleepers[i], NULL);
	for (uint32_t i = 0; i < ENDED; i++)
		ioe__event_hand_over(sleepers[i].event, &wakes);
	/* One system call for each word: threads that came one after the other are neighbours. */
	check_op(__builtin_popcountll(wakes.words), <=, ENDED / IOE__WAIT_BITS + 2);
	ioe__wakes_send(&wakes);
	check_eq(wakes.words, 0);
	for (uint32_t i = 0; i < ENDED; i++)
		check_eq(join(&sleepers[i]), 0);
	/* The others have not been told anything. */
	for (uint32_t i = ENDED; i < N; i++) {
		cr_assert(thread_wait_asleep(sleepers[i].tid));
		cr_assert(!ioe_event_is_done(sleepers[i].event));
		ioe__event_hand_over(sleepers[i].event, &wakes);
	}
	ioe__wakes_send(&wakes);
	for (uint32_t i = ENDED; i < N; i++)
		check_eq(join(&sleepers[i]), 0);
}

Test(event, two_that_wait_for_one_event_are_both_woken, .timeout = 60)
{
	static struct sleeper first, second;
	struct ioe__wakes wakes = { 0 };
	int64_t results[2];

	begin(&event);
	start(&first, &event);
	start(&second, &event);
	cr_assert(first.place != second.place);
	ioe__event_hand_over(&event, &wakes);
	ioe__wakes_send(&wakes);
	/* One has the result, the other comes too late. */
	results[0] = join(&first);
	results[1] = join(&second);
	check_eq(results[0] + results[1], -EINVAL);
	check_eq(results[0] * results[1], 0);
}

Test(event, waiter_after_one_that_has_timed_out_is_woken, .timeout = 60)
{
	static struct sleeper sleeper;
	struct ioe__wakes wakes = { 0 };

	begin(&event);
	check_eq(ioe_wait_for(no_engine, &event, 1000000), -ETIMEDOUT);
	start(&sleeper, &event);
	ioe__event_hand_over(&event, &wakes);
	ioe__wakes_send(&wakes);
	check_eq(join(&sleeper), 0);
}

static void *take_a_place(void *arg)
{
	(void)arg;
	(void)ioe__wait_place();
	return NULL;
}

Test(event, threads_that_share_a_place_wait_each_for_its_own, .timeout = 60)
{
	static struct sleeper first, second;
	struct ioe__wakes wakes = { 0 };

	start(&first, NULL);
	for (uint32_t i = 1; i < IOE__WAIT_WORDS * IOE__WAIT_BITS; i++) {
		pthread_t thread;

		check_eq(pthread_create(&thread, NULL, take_a_place, NULL), 0);
		check_eq(pthread_join(thread, NULL), 0);
	}
	start(&second, NULL);
	check_eq(first.place, second.place);
	ioe__event_hand_over(second.event, &wakes);
	ioe__wakes_send(&wakes);
	check_eq(join(&second), 0);
	cr_assert(thread_wait_asleep(first.tid));
	cr_assert(!ioe_event_is_done(first.event));
	ioe__event_hand_over(first.event, &wakes);
	ioe__wakes_send(&wakes);
	check_eq(join(&first), 0);
}
