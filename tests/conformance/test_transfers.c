/* SPDX-License-Identifier: MIT
 * test_transfers.c - reads and writes move exactly their bytes: plain and vectored, buffered and
 *                    direct, at and beyond the end of the file. */
#include "tests/lib/random.h"
#include "tests/lib/rig.h"

#include <sys/uio.h>
#include <unistd.h>

#define OTHER_SEED UINT64_C(0x77)

DATA_TEST(transfers, read_returns_the_bytes_of_its_place)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 16 * u);
	uint8_t *buffer = rig_buffer(rig, 4 * u);
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fd, buffer, 3 * u, 5 * u);
	check_eq(rig_do(rig, job), 3 * u);
	check_eq(job->done, 3 * u);
	check_eq(pattern_differs(buffer, 3 * u, 5 * u, RIG_SEED), -1);
	check_eq(bytes_differ(buffer + 3 * u, u, 0xa5), -1);
}

DATA_TEST(transfers, write_puts_the_bytes_in_their_place)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 16 * u);
	uint8_t *buffer = rig_buffer(rig, 3 * u);
	struct job *job = rig_jobs(rig, 1);

	pattern_fill(buffer, 3 * u, 5 * u, OTHER_SEED);
	rig_open(rig, NULL);
	ioe_prep_write(&job->event, fd, buffer, 3 * u, 5 * u);
	check_eq(rig_do(rig, job), 3 * u);
	check_eq(job->done, 3 * u);
	check_eq(file_differs(fd, 0, 5 * u, RIG_SEED), -1);
	check_eq(file_differs(fd, 5 * u, 3 * u, OTHER_SEED), -1);
	check_eq(file_differs(fd, 8 * u, 8 * u, RIG_SEED), -1);
	check_eq(file_size(fd), 16 * u);
}

DATA_TEST(transfers, write_at_the_end_extends_the_file)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 2 * u);
	uint8_t *buffer = rig_buffer(rig, 4 * u);
	struct job *job = rig_jobs(rig, 1);

	rig_needs_file(rig, RIG_GROWTH);
	pattern_fill(buffer, 4 * u, u, RIG_SEED);
	rig_open(rig, NULL);
	ioe_prep_write(&job->event, fd, buffer, 4 * u, u);
	check_eq(rig_do(rig, job), 4 * u);
	check_eq(file_size(fd), 5 * u);
	check_eq(file_differs(fd, 0, 5 * u, RIG_SEED), -1);
}

DATA_TEST(transfers, read_that_meets_the_end_of_file_is_short)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 5 * u);
	uint8_t *buffer = rig_buffer(rig, 4 * u);
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fd, buffer, 4 * u, 3 * u);
	check_eq(rig_do(rig, job), 2 * u);
	check_eq(job->done, 2 * u);
	check_eq(pattern_differs(buffer, 2 * u, 3 * u, RIG_SEED), -1);
}

DATA_TEST(transfers, read_at_or_beyond_the_end_of_file_is_zero)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 5 * u);
	uint8_t *buffer = rig_buffer(rig, 4 * u);
	struct job *jobs = rig_jobs(rig, 2);

	rig_open(rig, NULL);
	ioe_prep_read(&jobs[0].event, fd, buffer, u, 5 * u);
	check_eq(rig_do(rig, &jobs[0]), 0);
	ioe_prep_read(&jobs[1].event, fd, buffer, 4 * u, 100 * u);
	check_eq(rig_do(rig, &jobs[1]), 0);
	check_eq(jobs[1].done, 0);
	check_eq(bytes_differ(buffer, 4 * u, 0xa5), -1);
}

DATA_TEST(transfers, read_across_an_unaligned_end_of_file_is_short)
{
	const int fd = rig_file(rig, 10001);
	uint8_t *buffer = rig_buffer(rig, 16384);
	struct job *job = rig_jobs(rig, 1);

	rig_needs_file(rig, RIG_END);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fd, buffer, 16384, 4096);
	check_eq(rig_do(rig, job), 10001 - 4096);
	check_eq(pattern_differs(buffer, 10001 - 4096, 4096, RIG_SEED), -1);
}

DATA_TEST(transfers, readv_scatters_in_order_and_skips_empty_entries)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 16 * u);
	uint8_t *a = rig_buffer(rig, u), *b = rig_buffer(rig, 2 * u), *c = rig_buffer(rig, u);
	const struct iovec iov[] = { { NULL, 0 }, { a, u }, { NULL, 0 }, { b, 2 * u },
				     { a, 0 },    { c, u }, { NULL, 0 } };
	struct iovec copy[7];
	struct job *job = rig_jobs(rig, 1);

	memcpy(copy, iov, sizeof(iov));
	rig_open(rig, NULL);
	ioe_prep_readv(&job->event, fd, copy, 7, 3 * u);
	check_eq(rig_do(rig, job), 4 * u);
	check_eq(job->event.length, 4 * u);
	check_eq(pattern_differs(a, u, 3 * u, RIG_SEED), -1);
	check_eq(pattern_differs(b, 2 * u, 4 * u, RIG_SEED), -1);
	check_eq(pattern_differs(c, u, 6 * u, RIG_SEED), -1);
	/* The array is never written. */
	check_eq(memcmp(copy, iov, sizeof(iov)), 0);
}

DATA_TEST(transfers, writev_gathers_in_order_and_skips_empty_entries)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 16 * u);
	uint8_t *buffer = rig_buffer(rig, 4 * u);
	const struct iovec iov[] = {
		{ buffer, u },         { NULL, 0 }, { buffer + u, 2 * u },
		{ buffer + 3 * u, u }, { NULL, 0 },
	};
	struct job *job = rig_jobs(rig, 1);

	pattern_fill(buffer, 4 * u, 7 * u, OTHER_SEED);
	rig_open(rig, NULL);
	ioe_prep_writev(&job->event, fd, iov, 5, 7 * u);
	check_eq(rig_do(rig, job), 4 * u);
	check_eq(file_differs(fd, 0, 7 * u, RIG_SEED), -1);
	check_eq(file_differs(fd, 7 * u, 4 * u, OTHER_SEED), -1);
	check_eq(file_differs(fd, 11 * u, 5 * u, RIG_SEED), -1);
}

DATA_TEST(transfers, readv_that_meets_the_end_of_file_is_short)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 2 * u);
	uint8_t *a = rig_buffer(rig, u), *b = rig_buffer(rig, 2 * u);
	const struct iovec iov[] = { { a, u }, { b, 2 * u } };
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	ioe_prep_readv(&job->event, fd, iov, 2, 0);
	check_eq(rig_do(rig, job), 2 * u);
	check_eq(pattern_differs(a, u, 0, RIG_SEED), -1);
	check_eq(pattern_differs(b, u, u, RIG_SEED), -1);
	/* Direct reads may fill the rest of the buffer with zeros. */
	if (!rig->direct)
		check_eq(bytes_differ(b + u, u, 0xa5), -1);
}

DATA_TEST(transfers, vectors_of_the_most_entries_are_whole)
{
	const uint64_t each = rig->direct ? 4096 : 100;
	const uint64_t total = 1024 * each;
	const int fd = rig_file(rig, 0);
	uint8_t *out = rig_buffer(rig, total), *in = rig_buffer(rig, total);
	struct iovec *iov = rig_buffer(rig, 1024 * sizeof(*iov));
	struct job *jobs = rig_jobs(rig, 2);

	pattern_fill(out, total, 0, RIG_SEED);
	rig_open(rig, NULL);
	for (uint64_t i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ out + i * each, each };
	ioe_prep_writev(&jobs[0].event, fd, iov, 1024, 0);
	check_eq(rig_do(rig, &jobs[0]), total);
	check_eq(file_differs(fd, 0, total, RIG_SEED), -1);
	/* Backwards in memory. */
	for (uint64_t i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ in + (1023 - i) * each, each };
	ioe_prep_readv(&jobs[1].event, fd, iov, 1024, 0);
	check_eq(rig_do(rig, &jobs[1]), total);
	for (uint64_t i = 0; i < 1024; i++)
		check_eq(pattern_differs(iov[i].iov_base, each, i * each, RIG_SEED), -1);
}

DATA_TEST(transfers, transfer_larger_than_a_merged_request_may_be_is_whole)
{
	const uint64_t size = 4 << 20;
	const int fd = rig_file(rig, 0);
	uint8_t *out = rig_buffer(rig, size), *in = rig_buffer(rig, size);
	struct job *jobs = rig_jobs(rig, 2);

	pattern_fill(out, size, 0, RIG_SEED);
	rig_open(rig, NULL);
	ioe_prep_write(&jobs[0].event, fd, out, size, 0);
	check_eq(rig_do(rig, &jobs[0]), size);
	ioe_prep_read(&jobs[1].event, fd, in, size, 0);
	check_eq(rig_do(rig, &jobs[1]), size);
	check_eq(memcmp(in, out, size), 0);
}

DATA_TEST(transfers, reads_in_flight_together_keep_their_own_bytes)
{
	enum { N = 200, UNITS = 64 };
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, UNITS * u);
	struct job *jobs = rig_jobs(rig, N);
	struct random random = random_open(1);
	uint64_t total = 0;

	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		const uint64_t at = random_below(&random, UNITS);
		const uint64_t n = random_between(&random, 1, 4);
		/* Every fourth with memory of its own page, so that buffers do not adjoin. */
		uint8_t *buffer = rig_buffer(rig, n * u);

		ioe_prep_read(&jobs[i].event, fd, buffer, n * u, at * u);
		if (i % 7 == 0)
			jobs[i].event.flags = IOE_EVENT_NO_MERGE;
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++) {
		const struct ioe_event *event = &jobs[i].event;
		const uint64_t left = UNITS * u - event->offset;
		const uint64_t expected = event->length < left ? event->length : left;

		check_eq(jobs[i].result, expected);
		check_eq(jobs[i].calls, 1);
		check_eq(pattern_differs(event->buffer, expected, event->offset, RIG_SEED), -1);
		if (!rig->direct)
			check_eq(bytes_differ((uint8_t *)event->buffer + expected,
					      event->length - expected, 0xa5),
				 -1);
		total += expected;
	}
	check_eq(rig_stats(rig).bytes_read, total);
}

DATA_TEST(transfers, writes_in_flight_together_keep_their_own_places)
{
	enum { N = 96 };
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, N * u);
	uint8_t *buffer = rig_buffer(rig, N * u);
	struct job *jobs = rig_jobs(rig, N);
	struct random random = random_open(2);
	uint32_t order[N] = { 0 };

	pattern_fill(buffer, N * u, 0, OTHER_SEED);
	for (uint32_t i = 0; i < N; i++) {
		const uint32_t k = (uint32_t)random_below(&random, i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N; i++) {
		const uint64_t at = order[i] * u;

		ioe_prep_write(&jobs[i].event, fd, buffer + at, u, at);
		rig_submit(rig, &jobs[i]);
	}
	rig_wait_all(rig);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, u);
	check_eq(file_differs(fd, 0, N * u, OTHER_SEED), -1);
	check_eq(rig_stats(rig).bytes_written, N * u);
}

DATA_TEST(transfers, buffers_may_be_on_the_stack_and_freed_in_the_callback)
{
	const uint64_t u = rig->unit;
	const int fd = rig_file(rig, 4 * u);
	uint8_t stack[2 * 4096] __attribute__((aligned(4096)));
	struct job *job = rig_jobs(rig, 1);

	rig_open(rig, NULL);
	ioe_prep_read(&job->event, fd, stack, 2 * u, u);
	check_eq(rig_do(rig, job), 2 * u);
	check_eq(pattern_differs(stack, 2 * u, u, RIG_SEED), -1);
}
