/* SPDX-License-Identifier: MIT
 * test_open_fails.c - an open that the system refuses something half way says what, and leaves no
 *                     thread and no file descriptor behind; what is opened after it works. */
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_and_close(const struct rig *rig)
{
	const struct ioe_config config = rig_config(rig);
	struct ioe_engine *engine = NULL;
	const int ret = ioe_engine_open(&config, &engine);

	if (ret == 0)
		check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
	else
		cr_assert_null(engine);
	return ret;
}

/* With room for 0, 1, 2, ... more descriptors, until it succeeds. */
MATRIX_TEST(open_fails, without_descriptors_it_is_emfile_and_leaves_nothing)
{
	struct rlimit before, limit;
	uint32_t n_fds, n_threads;
	int ret = -EMFILE;

	/* Skips where the backend is not available; and a sanitizer's thread has come. */
	rig_open(rig, NULL);
	rig_close(rig, IOE_CLOSE_DRAIN);
	n_fds = process_n_fds();
	n_threads = process_n_threads();
	check_sys(getrlimit(RLIMIT_NOFILE, &before));
	for (rlim_t room = 0; ret != 0; room++) {
		const int next = (int)check_sys(dup(STDERR_FILENO));

		check_sys(close(next));
		check_op(room, <, 16);
		limit = before;
		limit.rlim_cur = (rlim_t)next + room;
		check_sys(setrlimit(RLIMIT_NOFILE, &limit));
		ret = open_and_close(rig);
		check_sys(setrlimit(RLIMIT_NOFILE, &before));
		cr_assert(ret == 0 ? room > 0 : ret == -EMFILE, "with room for %d: %d", (int)room,
			  ret);
		check_eq(process_n_fds(), n_fds);
		cr_assert(process_wait_threads(n_threads));
	}
}

/* Not the first. NONE on uring has none. */
MATRIX_TEST(open_fails, without_threads_it_is_eagain_and_leaves_nothing)
{
	static const int number = SYS_clone3;
	const bool none_needed =
		rig->row.backend == IOE_BACKEND_URING && rig->row.threading == IOE_THREADING_NONE;
	uint32_t n_fds, n_threads;

	rig_open(rig, NULL);
	rig_close(rig, IOE_CLOSE_DRAIN);
	n_fds = process_n_fds();
	n_threads = process_n_threads();
	if (!process_forbid(EAGAIN, &number, 1))
		cr_skip_test("no seccomp filters here");
	check_eq(open_and_close(rig), none_needed ? 0 : -EAGAIN);
	check_eq(process_n_fds(), n_fds);
	cr_assert(process_wait_threads(n_threads));
}

/* strace counts the calls of each thread: of the one that opens, or of a driver that starts its
 * helpers. */
static void open_in_vain(void *arg)
{
	const struct rig_row *row = arg;
	struct rig rig;
	uint32_t n_fds, n_threads;

	rig_init(&rig, row);
	n_fds = process_n_fds();
	n_threads = process_n_threads();
	must(open_and_close(&rig) == -EAGAIN, "open");
	must(process_n_fds() == n_fds, "fds are left");
	must(process_wait_threads(n_threads), "threads are left");
	rig_deinit(&rig);
}

static void fail_at_thread(uint32_t backend, uint32_t threading, uint32_t n)
{
	struct rig_row row = { "traced", backend, threading, PLACE_DISK };
	struct trace trace;
	char how[64];

	if (CHECK_SANITIZED)
		cr_skip_test("a sanitizer starts threads of its own");
	if (rig_try_backend(backend) != 0)
		cr_skip_test("the backend is not available here");
	snprintf(how, sizeof(how), "error=EAGAIN:when=%u", n);
	trace_inject(&trace, "clone3", how, open_in_vain, &row);
	check_eq(trace_count_injected(&trace, "clone3"), 1);
	trace_close(&trace);
}

/* Two workers, then the driver, then, on its own count, what it starts. */
Test(open_fails, first_worker_is_ended_when_there_is_no_second, .timeout = 60)
{
	fail_at_thread(IOE_BACKEND_THREADS, IOE_THREADING_POOL, 2);
}

Test(open_fails, workers_are_ended_when_there_is_no_driver, .timeout = 60)
{
	fail_at_thread(IOE_BACKEND_THREADS, IOE_THREADING_POOL, 3);
}

Test(open_fails, driver_is_ended_when_it_lacks_a_helper__threads, .timeout = 60)
{
	fail_at_thread(IOE_BACKEND_THREADS, IOE_THREADING_POOL, 5);
}

Test(open_fails, driver_is_ended_when_it_lacks_a_helper__aio, .timeout = 60)
{
	fail_at_thread(IOE_BACKEND_AIO, IOE_THREADING_INLINE, 3);
}
