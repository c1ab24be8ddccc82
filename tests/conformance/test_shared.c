/* SPDX-License-Identifier: MIT
 * test_shared.c - several drivers in an engine (A12), several engines on a pool (A13). */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

/* POOL and INLINE; with NONE there is one driver. */
DRIVER_TEST(drivers, four_keep_the_laws)
{
	enum { FILES = 8, EACH = 12 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, FILES * (EACH + 1));
	uint8_t *out = rig_buffer(rig, EACH * 1000), *in[FILES];
	int fds[FILES];

	config.n_drivers = 4;
	rig_open(rig, &config);
	check_eq(rig_stats(rig).n_drivers, 4);
	pattern_fill(out, EACH * 1000, 0, RIG_SEED);
	for (uint32_t i = 0; i < FILES; i++) {
		fds[i] = rig_keep_fd(rig, place_file(PLACE_DISK, 0, 0, 0));
		in[i] = rig_buffer(rig, EACH * 1000);
	}
	/* Interleaved in one batch: each file's barrier sees each of its writes. */
	for (uint32_t k = 0; k < EACH; k++)
		for (uint32_t i = 0; i < FILES; i++)
			ioe_prep_write(&jobs[k * FILES + i].event, fds[i], out + k * 1000, 1000,
				       k * 1000);
	for (uint32_t i = 0; i < FILES; i++) {
		struct ioe_event *event = &jobs[EACH * FILES + i].event;

		ioe_prep_read(event, fds[i], in[i], EACH * 1000, 0);
		event->flags = IOE_EVENT_BARRIER;
	}
	check_eq(rig_batch(rig, jobs, FILES * (EACH + 1), false), FILES * (EACH + 1));
	rig_wait_all(rig);
	for (uint32_t i = 0; i < FILES; i++) {
		check_eq(jobs[EACH * FILES + i].result, EACH * 1000);
		check_eq(memcmp(in[i], out, EACH * 1000), 0);
	}
}

/* A read that hangs, and barriers behind it, each by a call of its own: were one with another
 * driver, it would not wait. */
DRIVER_TEST(drivers, events_of_one_fd_stay_on_one)
{
	enum { BARRIERS = 8, NOPS = 8 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 1 + BARRIERS + NOPS);
	char bytes[1 + BARRIERS];
	int fds[2];

	config.n_drivers = 4;
	rig_pipe(rig, fds);
	rig_open(rig, &config);
	for (uint32_t i = 0; i <= BARRIERS; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		jobs[i].event.flags = i > 0 ? IOE_EVENT_BARRIER : 0;
		rig_submit(rig, &jobs[i]);
	}
	/* When these have ended, two on each driver, it has staged what it has had before. */
	for (uint32_t i = 0; i < NOPS; i++) {
		ioe_prep_nop(&jobs[1 + BARRIERS + i].event);
		rig_submit(rig, &jobs[1 + BARRIERS + i]);
	}
	rig_wait_count(rig, NOPS);
	check_eq(rig_stats(rig).in_flight, 1);
	check_eq(write(fds[1], "0123456789", 1 + BARRIERS), 1 + BARRIERS);
	rig_wait_all(rig);
	/* In order, too. */
	check_eq(memcmp(bytes, "0123456789", sizeof(bytes)), 0);
}

DRIVER_TEST(drivers, malformed_event_in_a_batch_for_several_stops_it_there)
{
	enum { N = 12 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	int fds[N];

	config.n_drivers = 4;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		fds[i] = rig_keep_fd(rig, place_file(PLACE_DISK, 1000, i, 0));
		ioe_prep_read(&jobs[i].event, fds[i], rig_buffer(rig, 1000), 1000, 0);
	}
	jobs[7].event.length = 0;
	check_eq(rig_batch(rig, jobs, N, false), 7);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].calls, i < 7);
	for (uint32_t i = 0; i < 7; i++)
		check_eq(pattern_differs(jobs[i].event.buffer, 1000, 0, i), -1);
}

/* Where callbacks run on the drivers it is to be seen: each of four has every fourth event. */
static void check_turns(const struct rig *rig, const struct job *jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		check_eq(jobs[i].calls, 1);
		if (rig->row.threading != IOE_THREADING_INLINE)
			continue;
		check_eq(jobs[i].tid, jobs[i % 4].tid);
		for (uint32_t before = 0; before < i && i < 4; before++)
			check_op(jobs[i].tid, !=, jobs[before].tid);
	}
}

DRIVER_TEST(drivers, nops_go_round_all_of_them)
{
	enum { N = 400 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);

	config.n_drivers = 4;
	config.depth_max = 2;
	config.channel_capacity = 2;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++)
		rig_submit(rig, &jobs[i]);
	rig_wait_all(rig);
	check_turns(rig, jobs, N);
}

DRIVER_TEST(drivers, nops_of_a_batch_go_round_all_of_them)
{
	enum { N = 40 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);

	config.n_drivers = 4;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_turns(rig, jobs, N);
}

static struct ioe_config shared_config(const struct rig *rig, struct ioe_workers *workers)
{
	struct ioe_config config = rig_config(rig);

	config.workers = workers;
	config.depth_max = 8;
	return config;
}

BACKEND_TEST(pool, engines_share_one_and_it_outlives_them)
{
	enum { N = 100 };
	struct rig other;
	struct ioe_workers *workers;
	struct ioe_config config;
	struct job *jobs = rig_jobs(rig, N), *others;
	const uint32_t n_threads = process_n_threads();

	check_eq(ioe_workers_open(2, &workers), 0);
	check_eq(process_n_threads(), n_threads + 2);
	config = shared_config(rig, workers);
	rig_open(rig, &config);
	rig_init(&other, &rig->row);
	rig_open(&other, &config);
	others = rig_jobs(&other, N);
	rig_prep_nops(jobs, N);
	rig_prep_nops(others, N);
	check_eq(ioe_workers_close(workers), -EBUSY);
	for (uint32_t i = 0; i < N; i++) {
		rig_submit(rig, &jobs[i]);
		rig_submit(&other, &others[i]);
	}
	rig_wait_all(rig);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_eq(ioe_workers_close(workers), -EBUSY);
	rig_deinit(&other);
	check_eq(ioe_workers_close(workers), 0);
	cr_assert(process_wait_threads(n_threads));
}

/* The only worker, kept busy until the other engine has been closed, or for a while: it cannot be
 * told that close waits but by its not having returned. */
static void be_slow(struct job *job)
{
	const struct timespec ms = { 0, 1000000 };

	for (uint32_t i = 0; i < 200 && __atomic_load_n((int *)job->data, __ATOMIC_SEQ_CST) == 0;
	     i++)
		nanosleep(&ms, NULL);
}

/* Refused by an engine that is closing, which has to be there to say so. */
static void submit_once_more(struct job *job)
{
	job->then = NULL;
	(void)!rig_submit_ret(job->rig, job);
}

BACKEND_TEST(pool, close_waits_for_callbacks_queued_behind_anothers)
{
	enum { N = 100 };
	struct rig other;
	struct ioe_workers *workers;
	struct ioe_config config;
	struct job *slow = rig_jobs(rig, 1), *others;
	int closed = 0;

	check_eq(ioe_workers_open(1, &workers), 0);
	config = shared_config(rig, workers);
	rig_open(rig, &config);
	rig_init(&other, &rig->row);
	rig_open(&other, &config);
	others = rig_jobs(&other, N);
	rig_prep_nops(others, N);
	ioe_prep_nop(&slow->event);
	slow->then = be_slow;
	slow->data = &closed;
	rig_submit(rig, slow);
	for (uint32_t i = 0; i < N; i++) {
		others[i].then = submit_once_more;
		rig_submit(&other, &others[i]);
	}
	check_eq(ioe_engine_close(other.engine, IOE_CLOSE_DRAIN), 0);
	other.engine = NULL;
	__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < N; i++)
		check_op(others[i].calls, >=, 1);
	rig_deinit(&other);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_eq(ioe_workers_close(workers), 0);
}

static void wait_for_other(struct job *job)
{
	struct job *other = job->data;

	/* Never blocks: a callback of any engine. */
	other->result = rig_submit_ret(other->rig, other);
}

/* Law 9: on a thread that runs a callback of any engine, submit never blocks. */
BACKEND_TEST(pool, callback_of_one_engine_submits_to_another_without_blocking)
{
	struct rig other;
	struct ioe_workers *workers;
	struct ioe_config config;
	struct job *job = rig_jobs(rig, 1), *others;
	char bytes[4];
	int fds[2];

	check_eq(ioe_workers_open(1, &workers), 0);
	config = shared_config(rig, workers);
	config.depth_max = 1;
	config.channel_capacity = 1;
	rig_open(rig, &config);
	rig_init(&other, &rig->row);
	rig_pipe(&other, fds);
	rig_open(&other, &config);
	others = rig_jobs(&other, 3);
	for (uint32_t i = 0; i < 3; i++)
		ioe_prep_read(&others[i].event, fds[0], &bytes[i], 1, 0);
	/* The other engine: one in the kernel, one in the channel, no room. */
	rig_submit(&other, &others[0]);
	rig_wait_in_flight(&other, 1);
	rig_submit(&other, &others[1]);
	ioe_prep_nop(&job->event);
	job->then = wait_for_other;
	job->data = &others[2];
	rig_submit(rig, job);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(write(fds[1], "abc", 3), 3);
	rig_wait_all(&other);
	check_eq(rig_count(&other), 3);
	rig_deinit(&other);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_eq(ioe_workers_close(workers), 0);
}

Test(pool, arguments_are_checked)
{
	struct ioe_workers *workers = NULL;

	check_eq(ioe_workers_open(0, &workers), -EINVAL);
	check_eq(ioe_workers_open(257, &workers), -EINVAL);
	check_eq(ioe_workers_open(1, NULL), -EINVAL);
	cr_assert_null(workers);
	check_eq(ioe_workers_close(NULL), 0);
	check_eq(ioe_workers_open(256, &workers), 0);
	check_eq(ioe_workers_close(workers), 0);
}
