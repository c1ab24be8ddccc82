/* SPDX-License-Identifier: MIT
 * test_channel.c - the channel alone: order, bound, sleeping producers, parking, close.
 * Invariants: what a test waits for is a semaphore or a join, never a sleep.
 * Threads:    each test's own.
 * Ownership:  nodes are on the stacks of the tests. */
#include "channel/channel.h"
#include "tests/check.h"

#include <pthread.h>
#include <semaphore.h>

struct thing {
	struct ioe__node node;
	uint32_t producer;
	uint32_t number;
};

struct world {
	struct ioe__channel channel;
	sem_t woken;
	uint32_t n_wakes;
};

static void on_wake(void *arg)
{
	struct world *world = arg;

	__atomic_fetch_add(&world->n_wakes, 1, __ATOMIC_RELAXED);
	sem_post(&world->woken);
}

static struct world *world_open(uint32_t capacity)
{
	struct world *world = aligned_alloc(64, sizeof(*world));

	memset(world, 0, sizeof(*world));
	sem_init(&world->woken, 0, 0);
	ioe__channel_init(&world->channel, capacity, on_wake, world);
	return world;
}

static void world_close(struct world *world)
{
	sem_destroy(&world->woken);
	free(world);
}

static void link_things(struct thing *things, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		things[i].number = i;
		things[i].node.next = i + 1 < n ? &things[i + 1].node : NULL;
	}
}

static struct thing *thing_of(struct ioe__node *node)
{
	return (struct thing *)(void *)node;
}

/* Reserve, push and leave for one chain that fits. */
static void push(struct world *world, struct thing *things, uint32_t n)
{
	check_eq(ioe__channel_reserve(&world->channel, n, IOE__RESERVE_TRY), n);
	link_things(things, n);
	ioe__channel_push(&world->channel, &things[0].node, &things[n - 1].node);
	ioe__channel_leave(&world->channel);
}

Test(channel, take_returns_everything_in_the_order_of_push)
{
	struct world *world = world_open(16);
	struct thing a[3], b[1], c[4];
	struct ioe__node *node;
	struct thing *const expected[] = { &a[0], &a[1], &a[2], &b[0], &c[0], &c[1], &c[2], &c[3] };

	cr_assert_null(ioe__channel_take(&world->channel));
	push(world, a, 3);
	push(world, b, 1);
	push(world, c, 4);
	cr_assert(ioe__channel_has_work(&world->channel));
	node = ioe__channel_take(&world->channel);
	for (uint32_t i = 0; i < 8; i++) {
		cr_assert_eq(thing_of(node), expected[i]);
		node = node->next;
	}
	cr_assert_null(node);
	cr_assert_null(ioe__channel_take(&world->channel));
	world_close(world);
}

Test(channel, reserve_takes_what_fits_and_not_more)
{
	struct world *world = world_open(4);
	struct ioe__channel *channel = &world->channel;

	check_eq(ioe__channel_reserve(channel, 3, IOE__RESERVE_TRY), 3);
	check_eq(ioe__channel_reserve(channel, 3, IOE__RESERVE_TRY), 1);
	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), -EAGAIN);
	ioe__channel_unreserve(channel, 2);
	check_eq(ioe__channel_reserve(channel, 9, IOE__RESERVE_WAIT), 2);
	ioe__channel_restore(channel, 4);
	check_eq(ioe__channel_reserve(channel, 9, IOE__RESERVE_TRY), 4);
	check_eq(ioe__channel_reserved(channel), 8);
	world_close(world);
}

Test(channel, force_goes_below_zero_and_is_paid_back)
{
	struct world *world = world_open(1);
	struct ioe__channel *channel = &world->channel;

	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), 1);
	check_eq(ioe__channel_reserve(channel, 5, IOE__RESERVE_FORCE), 5);
	ioe__channel_restore(channel, 5);
	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), -EAGAIN);
	ioe__channel_restore(channel, 1);
	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), 1);
	world_close(world);
}

Test(channel, credit_survives_the_overflow_of_its_count)
{
	struct world *world = world_open(8);
	struct ioe__channel *channel = &world->channel;

	/* As after 2^40 - 3 events. */
	channel->gate = (IOE__CHANNEL_COUNT_MASK - 2) << 24;
	channel->restored = IOE__CHANNEL_COUNT_MASK - 2;
	for (uint32_t i = 0; i < 4; i++) {
		check_eq(ioe__channel_reserve(channel, 9, IOE__RESERVE_TRY), 8);
		check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), -EAGAIN);
		ioe__channel_restore(channel, 8);
		ioe__channel_leave(channel);
	}
	check_eq(channel->gate & ((1 << 24) - 1), 0);
	world_close(world);
}

Test(channel, a_parked_driver_is_woken_once)
{
	struct world *world = world_open(16);
	struct thing a[1], b[1], c[1];

	push(world, a, 1);
	check_eq(world->n_wakes, 0);
	cr_assert(!ioe__channel_park(&world->channel), "there is something to take");
	(void)ioe__channel_take(&world->channel);
	cr_assert(ioe__channel_park(&world->channel));
	push(world, b, 1);
	push(world, c, 1);
	ioe__channel_notify(&world->channel);
	check_eq(world->n_wakes, 1);
	world_close(world);
}

static void *submit_one_waiting(void *arg)
{
	struct world *world = arg;

	return (void *)(intptr_t)ioe__channel_reserve(&world->channel, 1, IOE__RESERVE_WAIT);
}

static void wait_for_sleepers(struct world *world, uint64_t n)
{
	while (__atomic_load_n(&world->channel.n_waits, __ATOMIC_RELAXED) < n)
		sched_yield();
}

Test(channel, a_producer_sleeps_until_there_is_room, .timeout = 20)
{
	struct world *world = world_open(1);
	pthread_t threads[4];
	void *ret;

	check_eq(ioe__channel_reserve(&world->channel, 1, IOE__RESERVE_TRY), 1);
	for (uint32_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, submit_one_waiting, world);
	wait_for_sleepers(world, 4);
	for (uint32_t i = 0; i < 4; i++)
		ioe__channel_restore(&world->channel, 1);
	for (uint32_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &ret);
		check_eq((intptr_t)ret, 1);
	}
	world_close(world);
}

Test(channel, close_sends_sleeping_producers_away_and_refuses_new_ones, .timeout = 20)
{
	struct world *world = world_open(1);
	struct ioe__channel *channel = &world->channel;
	pthread_t thread;
	void *ret;

	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), 1);
	ioe__channel_leave(channel);
	pthread_create(&thread, NULL, submit_one_waiting, world);
	wait_for_sleepers(world, 1);
	ioe__channel_close(channel);
	pthread_join(thread, &ret);
	check_eq((intptr_t)ret, -ESHUTDOWN);
	ioe__channel_wait_left(channel);
	cr_assert(ioe__channel_is_closing(channel));
	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_TRY), -ESHUTDOWN);
	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_WAIT), -ESHUTDOWN);
	check_eq(ioe__channel_reserve(channel, 1, IOE__RESERVE_FORCE), -ESHUTDOWN);
	world_close(world);
}

#define N_PRODUCERS 4
#define N_EACH      20000

struct producer {
	struct world *world;
	struct thing *things;
	uint32_t index;
};

/* Chains of 1 to 7, as room allows. */
static void *produce(void *arg)
{
	struct producer *producer = arg;
	struct ioe__channel *channel = &producer->world->channel;
	uint32_t at = 0;

	while (at < N_EACH) {
		const uint32_t wanted = 1 + at % 7;
		const uint32_t n = wanted < N_EACH - at ? wanted : N_EACH - at;
		const int64_t k = ioe__channel_reserve(channel, n, IOE__RESERVE_WAIT);
		struct thing *first = &producer->things[at];

		for (uint32_t i = 0; i < k; i++) {
			first[i].producer = producer->index;
			first[i].number = at + i;
			first[i].node.next = i + 1 < k ? &first[i + 1].node : NULL;
		}
		at += (uint32_t)k;
		ioe__channel_push(channel, &first->node, &first[k - 1].node);
		ioe__channel_leave(channel);
	}
	return NULL;
}

/* What a driver does, with a semaphore for its backend. Checks at the end, not inside. */
static uint32_t consume(struct world *world, uint32_t *ret_out_of_order)
{
	uint32_t next[N_PRODUCERS] = { 0 };
	uint32_t n = 0;

	while (n < N_PRODUCERS * N_EACH) {
		struct ioe__node *node = ioe__channel_take(&world->channel);
		uint32_t taken = 0;

		if (node == NULL)
			ioe__channel_announce(&world->channel);
		if (node == NULL && ioe__channel_park(&world->channel)) {
			while (sem_wait(&world->woken) != 0)
				;
			ioe__channel_unpark(&world->channel);
		}
		for (; node != NULL; node = node->next, taken++) {
			struct thing *thing = thing_of(node);

			if (thing->number != next[thing->producer]++)
				++*ret_out_of_order;
		}
		ioe__channel_restore(&world->channel, taken);
		n += taken;
	}
	return n;
}

Test(channel, nothing_is_lost_or_out_of_order_between_many_producers_and_a_driver, .timeout = 60)
{
	static const uint32_t capacities[] = { 1, 8, 1024 };

	for (uint32_t c = 0; c < 3; c++) {
		struct world *world = world_open(capacities[c]);
		struct producer producers[N_PRODUCERS];
		pthread_t threads[N_PRODUCERS];
		uint32_t out_of_order = 0;

		for (uint32_t i = 0; i < N_PRODUCERS; i++) {
			producers[i] = (struct producer){
				.world = world,
				.things = calloc(N_EACH, sizeof(struct thing)),
				.index = i,
			};
			pthread_create(&threads[i], NULL, produce, &producers[i]);
		}
		check_eq(consume(world, &out_of_order), N_PRODUCERS * N_EACH);
		check_eq(out_of_order, 0);
		for (uint32_t i = 0; i < N_PRODUCERS; i++) {
			pthread_join(threads[i], NULL);
			free(producers[i].things);
		}
		check_eq(ioe__channel_reserved(&world->channel), N_PRODUCERS * N_EACH);
		world_close(world);
	}
}
