/* SPDX-License-Identifier: MIT
 * test_submit.c - submitting: again, while busy, in batches, on a full channel, in callbacks. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#define PUBLIC_BYTES offsetof(struct ioe_event, ioe__node)

static void open_narrow(struct rig *rig, uint32_t channel_capacity)
{
	struct ioe_config config = rig_config(rig);

	config.depth_max = 1;
	config.channel_capacity = channel_capacity;
	rig_open(rig, &config);
	rig_push(rig);
}

/* With a read of an empty pipe in the kernel nothing behind it can start, at depth 1. Returns where
 * to write the byte that ends it. */
static int block(struct rig *rig, struct job *blocker)
{
	static char byte;
	int fds[2];

	rig_pipe(rig, fds);
	ioe_prep_read(&blocker->event, fds[0], &byte, 1, 0);
	rig_submit(rig, blocker);
	rig_wait_in_flight(rig, 1);
	return fds[1];
}

static int open_blocked(struct rig *rig, struct job *blocker, uint32_t channel_capacity)
{
	open_narrow(rig, channel_capacity);
	return block(rig, blocker);
}

static void unblock(int fd)
{
	check_eq(write(fd, "x", 1), 1);
}

/* Fill the channel; the driver gives the blocker's room back at a moment of its own. */
static void fill_channel(struct rig *rig, struct job *jobs, uint32_t n)
{
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;

	rig_prep_nops(jobs, n);
	for (uint32_t i = 0; i < n;) {
		const int ret = rig_try(rig, &jobs[i]);

		cr_assert(ret == 0 || ret == -EAGAIN, "ioe_try_submit: %d", ret);
		cr_assert(clock_now_ns() < give_up_ns, "room for %u of %u events only", i, n);
		i += ret == 0;
	}
}

MATRIX_TEST(submit, event_can_be_submitted_again_as_it_is)
{
	const int fd = rig_file(rig, 8192);
	uint8_t *buffer = rig_buffer(rig, 4096);
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fd, buffer, 4096, 4096);
	for (uint32_t i = 0; i < 50; i++) {
		memset(buffer, 0, 4096);
		check_eq(rig_do(rig, job), 4096);
		check_eq(pattern_differs(buffer, 4096, 4096, RIG_SEED), -1);
	}
	check_eq(job->calls, 50);
}

MATRIX_TEST(submit, event_still_in_the_engine_is_busy)
{
	struct job *jobs = rig_jobs(rig, 2);
	struct ioe_event *const events[1] = { &jobs[1].event };
	const int fd = open_blocked(rig, &jobs[0], 16);

	ioe_prep_nop(&jobs[1].event);
	rig_submit(rig, &jobs[1]);
	check_eq(ioe_submit(rig->engine, &jobs[0].event), -EBUSY);
	check_eq(ioe_try_submit(rig->engine, &jobs[0].event), -EBUSY);
	check_eq(ioe_submit(rig->engine, &jobs[1].event), -EBUSY);
	check_eq(ioe_submit_batch(rig->engine, events, 1), -EBUSY);
	check_eq(ioe_try_submit_batch(rig->engine, events, 1), -EBUSY);
	unblock(fd);
	rig_wait_all(rig);
	check_eq(jobs[0].calls, 1);
	check_eq(jobs[0].result, 1);
	check_eq(rig_do(rig, &jobs[1]), 0);
}

MATRIX_TEST(submit, try_on_a_full_channel_is_eagain_and_leaves_the_event_alone)
{
	enum { CAPACITY = 5 };
	struct job *jobs = rig_jobs(rig, CAPACITY + 2);
	struct job *more = &jobs[CAPACITY + 1];
	const int fd = open_blocked(rig, &jobs[0], CAPACITY);
	struct ioe_event before;

	fill_channel(rig, jobs + 1, CAPACITY);
	ioe_prep_nop(&more->event);
	more->event.result = 77;
	check_eq(rig_try(rig, more), -EAGAIN);
	before = more->event;
	check_eq(rig_try(rig, more), -EAGAIN);
	check_eq(memcmp(&more->event, &before, PUBLIC_BYTES), 0);
	check_eq(rig_batch(rig, more, 1, true), -EAGAIN);
	check_eq(memcmp(&more->event, &before, PUBLIC_BYTES), 0);
	check_eq(rig_count(rig), 0);
	unblock(fd);
	rig_wait_all(rig);
	check_eq(rig_do(rig, more), 0);
	check_eq(more->calls, 1);
}

struct late {
	struct rig *rig;
	struct job *jobs;
	uint32_t n;
	int ret;
	bool batch;
	int returned;
};

static void submit_late(void *arg)
{
	struct late *late = arg;

	late->ret = late->batch ? rig_batch(late->rig, late->jobs, late->n, false) :
				  rig_submit_ret(late->rig, late->jobs);
	__atomic_store_n(&late->returned, 1, __ATOMIC_SEQ_CST);
}

MATRIX_TEST(submit, submit_on_a_full_channel_waits_for_room)
{
	enum { CAPACITY = 4 };
	struct job *jobs = rig_jobs(rig, CAPACITY + 2);
	const int fd = open_blocked(rig, &jobs[0], CAPACITY);
	struct late late = { .rig = rig, .jobs = &jobs[CAPACITY + 1] };
	struct actor actor;

	fill_channel(rig, jobs + 1, CAPACITY);
	ioe_prep_nop(&late.jobs->event);
	actor_start(&actor, submit_late, &late);
	cr_assert(thread_wait_asleep(actor.tid));
	check_eq(__atomic_load_n(&late.returned, __ATOMIC_SEQ_CST), 0);
	check_eq(rig_count(rig), 0);
	unblock(fd);
	rig_wait_count(rig, 1);
	rig_wait_count(rig, CAPACITY + 2);
	actor_join(&actor);
	check_eq(late.ret, 0);
	check_op(rig_stats(rig).channel_full_waits, >=, 1);
}

MATRIX_TEST(submit, batch_larger_than_the_room_waits_until_all_are_in)
{
	enum { CAPACITY = 4, N = 50 };
	struct job *jobs = rig_jobs(rig, N + 1);
	const int fd = open_blocked(rig, &jobs[0], CAPACITY);
	struct late late = { .rig = rig, .jobs = jobs + 1, .n = N, .batch = true };
	struct actor actor;

	rig_prep_nops(jobs + 1, N);
	actor_start(&actor, submit_late, &late);
	cr_assert(thread_wait_asleep(actor.tid));
	check_eq(__atomic_load_n(&late.returned, __ATOMIC_SEQ_CST), 0);
	unblock(fd);
	rig_wait_count(rig, N + 1);
	actor_join(&actor);
	check_eq(late.ret, N);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].calls, 1);
}

MATRIX_TEST(submit, try_batch_takes_what_fits)
{
	enum { CAPACITY = 6 };
	struct job *jobs = rig_jobs(rig, 12);
	const int fd = open_blocked(rig, &jobs[0], CAPACITY);

	fill_channel(rig, jobs + 1, 2);
	rig_prep_nops(jobs + 3, 9);
	check_eq(rig_batch(rig, jobs + 3, 9, true), 4);
	check_eq(rig_batch(rig, jobs + 7, 5, true), -EAGAIN);
	unblock(fd);
	rig_wait_count(rig, 7);
	check_eq(rig_batch(rig, jobs + 7, 5, true), 5);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 12; i++)
		check_eq(jobs[i].calls, 1);
}

MATRIX_TEST(submit, batch_stops_at_the_first_malformed_event)
{
	struct job *jobs = rig_jobs(rig, 10);

	rig_open(rig, NULL);
	rig_prep_nops(jobs, 10);
	jobs[3].event.op = IOE_OP_END;
	check_eq(rig_batch(rig, jobs, 10, false), 3);
	check_eq(rig_batch(rig, jobs + 3, 7, false), -EINVAL);
	check_eq(rig_batch(rig, jobs + 3, 7, true), -EINVAL);
	jobs[9].event.op = IOE_OP_NONE;
	check_eq(rig_batch(rig, jobs + 4, 6, true), 5);
	jobs[3].event.timeout_ns = 1;
	jobs[3].event.op = IOE_OP_NOP;
	check_eq(rig_batch(rig, jobs + 3, 1, true), -EOPNOTSUPP);
	rig_wait_all(rig);
	check_eq(rig_count(rig), 8);
	check_eq(jobs[3].calls, 0);
	check_eq(jobs[9].calls, 0);
}

MATRIX_TEST(submit, batch_stops_at_an_event_that_is_busy)
{
	struct job *jobs = rig_jobs(rig, 1), *nops = rig_jobs(rig, 4);
	const int fd = open_blocked(rig, &jobs[0], 16);
	struct ioe_event *const events[] = { &nops[0].event, &nops[1].event, &jobs[0].event,
					     &nops[2].event };

	rig_prep_nops(nops, 4);
	check_eq(ioe_submit_batch(rig->engine, events, 4), 2);
	check_eq(ioe_submit_batch(rig->engine, events + 2, 2), -EBUSY);
	unblock(fd);
	rig_wait(rig, &jobs[0]);
	check_eq(ioe_wait(rig->engine, &nops[0].event), 0);
	check_eq(ioe_wait(rig->engine, &nops[1].event), 0);
	check_eq(jobs[0].calls, 1);
}

NONE_TEST(submit, batch_ends_at_an_event_that_is_in_it_twice)
{
	struct job *nops = rig_jobs(rig, 3);
	struct ioe_event *const events[] = { &nops[0].event, &nops[1].event, &nops[0].event,
					     &nops[2].event };

	/* Without threads the first has not ended when its second turn comes. */
	rig_open(rig, NULL);
	rig_prep_nops(nops, 3);
	check_eq(ioe_try_submit_batch(rig->engine, events, 4), 2);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(ioe_wait(rig->engine, &nops[0].event), 0);
	check_eq(ioe_wait(rig->engine, &nops[1].event), 0);
	check_eq(rig_stats(rig).events_accepted, 2);
}

MATRIX_TEST(submit, batch_of_many_files_reaches_each)
{
	enum { FILES = 6, EACH = 10 };
	struct job *jobs = rig_jobs(rig, FILES * EACH);
	int fds[FILES];

	for (uint32_t i = 0; i < FILES; i++)
		fds[i] = rig_keep_fd(rig, place_file(rig->row.place, EACH * 1000, i, 0));
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < FILES * EACH; i++)
		ioe_prep_read(&jobs[i].event, fds[i % FILES], rig_buffer(rig, 1000), 1000,
			      i / FILES * 1000);
	check_eq(rig_batch(rig, jobs, FILES * EACH, false), FILES * EACH);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < FILES * EACH; i++) {
		check_eq(jobs[i].result, 1000);
		check_eq(pattern_differs(jobs[i].event.buffer, 1000, jobs[i].event.offset,
					 i % FILES),
			 -1);
	}
}

static __thread int callback_depth;
static int deepest;
static int submits_in_callback;
static int tries_refused;

static void submit_the_next(struct job *job)
{
	struct job *next = job->data;

	if (++callback_depth > deepest)
		deepest = callback_depth;
	if (next != NULL)
		__atomic_add_fetch(&submits_in_callback, rig_submit_ret(job->rig, next) == 0,
				   __ATOMIC_RELAXED);
	callback_depth--;
}

MATRIX_TEST(submit, callbacks_submit_and_never_nest)
{
	enum { N = 200 };
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_config config = rig_config(rig);

	config.n_workers = rig->row.threading == IOE_THREADING_POOL ? 1 : 0;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++) {
		jobs[i].then = submit_the_next;
		jobs[i].data = i + 1 < N ? &jobs[i + 1] : NULL;
	}
	rig_submit(rig, &jobs[0]);
	rig_wait_count(rig, N);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(submits_in_callback, N - 1);
	check_eq(deepest, 1);
}

enum { TRIES = 10, BEYOND = 20 };
static int went_beyond;

/* Fill the channel, then go beyond. */
static void submit_beyond_capacity(struct job *job)
{
	struct job *more = job->data;

	for (uint32_t i = 0; i < TRIES && tries_refused == 0; i++)
		tries_refused += rig_try(job->rig, &more[i]) == -EAGAIN;
	for (uint32_t i = 0; i < BEYOND; i++)
		submits_in_callback += rig_submit_ret(job->rig, &more[TRIES + i]) == 0;
	__atomic_store_n(&went_beyond, 1, __ATOMIC_RELEASE);
}

MATRIX_TEST(submit, submit_in_a_callback_goes_beyond_the_capacity)
{
	struct job *jobs = rig_jobs(rig, 2 + TRIES + BEYOND);
	char byte;
	int first, second[2];

	jobs[0].then = submit_beyond_capacity;
	jobs[0].data = &jobs[2];
	rig_prep_nops(jobs + 1, 1 + TRIES + BEYOND);
	first = open_blocked(rig, &jobs[0], 1);
	/* Behind the first hangs another: nothing else moves while the callback submits. */
	rig_pipe(rig, second);
	ioe_prep_read(&jobs[1].event, second[0], &byte, 1, 0);
	rig_submit(rig, &jobs[1]);
	unblock(first);
	rig_wait_count(rig, 1);
	while (__atomic_load_n(&went_beyond, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	unblock(second[1]);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(tries_refused, 1);
	check_eq(submits_in_callback, BEYOND);
	for (uint32_t i = 0; i < BEYOND; i++)
		check_eq(jobs[2 + TRIES + i].calls, 1);
}

MATRIX_TEST(submit, what_callbacks_submit_leaves_the_capacity_as_it_is)
{
	enum { CAPACITY = 5 };
	struct job *jobs = rig_jobs(rig, CAPACITY + 3);
	uint32_t left = 20;
	int fd;

	open_narrow(rig, CAPACITY);
	rig_prep_nops(jobs, CAPACITY + 3);
	jobs[0].then = rig_submit_again;
	jobs[0].data = &left;
	rig_submit(rig, &jobs[0]);
	rig_wait_count(rig, 21);
	fd = block(rig, &jobs[1]);
	fill_channel(rig, jobs + 2, CAPACITY);
	check_eq(rig_try(rig, &jobs[CAPACITY + 2]), -EAGAIN);
	unblock(fd);
	rig_wait_all(rig);
}

struct producer {
	struct rig *rig;
	struct job *jobs;
	uint32_t n;
	uint32_t refused;
	struct actor actor;
};

static void produce(void *arg)
{
	struct producer *producer = arg;

	for (uint32_t i = 0; i < producer->n; i++)
		producer->refused += rig_submit_ret(producer->rig, &producer->jobs[i]) != 0;
}

MATRIX_TEST(submit, events_of_many_threads_are_called_back_once_each)
{
	enum { THREADS = 4, EACH = 500 };
	struct job *jobs = rig_jobs(rig, THREADS * EACH);
	struct producer producers[THREADS];
	struct ioe_config config = rig_config(rig);

	config.channel_capacity = 16;
	rig_open(rig, &config);
	rig_push(rig);
	rig_prep_nops(jobs, THREADS * EACH);
	for (uint32_t i = 0; i < THREADS; i++) {
		producers[i] = (struct producer){ rig, jobs + i * EACH, EACH, 0, { 0 } };
		actor_start(&producers[i].actor, produce, &producers[i]);
	}
	rig_wait_count(rig, THREADS * EACH);
	for (uint32_t i = 0; i < THREADS; i++) {
		actor_join(&producers[i].actor);
		check_eq(producers[i].refused, 0);
	}
	for (uint32_t i = 0; i < THREADS * EACH; i++)
		check_eq(jobs[i].calls, 1);
}

/* Which callers must not do (and where the event ends in between, nobody can tell). Reads of a pipe
 * stay; what was reserved for the rest of the batch is given back. */
static void submit_twice(struct rig *rig, uint32_t n_drivers)
{
	static char bytes[2];
	struct job *jobs = rig_jobs(rig, 2);
	struct ioe_event *events[4];
	struct ioe_config config = rig_config(rig);
	int fds[2][2];

	config.n_drivers = n_drivers;
	config.channel_capacity = 4;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < 2; i++) {
		rig_pipe(rig, fds[i]);
		events[i] = events[i + 2] = &jobs[i].event;
	}
	/* More often than there is room. */
	for (uint32_t round = 0; round < 8; round++) {
		for (uint32_t i = 0; i < 2; i++)
			ioe_prep_read(events[i], fds[i][0], &bytes[i], 1, 0);
		check_eq(ioe_submit_batch(rig->engine, events, 4), 2);
		for (uint32_t i = 0; i < 2; i++)
			unblock(fds[i][1]);
		for (uint32_t i = 0; i < 2; i++)
			check_eq(ioe_wait(rig->engine, events[i]), 1);
	}
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(rig_stats(rig).events_accepted, 16);
}

MATRIX_TEST(submit, event_twice_in_a_batch_is_accepted_once)
{
	submit_twice(rig, 1);
}

DRIVER_TEST(submit, event_twice_in_a_batch_for_two_drivers_is_accepted_once)
{
	submit_twice(rig, 2);
}

/* ---- Nops that go on and on ---------------------------------------------------------------- */

static void submit_again_until(struct job *job)
{
	const int *stop = job->data;

	if (__atomic_load_n(stop, __ATOMIC_ACQUIRE) == 0)
		rig_submit(job->rig, job);
}

static void stop_them(struct job *job)
{
	__atomic_store_n((int *)job->data, 1, __ATOMIC_RELEASE);
}

MATRIX_TEST(submit, nops_without_end_do_not_keep_a_read_from_the_only_slot)
{
	enum { N = 3 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N + 1);
	const int fd = rig_file(rig, 1000);
	int stop = 0;

	config.depth_max = 1;
	config.n_helpers = 1;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++) {
		jobs[i].then = submit_again_until;
		jobs[i].data = &stop;
		rig_submit(rig, &jobs[i]);
	}
	ioe_prep_read(&jobs[N].event, fd, rig_buffer(rig, 1000), 1000, 0);
	jobs[N].then = stop_them;
	jobs[N].data = &stop;
	check_eq(rig_do(rig, &jobs[N]), 1000);
	/* Not rig_wait_all(): a job has ended before it is submitted again. */
	check_eq(ioe_engine_drain(rig->engine), 0);
}
