/* SPDX-License-Identifier: MIT
 * test_sleep.c - P26: what comes while a driver is on its way to sleep, after it has taken what was
 *                there, is seen before it sleeps. The seam is where it comes: at the staging of a
 *                read that hangs, behind which the driver sleeps. */
#include "tests/lib/process.h"
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <semaphore.h>
#include <unistd.h>

static struct rig *the_rig;
static struct job *late;
static struct actor closer;
static char byte;

static void submit_late(struct ioe__request *request)
{
	int ret;

	if (request->op != IOE_OP_READ)
		return;
	ret = rig_try(the_rig, late);
	must(ret == 0, "submit: %d", ret);
}

MATRIX_TEST(sleep, p26_push_after_the_take_is_seen)
{
	struct job *jobs = rig_jobs(rig, 2);
	int fds[2];

	seam_watch();
	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	the_rig = rig;
	late = &jobs[1];
	ioe_prep_nop(&late->event);
	seam_on_stage = submit_late;
	ioe_prep_read(&jobs[0].event, fds[0], &byte, 1, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_count(rig, 1);
	check_eq(job_calls(&jobs[0]), 0);
	check_eq(write(fds[1], "x", 1), 1);
}

static void close_engine(void *arg)
{
	rig_close(arg, IOE_CLOSE_CANCEL);
}

/* Until it has given its command, and waits for the driver to end. */
static void close_late(struct ioe__request *request)
{
	if (request->op != IOE_OP_READ)
		return;
	actor_start(&closer, close_engine, the_rig);
	must(thread_wait_asleep(closer.tid), "close does not wait");
}

DRIVER_TEST(sleep, p26_command_after_the_look_at_commands_is_seen)
{
	struct job *job = rig_jobs(rig, 1);
	int fds[2];

	seam_watch();
	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	the_rig = rig;
	seam_on_stage = close_late;
	ioe_prep_read(&job->event, fds[0], &byte, 1, 0);
	rig_submit(rig, job);
	rig_wait(rig, job);
	actor_join(&closer);
	check_eq(job->result, -ECANCELED);
}

static uint32_t n_idle_rounds, most_idle_rounds;

static uint32_t count_idle_rounds(struct ioe__driver *driver, struct ioe__completion *completions,
				  uint32_t n, uint32_t room)
{
	(void)driver;
	(void)completions;
	(void)room;
	n_idle_rounds = n == 0 ? n_idle_rounds + 1 : 0;
	if (n_idle_rounds > most_idle_rounds)
		most_idle_rounds = n_idle_rounds;
	return n;
}

/* Not round and round with the completion before its eyes: with DEFER_TASKRUN one more system call
 * is due until it can be reaped. */
DRIVER_TEST(sleep, driver_that_spins_takes_what_it_sees)
{
	struct ioe_config config = rig_config(rig);
	struct ioe_event event;
	int fds[2];

	config.spin_ns = 1000000000;
	ioe__seam.on_reap = count_idle_rounds;
	rig_pipe(rig, fds);
	rig_open(rig, &config);
	for (uint32_t i = 0; i < 2000; i++) {
		ioe_prep_read(&event, fds[0], &byte, 1, 0);
		check_eq(ioe_submit(rig->engine, &event), 0);
		check_eq(write(fds[1], "x", 1), 1);
		check_eq(ioe_wait(rig->engine, &event), 1);
	}
	rig_close(rig, IOE_CLOSE_DRAIN);
	/* A wake, a kick of a helper, the end of a spin. */
	check_op(most_idle_rounds, <=, 16);
}

enum { READERS = 32 };

struct reader {
	struct actor actor;
	struct rig *rig;
	int fds[2];
	char byte;
	int64_t result;
};

static sem_t held, released;
static bool holding, counting;
static uint32_t most_reaped;

static void read_pipe(void *arg)
{
	struct reader *reader = arg;
	struct ioe_event event;

	ioe_prep_read(&event, reader->fds[0], &reader->byte, 1, 0);
	must(ioe_submit(reader->rig->engine, &event) == 0, "submit");
	reader->result = ioe_wait(reader->rig->engine, &event);
}

static void hold_driver(struct ioe__driver *driver, struct ioe__request *request)
{
	(void)driver;
	(void)request;
	if (!__atomic_load_n(&holding, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&holding, false, __ATOMIC_RELAXED);
	counting = true;
	sem_post(&held);
	sem_wait(&released);
}

static uint32_t count_reaped(struct ioe__driver *driver, struct ioe__completion *completions,
			     uint32_t n, uint32_t room)
{
	(void)driver;
	(void)completions;
	(void)room;
	if (counting && n > most_reaped)
		most_reaped = n;
	return n;
}

/* So that the first are back, and have submitted, while the kernel has still enough to do. */
DRIVER_TEST(sleep, waiters_are_woken_an_eighth_of_all_at_a_time)
{
	struct ioe_config config = rig_config(rig);
	static struct reader readers[READERS + 2];
	struct reader *first = &readers[READERS], *last = &readers[READERS + 1];

	sem_init(&held, 0, 0);
	sem_init(&released, 0, 0);
	config.n_helpers = READERS + 2;
	ioe__seam.on_stage = hold_driver;
	ioe__seam.on_reap = count_reaped;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < READERS + 2; i++) {
		readers[i].rig = rig;
		rig_pipe(rig, readers[i].fds);
	}
	for (uint32_t i = 0; i < READERS + 1; i++) {
		actor_start(&readers[i].actor, read_pipe, &readers[i]);
		cr_assert(thread_wait_asleep(readers[i].actor.tid));
	}
	rig_wait_in_flight(rig, READERS + 1);
	/* Now it knows that those who wait sleep. */
	check_eq(write(first->fds[1], "x", 1), 1);
	actor_join(&first->actor);
	/* All end while it is about to give the kernel a request more. */
	__atomic_store_n(&holding, true, __ATOMIC_RELEASE);
	actor_start(&last->actor, read_pipe, last);
	sem_wait(&held);
	for (uint32_t i = 0; i < READERS; i++)
		check_eq(write(readers[i].fds[1], "x", 1), 1);
	sem_post(&released);
	for (uint32_t i = 0; i < READERS; i++) {
		actor_join(&readers[i].actor);
		check_eq(readers[i].result, 1);
	}
	check_eq(write(last->fds[1], "x", 1), 1);
	actor_join(&last->actor);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_op(most_reaped, <=, (READERS + 1) / 8);
}
