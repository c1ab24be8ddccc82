/* SPDX-License-Identifier: MIT
 * test_reused_fd.c - PITFALLS P29: an fd number that comes to mean another file, between events and
 *                    while they wait. What is known of a file is never taken for true of the next.
 * Invariants: none.
 * Threads:    the test's.
 * Ownership:  the rig's. */
#include "tests/lib/bad_file.h"
#include "tests/lib/disk.h"
#include "tests/lib/random.h"
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <unistd.h>

enum {
	SECTOR = 4096,
	FILE_BYTES = 16 * SECTOR,
	/* The number, and behind it new ones, above those that anybody else is given. */
	NUMBER = 500,
	EVENTS_MAX = 32,
	STEPS = 24,
};

#define OTHER_SEED UINT64_C(0x77)

/* What the number means, one after the other. */
enum kind {
	BUFFERED,
	DIRECT,
	LARGE_SECTORS, /* a device, O_DIRECT */
	SMALL_SECTORS,
	APPENDING,
	PIPE,
	NONBLOCKING_PIPE,
	N_KINDS,
};

struct things {
	int plain;       /* a file, through the page cache */
	int of[N_KINDS]; /* the file and its devices; of pipes the end to be read */
	int ends[2];     /* of the two pipes: where to write */
};

static void things_open(struct things *things, struct rig *rig)
{
	int fds[2];

	things->plain = rig_file(rig, FILE_BYTES);
	things->of[BUFFERED] = things->plain;
	things->of[DIRECT] = rig_keep_fd(rig, file_reopen(things->plain, O_RDWR | O_DIRECT));
	things->of[APPENDING] = rig_keep_fd(rig, file_reopen(things->plain, O_RDWR | O_APPEND));
	for (uint32_t i = 0; i < 2; i++) {
		const int file = rig_file(rig, FILE_BYTES);

		things->of[LARGE_SECTORS + i] =
			rig_keep_fd(rig, disk_over(file, i == 0 ? SECTOR : 512, O_DIRECT));
		rig_pipe(rig, fds);
		things->of[PIPE + i] = fds[0];
		things->ends[i] = fds[1];
		if (i == 1)
			check_sys(fcntl(fds[0], F_SETFL, O_NONBLOCK));
	}
}

static void things_reset(const struct things *things, enum kind kind)
{
	if (kind >= PIPE)
		return;
	check_sys(ftruncate(things->plain, FILE_BYTES));
	file_fill(kind == APPENDING ? things->plain : things->of[kind], 0, FILE_BYTES, RIG_SEED);
	check_sys(fsync(things->of[kind]));
}

/* ---- Between events ----------------------------------------------------------------------- */

struct outcome {
	uint32_t n;
	int64_t results[EVENTS_MAX];
	uint64_t size; /* of the file afterwards */
	int64_t differs;
};

/* Pairs of neighbours of `length` bytes, reads then writes: which of them is well aligned, and
 * which would be together, is a matter of the file. */
static uint32_t prep_pairs(struct job *jobs, int fd, uint8_t *buffer)
{
	static const uint32_t lengths[] = { 100, 512, 2048, SECTOR };
	uint32_t n = 0;

	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t k = 0; k < 4; k++, n++) {
			const uint64_t offset = 2 * i * SECTOR + k % 2 * (uint64_t)lengths[i];
			uint8_t *at = buffer + n * SECTOR;

			pattern_fill(at, lengths[i], offset, OTHER_SEED);
			if (k < 2)
				ioe_prep_read(&jobs[n].event, fd, at, lengths[i], offset);
			else
				ioe_prep_write(&jobs[n].event, fd, at, lengths[i], offset);
		}
	}
	return n;
}

static void probe_file(struct rig *rig, const struct things *things, int fd, enum kind kind,
		       struct outcome *ret_outcome)
{
	struct job *jobs = rig_jobs(rig, EVENTS_MAX);
	const uint32_t n = prep_pairs(jobs, fd, rig_buffer(rig, EVENTS_MAX * SECTOR));

	things_reset(things, kind);
	check_eq(rig_batch(rig, jobs, n, false), n);
	rig_wait_all(rig);
	ret_outcome->n = n;
	for (uint32_t i = 0; i < n; i++) {
		const struct ioe_event *event = &jobs[i].event;

		ret_outcome->results[i] = jobs[i].result;
		if (event->op == IOE_OP_READ && jobs[i].result > 0)
			check_eq(pattern_differs(event->buffer, (uint64_t)jobs[i].result,
						 event->offset, RIG_SEED),
				 -1);
	}
	ret_outcome->size = kind == APPENDING ? file_size(things->plain) : FILE_BYTES;
	ret_outcome->differs = file_differs(things->of[kind], 0, FILE_BYTES, RIG_SEED);
}

/* What is there; then, where that is not waited for, that there is nothing; then what comes. */
static void probe_pipe(struct rig *rig, const struct things *things, int fd, enum kind kind,
		       struct outcome *ret_outcome)
{
	const int end = things->ends[kind - PIPE];
	struct job *jobs = rig_jobs(rig, 3);
	char *bytes = rig_buffer(rig, 100);

	check_eq(write(end, "there", 5), 5);
	for (uint32_t i = 0; i < 3; i++) {
		ioe_prep_read(&jobs[i].event, fd, bytes, 100, i * 512);
		jobs[i].event.flags = IOE_EVENT_NO_RESUME;
	}
	rig_do(rig, &jobs[0]);
	/* On uring the kernel waits for such a pipe as well (ioe.h). */
	if (kind == NONBLOCKING_PIPE && rig->row.backend != IOE_BACKEND_URING)
		rig_do(rig, &jobs[1]);
	else
		jobs[1].result = -EAGAIN;
	if (kind == NONBLOCKING_PIPE) {
		check_eq(write(end, "comes", 5), 5);
		rig_do(rig, &jobs[2]);
	} else {
		rig_submit(rig, &jobs[2]);
		rig_wait_in_flight(rig, 1);
		check_eq(write(end, "comes", 5), 5);
		rig_wait(rig, &jobs[2]);
	}
	check_eq(memcmp(bytes, "comes", 5), 0);
	ret_outcome->n = 3;
	for (uint32_t i = 0; i < 3; i++)
		ret_outcome->results[i] = jobs[i].result;
}

static void probe(struct rig *rig, const struct things *things, int fd, enum kind kind,
		  struct outcome *ret_outcome)
{
	*ret_outcome = (struct outcome){ .n = 0 };
	if (kind >= PIPE)
		probe_pipe(rig, things, fd, kind, ret_outcome);
	else
		probe_file(rig, things, fd, kind, ret_outcome);
}

static void check_same(const struct outcome *outcome, const struct outcome *fresh, enum kind kind,
		       enum kind before)
{
	check_eq(outcome->n, fresh->n);
	for (uint32_t i = 0; i < fresh->n; i++)
		cr_assert(outcome->results[i] == fresh->results[i],
			  "kind %d after %d, event %u: %lld, on a new engine %lld", kind, before, i,
			  (long long)outcome->results[i], (long long)fresh->results[i]);
	check_eq(outcome->size, fresh->size);
	check_eq(outcome->differs, fresh->differs);
}

static void mean(int number, int fd, bool close_before)
{
	if (close_before)
		(void)close(number);
	check_sys(dup3(fd, number, O_CLOEXEC));
}

/* Whatever the number has meant before, each event ends as on a new engine and with a number that
 * has meant nothing before. */
MATRIX_TEST(faults, p29_reused_number_is_the_new_file_in_every_respect)
{
	struct random random = random_open(0);
	enum kind before = BUFFERED, kind;
	struct ioe_engine *engine;
	struct things things;

	things_open(&things, rig);
	rig_open(rig, NULL);
	engine = rig->engine;
	for (uint32_t i = 0; i < STEPS; i++, before = kind) {
		struct outcome outcome, fresh;

		/* The first steps are those in which the most changes. */
		kind = i < 2 * N_KINDS ? (enum kind)(i * 5 % N_KINDS) :
					 (enum kind)random_below(&random, N_KINDS);
		mean(NUMBER, things.of[kind], i % 2 == 0);
		rig->engine = engine;
		probe(rig, &things, NUMBER, kind, &outcome);
		rig->engine = NULL;
		mean(NUMBER + 1 + (int)i, things.of[kind], false);
		rig_open(rig, NULL);
		probe(rig, &things, NUMBER + 1 + (int)i, kind, &fresh);
		rig_close(rig, IOE_CLOSE_DRAIN);
		check_same(&outcome, &fresh, kind, before);
	}
	rig->engine = engine;
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_sys(close_range(NUMBER, NUMBER + STEPS, 0));
}

/* ---- While they wait ---------------------------------------------------------------------- */

enum { WAITING = 8 };

/* Depth 1, and a read of an empty pipe is in the kernel: what comes waits, with the driver and in
 * the channel, while its number is made to mean something else; fd -1: nothing. */
static struct job *change_what_waits(struct rig *rig, int before, int after, bool writes)
{
	struct ioe_config config = rig_config(rig);
	struct job *jobs = rig_jobs(rig, WAITING + 1);
	uint8_t *buffer = rig_buffer(rig, WAITING * SECTOR);
	int fds[2];

	rig_pipe(rig, fds);
	mean(NUMBER, before, false);
	config.depth_max = 1;
	rig_open(rig, &config);
	ioe_prep_read(&jobs[WAITING].event, fds[0], rig_buffer(rig, 1), 1, 0);
	rig_submit(rig, &jobs[WAITING]);
	rig_wait_in_flight(rig, 1);
	for (uint64_t i = 0; i < WAITING; i++) {
		uint8_t *at = buffer + i * SECTOR;

		if (writes) {
			pattern_fill(at, SECTOR, i * SECTOR, OTHER_SEED);
			ioe_prep_write(&jobs[i].event, NUMBER, at, SECTOR, i * SECTOR);
		} else {
			ioe_prep_read(&jobs[i].event, NUMBER, at, SECTOR, i * SECTOR);
		}
		jobs[i].event.flags = i % 2 == 0 ? IOE_EVENT_NO_MERGE : 0;
		rig_submit(rig, &jobs[i]);
	}
	rig_push(rig);
	if (after >= 0)
		mean(NUMBER, after, false);
	else
		close(NUMBER);
	check_eq(write(fds[1], "", 1), 1);
	rig_wait_all(rig);
	check_eq(jobs[WAITING].result, 1);
	for (uint32_t i = 0; i < WAITING; i++)
		check_eq(jobs[i].calls, 1);
	/* Nobody else has been harmed, and nothing is left of it. */
	check_eq(rig_stats(rig).in_flight, 0);
	rig_close(rig, IOE_CLOSE_DRAIN);
	return jobs;
}

DATA_TEST(faults, p29_events_that_wait_have_the_file_that_the_number_means_when_they_start)
{
	const int before = rig_file(rig, 0), after = rig_file(rig, WAITING * SECTOR);
	struct job *jobs = change_what_waits(rig, before, after, false);

	for (uint32_t i = 0; i < WAITING; i++) {
		check_eq(jobs[i].result, SECTOR);
		check_eq(pattern_differs(jobs[i].event.buffer, SECTOR, i * SECTOR, RIG_SEED), -1);
	}
	jobs = change_what_waits(rig, before, after, true);
	for (uint32_t i = 0; i < WAITING; i++)
		check_eq(jobs[i].result, SECTOR);
	check_eq(file_differs(after, 0, WAITING * SECTOR, OTHER_SEED), -1);
	check_eq(file_size(before), 0);
	close(NUMBER);
}

MATRIX_TEST(faults, p29_events_that_wait_for_a_number_that_is_closed_end_with_ebadf)
{
	const int before = rig_file(rig, WAITING * SECTOR);
	struct job *jobs = change_what_waits(rig, before, -1, false);

	for (uint32_t i = 0; i < WAITING; i++) {
		check_eq(jobs[i].result, -EBADF);
		check_eq(jobs[i].done, 0);
	}
	jobs = change_what_waits(rig, before, -1, true);
	for (uint32_t i = 0; i < WAITING; i++)
		check_eq(jobs[i].result, -EBADF);
	check_eq(file_differs(before, 0, WAITING * SECTOR, RIG_SEED), -1);
}

/* What has the wrong rights, or is no file to be read, says so. */
MATRIX_TEST(faults, p29_events_that_wait_have_the_errors_of_the_new_file)
{
	const int before = rig_file(rig, WAITING * SECTOR);
	const int read_only = rig_keep_fd(rig, file_reopen(before, O_RDONLY));
	const int directory = rig_keep_fd(rig, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct job *jobs = change_what_waits(rig, before, read_only, true);

	for (uint32_t i = 0; i < WAITING; i++)
		check_eq(jobs[i].result, -EBADF);
	jobs = change_what_waits(rig, before, directory, false);
	for (uint32_t i = 0; i < WAITING; i++)
		check_eq(jobs[i].result, -EISDIR);
	close(NUMBER);
}

/* The kernel has a read, which the old file does not answer; what comes after it is of the new. */
MATRIX_TEST(faults, p29_what_the_kernel_has_goes_on_with_the_old_file)
{
	const int after = rig_file(rig, SECTOR);
	struct job *jobs = rig_jobs(rig, 2);
	uint8_t *buffer = rig_buffer(rig, 2 * SECTOR);
	struct bad_file before;

	bad_file_open(&before, 1, BAD_FILE_WHOLE);
	pattern_fill(bad_file_bytes(&before), SECTOR, 0, OTHER_SEED);
	bad_file_hold(&before, 0, UINT64_MAX);
	mean(NUMBER, before.fd, false);
	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, NUMBER, buffer, SECTOR, 0);
	rig_submit(rig, &jobs[0]);
	rig_wait_held(rig, &before, 1);
	mean(NUMBER, after, false);
	ioe_prep_read(&jobs[1].event, NUMBER, buffer + SECTOR, SECTOR, 0);
	check_eq(rig_do(rig, &jobs[1]), SECTOR);
	check_eq(job_calls(&jobs[0]), 0);
	bad_file_release(&before);
	rig_wait_all(rig);
	check_eq(jobs[0].result, SECTOR);
	check_eq(pattern_differs(buffer, SECTOR, 0, OTHER_SEED), -1);
	check_eq(pattern_differs(buffer + SECTOR, SECTOR, 0, RIG_SEED), -1);
	rig_close(rig, IOE_CLOSE_DRAIN);
	close(NUMBER);
	bad_file_close(&before);
}
