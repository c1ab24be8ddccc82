/* SPDX-License-Identifier: MIT
 * test_trace.c - each backend is what it says: its system calls, counted by strace. */
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <fcntl.h>
#include <unistd.h>

enum { N = 20 };

static const char *const options[] = {
	"-e",
	"trace=io_uring_enter,io_submit,pread64,preadv,preadv2,pwrite64,pwritev,pwritev2",
	NULL,
};

/* Direct reads, so that aio does them itself; each alone. */
static void read_some(void *arg)
{
	struct rig rig;
	struct job *jobs;
	int fd;

	rig_init(&rig, arg);
	jobs = rig_jobs(&rig, N);
	fd = rig_file(&rig, N * 4096);
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(&rig, 4096), 4096, i * 4096);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		must(rig_do(&rig, &jobs[i]) == 4096, "read %u: %lld", i, (long long)jobs[i].result);
	}
	rig_deinit(&rig);
}

static struct trace trace_of(uint32_t backend, uint32_t threading)
{
	struct rig_row row = { "traced", backend, threading, PLACE_DISK_DIRECT };
	struct trace trace;

	trace_run(&trace, options, read_some, &row);
	return trace;
}

static uint32_t count_plain(const struct trace *trace)
{
	/* The file is laid out by pwrite64; reading by hand is what is looked for. */
	return trace_count(trace, "pread64") + trace_count(trace, "preadv") +
	       trace_count(trace, "preadv2");
}

static void expect_uring(uint32_t threading)
{
	struct trace trace = trace_of(IOE_BACKEND_URING, threading);

	check_op(trace_count(&trace, "io_uring_enter"), >=, N);
	check_eq(trace_count(&trace, "io_submit"), 0);
	check_eq(count_plain(&trace), 0);
	trace_close(&trace);
}

static void expect_aio(uint32_t threading)
{
	struct trace trace;

	if (place_is_memory(PLACE_DISK))
		cr_skip_test("in memory aio asks helpers for everything");
	trace = trace_of(IOE_BACKEND_AIO, threading);
	check_op(trace_count(&trace, "io_submit"), >=, N);
	check_eq(trace_count(&trace, "io_uring_enter"), 0);
	check_eq(count_plain(&trace), 0);
	trace_close(&trace);
}

static void expect_threads(uint32_t threading)
{
	struct trace trace = trace_of(IOE_BACKEND_THREADS, threading);

	check_eq(count_plain(&trace), N);
	check_eq(trace_count(&trace, "io_submit"), 0);
	check_eq(trace_count(&trace, "io_uring_enter"), 0);
	trace_close(&trace);
}

Test(trace, uring_makes_io_uring_enter_and_no_pread, .timeout = 60)
{
	expect_uring(IOE_THREADING_INLINE);
}

Test(trace, uring_without_threads_makes_io_uring_enter_and_no_pread, .timeout = 60)
{
	expect_uring(IOE_THREADING_NONE);
}

Test(trace, aio_makes_io_submit_and_no_pread, .timeout = 60)
{
	expect_aio(IOE_THREADING_INLINE);
}

Test(trace, aio_without_threads_makes_io_submit_and_no_pread, .timeout = 60)
{
	expect_aio(IOE_THREADING_NONE);
}

Test(trace, threads_make_one_pread_for_each_read, .timeout = 60)
{
	expect_threads(IOE_THREADING_INLINE);
}
