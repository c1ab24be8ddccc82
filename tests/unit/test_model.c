/* SPDX-License-Identifier: MIT
 * test_model.c - the rule of the stress tests' model (lib/model.c): histories made by hand, those
 *                that can be and those that cannot.
 * Invariants: units of 512 bytes; an op "runs" when the test says so, on a file in memory.
 * Threads:    one.
 * Ownership:  the file is the test's process's. */
#define _GNU_SOURCE
#include "tests/check.h"
#include "tests/lib/model.h"

#include <sys/mman.h>
#include <unistd.h>

enum { UNITS = 8, OPS = 16, FD = 3 };

static int file;
static uint64_t buffers[OPS][UNITS * MODEL_UNIT / 8];

static void begin(void)
{
	file = (int)check_sys(memfd_create("model", 0));
	model_begin((uint64_t)UNITS * MODEL_UNIT, OPS);
	model_fill_file(file, 0, (uint64_t)UNITS * MODEL_UNIT);
}

/* An op of units [first, first + n). */
static uint32_t make(enum model_kind kind, uint32_t first, uint32_t n)
{
	const uint32_t number = model_claim(1);

	model_op(number)->kind = kind;
	model_op(number)->fd = FD;
	model_op(number)->offset = (uint64_t)first * MODEL_UNIT;
	model_op(number)->length = (uint64_t)n * MODEL_UNIT;
	model_op(number)->name = "test";
	return number;
}

static uint32_t make_barrier(enum model_kind kind, uint32_t first, uint32_t n)
{
	const uint32_t number = make(kind, first, n);

	model_op(number)->is_barrier = true;
	return number;
}

/* One call each, or n in one. */
static void submit(uint32_t number)
{
	model_submit(number, 1, true);
	model_accept(number, 1);
}

static void submit_batch(uint32_t first, uint32_t n, bool in_one)
{
	model_submit(first, n, in_one);
	model_accept(first, n);
}

static struct iovec vector_of(uint32_t number)
{
	return (struct iovec){ buffers[number], model_op(number)->length };
}

/* What the kernel would do, of the bytes [from, to) of it. */
static void run_part(uint32_t number, uint64_t from, uint64_t to)
{
	const struct iovec iov = vector_of(number);
	const off_t at = (off_t)(model_op(number)->offset + from);

	if (model_op(number)->kind == MODEL_WRITE) {
		model_fill(number, &iov, 1);
		check_eq(pwrite(file, (char *)iov.iov_base + from, to - from, at), to - from);
	} else if (model_op(number)->kind == MODEL_READ) {
		check_eq(pread(file, (char *)iov.iov_base + from, to - from, at), to - from);
	}
}

static void run(uint32_t number)
{
	run_part(number, 0, model_op(number)->length);
}

static void end_with(uint32_t number, int64_t result, uint64_t done)
{
	const struct iovec iov = vector_of(number);

	model_end(number, result, done);
	if (model_op(number)->kind == MODEL_READ)
		model_see(number, &iov, 1);
}

static void end(uint32_t number)
{
	end_with(number, (int64_t)model_op(number)->length, model_op(number)->length);
}

static void all_of(uint32_t number)
{
	submit(number);
	run(number);
	end(number);
}

static void check_good(void)
{
	const char *reason = model_check();

	cr_assert(reason == NULL, "%s", reason);
}

static void check_bad(const char *part)
{
	const char *reason = model_check();

	cr_assert(reason != NULL, "nothing was found");
	cr_assert(strstr(reason, part) != NULL, "%s", reason);
}

Test(model, one_after_the_other_is_good)
{
	begin();
	all_of(make(MODEL_READ, 0, 4));
	all_of(make(MODEL_WRITE, 1, 2));
	all_of(make(MODEL_READ, 0, 4));
	all_of(make(MODEL_WRITE, 2, 4));
	all_of(make(MODEL_OTHER, 0, 0));
	all_of(make(MODEL_READ, 0, 8));
	model_look_at_file(file, 0, (uint64_t)UNITS * MODEL_UNIT);
	check_eq(model_n_accepted(), 6);
	check_good();
}

Test(model, lost_write_shows)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 1);
	submit(write);
	end(write);
	model_look_at_file(file, 0, (uint64_t)UNITS * MODEL_UNIT);
	check_bad("has the first bytes");
}

Test(model, overwritten_value_shows)
{
	uint32_t write;

	begin();
	all_of(make(MODEL_WRITE, 0, 2));
	write = make(MODEL_WRITE, 1, 2);
	submit(write);
	end(write);
	all_of(make(MODEL_READ, 1, 1));
	check_bad("has the bytes of write 0");
}

Test(model, of_writes_in_flight_together_any_may_win_in_each_word)
{
	uint32_t a, b;

	begin();
	a = make(MODEL_WRITE, 0, 2);
	b = make(MODEL_WRITE, 0, 2);
	submit(a);
	submit(b);
	run(b);
	run_part(a, 8, 600);
	all_of(make(MODEL_READ, 0, 2));
	end(a);
	end(b);
	all_of(make(MODEL_READ, 0, 2));
	check_good();
}

Test(model, write_in_flight_may_be_seen_or_not_and_again_not)
{
	uint32_t a, b;

	begin();
	a = make(MODEL_WRITE, 0, 1);
	b = make(MODEL_WRITE, 0, 1);
	submit(a);
	submit(b);
	run(a);
	all_of(make(MODEL_READ, 0, 1));
	run(b);
	all_of(make(MODEL_READ, 0, 1));
	run(a); /* it was part of a request that has failed */
	all_of(make(MODEL_READ, 0, 1));
	end(a);
	end(b);
	check_good();
}

Test(model, what_has_been_read_does_not_change_by_itself)
{
	uint32_t a, b;

	begin();
	a = make(MODEL_WRITE, 0, 1);
	b = make(MODEL_WRITE, 0, 1);
	submit(a);
	submit(b);
	run(a);
	end(a);
	run(b);
	end(b);
	all_of(make(MODEL_READ, 0, 1));
	run(a);
	all_of(make(MODEL_READ, 0, 1));
	check_bad("though between them came read 2");
}

Test(model, torn_word_that_changes_by_itself_shows)
{
	uint32_t a, b;

	begin();
	a = make(MODEL_WRITE, 0, 1);
	b = make(MODEL_WRITE, 0, 1);
	submit(a);
	submit(b);
	run(a);
	run_part(b, 64, 128);
	end(a);
	end(b);
	all_of(make(MODEL_READ, 0, 1));
	run_part(a, 64, 72);
	all_of(make(MODEL_READ, 0, 1));
	check_bad("byte 64:");
}

Test(model, failed_write_may_have_written_or_not_but_for_what_was_done)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 4);
	submit(write);
	run_part(write, 0, 1024);
	run_part(write, 1536, 2048);
	end_with(write, -EIO, 1024);
	all_of(make(MODEL_READ, 0, 8));
	check_good();
}

Test(model, what_a_failed_write_has_done_is_there)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 4);
	submit(write);
	run_part(write, 0, 512);
	end_with(write, -EIO, 1024);
	all_of(make(MODEL_READ, 0, 8));
	check_bad("byte 512:");
}

Test(model, batch_that_overlaps_keeps_its_order)
{
	uint32_t first;

	for (uint32_t in_one = 0; in_one < 2; in_one++) {
		begin();
		first = make(MODEL_WRITE, 0, 2);
		(void)make(MODEL_WRITE, 1, 2);
		submit_batch(first, 2, in_one != 0);
		run(first + 1);
		run(first);
		end(first);
		end(first + 1);
		model_look_at_file(file, 0, (uint64_t)UNITS * MODEL_UNIT);
		if (in_one)
			check_bad("byte 512:");
		else
			check_good();
	}
}

Test(model, read_before_a_write_of_its_batch_has_not_its_bytes)
{
	uint32_t first;

	begin();
	first = make(MODEL_READ, 0, 2);
	(void)make(MODEL_WRITE, 1, 2);
	submit_batch(first, 2, true);
	run(first + 1);
	run(first);
	end(first + 1);
	end(first);
	check_bad("of the later write");
}

Test(model, other_fd_of_the_file_has_no_order)
{
	uint32_t first;

	begin();
	first = make(MODEL_WRITE, 0, 2);
	model_op(make_barrier(MODEL_READ, 0, 2))->fd = FD + 1;
	submit_batch(first, 2, true);
	run(first + 1);
	run(first);
	end(first + 1);
	end(first);
	check_good();
}

Test(model, barrier_has_what_was_accepted_before_it)
{
	uint32_t write, read;

	for (uint32_t is_barrier = 0; is_barrier < 2; is_barrier++) {
		begin();
		write = make(MODEL_WRITE, 0, 1);
		read = make(MODEL_READ, 0, 1);
		model_op(read)->is_barrier = is_barrier != 0;
		submit(write);
		submit(read);
		run(read);
		run(write);
		end(read);
		end(write);
		if (is_barrier)
			check_bad("has the first bytes");
		else
			check_good();
	}
}

Test(model, end_of_a_barrier_is_the_end_of_what_it_waited_for)
{
	uint32_t write, sync, read;

	begin();
	write = make(MODEL_WRITE, 0, 1);
	sync = make_barrier(MODEL_OTHER, 0, 0);
	submit(write);
	submit(sync);
	end(sync);
	read = make(MODEL_READ, 0, 1);
	all_of(read);
	end(write); /* its callback is late */
	check_bad("has the first bytes");
}

Test(model, cancelled_barrier_has_waited_for_nothing)
{
	uint32_t write, sync;

	begin();
	write = make(MODEL_WRITE, 0, 1);
	sync = make_barrier(MODEL_OTHER, 0, 0);
	submit(write);
	submit(sync);
	end_with(sync, -ECANCELED, 0);
	all_of(make(MODEL_READ, 0, 1));
	end(write);
	check_good();
}

Test(model, waiting_barrier_holds_up_nobody)
{
	uint32_t first;

	begin();
	first = make_barrier(MODEL_WRITE, 0, 1);
	(void)make(MODEL_WRITE, 0, 1);
	submit_batch(first, 2, true);
	run(first + 1);
	run(first);
	end(first + 1);
	end(first);
	model_look_at_file(file, 0, (uint64_t)UNITS * MODEL_UNIT);
	check_good();
}

Test(model, bytes_in_the_wrong_place_show)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 2);
	submit(write);
	run_part(write, 0, 512);
	check_eq(pwrite(file, buffers[write], 512, 512), 512);
	end(write);
	all_of(make(MODEL_READ, 0, 2));
	check_bad("byte 1016:");
}

Test(model, write_beyond_its_end_shows)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 1);
	submit(write);
	model_op(write)->length += MODEL_UNIT;
	run(write);
	model_op(write)->length -= MODEL_UNIT;
	end(write);
	model_look_at_file(file, 0, (uint64_t)UNITS * MODEL_UNIT);
	check_bad("what was not to be written");
}

Test(model, bytes_of_an_earlier_round_show)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 1);
	all_of(write);
	begin();
	check_eq(pwrite(file, buffers[write], 512, 0), 512);
	all_of(make(MODEL_READ, 0, 1));
	check_bad("has the word");
}

Test(model, accepted_op_has_to_end_and_a_refused_one_not)
{
	uint32_t write;

	begin();
	write = make(MODEL_WRITE, 0, 1);
	submit(write);
	check_eq(model_n_open(), 1);
	check_bad("never ended");
	begin();
	write = make(MODEL_WRITE, 0, 1);
	model_submit(write, 1, true);
	end(write);
	check_bad("refused");
}
