/* SPDX-License-Identifier: MIT
 * stress_cycles.c - P21: a thousand times open, each operation, close at depth 1, on each backend
 *                   and in each threading mode: threads, fds, aio-nr and memory come back to where
 *                   they were. The modes of a backend run side by side, in processes of their own:
 *                   io_destroy() makes its caller wait for some 25 ms. */
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"
#include "tests/lib/stress.h"

#include <malloc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OPS = 8 };
#define MEMORY_GROWTH_MAX (UINT64_C(2) << 20)

static uint8_t buffer[4096];
static const struct iovec iov = { buffer, sizeof(buffer) };
static uint32_t n_calls, n_wrong;

static void on_end(struct ioe_event *event)
{
	const int64_t expected = event->arg != NULL ? (int64_t)sizeof(buffer) : 0;

	__atomic_add_fetch(&n_wrong, event->result != expected && event->result != -ECANCELED,
			   __ATOMIC_RELAXED);
	__atomic_add_fetch(&n_calls, 1, __ATOMIC_RELAXED);
}

static void prep(struct ioe_event *event, uint32_t op, int fd)
{
	switch (op) {
	case 0:
		ioe_prep_nop(event);
		break;
	case 1:
		ioe_prep_read(event, fd, buffer, sizeof(buffer), 0);
		break;
	case 2:
		ioe_prep_write(event, fd, buffer, sizeof(buffer), 0);
		break;
	case 3:
		ioe_prep_readv(event, fd, &iov, 1, 0);
		break;
	case 4:
		ioe_prep_writev(event, fd, &iov, 1, 0);
		break;
	case 5:
		ioe_prep_fsync(event, fd);
		break;
	case 6:
		ioe_prep_fdatasync(event, fd);
		break;
	default:
		ioe_prep_fallocate(event, fd, 0, 0, sizeof(buffer));
	}
	event->callback = on_end;
	event->arg = op >= 1 && op <= 4 ? buffer : NULL;
}

/* False if the backend is not available here. */
static bool cycle(uint32_t backend, uint32_t threading, int fd, uint64_t number)
{
	struct ioe_event events[OPS];
	const struct ioe_config config = { .size = sizeof(config),
					   .backend = backend,
					   .threading = threading,
					   .depth_max = 1,
					   .channel_capacity = 16 };
	struct ioe_engine *engine;
	const int ret = ioe_engine_open(&config, &engine);

	if (ret == -ENOSYS || ret == -EPERM || ret == -EACCES)
		return false;
	must(ret == 0, "cycle %llu: open: %s", (unsigned long long)number, strerror(-ret));
	n_calls = 0;
	for (uint32_t op = 0; op < OPS; op++) {
		prep(&events[op], op, fd);
		must(ioe_submit(engine, &events[op]) == 0, "submit");
	}
	must(ioe_engine_close(engine, number % 4 == 3 ? IOE_CLOSE_CANCEL : IOE_CLOSE_DRAIN) == 0,
	     "close");
	must(n_calls == OPS && n_wrong == 0, "cycle %llu: %u callbacks of %u, %u wrong",
	     (unsigned long long)number, n_calls, (unsigned)OPS, n_wrong);
	return true;
}

static void run_mode(uint32_t backend, uint32_t threading, uint64_t n_cycles)
{
	const int fd = place_file(PLACE_SHM, sizeof(buffer), 1, 0);
	const uint32_t n_threads = process_n_threads(), n_fds = process_n_fds();
	uint64_t memory = 0, memory_after;

	for (uint64_t i = 0; i < n_cycles; i++) {
		if (!cycle(backend, threading, fd, i))
			_exit(77);
		/* The first cycles fill the caches of the C library. */
		if (i == n_cycles / 5) {
			malloc_trim(0);
			memory = process_resident_bytes();
		}
	}
	must(process_wait_threads(n_threads), "%u threads, not %u", process_n_threads(), n_threads);
	must(process_n_fds() == n_fds, "%u fds, not %u", process_n_fds(), n_fds);
	malloc_trim(0);
	memory_after = process_resident_bytes();
	/* A sanitizer keeps what has been freed for a while. */
	must(CHECK_SANITIZED || memory_after < memory + MEMORY_GROWTH_MAX,
	     "%s %s: resident memory grew from %llu to %llu KiB", stress_backends[backend],
	     stress_threadings[threading], (unsigned long long)memory / 1024,
	     (unsigned long long)memory_after / 1024);
}

static void run_backend(uint32_t backend)
{
	const uint64_t n_cycles = stress_scaled(1000);
	const uint64_t aio_nr = system_aio_nr();
	const int64_t give_up_ns = clock_now_ns() + 60 * INT64_C(1000000000);
	const struct timespec brief = { 0, 10000000 };
	bool skipped = false;
	pid_t children[3];

	for (uint32_t threading = 0; threading < 3; threading++) {
		children[threading] = (pid_t)must_sys(fork());
		if (children[threading] == 0) {
			run_mode(backend, threading, n_cycles);
			process_exit(0);
		}
	}
	for (uint32_t threading = 0; threading < 3; threading++) {
		int status;

		must_sys(waitpid(children[threading], &status, 0));
		must(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77),
		     "%s %s: wait status %#x", stress_backends[backend],
		     stress_threadings[threading], (unsigned)status);
		skipped |= WEXITSTATUS(status) == 77;
	}
	/* Counted for the whole system: others may have some for a while. */
	while (system_aio_nr() > aio_nr && clock_now_ns() < give_up_ns)
		nanosleep(&brief, NULL);
	must(system_aio_nr() <= aio_nr, "aio-nr is %llu, was %llu",
	     (unsigned long long)system_aio_nr(), (unsigned long long)aio_nr);
	if (skipped)
		stress_skipped("the backend is not available here");
	else
		stress_done(3 * n_cycles, "cycles");
}

int main(int argc, char **argv)
{
	stress_begin(argc, argv);
	for (uint32_t backend = IOE_BACKEND_URING; backend <= IOE_BACKEND_THREADS; backend++)
		if (stress_scenario("%s, three modes side by side", stress_backends[backend]))
			run_backend(backend);
	return stress_end();
}
