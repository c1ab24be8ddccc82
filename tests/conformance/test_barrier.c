/* SPDX-License-Identifier: MIT
 * test_barrier.c - law 7: a barrier starts when all before it on its fd has finished, and delays
 *                  nobody but itself. */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <semaphore.h>
#include <unistd.h>

#define OTHER_SEED UINT64_C(0x99)

static char bytes[16];

/* One worker: callbacks then run in the order in which the events finished. */
static void open_in_order(struct rig *rig)
{
	struct ioe_config config = rig_config(rig);

	config.n_workers = rig->row.threading == IOE_THREADING_POOL ? 1 : 0;
	rig_open(rig, &config);
}

DATA_TEST(barrier, sync_ends_after_every_write_before_it)
{
	enum { N = 60 };
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, N * u);
	struct job *jobs = rig_jobs(rig, N + 1), *sync = &jobs[N];

	pattern_fill(buffer, N * u, 0, RIG_SEED);
	open_in_order(rig);
	for (uint32_t i = 0; i < N; i++) {
		/* Backwards, and some alone. */
		const uint64_t at = (N - 1 - i) * u;

		ioe_prep_write(&jobs[i].event, fd, buffer + at, u, at);
		jobs[i].event.flags = i % 3 == 0 ? IOE_EVENT_NO_MERGE : 0;
		rig_submit(rig, &jobs[i]);
	}
	ioe_prep_fsync(&sync->event, fd);
	sync->event.flags = IOE_EVENT_BARRIER;
	rig_submit(rig, sync);
	rig_wait_all(rig);
	check_eq(sync->result, 0);
	check_eq(sync->order, N);
	check_eq(file_differs(fd, 0, N * u, RIG_SEED), -1);
}

DATA_TEST(barrier, read_sees_every_write_before_it)
{
	enum { N = 16, ROUNDS = 4 };
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, N * u);
	uint8_t *out = rig_buffer(rig, N * u), *in = rig_buffer(rig, N * u);
	struct job *jobs = rig_jobs(rig, N + 1);

	rig_open(rig, NULL);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		pattern_fill(out, N * u, 0, round);
		for (uint32_t i = 0; i < N; i++) {
			ioe_prep_write(&jobs[i].event, fd, out + i * u, u, i * u);
			jobs[i].event.flags = IOE_EVENT_NO_MERGE;
			rig_submit(rig, &jobs[i]);
		}
		ioe_prep_read(&jobs[N].event, fd, in, N * u, 0);
		jobs[N].event.flags = IOE_EVENT_BARRIER;
		check_eq(rig_do(rig, &jobs[N]), N * u);
		check_eq(pattern_differs(in, N * u, 0, round), -1);
		rig_wait_all(rig);
	}
}

DATA_TEST(barrier, write_comes_after_overlapping_writes_and_reads_before_it)
{
	enum { ROUNDS = 10 };
	const uint64_t u = rig->unit, size = 8 * u;
	const int fd = rig_file(rig, size);
	uint8_t *a = rig_buffer(rig, size), *b = rig_buffer(rig, size), *in = rig_buffer(rig, size);
	struct job *jobs = rig_jobs(rig, 3 * ROUNDS);

	pattern_fill(a, size, 0, RIG_SEED);
	pattern_fill(b, size, 0, OTHER_SEED);
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct job *job = &jobs[3 * i];

		ioe_prep_write(&job[0].event, fd, a, size, 0);
		job[0].event.flags = i > 0 ? IOE_EVENT_BARRIER : 0;
		ioe_prep_read(&job[1].event, fd, in, size, 0);
		job[1].event.flags = IOE_EVENT_BARRIER;
		ioe_prep_write(&job[2].event, fd, b, size, 0);
		job[2].event.flags = IOE_EVENT_BARRIER;
		for (uint32_t k = 0; k < 3; k++)
			rig_submit(rig, &job[k]);
	}
	rig_wait_all(rig);
	for (uint32_t i = 0; i < 3 * ROUNDS; i++)
		check_eq(jobs[i].result, size);
	check_eq(memcmp(in, a, size), 0);
	check_eq(file_differs(fd, 0, size, OTHER_SEED), -1);
}

MATRIX_TEST(barrier, waits_for_a_hanging_read_and_delays_nobody_else)
{
	const int file = rig_file(rig, 1000);
	struct job *jobs = rig_jobs(rig, 6);
	struct job *first = &jobs[0], *barrier = &jobs[1], *behind = &jobs[2];
	int fds[2];

	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_read(&first->event, fds[0], bytes, 1, 0);
	ioe_prep_read(&barrier->event, fds[0], bytes + 1, 1, 0);
	barrier->event.flags = IOE_EVENT_BARRIER;
	/* Behind the barrier, of the same fd: ends at once, since a pipe cannot be synced. */
	ioe_prep_fsync(&behind->event, fds[0]);
	rig_submit(rig, first);
	rig_submit(rig, barrier);
	check_eq(rig_do(rig, behind), -EINVAL);
	ioe_prep_nop(&jobs[3].event);
	check_eq(rig_do(rig, &jobs[3]), 0);
	ioe_prep_read(&jobs[4].event, file, rig_buffer(rig, 1000), 1000, 0);
	check_eq(rig_do(rig, &jobs[4]), 1000);
	ioe_prep_fsync(&jobs[5].event, file);
	jobs[5].event.flags = IOE_EVENT_BARRIER;
	check_eq(rig_do(rig, &jobs[5]), 0);
	check_eq(rig_count(rig), 4);
	/* The first read only is with the kernel: the barrier has not started. */
	rig_wait_in_flight(rig, 1);
	check_eq(write(fds[1], "ab", 2), 2);
	rig_wait_all(rig);
	check_eq(first->result, 1);
	check_eq(barrier->result, 1);
	check_eq(bytes[0], 'a');
	check_eq(bytes[1], 'b');
}

MATRIX_TEST(barrier, waits_for_its_own_fd_number_only)
{
	struct job *jobs = rig_jobs(rig, 3);
	int fds[2], other;

	rig_pipe(rig, fds);
	other = rig_keep_fd(rig, fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fds[0], bytes, 1, 0);
	ioe_prep_read(&jobs[1].event, other, bytes + 1, 1, 0);
	jobs[1].event.flags = IOE_EVENT_BARRIER;
	rig_submit(rig, &jobs[0]);
	rig_submit(rig, &jobs[1]);
	rig_wait_in_flight(rig, 2);
	check_eq(write(fds[1], "ab", 2), 2);
	rig_wait_all(rig);
}

MATRIX_TEST(barrier, barriers_follow_one_another)
{
	enum { N = 20 };
	struct job *jobs = rig_jobs(rig, N);
	char in[N];
	int fds[2];

	rig_pipe(rig, fds);
	open_in_order(rig);
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_read(&jobs[i].event, fds[0], &in[i], 1, 0);
		jobs[i].event.flags = IOE_EVENT_BARRIER;
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_in_flight(rig, 1);
	check_eq(write(fds[1], "abcdefghijklmnopqrst", N), N);
	rig_wait_all(rig);
	check_eq(memcmp(in, "abcdefghijklmnopqrst", N), 0);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].order, i);
	check_eq(rig_stats(rig).in_flight_max, 1);
}

MATRIX_TEST(barrier, waits_for_events_of_earlier_submits_too)
{
	struct job *jobs = rig_jobs(rig, 3);
	int fds[2];

	rig_pipe(rig, fds);
	open_in_order(rig);
	ioe_prep_read(&jobs[0].event, fds[0], bytes, 1, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_in_flight(rig, 1);
	ioe_prep_read(&jobs[1].event, fds[0], bytes + 1, 1, 0);
	jobs[1].event.flags = IOE_EVENT_BARRIER;
	rig_submit(rig, &jobs[1]);
	ioe_prep_nop(&jobs[2].event);
	check_eq(rig_do(rig, &jobs[2]), 0);
	check_eq(rig_stats(rig).in_flight, 1);
	check_eq(write(fds[1], "ab", 2), 2);
	rig_wait_all(rig);
	check_eq(bytes[0], 'a');
	check_eq(bytes[1], 'b');
}

/* A callback that stays while another thread submits a read, and then submits a barrier. */
struct stay {
	struct rig *rig;
	struct job *read, *barrier;
	sem_t begun, submitted;
};

static void submit_read(void *arg)
{
	struct stay *stay = arg;

	sem_wait(&stay->begun);
	rig_submit(stay->rig, stay->read);
	sem_post(&stay->submitted);
}

static void stay_and_submit_barrier(struct job *job)
{
	struct stay *stay = job->data;

	sem_post(&stay->begun);
	sem_wait(&stay->submitted);
	rig_submit(stay->rig, stay->barrier);
}

MATRIX_TEST(barrier, of_a_callback_waits_for_what_others_have_submitted_meanwhile)
{
	struct job *jobs = rig_jobs(rig, 4);
	struct stay stay = { .rig = rig, .read = &jobs[1], .barrier = &jobs[2] };
	struct actor actor;
	int fds[2];

	sem_init(&stay.begun, 0, 0);
	sem_init(&stay.submitted, 0, 0);
	rig_pipe(rig, fds);
	rig_open(rig, NULL);
	ioe_prep_nop(&jobs[0].event);
	jobs[0].then = stay_and_submit_barrier;
	jobs[0].data = &stay;
	ioe_prep_read(&stay.read->event, fds[0], bytes, 1, 0);
	ioe_prep_read(&stay.barrier->event, fds[0], bytes + 1, 1, 0);
	stay.barrier->event.flags = IOE_EVENT_BARRIER;
	rig_submit(rig, &jobs[0]);
	actor_start(&actor, submit_read, &stay);
	rig_wait(rig, &jobs[0]);
	actor_join(&actor);
	ioe_prep_nop(&jobs[3].event);
	check_eq(rig_do(rig, &jobs[3]), 0);
	rig_wait_in_flight(rig, 1);
	check_eq(write(fds[1], "ab", 2), 2);
	rig_wait_all(rig);
	check_eq(bytes[0], 'a');
	check_eq(bytes[1], 'b');
	sem_destroy(&stay.begun);
	sem_destroy(&stay.submitted);
}

MATRIX_TEST(barrier, starts_after_failed_events_too)
{
	const int file = rig_file(rig, 1000);
	const int fd = rig_keep_fd(rig, file_reopen(file, O_RDONLY));
	struct job *jobs = rig_jobs(rig, 5);

	open_in_order(rig);
	for (uint32_t i = 0; i < 4; i++) {
		ioe_prep_write(&jobs[i].event, fd, rig_buffer(rig, 100), 100, i * 100);
		rig_submit(rig, &jobs[i]);
	}
	ioe_prep_fsync(&jobs[4].event, fd);
	jobs[4].event.flags = IOE_EVENT_BARRIER;
	check_eq(rig_do(rig, &jobs[4]), 0);
	check_eq(jobs[4].order, 4);
	for (uint32_t i = 0; i < 4; i++)
		check_eq(jobs[i].result, -EBADF);
}

MATRIX_TEST(barrier, works_at_depth_one_and_channel_one)
{
	struct ioe_config config = rig_config(rig);
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = rig_buffer(rig, 30 * 1000);
	struct job *jobs = rig_jobs(rig, 60);

	config.depth_max = 1;
	config.channel_capacity = 1;
	pattern_fill(buffer, 30 * 1000, 0, RIG_SEED);
	rig_open(rig, &config);
	rig_push(rig);
	for (uint32_t i = 0; i < 30; i++) {
		ioe_prep_write(&jobs[2 * i].event, fd, buffer + i * 1000, 1000, i * 1000);
		ioe_prep_fdatasync(&jobs[2 * i + 1].event, fd);
		jobs[2 * i + 1].event.flags = IOE_EVENT_BARRIER;
		rig_submit(rig, &jobs[2 * i]);
		rig_submit(rig, &jobs[2 * i + 1]);
	}
	rig_wait_all(rig);
	check_eq(file_differs(fd, 0, 30 * 1000, RIG_SEED), -1);
}

/* Of one batch at depth 1: others, the barrier, which they keep waiting, and a write of the same
 * place. When the barrier may start, the write has not: law 6 is for them, too. */
MATRIX_TEST(barrier, that_may_start_goes_before_a_later_write_of_its_place)
{
	enum { OTHERS_MAX = 4 };
	struct ioe_config config = rig_config(rig);
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 0);
	uint8_t *out = rig_buffer(rig, u), *first = rig_buffer(rig, u), *last = rig_buffer(rig, u);

	pattern_fill(first, u, 0, RIG_SEED);
	pattern_fill(last, u, 0, OTHER_SEED);
	config.depth_max = 1;
	config.n_helpers = 1;
	rig_open(rig, &config);
	for (uint32_t n = 1; n <= OTHERS_MAX; n++) {
		struct job *jobs = rig_jobs(rig, n + 2);

		for (uint32_t i = 0; i < n; i++)
			ioe_prep_write(&jobs[i].event, fd, out, u, (2 + 2 * i) * u);
		ioe_prep_write(&jobs[n].event, fd, first, u, 0);
		jobs[n].event.flags = IOE_EVENT_BARRIER;
		ioe_prep_write(&jobs[n + 1].event, fd, last, u, 0);
		check_eq(rig_batch(rig, jobs, n + 2, false), n + 2);
		rig_wait_all(rig);
		check_eq(file_differs(fd, 0, u, OTHER_SEED), -1);
	}
}

MATRIX_TEST(barrier, event_on_a_bad_fd_ends_with_ebadf)
{
	struct job *jobs = rig_jobs(rig, 2);

	rig_open(rig, NULL);
	ioe_prep_fsync(&jobs[0].event, 1 << 20);
	jobs[0].event.flags = IOE_EVENT_BARRIER;
	ioe_prep_read(&jobs[1].event, 1 << 20, bytes, 1, 0);
	jobs[1].event.flags = IOE_EVENT_BARRIER;
	rig_submit(rig, &jobs[0]);
	rig_submit(rig, &jobs[1]);
	rig_wait_all(rig);
	check_eq(jobs[0].result, -EBADF);
	check_eq(jobs[1].result, -EBADF);
}
