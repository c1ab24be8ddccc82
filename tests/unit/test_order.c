/* SPDX-License-Identifier: MIT
 * test_order.c - barriers, alone.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  events are on the stacks of the tests. */
#include "engine/order.h"
#include "tests/check.h"

static void prep(struct ioe_event *event, int fd, uint64_t offset, uint32_t marks)
{
	static char byte;

	ioe_prep_write(event, fd, &byte, 4096, offset);
	event->ioe__marks = (uint8_t)marks;
	event->ioe__batch = 1;
}

Test(order, a_barrier_may_start_when_it_is_first_of_its_fd)
{
	struct ioe__order order;
	struct ioe_event a, b, barrier, other;

	check_eq(ioe__order_init(&order, 8), 0);
	prep(&a, 3, 0, 0);
	prep(&b, 3, 4096, 0);
	prep(&other, 4, 0, 0);
	prep(&barrier, 3, 0, IOE__MARK_WAITING);
	cr_assert(ioe__order_admit(&order, &a));
	cr_assert(ioe__order_admit(&order, &other));
	cr_assert(ioe__order_admit(&order, &b));
	cr_assert(ioe__order_admit(&order, &barrier));
	cr_assert(!ioe__order_is_first(&barrier));
	cr_assert_eq(ioe__order_find_waiting(&order), &barrier);
	cr_assert_null(ioe__order_finish(&order, &b));
	cr_assert_eq(ioe__order_finish(&order, &a), &barrier);
	check_eq(barrier.ioe__marks & IOE__MARK_WAITING, 0);
	cr_assert_null(ioe__order_finish(&order, &other));
	cr_assert_null(ioe__order_finish(&order, &barrier));
	ioe__order_deinit(&order);
}

Test(order, records_run_out_and_come_back)
{
	struct ioe__order order;
	struct ioe_event events[9];

	check_eq(ioe__order_init(&order, 8), 0);
	/* fds that fall into few buckets, too. */
	for (int i = 0; i < 9; i++)
		prep(&events[i], i * 1024, 0, 0);
	for (int i = 0; i < 8; i++)
		cr_assert(ioe__order_admit(&order, &events[i]));
	cr_assert(!ioe__order_admit(&order, &events[8]));
	cr_assert_null(ioe__order_finish(&order, &events[3]));
	cr_assert(ioe__order_admit(&order, &events[8]));
	for (int i = 0; i < 9; i++)
		if (i != 3)
			cr_assert_null(ioe__order_finish(&order, &events[i]));
	cr_assert_null(ioe__order_find_waiting(&order));
	ioe__order_deinit(&order);
}

/* All of one bucket: the hash of a multiple of 2^21 is a multiple of 512. */
Test(order, files_that_hash_alike_have_lists_of_their_own)
{
	enum { N = 200 };
	struct ioe__order order;
	struct ioe_event events[N];

	check_eq(ioe__order_init(&order, N), 0);
	for (int i = 0; i < N; i++) {
		prep(&events[i], i << 21, 0, 0);
		cr_assert(ioe__order_admit(&order, &events[i]));
		cr_assert(ioe__order_is_first(&events[i]), "fd %d is behind another", i << 21);
	}
	for (int i = 0; i < N; i++)
		cr_assert_null(ioe__order_finish(&order, &events[i]));
	ioe__order_deinit(&order);
}
