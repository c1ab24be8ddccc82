/* SPDX-License-Identifier: MIT
 * test_settle.c - the settle table, row by row.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  events and buffers are the tests' own. */
#include "tests/unit/request_fixture.h"

static char bytes[16384];

#define SETTLE_TEST(name) REQUEST_TEST(settle, name)

static void check_verdict(int64_t result, enum ioe__verdict verdict, int64_t expected)
{
	const struct ioe__settlement settlement = ioe__request_settle(&request, result);

	check_eq(settlement.verdict, verdict);
	if (verdict == IOE__VERDICT_FINISH || verdict == IOE__VERDICT_ADVANCE)
		check_eq(settlement.result, expected);
}

SETTLE_TEST(progress_advances_whole_or_short)
{
	struct ioe_event event;

	ioe_prep_read(&event, null_fd(), bytes, 4096, 0);
	build_one(&event);
	check_verdict(4096, IOE__VERDICT_ADVANCE, 4096);
	check_verdict(1, IOE__VERDICT_ADVANCE, 1);
}

SETTLE_TEST(zero_bytes_of_a_read_are_the_end_of_the_file)
{
	struct ioe_event event;

	ioe_prep_read(&event, null_fd(), bytes, 4096, 0);
	event.done = 100;
	build_one(&event);
	check_eq(request.offset, 100);
	check_eq(request.length, 3996);
	check_verdict(0, IOE__VERDICT_FINISH, 100);
}

SETTLE_TEST(zero_bytes_of_a_write_are_forgiven_once)
{
	struct ioe_event event;

	ioe_prep_write(&event, null_fd(), bytes, 4096, 0);
	build_one(&event);
	check_verdict(0, IOE__VERDICT_AGAIN, 0);
	check_verdict(0, IOE__VERDICT_FINISH, -EIO);
}

SETTLE_TEST(progress_forgives_anew)
{
	struct ioe_event event;

	ioe_prep_write(&event, null_fd(), bytes, 4096, 0);
	build_one(&event);
	check_verdict(0, IOE__VERDICT_AGAIN, 0);
	check_verdict(10, IOE__VERDICT_ADVANCE, 10);
	check_verdict(0, IOE__VERDICT_AGAIN, 0);
}

SETTLE_TEST(progress_forgives_interruptions)
{
	struct ioe_event event;

	ioe_prep_write(&event, null_fd(), bytes, 4096, 0);
	build_one(&event);
	for (int i = 0; i < IOE__AGAIN_MAX; i++)
		check_verdict(-EINTR, IOE__VERDICT_AGAIN, 0);
	check_verdict(10, IOE__VERDICT_ADVANCE, 10);
	check_verdict(-EINTR, IOE__VERDICT_AGAIN, 0);
}

SETTLE_TEST(no_resume_hands_over_what_there_is)
{
	struct ioe_event event;

	ioe_prep_write(&event, null_fd(), bytes, 4096, 0);
	event.flags = IOE_EVENT_NO_RESUME;
	build_one(&event);
	check_verdict(10, IOE__VERDICT_FINISH, 10);
	check_verdict(0, IOE__VERDICT_FINISH, 0);
}

SETTLE_TEST(eintr_is_run_again_within_bounds)
{
	struct ioe_event event;

	ioe_prep_fsync(&event, null_fd());
	build_one(&event);
	for (int i = 0; i < IOE__AGAIN_MAX; i++)
		check_verdict(-EINTR, IOE__VERDICT_AGAIN, 0);
	check_verdict(-EINTR, IOE__VERDICT_FINISH, -EINTR);
}

SETTLE_TEST(eagain_is_run_again_within_bounds)
{
	struct ioe_event event;

	ioe_prep_read(&event, null_fd(), bytes, 4096, 0);
	build_one(&event);
	for (int i = 0; i < IOE__AGAIN_MAX; i++)
		check_verdict(-EAGAIN, IOE__VERDICT_LATER, 0);
	check_verdict(-EAGAIN, IOE__VERDICT_FINISH, -EAGAIN);
}

SETTLE_TEST(eagain_of_a_nonblocking_file_is_the_callers)
{
	struct ioe_event event;
	int fds[2];

	check_sys(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	ioe_prep_read(&event, fds[0], bytes, 4096, 0);
	build_one(&event);
	check_verdict(-EAGAIN, IOE__VERDICT_FINISH, -EAGAIN);
	close(fds[0]);
	close(fds[1]);
}

SETTLE_TEST(a_failed_sync_is_never_run_again)
{
	struct ioe_event event;

	ioe_prep_fdatasync(&event, null_fd());
	build_one(&event);
	check_verdict(-EIO, IOE__VERDICT_FINISH, -EIO);
	check_verdict(-EAGAIN, IOE__VERDICT_FINISH, -EAGAIN);
}

SETTLE_TEST(more_than_asked_for_is_not_believed)
{
	struct ioe_event event;

	ioe_prep_read(&event, null_fd(), bytes, 4096, 0);
	build_one(&event);
	check_verdict(4097, IOE__VERDICT_FINISH, -EIO);
}

/* n adjacent writes of 4 KiB as one request. */
static void build_merged(struct ioe_event *events, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		ioe_prep_write(&events[i], null_fd(), bytes + 4096 * i, 4096, 4096 * i);
		events[i].ioe__node.next = i + 1 < n ? &events[i + 1].ioe__node : NULL;
	}
	check_eq(ioe__request_build(&request, &pool, &view, events, n, n), n);
}

SETTLE_TEST(a_merged_request_splits_on_errors_and_on_nothing)
{
	struct ioe_event events[4];

	build_merged(events, 4);
	check_eq(request.length, 16384);
	check_verdict(-EIO, IOE__VERDICT_SPLIT, 0);
	check_verdict(-EAGAIN, IOE__VERDICT_SPLIT, 0);
	check_verdict(0, IOE__VERDICT_SPLIT, 0);
	check_verdict(16385, IOE__VERDICT_SPLIT, 0);
	check_verdict(5000, IOE__VERDICT_ADVANCE, 5000);
	check_verdict(16384, IOE__VERDICT_ADVANCE, 16384);
	check_verdict(-EINTR, IOE__VERDICT_AGAIN, 0);
	check_verdict(-ECANCELED, IOE__VERDICT_SPLIT, 0);
	ioe__request_release(&request, &pool);
}

SETTLE_TEST(a_released_slot_has_a_new_generation)
{
	struct ioe_event event;

	ioe_prep_nop(&event);
	build_one(&event);
	ioe__request_release(&request, &pool);
	check_eq(request.generation, 1);
	check_eq(request.state, IOE__REQUEST_FREE);
}
