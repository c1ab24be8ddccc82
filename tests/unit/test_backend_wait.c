/* SPDX-License-Identifier: MIT
 * test_backend_wait.c - how the driver sleeps in each backend's commit, and what wakes it. */
#include "tests/unit/bench.h"

#include <pthread.h>

BENCH_TEST(wait_ends_when_its_time_is_over)
{
	struct bench bench;

	bench_open(&bench, backend, 8, 4);
	check_eq(bench.ops->commit(bench.backend, 0), 0);
	wait_in_peace(&bench);
	/* With nothing to arm or to submit any more. */
	wait_in_peace(&bench);
	check_eq(bench.ops->pending(bench.backend), false);
	bench_close(&bench);
}

BENCH_TEST(wake_before_the_wait_ends_it_once)
{
	struct bench bench;

	bench_open(&bench, backend, 8, 4);
	for (int i = 0; i < 100; i++) {
		bench.ops->wake(bench.backend);
		bench.ops->wake(bench.backend);
		check_eq(bench.ops->commit(bench.backend, -1), 0);
		check_eq(reap(&bench), 0);
	}
	wait_in_peace(&bench);
	bench_close(&bench);
}

struct waker {
	struct bench *bench;
	pid_t sleeper;
	uint32_t rounds;
	uint32_t round; /* of the sleeper */
	bool asleep;    /* wake only when it sleeps */
	pthread_t thread;
};

/* Once in each round of the sleeper's. */
static void *waker_main(void *arg)
{
	struct waker *waker = arg;

	for (uint32_t i = 1; i <= waker->rounds; i++) {
		while (__atomic_load_n(&waker->round, __ATOMIC_ACQUIRE) < i)
			ioe__cpu_relax();
		if (waker->asleep)
			thread_wait_asleep(waker->sleeper);
		waker->bench->ops->wake(waker->bench->backend);
	}
	return NULL;
}

BENCH_TEST(wake_reaches_an_idle_driver)
{
	struct bench bench;
	struct waker waker = { .bench = &bench, .sleeper = gettid() };

	bench_open(&bench, backend, 8, 4);
	for (int asleep = 0; asleep < 2; asleep++) {
		waker.rounds = asleep ? 50 : 20000;
		waker.round = 0;
		waker.asleep = asleep;
		check_eq(pthread_create(&waker.thread, NULL, waker_main, &waker), 0);
		for (uint32_t i = 1; i <= waker.rounds; i++) {
			int64_t started_ns = clock_now_ns();

			__atomic_store_n(&waker.round, i, __ATOMIC_RELEASE);
			check_eq(bench.ops->commit(bench.backend, BENCH_PATIENCE_NS), 0);
			check_op(clock_now_ns() - started_ns, <, BENCH_PATIENCE_NS / 2);
			check_eq(reap(&bench), 0);
		}
		pthread_join(waker.thread, NULL);
	}
	bench_close(&bench);
}

/* The driver waits for the kernel with a large read under way: the wake comes first. */
BENCH_TEST(wake_reaches_a_driver_with_requests_in_the_kernel)
{
	enum { SIZE = 8 << 20 };
	struct bench bench;
	struct waker waker = { .bench = &bench, .sleeper = gettid(), .asleep = true };
	int fd = place_file(PLACE_DISK_DIRECT, SIZE, BENCH_SEED, 0);
	void *buffer = aligned_buffer(SIZE);
	uint32_t n_woken = 0;

	bench_open(&bench, backend, 8, 4);
	waker.rounds = 20;
	/* On a busy machine the read may be over first, each time: then again. Twice, since what
	 * a wake is made with has to be there again. */
	for (uint32_t attempt = 0; attempt < 50 && n_woken < 2; attempt++) {
		waker.round = 0;
		check_eq(pthread_create(&waker.thread, NULL, waker_main, &waker), 0);
		for (uint32_t i = 1; i <= waker.rounds; i++) {
			prepare(&bench, 0, IOE_OP_READ, fd, buffer, SIZE, 0);
			stage(&bench, 0);
			check_eq(bench.ops->commit(bench.backend, 0), 0);
			__atomic_store_n(&waker.round, i, __ATOMIC_RELEASE);
			check_eq(bench.ops->commit(bench.backend, BENCH_PATIENCE_NS), 0);
			n_woken += reap(&bench) == 0;
			if (bench.n_reaped == 0)
				settle(&bench, 1);
			bench.n_reaped = 0;
			check_eq(bench.seen[0].result, SIZE);
		}
		pthread_join(waker.thread, NULL);
	}
	check_op(n_woken, >=, 2);
	bench_close(&bench);
	close(fd);
	free(buffer);
}

/* All sources of completions at once, with a thread that wakes all the time: nothing is lost. */
BENCH_TEST(mixed_load_with_wakes_loses_nothing)
{
	struct bench bench;
	struct waker waker = { .bench = &bench, .rounds = CHECK_SANITIZED ? 1000 : 5000 };
	int direct = place_file(PLACE_DISK_DIRECT, 1 << 20, BENCH_SEED, 0);
	int buffered = place_file(PLACE_DISK, 1 << 20, BENCH_SEED, 0);
	uint8_t *buffer = aligned_buffer(8 * BENCH_BLOCK);

	bench_open(&bench, backend, 8, 8);
	check_eq(pthread_create(&waker.thread, NULL, waker_main, &waker), 0);
	for (uint32_t i = 1; i <= waker.rounds; i++) {
		uint32_t n = 1 + i % 8;

		for (uint32_t slot = 0; slot < n; slot++) {
			static const uint8_t ops[] = { IOE_OP_READ, IOE_OP_READ, IOE_OP_WRITE,
						       IOE_OP_NOP, IOE_OP_WRITE };
			uint32_t pick = (i * 31 + slot * 17) % 5;

			prepare(&bench, slot, ops[pick], pick & 1 ? direct : buffered,
				buffer + slot * BENCH_BLOCK, 4096, (i + slot) % 256 * BENCH_BLOCK);
			stage(&bench, slot);
		}
		__atomic_store_n(&waker.round, i, __ATOMIC_RELEASE);
		settle(&bench, n);
		for (uint32_t slot = 0; slot < n; slot++)
			check_eq(bench.seen[slot].result,
				 bench.requests[slot].op == IOE_OP_NOP ? 0 : 4096);
	}
	pthread_join(waker.thread, NULL);
	bench_close(&bench);
	close(direct);
	close(buffered);
	free(buffer);
}
