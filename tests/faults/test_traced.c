/* SPDX-License-Identifier: MIT
 * test_traced.c - system calls made to fail by strace, beyond those of test_refusals.c: writes,
 *                 syncs, merged reads, and all of futex, by a filter too (PITFALLS P14 P17 P34). */
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a probe is told, and what it tells. */
struct probe {
	struct rig_row row;
	uint64_t *retried; /* shared with the test */
};

static struct ioe_config config_of(const struct rig *rig, uint32_t n_helpers)
{
	struct ioe_config config = rig_config(rig);

	config.depth_max = 8;
	config.n_helpers = n_helpers;
	return config;
}

/* Run the probe with calls failing so; at least injected_min must have failed. */
static void inject(const struct rig_row *row, void (*run)(void *arg), const char *calls,
		   const char *injection, uint32_t injected_min, struct trace *ret_trace)
{
	struct probe probe = { *row, trace_shared(sizeof(*probe.retried)) };

	trace_inject(ret_trace, calls, injection, run, &probe);
	/* Otherwise nothing has been tested. */
	check_op(trace_count_injected(ret_trace, NULL), >=, injected_min);
}

/* ---- Writes and syncs -------------------------------------------------------------------- */

enum { WRITES = 100, EACH = 4096 };

/* Writes, each its own request, barrier syncs between them: all must end well, and in the file. */
static void run_writes(void *arg)
{
	const struct probe *probe = arg;
	struct rig rig;
	struct ioe_config config;
	struct job *jobs;
	uint8_t *buffer;
	int fd;

	rig_init(&rig, &probe->row);
	config = config_of(&rig, 4);
	jobs = rig_jobs(&rig, WRITES);
	buffer = rig_buffer(&rig, WRITES * EACH);
	fd = rig_file(&rig, 0);
	pattern_fill(buffer, WRITES * EACH, 0, RIG_SEED);
	rig_open(&rig, &config);
	for (uint32_t i = 0; i < WRITES; i++) {
		if (i % 10 == 9) {
			ioe_prep_fsync(&jobs[i].event, fd);
			jobs[i].event.flags = IOE_EVENT_BARRIER;
		} else {
			ioe_prep_write(&jobs[i].event, fd, buffer + i * EACH, EACH, i * EACH);
			jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		}
		rig_submit(&rig, &jobs[i]);
	}
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < WRITES; i++) {
		must(jobs[i].calls == 1, "event %u: %u callbacks", i, jobs[i].calls);
		must(jobs[i].result == (i % 10 == 9 ? 0 : EACH), "event %u: %lld", i,
		     (long long)jobs[i].result);
		must(i % 10 == 9 || file_differs(fd, i * EACH, EACH, RIG_SEED) < 0,
		     "bytes of write %u", i);
	}
	*probe->retried = rig_stats(&rig).retried;
	rig_deinit(&rig);
}

#define WRITE_TESTS(name, calls, injection)                                              \
	WRITE_TEST_(name, threads_pool, IOE_BACKEND_THREADS, POOL, calls, injection)     \
	WRITE_TEST_(name, threads_inline, IOE_BACKEND_THREADS, INLINE, calls, injection) \
	WRITE_TEST_(name, threads_none, IOE_BACKEND_THREADS, NONE, calls, injection)     \
	WRITE_TEST_(name, aio_pool, IOE_BACKEND_AIO, POOL, calls, injection)             \
	WRITE_TEST_(name, aio_inline, IOE_BACKEND_AIO, INLINE, calls, injection)         \
	WRITE_TEST_(name, aio_none, IOE_BACKEND_AIO, NONE, calls, injection)
#define WRITE_TEST_(name, where, backend, threading, calls, injection)                     \
	Test(traced, name##__##where, .timeout = 60)                                       \
	{                                                                                  \
		const struct rig_row row = { "traced", backend, IOE_THREADING_##threading, \
					     PLACE_DISK };                                 \
		struct trace trace;                                                        \
                                                                                           \
		inject(&row, run_writes, calls, injection, 10, &trace);                    \
		trace_close(&trace);                                                       \
	}

/* Buffered writes: on aio, too, helpers do them. Strace counts for each thread. */
WRITE_TESTS(p17_eintr_of_a_write, "pwritev2", "error=EINTR:when=1+2")
WRITE_TESTS(p14_eagain_of_a_write, "pwritev2", "error=EAGAIN:when=1+2")

/* Linux AIO and io_uring do these themselves. The first calls of each helper: */
static void sync_interrupted(uint32_t threading)
{
	const struct rig_row row = { "traced", IOE_BACKEND_THREADS, threading, PLACE_DISK };
	struct trace trace;

	inject(&row, run_writes, "fsync", "error=EINTR:when=1+2", 1, &trace);
	/* Not one is run again that has not been interrupted. */
	check_eq(trace_count(&trace, "fsync"), WRITES / 10 + trace_count_injected(&trace, NULL));
	trace_close(&trace);
}

Test(traced, p34_eintr_of_a_sync__threads_pool, .timeout = 60)
{
	sync_interrupted(IOE_THREADING_POOL);
}

Test(traced, p34_eintr_of_a_sync__threads_inline, .timeout = 60)
{
	sync_interrupted(IOE_THREADING_INLINE);
}

Test(traced, p34_eintr_of_a_sync__threads_none, .timeout = 60)
{
	sync_interrupted(IOE_THREADING_NONE);
}

/* ---- Reads ------------------------------------------------------------------------------- */

/* One helper, so that the n-th call is the n-th of all. The first is of the whole batch. */
static void run_merged_reads(void *arg)
{
	enum { N = 8 };
	const struct probe *probe = arg;
	struct rig rig;
	struct ioe_config config;
	struct job *jobs;
	uint8_t *buffer;
	int fd;

	rig_init(&rig, &probe->row);
	config = config_of(&rig, 1);
	jobs = rig_jobs(&rig, N);
	buffer = rig_buffer(&rig, N * EACH);
	fd = rig_file(&rig, N * EACH);
	rig_open(&rig, &config);
	for (uint32_t i = 0; i < N; i++)
		ioe_prep_read(&jobs[i].event, fd, buffer + i * EACH, EACH, i * EACH);
	must(rig_batch(&rig, jobs, N, false) == N, "batch");
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < N; i++)
		must(jobs[i].result == EACH, "read %u: %lld", i, (long long)jobs[i].result);
	must(pattern_differs(buffer, N * EACH, 0, RIG_SEED) < 0, "bytes");
	must(rig_stats(&rig).split == 1, "%llu splits", (unsigned long long)rig_stats(&rig).split);
	rig_deinit(&rig);
}

static void fail_merged(uint32_t threading, const char *injection)
{
	const struct rig_row row = { "traced", IOE_BACKEND_THREADS, threading, PLACE_DISK };
	struct trace trace;

	inject(&row, run_merged_reads, "preadv2", injection, 1, &trace);
	/* All as one, then each alone. */
	check_eq(trace_count(&trace, "preadv2"), 1 + 8);
	check_eq(trace_count_injected(&trace, NULL), 1);
	trace_close(&trace);
}

Test(traced, eio_of_a_merged_read_is_no_events__threads_inline, .timeout = 60)
{
	fail_merged(IOE_THREADING_INLINE, "error=EIO:when=1");
}

Test(traced, eio_of_a_merged_read_is_no_events__threads_none, .timeout = 60)
{
	fail_merged(IOE_THREADING_NONE, "error=EIO:when=1");
}

Test(traced, p14_eagain_of_a_merged_read_is_no_events__threads_none, .timeout = 60)
{
	fail_merged(IOE_THREADING_NONE, "error=EAGAIN:when=1");
}

/* ---- Futex ------------------------------------------------------------------------------- */

enum { READS = 20 };

static uint32_t n_called;

static void count_call(struct ioe_event *event)
{
	__atomic_add_fetch(&n_called, event->result == EACH, __ATOMIC_RELAXED);
}

/* Half of the events have callbacks, the others are waited for. A small channel, so that submitters
 * sleep, too. No locks of the C library, which aborts when a wake of its own fails. */
static void read_without_locks(struct rig *rig)
{
	static struct ioe_event events[READS];
	struct ioe_config config = config_of(rig, 2);
	uint8_t *buffer = rig_buffer(rig, READS * EACH);
	const int fd = rig_file(rig, READS * EACH);

	config.channel_capacity = READS / 4;
	rig_open(rig, &config);
	for (uint32_t i = 0; i < READS; i++) {
		ioe_prep_read(&events[i], fd, buffer + i * EACH, EACH, i * EACH);
		events[i].flags = IOE_EVENT_NO_MERGE;
		events[i].callback = i % 2 == 0 ? count_call : NULL;
		must(ioe_submit(rig->engine, &events[i]) == 0, "submit");
	}
	must(ioe_wait(rig->engine, &events[READS - 1]) == EACH, "the last read");
	must(ioe_engine_drain(rig->engine) == 0, "drain");
	for (uint32_t i = 1; i < READS - 1; i += 2)
		must(ioe_wait(rig->engine, &events[i]) == EACH, "read %u", i);
	must(n_called == READS / 2, "%u callbacks", n_called);
	must(pattern_differs(buffer, READS * EACH, 0, RIG_SEED) < 0, "bytes");
	rig_close(rig, IOE_CLOSE_DRAIN);
}

static void run_without_locks(void *arg)
{
	const struct probe *probe = arg;
	struct rig rig;

	rig_init(&rig, &probe->row);
	read_without_locks(&rig);
	rig_deinit(&rig);
}

/* A call that fails wakes nobody, which no kernel does to a waker: so all of them fail, and nobody
 * sleeps. What the engine believes must be what it has seen, not that it was woken for it. */
static void without_futex(uint32_t backend)
{
	const struct rig_row row = { "traced", backend, IOE_THREADING_INLINE, PLACE_DISK };
	struct trace trace;

	inject(&row, run_without_locks, "futex", "error=EINTR", 10, &trace);
	check_eq(trace_count_injected(&trace, NULL), trace_count(&trace, "futex"));
	trace_close(&trace);
}

Test(traced, p17_eintr_of_every_futex__uring_inline, .timeout = 60)
{
	without_futex(IOE_BACKEND_URING);
}

Test(traced, p17_eintr_of_every_futex__aio_inline, .timeout = 60)
{
	without_futex(IOE_BACKEND_AIO);
}

Test(traced, p17_eintr_of_every_futex__threads_inline, .timeout = 60)
{
	without_futex(IOE_BACKEND_THREADS);
}

/* The waits only, by a filter, which knows them from the wakes: from here on no thread of this
 * process sleeps on a futex. */
static void forbid_futex_waits(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 4),
		/* The lower half: x86-64 and aarch64 are little-endian. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK & 0x7f),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	const struct timespec at_once = { 0, 0 };
	uint32_t word = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		cr_skip_test("no seccomp here: %s", strerror(errno));
	/* Otherwise nothing is tested: it would time out. */
	check_eq(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &at_once, NULL, 0), -1);
	check_eq(errno, error);
}

MATRIX_TEST(traced, p17_eintr_of_every_futex_wait)
{
	forbid_futex_waits(EINTR);
	read_without_locks(rig);
}

MATRIX_TEST(traced, p17_eagain_of_every_futex_wait)
{
	forbid_futex_waits(EAGAIN);
	read_without_locks(rig);
}
