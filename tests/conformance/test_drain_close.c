/* SPDX-License-Identifier: MIT
 * test_drain_close.c - draining, and closing at any moment: everything accepted ends exactly once,
 *                      nobody stays behind. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static char bytes[64];

MATRIX_TEST(drain, drain_waits_for_what_callbacks_submit)
{
	enum { N = 20, TIMES = 10 };
	struct job *jobs = rig_jobs(rig, N);
	uint32_t left[N];

	rig_open(rig, NULL);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++) {
		left[i] = TIMES - 1;
		jobs[i].then = rig_submit_again;
		jobs[i].data = &left[i];
		rig_submit(rig, &jobs[i]);
	}
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(rig_count(rig), N * TIMES);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(left[i], 0);
		check_eq(jobs[i].calls, TIMES);
	}
}

/* One event at each moment, each submitted by the callback of the one before: until the last has
 * ended there is no moment at which nothing is unfinished. */
DRIVER_TEST(drain, drain_is_not_over_between_two_events_of_a_chain)
{
	const uint32_t n = rig->row.backend == IOE_BACKEND_AIO ? 5000 : 20000;
	struct job *job = rig_jobs(rig, 1);
	uint32_t left = n - 1;
	int ret;

	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	job->then = rig_submit_again;
	job->data = &left;
	rig_submit(rig, job);
	do {
		ret = ioe_engine_drain_for(rig->engine, 0);
	} while (ret == -ETIMEDOUT);
	check_eq(ret, 0);
	check_eq(rig_count(rig), n);
}

static void take_some_time(struct job *job)
{
	const struct timespec ms = { 0, 20000000 };

	nanosleep(&ms, NULL);
	__atomic_store_n((int *)job->data, 1, __ATOMIC_SEQ_CST);
}

MATRIX_TEST(drain, drain_returns_when_the_callbacks_have_returned)
{
	struct job *job = rig_jobs(rig, 1);
	int returned = 0;

	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	job->then = take_some_time;
	job->data = &returned;
	rig_submit(rig, job);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(__atomic_load_n(&returned, __ATOMIC_SEQ_CST), 1);
}

MATRIX_TEST(drain, drain_for_gives_up_and_can_be_called_again)
{
	struct job *job = rig_jobs(rig, 1);
	int64_t before_ns;
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	check_eq(ioe_engine_drain_for(rig->engine, 0), 0);
	check_eq(ioe_engine_drain_for(rig->engine, -1), 0);
	check_eq(ioe_engine_drain_for(rig->engine, -2), -EINVAL);
	check_eq(ioe_engine_drain_for(NULL, 0), -EINVAL);
	ioe_prep_read(&job->event, fds[0], bytes, 1, 0);
	rig_submit(rig, job);
	check_eq(ioe_engine_drain_for(rig->engine, 0), -ETIMEDOUT);
	before_ns = clock_now_ns();
	check_eq(ioe_engine_drain_for(rig->engine, 5000000), -ETIMEDOUT);
	check_op(clock_now_ns() - before_ns, >=, 5000000);
	check_eq(write(fds[1], "x", 1), 1);
	check_eq(ioe_engine_drain_for(rig->engine, RIG_PATIENCE_NS), 0);
	check_eq(rig_count(rig), 1);
}

Test(close, null_is_closed_with_success)
{
	check_eq(ioe_engine_close(NULL, IOE_CLOSE_DRAIN), 0);
	check_eq(ioe_engine_close(NULL, IOE_CLOSE_CANCEL), 0);
}

MATRIX_TEST(close, unknown_way_is_einval_and_the_engine_lives)
{
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	check_eq(ioe_engine_close(rig->engine, 2), -EINVAL);
	check_eq(ioe_engine_close(rig->engine, UINT32_MAX), -EINVAL);
	ioe_prep_nop(&job->event);
	check_eq(rig_do(rig, job), 0);
}

MATRIX_TEST(close, drain_finishes_everything_accepted)
{
	enum { N = 200 };
	const int fd = rig_file(rig, N * 1000);
	struct job *jobs = rig_jobs(rig, N);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
		jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_NO_MERGE : 0;
		rig_submit(rig, &jobs[i]);
	}
	rig_close(rig, IOE_CLOSE_DRAIN);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, 1000);
		check_eq(pattern_differs(jobs[i].event.buffer, 1000, i * 1000, RIG_SEED), -1);
	}
}

MATRIX_TEST(close, cancel_ends_every_event_once)
{
	enum { N = 200 };
	const int fd = rig_file(rig, N * 1000);
	struct job *jobs = rig_jobs(rig, N);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
		jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_NO_MERGE : 0;
		rig_submit(rig, &jobs[i]);
	}
	rig_close(rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		cr_assert(jobs[i].result == 1000 || jobs[i].result == -ECANCELED, "%lld",
			  (long long)jobs[i].result);
	}
}

MATRIX_TEST(close, cancel_ends_reads_of_an_empty_pipe)
{
	enum { DEPTH = 3, N = 12 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	int fds[2];

	rig_pipe(rig, fds);
	config.depth_max = DEPTH;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		rig_submit(rig, &jobs[i]);
	}
	/* Some in the kernel, some waiting for a slot. */
	rig_wait_in_flight(rig, DEPTH);
	rig_close(rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, -ECANCELED);
		check_eq(jobs[i].done, 0);
	}
}

MATRIX_TEST(close, cancel_keeps_the_count_of_what_was_done)
{
	struct job *job = rig_jobs(rig, 1);
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fds[0], bytes, 10, 0);
	rig_submit(rig, job);
	rig_wait_in_flight(rig, 1);
	check_eq(write(fds[1], "abc", 3), 3);
	/* The three bytes have been read when the rest has been asked for. */
	while (rig_stats(rig).resumed == 0)
		rig_push(rig);
	rig_close(rig, IOE_CLOSE_CANCEL);
	check_eq(job->result, -ECANCELED);
	check_eq(job->done, 3);
	check_eq(memcmp(bytes, "abc", 3), 0);
}

MATRIX_TEST(close, cancel_ends_writes_to_a_full_pipe)
{
	struct job *jobs = rig_jobs(rig, 2);
	uint8_t *buffer = rig_buffer(rig, 1 << 20);
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_write(&jobs[0].event, fds[1], buffer, 1 << 20, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	rig_close(rig, IOE_CLOSE_CANCEL);
	check_eq(jobs[0].calls, 1);
	check_eq(jobs[0].result, -ECANCELED);
	check_op(jobs[0].done, <, 1 << 20);
}

MATRIX_TEST(close, cancel_ends_waiting_barriers)
{
	struct job *jobs = rig_jobs(rig, 3);
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		jobs[i].event.flags = i > 0 ? IOE_EVENT_BARRIER : 0;
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_in_flight(rig, 1);
	rig_close(rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 0; i < 3; i++)
		check_eq(jobs[i].result, -ECANCELED);
}

struct late {
	struct rig *rig;
	struct job *job;
	int ret;
};

static void submit_late(void *arg)
{
	struct late *late = arg;

	late->ret = rig_submit_ret(late->rig, late->job);
}

/* On one socket: a read that hangs, and a write of the same place, which waits for it (law 6). */
MATRIX_TEST(close, cancel_ends_what_waits_for_an_overlapping_read)
{
	struct job *jobs = rig_jobs(rig, 2);
	int fds[2];

	check_sys(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	rig_keep_fd(rig, fds[0]);
	rig_keep_fd(rig, fds[1]);
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fds[0], &bytes[0], 1, 0);
	ioe_prep_write(&jobs[1].event, fds[0], &bytes[1], 1, 0);
	check_eq(rig_batch(rig, jobs, 2, false), 2);
	rig_wait_in_flight(rig, 1);
	rig_close(rig, IOE_CLOSE_CANCEL);
	check_eq(jobs[0].calls, 1);
	check_eq(jobs[0].result, -ECANCELED);
	check_eq(jobs[1].calls, 1);
	check_eq(jobs[1].result, -ECANCELED);
}

struct drainer {
	struct ioe_engine *engine;
	int ret;
};

static void drain(void *arg)
{
	struct drainer *drainer = arg;

	drainer->ret = ioe_engine_drain(drainer->engine);
}

/* Where it sleeps is the engine's memory. */
DRIVER_TEST(close, waits_until_threads_have_left_drain)
{
	enum { DRAINERS = 3 };
	struct job *job = rig_jobs(rig, 1);
	struct drainer drainers[DRAINERS];
	struct actor actors[DRAINERS];
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fds[0], bytes, 1, 0);
	rig_submit(rig, job);
	rig_wait_in_flight(rig, 1);
	for (uint32_t i = 0; i < DRAINERS; i++) {
		drainers[i] = (struct drainer){ rig->engine, 1 };
		actor_start(&actors[i], drain, &drainers[i]);
		cr_assert(thread_wait_asleep(actors[i].tid));
	}
	rig_close(rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 0; i < DRAINERS; i++) {
		actor_join(&actors[i]);
		/* Closing, or drained by it. */
		cr_assert(drainers[i].ret == -ESHUTDOWN || drainers[i].ret == 0);
	}
}

MATRIX_TEST(close, submitter_waiting_for_room_is_sent_away)
{
	enum { CAPACITY = 2, WAITERS = 3 };
	struct job *jobs = rig_jobs(rig, 1 + CAPACITY + WAITERS);
	struct ioe_config config = rig_config(rig);
	struct late late[WAITERS];
	struct actor actors[WAITERS];
	int fds[2];

	rig_pipe(rig, fds);
	config.depth_max = 1;
	config.channel_capacity = CAPACITY;
	rig_open(rig, &config);
	rig_push(rig);
	rig_prep_nops(jobs, 1 + CAPACITY + WAITERS);
	ioe_prep_read(&jobs[0].event, fds[0], bytes, 1, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	for (uint32_t i = 1; i <= CAPACITY;)
		i += rig_try(rig, &jobs[i]) == 0;
	for (uint32_t i = 0; i < WAITERS; i++) {
		late[i] = (struct late){ rig, &jobs[1 + CAPACITY + i], 1 };
		actor_start(&actors[i], submit_late, &late[i]);
		cr_assert(thread_wait_asleep(actors[i].tid));
	}
	rig_close(rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 0; i < WAITERS; i++) {
		actor_join(&actors[i]);
		check_eq(late[i].ret, -ESHUTDOWN);
		check_eq(late[i].job->calls, 0);
	}
	for (uint32_t i = 0; i <= CAPACITY; i++)
		check_eq(jobs[i].result, -ECANCELED);
}

/* A thread inside a submit call that gets no further until it may: in the handler of a signal. */
static struct {
	int held;
	int may_go;
} inside;

static void hold(int signal_number)
{
	const struct timespec ms = { 0, 1000000 };

	(void)signal_number;
	__atomic_store_n(&inside.held, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&inside.may_go, __ATOMIC_SEQ_CST) == 0)
		nanosleep(&ms, NULL);
}

/* Long enough for a close that waits for nobody to return. */
static void let_go_later(void *arg)
{
	const struct timespec later = { 0, 300000000 };

	(void)arg;
	nanosleep(&later, NULL);
	__atomic_store_n(&inside.may_go, 1, __ATOMIC_SEQ_CST);
}

BACKEND_TEST(close, p35_waits_for_a_submitter_that_is_held_up_inside)
{
	const struct sigaction action = { .sa_handler = hold };
	const struct timespec ms = { 0, 1000000 };
	struct job *jobs = rig_jobs(rig, 3);
	struct ioe_config config = rig_config(rig);
	struct late late = { rig, &jobs[2], 1 };
	struct actor submitter, releaser;
	int fds[2];

	rig_pipe(rig, fds);
	config.depth_max = 1;
	config.channel_capacity = 1;
	rig_open(rig, &config);
	rig_prep_nops(jobs, 3);
	ioe_prep_read(&jobs[0].event, fds[0], bytes, 1, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	rig_submit(rig, &jobs[1]);
	actor_start(&submitter, submit_late, &late);
	cr_assert(thread_wait_asleep(submitter.tid));
	check_sys(sigaction(SIGUSR1, &action, NULL));
	check_eq(pthread_kill(submitter.thread, SIGUSR1), 0);
	while (__atomic_load_n(&inside.held, __ATOMIC_SEQ_CST) == 0)
		nanosleep(&ms, NULL);
	actor_start(&releaser, let_go_later, NULL);
	rig_close(rig, IOE_CLOSE_CANCEL);
	check_eq(__atomic_load_n(&inside.may_go, __ATOMIC_SEQ_CST), 1);
	actor_join(&releaser);
	actor_join(&submitter);
	check_eq(late.ret, -ESHUTDOWN);
}

struct endless {
	int refused;
	int tried;
};

/* Submits itself until it is refused. */
static void go_on(struct job *job)
{
	struct endless *endless = job->data;
	const int ret = rig_submit_ret(job->rig, job);

	if (ret != 0) {
		endless->refused = ret;
		endless->tried = rig_try(job->rig, job);
	}
}

static void endless_until_close(struct rig *rig, uint32_t how)
{
	struct job *jobs = rig_jobs(rig, 4);
	struct endless endless[4] = { { 0, 0 } };

	rig_open(rig, NULL);
	rig_prep_nops(jobs, 4);
	for (uint32_t i = 0; i < 4; i++) {
		jobs[i].then = go_on;
		jobs[i].data = &endless[i];
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_count(rig, 100);
	rig_close(rig, how);
	for (uint32_t i = 0; i < 4; i++) {
		check_eq(endless[i].refused, -ESHUTDOWN);
		check_eq(endless[i].tried, -ESHUTDOWN);
	}
}

MATRIX_TEST(close, drain_refuses_what_callbacks_submit)
{
	endless_until_close(rig, IOE_CLOSE_DRAIN);
}

MATRIX_TEST(close, cancel_refuses_what_callbacks_submit)
{
	endless_until_close(rig, IOE_CLOSE_CANCEL);
}

struct forbidden {
	int drain, drain_for, close_drain, close_cancel, run, workers;
	struct ioe_workers *pool;
};

static void do_what_is_forbidden(struct job *job)
{
	struct forbidden *forbidden = job->data;
	struct ioe_engine *engine = job->rig->engine;

	forbidden->drain = ioe_engine_drain(engine);
	forbidden->drain_for = ioe_engine_drain_for(engine, 0);
	forbidden->close_drain = ioe_engine_close(engine, IOE_CLOSE_DRAIN);
	forbidden->close_cancel = ioe_engine_close(engine, IOE_CLOSE_CANCEL);
	forbidden->run = ioe_engine_run(engine, 0, 0);
	forbidden->workers = ioe_workers_close(forbidden->pool);
}

MATRIX_TEST(close, callbacks_may_not_drain_run_or_close)
{
	struct job *job = rig_jobs(rig, 1);
	struct forbidden forbidden = { 0 };

	check_eq(ioe_workers_open(1, &forbidden.pool), 0);
	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	job->then = do_what_is_forbidden;
	job->data = &forbidden;
	rig_submit(rig, job);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(forbidden.drain, -EDEADLK);
	check_eq(forbidden.drain_for, -EDEADLK);
	check_eq(forbidden.close_drain, -EDEADLK);
	check_eq(forbidden.close_cancel, -EDEADLK);
	check_eq(forbidden.workers, -EDEADLK);
	if (rig->row.threading == IOE_THREADING_NONE)
		check_eq(forbidden.run, -EDEADLK);
	else
		cr_assert(forbidden.run < 0, "%d", forbidden.run);
	job->then = NULL;
	check_eq(rig_do(rig, job), 0);
	check_eq(ioe_workers_close(forbidden.pool), 0);
}

static void submit_and_exit(void *arg)
{
	struct late *late = arg;

	for (uint32_t i = 0; i < 50; i++)
		late->ret |= rig_submit_ret(late->rig, &late->job[i]);
}

MATRIX_TEST(close, submitters_may_have_exited_long_ago)
{
	struct job *jobs = rig_jobs(rig, 50);
	const int fd = rig_file(rig, 50 * 1000);
	struct late late = { rig, jobs, 0 };
	struct actor actor;

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 50; i++)
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
	actor_start(&actor, submit_and_exit, &late);
	actor_join(&actor);
	check_eq(late.ret, 0);
	rig_close(rig, IOE_CLOSE_DRAIN);
	for (uint32_t i = 0; i < 50; i++)
		check_eq(jobs[i].result, 1000);
}

MATRIX_TEST(close, nothing_stays_behind)
{
	enum { N = 30 };
	const int fd = rig_file(rig, N * 1000);
	struct job *jobs = rig_jobs(rig, N);
	const uint32_t n_threads = process_n_threads(), n_fds = process_n_fds();

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
		rig_submit(rig, &jobs[i]);
	}
	rig_close(rig, IOE_CLOSE_DRAIN);
	cr_assert(process_wait_threads(n_threads), "%u threads, not %u", process_n_threads(),
		  n_threads);
	check_eq(process_n_fds(), n_fds);
}
