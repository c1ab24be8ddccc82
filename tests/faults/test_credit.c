/* SPDX-License-Identifier: MIT
 * test_credit.c - law 8: the credit of an event is returned once, however it comes to its end. */
#include "engine/engine.h"
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"
#include "tests/lib/trace.h"

#include <unistd.h>

static void halve(struct ioe__completion *completion, const struct seam_request *request)
{
	if (request->op == IOE_OP_READ && completion->result > 1)
		completion->result /= 2;
}

MATRIX_TEST(credit, event_that_is_resumed_returns_it_once)
{
	enum { CAPACITY = 2 };
	struct job *jobs = rig_jobs(rig, 4 + CAPACITY);
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, 65536);
	uint32_t n = 0;
	char byte;
	int fds[2];

	config.depth_max = 1;
	config.channel_capacity = CAPACITY;
	seam_watch();
	seam_on_completion = halve;
	rig_open(rig, &config);
	ioe_prep_read(&jobs[0].event, fd, rig_buffer(rig, 65536), 65536, 0);
	check_eq(rig_do(rig, &jobs[0]), 65536);
	check_op(rig_stats(rig).resumed, >=, 4);
	rig_pipe(rig, fds);
	ioe_prep_read(&jobs[1].event, fds[0], &byte, 1, 0);
	rig_submit(rig, &jobs[1]);
	rig_wait_in_flight(rig, 1);
	/* What comes now is neither started nor looked at. */
	for (; n < CAPACITY + 2; n++) {
		ioe_prep_nop(&jobs[2 + n].event);
		if (rig_try(rig, &jobs[2 + n]) != 0)
			break;
	}
	check_eq(n, CAPACITY);
	rig_close(rig, IOE_CLOSE_CANCEL);
}

/* Close shuts the gates of the drivers one after the other: a batch may come in between. */
DRIVER_TEST(credit, batch_that_one_driver_refuses_returns_that_of_the_others)
{
	enum { N = 8 };
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_config config = rig_config(rig);
	struct ioe__channel *first, *last;

	config.n_drivers = 2;
	rig_open(rig, &config);
	first = &rig->engine->drivers[0]->channel;
	last = &rig->engine->drivers[1]->channel;
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_nop(&jobs[i].event);
	ioe__channel_close(last);
	check_eq(rig_batch(rig, jobs, N, true), -ESHUTDOWN);
	check_eq(ioe__channel_reserved(first), 0);
	/* Nobody is inside. */
	ioe__channel_wait_left(first);
}

/* Reads one after the other through one slot and room for one, until the engine says that it has
 * broken: then the one that waits must have had its -EIO, and its submitter its turn. */
static void submit_until_broken(void *arg)
{
	enum { EVENTS = 20000 };
	struct rig rig;
	struct ioe_config config;
	struct job *jobs;
	uint8_t *buffer;
	uint32_t n = 0;
	int fd, ret = 0;

	rig_init(&rig, arg);
	config = rig_config(&rig);
	config.depth_max = 1;
	config.channel_capacity = 1;
	jobs = rig_jobs(&rig, EVENTS);
	buffer = rig_buffer(&rig, 4096);
	fd = rig_file(&rig, 4096);
	rig_open(&rig, &config);
	for (; n < EVENTS && ret == 0; n++) {
		ioe_prep_read(&jobs[n].event, fd, buffer, 4096, 0);
		ret = rig_submit_ret(&rig, &jobs[n]);
	}
	must(ret == -EIO, "submit %u: %d", n, ret);
	rig_close(&rig, IOE_CLOSE_DRAIN);
	for (uint32_t i = 0; i + 1 < n; i++)
		must(jobs[i].calls == 1, "event %u: %u callbacks", i, jobs[i].calls);
	rig_deinit(&rig);
}

static void submit_to_broken(uint32_t backend, const char *call, const char *injection)
{
	struct rig_row row = { "traced", backend, IOE_THREADING_INLINE, PLACE_DISK_DIRECT };
	struct trace trace;

	trace_inject(&trace, call, injection, submit_until_broken, &row);
	trace_close(&trace);
}

Test(credit, event_that_was_never_started_returns_it_uring, .timeout = 60)
{
	submit_to_broken(IOE_BACKEND_URING, "io_uring_enter", "error=EFAULT:when=100");
}

Test(credit, event_that_was_never_started_returns_it_aio, .timeout = 60)
{
	submit_to_broken(IOE_BACKEND_AIO, "io_submit", "error=ENOSYS:when=100+");
}
