/* SPDX-License-Identifier: MIT
 * test_memory.c - an engine where memory that the kernel counts is short (P28): it opens at a
 *                 smaller depth, says so and works. RLIMIT_MEMLOCK counts rings before Linux 5.12
 *                 and since 6.14: so a kernel is made to say so by seccomp and strace, and the real
 *                 limit is tried where it is one. */
#include "engine/sys.h"
#include "tests/lib/rig.h"
#include "tests/lib/trace.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH = 128, N = 300, BLOCK = 512 };

/* N single reads, more than fit into the kernel at one time. */
static void expect_it_works(struct rig *rig, int fd)
{
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)N * BLOCK);

	for (uint64_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, buffer + i * BLOCK, BLOCK, i * BLOCK);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, BLOCK);
	check_eq(pattern_differs(buffer, (uint64_t)N * BLOCK, 0, RIG_SEED), -1);
	if (rig_stats(rig).n_drivers == 1)
		check_op(rig_stats(rig).in_flight_max, <=, rig_stats(rig).depth);
}

static void expect_said(const struct rig *rig, const char *text)
{
	cr_assert_not_null(strstr(ioe_engine_reason(rig->engine), text), "reason: %s",
			   ioe_engine_reason(rig->engine));
}

/* Rings of the tests before may still have what such a user can lock. */
static void needs_memory(uint32_t backend)
{
	struct rlimit limit;

	must_sys(getrlimit(RLIMIT_MEMLOCK, &limit));
	if (backend == IOE_BACKEND_URING && geteuid() != 0 && limit.rlim_cur < 1 << 20)
		support_skip("memory is really short here");
}

/* No more than 64 entries: of a ring at depth 32 (34 are needed, a power of two is asked for), of a
 * context at depth 32 (33). */
static void kernel_allows_64(uint32_t backend)
{
	const bool uring = backend == IOE_BACKEND_URING;

	if (!process_forbid_above(uring ? ENOMEM : EAGAIN,
				  uring ? SYS_io_uring_setup : SYS_io_setup, 64))
		cr_skip_test("seccomp filters cannot be installed here");
}

KERNEL_TEST(memory, p28_opens_as_deep_as_the_kernel_allows_and_says_so)
{
	const int fd = rig_file(rig, (uint64_t)N * BLOCK);

	needs_memory(rig->row.backend);
	kernel_allows_64(rig->row.backend);
	rig_open(rig, NULL);
	check_eq(rig_stats(rig).depth, 32);
	expect_said(rig, "depth 32 instead of 128 for want of memory");
	expect_it_works(rig, fd);
}

KERNEL_TEST(memory, p28_says_nothing_of_memory_that_was_there)
{
	struct ioe_config config = rig_config(rig);

	needs_memory(rig->row.backend);
	kernel_allows_64(rig->row.backend);
	config.depth_max = 32;
	rig_open(rig, &config);
	check_eq(rig_stats(rig).depth, 32);
	cr_assert_null(strstr(ioe_engine_reason(rig->engine), "memory"), "reason: %s",
		       ioe_engine_reason(rig->engine));
}

/* ---- The real limit ---------------------------------------------------------------------- */

/* Be a user of this process's own who can lock so much; files are made before. False: we have been
 * one before, and rings of the tests before may have some of it. */
static bool be_a_stranger(uint64_t lock_bytes)
{
	const uid_t uid = PROCESS_STRANGER + (uid_t)getpid() % PROCESS_STRANGERS;
	const bool new = geteuid() == 0;

	if (rig_try_backend(IOE_BACKEND_URING) != 0)
		cr_skip_test("uring is not available here");
	if (!process_become_stranger(uid, lock_bytes))
		cr_skip_test("no other user here");
	return new;
}

#define URING_TEST(name)                                          \
	static void RIG_BODY_(memory, name)(struct rig * rig);    \
	RIG_ONE_(memory, name, uring_pool, URING, POOL, DISK)     \
	RIG_ONE_(memory, name, uring_inline, URING, INLINE, DISK) \
	RIG_ONE_(memory, name, uring_none, URING, NONE, DISK)     \
	static void RIG_BODY_(memory, name)(struct rig * rig)

URING_TEST(p28_opens_with_64_kib_of_locked_memory_and_says_so)
{
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, (uint64_t)N * BLOCK);

	(void)be_a_stranger(65536);
	config.depth_max = 4096;
	rig_open(rig, &config);
	if (rig_stats(rig).depth == 4096)
		cr_skip_test("this kernel does not count rings");
	expect_said(rig, "instead of 4096 for want of memory");
	expect_it_works(rig, fd);
}

/* The first driver may not take what the others need. */
Test(memory, p28_drivers_share_64_kib_of_locked_memory, .timeout = RIG_TIMEOUT_S)
{
	const struct rig_row row = { "uring", IOE_BACKEND_URING, IOE_THREADING_INLINE, PLACE_DISK };
	struct ioe_config config;
	struct rig rig;
	bool is_new;
	int fds[2];

	rig_init(&rig, &row);
	fds[0] = rig_file(&rig, (uint64_t)N * BLOCK);
	fds[1] = rig_file(&rig, (uint64_t)N * BLOCK);
	is_new = be_a_stranger(65536);
	config = rig_config(&rig);
	config.n_drivers = 4;
	rig_open(&rig, &config);
	check_eq(rig_stats(&rig).n_drivers, 4);
	if (rig_stats(&rig).depth == DEPTH)
		cr_skip_test("this kernel does not count rings");
	if (is_new)
		expect_said(&rig, "instead of 128 for want of memory for 4 drivers");
	/* Files with neighbouring numbers go to different drivers. */
	expect_it_works(&rig, fds[0]);
	expect_it_works(&rig, fds[1]);
	rig_deinit(&rig);
}

/* From now on there is memory for one ring, of depth 1. A file for the test. */
static int be_short_of_rings(struct rig *rig)
{
	static const struct rig_row row = { "auto", IOE_BACKEND_AUTO, IOE_THREADING_INLINE,
					    PLACE_DISK };
	int fd;

	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	rig_init(rig, &row);
	fd = rig_file(rig, (uint64_t)N * BLOCK);
	(void)be_a_stranger((uint64_t)3 * (uint64_t)sysconf(_SC_PAGESIZE));
	if (rig_try_backend(IOE_BACKEND_URING) != 0)
		cr_skip_test("a ring takes more than 3 pages here");
	return fd;
}

static void open_four_drivers(struct rig *rig)
{
	struct ioe_config config = rig_config(rig);

	config.n_drivers = 4;
	rig_open(rig, &config);
	if (strcmp(ioe_engine_backend(rig->engine), "uring") == 0)
		cr_skip_test("this kernel does not count rings");
}

/* The first opens at depth 1, the last do not: AUTO goes on, though its first choice was there. */
Test(memory, p28_auto_goes_on_where_there_is_none_for_all_drivers, .timeout = 60)
{
	struct rig rig;
	const int fd = be_short_of_rings(&rig);

	open_four_drivers(&rig);
	cr_assert_str_eq(ioe_engine_backend(rig.engine), "aio");
	cr_assert_not_null(strstr(ioe_engine_reason(rig.engine), "uring"), "reason: %s",
			   ioe_engine_reason(rig.engine));
	expect_it_works(&rig, fd);
	rig_deinit(&rig);
}

/* What the backend that it went on to had to give up is said, too. */
Test(memory, p28_auto_that_goes_on_says_what_that_gave_up, .timeout = 60)
{
	struct ioe_config config = { .size = sizeof(config),
				     .threading = IOE_THREADING_INLINE,
				     .n_drivers = 4 };
	struct ioe_stats stats = { .size = sizeof(stats) };
	struct ioe_engine *engine;

	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	kernel_allows_64(IOE_BACKEND_AIO);
	(void)be_a_stranger((uint64_t)3 * (uint64_t)sysconf(_SC_PAGESIZE));
	check_eq(ioe_engine_open(&config, &engine), 0);
	if (strcmp(ioe_engine_backend(engine), "uring") == 0)
		cr_skip_test("this kernel does not count rings");
	cr_assert_str_eq(ioe_engine_backend(engine), "aio");
	check_eq(ioe_engine_stats(engine, &stats), 0);
	check_eq(stats.depth, 32);
	cr_assert_not_null(strstr(ioe_engine_reason(engine), "uring"), "reason: %s",
			   ioe_engine_reason(engine));
	cr_assert_not_null(strstr(ioe_engine_reason(engine), "depth 32 instead of 128"),
			   "reason: %s", ioe_engine_reason(engine));
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
}

/* Threads that are short are not memory: as on the other backends, open says so. */
Test(memory, p28_no_more_threads_is_no_want_of_memory, .timeout = 60)
{
	struct ioe_config config = { .size = sizeof(config),
				     .backend = IOE_BACKEND_AIO,
				     .threading = IOE_THREADING_INLINE,
				     .n_drivers = 4 };
	/* Of the first driver, its helpers and some of the second's. */
	struct rlimit threads = { 24, 24 };
	struct ioe_engine *engine;

	if (rig_try_backend(IOE_BACKEND_AIO) != 0)
		cr_skip_test("aio is not available here");
	if (!be_a_stranger((uint64_t)1 << 20))
		cr_skip_test("we do not know what threads this user has");
	must_sys(setrlimit(RLIMIT_NPROC, &threads));
	check_eq(ioe_engine_open(&config, &engine), -EAGAIN);
	config.n_drivers = 1;
	check_eq(ioe_engine_open(&config, &engine), 0);
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
}

#ifdef IOE_TEST_SEAM
static uint32_t n_submits;

static int break_the_first(const struct ioe__backend *backend, uint32_t n)
{
	(void)backend;
	return __atomic_fetch_add(&n_submits, 1, __ATOMIC_RELAXED) == 0 ? -EIO : (int)n;
}

/* The ring of the first driver breaks while the second waits for memory: it is closed with it. */
Test(memory, p28_ring_that_was_given_up_does_not_break_the_engine, .timeout = 60)
{
	struct rig rig;
	const int fd = be_short_of_rings(&rig);

	ioe__seam.on_submit = break_the_first;
	open_four_drivers(&rig);
	check_op(n_submits, >, 0);
	expect_it_works(&rig, fd);
	rig_deinit(&rig);
}
#endif

/* ---- By strace --------------------------------------------------------------------------- */

static void open_at_full_depth(void *arg)
{
	const struct rig_row *row = arg;
	struct rig rig;

	needs_memory(row->backend);
	rig_init(&rig, row);
	rig_open(&rig, NULL);
	must(rig_stats(&rig).depth == DEPTH, "depth %u", rig_stats(&rig).depth);
	must(strstr(ioe_engine_reason(rig.engine), "memory") == NULL, "%s",
	     ioe_engine_reason(rig.engine));
	rig_deinit(&rig);
}

/* What a ring had comes back some time after its close: an engine opened again is as deep. */
Test(memory, p28_depth_is_not_given_up_for_memory_that_comes_back, .timeout = 60)
{
	struct rig_row row = { "uring", IOE_BACKEND_URING, IOE_THREADING_INLINE, PLACE_DISK };
	struct trace trace;

	trace_inject(&trace, "io_uring_setup", "error=ENOMEM:when=1..3", open_at_full_depth, &row);
	check_eq(trace_count_injected(&trace, "io_uring_setup"), 3);
	trace_close(&trace);
}

/* For a second one beside it, to see whether it may be used, there may be no memory. */
Test(memory, p28_engine_without_threads_makes_one_ring_only, .timeout = 60)
{
	static const char *const options[] = { "-e", "trace=io_uring_setup", NULL };
	struct rig_row row = { "uring", IOE_BACKEND_URING, IOE_THREADING_NONE, PLACE_DISK };
	struct trace trace;

	trace_run(&trace, options, open_at_full_depth, &row);
	check_eq(trace_count(&trace, "io_uring_setup"), 1);
	trace_close(&trace);
}
