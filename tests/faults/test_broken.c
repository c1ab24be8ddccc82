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
	char what[64], how[96];
	const char *const options[] = { "-e", what, "-e", how, NULL };
	struct trace trace;

	snprintf(what, sizeof(what), "trace=%s", call);
	snprintf(how, sizeof(how), "inject=%s:%s", call, injection);
	trace_run(&trace, options, run_until_broken, &row);
	check_op(trace_count_injected(&trace, NULL), >=, 1);
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
