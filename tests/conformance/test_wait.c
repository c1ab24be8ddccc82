/* SPDX-License-Identifier: MIT
 * test_wait.c - events without callback: waiting for them, for a time, twice, too early. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

static char byte;

MATRIX_TEST(wait, wait_returns_the_result_of_an_event_on_the_stack)
{
	const int fd = rig_file(rig, 10000);
	uint8_t buffer[4096] = { 0 };
	struct ioe_event event;

	rig_needs_file(rig, RIG_END);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		ioe_prep_read(&event, fd, buffer, 4096, 8192);
		check_eq(ioe_submit(rig->engine, &event), 0);
		check_eq(ioe_wait(rig->engine, &event), 10000 - 8192);
		check_eq(event.result, 10000 - 8192);
		check_eq(event.done, 10000 - 8192);
		check_eq(pattern_differs(buffer, 10000 - 8192, 8192, RIG_SEED), -1);
	}
	ioe_prep_fsync(&event, 1 << 20);
	check_eq(ioe_submit(rig->engine, &event), 0);
	check_eq(ioe_wait(rig->engine, &event), -EBADF);
	check_eq(event.result, -EBADF);
}

MATRIX_TEST(wait, event_waited_for_can_be_submitted_again)
{
	struct ioe_event event;

	rig_open(rig, NULL);
	ioe_prep_nop(&event);
	for (uint32_t i = 0; i < 100; i++) {
		check_eq(ioe_submit(rig->engine, &event), 0);
		check_eq(ioe_wait(rig->engine, &event), 0);
	}
	check_eq(rig_stats(rig).events_finished, 100);
}

MATRIX_TEST(wait, wait_works_after_drain_and_after_close)
{
	struct ioe_event events[3];

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		ioe_prep_nop(&events[i]);
		check_eq(ioe_submit(rig->engine, &events[i]), 0);
	}
	check_eq(ioe_engine_drain(rig->engine), 0);
	cr_assert(ioe_event_is_done(&events[0]));
	check_eq(ioe_wait(rig->engine, &events[0]), 0);
	rig_close(rig, IOE_CLOSE_DRAIN);
	cr_assert(ioe_event_is_done(&events[1]));
	check_eq(ioe_wait(NULL, &events[1]), 0);
	check_eq(ioe_wait_for(NULL, &events[2], 0), 0);
}

MATRIX_TEST(wait, wait_for_times_out_and_the_event_goes_on)
{
	struct ioe_event event;
	int64_t before_ns;
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&event, fds[0], &byte, 1, 0);
	check_eq(ioe_submit(rig->engine, &event), 0);
	check_eq(ioe_wait_for(rig->engine, &event, 0), -ETIMEDOUT);
	before_ns = clock_now_ns();
	check_eq(ioe_wait_for(rig->engine, &event, 5000000), -ETIMEDOUT);
	check_op(clock_now_ns() - before_ns, >=, 5000000);
	cr_assert(!ioe_event_is_done(&event));
	check_eq(write(fds[1], "x", 1), 1);
	check_eq(ioe_wait_for(rig->engine, &event, RIG_PATIENCE_NS), 1);
	check_eq(byte, 'x');
}

MATRIX_TEST(wait, what_cannot_be_waited_for_is_einval)
{
	struct ioe_event event;
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	check_eq(ioe_wait(rig->engine, NULL), -EINVAL);
	ioe_prep_nop(&event);
	check_eq(ioe_wait(rig->engine, &event), -EINVAL);
	check_eq(ioe_wait_for(rig->engine, &event, 1000), -EINVAL);
	check_eq(ioe_submit(rig->engine, &event), 0);
	check_eq(ioe_wait_for(rig->engine, &event, -2), -EINVAL);
	check_eq(ioe_wait_for(rig->engine, &event, -1), 0);
	check_eq(ioe_wait(rig->engine, &event), -EINVAL);
	ioe_prep_nop(&job->event);
	check_eq(rig_do(rig, job), 0);
	check_eq(ioe_wait(rig->engine, &job->event), -EINVAL);
}

MATRIX_TEST(wait, is_done_from_the_end_of_the_event_on)
{
	struct ioe_event event;
	struct job *job = rig_jobs(rig, 1);
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&event, fds[0], &byte, 1, 0);
	cr_assert(!ioe_event_is_done(&event));
	check_eq(ioe_submit(rig->engine, &event), 0);
	rig_wait_in_flight(rig, 1);
	cr_assert(!ioe_event_is_done(&event));
	check_eq(write(fds[1], "x", 1), 1);
	check_eq(ioe_engine_drain(rig->engine), 0);
	cr_assert(ioe_event_is_done(&event));
	check_eq(ioe_wait(rig->engine, &event), 1);
	cr_assert(ioe_event_is_done(&event));
	ioe_prep_nop(&job->event);
	rig_do(rig, job);
	cr_assert(job->was_done);
	cr_assert(ioe_event_is_done(&job->event));
	ioe_prep_nop(&job->event);
	cr_assert(!ioe_event_is_done(&job->event));
}

struct inner {
	struct ioe_event event;
	int64_t waited;
	int64_t timed;
};

static void wait_in_callback(struct job *job)
{
	struct inner *inner = job->data;

	ioe_prep_nop(&inner->event);
	if (ioe_submit(job->rig->engine, &inner->event) != 0)
		return;
	inner->timed = ioe_wait_for(job->rig->engine, &inner->event, RIG_PATIENCE_NS);
	inner->waited = ioe_wait(job->rig->engine, &inner->event);
}

MATRIX_TEST(wait, wait_in_a_callback_only_with_a_pool)
{
	struct ioe_config config = rig_config(rig);
	struct job *job = rig_jobs(rig, 1);
	struct inner inner = { .waited = 1, .timed = 1 };

	config.n_workers = rig->row.threading == IOE_THREADING_POOL ? 1 : 0;
	rig_open(rig, &config);
	ioe_prep_nop(&job->event);
	job->then = wait_in_callback;
	job->data = &inner;
	rig_do(rig, job);
	check_eq(ioe_engine_drain(rig->engine), 0);
	if (rig->row.threading == IOE_THREADING_POOL) {
		check_eq(inner.timed, 0);
		check_eq(inner.waited, -EINVAL); /* a second time */
	} else {
		check_eq(inner.timed, -EDEADLK);
		check_eq(inner.waited, -EDEADLK);
		check_eq(ioe_wait(rig->engine, &inner.event), 0);
	}
}

struct waiter {
	struct rig *rig;
	uint32_t wrong;
	struct actor actor;
};

static void submit_and_wait(void *arg)
{
	struct waiter *waiter = arg;
	struct ioe_event event;

	for (uint32_t i = 0; i < 100; i++) {
		ioe_prep_nop(&event);
		waiter->wrong += ioe_submit(waiter->rig->engine, &event) != 0 ||
				 ioe_wait(waiter->rig->engine, &event) != 0;
	}
}

DRIVER_TEST(wait, many_threads_wait_at_once)
{
	enum { N = 40 }; /* more than are woken by one system call */
	struct waiter waiters[N];

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		waiters[i] = (struct waiter){ .rig = rig };
		actor_start(&waiters[i].actor, submit_and_wait, &waiters[i]);
	}
	for (uint32_t i = 0; i < N; i++) {
		actor_join(&waiters[i].actor);
		check_eq(waiters[i].wrong, 0);
	}
	check_eq(rig_stats(rig).events_finished, 100 * N);
}

MATRIX_TEST(wait, waits_in_another_order_than_the_events_end)
{
	enum { N = 40 };
	const int fd = rig_file(rig, N * 1000);
	uint8_t *buffer = rig_buffer(rig, N * 1000);
	struct ioe_event events[N];

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&events[i], fd, buffer + 1000 * i, 1000, 1000 * i);
		check_eq(ioe_submit(rig->engine, &events[i]), 0);
	}
	for (uint32_t i = N; i-- > 0;)
		check_eq(ioe_wait(rig->engine, &events[i]), 1000);
	check_eq(pattern_differs(buffer, N * 1000, 0, RIG_SEED), -1);
}
