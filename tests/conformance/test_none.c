/* SPDX-License-Identifier: MIT
 * test_none.c - IOE_THREADING_NONE: the owner drives, nobody else does. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

static char byte;

NONE_TEST(none, there_are_no_driver_and_callback_threads)
{
	struct thread_info threads[64];
	struct job *job = rig_jobs(rig, 1);
	uint32_t n;

	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	check_eq(rig_do(rig, job), 0);
	n = process_threads(threads, 64);
	for (uint32_t i = 0; i < n; i++) {
		cr_assert(strncmp(threads[i].name, "ioe-drv", 7) != 0, "%s", threads[i].name);
		cr_assert(strncmp(threads[i].name, "ioe-wrk", 7) != 0, "%s", threads[i].name);
	}
}

NONE_TEST(none, callbacks_run_in_the_owners_calls_only)
{
	struct job *jobs = rig_jobs(rig, 3);

	rig_open(rig, NULL);
	rig_prep_nops(jobs, 3);
	for (uint32_t i = 0; i < 3; i++)
		rig_submit(rig, &jobs[i]);
	check_eq(rig_count(rig), 0);
	check_eq(ioe_engine_run(rig->engine, 3, -1), 3);
	check_eq(rig_count(rig), 3);
	for (uint32_t i = 0; i < 3; i++)
		check_eq(jobs[i].tid, gettid());
}

NONE_TEST(none, run_waits_for_as_many_as_asked_or_as_long)
{
	struct job *jobs = rig_jobs(rig, 6);
	int64_t before_ns;
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	check_eq(ioe_engine_run(rig->engine, 0, 0), 0);
	check_eq(ioe_engine_run(rig->engine, 0, -1), 0);
	check_eq(ioe_engine_run(rig->engine, 1, 0), 0);
	check_eq(ioe_engine_run(rig->engine, 1, -2), -EINVAL);
	rig_prep_nops(jobs, 5);
	for (uint32_t i = 0; i < 5; i++)
		rig_submit(rig, &jobs[i]);
	check_op(ioe_engine_run(rig->engine, 5, -1), >=, 5);
	ioe_prep_read(&jobs[5].event, fds[0], &byte, 1, 0);
	rig_submit(rig, &jobs[5]);
	before_ns = clock_now_ns();
	check_eq(ioe_engine_run(rig->engine, 1, 5000000), 0);
	check_op(clock_now_ns() - before_ns, >=, 5000000);
	check_eq(write(fds[1], "x", 1), 1);
	check_eq(ioe_engine_run(rig->engine, 1, -1), 1);
	check_eq(rig_count(rig), 6);
}

NONE_TEST(none, run_counts_events_that_are_waited_for)
{
	struct ioe_event event;

	rig_open(rig, NULL);
	ioe_prep_nop(&event);
	check_eq(ioe_submit(rig->engine, &event), 0);
	check_eq(ioe_engine_run(rig->engine, 1, -1), 1);
	cr_assert(ioe_event_is_done(&event));
	check_eq(ioe_wait(rig->engine, &event), 0);
}

struct stranger {
	struct ioe_engine *engine;
	struct ioe_event *pending, *done;
	int run, drain, drain_for, close;
	int64_t wait, wait_for, wait_done;
};

static void act_as_stranger(void *arg)
{
	struct stranger *s = arg;

	s->run = ioe_engine_run(s->engine, 0, 0);
	s->drain = ioe_engine_drain(s->engine);
	s->drain_for = ioe_engine_drain_for(s->engine, 0);
	s->wait = ioe_wait(s->engine, s->pending);
	s->wait_for = ioe_wait_for(s->engine, s->pending, 1000);
	s->wait_done = ioe_wait(s->engine, s->done);
	s->close = ioe_engine_close(s->engine, IOE_CLOSE_DRAIN);
}

NONE_TEST(none, only_the_owner_drives)
{
	struct ioe_event pending, done;
	struct stranger stranger = { .pending = &pending, .done = &done };
	struct actor actor;
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&pending, fds[0], &byte, 1, 0);
	ioe_prep_nop(&done);
	check_eq(ioe_submit(rig->engine, &pending), 0);
	check_eq(ioe_submit(rig->engine, &done), 0);
	check_eq(ioe_engine_run(rig->engine, 1, -1), 1);
	stranger.engine = rig->engine;
	actor_start(&actor, act_as_stranger, &stranger);
	actor_join(&actor);
	check_eq(stranger.run, -EBUSY);
	check_eq(stranger.drain, -EBUSY);
	check_eq(stranger.drain_for, -EBUSY);
	check_eq(stranger.wait, -EBUSY);
	check_eq(stranger.wait_for, -EBUSY);
	check_eq(stranger.wait_done, 0);
	check_eq(stranger.close, -EBUSY);
	check_eq(write(fds[1], "x", 1), 1);
	check_eq(ioe_wait(rig->engine, &pending), 1);
}

struct opener {
	struct ioe_config config;
	struct ioe_engine *engine;
	int ret;
};

static void open_engine(void *arg)
{
	struct opener *opener = arg;

	opener->ret = ioe_engine_open(&opener->config, &opener->engine);
}

NONE_TEST(none, thread_that_opened_need_not_be_the_owner)
{
	struct opener opener = { .config = rig_config(rig) };
	struct job *job = rig_jobs(rig, 1);
	struct actor actor;
	const int fd = rig_file(rig, 1000);

	actor_start(&actor, open_engine, &opener);
	actor_join(&actor);
	if (opener.ret == -ENOSYS || opener.ret == -EPERM || opener.ret == -EACCES)
		cr_skip_test("%s is not available here", rig->row.name);
	check_eq(opener.ret, 0);
	rig->engine = opener.engine;
	ioe_prep_read(&job->event, fd, rig_buffer(rig, 1000), 1000, 0);
	check_eq(rig_do(rig, job), 1000);
	check_eq(job->tid, gettid());
}

struct late {
	struct rig *rig;
	struct job *jobs;
	uint32_t n;
	pid_t owner;
	int ret;
};

static void submit_when_the_owner_sleeps(void *arg)
{
	struct late *late = arg;

	if (!thread_wait_asleep(late->owner))
		late->ret = -1;
	for (uint32_t i = 0; i < late->n; i++)
		late->ret |= rig_submit_ret(late->rig, &late->jobs[i]);
}

NONE_TEST(none, submit_of_another_thread_wakes_the_owner)
{
	struct job *jobs = rig_jobs(rig, 20);
	struct actor actor;

	rig_open(rig, NULL);
	rig_push(rig);
	rig_prep_nops(jobs, 20);
	for (uint32_t i = 0; i < 20; i++) {
		struct late late = { rig, &jobs[i], 1, gettid(), 0 };

		actor_start(&actor, submit_when_the_owner_sleeps, &late);
		check_eq(ioe_engine_run(rig->engine, 1, -1), 1);
		actor_join(&actor);
		check_eq(late.ret, 0);
	}
}

NONE_TEST(none, owner_that_submits_to_a_full_channel_drives_without_callbacks)
{
	enum { N = 100 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);

	config.depth_max = 2;
	config.channel_capacity = 3;
	rig_open(rig, &config);
	rig_push(rig);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++) {
		rig_submit(rig, &jobs[i]);
		check_eq(rig_count(rig), 0);
	}
	rig_wait_all(rig);
	check_eq(rig_count(rig), N);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].calls, 1);
}

static void submit_many(void *arg)
{
	struct late *late = arg;

	for (uint32_t i = 0; i < late->n; i++)
		late->ret |= rig_submit_ret(late->rig, &late->jobs[i]);
}

NONE_TEST(none, submitters_wait_for_room_until_there_is_an_owner)
{
	enum { N = 20 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	struct late late = { rig, jobs, N, 0, 0 };
	struct actor actor;

	config.channel_capacity = 4;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N);
	actor_start(&actor, submit_many, &late);
	cr_assert(thread_wait_asleep(actor.tid));
	check_eq(rig_count(rig), 0);
	rig_wait_count(rig, N);
	actor_join(&actor);
	check_eq(late.ret, 0);
}

Test(none, run_is_for_engines_without_threads)
{
	struct ioe_config config = { .size = sizeof(config), .backend = IOE_BACKEND_THREADS };
	struct ioe_engine *engine;

	check_eq(ioe_engine_open(&config, &engine), 0);
	check_eq(ioe_engine_run(engine, 0, 0), -EINVAL);
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
	config.threading = IOE_THREADING_INLINE;
	check_eq(ioe_engine_open(&config, &engine), 0);
	check_eq(ioe_engine_run(engine, 1, -1), -EINVAL);
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
}

NONE_TEST(none, the_opener_may_fill_the_channel_before_it_has_run_the_engine)
{
	enum { N = 20 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);

	config.depth_max = 1;
	config.channel_capacity = 1;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_nop(&jobs[i].event);
		rig_submit(rig, &jobs[i]);
	}
	/* Driven, but not by its callbacks: those run in our own calls only. */
	check_eq(rig_count(rig), 0);
	rig_wait_all(rig);
}
