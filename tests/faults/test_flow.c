/* SPDX-License-Identifier: MIT
 * test_flow.c - PITFALLS P15 P16 P18 P20 P22 P23 P25 P30: what is in flight, who waits for whom. */
#include "tests/lib/bad_file.h"
#include "tests/lib/disk.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"
#include "tests/lib/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <unistd.h>

/* ---- P15 --------------------------------------------------------------------------------- */

MATRIX_TEST(faults, p15_no_more_is_accepted_than_depth_and_channel_hold)
{
	enum { DEPTH = 8, CAPACITY = 16, OFFERED = 20000 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, OFFERED);
	char *bytes = rig_buffer(rig, OFFERED);
	uint32_t accepted = 0;
	int fds[2];

	rig_pipe(rig, fds);
	config.depth_max = DEPTH;
	config.channel_capacity = CAPACITY;
	rig_open(rig, &config);
	rig_push(rig);
	/* Nothing completes; the driver has every chance to take more than it should. */
	for (uint32_t i = 0; i < OFFERED; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &bytes[i], 1, 0);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		accepted += rig_try(rig, &jobs[i]) == 0;
		if (i % 1000 == 999)
			rig_wait_in_flight(rig, DEPTH);
	}
	check_eq(accepted, DEPTH + CAPACITY);
	check_eq(rig_stats(rig).in_flight, DEPTH);
	check_eq(rig_stats(rig).in_flight_max, DEPTH);
	check_eq(write(fds[1], bytes, accepted), accepted);
	rig_wait_all(rig);
	check_eq(rig_count(rig), accepted);
	check_eq(rig_stats(rig).cq_overflows, 0);
	check_eq(rig_stats(rig).in_flight_max, DEPTH);
}

/* ---- P16 --------------------------------------------------------------------------------- */

enum { COLD = 1000 };

struct leaver {
	struct rig *rig;
	struct job *jobs;
	int error;
};

static void submit_and_leave(void *arg)
{
	struct leaver *leaver = arg;

	for (uint32_t i = 0; i < COLD; i++)
		leaver->error |= rig_submit_ret(leaver->rig, &leaver->jobs[i]);
}

static void read_cold_and_close(struct rig *rig, enum place place)
{
	const int fd = rig_keep_fd(rig, place_file(place, COLD * 4096, RIG_SEED, 0));
	struct leaver leaver = { rig, rig_jobs(rig, COLD), 0 };
	uint8_t *buffer = rig_buffer(rig, COLD * 4096);
	struct actor actor;

	file_make_cold(fd);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < COLD; i++) {
		/* Scattered: no read-ahead. */
		const uint64_t at = (uint64_t)i * 379 % COLD * 4096;

		ioe_prep_read(&leaver.jobs[i].event, fd, buffer + at, 4096, at);
		leaver.jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_NO_MERGE : 0;
	}
	actor_start(&actor, submit_and_leave, &leaver);
	actor_join(&actor);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_eq(leaver.error, 0);
	for (uint32_t i = 0; i < COLD; i++) {
		check_eq(leaver.jobs[i].result, 4096);
		check_eq(leaver.jobs[i].calls, 1);
	}
	check_eq(pattern_differs(buffer, COLD * 4096, 0, RIG_SEED), -1);
}

MATRIX_TEST(faults, p16_submitter_exits_before_its_cold_reads_end)
{
	read_cold_and_close(rig, PLACE_DISK);
}

MATRIX_TEST(faults, p16_submitter_exits_before_its_direct_reads_end)
{
	read_cold_and_close(rig, PLACE_DISK_DIRECT);
}

/* ---- P18 --------------------------------------------------------------------------------- */

static struct {
	uint32_t calls;
	uint32_t reaped;
	uint64_t in_flight;
	bool ring_found;
	uint32_t cq_head, cq_tail;
} first_seen;

/* CqHead and CqTail of the process's only ring, as the kernel shows them. */
static bool read_ring(uint32_t *ret_head, uint32_t *ret_tail)
{
	DIR *dir = opendir("/proc/self/fd");
	bool found = false;

	for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		char path[320], target[64] = "", line[128];
		uint32_t n_read = 0;
		FILE *info;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		if (readlink(path, target, sizeof(target) - 1) < 0 ||
		    strstr(target, "[io_uring]") == NULL)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", entry->d_name);
		info = fopen(path, "re");
		while (info != NULL && fgets(line, sizeof(line), info) != NULL)
			n_read += sscanf(line, "CqHead: %u", ret_head) == 1 ||
				  sscanf(line, "CqTail: %u", ret_tail) == 1;
		if (info != NULL)
			fclose(info);
		found = n_read == 2;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static void look_at_the_queue(struct job *job)
{
	if (first_seen.calls++ > 0)
		return;
	first_seen.reaped = seam_n_reaped();
	first_seen.in_flight = rig_stats(job->rig).in_flight;
	first_seen.ring_found = read_ring(&first_seen.cq_head, &first_seen.cq_tail);
}

/* All nops complete together; the first callback looks what has become of the others. */
NONE_TEST(faults, p18_queue_head_is_advanced_before_the_first_callback)
{
	enum { N = 8 };
	struct job *jobs = rig_jobs(rig, N);

	seam_watch();
	rig_open(rig, NULL);
	rig_push(rig);
	rig_prep_nops(jobs, N);
	for (uint32_t i = 0; i < N; i++)
		jobs[i].then = look_at_the_queue;
	check_eq(rig_batch(rig, jobs, N, false), N);
	check_eq(ioe_engine_run(rig->engine, N, -1), N);
	check_eq(first_seen.calls, N);
	if (rig->row.backend != IOE_BACKEND_THREADS)
		check_eq(seam_batch_max(), N);
	check_eq(first_seen.in_flight, N - first_seen.reaped);
	check_eq(rig_stats(rig).cq_overflows, 0);
	if (first_seen.ring_found && first_seen.reaped == N)
		check_eq(first_seen.cq_head, first_seen.cq_tail);
}

struct gate {
	sem_t entered, open;
};

static void pass_gate(struct job *job)
{
	struct gate *gate = job->data;

	sem_post(&gate->entered);
	while (sem_wait(&gate->open) != 0)
		;
}

/* All workers are in callbacks; the driver goes on, many times the size of its queues. */
BACKEND_TEST(faults, p18_slow_callbacks_do_not_stall_the_kernel)
{
	enum { N = 2000 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N + 1);
	const int64_t give_up_ns = clock_now_ns() + RIG_PATIENCE_NS;
	struct gate gate;

	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.open, 0, 0);
	config.n_workers = 1;
	config.depth_max = 8;
	config.channel_capacity = 16;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N + 1);
	jobs[0].then = pass_gate;
	jobs[0].data = &gate;
	rig_submit(rig, &jobs[0]);
	check_sys(sem_wait(&gate.entered));
	for (uint32_t i = 1; i <= N; i++)
		rig_submit(rig, &jobs[i]);
	/* Each went through the kernel while no callback could run. */
	while (rig_stats(rig).requests < N + 1 || rig_stats(rig).in_flight > 0)
		cr_assert(clock_now_ns() < give_up_ns, "%llu requests",
			  (unsigned long long)rig_stats(rig).requests);
	check_eq(rig_count(rig), 1);
	sem_post(&gate.open);
	rig_wait_all(rig);
	/* The callback may still look at the gate. */
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(rig_stats(rig).cq_overflows, 0);
}

/* ---- P20 --------------------------------------------------------------------------------- */

enum { STEADY_DEPTH = 16, STEADY_READS = 2000, STEADY_PLACES = 128, STEADY_SECTOR = 512 };

struct steady {
	struct random random;
	int stop;
};

/* No two places are neighbours: the block layer would make one of them. */
static void read_the_next(struct job *job)
{
	struct steady *steady = job->data;

	if (__atomic_load_n(&steady->stop, __ATOMIC_RELAXED) != 0)
		return;
	job->event.offset = random_below(&steady->random, STEADY_PLACES) * 2 * STEADY_SECTOR;
	(void)!rig_submit_ret(job->rig, job);
}

/* The device has all of the depth and answers nothing: nothing of this changes any more, once the
 * driver has gone to sleep. */
static struct ioe_stats stats_of_a_full_device(struct rig *rig, const struct bad_file *file)
{
	struct ioe_stats stats, again;

	rig_wait_held(rig, file, STEADY_DEPTH);
	do {
		stats = rig_stats(rig);
		again = rig_stats(rig);
	} while (stats.in_flight != STEADY_DEPTH || stats.elapsed_ns != again.elapsed_ns ||
		 stats.in_flight_ns != again.in_flight_ns);
	return stats;
}

/* A loop device that answers one read at a time, and only while it has the whole depth of them:
 * whoever lets the depth fall before he fills it again waits for ever. So at no time is less than
 * depth - 1 in flight, however busy the machine is. */
BACKEND_TEST(faults, p20_depth_is_used_at_steady_load)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, 2 * STEADY_DEPTH);
	struct steady steady[2 * STEADY_DEPTH];
	struct ioe_stats before, after;
	struct bad_file file;
	double average;
	int backing, fd;

	bad_file_open(&file, BAD_FILE_BLOCKS_MAX, BAD_FILE_WHOLE);
	/* O_DIRECT: else the device would have one request of its queue under way at a time. */
	backing = rig_keep_fd(rig, file_reopen(file.fd, O_RDWR | O_DIRECT));
	fd = rig_keep_fd(rig, disk_over(backing, STEADY_SECTOR, O_DIRECT));
	bad_file_hold(&file, BAD_FILE_EVERY, UINT64_MAX);
	config.threading = IOE_THREADING_INLINE;
	config.depth_max = STEADY_DEPTH;
	rig_open(rig, &config);
	/* Twice the depth is offered all the time. */
	for (uint32_t i = 0; i < 2 * STEADY_DEPTH; i++) {
		steady[i] = (struct steady){ random_open(i), 0 };
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, STEADY_SECTOR), STEADY_SECTOR,
			      (uint64_t)i * 2 * STEADY_SECTOR);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		jobs[i].then = read_the_next;
		jobs[i].data = &steady[i];
		rig_submit(rig, &jobs[i]);
	}
	before = stats_of_a_full_device(rig, &file);
	bad_file_pass(&file, STEADY_READS, STEADY_DEPTH);
	rig_wait_count(rig, STEADY_READS);
	after = stats_of_a_full_device(rig, &file);
	average = (double)(after.in_flight_ns - before.in_flight_ns) /
		  (double)(after.elapsed_ns - before.elapsed_ns);
	for (uint32_t i = 0; i < 2 * STEADY_DEPTH; i++)
		__atomic_store_n(&steady[i].stop, 1, __ATOMIC_RELAXED);
	bad_file_release(&file);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(rig_stats(rig).errors, 0);
	cr_assert(average >= STEADY_DEPTH - 1, "%.2f of %u in flight on average", average,
		  (unsigned)STEADY_DEPTH);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

/* ---- P22 --------------------------------------------------------------------------------- */

MATRIX_TEST(faults, p22_callbacks_resubmit_at_depth_one_and_channel_one)
{
	enum { N = 8, TIMES = 100 };
	const int fd = rig_file(rig, N * 1000);
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);
	uint32_t left[N];

	config.depth_max = 1;
	config.channel_capacity = 1;
	rig_open(rig, &config);
	rig_push(rig);
	for (uint32_t i = 0; i < N; i++) {
		left[i] = TIMES - 1;
		if (i % 2 == 0)
			ioe_prep_nop(&jobs[i].event);
		else
			ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
		jobs[i].then = rig_submit_again;
		jobs[i].data = &left[i];
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_count(rig, N * TIMES);
	check_eq(ioe_engine_drain(rig->engine), 0);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].calls, TIMES);
	check_eq(rig_stats(rig).in_flight_max, 1);
}

/* ---- P23 --------------------------------------------------------------------------------- */

BACKEND_TEST(faults, p23_slow_callback_holds_up_nobody_else)
{
	enum { N = 500 };
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N + 1);
	struct gate gate;

	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.open, 0, 0);
	config.n_workers = 2;
	rig_open(rig, &config);
	rig_prep_nops(jobs, N + 1);
	jobs[0].then = pass_gate;
	jobs[0].data = &gate;
	/* With others before and behind it, so that it is in the middle of what is handed over. */
	check_eq(rig_batch(rig, jobs + 1, N / 2, false), N / 2);
	rig_submit(rig, &jobs[0]);
	check_eq(rig_batch(rig, jobs + 1 + N / 2, N / 2, false), N / 2);
	check_sys(sem_wait(&gate.entered));
	rig_wait_count(rig, N + 1);
	sem_post(&gate.open);
	check_eq(ioe_engine_drain(rig->engine), 0);
	for (uint32_t i = 0; i <= N; i++)
		check_eq(jobs[i].calls, 1);
}

/* ---- P25 --------------------------------------------------------------------------------- */

static uint32_t n_injected;
static struct ioe__completion remembered[64];
static uint32_t n_remembered;

/* Each completion twice, and one of long ago, of a slot that is in use again or free. */
static uint32_t add_stale(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	uint32_t total = n;

	if (n_remembered > 0 && total < room) {
		completions[total] = remembered[n_remembered / 2];
		completions[total++].result = 99;
		n_injected++;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (n_remembered < 64)
			remembered[n_remembered++] = completions[i];
		if (total < room) {
			completions[total] = completions[i];
			completions[total++].result = -EIO;
			n_injected++;
		}
	}
	return total;
}

/* Stale ones first: they must not take the place of the real. */
static uint32_t add_stale_before(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	if (n_remembered > 0 && n < room) {
		memmove(completions + 1, completions, n * sizeof(*completions));
		completions[0] = remembered[0];
		completions[0].result = -EIO;
		n_injected++;
		return n + 1;
	}
	for (uint32_t i = 0; i < n && n_remembered < 64; i++)
		remembered[n_remembered++] = completions[i];
	return n;
}

static void survive_stale(struct rig *rig)
{
	enum { N = 200, AT_ONCE = 4 };
	const int fd = rig_file(rig, N * 1000);
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, N);

	config.depth_max = AT_ONCE;
	seam_watch();
	rig_open(rig, &config);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, rig_buffer(rig, 1000), 1000, i * 1000);
		jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		rig_submit(rig, &jobs[i]);
		if (i % AT_ONCE == 0)
			rig_wait_all(rig);
	}
	rig_wait_all(rig);
	check_eq(ioe_engine_drain(rig->engine), 0);
	for (uint32_t i = 0; i < N; i++) {
		check_eq(jobs[i].calls, 1);
		check_eq(jobs[i].result, 1000);
		check_eq(pattern_differs(jobs[i].event.buffer, 1000, i * 1000, RIG_SEED), -1);
	}
	check_op(n_injected, >=, 10);
	check_eq(rig_stats(rig).stale_completions, n_injected);
	check_eq(rig_stats(rig).events_finished, N);
	check_eq(rig_stats(rig).in_flight, 0);
}

MATRIX_TEST(faults, p25_duplicate_completions_are_dropped_and_counted)
{
	seam_on_batch = add_stale;
	survive_stale(rig);
}

MATRIX_TEST(faults, p25_stale_completions_are_dropped_and_counted)
{
	seam_on_batch = add_stale_before;
	survive_stale(rig);
}

/* ---- P30 --------------------------------------------------------------------------------- */

struct cold {
	struct rig_row row;
	uint64_t *helped; /* shared with the test */
};

/* Cold buffered reads, then direct writes that extend the file: both would block io_submit. */
static void run_cold(void *arg)
{
	enum { N = 64 };
	const struct cold *cold = arg;
	struct rig rig;
	struct job *jobs;
	uint8_t *buffer;
	int fd, direct;

	rig_init(&rig, &cold->row);
	jobs = rig_jobs(&rig, 2 * N);
	buffer = rig_buffer(&rig, N * 4096);
	fd = rig_keep_fd(&rig, place_file(PLACE_DISK, N * 65536, RIG_SEED, 0));
	direct = rig_keep_fd(&rig, place_file(PLACE_DISK_DIRECT, 0, 0, 0));
	file_make_cold(fd);
	rig_open(&rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fd, buffer + i * 4096, 4096,
			      (uint64_t)i * 7 % N * 65536);
		rig_submit(&rig, &jobs[i]);
	}
	rig_wait_all(&rig);
	for (uint32_t i = 0; i < N; i++)
		must(jobs[i].result == 4096 && pattern_differs(jobs[i].event.buffer, 4096,
							       jobs[i].event.offset, RIG_SEED) < 0,
		     "cold read %u: %lld", i, (long long)jobs[i].result);
	pattern_fill(buffer, N * 4096, 0, RIG_SEED);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_write(&jobs[N + i].event, direct, buffer + i * 4096, 4096, i * 4096);
		jobs[N + i].event.flags = IOE_EVENT_NO_MERGE;
		rig_submit(&rig, &jobs[N + i]);
	}
	rig_wait_all(&rig);
	for (uint32_t i = N; i < 2 * N; i++)
		must(jobs[i].result == 4096, "extending write %u: %lld", i,
		     (long long)jobs[i].result);
	must(file_differs(direct, 0, N * 4096, RIG_SEED) < 0, "what was written");
	*cold->helped = rig_stats(&rig).helped;
	rig_deinit(&rig);
}

/* Whatever goes into io_submit says that it must not wait; what cannot be done so is done by
 * helpers. */
static void never_blocks_in_submit(uint32_t threading)
{
	static const char *const options[] = { "-e", "trace=io_submit", "-s", "0", NULL };
	struct cold cold = { { "traced", IOE_BACKEND_AIO, threading, PLACE_DISK },
			     trace_shared(sizeof(uint64_t)) };
	struct trace trace;

	trace_run(&trace, options, run_cold, &cold);
	for (const char *at = trace.text; (at = strstr(at, "aio_lio_opcode=IOCB_CMD_P")) != NULL;) {
		const char *end = strchr(at, '}');

		/* IOCB_CMD_POLL never waits. */
		if (strncmp(at + 15, "IOCB_CMD_POLL", 13) != 0)
			cr_assert(end != NULL && memmem(at, (size_t)(end - at), "RWF_NOWAIT", 10),
				  "%.120s", at);
		at++;
	}
	check_op(*cold.helped, >, 0);
	trace_close(&trace);
}

Test(faults, p30_nothing_in_io_submit_may_wait_inline, .timeout = 60)
{
	never_blocks_in_submit(IOE_THREADING_INLINE);
}

Test(faults, p30_nothing_in_io_submit_may_wait_none, .timeout = 60)
{
	never_blocks_in_submit(IOE_THREADING_NONE);
}
