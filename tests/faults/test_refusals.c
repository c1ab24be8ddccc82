/* SPDX-License-Identifier: MIT
 * test_refusals.c - PITFALLS P2 P8 P14 P17 P19: what the kernel or the engine refuses, and
 *                   interruptions. */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"
#include "tests/lib/trace.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- P2 ---------------------------------------------------------------------------------- */

MATRIX_TEST(faults, p02_bad_fd_has_its_one_callback)
{
	static uint8_t buffer[4096];
	static const struct iovec iov[1] = { { buffer, 4096 } };
	const int fd = 1 << 20;
	struct job *jobs = rig_jobs(rig, 7);
	struct ioe_event silent;

	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, buffer, 4096, 0);
	ioe_prep_write(&jobs[1].event, fd, buffer, 4096, 0);
	ioe_prep_readv(&jobs[2].event, fd, iov, 1, 0);
	ioe_prep_writev(&jobs[3].event, fd, iov, 1, 0);
	ioe_prep_fsync(&jobs[4].event, fd);
	ioe_prep_fdatasync(&jobs[5].event, fd);
	ioe_prep_fallocate(&jobs[6].event, fd, 0, 0, 4096);
	for (uint32_t i = 0; i < 7; i++)
		rig_submit(rig, &jobs[i]);
	ioe_prep_read(&silent, fd, buffer, 4096, 0);
	check_eq(ioe_submit(rig->engine, &silent), 0);
	check_eq(ioe_engine_drain(rig->engine), 0);
	for (uint32_t i = 0; i < 7; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, -EBADF);
		check_eq(jobs[i].done, 0);
	}
	check_eq(ioe_wait(rig->engine, &silent), -EBADF);
}

/* ---- P8 ---------------------------------------------------------------------------------- */

struct vandal {
	struct rig *rig;
	uint32_t accepted;
	struct actor actor;
};

static void submit_nonsense(void *arg)
{
	struct vandal *vandal = arg;
	struct ioe_event event;

	for (uint32_t i = 0; i < 300; i++) {
		ioe_prep_read(&event, (int)i - 300, NULL, i, i);
		event.op = (uint8_t)i;
		event.flags = i << 3;
		vandal->accepted += ioe_submit(vandal->rig->engine, &event) != -EINVAL;
		memset(&event, (int)i, sizeof(event));
		event.op = IOE_OP_END;
		vandal->accepted += ioe_try_submit(vandal->rig->engine, &event) == 0;
	}
}

MATRIX_TEST(faults, p08_malformed_events_kill_no_driver)
{
	enum { N = 300 };
	struct vandal vandals[2];
	struct job *jobs = rig_jobs(rig, N);

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		vandals[i] = (struct vandal){ .rig = rig };
		actor_start(&vandals[i].actor, submit_nonsense, &vandals[i]);
	}
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_nop(&jobs[i].event);
		rig_submit(rig, &jobs[i]);
	}
	for (uint32_t i = 0; i < 2; i++) {
		actor_join(&vandals[i].actor);
		check_eq(vandals[i].accepted, 0);
	}
	rig_wait_all(rig);
	check_eq(rig_stats(rig).events_accepted, N);
}

/* ---- P14, P17: system calls made to fail by strace --------------------------------------- */

struct load {
	struct rig_row row;
	uint64_t *cpu_ns; /* shared with the test */
};

enum { LOAD_EVENTS = 300 };

/* Reads, a few at a time and each its own request, and a pipe to wait on; all must end well. */
static void run_load(void *arg)
{
	const struct load *load = arg;
	struct rig rig;
	struct job *jobs, *hanging;
	struct ioe_config config;
	char byte;
	int fds[2], fd;

	rig_init(&rig, &load->row);
	config = rig_config(&rig);
	config.depth_max = 8;
	jobs = rig_jobs(&rig, LOAD_EVENTS);
	hanging = rig_jobs(&rig, 1);
	fd = rig_file(&rig, LOAD_EVENTS * 4096);
	rig_pipe(&rig, fds);
	rig_open(&rig, &config);
	ioe_prep_read(&hanging->event, fds[0], &byte, 1, 0);
	rig_submit(&rig, hanging);
	for (uint32_t i = 0; i < LOAD_EVENTS; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(&rig, 4096), 4096, i * 4096);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		rig_submit(&rig, &jobs[i]);
		if (i % 10 == 9)
			rig_wait(&rig, &jobs[i]);
	}
	rig_wait_count(&rig, LOAD_EVENTS);
	must(write(fds[1], "x", 1) == 1, "write");
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < LOAD_EVENTS; i++) {
		must(jobs[i].result == 4096, "read %u: %lld", i, (long long)jobs[i].result);
		must(jobs[i].calls == 1, "read %u: %u callbacks", i, jobs[i].calls);
		must(pattern_differs(jobs[i].event.buffer, 4096, i * 4096, RIG_SEED) < 0,
		     "bytes of read %u", i);
	}
	must(hanging->result == 1, "the pipe: %lld", (long long)hanging->result);
	rig_deinit(&rig);
	*load->cpu_ns = process_cpu_ns();
}

/* Run the load with a system call failing; the calls of that name must stay bounded. */
static void inject(uint32_t backend, uint32_t threading, const char *calls, const char *name,
		   const char *injection, uint32_t injected_min)
{
	struct load load = { { "traced", backend, threading, PLACE_DISK_DIRECT }, NULL };
	struct trace trace;

	load.cpu_ns = trace_shared(sizeof(*load.cpu_ns));
	trace_inject(&trace, calls, injection, run_load, &load);
	/* Otherwise nothing has been tested. */
	check_op(trace_count_injected(&trace, NULL), >=, injected_min);
	check_op(trace_count(&trace, name), <=, 20 * LOAD_EVENTS);
	check_op(*load.cpu_ns, <=, INT64_C(10000000000));
	trace_close(&trace);
}

#define INJECT_TESTS(row, backend, calls, name, injection, injected_min)                     \
	Test(faults, row##_inline, .timeout = 120)                                           \
	{                                                                                    \
		inject(backend, IOE_THREADING_INLINE, calls, name, injection, injected_min); \
	}                                                                                    \
	Test(faults, row##_none, .timeout = 120)                                             \
	{                                                                                    \
		inject(backend, IOE_THREADING_NONE, calls, name, injection, injected_min);   \
	}

INJECT_TESTS(p14_uring_ebusy, IOE_BACKEND_URING, "io_uring_enter", "io_uring_enter",
	     "error=EBUSY:when=3+3", 20)
/* A refused call is followed by one that only looks: every second would be every one. */
INJECT_TESTS(p14_uring_eagain, IOE_BACKEND_URING, "io_uring_enter", "io_uring_enter",
	     "error=EAGAIN:when=2+3", 20)
INJECT_TESTS(p14_uring_ebusy_for_long, IOE_BACKEND_URING, "io_uring_enter", "io_uring_enter",
	     "error=EBUSY:when=20..120", 100)
INJECT_TESTS(p14_aio_eagain, IOE_BACKEND_AIO, "io_submit", "io_submit", "error=EAGAIN:when=3+3", 20)
INJECT_TESTS(p14_aio_eagain_for_long, IOE_BACKEND_AIO, "io_submit", "io_submit",
	     "error=EAGAIN:when=20..120", 100)
INJECT_TESTS(p17_aio_submit_eintr, IOE_BACKEND_AIO, "io_submit", "io_submit",
	     "error=EINTR:when=2+2", 20)
INJECT_TESTS(p17_uring_eintr, IOE_BACKEND_URING, "io_uring_enter", "io_uring_enter",
	     "error=EINTR:when=2+2", 20)
/* How often a driver sleeps is up to the machine; at open, and for the pipe, it does. */
INJECT_TESTS(p17_aio_eintr, IOE_BACKEND_AIO, "io_getevents,io_pgetevents", "io_getevents",
	     "error=EINTR:when=1+2", 2)
/* Strace counts for each thread, and a pipe takes two calls to be read: every third then. */
INJECT_TESTS(p14_threads_eagain, IOE_BACKEND_THREADS, "preadv2,preadv,pread64", "preadv2",
	     "error=EAGAIN:when=2+3", 20)
INJECT_TESTS(p17_threads_eintr, IOE_BACKEND_THREADS, "preadv2,preadv,pread64", "preadv2",
	     "error=EINTR:when=2+3", 20)

/* ---- P17: signals ------------------------------------------------------------------------ */

static int n_signals;

static void on_alarm(int number)
{
	(void)number;
	__atomic_add_fetch(&n_signals, 1, __ATOMIC_RELAXED);
}

static void storm(bool on)
{
	struct itimerval every = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = on_alarm };

	if (on)
		every.it_interval.tv_usec = every.it_value.tv_usec = 1000;
	check_sys(sigaction(SIGALRM, &action, NULL));
	check_sys(setitimer(ITIMER_REAL, &every, NULL));
}

static void write_after_signals(void *arg)
{
	const int *fds = arg;
	const int seen = __atomic_load_n(&n_signals, __ATOMIC_RELAXED);
	const struct timespec brief = { 0, 100000 };
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	/* The owner sleeps in the kernel meanwhile and is interrupted. */
	while (__atomic_load_n(&n_signals, __ATOMIC_RELAXED) < seen + 20)
		nanosleep(&brief, NULL);
	(void)!write(fds[1], "x", 1);
}

MATRIX_TEST(faults, p17_signals_under_load_do_no_harm)
{
	enum { N = 2000, AT_ONCE = 16 };
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, 256 * 4096, RIG_SEED, 0));
	uint8_t *buffer = rig_buffer(rig, AT_ONCE * 4096);
	struct job *jobs = rig_jobs(rig, AT_ONCE), *hanging = rig_jobs(rig, 1);
	struct actor actor;
	char byte;
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	storm(true);
	for (uint32_t i = 0; i < N; i += AT_ONCE) {
		for (uint32_t k = 0; k < AT_ONCE; k++) {
			ioe_prep_read(&jobs[k].event, fd, buffer + k * 4096, 4096,
				      (i + k) * 7 % 256 * 4096);
			rig_submit(rig, &jobs[k]);
		}
		rig_wait_all(rig);
		for (uint32_t k = 0; k < AT_ONCE; k++)
			check_eq(jobs[k].result, 4096);
	}
	ioe_prep_read(&hanging->event, fds[0], &byte, 1, 0);
	rig_submit(rig, hanging);
	actor_start(&actor, write_after_signals, fds);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(hanging->result, 1);
	storm(false);
	actor_join(&actor);
	check_op(n_signals, >=, 20);
	check_eq(rig_stats(rig).errors, 0);
}

MATRIX_TEST(faults, p17_signals_do_not_make_open_and_close_fail)
{
	enum { ROUNDS = 20 };
	struct job *job = rig_jobs(rig, 1);
	/* The kernel begins clone() anew for each signal: if one comes more often than the handler
	 * of a sanitizer and clone() take together, no thread is ever started. */
	const suseconds_t every_us = CHECK_SANITIZED ? 500 : 50;
	struct itimerval every = { { 0, every_us }, { 0, every_us } };

	storm(true);
	check_sys(setitimer(ITIMER_REAL, &every, NULL));
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct ioe_config config = rig_config(rig);

		config.depth_max = 4;
		rig_open(rig, &config);
		ioe_prep_nop(&job->event);
		check_eq(rig_do(rig, job), 0);
		rig_close(rig, IOE_CLOSE_DRAIN);
	}
	storm(false);
	check_op(n_signals, >, 0);
}

/* ---- P19 --------------------------------------------------------------------------------- */

MATRIX_TEST(faults, p19_bad_fd_at_each_index_of_a_batch_fails_alone)
{
	enum { N = 8 };
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, N * 4096, RIG_SEED, 0));
	uint8_t *buffer = rig_buffer(rig, N * 4096);
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_config config = rig_config(rig);

	/* As many slots as events: one that leaks is missed. */
	config.depth_max = N;
	rig_open(rig, &config);
	for (uint32_t round = 0; round < 2 * N; round++) {
		/* Every other round all are good. */
		const uint32_t bad = round % 2 == 0 ? round / 2 : N;

		memset(buffer, 0, N * 4096);
		for (uint32_t i = 0; i < N; i++) {
			ioe_prep_read(&jobs[i].event, i == bad ? 1 << 20 : fd, buffer + i * 4096,
				      4096, i * 4096);
			jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		}
		check_eq(rig_batch(rig, jobs, N, false), N);
		rig_wait_all(rig);
		for (uint32_t i = 0; i < N; i++) {
			check_eq(jobs[i].calls, round + 1);
			check_eq(jobs[i].result, i == bad ? -EBADF : 4096);
			if (i != bad)
				check_eq(pattern_differs(buffer + i * 4096, 4096, i * 4096,
							 RIG_SEED),
					 -1);
		}
	}
	check_eq(rig_stats(rig).in_flight, 0);
}

/* Several kinds of refusal in one batch: by io_submit, by the file, by the engine's own checks. */
MATRIX_TEST(faults, p19_batch_of_good_and_bad_ends_each_with_its_own_result)
{
	enum { N = 64 };
	const int fd = rig_file(rig, N * 4096);
	const int read_only = rig_keep_fd(rig, file_reopen(fd, O_RDONLY));
	struct job *jobs = rig_jobs(rig, N);
	struct ioe_config config = rig_config(rig);
	int fds[2];

	rig_pipe(rig, fds);
	config.depth_max = 4;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		uint8_t *buffer = rig_buffer(rig, 4096);

		switch (i % 4) {
		case 0:
			ioe_prep_read(&jobs[i].event, fd, buffer, 4096, i * 4096);
			break;
		case 1:
			ioe_prep_write(&jobs[i].event, read_only, buffer, 4096, i * 4096);
			break;
		case 2:
			ioe_prep_fsync(&jobs[i].event, fds[0]);
			break;
		default:
			ioe_prep_fallocate(&jobs[i].event, fds[1], 0, 0, 4096);
		}
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		static const int64_t expected[] = { 4096, -EBADF, -EINVAL, -ESPIPE };

		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, expected[i % 4]);
	}
}
