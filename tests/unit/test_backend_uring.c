/* SPDX-License-Identifier: MIT
 * test_backend_uring.c - what is particular to uring: kernels that have less, a ring that cannot be
 *                        used, and a queue full of cancels.
 * Invariants: none.
 * Threads:    the test's own.
 * Ownership:  probes run in children under strace. */
#include "tests/lib/trace.h"
#include "tests/unit/bench.h"

#include <dirent.h>
#include <liburing.h>
#include <pthread.h>
#include <sys/syscall.h>

/* A ring under an injection: how it is opened, and what it must say. */
struct opening {
	uint32_t depth;
	bool other_thread;
	int expected;
	uint32_t expected_depth;
	const char *note;
};

static void open_and_read(void *arg)
{
	const struct opening *opening = arg;
	const int fd = place_file(PLACE_DISK, 65536, BENCH_SEED, 0);
	struct bench bench = { .ops = ioe__backend_ops(IOE_BACKEND_URING) };
	char byte[100] = "";
	int ret;

	bench.config = (struct ioe__backend_config){ .depth = opening->depth,
						     .n_helpers = 4,
						     .other_thread = opening->other_thread,
						     .counters = &bench.counters };
	ret = bench.ops->open(&bench.config, &bench.backend);
	must(ret == opening->expected, "open says %d", ret);
	must(strcmp(bench.config.ret_note, opening->note) == 0, "note: %s", bench.config.ret_note);
	if (ret < 0)
		return;
	must(bench.config.ret_depth == opening->expected_depth, "depth %u", bench.config.ret_depth);
	must(bench.ops->enable(bench.backend) == 0, "enable");
	must(run_one(&bench, IOE_OP_READ, fd, byte, 100, 0) == 100, "read");
	bench_close(&bench);
}

static void open_with(struct opening opening, const char *call, const char *injection,
		      uint32_t n_injected)
{
	struct trace trace;

	trace_inject(&trace, call, injection, open_and_read, &opening);
	check_eq(trace_count_injected(&trace, NULL), n_injected);
	trace_close(&trace);
}

Test(backend_uring, kernel_without_a_flag_is_asked_for_less, .timeout = 60)
{
	open_with((struct opening){ .depth = 8,
				    .expected_depth = 8,
				    .note = "no DEFER_TASKRUN, no SINGLE_ISSUER" },
		  "io_uring_setup", "error=EINVAL:when=1..2", 2);
}

/* Enabled by the thread that drives it, or, where the kernel cannot have that, at once. */
Test(backend_uring, kernel_without_disabled_rings_is_driven_all_the_same, .timeout = 60)
{
	open_with((struct opening){ .depth = 8,
				    .other_thread = true,
				    .expected_depth = 8,
				    .note = "no DEFER_TASKRUN, no SINGLE_ISSUER, no R_DISABLED" },
		  "io_uring_setup", "error=EINVAL:when=1..3", 3);
}

Test(backend_uring, opcodes_that_cannot_be_probed_are_not_there, .timeout = 60)
{
	open_with((struct opening){ .depth = 8,
				    .expected = -ENOSYS,
				    .note = "opcodes cannot be probed" },
		  "io_uring_register", "error=EINVAL:when=1", 1);
}

/* By the thread that is to drive it, later than open. Nothing has been given to the kernel. */
static void enable_a_forbidden_ring(void *arg)
{
	struct bench *bench = arg;

	memset(bench, 0, sizeof(*bench));
	bench->ops = ioe__backend_ops(IOE_BACKEND_URING);
	bench->config = (struct ioe__backend_config){
		.depth = 8, .n_helpers = 4, .other_thread = true, .counters = &bench->counters
	};
	must(bench->ops->open(&bench->config, &bench->backend) == 0, "open");
	must(bench->ops->enable(bench->backend) == -EPERM, "enable");
	for (uint32_t i = 0; i < 3; i++) {
		prepare(bench, i, IOE_OP_NOP, -1, NULL, 0, 0);
		stage(bench, i);
	}
	must(bench->ops->pending(bench->backend), "nothing to reap");
	bench->ops->cancel(bench->backend, &bench->requests[0]);
	must(bench->ops->commit(bench->backend, -1) == -EPERM, "commit");
	must(reap(bench) == 3, "reaped");
	for (uint32_t i = 0; i < 3; i++)
		must(bench->seen[i].result == -EIO, "%u: %d", i, (int)bench->seen[i].result);
	must(reap(bench) == 0, "reaped twice");
	bench_close(bench);
}

Test(backend_uring, ring_that_cannot_be_enabled_gives_back_what_is_staged, .timeout = 60)
{
	struct bench bench;
	struct trace trace;

	/* The first is the probe of the opcodes. */
	trace_inject(&trace, "io_uring_register", "error=EPERM:when=2", enable_a_forbidden_ring,
		     &bench);
	check_eq(trace_count_injected(&trace, "io_uring_register"), 1);
	trace_close(&trace);
}

/* The drivers of an engine, opened one after another, and that again and again. */
Test(backend_uring, p28_memory_waited_for_in_vain_is_not_waited_for_again, .timeout = 60)
{
	enum { WAITS_MAX = 500, WAITS_ROUND = 50 };
	struct ioe__shortage waits = { 0 };
	struct ioe__backend *backend;
	struct bench bench;

	bench_open(&bench, IOE_BACKEND_URING, 8, 1);
	bench_close(&bench);
	if (!process_forbid_above(ENOMEM, SYS_io_uring_setup, 0))
		cr_skip_test("seccomp filters cannot be installed here");
	bench.config.shortage = &waits;
	bench.config.driver = 1;
	for (uint32_t i = 0; i < 3; i++) {
		check_eq(bench.ops->open(&bench.config, &backend), -ENOMEM);
		check_eq(waits.n, WAITS_ROUND);
	}
	bench.config.driver = 0;
	for (uint32_t i = 0; i < 3; i++) {
		check_eq(bench.ops->open(&bench.config, &backend), -ENOMEM);
		check_eq(waits.n, WAITS_MAX);
	}
}

/* The submission queue has room for all requests and little more. */
Test(backend_uring, more_cancels_than_the_queue_holds_are_all_taken, .timeout = 60)
{
	enum { N = 4, TIMES = 100 };
	struct bench bench;
	char bytes[N] = "";
	int fds[2];

	check_sys(pipe2(fds, O_CLOEXEC));
	bench_open(&bench, IOE_BACKEND_URING, N, N);
	for (uint32_t i = 0; i < N; i++) {
		prepare(&bench, i, IOE_OP_READ, fds[0], &bytes[i], 1, 0);
		stage(&bench, i);
	}
	check_eq(bench.ops->commit(bench.backend, 0), 0);
	/* The last find it full. */
	for (uint32_t i = 0; i < TIMES; i++)
		bench.ops->cancel(bench.backend, &bench.requests[0]);
	for (uint32_t i = 1; i < N; i++)
		bench.ops->cancel(bench.backend, &bench.requests[i]);
	settle(&bench, N);
	for (uint32_t i = 0; i < N; i++)
		check_eq(bench.seen[i].result, -ECANCELED);
	/* The completions of the cancels are nobody's. */
	check_eq(bench.ops->commit(bench.backend, 0), 0);
	check_eq(reap(&bench), 0);
	bench_close(&bench);
	close(fds[0]);
	close(fds[1]);
}

/* The ring is the only one of the process. */
static int fd_of_ring(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int fd = -1;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		char target[64] = "";

		if (readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) > 0 &&
		    strstr(target, "io_uring") != NULL)
			fd = (int)strtol(entry->d_name, NULL, 10);
	}
	if (dir != NULL)
		closedir(dir);
	return fd;
}

struct late_waker {
	struct bench *bench;
	pid_t sleeper;
};

static void *wake_when_asleep(void *arg)
{
	const struct late_waker *waker = arg;

	cr_assert(thread_wait_asleep(waker->sleeper));
	waker->bench->ops->wake(waker->bench->backend);
	return NULL;
}

/* Like a kernel before 5.13, a ring that is forbidden to poll answers the poll with an error. */
Test(backend_uring, p26_ring_without_a_lasting_poll_is_woken_each_time, .timeout = 60)
{
	struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_REGISTER_OP,
		  .register_op = IORING_REGISTER_ENABLE_RINGS },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL },
	};
	struct bench bench = { .ops = ioe__backend_ops(IOE_BACKEND_URING) };
	struct late_waker waker = { .bench = &bench, .sleeper = gettid() };

	bench.config = (struct ioe__backend_config){
		.depth = 8, .n_helpers = 4, .other_thread = true, .counters = &bench.counters
	};
	check_eq(bench.ops->open(&bench.config, &bench.backend), 0);
	if (strstr(bench.config.ret_note, "R_DISABLED") != NULL)
		cr_skip_test("this kernel has no disabled rings");
	check_sys(syscall(SYS_io_uring_register, fd_of_ring(), IORING_REGISTER_RESTRICTIONS,
			  allowed, sizeof(allowed) / sizeof(allowed[0])));
	check_eq(bench.ops->enable(bench.backend), 0);
	for (uint32_t i = 0; i < 20; i++) {
		pthread_t thread;
		int64_t started_ns;

		if (i % 2 == 0)
			bench.ops->wake(bench.backend);
		else
			check_eq(pthread_create(&thread, NULL, wake_when_asleep, &waker), 0);
		started_ns = clock_now_ns();
		check_eq(bench.ops->commit(bench.backend, BENCH_PATIENCE_NS), 0);
		check_op(clock_now_ns() - started_ns, <, BENCH_PATIENCE_NS / 2);
		check_eq(reap(&bench), 0);
		if (i % 2 == 1)
			pthread_join(thread, NULL);
		/* And takes what is left of a wake that came before anything was armed. */
		check_eq(run_one(&bench, IOE_OP_NOP, -1, NULL, 0, 0), 0);
	}
	wait_in_peace(&bench);
	bench_close(&bench);
}
