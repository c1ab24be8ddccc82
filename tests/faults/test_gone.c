/* SPDX-License-Identifier: MIT
 * test_gone.c - the device that goes away: a loop device over a file on FUSE, of which the
 *               connection is aborted while requests are in flight.
 * Invariants: each event has exactly one callback; nothing that the device had to do ends well.
 * Threads:    the test's, and in close one that takes the device away; the file system is served by
 *             another process.
 * Ownership:  the rig's. */
#include "tests/lib/bad_file.h"
#include "tests/lib/disk.h"
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum {
	BLOCK = 4096,
	N_BLOCKS = 256,
	/* More than depth and helpers, so that some are in the kernel, some with the driver, and
	 * some in the channel. */
	N = 96,
	DEPTH = 16,
	HELPERS = 4,
};

struct gone {
	struct bad_file file;
	int device;
	pid_t closer;
	uint32_t begun;
};

/* The device answers nothing. */
static void gone_open(struct gone *gone, struct rig *rig, int more_flags)
{
	struct ioe_config config = rig_config(rig);

	*gone = (struct gone){ .closer = gettid() };
	bad_file_open(&gone->file, N_BLOCKS, BAD_FILE_WHOLE);
	/* Before there is a device: others of the machine may want to know what is on it, and what
	 * they read would be in the page cache. */
	bad_file_hold(&gone->file, BAD_FILE_EVERY, UINT64_MAX);
	gone->device = disk_over(gone->file.fd, 512, more_flags);
	bad_file_hold_syncs(&gone->file);
	config.depth_max = DEPTH;
	config.n_helpers = HELPERS;
	rig_open(rig, &config);
}

static void gone_close(struct gone *gone)
{
	close(gone->device);
	bad_file_close(&gone->file);
}

/* Reads, writes and syncs, every other one of them not to be merged; no writes if not asked for:
 * buffered ones end well, in the page cache. Returns when the device has something to do. */
static struct job *submit_all(struct rig *rig, struct gone *gone, bool writes)
{
	struct job *jobs = rig_jobs(rig, N);
	uint8_t *buffer = rig_buffer(rig, N * BLOCK);

	for (uint64_t i = 0; i < N; i++) {
		struct ioe_event *event = &jobs[i].event;
		uint8_t *at = buffer + i * BLOCK;

		if (i % 16 == 15 && writes)
			ioe_prep_fdatasync(event, gone->device);
		else if (i / 4 % 2 == 1 && writes)
			ioe_prep_write(event, gone->device, at, BLOCK, i * BLOCK);
		else
			ioe_prep_read(event, gone->device, at, BLOCK, i * BLOCK);
		event->flags = i % 2 == 0 && i >= N / 2 ? IOE_EVENT_NO_MERGE : 0;
	}
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_held(rig, &gone->file, 1);
	return jobs;
}

static void check_failed(struct job *jobs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, -EIO);
		check_eq(jobs[i].done, 0);
	}
}

/* What comes after it: the same engine says so at once; a new one works elsewhere. */
static void check_afterwards(struct rig *rig, struct gone *gone)
{
	const int fd = rig_file(rig, BLOCK);
	struct job *jobs = rig_jobs(rig, 3);
	uint8_t *buffer = rig_buffer(rig, BLOCK);

	if (rig->engine != NULL) {
		ioe_prep_read(&jobs[0].event, gone->device, buffer, BLOCK, (N_BLOCKS - 1) * BLOCK);
		check_eq(rig_do(rig, &jobs[0]), -EIO);
		ioe_prep_read(&jobs[1].event, fd, buffer, BLOCK, 0);
		check_eq(rig_do(rig, &jobs[1]), BLOCK);
		check_eq(rig_stats(rig).in_flight, 0);
		rig_close(rig, IOE_CLOSE_DRAIN);
	}
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[2].event, fd, buffer, BLOCK, 0);
	check_eq(rig_do(rig, &jobs[2]), BLOCK);
	check_eq(pattern_differs(buffer, BLOCK, 0, RIG_SEED), -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
}

static void lose_the_device(struct rig *rig, int flags)
{
	struct gone gone;
	struct job *jobs;

	gone_open(&gone, rig, flags);
	jobs = submit_all(rig, &gone, flags == O_DIRECT);
	check_eq(rig_count(rig), 0);
	bad_file_abort(&gone.file);
	rig_wait_all(rig);
	check_failed(jobs, N);
	/* Nobody has asked again and again. */
	check_op(rig_stats(rig).retried, <=, N);
	check_afterwards(rig, &gone);
	gone_close(&gone);
}

MATRIX_TEST(gone, events_of_a_device_that_goes_away_each_fail_once)
{
	lose_the_device(rig, O_DIRECT);
}

MATRIX_TEST(gone, buffered_reads_of_a_device_that_goes_away_each_fail_once)
{
	lose_the_device(rig, 0);
}

/* Written to the page cache, which says that all is well; the barrier sync behind them says that it
 * is not. */
MATRIX_TEST(gone, sync_behind_buffered_writes_to_a_device_that_goes_away_fails)
{
	struct job *jobs = rig_jobs(rig, N + 1);
	uint8_t *buffer = rig_buffer(rig, N * BLOCK);
	struct gone gone;

	gone_open(&gone, rig, 0);
	for (uint64_t i = 0; i < N; i++)
		ioe_prep_write(&jobs[i].event, gone.device, buffer + i * BLOCK, BLOCK, i * BLOCK);
	ioe_prep_fsync(&jobs[N].event, gone.device);
	jobs[N].event.flags = IOE_EVENT_BARRIER;
	check_eq(rig_batch(rig, jobs, N + 1, false), N + 1);
	rig_wait_held(rig, &gone.file, 1);
	check_eq(job_calls(&jobs[N]), 0);
	bad_file_abort(&gone.file);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, BLOCK);
	check_eq(jobs[N].calls, 1);
	check_eq(jobs[N].result, -EIO);
	check_afterwards(rig, &gone);
	gone_close(&gone);
}

static void abort_when_closing(void *arg)
{
	struct gone *gone = arg;
	const struct timespec brief = { 0, 200000 };

	while (__atomic_load_n(&gone->begun, __ATOMIC_ACQUIRE) == 0)
		nanosleep(&brief, NULL);
	(void)thread_wait_asleep(gone->closer);
	bad_file_abort(&gone->file);
}

/* Close waits for the device, until that has gone; then it returns. */
static void close_and_abort(struct rig *rig, uint32_t how)
{
	struct actor actor;
	struct gone gone;
	struct job *jobs;

	gone_open(&gone, rig, O_DIRECT);
	jobs = submit_all(rig, &gone, true);
	actor_start(&actor, abort_when_closing, &gone);
	__atomic_store_n(&gone.begun, 1, __ATOMIC_RELEASE);
	rig_close(rig, how);
	actor_join(&actor);
	if (how == IOE_CLOSE_DRAIN)
		check_failed(jobs, N);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		cr_assert(jobs[i].result == -EIO || jobs[i].result == -ECANCELED, "event %u: %lld",
			  i, (long long)jobs[i].result);
	}
	check_afterwards(rig, &gone);
	gone_close(&gone);
}

MATRIX_TEST(gone, close_returns_when_the_device_goes_away)
{
	close_and_abort(rig, IOE_CLOSE_DRAIN);
}

MATRIX_TEST(gone, close_that_cancels_returns_when_the_device_goes_away)
{
	close_and_abort(rig, IOE_CLOSE_CANCEL);
}
