/* SPDX-License-Identifier: MIT
 * test_broken.c - law 12: a kernel interface that breaks takes nobody's event with it. */
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <unistd.h>

enum { EVENTS = 2000 };

/* More direct reads at once than the kernel gets before it breaks; with aio also a pipe that nobody
 * writes to, which waits on a helper and must not keep close waiting. */
static void run_until_broken(void *arg)
{
	const struct rig_row *row = arg;
	struct rig rig;
	struct job *jobs, *refused, *hanging;
	struct ioe_config config;
	uint32_t n_eio = 0;
	char byte;
	int fds[2], fd;

	rig_init(&rig, row);
	config = rig_config(&rig);
	config.depth_max = 8;
	config.channel_capacity = 2 * EVENTS;
	jobs = rig_jobs(&rig, EVENTS);
	refused = rig_jobs(&rig, 1);
	hanging = rig_jobs(&rig, 1);
	fd = rig_file(&rig, 1 << 20);
	rig_pipe(&rig, fds);
	rig_open(&rig, &config);
	if (row->backend == IOE_BACKEND_AIO) {
		ioe_prep_read(&hanging->event, fds[0], &byte, 1, 0);
		rig_submit(&rig, hanging);
	}
	for (uint32_t i = 0; i < EVENTS; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(&rig, 4096), 4096, i % 256 * 4096);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	must(rig_batch(&rig, jobs, EVENTS, false) == EVENTS, "batch");
	rig_wait_count(&rig, EVENTS);
	ioe_prep_nop(&refused->event);
	must(rig_submit_ret(&rig, refused) == -EIO, "the engine has not broken");
	rig_close(&rig, IOE_CLOSE_CANCEL);
	for (uint32_t i = 0; i < EVENTS; i++) {
		must(jobs[i].calls == 1, "read %u: %u callbacks", i, jobs[i].calls);
		must(jobs[i].result == 4096 || jobs[i].result == -EIO, "read %u: %lld", i,
		     (long long)jobs[i].result);
		n_eio += jobs[i].result == -EIO;
	}
	must(refused->calls == 0, "a refused event was called back");
	must(n_eio > 0 && n_eio < EVENTS, "%u of %d have seen -EIO", n_eio, EVENTS);
	rig_deinit(&rig);
}

static void break_by(uint32_t backend, uint32_t threading, const char *call, const char *injection)
{
	struct rig_row row = { "traced", backend, threading, PLACE_DISK_DIRECT };
	struct trace trace;

	trace_inject(&trace, call, injection, run_until_broken, &row);
	trace_close(&trace);
}

#define BROKEN_TESTS(row, backend, call, injection)                       \
	Test(broken, row##_inline, .timeout = 60)                         \
	{                                                                 \
		break_by(backend, IOE_THREADING_INLINE, call, injection); \
	}                                                                 \
	Test(broken, row##_pool, .timeout = 60)                           \
	{                                                                 \
		break_by(backend, IOE_THREADING_POOL, call, injection);   \
	}                                                                 \
	Test(broken, row##_none, .timeout = 60)                           \
	{                                                                 \
		break_by(backend, IOE_THREADING_NONE, call, injection);   \
	}

BROKEN_TESTS(enter_ends_what_the_kernel_never_got, IOE_BACKEND_URING, "io_uring_enter",
	     "error=EFAULT:when=20")
BROKEN_TESTS(io_submit_ends_what_the_kernel_never_got, IOE_BACKEND_AIO, "io_submit",
	     "error=ENOSYS:when=20+")

/* A barrier behind a read that hangs, on a helper: the kernel does not have it. */
static void run_barrier_until_broken(void *arg)
{
	struct rig rig;
	struct job *jobs, *hanging, *barrier;
	char byte;
	int fds[2], fd, ret = 0;

	rig_init(&rig, arg);
	jobs = rig_jobs(&rig, EVENTS);
	hanging = rig_jobs(&rig, 1);
	barrier = rig_jobs(&rig, 1);
	fd = rig_file(&rig, 1 << 20);
	rig_pipe(&rig, fds);
	rig_open(&rig, NULL);
	ioe_prep_read(&hanging->event, fds[0], &byte, 1, 0);
	rig_submit(&rig, hanging);
	ioe_prep_fsync(&barrier->event, fds[0]);
	barrier->event.flags = IOE_EVENT_BARRIER;
	rig_submit(&rig, barrier);
	for (uint32_t i = 0; i < EVENTS && ret == 0; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(&rig, 4096), 4096, 0);
		ret = rig_submit_ret(&rig, &jobs[i]);
	}
	must(ret == -EIO, "the engine has not broken");
	rig_wait(&rig, barrier);
	must(barrier->result == -EIO, "the barrier: %lld", (long long)barrier->result);
	must(job_calls(hanging) == 0, "the read does not hang");
	must(write(fds[1], "x", 1) == 1, "write");
	rig_wait(&rig, hanging);
	must(hanging->result == 1, "the read: %lld", (long long)hanging->result);
	rig_deinit(&rig);
}

Test(broken, barrier_that_waits_ends_at_once, .timeout = 60)
{
	struct rig_row row = { "traced", IOE_BACKEND_AIO, IOE_THREADING_POOL, PLACE_DISK_DIRECT };
	struct trace trace;

	trace_inject(&trace, "io_submit", "error=ENOSYS:when=20+", run_barrier_until_broken, &row);
	trace_close(&trace);
}

/* In NONE the ring is enabled by its owner, who may be another thread than the one that opened it:
 * after open has succeeded. */
static void run_unenabled(void *arg)
{
	const struct rig_row *row = arg;
	struct rig rig;
	struct job *jobs, *refused;
	int fd;

	rig_init(&rig, row);
	jobs = rig_jobs(&rig, 3);
	refused = rig_jobs(&rig, 1);
	fd = rig_file(&rig, 3 * 4096);
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(&rig, 4096), 4096, i * 4096);
		rig_submit(&rig, &jobs[i]);
	}
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < 3; i++) {
		must(jobs[i].calls == 1, "read %u: %u callbacks", i, jobs[i].calls);
		must(jobs[i].result == -EIO, "read %u: %lld", i, (long long)jobs[i].result);
	}
	ioe_prep_nop(&refused->event);
	must(rig_submit_ret(&rig, refused) == -EIO, "the engine has not broken");
	rig_deinit(&rig);
}

Test(broken, ring_that_cannot_be_enabled_ends_what_was_submitted, .timeout = 60)
{
	struct rig_row row = { "traced", IOE_BACKEND_URING, IOE_THREADING_NONE, PLACE_DISK };
	struct trace trace;

	/* The first of its calls is the probe of the opcodes. */
	trace_inject(&trace, "io_uring_register", "error=EPERM:when=2", run_unenabled, &row);
	check_eq(trace_count_injected(&trace, "io_uring_register"), 1);
	trace_close(&trace);
}
