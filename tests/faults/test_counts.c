/* SPDX-License-Identifier: MIT
 * test_counts.c - results that a test chooses: short by every count there is, interrupted, to be
 *                 tried again, without room; made by the seam (P1 P6 P17 P32, laws 3 and 4). */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <fcntl.h>
#include <unistd.h>

#ifdef IOE_TEST_SEAM

static bool is_transfer(uint8_t op)
{
	return op == IOE_OP_READ || op == IOE_OP_WRITE;
}

/* ---- Short ------------------------------------------------------------------------------- */

static uint64_t (*cut)(uint64_t result);

static uint64_t to_one_byte(uint64_t result)
{
	(void)result;
	return 1;
}

static uint64_t to_sector_less_one(uint64_t result)
{
	return result > 511 ? 511 : result;
}

static uint64_t to_half(uint64_t result)
{
	return (result + 1) / 2;
}

static uint64_t by_one_byte(uint64_t result)
{
	return result > 1 ? result - 1 : result;
}

static void cut_result(struct ioe__completion *completion, const struct seam_request *request)
{
	if (is_transfer(request->op) && completion->result > 0)
		completion->result = (int64_t)cut((uint64_t)completion->result);
}

/* The same before the kernel has seen the request: it moves no more than it is said to have. */
static void cut_request(struct ioe__request *request)
{
	if (is_transfer(request->op) && request->n_iov == 0)
		request->length = cut(request->length);
}

enum { PIECES = 5 };
/* None is a power of two, one is nothing; together: */
static const uint64_t lengths[PIECES] = { 700, 1, 0, 999, 300 };
#define SIZE 2000u

/* One buffer, a vector, and events that merge; each written, then read, by requests cut short.
 * Returns how many requests that took. */
static uint64_t move_in_pieces(struct rig *rig)
{
	const int fd = rig_file(rig, 0);
	uint8_t *buffer = guard_buffer_open(SIZE);
	struct job *jobs = rig_jobs(rig, 12);
	struct iovec iov[PIECES];
	uint64_t at = 0;

	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < PIECES; i++) {
		iov[i] = (struct iovec){ lengths[i] > 0 ? buffer + at : NULL, lengths[i] };
		at += lengths[i];
	}
	for (uint32_t round = 0; round < 6; round++) {
		const bool writes = round % 2 == 0;
		struct job *job = &jobs[round];
		uint32_t n = 1;

		memset(buffer, 0, SIZE);
		if (writes)
			pattern_fill(buffer, SIZE, 0, RIG_SEED + round);
		if (round / 2 == 0 && writes) {
			ioe_prep_write(&job->event, fd, buffer, SIZE, 0);
		} else if (round / 2 == 0) {
			ioe_prep_read(&job->event, fd, buffer, SIZE, 0);
		} else if (round / 2 == 1 && writes) {
			ioe_prep_writev(&job->event, fd, iov, PIECES, 0);
		} else if (round / 2 == 1) {
			ioe_prep_readv(&job->event, fd, iov, PIECES, 0);
		} else {
			job = &jobs[4 + 4 * (round - 4)];
			n = 4;
			for (uint32_t i = 0; i < n && writes; i++)
				ioe_prep_write(&job[i].event, fd, buffer + i * SIZE / 4, SIZE / 4,
					       i * SIZE / 4);
			for (uint32_t i = 0; i < n && !writes; i++)
				ioe_prep_read(&job[i].event, fd, buffer + i * SIZE / 4, SIZE / 4,
					      i * SIZE / 4);
		}
		check_eq(rig_batch(rig, job, n, false), n);
		rig_wait_all(rig);
		for (uint32_t i = 0; i < n; i++) {
			check_eq(job[i].result, SIZE / n);
			check_eq(job[i].done, SIZE / n);
		}
		check_eq(pattern_differs(buffer, SIZE, 0, RIG_SEED + round / 2 * 2), -1);
		check_eq(file_differs(fd, 0, SIZE, RIG_SEED + round / 2 * 2), -1);
	}
	guard_buffer_close(buffer, SIZE);
	return rig_stats(rig).requests;
}

/* Each byte is a request, whatever it is merged with. */
MATRIX_TEST(counts, p01_results_of_one_byte_add_up)
{
	cut = to_one_byte;
	seam_on_completion = cut_result;
	check_eq(move_in_pieces(rig), 6 * SIZE);
}

MATRIX_TEST(counts, p01_requests_of_one_byte_add_up)
{
	cut = to_one_byte;
	seam_on_stage = cut_request;
	/* Vectors and merged requests cannot be cut so until little is left of them. */
	check_op(move_in_pieces(rig), >=, 2 * SIZE);
}

MATRIX_TEST(counts, p01_results_of_a_sector_less_one_byte_add_up)
{
	cut = to_sector_less_one;
	seam_on_completion = cut_result;
	check_op(move_in_pieces(rig), >=, 6 * 4);
}

MATRIX_TEST(counts, p01_results_of_half_add_up)
{
	cut = to_half;
	seam_on_completion = cut_result;
	check_op(move_in_pieces(rig), >=, 6 * 10);
}

MATRIX_TEST(counts, p01_results_short_by_one_byte_add_up)
{
	cut = by_one_byte;
	seam_on_completion = cut_result;
	check_op(move_in_pieces(rig), >=, 6 * 2);
}

/* ---- Short where O_DIRECT cannot go on --------------------------------------------------- */

static void cut_first(struct ioe__completion *completion, const struct seam_request *request)
{
	if (is_transfer(request->op) && request->offset == 0)
		completion->result = 5000;
}

static int open_cut_direct(struct rig *rig)
{
	const int fd = rig_keep_fd(rig, place_file(PLACE_DISK_DIRECT, 16384, RIG_SEED, 0));
	struct ioe_alignment alignment = { .size = sizeof(alignment) };
	uint8_t *buffer = rig_buffer(rig, 16384);

	check_eq(ioe_file_alignment(fd, &alignment), 0);
	if (alignment.offset_bytes == 1 || pread(fd, buffer, 11384, 5000) >= 0)
		cr_skip_test("direct IO of this file system begins anywhere");
	seam_on_completion = cut_first;
	seam_watch();
	rig_open(rig, NULL);
	return fd;
}

/* The kernel says -EINVAL to the rest, as it does behind the end of a file: law 3. */
MATRIX_TEST(counts, p32_direct_read_cut_within_a_sector_ends_there)
{
	const int fd = open_cut_direct(rig);
	struct job *job = rig_jobs(rig, 1);
	uint8_t *buffer = rig_buffer(rig, 16384);

	ioe_prep_read(&job->event, fd, buffer, 16384, 0);
	check_eq(rig_do(rig, job), 5000);
	check_eq(job->done, 5000);
	check_eq(pattern_differs(buffer, 5000, 0, RIG_SEED), -1);
	check_eq(rig_stats(rig).resumed, 1);
}

MATRIX_TEST(counts, p06_direct_write_cut_within_a_sector_is_einval_with_done)
{
	const int fd = open_cut_direct(rig);
	struct job *job = rig_jobs(rig, 1);

	ioe_prep_write(&job->event, fd, rig_buffer(rig, 16384), 16384, 0);
	check_eq(rig_do(rig, job), -EINVAL);
	check_eq(job->done, 5000);
	check_eq(rig_stats(rig).resumed, 1);
}

/* ---- Errors ------------------------------------------------------------------------------ */

static int error;
static uint32_t n_errors_left;
static bool only_merged;

static void fail_some(struct ioe__completion *completion, const struct seam_request *request)
{
	if (!is_transfer(request->op) || n_errors_left == 0 ||
	    (only_merged && request->n_events == 1))
		return;
	n_errors_left--;
	completion->result = -error;
}

static int open_failing(struct rig *rig, int number, uint32_t n)
{
	const int fd = rig_file(rig, 8192);

	error = number;
	n_errors_left = n;
	seam_on_completion = fail_some;
	seam_watch();
	rig_open(rig, NULL);
	return fd;
}

/* Once, for all of them: none of them is told (law 4). */
static void fail_merged(struct rig *rig, int number, bool writes)
{
	enum { N = 8, EACH = 1024 };
	uint8_t *buffer = rig_buffer(rig, N * EACH);
	struct job *jobs = rig_jobs(rig, N);
	int fd;

	only_merged = true;
	fd = open_failing(rig, number, 1);
	if (writes)
		pattern_fill(buffer, N * EACH, 0, 1);
	rig_push(rig);
	for (uint32_t i = 0; i < N; i++)
		if (writes)
			ioe_prep_write(&jobs[i].event, fd, buffer + i * EACH, EACH, i * EACH);
		else
			ioe_prep_read(&jobs[i].event, fd, buffer + i * EACH, EACH, i * EACH);
	check_eq(rig_batch(rig, jobs, N, false), N);
	rig_wait_all(rig);
	check_eq(n_errors_left, 0);
	for (uint32_t i = 0; i < N; i++)
		check_eq(jobs[i].result, EACH);
	check_eq(pattern_differs(buffer, N * EACH, 0, writes ? 1 : RIG_SEED), -1);
	check_eq(file_differs(fd, 0, N * EACH, writes ? 1 : RIG_SEED), -1);
	check_eq(rig_stats(rig).split, 1);
	check_eq(rig_stats(rig).errors, 0);
}

MATRIX_TEST(counts, enospc_of_a_merged_write_is_no_events_if_each_alone_has_room)
{
	fail_merged(rig, ENOSPC, true);
}

MATRIX_TEST(counts, eio_of_a_merged_read_is_no_events_if_each_alone_is_read)
{
	fail_merged(rig, EIO, false);
}

MATRIX_TEST(counts, ebusy_of_a_merged_read_is_no_events_if_each_alone_is_read)
{
	fail_merged(rig, EBUSY, false);
}

/* ---- Again ------------------------------------------------------------------------------- */

static void survive_burst(struct rig *rig, int number, uint32_t n)
{
	struct job *job = rig_jobs(rig, 1);
	uint8_t *buffer = rig_buffer(rig, 8192);
	const int fd = open_failing(rig, number, n);

	ioe_prep_read(&job->event, fd, buffer, 8192, 0);
	check_eq(rig_do(rig, job), 8192);
	check_eq(pattern_differs(buffer, 8192, 0, RIG_SEED), -1);
	check_eq(n_errors_left, 0);
	check_eq(rig_stats(rig).retried, n);
}

/* More of them than may wait for a completion only. */
MATRIX_TEST(counts, burst_of_eagain_is_only_a_delay)
{
	survive_burst(rig, EAGAIN, 40);
}

MATRIX_TEST(counts, p17_burst_of_eintr_is_only_a_delay)
{
	survive_burst(rig, EINTR, 1000);
}

/* Law 8: every retry has a bound. */
static void give_up(struct rig *rig, int number)
{
	struct job *job = rig_jobs(rig, 1);
	const int fd = open_failing(rig, number, UINT32_MAX);

	ioe_prep_read(&job->event, fd, rig_buffer(rig, 8192), 8192, 0);
	check_eq(rig_do(rig, job), -number);
	check_eq(job->done, 0);
	check_eq(rig_stats(rig).retried, 1024);
}

NONE_TEST(counts, eagain_for_ever_is_the_callers_after_all)
{
	give_up(rig, EAGAIN);
}

MATRIX_TEST(counts, p17_eintr_for_ever_is_the_callers_after_all)
{
	give_up(rig, EINTR);
}

#endif
