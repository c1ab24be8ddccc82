/* SPDX-License-Identifier: MIT
 * channel.c - the bounded queue from many producers to one driver, with parking.
 *
 * The numbered argument (C1 to C5) stands in README.md, with what was rejected.
 *
 * Invariants: C1 every node pushed is taken once, in the order of its push;
 *             C2 reserved - restored <= capacity, but for FORCE;
 *             C3 no producer sleeps for ever while there is room;
 *             C4 no driver sleeps for ever while there is a node (no lost wake-up);
 *             C5 after close + wait_left no producer touches the channel.
 * Threads, Ownership: channel.h. */
#include "channel/channel.h"

#define GATE_INSIDE      UINT64_C(1)
#define GATE_INSIDE_MASK ((UINT64_C(1) << 23) - 1)
#define GATE_CLOSING     (UINT64_C(1) << 23)
#define GATE_COUNT_SHIFT 24

/* A sleeping producer looks for room by itself so often: a driver that is in a long callback may
 * have credit that it has not announced. */
#define ROOM_POLL_NS (10 * IOE__NS_PER_MS)

/* How long close sleeps between looks for producers that are still inside. */
#define LEFT_POLL_NS INT64_C(20000)

_Static_assert(GATE_CLOSING == GATE_INSIDE_MASK + 1, "the fields of the gate do not overlap");
_Static_assert(GATE_COUNT_SHIFT == 64 - 40, "the count is on top of the gate");
_Static_assert(offsetof(struct ioe__channel, head) % IOE__CACHE_LINE == 0 &&
		       offsetof(struct ioe__channel, restored) % IOE__CACHE_LINE == 0 &&
		       offsetof(struct ioe__channel, parked) % IOE__CACHE_LINE == 0 &&
		       offsetof(struct ioe__channel, capacity) % IOE__CACHE_LINE == 0,
	       "fields written by different threads are on different lines");

/* What ck_ec sleeps with. Its waiters wait in timed steps (2 ms, 16 ms, ..., then for ever). */
static int ec_gettime(const struct ck_ec_ops *ops, struct timespec *out)
{
	(void)ops;
	return clock_gettime(CLOCK_MONOTONIC, out);
}

static void ec_wait32(const struct ck_ec_wait_state *state, const uint32_t *address,
		      uint32_t expected, const struct timespec *deadline)
{
	int64_t timeout_ns = -1;

	if (deadline != NULL) {
		timeout_ns = (deadline->tv_sec - state->now.tv_sec) * IOE__NS_PER_S +
			     (deadline->tv_nsec - state->now.tv_nsec);
		if (timeout_ns < 0)
			timeout_ns = 0;
	}
	(void)ioe__futex_wait((uint32_t *)(uintptr_t)address, expected, timeout_ns);
}

static void ec_wake32(const struct ck_ec_ops *ops, const uint32_t *address)
{
	(void)ops;
	ioe__futex_wake((uint32_t *)(uintptr_t)address, INT_MAX);
}

static const struct ck_ec_ops ec_ops = {
	.gettime = ec_gettime,
	.wait32 = ec_wait32,
	.wake32 = ec_wake32,
};

/* Advanced by the driver and by close: more than one producer of the event count. */
static const struct ck_ec_mode ec_mode = { .ops = &ec_ops, .single_producer = false };

static const struct timespec room_poll = { .tv_nsec = ROOM_POLL_NS };

void ioe__channel_init(struct ioe__channel *channel, uint32_t capacity, void (*wake)(void *arg),
		       void *wake_arg)
{
	*channel = (struct ioe__channel){
		.capacity = capacity,
		.wake = wake,
		.wake_arg = wake_arg,
	};
	ck_ec32_init(&channel->room, 0);
}

/* Credit left in a gate word: negative when callbacks went below zero. */
static int64_t room_left(const struct ioe__channel *channel, uint64_t gate)
{
	/* Acquire: pairs with the release in restore(); what the driver did with the events whose
	 * credit this is has happened. */
	const uint64_t restored = __atomic_load_n(&channel->restored, __ATOMIC_ACQUIRE);
	/* The difference of two 40-bit counts, with its sign: a gate word read before others
	 * reserved and the driver restored is behind restored (its compare-and-swap will fail). */
	const int64_t taken =
		(int64_t)(((gate >> GATE_COUNT_SHIFT) - restored) << GATE_COUNT_SHIFT) >>
		GATE_COUNT_SHIFT;

	return (int64_t)channel->capacity - taken;
}

/* Take min(n, room) of the credit; 0 when there is none. inside: what to add to the number of
 * threads inside at the same time. */
static int64_t take_room(struct ioe__channel *channel, uint32_t n, uint64_t inside)
{
	uint64_t gate = __atomic_load_n(&channel->gate, __ATOMIC_RELAXED);
	int64_t k;

	do {
		if (gate & GATE_CLOSING)
			return -ESHUTDOWN;
		k = room_left(channel, gate);
		if (k <= 0)
			return 0;
		if (k > n)
			k = n;
		/* Seq_cst, as every change of the gate: see C5. */
	} while (!__atomic_compare_exchange_n(&channel->gate, &gate,
					      gate + ((uint64_t)k << GATE_COUNT_SHIFT) + inside,
					      true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return k;
}

/* Enter without credit; false when closing. */
static bool enter(struct ioe__channel *channel, uint64_t n)
{
	uint64_t gate = __atomic_load_n(&channel->gate, __ATOMIC_RELAXED);

	do {
		if (gate & GATE_CLOSING)
			return false;
	} while (!__atomic_compare_exchange_n(&channel->gate, &gate,
					      gate + (n << GATE_COUNT_SHIFT) + GATE_INSIDE, true,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return true;
}

int64_t ioe__channel_reserve(struct ioe__channel *channel, uint32_t n, enum ioe__reserve how)
{
	int64_t k;

	if (how == IOE__RESERVE_FORCE)
		return enter(channel, n) ? (int64_t)n : -ESHUTDOWN;

	k = take_room(channel, n, GATE_INSIDE);
	if (k != 0)
		return k;
	if (how == IOE__RESERVE_TRY)
		return -EAGAIN;

	/* Inside while asleep, so that close waits for us (C5). */
	if (!enter(channel, 0))
		return -ESHUTDOWN;
	__atomic_fetch_add(&channel->n_waits, 1, __ATOMIC_RELAXED);
	for (;;) {
		/* C3: the value is read before the look; an advance after it ends the wait. */
		const uint32_t seen = ck_ec32_value(&channel->room);
		struct timespec deadline;

		k = take_room(channel, n, 0);
		if (k < 0)
			ioe__channel_leave(channel);
		if (k != 0)
			return k;
		(void)ck_ec_deadline(&deadline, &ec_mode, &room_poll);
		(void)ck_ec32_wait(&channel->room, &ec_mode, seen, &deadline);
	}
}

void ioe__channel_unreserve(struct ioe__channel *channel, uint32_t n)
{
	__atomic_fetch_sub(&channel->gate, (uint64_t)n << GATE_COUNT_SHIFT, __ATOMIC_SEQ_CST);
	ck_ec32_inc(&channel->room, &ec_mode);
}

void ioe__channel_push(struct ioe__channel *channel, struct ioe__node *first,
		       struct ioe__node *last)
{
	struct ioe__node *head;

	/* The list is newest first; turn the chain round, from last back to first. */
	struct ioe__node *newest = NULL;
	struct ioe__node *node = first;

	for (;;) {
		struct ioe__node *next = node->next;

		node->next = newest;
		newest = node;
		if (node == last)
			break;
		node = next;
	}
	head = __atomic_load_n(&channel->head, __ATOMIC_RELAXED);
	do {
		first->next = head;
		/* Release: pairs with the exchange in take(). Seq_cst: C4, before the look at
		 * parked. ABA is harmless: head is only compared, never followed. */
	} while (!__atomic_compare_exchange_n(&channel->head, &head, newest, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	ioe__channel_notify(channel);
}

void ioe__channel_notify(struct ioe__channel *channel)
{
	/* C4: the look is after the push, in the one order of seq_cst. The exchange makes one
	 * waker of many. */
	if (__atomic_load_n(&channel->parked, __ATOMIC_SEQ_CST) == 0)
		return;
	if (__atomic_exchange_n(&channel->parked, 0, __ATOMIC_SEQ_CST) == 0)
		return;
	__atomic_fetch_add(&channel->n_wakes, 1, __ATOMIC_RELAXED);
	channel->wake(channel->wake_arg);
}

void ioe__channel_leave(struct ioe__channel *channel)
{
	/* Release: pairs with the acquire in wait_left(); all our touches are before it. */
	__atomic_fetch_sub(&channel->gate, GATE_INSIDE, __ATOMIC_RELEASE);
}

struct ioe__node *ioe__channel_take(struct ioe__channel *channel)
{
	struct ioe__node *node;
	struct ioe__node *oldest = NULL;

	if (__atomic_load_n(&channel->head, __ATOMIC_RELAXED) == NULL)
		return NULL;
	/* Acquire: pairs with the push; what producers wrote into the nodes is visible. */
	node = __atomic_exchange_n(&channel->head, NULL, __ATOMIC_ACQUIRE);
	while (node != NULL) {
		struct ioe__node *next = node->next;

		node->next = oldest;
		oldest = node;
		node = next;
	}
	return oldest;
}

void ioe__channel_restore(struct ioe__channel *channel, uint64_t n)
{
	if (n == 0)
		return;
	/* One writer. Seq_cst: before the advance of the event count, whose value a producer reads
	 * before it looks at restored (C3). */
	__atomic_store_n(&channel->restored,
			 (__atomic_load_n(&channel->restored, __ATOMIC_RELAXED) + n) &
				 IOE__CHANNEL_COUNT_MASK,
			 __ATOMIC_SEQ_CST);
	/* Waking all sleepers for each event that has been started would have them sleep again at
	 * once: 16 producers of single events did 0.29 M/s so. */
	channel->n_unannounced += n;
	if (2 * channel->n_unannounced >= channel->capacity)
		ioe__channel_announce(channel);
}

void ioe__channel_announce(struct ioe__channel *channel)
{
	if (channel->n_unannounced == 0)
		return;
	channel->n_unannounced = 0;
	channel->had_sleepers |= ck_ec32_has_waiters(&channel->room);
	ck_ec32_inc(&channel->room, &ec_mode);
}

bool ioe__channel_had_sleepers(struct ioe__channel *channel)
{
	const bool had = channel->had_sleepers;

	channel->had_sleepers = false;
	return had;
}

bool ioe__channel_has_work(const struct ioe__channel *channel)
{
	return __atomic_load_n(&channel->head, __ATOMIC_RELAXED) != NULL;
}

bool ioe__channel_park(struct ioe__channel *channel)
{
	__atomic_store_n(&channel->parked, 1, __ATOMIC_SEQ_CST);
	/* C4: the look is after the store, in the one order of seq_cst. */
	if (__atomic_load_n(&channel->head, __ATOMIC_SEQ_CST) == NULL)
		return true;
	ioe__channel_unpark(channel);
	return false;
}

void ioe__channel_unpark(struct ioe__channel *channel)
{
	__atomic_store_n(&channel->parked, 0, __ATOMIC_RELAXED);
}

uint64_t ioe__channel_reserved(const struct ioe__channel *channel)
{
	return __atomic_load_n(&channel->gate, __ATOMIC_SEQ_CST) >> GATE_COUNT_SHIFT;
}

void ioe__channel_close(struct ioe__channel *channel)
{
	__atomic_fetch_or(&channel->gate, GATE_CLOSING, __ATOMIC_SEQ_CST);
	/* Those asleep, and those between their look and their sleep (C3). */
	ck_ec32_inc(&channel->room, &ec_mode);
}

bool ioe__channel_is_closing(const struct ioe__channel *channel)
{
	return (__atomic_load_n(&channel->gate, __ATOMIC_RELAXED) & GATE_CLOSING) != 0;
}

void ioe__channel_wait_left(struct ioe__channel *channel)
{
	/* A producer is inside for a few instructions, or asleep and being sent away: a poll, so
	 * that its last touch can be one atomic subtraction. */
	while ((__atomic_load_n(&channel->gate, __ATOMIC_ACQUIRE) & GATE_INSIDE_MASK) != 0)
		ioe__sleep_ns(LEFT_POLL_NS);
}
