/* SPDX-License-Identifier: MIT
 * test_validation.c - a malformed event is refused by every submit call, is left as it was, and
 *                     the engine lives on (law 10, P8). */
#include "tests/lib/rig.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the caller sets and what the engine answers: all before the private part. */
#define PUBLIC_BYTES offsetof(struct ioe_event, ioe__node)

struct malformed {
	const char *what;
	int expected;
	void (*spoil)(struct ioe_event *event);
};

static uint8_t buffer[8192];
static const struct iovec good_iov[2] = { { buffer, 4096 }, { buffer + 4096, 4096 } };
static const struct iovec null_iov[2] = { { buffer, 4096 }, { NULL, 4096 } };
static const struct iovec empty_iov[2] = { { buffer, 0 }, { NULL, 0 } };
static const struct iovec huge_iov[2] = { { buffer, SIZE_MAX / 2 }, { buffer, SIZE_MAX / 2 + 2 } };
static const struct iovec wrapping_iov[2] = { { buffer, SIZE_MAX / 2 },
					      { buffer, SIZE_MAX / 2 + 2 + 4096 } };
static const struct iovec large_iov[2] = { { buffer, INT64_MAX }, { buffer, 1 } };
static struct iovec many_iov[1025];
static int file;
static int calls;

static void vector(struct ioe_event *event, const struct iovec *iov, uint32_t n)
{
	ioe_prep_readv(event, file, iov, n, 0);
}

#define SPOIL(name, ...)                          \
	static void name(struct ioe_event *event) \
	{                                         \
		__VA_ARGS__;                      \
	}
SPOIL(op_none, event->op = IOE_OP_NONE)
SPOIL(op_end, event->op = IOE_OP_END)
SPOIL(op_255, event->op = 255)
SPOIL(all_zero, memset(event, 0, sizeof(*event)))
SPOIL(flag_next, event->flags = IOE_EVENT_BARRIER << 1)
SPOIL(flag_last, event->flags = UINT32_C(1) << 31)
SPOIL(buffer_null, event->buffer = NULL)
SPOIL(length_zero, event->length = 0)
SPOIL(length_max, event->length = UINT64_MAX)
SPOIL(end_over, event->offset = (uint64_t)INT64_MAX - 4095)
SPOIL(offset_over, event->offset = (uint64_t)INT64_MAX + 1)
SPOIL(offset_wraps, event->offset = UINT64_MAX - 4095)
SPOIL(fd_negative, event->fd = -1)
SPOIL(fd_min, event->fd = INT32_MIN)
SPOIL(iov_of_plain, event->n_iov = 1)
SPOIL(write_length_zero, ioe_prep_write(event, file, buffer, 0, 0))
SPOIL(write_null, ioe_prep_write(event, file, NULL, 4096, 0))
SPOIL(write_fd_negative, ioe_prep_write(event, -1, buffer, 4096, 0))
SPOIL(vector_null, vector(event, NULL, 2))
SPOIL(vector_none, vector(event, good_iov, 0))
SPOIL(vector_1025, vector(event, many_iov, 1025))
SPOIL(vector_max, vector(event, many_iov, UINT32_MAX))
SPOIL(vector_null_entry, vector(event, null_iov, 2))
SPOIL(vector_empty, vector(event, empty_iov, 2))
SPOIL(vector_overflow, vector(event, huge_iov, 2))
SPOIL(vector_wraps, vector(event, wrapping_iov, 2))
SPOIL(vector_large, vector(event, large_iov, 2))
SPOIL(vector_end_over, ioe_prep_readv(event, file, good_iov, 2, (uint64_t)INT64_MAX - 8191))
SPOIL(writev_null_entry, ioe_prep_writev(event, file, null_iov, 2, 0))
SPOIL(fsync_fd, ioe_prep_fsync(event, -1))
SPOIL(fdatasync_fd, ioe_prep_fdatasync(event, -9))
SPOIL(fallocate_length, ioe_prep_fallocate(event, file, 0, 0, 0))
SPOIL(fallocate_over, ioe_prep_fallocate(event, file, 0, (uint64_t)INT64_MAX, 1))
SPOIL(fallocate_fd, ioe_prep_fallocate(event, -1, 0, 0, 4096))
SPOIL(barrier_nop, ioe_prep_nop(event); event->flags = IOE_EVENT_BARRIER)
SPOIL(stream, event->offset = IOE_OFFSET_STREAM)
SPOIL(lane, event->lane = 1)
SPOIL(ioprio, event->ioprio = 1)
SPOIL(rw_flags, event->rw_flags = 1)
SPOIL(timeout, event->timeout_ns = 1)
SPOIL(addr2, event->addr2 = 1)
SPOIL(fd2, event->fd2 = 1)

static const struct malformed table[] = {
	{ "op none", -EINVAL, op_none },
	{ "op one too high", -EINVAL, op_end },
	{ "op 255", -EINVAL, op_255 },
	{ "never prepared", -EINVAL, all_zero },
	{ "next unknown flag", -EINVAL, flag_next },
	{ "last unknown flag", -EINVAL, flag_last },
	{ "no buffer", -EINVAL, buffer_null },
	{ "length 0", -EINVAL, length_zero },
	{ "length of 64 ones", -EINVAL, length_max },
	{ "end one over INT64_MAX", -EINVAL, end_over },
	{ "offset over INT64_MAX", -EINVAL, offset_over },
	{ "offset + length wraps", -EINVAL, offset_wraps },
	{ "fd -1", -EINVAL, fd_negative },
	{ "lowest fd", -EINVAL, fd_min },
	{ "n_iov of a plain read", -EINVAL, iov_of_plain },
	{ "write of length 0", -EINVAL, write_length_zero },
	{ "write of NULL", -EINVAL, write_null },
	{ "write to fd -1", -EINVAL, write_fd_negative },
	{ "vector NULL", -EINVAL, vector_null },
	{ "vector of 0 entries", -EINVAL, vector_none },
	{ "vector of 1025 entries", -EINVAL, vector_1025 },
	{ "vector of most entries", -EINVAL, vector_max },
	{ "NULL entry with length", -EINVAL, vector_null_entry },
	{ "vector of no bytes", -EINVAL, vector_empty },
	{ "sum of the vector wraps to 0", -EINVAL, vector_overflow },
	{ "sum of the vector wraps to 4096", -EINVAL, vector_wraps },
	{ "sum of the vector over INT64_MAX", -EINVAL, vector_large },
	{ "end of the vector over INT64_MAX", -EINVAL, vector_end_over },
	{ "writev of NULL with length", -EINVAL, writev_null_entry },
	{ "fsync of fd -1", -EINVAL, fsync_fd },
	{ "fdatasync of fd -9", -EINVAL, fdatasync_fd },
	{ "fallocate of length 0", -EINVAL, fallocate_length },
	{ "fallocate over INT64_MAX", -EINVAL, fallocate_over },
	{ "fallocate of fd -1", -EINVAL, fallocate_fd },
	{ "barrier nop", -EINVAL, barrier_nop },
	{ "stream offset", -EOPNOTSUPP, stream },
	{ "lane", -EOPNOTSUPP, lane },
	{ "ioprio", -EOPNOTSUPP, ioprio },
	{ "rw_flags", -EOPNOTSUPP, rw_flags },
	{ "timeout_ns", -EOPNOTSUPP, timeout },
	{ "addr2", -EOPNOTSUPP, addr2 },
	{ "fd2", -EOPNOTSUPP, fd2 },
};
enum { N_MALFORMED = sizeof(table) / sizeof(table[0]) };

static void on_refused(struct ioe_event *event)
{
	(void)event;
	__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
}

static int submit_by(struct ioe_engine *engine, struct ioe_event *event, uint32_t way)
{
	struct ioe_event *const events[1] = { event };

	switch (way) {
	case 0:
		return ioe_submit(engine, event);
	case 1:
		return ioe_try_submit(engine, event);
	case 2:
		return ioe_submit_batch(engine, events, 1);
	default:
		return ioe_try_submit_batch(engine, events, 1);
	}
}

static void prep_good(struct ioe_event *event)
{
	ioe_prep_read(event, file, buffer, 4096, 0);
	event->callback = on_refused;
	event->arg = buffer;
	event->result = 4711;
	event->done = 4712;
}

MATRIX_TEST(validation, malformed_event_is_refused_and_left_as_it_was)
{
	struct job *job = rig_jobs(rig, 1);
	struct ioe_event event, before;

	file = rig_file(rig, 8192);
	for (uint32_t i = 0; i < 1025; i++)
		many_iov[i] = (struct iovec){ buffer, 1 };
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < N_MALFORMED; i++) {
		for (uint32_t way = 0; way < 4; way++) {
			int ret;

			prep_good(&event);
			table[i].spoil(&event);
			before = event;
			ret = submit_by(rig->engine, &event, way);
			cr_assert(ret == table[i].expected, "%s, way %u: %d, not %d", table[i].what,
				  way, ret, table[i].expected);
			cr_assert(memcmp(&event, &before, PUBLIC_BYTES) == 0,
				  "%s, way %u: the event has changed", table[i].what, way);
			cr_assert(!ioe_event_is_done(&event), "%s is done", table[i].what);
		}
		ioe_prep_read(&job->event, file, buffer, 4096, 0);
		check_eq(rig_do(rig, job), 4096);
	}
	check_eq(rig_stats(rig).events_accepted, N_MALFORMED);
	check_eq(ioe_engine_drain(rig->engine), 0);
	check_eq(calls, 0);
}

MATRIX_TEST(validation, refused_event_can_be_put_right_and_submitted)
{
	struct job *job = rig_jobs(rig, 1);

	file = rig_file(rig, 8192);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, file, buffer, 0, 0);
	check_eq(rig_submit_ret(rig, job), -EINVAL);
	job->event.length = 100;
	check_eq(rig_do(rig, job), 100);
}

MATRIX_TEST(validation, fields_that_must_be_zero_are_refused_otherwise)
{
	struct ioe_event event;
	int ret;

	file = rig_file(rig, 8192);
	rig_open(rig, NULL);
	prep_good(&event);
	event.op_flags = 1;
	ret = ioe_submit(rig->engine, &event);
	cr_assert(ret == -EINVAL || ret == -EOPNOTSUPP, "op_flags of a read: %d", ret);
	prep_good(&event);
	event.reserved0 = 1;
	ret = ioe_submit(rig->engine, &event);
	cr_assert(ret == -EINVAL || ret == -EOPNOTSUPP, "reserved0: %d", ret);
}

MATRIX_TEST(validation, null_arguments_are_refused)
{
	struct ioe_event *const none[1] = { NULL };
	struct ioe_event event;
	struct ioe_event *const one[1] = { &event };

	file = rig_file(rig, 8192);
	rig_open(rig, NULL);
	prep_good(&event);
	check_eq(ioe_submit(NULL, &event), -EINVAL);
	check_eq(ioe_submit(rig->engine, NULL), -EINVAL);
	check_eq(ioe_try_submit(NULL, &event), -EINVAL);
	check_eq(ioe_try_submit(rig->engine, NULL), -EINVAL);
	check_eq(ioe_submit_batch(NULL, one, 1), -EINVAL);
	check_eq(ioe_submit_batch(rig->engine, none, 1), -EINVAL);
	check_eq(ioe_try_submit_batch(NULL, one, 1), -EINVAL);
	check_eq(ioe_try_submit_batch(rig->engine, none, 1), -EINVAL);
	check_eq(ioe_submit_batch(rig->engine, one, 0), 0);
	check_eq(ioe_try_submit_batch(rig->engine, one, 0), 0);
	check_eq(ioe_engine_drain(NULL), -EINVAL);
	check_eq(ioe_engine_run(NULL, 0, 0), -EINVAL);
	check_eq(rig_stats(rig).events_accepted, 0);
}

MATRIX_TEST(validation, largest_offset_that_fits_is_accepted)
{
	struct job *job = rig_jobs(rig, 1);
	const int64_t end = INT64_MAX;
	int64_t expected;

	file = rig_file(rig, 8192);
	rig_open(rig, NULL);
	ioe_prep_read(&job->event, file, buffer, 4096, (uint64_t)end - 4096);
	expected = pread(file, buffer, 4096, (off_t)(end - 4096));
	check_eq(rig_do(rig, job), expected < 0 ? -errno : expected);
}
