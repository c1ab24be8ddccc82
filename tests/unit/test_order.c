/* SPDX-License-Identifier: MIT
 * test_order.c - barriers and overlaps, alone.
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
	struct ioe__event_list released = { NULL, NULL };
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
	cr_assert_null(ioe__order_finish(&order, &b, &released));
	cr_assert_eq(ioe__order_finish(&order, &a, &released), &barrier);
	check_eq(barrier.ioe__marks & IOE__MARK_WAITING, 0);
	cr_assert_null(ioe__order_finish(&order, &other, &released));
	cr_assert_null(ioe__order_finish(&order, &barrier, &released));
	ioe__order_deinit(&order);
}

Test(order, records_run_out_and_come_back)
{
	struct ioe__order order;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event events[9];

	check_eq(ioe__order_init(&order, 8), 0);
	/* fds that fall into few buckets, too. */
	for (int i = 0; i < 9; i++)
		prep(&events[i], i * 1024, 0, 0);
	for (int i = 0; i < 8; i++)
		cr_assert(ioe__order_admit(&order, &events[i]));
	cr_assert(!ioe__order_admit(&order, &events[8]));
	cr_assert_null(ioe__order_finish(&order, &events[3], &released));
	cr_assert(ioe__order_admit(&order, &events[8]));
	for (int i = 0; i < 9; i++)
		if (i != 3)
			cr_assert_null(ioe__order_finish(&order, &events[i], &released));
	cr_assert_null(ioe__order_find_waiting(&order));
	ioe__order_deinit(&order);
}

Test(order, what_conflicts_with_a_watched_event_is_held_and_released_in_turn)
{
	struct ioe__order order;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event first, second, third, apart, later_batch;

	check_eq(ioe__order_init(&order, 8), 0);
	prep(&first, 3, 0, 0);
	prep(&second, 3, 2048, 0);
	prep(&third, 3, 6000, 0); /* overlaps second only */
	prep(&apart, 3, 65536, 0);
	prep(&later_batch, 3, 0, 0);
	later_batch.ioe__batch = 2;
	cr_assert(!ioe__order_is_alert(&order));
	cr_assert(ioe__order_admit(&order, &first));
	ioe__order_watch(&order, &first);
	ioe__order_watch(&order, &first);
	cr_assert(ioe__order_is_alert(&order));
	cr_assert(ioe__order_hold(&order, &second));
	cr_assert(ioe__order_hold(&order, &third));
	cr_assert(!ioe__order_hold(&order, &apart));
	cr_assert(!ioe__order_hold(&order, &later_batch));

	cr_assert_null(released.first);
	/* One after another: the second is watched when it is released, and holds the third. */
	cr_assert_null(ioe__order_finish(&order, &first, &released));
	cr_assert_eq(ioe__event_list_pop(&released), &second);
	cr_assert_null(released.first);
	cr_assert_null(ioe__order_finish(&order, &second, &released));
	cr_assert_eq(ioe__event_list_pop(&released), &third);
	cr_assert_null(ioe__order_finish(&order, &third, &released));
	cr_assert(!ioe__order_is_alert(&order));
	check_eq(order.n_changes, 0);
	ioe__order_deinit(&order);
}

Test(order, one_that_conflicts_with_two_waits_for_both)
{
	struct ioe__order order;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event left, right, both;

	check_eq(ioe__order_init(&order, 8), 0);
	prep(&left, 3, 0, 0);
	prep(&right, 3, 4096, 0);
	prep(&both, 3, 2048, 0);
	ioe__order_watch(&order, &left);
	ioe__order_watch(&order, &right);
	cr_assert(ioe__order_hold(&order, &both));
	cr_assert_null(ioe__order_finish(&order, &right, &released));
	cr_assert_null(released.first);
	cr_assert_null(ioe__order_finish(&order, &left, &released));
	cr_assert_eq(released.first, &both);
	cr_assert_null(ioe__order_finish(&order, &both, &released));
	ioe__order_deinit(&order);
}

Test(order, reads_do_not_hold_reads)
{
	struct ioe__order order;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event first, second, write;
	static char byte;

	check_eq(ioe__order_init(&order, 8), 0);
	ioe_prep_read(&first, 3, &byte, 4096, 0);
	ioe_prep_read(&second, 3, &byte, 4096, 0);
	prep(&write, 3, 0, 0);
	first.ioe__batch = second.ioe__batch = 1;
	ioe__order_watch(&order, &first);
	cr_assert(!ioe__order_hold(&order, &second));
	cr_assert(ioe__order_hold(&order, &write));
	cr_assert_null(ioe__order_finish(&order, &first, &released));
	cr_assert_eq(released.first, &write);
	cr_assert_null(ioe__order_finish(&order, &write, &released));
	ioe__order_deinit(&order);
}
