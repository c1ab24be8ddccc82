/* SPDX-License-Identifier: MIT
 * bytes.c - see bytes.h. */
#include "tests/lib/bytes.h"
#include "tests/lib/fail.h"

#include <string.h>
#include <unistd.h>

enum { FIRST = 0 }; /* stands for what was there in the beginning */

static struct bytes_op ops[BYTES_OPS_MAX];
static uint32_t n_ops;
static uint64_t now;
static uint32_t sizes_at_first[BYTES_FILES];

/* ---- Operations ---- */

void bytes_begin(const uint32_t sizes[BYTES_FILES])
{
	memset(ops, 0, (n_ops + 1) * sizeof(ops[0]));
	memcpy(sizes_at_first, sizes, sizeof(sizes_at_first));
	n_ops = 0;
	now = 0;
}

uint32_t bytes_claim(void)
{
	if (n_ops + 1 == BYTES_OPS_MAX)
		return 0;
	n_ops++;
	ops[n_ops] = (struct bytes_op){ .fd = -1, .file = BYTES_NO_FILE };
	return n_ops;
}

struct bytes_op *bytes_op(uint32_t number)
{
	must(number > 0 && number <= n_ops, "no operation %u", number);
	return &ops[number];
}

uint32_t bytes_n_ops(void)
{
	return n_ops;
}

void bytes_submitted(uint32_t number)
{
	bytes_op(number)->submitted = ++now;
}

void bytes_accepted(uint32_t number)
{
	bytes_op(number)->accepted = ++now;
}

/* It has never been: it has no effect, and nothing waits for it. */
void bytes_refused(uint32_t number)
{
	*bytes_op(number) = (struct bytes_op){ .fd = -1, .file = BYTES_NO_FILE, .is_over = true };
}

void bytes_ended(uint32_t number)
{
	struct bytes_op *op = bytes_op(number);

	must(op->submitted != 0, "op %u has ended, and was never submitted", number);
	must(op->ended == 0, "op %u has ended twice", number);
	op->ended = ++now;
}

/* ---- Order ---- */

static bool changes(const struct bytes_op *op)
{
	return op->kind == BYTES_WRITE || (op->kind != BYTES_READ && op->has_range);
}

bool bytes_conflict(const struct bytes_op *a, const struct bytes_op *b)
{
	return a->fd == b->fd && a->has_range && b->has_range && (changes(a) || changes(b)) &&
	       a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

bool bytes_ordered(const struct bytes_op *a, const struct bytes_op *b)
{
	const bool is_earlier =
		a->call == b->call ? a < b : a->accepted != 0 && a->accepted < b->submitted;

	if (!is_earlier || a->fd != b->fd || a->fd < 0)
		return false;
	if (b->is_barrier)
		return true;
	/* A barrier that waits does not hold up what it overlaps. */
	return a->group != 0 && a->group == b->group && !a->is_barrier && bytes_conflict(a, b);
}

bool bytes_before(const struct bytes_op *a, const struct bytes_op *b)
{
	return (a->ended != 0 && a->ended < b->submitted) || bytes_ordered(a, b);
}

/* ---- What a byte may be ---- */

/* Whose byte it is and where it belongs, mixed into 8 bits. */
static uint8_t value_of(uint32_t writer, uint64_t at)
{
	const uint64_t mixed = (writer * UINT64_C(0x10001) + at + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)((mixed ^ mixed >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 56);
}

static uint8_t at_first(uint32_t file, uint64_t at)
{
	return at < sizes_at_first[file] ? value_of(BYTES_OPS_MAX + file, at) : 0;
}

void bytes_fill(uint32_t number, const struct iovec *iov, uint32_t n_iov)
{
	uint64_t at = bytes_op(number)->offset;

	for (uint32_t i = 0; i < n_iov; i++)
		for (uint64_t k = 0; k < iov[i].iov_len; k++)
			((uint8_t *)iov[i].iov_base)[k] = value_of(number, at++);
}

static bool is_in(const struct bytes_op *op, uint64_t length, uint64_t at)
{
	return at >= op->offset && at < op->offset + length;
}

/* How much of an operation is certainly in the file. */
static uint64_t certain_length(const struct bytes_op *op)
{
	if (op->kind == BYTES_WRITE)
		return op->progress;
	return op->is_over && op->result == 0 ? op->length : 0;
}

static bool writes(const struct bytes_op *op, uint32_t file)
{
	return op->file == file && (op->kind == BYTES_WRITE || op->kind == BYTES_ZERO);
}

/* Whether some write is certainly there, after `writer` (or the beginning) and before the read. */
static bool is_covered(uint32_t writer, const struct bytes_op *read, uint64_t at)
{
	for (uint32_t i = 1; i <= n_ops; i++)
		if (i != writer && writes(&ops[i], read->file) &&
		    is_in(&ops[i], certain_length(&ops[i]), at) && bytes_before(&ops[i], read) &&
		    (writer == FIRST || bytes_before(&ops[writer], &ops[i])))
			return true;
	return false;
}

/* Who may have written the byte that the read sees there; in ret_writers. */
static uint32_t find_writers(const struct bytes_op *read, uint64_t at, uint32_t *ret_writers)
{
	uint32_t n = 0;

	if (!is_covered(FIRST, read, at))
		ret_writers[n++] = FIRST;
	for (uint32_t i = 1; i <= n_ops; i++)
		if (writes(&ops[i], read->file) && is_in(&ops[i], ops[i].length, at) &&
		    !bytes_before(read, &ops[i]) && !is_covered(i, read, at))
			ret_writers[n++] = i;
	return n;
}

/* From at on, where the writers may change next. */
static uint64_t next_edge(const struct bytes_op *read, uint64_t at, uint64_t end)
{
	for (uint32_t i = 1; i <= n_ops; i++) {
		const struct bytes_op *op = &ops[i];
		const uint64_t edges[] = { op->offset, op->offset + certain_length(op),
					   op->offset + op->length };

		for (uint32_t k = 0; writes(op, read->file) && k < 3; k++)
			if (edges[k] > at && edges[k] < end)
				end = edges[k];
	}
	return end;
}

static bool may_be(uint8_t byte, const struct bytes_op *read, uint64_t at, const uint32_t *writers,
		   uint32_t n_writers)
{
	for (uint32_t i = 0; i < n_writers; i++) {
		if (writers[i] == FIRST && byte == at_first(read->file, at))
			return true;
		if (writers[i] == FIRST)
			continue;
		if (byte == (ops[writers[i]].kind == BYTES_ZERO ? 0 : value_of(writers[i], at)))
			return true;
	}
	return false;
}

/* The first `done` bytes of a vector, as read at `offset`. */
static void check_bytes(const struct bytes_op *read, uint32_t number, const struct iovec *iov,
			uint64_t done)
{
	static uint32_t writers[BYTES_OPS_MAX];
	uint64_t at = read->offset;
	const uint64_t end = at + done;
	uint64_t edge = at;
	uint32_t n_writers = 0;

	for (; at < end; iov++)
		for (uint64_t k = 0; k < iov->iov_len && at < end; k++, at++) {
			const uint8_t byte = ((const uint8_t *)iov->iov_base)[k];

			if (at == edge) {
				edge = next_edge(read, at, end);
				n_writers = find_writers(read, at, writers);
			}
			must(may_be(byte, read, at, writers, n_writers),
			     "op %u [%llu, %llu) of file %u: byte %llu is 0x%02x; %u writers, the "
			     "last %u",
			     number, (unsigned long long)read->offset, (unsigned long long)end,
			     read->file, (unsigned long long)at, byte, n_writers,
			     n_writers > 0 ? writers[n_writers - 1] : 0);
		}
}

/* ---- How long the file may be ---- */

static void size_bounds(const struct bytes_op *read, uint64_t *ret_low, uint64_t *ret_high)
{
	*ret_low = *ret_high = sizes_at_first[read->file];
	for (uint32_t i = 1; i <= n_ops; i++) {
		const struct bytes_op *op = &ops[i];
		const uint64_t certain = certain_length(op);

		if (op->file != read->file || (op->kind != BYTES_WRITE && op->kind != BYTES_GROW) ||
		    bytes_before(read, op))
			continue;
		if (op->offset + op->length > *ret_high)
			*ret_high = op->offset + op->length;
		if (certain > 0 && op->offset + certain > *ret_low && bytes_before(op, read))
			*ret_low = op->offset + certain;
	}
}

/* Of [offset, offset + length), what a file of that size has. */
static uint64_t there(const struct bytes_op *read, uint64_t size)
{
	if (read->offset >= size)
		return 0;
	return read->length < size - read->offset ? read->length : size - read->offset;
}

void bytes_check_read(uint32_t number, const struct iovec *iov, uint32_t n_iov, bool has_all)
{
	const struct bytes_op *op = bytes_op(number);
	uint64_t low;
	uint64_t high;

	(void)n_iov;
	if (op->file == BYTES_NO_FILE)
		return;
	size_bounds(op, &low, &high);
	must(op->progress <= there(op, high) && (!has_all || op->progress >= there(op, low)),
	     "op %u [%llu, +%llu): %llu bytes of a file of %llu to %llu", number,
	     (unsigned long long)op->offset, (unsigned long long)op->length,
	     (unsigned long long)op->progress, (unsigned long long)low, (unsigned long long)high);
	check_bytes(op, number, iov, op->progress);
}

/* ---- Files ---- */

void bytes_make_file(uint32_t file, int fd)
{
	static uint8_t data[BYTES_FILE_MAX];
	const uint32_t size = sizes_at_first[file];

	for (uint32_t at = 0; at < size; at++)
		data[at] = at_first(file, at);
	must_sys(ftruncate(fd, 0));
	must(pwrite(fd, data, size, 0) == (ssize_t)size, "pwrite: %s", strerror(errno));
}

void bytes_check_file(uint32_t file, int fd)
{
	static uint8_t data[BYTES_FILE_MAX + 1];
	const uint64_t size = (uint64_t)must_sys(pread(fd, data, sizeof(data), 0));
	const struct bytes_op read = {
		.kind = BYTES_READ,
		.file = (uint8_t)file,
		.fd = -1,
		.length = BYTES_FILE_MAX,
		.submitted = now + 1,
	};
	const struct iovec iov = { data, size };
	uint64_t low;
	uint64_t high;

	size_bounds(&read, &low, &high);
	must(size >= low && size <= high, "file %u has %llu bytes, not %llu to %llu", file,
	     (unsigned long long)size, (unsigned long long)low, (unsigned long long)high);
	check_bytes(&read, 0, &iov, size);
}
