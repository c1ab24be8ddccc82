/* SPDX-License-Identifier: MIT
 * stress_open.c - an open that fails in the middle: each call that it makes and that can fail -
 *                 for memory, a thread, an eventfd, a ring, a context - fails in turn, alone or
 *                 with all that follow. Either the engine is open and works, or nothing is left.
 *
 * The linker puts the functions below before the real ones (--wrap, in the Makefile), for the calls
 * of the engine and of the tests.
 *
 * Invariants: calls fail between arm() and disarm() only; there is one open at a time.
 * Threads:    main arms; calls come from it and from the drivers that it waits for.
 * Ownership:  none. */
#include "tests/lib/fail.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"
#include "tests/lib/stress.h"

#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call { MEMORY, THREAD, EVENTFD, RING, RING_PROBE, RING_ENTER, RING_NICETY, CONTEXT, AIO_CALL };

/* What each says when it fails; and whether an open by name may go on without. */
static const struct {
	const char *name;
	int error;
	bool is_forgiven;
} calls[] = {
	[MEMORY] = { "memory", ENOMEM, false },
	[THREAD] = { "a thread", EAGAIN, false },
	[EVENTFD] = { "an eventfd", EMFILE, false },
	[RING] = { "a ring", ENOMEM, true }, /* a smaller one, then */
	[RING_PROBE] = { "the probe of opcodes", ENOSYS, false },
	[RING_ENTER] = { "the first enter", EPERM, false },
	[RING_NICETY] = { "a nicety of the ring", EINVAL, true },
	[CONTEXT] = { "a context", EAGAIN, true }, /* as a ring */
	[AIO_CALL] = { "the first call of AIO", ENOSYS, false },
};

static bool armed, goes_on;
static bool all_forgiven;  /* of those that have failed */
static uint32_t n_to_go;   /* calls that do not fail yet */
static uint32_t n_failed;  /* calls that have */
static enum call last;     /* the one that has failed last */
static int64_t n_blocks;   /* of memory */
static int64_t n_contexts; /* of AIO */

static bool fails(enum call call)
{
	if (!__atomic_load_n(&armed, __ATOMIC_ACQUIRE))
		return false;
	if (n_to_go > 0) {
		n_to_go--;
		return false;
	}
	if (n_failed > 0 && !goes_on)
		return false;
	n_failed++;
	all_forgiven = all_forgiven && calls[call].is_forgiven;
	last = call;
	return true;
}

static void arm(uint32_t n, bool all_that_follow)
{
	n_to_go = n;
	n_failed = 0;
	all_forgiven = true;
	goes_on = all_that_follow;
	__atomic_store_n(&armed, true, __ATOMIC_RELEASE);
}

static void disarm(void)
{
	__atomic_store_n(&armed, false, __ATOMIC_RELEASE);
}

/* ---- In front of the real ones ----------------------------------------------------------- */

#define WRAP(result, name, ...)            \
	result __real_##name(__VA_ARGS__); \
	result __wrap_##name(__VA_ARGS__); \
	result __wrap_##name(__VA_ARGS__)

static void *count_block(void *memory)
{
	if (memory != NULL)
		__atomic_add_fetch(&n_blocks, 1, __ATOMIC_RELAXED);
	return memory;
}

WRAP(void *, malloc, size_t size)
{
	return fails(MEMORY) ? NULL : count_block(__real_malloc(size));
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return fails(MEMORY) ? NULL : count_block(__real_calloc(n, size));
}

WRAP(void *, aligned_alloc, size_t alignment, size_t size)
{
	return fails(MEMORY) ? NULL : count_block(__real_aligned_alloc(alignment, size));
}

WRAP(void, free, void *memory)
{
	if (memory != NULL)
		__atomic_sub_fetch(&n_blocks, 1, __ATOMIC_RELAXED);
	__real_free(memory);
}

WRAP(int, pthread_create, pthread_t *ret_thread, const pthread_attr_t *attr,
     void *(*thread_main)(void *), void *arg)
{
	return fails(THREAD) ? EAGAIN : __real_pthread_create(ret_thread, attr, thread_main, arg);
}

WRAP(int, eventfd, unsigned int count, int flags)
{
	if (fails(EVENTFD)) {
		errno = EMFILE;
		return -1;
	}
	return __real_eventfd(count, flags);
}

WRAP(int, io_uring_queue_init_params, unsigned int n, struct io_uring *ring,
     struct io_uring_params *params)
{
	return fails(RING) ? -ENOMEM : __real_io_uring_queue_init_params(n, ring, params);
}

/* Of a ring that is only tried. */
WRAP(int, io_uring_queue_init, unsigned int n, struct io_uring *ring, unsigned int flags)
{
	return fails(RING_ENTER) ? -EPERM : __real_io_uring_queue_init(n, ring, flags);
}

/* The enter that follows this on a thread is the one of open; others are those of a driver that
 * has begun to run. */
static __thread bool enters_first;

WRAP(struct io_uring_probe *, io_uring_get_probe_ring, struct io_uring *ring)
{
	enters_first = true;
	return fails(RING_PROBE) ? NULL : __real_io_uring_get_probe_ring(ring);
}

WRAP(int, io_uring_submit_and_wait, struct io_uring *ring, unsigned int n)
{
	const bool is_opens = enters_first;

	enters_first = false;
	return is_opens && fails(RING_ENTER) ? -EPERM : __real_io_uring_submit_and_wait(ring, n);
}

WRAP(int, io_uring_register_iowq_max_workers, struct io_uring *ring, unsigned int *values)
{
	return fails(RING_NICETY) ? -EINVAL :
				    __real_io_uring_register_iowq_max_workers(ring, values);
}

WRAP(int, io_uring_register_ring_fd, struct io_uring *ring)
{
	return fails(RING_NICETY) ? -EINVAL : __real_io_uring_register_ring_fd(ring);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
/* Hands on six arguments, as libc's does, however many have been given. */
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
	long a[6], ret;
	va_list args;

	va_start(args, number);
	for (uint32_t i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if ((number == SYS_io_setup && fails(CONTEXT)) ||
	    ((number == SYS_io_submit || number == SYS_io_getevents) && fails(AIO_CALL))) {
		errno = calls[last].error;
		return -1;
	}
	ret = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_io_setup && ret == 0)
		__atomic_add_fetch(&n_contexts, 1, __ATOMIC_RELAXED);
	if (number == SYS_io_destroy && ret == 0)
		__atomic_sub_fetch(&n_contexts, 1, __ATOMIC_RELAXED);
	return ret;
}

/* ---- Opening ----------------------------------------------------------------------------- */

/* What there is of everything that an open takes; and was before the first. */
static struct state {
	int64_t n_blocks, n_contexts;
	uint32_t n_fds, n_threads;
} before;

static struct state look(void)
{
	return (struct state){ .n_blocks = __atomic_load_n(&n_blocks, __ATOMIC_RELAXED),
			       .n_contexts = __atomic_load_n(&n_contexts, __ATOMIC_RELAXED),
			       .n_fds = process_n_fds(),
			       .n_threads = process_n_threads() };
}

static void check_left(uint32_t nth)
{
	const bool threads_gone = process_wait_threads(before.n_threads);
	const struct state after = look();

	must(after.n_blocks == before.n_blocks, "call %u, %s: %lld blocks left", nth,
	     calls[last].name, (long long)(after.n_blocks - before.n_blocks));
	must(after.n_contexts == before.n_contexts, "call %u, %s: contexts left", nth,
	     calls[last].name);
	must(after.n_fds == before.n_fds, "call %u, %s: %u fds, not %u", nth, calls[last].name,
	     after.n_fds, before.n_fds);
	must(threads_gone, "call %u, %s: threads left", nth, calls[last].name);
}

/* What has opened in spite of it must be whole. */
static void use(struct ioe_engine *engine, int fd)
{
	struct ioe_event event;
	char bytes[512];
	int ret;

	ioe_prep_read(&event, fd, bytes, sizeof(bytes), 0);
	ret = ioe_submit(engine, &event);
	must(ret == 0, "submit: %d, %s", ret, ioe_engine_reason(engine));
	must(ioe_wait(engine, &event) == sizeof(bytes), "read: %lld", (long long)event.result);
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
}

/* Open with the n-th call failing, and if asked for those behind it; false if there are not so
 * many. */
static bool open_failing(const struct ioe_config *config, int fd, uint32_t n, bool all_that_follow)
{
	struct ioe_engine *const none = (struct ioe_engine *)(uintptr_t)config;
	struct ioe_engine *engine = none;
	bool has_less = false; /* several drivers: all have a lesser depth then, and it says so */
	int ret;

	arm(n, all_that_follow);
	ret = ioe_engine_open(config, &engine);
	disarm();
	must(ret == 0 || engine == none, "an engine after %d", ret);
	if (ret == 0) {
		has_less = config->n_drivers > 1 &&
			   strstr(ioe_engine_reason(engine), "for want of memory") != NULL;
		use(engine, fd);
	}
	if (n_failed == 0)
		must(ret == 0, "nothing has failed: open says %d", ret);
	else if (config->backend != IOE_BACKEND_AUTO)
		must(ret == 0 ? all_forgiven || has_less : ret == -calls[last].error,
		     "call %u, %s: open says %d", n, calls[last].name, ret);
	if (n_failed == 1 && all_forgiven)
		must(ret == 0, "call %u, %s: open says %d", n, calls[last].name, ret);
	check_left(n);
	return n_failed > 0;
}

static void run(const struct ioe_config *config, int fd)
{
	uint64_t n_all = 0;

	for (uint32_t follow = 0; follow < 2; follow++) {
		uint32_t n = 0;

		while (open_failing(config, fd, n, follow != 0))
			n++;
		n_all += n;
	}
	stress_done(n_all, "failed calls");
}

static void run_workers(void)
{
	struct ioe_workers *workers;
	uint32_t n = 0;

	for (;; n++) {
		int ret;

		arm(n, false);
		ret = ioe_workers_open(4, &workers);
		disarm();
		if (n_failed == 0)
			break;
		must(ret == -calls[last].error, "call %u, %s: %d", n, calls[last].name, ret);
		check_left(n);
	}
	must(ioe_workers_close(workers) == 0, "close");
	check_left(n);
	stress_done(n, "failed calls");
}

int main(int argc, char **argv)
{
	struct ioe_engine *engine;
	int fd;

	stress_begin(argc, argv);
	fd = place_file(PLACE_SHM, 4096, 1, 0);
	before = look();
	for (uint32_t backend = IOE_BACKEND_AUTO; backend <= IOE_BACKEND_THREADS; backend++) {
		for (uint32_t threading = 0; threading < 3; threading++) {
			const bool none = threading == IOE_THREADING_NONE;
			struct ioe_config config = { .size = sizeof(config),
						     .backend = backend,
						     .threading = threading,
						     .n_drivers = none ? 1 : 2,
						     .n_helpers = 4 };

			if (!stress_scenario("%s %s", stress_backends[backend],
					     stress_threadings[threading]))
				continue;
			stress_patience(60);
			if (!stress_open(&config, &engine))
				continue;
			use(engine, fd);
			run(&config, fd);
		}
	}
	if (stress_scenario("a pool of workers"))
		run_workers();
	close(fd);
	return stress_end();
}
