/* SPDX-License-Identifier: MIT
 * test_backend_aio.c - what is special to the aio backend: what goes to helpers and what does
 * not, a kernel that takes no more, an interface that breaks. And the helpers themselves. */
#include "engine/helpers.h"
#include "tests/lib/trace.h"
#include "tests/unit/bench.h"

#include <sys/resource.h>
#include <sys/syscall.h>

/* How often this thread has gone to sleep in the kernel. */
static long n_sleeps(void)
{
	struct rusage usage;

	check_sys(getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_nvcsw;
}

static void open_aio(struct bench *bench, uint32_t depth, uint32_t n_helpers)
{
	bench_open(bench, IOE_BACKEND_AIO, depth, n_helpers);
}

/* ---- What helpers do ----------------------------------------------------------------- */

/* n requests, one commit each and no waiting in it; returns how often a commit slept. */
static long commit_each(struct bench *bench, uint8_t op, int fd, uint8_t *buffer, uint32_t n)
{
	long slept = 0;

	for (uint32_t i = 0; i < n; i++) {
		long before;

		prepare(bench, i, op, fd, buffer + i * BENCH_BLOCK, 4096, i * (BENCH_BLOCK * 16));
		stage(bench, i);
		before = n_sleeps();
		check_eq(bench->ops->commit(bench->backend, 0), 0);
		slept += n_sleeps() > before;
	}
	settle(bench, n);
	for (uint32_t i = 0; i < n; i++)
		check_eq(bench->seen[i].result, 4096);
	return slept;
}

Test(backend_aio, p30_cold_buffered_reads_do_not_block_the_driver, .timeout = 60)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK, 4 << 20, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(BENCH_DEPTH * BENCH_BLOCK);
	long slept;

	open_aio(&bench, BENCH_DEPTH, 8);
	file_make_cold(fd);
	check_sys(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM)); /* each read is cold */
	slept = commit_each(&bench, IOE_OP_READ, fd, buffer, BENCH_DEPTH);
	for (uint32_t i = 0; i < BENCH_DEPTH; i++)
		check_eq(pattern_differs(buffer + i * BENCH_BLOCK, 4096, i * (BENCH_BLOCK * 16),
					 BENCH_SEED),
			 -1);
	if (bench.counters.helped < BENCH_DEPTH / 2)
		cr_skip("the page cache could not be emptied");
	check_op(slept, <=, BENCH_DEPTH / 8);
	bench_close(&bench);
	free(buffer);
}

Test(backend_aio, p30_extending_direct_writes_do_not_block_the_driver, .timeout = 60)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK_DIRECT, 4096, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(BENCH_DEPTH * BENCH_BLOCK);

	open_aio(&bench, BENCH_DEPTH, 8);
	pattern_fill(buffer, BENCH_DEPTH * BENCH_BLOCK, 0, BENCH_SEED);
	check_op(commit_each(&bench, IOE_OP_WRITE, fd, buffer, BENCH_DEPTH), <=, BENCH_DEPTH / 8);
	for (uint32_t i = 0; i < BENCH_DEPTH; i++) {
		check_eq(pread(fd, buffer, 4096, i * (BENCH_BLOCK * 16)), 4096);
		check_eq(pattern_differs(buffer, 4096, i * BENCH_BLOCK, BENCH_SEED), -1);
	}
	bench_close(&bench);
	free(buffer);
}

Test(backend_aio, helpers_get_what_would_block_and_nothing_else, .timeout = 60)
{
	struct bench bench;
	int direct = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);
	int buffered = file_reopen(direct, O_RDWR);
	uint8_t *buffer = aligned_buffer(4096);

	open_aio(&bench, 8, 4);
	/* Direct reads and overwrites, cached reads, syncs: the kernel. */
	check_eq(run_one(&bench, IOE_OP_READ, direct, buffer, 4096, 0), 4096);
	check_eq(pwrite(direct, buffer, 4096, 0), 4096); /* puts it out of the page cache */
	check_eq(run_one(&bench, IOE_OP_WRITE, direct, buffer, 4096, 0), 4096);
	check_eq(pread(buffered, buffer, 4096, 8192), 4096);
	check_eq(run_one(&bench, IOE_OP_READ, buffered, buffer, 4096, 8192), 4096);
	check_eq(run_one(&bench, IOE_OP_FSYNC, direct, NULL, 0, 0), 0);
	check_eq(run_one(&bench, IOE_OP_FDATASYNC, direct, NULL, 0, 0), 0);
	check_eq(run_one(&bench, IOE_OP_NOP, -1, NULL, 0, 0), 0);
	check_eq(bench.counters.helped, 0);
	/* Buffered writes, fallocate, short transfers asked for: helpers. */
	check_eq(run_one(&bench, IOE_OP_WRITE, buffered, buffer, 4096, 0), 4096);
	check_eq(bench.counters.helped, 1);
	check_eq(run_one(&bench, IOE_OP_FALLOCATE, direct, NULL, 4096, 0), 0);
	check_eq(bench.counters.helped, 2);
	/* Where nothing is in the page cache: there the kernel would refuse it. */
	prepare(&bench, 0, IOE_OP_READ, direct, buffer, 4096, 1 << 19)->flags = IOE_EVENT_NO_RESUME;
	check_eq(run(&bench, 0), 4096);
	check_eq(bench.counters.helped, 3);
	bench_close(&bench);
	free(buffer);
}

/* What a number was in the last commit says nothing about what it is in this one. */
Test(backend_aio, p29_number_that_becomes_a_direct_file_needs_no_helper, .timeout = 60)
{
	struct bench bench;
	int direct = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);
	int number = file_reopen(direct, O_RDWR);
	uint8_t *buffer = aligned_buffer(4096);

	open_aio(&bench, 8, 4);
	check_eq(run_one(&bench, IOE_OP_WRITE, number, buffer, 4096, 0), 4096);
	check_eq(bench.counters.helped, 1);
	check_sys(dup3(direct, number, O_CLOEXEC));
	check_eq(pwrite(direct, buffer, 4096, 0), 4096); /* puts it out of the page cache */
	check_eq(run_one(&bench, IOE_OP_WRITE, number, buffer, 4096, 0), 4096);
	check_eq(bench.counters.helped, 1);
	bench_close(&bench);
	free(buffer);
	close(number);
	close(direct);
}

/* O_NONBLOCK means nothing to a file on a disk: no -EAGAIN from our own NOWAIT. */
Test(backend_aio, cold_read_of_a_file_with_o_nonblock_succeeds, .timeout = 60)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK, 1 << 20, BENCH_SEED, O_NONBLOCK);
	uint8_t *buffer = aligned_buffer(4096);

	open_aio(&bench, 8, 4);
	for (uint64_t offset = 0; offset < 1 << 20; offset += 65536) {
		file_make_cold(fd);
		check_eq(run_one(&bench, IOE_OP_READ, fd, buffer, 4096, offset), 4096);
	}
	bench_close(&bench);
	free(buffer);
}

static void eight_direct_reads(void *arg)
{
	struct bench *bench = arg;
	uint8_t *buffer = aligned_buffer(8 * BENCH_BLOCK);
	int fd = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);

	open_aio(bench, 8, 4);
	for (uint32_t i = 0; i < 8; i++) {
		prepare(bench, i, IOE_OP_READ, fd, buffer + i * BENCH_BLOCK, 4096, i * BENCH_BLOCK);
		stage(bench, i);
	}
	settle(bench, 8);
	for (uint32_t i = 0; i < 8; i++)
		must(bench->seen[i].result == 4096, "%d", (int)bench->seen[i].result);
	must(bench->counters.helped == 0, "helped: %d", (int)bench->counters.helped);
	bench_close(bench);
}

Test(backend_aio, batch_is_one_io_submit, .timeout = 60)
{
	struct bench bench;
	struct trace trace;

	trace_run(&trace, (const char *const[]){ "-e", "trace=io_submit", NULL },
		  eight_direct_reads, &bench);
	check_eq(trace_count(&trace, "io_submit"), 2); /* the first arms the wake */
	trace_close(&trace);
}

/* ---- A kernel that takes no more ------------------------------------------------------ */

Test(backend_aio, p14_eagain_of_io_submit_keeps_the_rest_staged, .timeout = 60)
{
	static const char *const injections[] = { "error=EAGAIN:when=2..5",
						  "error=EINTR:when=2..5" };
	struct bench bench;
	struct trace trace;

	for (int i = 0; i < 2; i++) {
		trace_inject(&trace, "io_submit", injections[i], eight_direct_reads, &bench);
		check_eq(trace_count_injected(&trace, "io_submit"), 4);
		trace_close(&trace);
	}
}

/* An error that io_submit() gives for the first request, though its interface works: it is run by
 * a helper. */
static void one_of_eight_is_helped(void *arg)
{
	struct bench *bench = arg;
	uint8_t *buffer = aligned_buffer(8 * BENCH_BLOCK);
	int fd = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);

	open_aio(bench, 8, 4);
	for (uint32_t i = 0; i < 8; i++) {
		prepare(bench, i, IOE_OP_READ, fd, buffer + i * BENCH_BLOCK, 4096, i * BENCH_BLOCK);
		stage(bench, i);
	}
	settle(bench, 8);
	for (uint32_t i = 0; i < 8; i++)
		must(bench->seen[i].result == 4096, "%d", (int)bench->seen[i].result);
	must(bench->counters.helped == 1, "helped: %d", (int)bench->counters.helped);
	bench_close(bench);
}

Test(backend_aio, refused_request_is_done_by_a_helper_and_the_rest_go_on, .timeout = 60)
{
	struct bench bench;
	struct trace trace;

	trace_inject(&trace, "io_submit", "error=EINVAL:when=2", one_of_eight_is_helped, &bench);
	check_eq(trace_count_injected(&trace, "io_submit"), 1);
	trace_close(&trace);
}

static void depth_of_sixteen(void *arg)
{
	struct bench *bench = arg;

	open_aio(bench, 64, 4);
	must(bench->config.ret_depth == 16, "depth %u", bench->config.ret_depth);
	must(strstr(bench->config.ret_note, "depth 16 instead of 64"), "%s",
	     bench->config.ret_note);
	bench_close(bench);
}

Test(backend_aio, p28_depth_is_halved_when_the_system_has_no_more, .timeout = 60)
{
	struct bench bench;
	struct trace trace;

	trace_inject(&trace, "io_setup", "error=EAGAIN:when=1..2", depth_of_sixteen, &bench);
	check_eq(trace_count_injected(&trace, "io_setup"), 2);
	trace_close(&trace);
}

static void open_without_poll(void *arg)
{
	struct bench *bench = arg;
	int ret;

	memset(bench, 0, sizeof(*bench));
	bench->ops = &ioe__backend_aio;
	bench->config = (struct ioe__backend_config){ .depth = 8,
						      .n_helpers = 4,
						      .counters = &bench->counters };
	ret = bench->ops->open(&bench->config, &bench->backend);
	must(ret == -ENOSYS, "open: %d", ret);
	must(strcmp(bench->config.ret_note, "no IOCB_CMD_POLL") == 0, "%s", bench->config.ret_note);
}

Test(backend_aio, kernel_without_poll_does_not_do, .timeout = 60)
{
	struct bench bench;
	struct trace trace;

	trace_inject(&trace, "io_submit", "error=EINVAL:when=1", open_without_poll, &bench);
	check_eq(trace_count_injected(&trace, "io_submit"), 1);
	trace_close(&trace);
}

/* As what is left staged after -EAGAIN may be. */
Test(backend_aio, cancelled_before_commit_it_is_given_to_nobody, .timeout = 60)
{
	struct bench bench;
	int fd = place_file(PLACE_DISK, 4096, BENCH_SEED, 0);
	char buffer[100] = "";

	open_aio(&bench, 8, 4);
	prepare(&bench, 0, IOE_OP_READ, fd, buffer, 100, 0);
	stage(&bench, 0);
	bench.ops->cancel(bench.backend, &bench.requests[0]);
	settle(&bench, 1);
	check_eq(bench.seen[0].result, -ECANCELED);
	check_eq(bench.counters.helped, 0);
	check_eq(bytes_differ((uint8_t *)buffer, 100, 0), -1);
	bench_close(&bench);
	close(fd);
}

/* ---- An interface that breaks --------------------------------------------------------- */

/* In the test's own process: Criterion and the plain runner give each test one. */
Test(backend_aio, forbidden_calls_are_told_at_open_and_leave_nothing, .timeout = 60)
{
	static const struct {
		int number, error;
	} steps[] = {
		/* Filters add up, and the newest does not undo the older: the last call first. */
		{ SYS_io_getevents, EPERM },
		{ SYS_io_submit, EACCES },
		{ SYS_io_setup, ENOSYS },
	};
	struct bench bench;
	uint32_t n_fds = process_n_fds(), n_threads = process_n_threads();

	for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct ioe__backend_config config = { .depth = 8,
						      .n_helpers = 4,
						      .counters = &bench.counters };
		struct ioe__backend *backend = NULL;

		if (!process_forbid(steps[i].error, &steps[i].number, 1))
			cr_skip("no seccomp filters here");
		check_eq(ioe__backend_aio.open(&config, &backend), -steps[i].error);
		cr_assert_null(backend);
		check_eq(process_n_fds(), n_fds);
		cr_assert(process_wait_threads(n_threads));
	}
}

Test(backend_aio, broken_io_submit_ends_what_the_kernel_does_not_have, .timeout = 60)
{
	static const int number = SYS_io_submit;
	struct bench bench;
	int direct = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(8 * BENCH_BLOCK);
	int fds[2];

	check_sys(pipe2(fds, O_CLOEXEC));
	open_aio(&bench, 16, 4);
	/* One is with a helper, and ends as if nothing had happened. */
	prepare(&bench, 8, IOE_OP_READ, fds[0], buffer, 1, 0)->flags = IOE_EVENT_NO_RESUME;
	stage(&bench, 8);
	check_eq(bench.ops->commit(bench.backend, 0), 0);
	if (!process_forbid(EPERM, &number, 1))
		cr_skip("no seccomp filters here");
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 8; i++) {
			prepare(&bench, i, i == 3 ? IOE_OP_NOP : IOE_OP_READ, direct,
				buffer + i * BENCH_BLOCK, 4096, i * BENCH_BLOCK);
			stage(&bench, i);
		}
		check_eq(bench.ops->commit(bench.backend, round == 1 ? -1 : 0), -EPERM);
		while (reap(&bench) > 0)
			;
		check_eq(bench.n_reaped, 8);
		bench.n_reaped = 0;
		for (uint32_t i = 0; i < 8; i++)
			check_eq(bench.seen[i].result, i == 3 && round == 0 ? 0 : -EIO);
	}
	check_sys(write(fds[1], "x", 1));
	while (bench.n_reaped < 1)
		reap(&bench);
	check_eq(bench.seen[8].result, 1);
	bench_close(&bench);
	free(buffer);
}

Test(backend_aio, broken_io_getevents_gives_back_what_the_kernel_has, .timeout = 60)
{
	enum { SIZE = 8 << 20 };
	static const int number = SYS_io_getevents;
	struct bench bench;
	int fd = place_file(PLACE_DISK_DIRECT, SIZE, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(SIZE);

	open_aio(&bench, 16, 4);
	if (!process_forbid(EPERM, &number, 1))
		cr_skip("no seccomp filters here");
	prepare(&bench, 0, IOE_OP_READ, fd, buffer, SIZE, 0);
	stage(&bench, 0);
	check_eq(bench.ops->commit(bench.backend, -1), -EPERM);
	prepare(&bench, 1, IOE_OP_READ, fd, buffer, 4096, 0);
	stage(&bench, 1);
	check_eq(bench.ops->commit(bench.backend, -1), -EPERM);
	while (bench.n_reaped < 2)
		reap(&bench);
	check_eq(bench.seen[0].result, SIZE);
	check_eq(bench.seen[1].result, -EIO);
	check_eq(pattern_differs(buffer, SIZE, 0, BENCH_SEED), -1);
	bench_close(&bench);
	free(buffer);
}

/* ---- Helpers -------------------------------------------------------------------------- */

/* One helper, which waits for a pipe: what is queued behind it is cancelled without a system
 * call (the writes would succeed). */
Test(helpers, queued_requests_are_cancelled_without_a_system_call, .timeout = 60)
{
	enum { N = 5 };
	struct ioe__backend_counters counters = { 0 };
	struct ioe__backend_config config = { .n_helpers = 1, .counters = &counters };
	struct ioe__sleeper sleeper = { .eventfd = -1 };
	struct ioe__helpers *helpers;
	struct ioe__request requests[N];
	struct ioe__completion completions[N];
	int fd = place_file(PLACE_SHM, 0, BENCH_SEED, 0), fds[2];
	char byte = 'x';

	check_sys(pipe2(fds, O_CLOEXEC));
	check_eq(ioe__helpers_open(&config, N, &sleeper, &helpers), 0);
	for (uint32_t round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < N; i++) {
			requests[i] = (struct ioe__request){ .slot = i,
							     .generation = round,
							     .op = i ? IOE_OP_WRITE : IOE_OP_READ,
							     .fd = i ? fd : fds[0],
							     .buffer = &byte,
							     .length = 1 };
			ioe__helpers_add(helpers, &requests[i]);
		}
		ioe__helpers_start(helpers);
		/* From the last, so that none begins meanwhile. */
		for (uint32_t i = N; i-- > 0;)
			ioe__helpers_cancel(helpers, &requests[i]);
		for (uint32_t n = 0; n < N;) {
			uint32_t got;

			ioe__helpers_wait(helpers, BENCH_PATIENCE_NS);
			got = ioe__helpers_reap(helpers, completions, N);
			check_op(got, >, 0);
			for (uint32_t i = 0; i < got; i++) {
				check_eq(completions[i].generation, round);
				check_eq(completions[i].result, -ECANCELED);
			}
			n += got;
		}
	}
	check_eq(file_size(fd), 0);
	check_eq(counters.helped, 100 * N);
	ioe__helpers_close(helpers);
}
