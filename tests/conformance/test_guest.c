/* SPDX-License-Identifier: MIT
 * test_guest.c - law 12, a good guest: named threads that block signals, fds that exec() closes,
 *                signal handlers and environment left alone. */
#include "tests/lib/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

enum { THREADS_MAX = 128 };

static uint64_t bit(int signal_number)
{
	return UINT64_C(1) << (signal_number - 1);
}

static bool was_there(const struct thread_info *before, uint32_t n, pid_t tid)
{
	for (uint32_t i = 0; i < n; i++)
		if (before[i].tid == tid)
			return true;
	return false;
}

MATRIX_TEST(guest, threads_have_names_and_block_all_but_synchronous_signals)
{
	static const int unblocked[] = { SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
					 SIGTRAP, SIGABRT, SIGSYS, SIGPROF };
	struct thread_info before[THREADS_MAX], after[THREADS_MAX];
	const uint32_t n_before = process_threads(before, THREADS_MAX);
	const int fd = rig_file(rig, 1000);
	struct job *job = rig_jobs(rig, 1);
	uint64_t expected = ~UINT64_C(0), ignored;
	uint32_t n_after;

	for (uint32_t i = 0; i < sizeof(unblocked) / sizeof(unblocked[0]); i++)
		expected &= ~bit(unblocked[i]);
	/* Nobody can block these two, and libc keeps those below SIGRTMIN for itself. */
	ignored = bit(SIGKILL) | bit(SIGSTOP);
	for (int i = 32; i < SIGRTMIN; i++)
		ignored |= bit(i);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fd, rig_buffer(rig, 1000), 1000, 0);
	check_eq(rig_do(rig, job), 1000);
	n_after = process_threads(after, THREADS_MAX);
	check_op(n_after, <=, THREADS_MAX);
	for (uint32_t i = 0; i < n_after; i++) {
		if (was_there(before, n_before, after[i].tid))
			continue;
		cr_assert(strncmp(after[i].name, "ioe-", 4) == 0, "thread '%s'", after[i].name);
		cr_assert((after[i].signals_blocked & ~ignored) == (expected & ~ignored),
			  "%s blocks %#llx, not %#llx", after[i].name,
			  (unsigned long long)(after[i].signals_blocked & ~ignored),
			  (unsigned long long)(expected & ~ignored));
	}
}

static uint32_t count_named(const char *name)
{
	struct thread_info threads[THREADS_MAX];
	const uint32_t n = process_threads(threads, THREADS_MAX);
	uint32_t found = 0;

	for (uint32_t i = 0; i < n && i < THREADS_MAX; i++)
		found += strcmp(threads[i].name, name) == 0;
	return found;
}

BACKEND_TEST(guest, drivers_and_workers_are_numbered)
{
	struct ioe_config config = rig_config(rig);

	if (rig->row.backend == IOE_BACKEND_URING && geteuid() != 0 && rig_locks_little())
		cr_skip_test("no memory for 12 rings");
	config.n_drivers = 12;
	config.n_workers = 4;
	config.n_helpers = 1;
	config.depth_max = 4;
	rig_open(rig, &config);
	check_eq(count_named("ioe-drv0"), 1);
	check_eq(count_named("ioe-drv9"), 1);
	check_eq(count_named("ioe-drv10"), 1);
	check_eq(count_named("ioe-drv11"), 1);
	check_eq(count_named("ioe-drv12"), 0);
	check_eq(count_named("ioe-wrk0"), 1);
	check_eq(count_named("ioe-wrk3"), 1);
	check_eq(count_named("ioe-wrk4"), 0);
}

MATRIX_TEST(guest, threads_are_as_many_as_the_config_says)
{
	struct ioe_config config = rig_config(rig);
	const uint32_t before = process_n_threads();
	uint32_t most = 0;

	config.n_helpers = 3;
	config.depth_max = 8;
	if (rig->row.threading != IOE_THREADING_NONE) {
		config.n_drivers = 2;
		most += 2;
	}
	if (rig->row.threading == IOE_THREADING_POOL) {
		config.n_workers = 5;
		most += 5;
	}
	/* Helpers: where there is a use for them. */
	most += 3 * (rig->row.threading == IOE_THREADING_NONE ? 1 : 2);
	rig_open(rig, &config);
	check_op(process_n_threads() - before, <=, most);
	check_op(process_n_threads() - before, >=,
		 rig->row.threading == IOE_THREADING_POOL   ? 7 :
		 rig->row.threading == IOE_THREADING_INLINE ? 2 :
							      0);
}

MATRIX_TEST(guest, files_are_closed_on_exec)
{
	struct job *job = rig_jobs(rig, 1);
	bool open_before[1024] = { false };
	DIR *dir;

	for (int fd = 0; fd < 1024; fd++)
		open_before[fd] = fcntl(fd, F_GETFD) >= 0;
	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	check_eq(rig_do(rig, job), 0);
	dir = opendir("/proc/self/fd");
	cr_assert_not_null(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		const int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd >= 1024 || open_before[fd] || fd == dirfd(dir))
			continue;
		cr_assert((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "fd %d", fd);
	}
	closedir(dir);
}

MATRIX_TEST(guest, signal_handlers_and_the_callers_mask_stay_as_they_were)
{
	struct sigaction before[65], after;
	sigset_t mask_before, mask_after;
	struct job *job = rig_jobs(rig, 1);

	for (int i = 1; i < 65; i++)
		(void)sigaction(i, NULL, &before[i]);
	check_sys(sigprocmask(SIG_SETMASK, NULL, &mask_before));
	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	check_eq(rig_do(rig, job), 0);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_sys(sigprocmask(SIG_SETMASK, NULL, &mask_after));
	check_eq(memcmp(&mask_before, &mask_after, 8), 0);
	for (int i = 1; i < 65; i++)
		if (sigaction(i, NULL, &after) == 0)
			cr_assert(after.sa_handler == before[i].sa_handler, "signal %d", i);
}

static void note_tid(struct job *job)
{
	*(pid_t *)job->data = gettid();
}

MATRIX_TEST(guest, callbacks_run_where_the_config_says)
{
	struct thread_info threads[THREADS_MAX];
	struct job *job = rig_jobs(rig, 1);
	const char *expected = "";
	pid_t tid = 0;
	uint32_t n;

	rig_open(rig, NULL);
	ioe_prep_nop(&job->event);
	job->then = note_tid;
	job->data = &tid;
	rig_submit(rig, job);
	check_eq(ioe_engine_drain(rig->engine), 0);
	n = process_threads(threads, THREADS_MAX);
	for (uint32_t i = 0; i < n && i < THREADS_MAX; i++)
		if (threads[i].tid == tid)
			expected = threads[i].name;
	if (rig->row.threading == IOE_THREADING_NONE)
		check_eq(tid, gettid());
	else
		cr_assert(strncmp(expected,
				  rig->row.threading == IOE_THREADING_POOL ? "ioe-wrk" : "ioe-drv",
				  7) == 0,
			  "callback on '%s'", expected);
}
