/* SPDX-License-Identifier: MIT
 * test_request.c - how requests are built of events, and of what is left of them.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  events and buffers are the tests' own. */
#include "tests/lib/place.h"
#include "tests/unit/request_fixture.h"

enum { N = 4, BLOCK = 4096 };

/* Aligned for any file. Of block i the even ones are used where memory is not to be adjacent. */
static _Alignas(4096) char bytes[2 * N * BLOCK];
static struct ioe_event events[N];

#define BUILD_TEST(name) REQUEST_TEST(request, name)

/* N writes of length bytes, adjacent in the file from offset on, and in memory apart by distance
 * from one to the next; returns of how many the request is. */
static uint32_t build(int fd, uint64_t offset, uint64_t length, size_t distance)
{
	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_write(&events[i], fd, bytes + distance * i, length, offset + length * i);
		events[i].ioe__node.next = i + 1 < N ? &events[i + 1].ioe__node : NULL;
	}
	return ioe__request_build(&request, &pool, &view, events, N, N);
}

BUILD_TEST(events_apart_in_memory_are_a_vector)
{
	check_eq(build(null_fd(), 4096, BLOCK, 2 * BLOCK), N);
	check_eq(request.offset, 4096);
	check_eq(request.length, N * BLOCK);
	check_eq(request.n_iov, N);
	for (uint32_t i = 0; i < N; i++) {
		cr_assert_eq((char *)request.iov[i].iov_base, bytes + (size_t)2 * BLOCK * i);
		check_eq(request.iov[i].iov_len, BLOCK);
	}
	ioe__request_release(&request, &pool);
}

BUILD_TEST(events_adjacent_in_memory_are_one_buffer)
{
	uint32_t n_got;

	check_eq(build(null_fd(), 0, BLOCK, BLOCK), N);
	check_eq(request.n_iov, 0);
	cr_assert_eq((char *)request.buffer, bytes);
	check_eq(request.length, N * BLOCK);
	/* The whole pool is free. */
	check_eq(ioe__iovpool_take(&pool, IOE__IOV_BLOCK_MAX, IOE__IOV_BLOCK_MAX, &n_got), 0);
	ioe__iovpool_give(&pool, 0);
	ioe__request_release(&request, &pool);
}

BUILD_TEST(neighbours_in_memory_share_an_element_of_a_vector)
{
	const struct iovec iov[] = { { bytes + BLOCK, 100 },
				     { NULL, 0 },
				     { bytes + BLOCK + 100, BLOCK - 100 },
				     { bytes + 4 * BLOCK, BLOCK } };

	ioe_prep_write(&events[0], null_fd(), bytes, BLOCK, 0);
	ioe_prep_writev(&events[1], null_fd(), iov, 4, BLOCK);
	events[1].length = 2 * BLOCK;
	ioe_prep_write(&events[2], null_fd(), bytes + 5 * BLOCK, BLOCK, 3 * BLOCK);
	events[0].ioe__node.next = &events[1].ioe__node;
	events[1].ioe__node.next = &events[2].ioe__node;
	events[2].ioe__node.next = NULL;
	check_eq(ioe__request_build(&request, &pool, &view, events, 3, 6), 3);
	check_eq(request.n_iov, 2);
	cr_assert_eq((char *)request.iov[0].iov_base, bytes);
	check_eq(request.iov[0].iov_len, 2 * BLOCK);
	cr_assert_eq((char *)request.iov[1].iov_base, bytes + 4 * BLOCK);
	check_eq(request.iov[1].iov_len, 2 * BLOCK);
	check_eq(request.length, 4 * BLOCK);
	ioe__request_release(&request, &pool);
}

/* Two halves of a sector pass as one where each alone is -EINVAL. */
BUILD_TEST(direct_events_that_are_misaligned_are_requests_of_their_own)
{
	const int fd = place_file(PLACE_DISK_DIRECT, 1 << 20, 1, 0);
	struct ioe_alignment alignment = { .size = sizeof(alignment) };

	check_eq(ioe_file_alignment(fd, &alignment), 0);
	if (alignment.offset_bytes > BLOCK / 2 || alignment.memory_bytes > BLOCK / 2)
		cr_skip_test("sectors of more than 2048 bytes");
	/* By length, by offset, by address. */
	check_eq(build(fd, 0, alignment.offset_bytes / 2, BLOCK), 1);
	ioe__request_release(&request, &pool);
	check_eq(build(fd, alignment.offset_bytes / 2, BLOCK, 2 * BLOCK), 1);
	ioe__request_release(&request, &pool);
	check_eq(build(fd, 0, alignment.offset_bytes, alignment.memory_bytes / 2), 1);
	ioe__request_release(&request, &pool);
	/* What has the file's sectors, not pages, is merged. */
	check_eq(build(fd, 0, alignment.offset_bytes, 2 * alignment.memory_bytes), N);
	ioe__request_release(&request, &pool);
	check_sys(close(fd));
}

/* Up to Linux 6.17 each element of a vector must be whole sectors: to join elements would hide that
 * these are not. */
BUILD_TEST(direct_vectors_of_parts_of_sectors_are_requests_of_their_own)
{
	const int fd = place_file(PLACE_DISK_DIRECT, 1 << 20, 1, 0);
	const struct iovec iov[] = { { bytes, 100 }, { bytes + 100, BLOCK - 100 } };

	ioe_prep_writev(&events[0], fd, iov, 2, 0);
	events[0].length = BLOCK;
	ioe_prep_write(&events[1], fd, bytes + 2 * BLOCK, BLOCK, BLOCK);
	events[0].ioe__node.next = &events[1].ioe__node;
	events[1].ioe__node.next = NULL;
	check_eq(ioe__request_build(&request, &pool, &view, events, 2, 3), 1);
	check_eq(request.n_iov, 2);
	ioe__request_release(&request, &pool);
	check_sys(close(fd));
}

/* The same where memory may be aligned to less than sectors: it is for the file to say. */
BUILD_TEST(direct_vectors_of_aligned_parts_of_sectors_are_requests_of_their_own)
{
	const struct iovec iov[] = { { bytes, 512 }, { bytes + 512, BLOCK - 512 } };

	view = (struct ioe__file_view){ .fd = null_fd(),
					.direct = true,
					.alignment = { .offset_bytes = BLOCK, .memory_bytes = 4 } };
	ioe_prep_writev(&events[0], view.fd, iov, 2, 0);
	events[0].length = BLOCK;
	ioe_prep_write(&events[1], view.fd, bytes + 2 * BLOCK, BLOCK, BLOCK);
	events[0].ioe__node.next = &events[1].ioe__node;
	events[1].ioe__node.next = NULL;
	check_eq(ioe__request_build(&request, &pool, &view, events, 2, 3), 1);
	ioe__request_release(&request, &pool);
}

/* An fd number may be another file's in the next drain, and is the same one's until then. */
BUILD_TEST(file_is_looked_at_once_for_each_drain)
{
	const int direct = place_file(PLACE_DISK_DIRECT, 1 << 20, 1, 0);
	const int buffered = place_file(PLACE_DISK, 1 << 20, 1, 0);

	check_eq(build(direct, 0, 100, BLOCK), 1);
	ioe__request_release(&request, &pool);
	check_eq(view.fd, direct);
	check_sys(dup2(buffered, direct));
	check_eq(build(direct, 0, 100, BLOCK), 1);
	ioe__request_release(&request, &pool);
	view.fd = -1; /* as the next drain makes it */
	check_eq(build(direct, 0, 100, BLOCK), N);
	ioe__request_release(&request, &pool);
	check_sys(close(direct));
	check_sys(close(buffered));
}

BUILD_TEST(direct_events_before_a_misaligned_one_are_merged)
{
	const int fd = place_file(PLACE_DISK_DIRECT, 1 << 20, 1, 0);

	for (uint32_t i = 0; i < N; i++) {
		ioe_prep_write(&events[i], fd, bytes + (size_t)2 * BLOCK * i + (i == 2), BLOCK,
			       (uint64_t)BLOCK * i);
		events[i].ioe__node.next = i + 1 < N ? &events[i + 1].ioe__node : NULL;
	}
	check_eq(ioe__request_build(&request, &pool, &view, events, N, N), 2);
	check_eq(request.length, 2 * BLOCK);
	ioe__request_release(&request, &pool);
	check_sys(close(fd));
}

BUILD_TEST(buffered_events_are_merged_as_they_stand)
{
	const int fd = place_file(PLACE_DISK, 1 << 20, 1, 0);

	check_eq(build(fd, 7, 100, 333), N);
	check_eq(request.length, 400);
	ioe__request_release(&request, &pool);
	check_sys(close(fd));
}

BUILD_TEST(a_merged_request_is_smaller_when_iovecs_are_short)
{
	uint32_t n_got;
	uint32_t block;

	check_eq(ioe__iovpool_take(&pool, 512, 2, &n_got), 0);
	block = ioe__iovpool_take(&pool, 510, 2, &n_got);
	check_eq(block, 512);
	ioe__iovpool_give(&pool, block);
	/* All but two entries taken. */
	for (uint32_t n = 256; n >= 2; n /= 2)
		cr_assert_neq(ioe__iovpool_take(&pool, n, n, &n_got), IOE__NO_IOV_BLOCK);
	check_eq(build(null_fd(), 0, BLOCK, 2 * BLOCK), 2);
	check_eq(request.length, 2 * BLOCK);
	request.state = IOE__REQUEST_FREE;
	check_eq(ioe__request_build(&request, &pool, &view, events + 2, 2, 2), 1);
	check_eq(request.n_iov, 0);
	check_eq(request.length, BLOCK);
}

BUILD_TEST(a_vector_goes_on_in_its_element_and_then_with_the_array)
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

BUILD_TEST(a_huge_transfer_is_cut_to_what_the_kernel_moves)
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

/* ---- Arrays that are not what they were (tests/conformance/test_trust.c) ---- */

BUILD_TEST(array_shrunk_below_what_is_done_leaves_no_place)
{
	const struct iovec iov[] = { { bytes, 100 }, { bytes + BLOCK, 100 } };

	ioe_prep_writev(&events[0], null_fd(), iov, 2, 0);
	events[0].length = 2 * BLOCK;
	events[0].done = 5000;
	build_one(&events[0]);
	check_eq(request.n_iov, 0);
	cr_assert_null(request.buffer);
	check_eq(request.length, 2 * BLOCK - 5000);
	ioe__request_release(&request, &pool);
}

BUILD_TEST(rest_of_an_element_that_has_grown_is_what_is_left_of_the_event)
{
	const struct iovec iov[] = { { bytes, BLOCK }, { bytes + 2 * BLOCK, SIZE_MAX } };

	ioe_prep_writev(&events[0], null_fd(), iov, 2, 0);
	events[0].length = 2 * BLOCK;
	events[0].done = 5000;
	build_one(&events[0]);
	check_eq(request.n_iov, 0);
	cr_assert_eq((char *)request.buffer, bytes + 2 * BLOCK + 5000 - BLOCK);
	check_eq(request.length, 2 * BLOCK - 5000);
	ioe__request_release(&request, &pool);
}

/* Between the check of an event and its acceptance the array may become anything. */
BUILD_TEST(accepted_range_ends_in_the_file_whatever_the_array_says)
{
	static const struct {
		size_t lengths[2];
		uint64_t expected;
	} cases[] = {
		{ { 0, 0 }, 1 },
		{ { SIZE_MAX, 0 }, INT64_MAX - 4096 },
		{ { SIZE_MAX / 2, 0 }, INT64_MAX - 4096 },
		{ { 100, 200 }, 300 },
	};

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct iovec iov[] = { { bytes, cases[i].lengths[0] },
					     { bytes, cases[i].lengths[1] } };

		ioe_prep_readv(&events[0], null_fd(), iov, 2, 4096);
		ioe__event_accept(&events[0], false);
		check_eq(events[0].length, cases[i].expected);
	}
}
