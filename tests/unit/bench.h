/* SPDX-License-Identifier: MIT
 * bench.h - one backend, without engine or driver, driven by hand through its operations.
 * Invariants: a completion of a slot that is not under way, or of another generation, fails the
 *             test.
 * Threads:    the test's own.
 * Ownership:  the bench is the test's; bench_close() closes the backend. */
#ifndef IOE_TESTS_UNIT_BENCH_H
#define IOE_TESTS_UNIT_BENCH_H

#include "engine/backend.h"
#include "engine/ioe.h"
#include "tests/check.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"

#define BENCH_BLOCK       UINT64_C(4096)
#define BENCH_DEPTH       64
#define BENCH_PATIENCE_NS (INT64_C(10000000000) * (CHECK_SANITIZED ? 4 : 1))
#define BENCH_SEED        UINT64_C(0x62656e6368)

/* A backend under test, and what has been reaped from it. */
struct bench {
	const struct ioe__backend_ops *ops;
	struct ioe__backend *backend;
	struct ioe__backend_config config;
	struct ioe__backend_counters counters;
	struct ioe__request requests[BENCH_DEPTH];
	uint32_t n_reaped;
	struct {
		uint32_t times;
		uint32_t generation;
		int64_t result;
	} seen[BENCH_DEPTH];
};

static inline void bench_open(struct bench *bench, uint32_t backend, uint32_t depth,
			      uint32_t n_helpers)
{
	int ret;

	memset(bench, 0, sizeof(*bench));
	bench->ops = ioe__backend_ops(backend);
	bench->config = (struct ioe__backend_config){ .depth = depth,
						      .n_helpers = n_helpers,
						      .counters = &bench->counters };
	ret = bench->ops->open(&bench->config, &bench->backend);
	if (ioe__backend_is_unavailable(ret))
		cr_skip("%s is not available here: %s", bench->ops->name, strerror(-ret));
	check_eq(ret, 0);
	check_op(bench->config.ret_depth, <=, depth);
	check_eq(bench->ops->enable(bench->backend), 0);
}

static inline void bench_close(struct bench *bench)
{
	bench->ops->close(bench->backend);
}

static inline struct ioe__request *prepare(struct bench *bench, uint32_t slot, uint8_t op, int fd,
					   void *buffer, uint64_t length, uint64_t offset)
{
	uint32_t generation = bench->requests[slot].generation + 1;

	bench->requests[slot] = (struct ioe__request){ .slot = slot,
						       .generation = generation,
						       .op = op,
						       .fd = fd,
						       .buffer = buffer,
						       .length = length,
						       .offset = offset };
	bench->seen[slot].times = 0;
	return &bench->requests[slot];
}

static inline void stage(struct bench *bench, uint32_t slot)
{
	bench->ops->stage(bench->backend, &bench->requests[slot]);
}

static inline uint32_t reap(struct bench *bench)
{
	struct ioe__completion completions[16];
	uint32_t n = bench->ops->reap(bench->backend, completions, 16);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = completions[i].slot;

		check_op(slot, <, BENCH_DEPTH);
		check_eq(completions[i].generation, bench->requests[slot].generation);
		bench->seen[slot].times++;
		bench->seen[slot].result = completions[i].result;
		check_eq(bench->seen[slot].times, 1);
	}
	bench->n_reaped += n;
	return n;
}

/* Commit and reap until n have been reaped since the counter was set to 0. */
static inline void settle(struct bench *bench, uint32_t n)
{
	int64_t deadline_ns = clock_now_ns() + BENCH_PATIENCE_NS;

	while (bench->n_reaped < n) {
		int ret = bench->ops->commit(bench->backend, BENCH_PATIENCE_NS);

		cr_assert(ret == 0 || ret == -EAGAIN, "commit: %d", ret);
		while (reap(bench) > 0)
			;
		cr_assert(clock_now_ns() < deadline_ns, "%u of %u completed", bench->n_reaped, n);
	}
	check_eq(bench->n_reaped, n);
	bench->n_reaped = 0;
}

/* Run what has been prepared in slot, alone. */
static inline int64_t run(struct bench *bench, uint32_t slot)
{
	stage(bench, slot);
	settle(bench, 1);
	check_eq(bench->seen[slot].times, 1);
	return bench->seen[slot].result;
}

static inline int64_t run_one(struct bench *bench, uint8_t op, int fd, void *buffer,
			      uint64_t length, uint64_t offset)
{
	prepare(bench, 0, op, fd, buffer, length, offset);
	return run(bench, 0);
}

/* A wait that nobody ends lasts as long as it was told to; a few may end early, for a wake that is
 * over, or for what opening has left. */
static inline void wait_in_peace(struct bench *bench)
{
	for (int i = 0;; i++) {
		int64_t started_ns = clock_now_ns();

		check_op(i, <, 5);
		check_eq(bench->ops->commit(bench->backend, 20 * IOE__NS_PER_MS), 0);
		check_eq(reap(bench), 0);
		if (clock_now_ns() - started_ns >= 20 * IOE__NS_PER_MS)
			return;
	}
}

/* One body, a test on each backend. */
#define BENCH_BODY_(name) backends_##name##_body
#define BENCH_ONE_(name, row, backend)               \
	Test(backends, name##__##row, .timeout = 60) \
	{                                            \
		BENCH_BODY_(name)(backend);          \
	}
#define BENCH_TEST(name)                                 \
	static void BENCH_BODY_(name)(uint32_t backend); \
	BENCH_ONE_(name, uring, IOE_BACKEND_URING)       \
	BENCH_ONE_(name, aio, IOE_BACKEND_AIO)           \
	BENCH_ONE_(name, threads, IOE_BACKEND_THREADS)   \
	static void BENCH_BODY_(name)(uint32_t backend)

#endif
