/* SPDX-License-Identifier: MIT
 * test_corners.c - where two rules meet: each was wrong once, and found by reading. */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <unistd.h>

/* A drain that is larger than a plan (4096 events) keeps law 6 over the cut. */
MATRIX_TEST(corners, overlap_is_ordered_over_more_events_than_are_planned_at_once)
{
	enum { N = 4097, SIZE = 4 << 20, LAST = SIZE - 1000 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	const int fd = rig_file(rig, SIZE);
	uint8_t *first = rig_buffer(rig, SIZE), *last = rig_buffer(rig, 1000);

	config.channel_capacity = 2 * N;
	rig_open(rig, &config);
	memset(first, 1, SIZE);
	memset(last, 2, 1000);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_nop(&jobs[i].event);
	ioe_prep_write(&jobs[N - 2].event, fd, first, SIZE, 0);
	ioe_prep_write(&jobs[N - 1].event, fd, last, 1000, LAST);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_eq(pread(fd, first, 1000, LAST), 1000);
	check_eq(bytes_differ(first, 1000, 2), -1);
}

struct pair {
	struct rig *rig;
	struct job *jobs;
	int ret;
};

static void submit_pair(struct job *job)
{
	struct pair *pair = job->data;

	pair->ret = rig_batch(pair->rig, pair->jobs, 2, false);
}

/* What callbacks submit beyond a small capacity is one batch all the same. */
MATRIX_TEST(corners, overlap_is_ordered_in_a_callbacks_batch_beyond_the_capacity)
{
	enum { SIZE = 4 << 20, LAST = SIZE - 1000 };
	struct ioe_config config = rig_config(rig);
	struct job *trigger = rig_jobs(rig, 1), *jobs = rig_jobs(rig, 2);
	struct pair pair = { rig, jobs, 0 };
	const int fd = rig_file(rig, SIZE);
	uint8_t *first = rig_buffer(rig, SIZE), *last = rig_buffer(rig, 1000);

	config.channel_capacity = 1;
	rig_open(rig, &config);
	memset(first, 1, SIZE);
	memset(last, 2, 1000);
	ioe_prep_write(&jobs[0].event, fd, first, SIZE, 0);
	ioe_prep_write(&jobs[1].event, fd, last, 1000, LAST);
	ioe_prep_nop(&trigger->event);
	trigger->then = submit_pair;
	trigger->data = &pair;
	rig_submit(rig, trigger);
	rig_wait_count(rig, 3);
	/* The trigger's callback may be about to return. */
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(pair.ret, 2);
	check_eq(pread(fd, first, 1000, LAST), 1000);
	check_eq(bytes_differ(first, 1000, 2), -1);
}

static pid_t driver_tid(void)
{
	struct thread_info threads[64];
	const uint32_t n = process_threads(threads, 64);

	for (uint32_t i = 0; i < n && i < 64; i++)
		if (strcmp(threads[i].name, "ioe-drv0") == 0)
			return threads[i].tid;
	return 0;
}

/* More fds than there are records for: the driver waits for the kernel, it does not run round. */
BACKEND_TEST(corners, driver_sleeps_when_the_records_of_fds_have_run_out)
{
	enum { N = 100 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	int fds[N][2];
	uint8_t *buffer = rig_buffer(rig, N);

	config.depth_max = 1;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		rig_pipe(rig, fds[i]);
		ioe_prep_read(&jobs[i].event, fds[i][0], buffer + i, 1, 0);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_in_flight(rig, 1);
	cr_assert(thread_wait_asleep(driver_tid()));
	for (uint32_t i = 0; i < N; i++)
		check_eq(write(fds[i][1], "x", 1), 1);
	rig_wait_all(rig);
}

struct nested {
	struct ioe_engine *none;
	int64_t waited;
	int drained;
	uint32_t asked; /* both are known */
};

static void wait_on_another(struct job *job)
{
	struct nested *nested = job->data;
	struct ioe_event event;

	ioe_prep_nop(&event);
	if (ioe_submit(nested->none, &event) == 0)
		nested->waited = ioe_wait(nested->none, &event);
	nested->drained = ioe_engine_drain(nested->none);
	__atomic_store_n(&nested->asked, 1, __ATOMIC_RELEASE);
	/* The event must not outlive this frame in the other engine. */
	while (!ioe_event_is_done(&event))
		sched_yield();
}

static void run_none(void *arg)
{
	struct nested *nested = arg;

	while (__atomic_load_n(&nested->asked, __ATOMIC_ACQUIRE) == 0)
		sched_yield();
	(void)ioe_engine_run(nested->none, 1, -1);
	(void)ioe_engine_close(nested->none, IOE_CLOSE_DRAIN);
}

BACKEND_TEST(corners, callback_of_a_pool_does_not_drive_an_engine_without_threads)
{
	struct nested nested = { NULL, 0, 0, 0 };
	struct ioe_config config = rig_config(rig);
	struct job *job = rig_jobs(rig, 1);
	struct actor actor;

	rig_open(rig, NULL);
	config.threading = IOE_THREADING_NONE;
	check_eq(ioe_engine_open(&config, &nested.none), 0);
	ioe_prep_nop(&job->event);
	job->then = wait_on_another;
	job->data = &nested;
	rig_submit(rig, job);
	actor_start(&actor, run_none, &nested);
	rig_wait(rig, job);
	actor_join(&actor);
	check_eq(nested.waited, -EDEADLK);
	check_eq(nested.drained, -EDEADLK);
}

static void run_twenty(void *arg)
{
	struct pair *pair = arg;

	pair->ret = 0;
	while (pair->ret >= 0 && pair->ret < 20) {
		const int n = ioe_engine_run(pair->rig->engine, 1, -1);

		pair->ret = n < 0 ? n : pair->ret + n;
	}
	pair->rig->engine = ioe_engine_close(pair->rig->engine, IOE_CLOSE_DRAIN) == 0 ?
				    NULL :
				    pair->rig->engine;
}

/* The opener that fills the channel first does not take the engine from who is to run it. */
NONE_TEST(corners, opener_that_fills_the_channel_is_not_the_owner)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 20);
	struct pair pair = { rig, NULL, 0 };
	struct actor actor;

	config.channel_capacity = 2;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < 20; i++) {
		ioe_prep_nop(&jobs[i].event);
		rig_submit(rig, &jobs[i]);
	}
	actor_start(&actor, run_twenty, &pair);
	actor_join(&actor);
	check_eq(pair.ret, 20);
}

/* Events that a driving submit has finished are told of by the next run. */
NONE_TEST(corners, run_tells_of_what_submit_has_finished)
{
	struct ioe_config config = rig_config(rig);
	struct ioe_event events[8];

	config.depth_max = 1;
	config.channel_capacity = 1;
	rig_open(rig, &config);
	check_eq(ioe_engine_run(rig->engine, 0, 0), 0);
	for (uint32_t i = 0; i < 8; i++) {
		ioe_prep_nop(&events[i]);
		check_eq(ioe_submit(rig->engine, &events[i]), 0);
	}
	check_eq(ioe_engine_run(rig->engine, 8, RIG_PATIENCE_NS), 8);
	for (uint32_t i = 0; i < 8; i++)
		check_eq(ioe_wait(rig->engine, &events[i]), 0);
}

static void cancel_the_second(struct ioe__completion *completion,
			      const struct seam_request *request)
{
	if (request->offset <= 4096 && 4096 < request->offset + request->length)
		completion->result = -ECANCELED;
}

/* A file system may say -ECANCELED of its own accord: of one event it is that event's. */
NONE_TEST(corners, a_files_own_ecanceled_is_the_guilty_events_alone)
{
	struct job *jobs = rig_jobs(rig, 4);
	const int fd = rig_file(rig, 4 * 4096);
	uint8_t *buffer = rig_buffer(rig, 4 * 4096);

	seam_on_completion = cancel_the_second;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 4; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + 4096 * i, 4096, 4096 * i);
	check_eq(rig_batch(rig, jobs, 4, false), 4);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 4; i++)
		check_eq(jobs[i].result, i == 1 ? -ECANCELED : 4096);
	check_eq(rig_stats(rig).split, 1);
}
