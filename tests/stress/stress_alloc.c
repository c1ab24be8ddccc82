/* SPDX-License-Identifier: MIT
 * stress_alloc.c - law 8: no allocation and no new thread between open and close, over a million
 *                  events of every kind (A8). */
#include "tests/lib/count_alloc.h"
#include "tests/lib/fail.h"
#include "tests/lib/memory.h"
#include "tests/lib/place.h"
#include "tests/lib/process.h"
#include "tests/lib/stress.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW = 256, BLOCK = 512, BLOCKS = 1024, THREADS_MAX = 256 };

struct slot {
	struct ioe_event event;
	uint32_t with_engine;
	int64_t expected;
	struct iovec iov[2];
};

static struct slot slots[WINDOW];
static uint8_t buffers[WINDOW][2 * BLOCK];
static uint64_t n_called, n_wrong;
static struct thread_info before[THREADS_MAX], after[THREADS_MAX];

static void on_end(struct ioe_event *event)
{
	struct slot *slot = event->arg;

	if (event->result != slot->expected)
		__atomic_add_fetch(&n_wrong, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&n_called, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->with_engine, 0, __ATOMIC_RELEASE);
}

/* Mostly nops, for the sake of time; every kind of operation, some failing, some at the end. */
static void prep(struct slot *slot, uint64_t i, int fd, uint8_t *buffer)
{
	const uint64_t offset = i % BLOCKS * BLOCK;

	slot->expected = BLOCK;
	switch (i % 32) {
	case 0:
		ioe_prep_fsync(&slot->event, fd);
		slot->event.flags = i % 64 == 0 ? IOE_EVENT_BARRIER : 0;
		slot->expected = 0;
		break;
	case 1:
		ioe_prep_read(&slot->event, 1 << 20, buffer, BLOCK, 0);
		slot->expected = -EBADF;
		break;
	case 2:
		ioe_prep_read(&slot->event, fd, buffer, 2 * BLOCK, (BLOCKS - 1) * BLOCK);
		break;
	case 3:
		slot->iov[0] = (struct iovec){ buffer, 100 };
		slot->iov[1] = (struct iovec){ buffer + 100, BLOCK - 100 };
		ioe_prep_readv(&slot->event, fd, slot->iov, 2, offset);
		break;
	case 4:
	case 5:
	case 6:
		ioe_prep_read(&slot->event, fd, buffer, BLOCK, offset);
		break;
	case 7:
	case 8:
		ioe_prep_write(&slot->event, fd, buffer, BLOCK, offset);
		break;
	default:
		ioe_prep_nop(&slot->event);
		slot->expected = 0;
	}
	slot->event.callback = on_end;
	slot->event.arg = slot;
}

static bool is_among(pid_t tid, const struct thread_info *threads, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (threads[i].tid == tid)
			return true;
	return false;
}

static void run(const struct ioe_config *config, int fd, uint64_t n)
{
	const uint64_t total = stress_scaled(n);
	struct ioe_engine *engine;
	uint32_t n_before, n_after;
	uint64_t allocated;

	if (!stress_open(config, &engine))
		return;
	n_called = n_wrong = 0;
	/* With NONE this thread fills the channel: it must be the owner before. */
	if (config->threading == IOE_THREADING_NONE)
		must(ioe_engine_run(engine, 0, 0) == 0, "run");
	n_before = process_threads(before, THREADS_MAX);
	count_alloc_start();
	for (uint64_t i = 0; i < total; i++) {
		struct slot *slot = &slots[i % WINDOW];

		while (__atomic_load_n(&slot->with_engine, __ATOMIC_ACQUIRE) != 0) {
			if (config->threading == IOE_THREADING_NONE)
				must(ioe_engine_run(engine, 1, -1) >= 0, "run");
			else
				sched_yield();
		}
		prep(slot, i, fd, buffers[i % WINDOW]);
		__atomic_store_n(&slot->with_engine, 1, __ATOMIC_RELAXED);
		must(ioe_submit(engine, &slot->event) == 0, "submit");
	}
	must(ioe_engine_drain(engine) == 0, "drain");
	allocated = count_alloc_stop();
	n_after = process_threads(after, THREADS_MAX);
	must(n_called == total && n_wrong == 0, "%llu callbacks of %llu, %llu wrong",
	     (unsigned long long)n_called, (unsigned long long)total, (unsigned long long)n_wrong);
	must(allocated == 0, "%llu allocations after open", (unsigned long long)allocated);
	must(n_after <= THREADS_MAX, "%u threads", n_after);
	for (uint32_t i = 0; i < n_after; i++)
		must(is_among(after[i].tid, before, n_before), "new thread %s", after[i].name);
	must(n_after == n_before, "%u threads, not %u", n_after, n_before);
	must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == 0, "close");
	stress_done(total, "events");
}

/* The counter itself: what it cannot see proves nothing. */
static void check_counter(void)
{
	void *volatile memory;

	count_alloc_start();
	memory = malloc(100);
	free(memory);
	must(count_alloc_stop() == 2, "the counter does not count");
}

int main(int argc, char **argv)
{
	int fd;

	stress_begin(argc, argv);
	check_counter();
	fd = place_file(PLACE_SHM, BLOCKS * BLOCK, 1, 0);
	for (uint32_t backend = IOE_BACKEND_URING; backend <= IOE_BACKEND_THREADS; backend++) {
		for (uint32_t threading = 0; threading < 3; threading++) {
			struct ioe_config config = { .size = sizeof(config),
						     .backend = backend,
						     .threading = threading };

			if (stress_scenario("%s %s", stress_backends[backend],
					    stress_threadings[threading]))
				run(&config, fd, 1000000);
			/* Small, so that every limit is met all the time. */
			config.depth_max = 2;
			config.channel_capacity = 3;
			config.merge_max_events = 4;
			if (backend == IOE_BACKEND_URING &&
			    stress_scenario("%s %s small", stress_backends[backend],
					    stress_threadings[threading]))
				run(&config, fd, 100000);
		}
	}
	close(fd);
	return stress_end();
}
