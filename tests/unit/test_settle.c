/* SPDX-License-Identifier: MIT
 * test_settle.c - the settle table, row by row, and how requests are built of what is left.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  events and buffers are the tests' own. */
#include "engine/request.h"
#include "tests/check.h"

#include <unistd.h>

static struct ioe__iovpool pool;
static struct ioe__request request;
static char bytes[16384];

static void setup(void)
{
	check_eq(ioe__iovpool_init(&pool, 1), 0);
	request = (struct ioe__request){ .slot = 0 };
}

static void teardown(void)
{
	ioe__iovpool_deinit(&pool);
}

#define SETTLE_TEST(name) Test(settle, name, .init = setup, .fini = teardown)

static int null_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = (int)check_sys(open("/dev/null", O_RDWR));
	return fd;
}

static void build_one(struct ioe_event *event)
{
	check_eq(ioe__request_build(&request, &pool, event, 1, 1), 1);
}

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
	check_eq(ioe__request_build(&request, &pool, events, n, n), n);
}

SETTLE_TEST(a_merged_request_splits_on_errors_and_on_nothing)
{
	struct ioe_event events[4];

	build_merged(events, 4);
	check_eq(request.n_iov, 4);
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

SETTLE_TEST(a_merged_request_is_smaller_when_iovecs_are_short)
{
	struct ioe_event events[4];
	uint32_t n_got;
	uint32_t block;

	check_eq(ioe__iovpool_take(&pool, 512, 2, &n_got), 0);
	block = ioe__iovpool_take(&pool, 510, 2, &n_got);
	check_eq(block, 512);
	ioe__iovpool_give(&pool, block);
	/* All but two entries taken. */
	for (uint32_t n = 256; n >= 2; n /= 2)
		cr_assert_neq(ioe__iovpool_take(&pool, n, n, &n_got), IOE__NO_IOV_BLOCK);
	for (uint32_t i = 0; i < 4; i++) {
		ioe_prep_write(&events[i], null_fd(), bytes + 4096 * i, 4096, 4096 * i);
		events[i].ioe__node.next = i < 3 ? &events[i + 1].ioe__node : NULL;
	}
	check_eq(ioe__request_build(&request, &pool, events, 4, 4), 2);
	check_eq(request.length, 8192);
	request.state = IOE__REQUEST_FREE;
	check_eq(ioe__request_build(&request, &pool, events + 2, 2, 2), 1);
	check_eq(request.n_iov, 0);
	check_eq(request.length, 4096);
}

SETTLE_TEST(a_vector_goes_on_in_its_element_and_then_with_the_array)
{
	const struct iovec iov[] = {
		{ bytes, 4096 }, { bytes + 4096, 0 }, { bytes + 4096, 4096 }, { bytes + 8192, 4096 }
	};
	struct ioe_event event;

	ioe_prep_readv(&event, null_fd(), iov, 4, 1000);
	event.length = 12288;
	build_one(&event);
	cr_assert_eq(request.iov, iov);
	check_eq(request.n_iov, 4);
	request.state = IOE__REQUEST_FREE;

	event.done = 5000;
	build_one(&event);
	check_eq(request.n_iov, 0);
	cr_assert_eq((char *)request.buffer, bytes + 5000);
	check_eq(request.length, 3192);
	check_eq(request.offset, 6000);
	request.state = IOE__REQUEST_FREE;

	event.done = 4096;
	build_one(&event);
	cr_assert_eq(request.iov, iov + 2);
	check_eq(request.n_iov, 2);
	request.state = IOE__REQUEST_FREE;

	event.done = 8192;
	build_one(&event);
	check_eq(request.n_iov, 0);
	cr_assert_eq((char *)request.buffer, bytes + 8192);
	check_eq(request.length, 4096);
}

SETTLE_TEST(a_huge_transfer_is_cut_to_what_the_kernel_moves)
{
	struct ioe_event event;

	ioe_prep_read(&event, null_fd(), bytes, UINT64_C(5) << 30, 0);
	build_one(&event);
	check_eq(request.length, 0x7ffff000);
	request.state = IOE__REQUEST_FREE;
	event.done = 2 * UINT64_C(0x7ffff000);
	build_one(&event);
	check_eq(request.length, (INT64_C(5) << 30) - 2 * INT64_C(0x7ffff000));
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
