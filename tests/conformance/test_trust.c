/* SPDX-License-Identifier: MIT
 * test_trust.c - the array of a vector belongs to the engine with its event, and a caller who
 *                changes it all the same harms nobody else: no memory of the engine, no other
 *                event, no driver. Where nothing is driven (NONE), it is changed at a known
 *                place: after acceptance. */
#include "tests/lib/rig.h"

#include <sys/uio.h>
#include <unistd.h>

enum { PIECE = 4096, N_IOV = 4 };

/* A vector between two plain events, all neighbours in the file, so that they merge. */
struct trio {
	struct job *jobs;
	uint8_t *before, *middle, *behind;
	struct iovec iov[N_IOV];
};

/* Of a file that ends with them. */
static void submit_trio(struct rig *rig, struct trio *trio, uint32_t n_iov)
{
	const int fd = rig_file(rig, (uint64_t)(2 + n_iov) * PIECE);

	trio->jobs = rig_jobs(rig, 3);
	trio->before = rig_buffer(rig, PIECE);
	trio->middle = rig_buffer(rig, (uint64_t)2 * N_IOV * PIECE);
	trio->behind = rig_buffer(rig, PIECE);
	/* Every other piece: they do not become one buffer. */
	for (uint32_t i = 0; i < n_iov; i++)
		trio->iov[i] = (struct iovec){ trio->middle + (size_t)2 * i * PIECE, PIECE };
	ioe_prep_read(&trio->jobs[0].event, fd, trio->before, PIECE, 0);
	ioe_prep_readv(&trio->jobs[1].event, fd, trio->iov, n_iov, PIECE);
	ioe_prep_read(&trio->jobs[2].event, fd, trio->behind, PIECE, (1 + n_iov) * PIECE);
	rig_open(rig, NULL);
	check_eq(rig_batch(rig, trio->jobs, 3, false), 3);
}

static void check_neighbours(const struct trio *trio, uint32_t n_iov)
{
	for (uint32_t i = 0; i < 3; i++)
		check_eq(trio->jobs[i].calls, 1);
	check_eq(trio->jobs[0].result, PIECE);
	check_eq(trio->jobs[2].result, PIECE);
	check_eq(pattern_differs(trio->before, PIECE, 0, RIG_SEED), -1);
	check_eq(pattern_differs(trio->behind, PIECE, (1 + n_iov) * PIECE, RIG_SEED), -1);
}

NONE_TEST(trust, array_emptied_after_submit_fails_its_event_alone)
{
	struct trio trio;

	submit_trio(rig, &trio, N_IOV);
	memset(trio.iov, 0, sizeof(trio.iov));
	rig_wait_all(rig);
	check_neighbours(&trio, N_IOV);
	check_eq(trio.jobs[1].result, -EFAULT);
	check_eq(bytes_differ(trio.middle, (uint64_t)2 * N_IOV * PIECE, 0xa5), -1);
}

NONE_TEST(trust, array_shortened_after_submit_moves_no_data_of_others)
{
	struct trio trio;

	submit_trio(rig, &trio, N_IOV);
	trio.iov[1].iov_len = PIECE / 2;
	rig_wait_all(rig);
	check_neighbours(&trio, N_IOV);
	check_eq(trio.jobs[1].result, -EFAULT);
}

NONE_TEST(trust, array_lengthened_after_submit_moves_what_was_accepted)
{
	struct trio trio;

	submit_trio(rig, &trio, N_IOV);
	trio.iov[1].iov_len = PIECE + PIECE / 2;
	rig_wait_all(rig);
	check_neighbours(&trio, N_IOV);
	check_eq(trio.jobs[1].result, (int64_t)N_IOV * PIECE);
	check_eq(pattern_differs(trio.middle, PIECE, PIECE, RIG_SEED), -1);
}

NONE_TEST(trust, array_of_one_that_grows_after_submit_moves_what_was_accepted)
{
	struct trio trio;

	submit_trio(rig, &trio, 1);
	trio.iov[0].iov_len = (size_t)2 * PIECE;
	rig_wait_all(rig);
	check_neighbours(&trio, 1);
	check_eq(trio.jobs[1].result, PIECE);
	check_eq(pattern_differs(trio.middle, PIECE, PIECE, RIG_SEED), -1);
	check_eq(bytes_differ(trio.middle + PIECE, PIECE, 0xa5), -1);
}

/* The bytes in the file are those of the events that they were accepted with. */
NONE_TEST(trust, array_changed_after_submit_writes_no_data_of_others_elsewhere)
{
	enum { WIDE = 2 * PIECE };
	const int fd = rig_file(rig, 5 * PIECE);
	uint8_t *buffer = rig_buffer(rig, 8 * PIECE);
	struct iovec iov[2] = { { buffer + 2 * PIECE, PIECE }, { buffer + 4 * PIECE, PIECE } };

	rig_open(rig, NULL);
	for (uint32_t round = 0; round < 2; round++) {
		struct job *jobs = rig_jobs(rig, 3);

		memset(buffer, 0, 8 * PIECE);
		pattern_fill(buffer, PIECE, 0, 1 + round);
		pattern_fill(buffer + 7 * PIECE, PIECE, 3 * PIECE, 1 + round);
		iov[0].iov_len = PIECE;
		ioe_prep_write(&jobs[0].event, fd, buffer, PIECE, 0);
		ioe_prep_writev(&jobs[1].event, fd, iov, 2, PIECE);
		ioe_prep_write(&jobs[2].event, fd, buffer + 7 * PIECE, PIECE, 3 * PIECE);
		check_eq(rig_batch(rig, jobs, 3, false), 3);
		iov[0].iov_len = round == 0 ? WIDE : PIECE / 2;
		rig_wait_all(rig);
		check_eq(jobs[0].result, PIECE);
		check_eq(jobs[2].result, PIECE);
		check_eq(pread(fd, buffer, 5 * PIECE, 0), 5 * PIECE);
		check_eq(pattern_differs(buffer, PIECE, 0, 1 + round), -1);
		check_eq(pattern_differs(buffer + 3 * PIECE, PIECE, 3 * PIECE, 1 + round), -1);
		check_eq(pattern_differs(buffer + 4 * PIECE, PIECE, 4 * PIECE, RIG_SEED), -1);
	}
}

/* The kernel is told what the caller says now, and moves more than the event is long. */
NONE_TEST(trust, vector_that_moves_more_than_was_accepted_is_an_error)
{
	const int fd = rig_file(rig, 16 * PIECE);
	uint8_t *buffer = rig_buffer(rig, 4 * PIECE);
	struct iovec iov[2] = { { buffer, PIECE }, { buffer + 2 * PIECE, PIECE } };
	struct job *jobs = rig_jobs(rig, 2);

	rig_open(rig, NULL);
	ioe_prep_readv(&jobs[0].event, fd, iov, 2, 0);
	rig_submit(rig, &jobs[0]);
	iov[1].iov_len = 2 * PIECE;
	rig_wait(rig, &jobs[0]);
	check_eq(jobs[0].result, -EIO);
	check_eq(jobs[0].done, 0);
	ioe_prep_read(&jobs[1].event, fd, buffer, PIECE, 0);
	check_eq(rig_do(rig, &jobs[1]), PIECE);
}
