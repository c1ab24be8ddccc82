/* SPDX-License-Identifier: MIT
 * model.c - see model.h.
 *
 * The rule. Each word of the file is a register. A write stores into it at some moments between its
 * submission and its end: not necessarily one, since what was short or has failed in a merged
 * request is written again; a read takes its value at one of them. So a history is possible only if
 * there are such moments. We say "a is before b" if it is certain that the last thing a did to the
 * file came before the first thing b did. Then a read r of a word may not have the value of write v
 * if
 *
 *   M1. v never wrote there, was refused, or r is before v;
 *   M2. there is an x that is certain to have had another value in the word, with v before x and x
 *       before r.
 *
 * x is a write of the word which did not fail there, or a read that has found something else
 * there: after v has ended the word was x's, r came later, and v did not write any more. This is
 * all that order alone gives: of writes in flight together any may win, in each word another, and a
 * failed write may have written or not. (With one writer at a time M2 leaves exactly one value.)
 * What stood there at first is a write that is before everything.
 *
 * "a is before b" if
 *   B1. a had ended when b was submitted: the stamp of a's end is smaller than that of b's
 *       submission. Stamps are taken after and before the fact: this is never claimed in vain;
 *   B2. b is a barrier (law 7), of the same fd, and a was accepted before it: by an earlier place
 *       in the same call, or because a's call had returned when b's began. Not if b was cancelled:
 *       it need not have waited;
 *   B3. both went to the driver in one push, a before b, of one fd, overlapping, one of them a
 *       write (law 6). Not if a is a barrier (one that waits holds up nobody), nor if b was
 *       cancelled;
 *   B4. a is before some c by B2 or B3, and c had ended when b was submitted. Hence `settled`: the
 *       least of a's own end and the ends of all c; B1 compares that.
 * Other chains of these add nothing where all three touch one word: B1 then B2 or B3 is B1, because
 * stamps grow along a call; B2 then B2 is B2, and so is B3 then B2; B3 then B3 is B3 where one end
 * writes; B2 then B3 is excluded.
 *
 * A word of 8 bytes at a multiple of 8 is copied whole by every kernel and device that ioe runs on.
 *
 * Invariants: ops are numbered from 0; the words of op n hold base + 1 + n, those of nobody base;
 *             a base is larger than all numbers of the rounds before, so that what is left of
 *             them shows.
 * Threads, Ownership: model.h. */
#include "tests/lib/model.h"
#include "tests/lib/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS = MODEL_UNIT / 8, LOOKS_MAX = 8 };

#define TORN       UINT32_C(0x80000000) /* the rest is where in `notes` the words of the unit are */
#define STRAY      UINT32_C(0x7fffffff) /* whose word it is cannot be said */
#define NOTES_MAX  (UINT32_C(1) << 26)
#define BUFFER_MAX (UINT32_C(1) << 20)

static struct model_op *ops;
static uint32_t n_ops;    /* claimed */
static uint32_t n_looks;  /* after them */
static uint32_t n_budget; /* may be claimed */
static uint64_t n_units;
static uint32_t base;
static uint64_t now;

/* What reads have seen: memory that is given back as a whole. */
static uint32_t *notes;
static uint32_t n_notes;

/* The operations that touch a unit, by submission: of_unit[starts[unit]..starts[unit + 1]) */
static uint32_t *starts;
static uint32_t *of_unit;

static char complaint[1024];

static uint64_t stamp(uint64_t n)
{
	return __atomic_fetch_add(&now, n, __ATOMIC_SEQ_CST) + 1;
}

static uint32_t take_notes(uint32_t n)
{
	const uint32_t at = __atomic_fetch_add(&n_notes, n, __ATOMIC_RELAXED);

	must(at + n <= NOTES_MAX, "the model has no memory left");
	return at;
}

/* ---- Noting ------------------------------------------------------------------------------ */

void model_begin(uint64_t file_bytes, uint32_t n)
{
	if (notes == NULL) {
		notes = mmap(NULL, (size_t)NOTES_MAX * sizeof(*notes), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		must(notes != MAP_FAILED, "no memory");
	}
	/* What the round before has touched of it is given back. */
	must_sys(madvise(notes, (size_t)n_notes * sizeof(*notes), MADV_DONTNEED));
	base += n_budget + LOOKS_MAX + 1;
	must(base + n < STRAY - LOOKS_MAX, "the model has no numbers left");
	free(ops);
	ops = calloc(n + LOOKS_MAX, sizeof(*ops));
	must(ops != NULL, "no memory");
	n_units = file_bytes / MODEL_UNIT;
	n_budget = n;
	n_ops = n_looks = n_notes = 0;
	now = 0;
}

uint32_t model_claim(uint32_t n)
{
	uint32_t first = __atomic_load_n(&n_ops, __ATOMIC_RELAXED);

	do {
		if (first + n > n_budget)
			return MODEL_NONE;
	} while (!__atomic_compare_exchange_n(&n_ops, &first, first + n, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return first;
}

struct model_op *model_op(uint32_t number)
{
	return &ops[number];
}

static uint64_t word_of(uint32_t name, uint64_t offset)
{
	return (uint64_t)name << 32 | offset / 8;
}

void model_fill(uint32_t number, const struct iovec *iov, uint32_t n_iov)
{
	uint64_t offset = ops[number].offset;

	for (uint32_t i = 0; i < n_iov; i++) {
		uint64_t *words = iov[i].iov_base;

		for (uint64_t k = 0; k < iov[i].iov_len / 8; k++, offset += 8)
			words[k] = word_of(base + 1 + number, offset);
	}
}

void model_fill_file(int fd, uint64_t offset, uint64_t size)
{
	uint64_t *words = aligned_alloc(4096, BUFFER_MAX);

	must(words != NULL, "no memory");
	while (size > 0) {
		const uint64_t n = size < BUFFER_MAX ? size : BUFFER_MAX;

		for (uint64_t k = 0; k < n / 8; k++)
			words[k] = word_of(base, offset + 8 * k);
		must(pwrite(fd, words, n, (off_t)offset) == (ssize_t)n, "pwrite: %s",
		     strerror(errno));
		offset += n;
		size -= n;
	}
	free(words);
}

void model_submit(uint32_t first, uint32_t n, bool in_one)
{
	const uint64_t submitted = stamp(n);

	for (uint32_t i = 0; i < n; i++) {
		struct model_op *op = &ops[first + i];

		op->in_one = in_one;
		op->call = first;
		op->submitted = submitted + i;
		op->stray_at = UINT64_MAX;
	}
}

void model_accept(uint32_t first, uint32_t n)
{
	const uint64_t accepted = stamp(1);

	for (uint32_t i = 0; i < n; i++)
		__atomic_store_n(&ops[first + i].accepted, accepted, __ATOMIC_RELAXED);
}

void model_end(uint32_t number, int64_t result, uint64_t done)
{
	struct model_op *op = &ops[number];

	must(__atomic_exchange_n(&op->ended, stamp(1), __ATOMIC_RELAXED) == 0,
	     "op %u (%s) has ended twice", number, op->name);
	op->result = result;
	op->done = done;
}

/* Whose the bytes of a unit are: a name, or where the names of its words are. */
static uint32_t see_unit(struct model_op *op, const uint64_t *words, uint64_t offset)
{
	uint32_t names[WORDS];
	uint32_t at;
	bool torn = false;

	for (uint32_t w = 0; w < WORDS; w++) {
		names[w] = (uint32_t)(words[w] >> 32);
		if ((uint32_t)words[w] != offset / 8 + w || names[w] < base || names[w] >= STRAY) {
			names[w] = STRAY;
			op->stray = words[w];
			op->stray_at = offset + 8 * w;
		}
		torn = torn || names[w] != names[0];
	}
	if (!torn)
		return names[0];
	at = take_notes(WORDS);
	memcpy(notes + at, names, sizeof(names));
	return TORN | at;
}

void model_see(uint32_t number, const struct iovec *iov, uint32_t n_iov)
{
	struct model_op *op = &ops[number];
	uint64_t at = 0;

	op->seen = notes + take_notes((uint32_t)(op->done / MODEL_UNIT));
	for (uint32_t i = 0; i < n_iov; i++)
		for (uint64_t k = 0; k < iov[i].iov_len && at + MODEL_UNIT <= op->done;
		     k += MODEL_UNIT) {
			const uint64_t *words = (const void *)((char *)iov[i].iov_base + k);

			op->seen[at / MODEL_UNIT] = see_unit(op, words, op->offset + at);
			at += MODEL_UNIT;
		}
}

void model_look_at_file(int fd, uint64_t offset, uint64_t size)
{
	const uint32_t number = n_budget + n_looks++;
	struct iovec iov = { aligned_alloc(4096, size), size };

	must(n_looks <= LOOKS_MAX && iov.iov_base != NULL, "no memory");
	ops[number] = (struct model_op){ .kind = MODEL_READ,
					 .fd = fd,
					 .offset = offset,
					 .length = size,
					 .name = "the last look" };
	model_submit(number, 1, false);
	model_accept(number, 1);
	must(pread(fd, iov.iov_base, size, (off_t)offset) == (ssize_t)size, "pread: %s",
	     strerror(errno));
	model_end(number, (int64_t)size, size);
	model_see(number, &iov, 1);
	free(iov.iov_base);
}

uint32_t model_n_accepted(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_ops; i++)
		n += __atomic_load_n(&ops[i].accepted, __ATOMIC_RELAXED) != 0;
	return n;
}

uint32_t model_n_open(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_ops; i++)
		n += __atomic_load_n(&ops[i].accepted, __ATOMIC_RELAXED) != 0 &&
		     __atomic_load_n(&ops[i].ended, __ATOMIC_RELAXED) == 0;
	return n;
}

/* ---- The rule ---------------------------------------------------------------------------- */

static bool overlap(const struct model_op *a, const struct model_op *b)
{
	return a->offset < b->offset + b->length && b->offset < a->offset + a->length;
}

/* B2 and B3. Ops are compared by their place: a call's have consecutive numbers. */
static bool is_held_up_by(const struct model_op *b, const struct model_op *a)
{
	const bool earlier_in_call = a->call == b->call && a < b;

	if (a->fd != b->fd || b->result == -ECANCELED)
		return false;
	if (b->is_barrier)
		return earlier_in_call || a->accepted < b->submitted;
	return earlier_in_call && b->in_one && !a->is_barrier && a->kind != MODEL_OTHER &&
	       b->kind != MODEL_OTHER && overlap(a, b) &&
	       (a->kind == MODEL_WRITE || b->kind == MODEL_WRITE);
}

static bool is_before(const struct model_op *a, const struct model_op *b)
{
	return a->settled < b->submitted || is_held_up_by(b, a);
}

/* B4. Latest first: those that an op of a call holds up come after it. */
static void find_settled(const uint32_t *sorted, uint32_t n)
{
	uint32_t *barriers = calloc(n + 1, sizeof(*barriers));
	uint32_t n_barriers = 0;

	must(barriers != NULL, "no memory");
	for (uint32_t i = n; i-- > 0;) {
		struct model_op *op = &ops[sorted[i]];

		op->settled = op->ended;
		for (uint32_t k = 0; k < n_barriers; k++) {
			const struct model_op *barrier = &ops[barriers[k]];

			if (barrier->ended < op->settled && is_held_up_by(barrier, op))
				op->settled = barrier->ended;
		}
		for (uint32_t k = i + 1; k < n && ops[sorted[k]].call == op->call; k++) {
			const struct model_op *next = &ops[sorted[k]];

			if (next->settled < op->settled && is_held_up_by(next, op))
				op->settled = next->settled;
		}
		if (op->is_barrier)
			barriers[n_barriers++] = sorted[i];
	}
	free(barriers);
}

static int by_submission(const void *a, const void *b)
{
	const uint64_t x = ops[*(const uint32_t *)a].submitted;
	const uint64_t y = ops[*(const uint32_t *)b].submitted;

	return x < y ? -1 : x > y;
}

/* Where the ops touched the file: of a failed write, where it may have. */
static uint64_t touched_units(const struct model_op *op)
{
	if (op->kind == MODEL_OTHER)
		return 0;
	return (op->kind == MODEL_READ ? op->done : op->length) / MODEL_UNIT;
}

static void list_by_unit(const uint32_t *sorted, uint32_t n)
{
	uint32_t *next = calloc(n_units + 1, sizeof(*next));
	uint64_t total = 0;

	starts = calloc(n_units + 1, sizeof(*starts));
	must(starts != NULL && next != NULL, "no memory");
	for (uint32_t i = 0; i < n; i++) {
		const struct model_op *op = &ops[sorted[i]];

		for (uint64_t k = 0; k < touched_units(op); k++)
			starts[op->offset / MODEL_UNIT + k + 1]++;
		total += touched_units(op);
	}
	for (uint64_t unit = 0; unit < n_units; unit++)
		starts[unit + 1] += starts[unit];
	memcpy(next, starts, (n_units + 1) * sizeof(*next));
	of_unit = calloc(total + 1, sizeof(*of_unit));
	must(of_unit != NULL, "no memory");
	for (uint32_t i = 0; i < n; i++) {
		const struct model_op *op = &ops[sorted[i]];

		for (uint64_t k = 0; k < touched_units(op); k++)
			of_unit[next[op->offset / MODEL_UNIT + k]++] = sorted[i];
	}
	free(next);
}

static uint32_t seen_of(const struct model_op *read, uint64_t unit)
{
	return read->seen[unit - read->offset / MODEL_UNIT];
}

/* Whether x is certain to have had another value than the name's in the word (word WORDS: all). */
static bool shows_other(const struct model_op *x, uint64_t unit, uint32_t word, uint32_t name)
{
	uint32_t seen;

	if (x->kind == MODEL_WRITE)
		return (uint32_t)(x - ops) + base + 1 != name &&
		       unit < (x->offset + x->done) / MODEL_UNIT;
	seen = seen_of(x, unit);
	if ((seen & TORN) == 0)
		return seen != name;
	return word == WORDS || notes[(seen & ~TORN) + word] != name;
}

static int describe(char *text, size_t size, const struct model_op *op)
{
	static const char *const kinds[] = { "sync", "read", "write" };

	return snprintf(text, size,
			"%s %u (%s; fd %d, [%llu, +%llu)%s, call %u%s, %llu-%llu, %lld)",
			kinds[op->kind], (uint32_t)(op - ops), op->name, op->fd,
			(unsigned long long)op->offset, (unsigned long long)op->length,
			op->is_barrier ? ", barrier" : "", op->call, op->in_one ? " in one" : "",
			(unsigned long long)op->submitted, (unsigned long long)op->ended,
			(long long)op->result);
}

static bool complain(uint64_t at, const struct model_op *read, const char *what,
		     const struct model_op *write, const struct model_op *other)
{
	char *text = complaint;
	char *end = complaint + sizeof(complaint);

	text += snprintf(text, (size_t)(end - text), "byte %llu: ", (unsigned long long)at);
	text += describe(text, (size_t)(end - text), read);
	text += snprintf(text, (size_t)(end - text), " has %s ", what);
	if (write != NULL)
		text += describe(text, (size_t)(end - text), write);
	if (other != NULL) {
		text += snprintf(text, (size_t)(end - text), ", though between them came ");
		(void)describe(text, (size_t)(end - text), other);
	}
	return false;
}

/* M1 and M2 for a word (WORDS: all) of the at-th op of a unit, a read that has found the name. */
static bool check_word(uint64_t unit, uint32_t at, uint32_t word, uint32_t name)
{
	const struct model_op *read = &ops[of_unit[at]];
	const uint64_t place = unit * MODEL_UNIT + (word < WORDS ? word * 8 : 0);
	const struct model_op *write = NULL;

	if (name == STRAY || name - base > n_ops)
		return complain(place, read, "a word of nobody", NULL, NULL);
	if (name != base) {
		write = &ops[name - base - 1];
		if (write->kind != MODEL_WRITE || write->accepted == 0 ||
		    unit < write->offset / MODEL_UNIT ||
		    unit >= (write->offset + write->length) / MODEL_UNIT)
			return complain(place, read, "what was not to be written", write, NULL);
		if (is_before(read, write))
			return complain(place, read, "the bytes of the later", write, NULL);
	}
	while (at-- > starts[unit]) {
		const struct model_op *x = &ops[of_unit[at]];

		if (write != NULL && x->submitted < write->submitted)
			break;
		if (shows_other(x, unit, word, name) && is_before(x, read) &&
		    (write == NULL || is_before(write, x)))
			return complain(place, read, write ? "the bytes of" : "the first bytes",
					write, x);
	}
	return true;
}

static bool check_unit(uint64_t unit)
{
	for (uint32_t at = starts[unit]; at < starts[unit + 1]; at++) {
		const struct model_op *read = &ops[of_unit[at]];
		uint32_t seen;

		if (read->kind != MODEL_READ)
			continue;
		seen = seen_of(read, unit);
		if ((seen & TORN) == 0) {
			if (!check_word(unit, at, WORDS, seen))
				return false;
			continue;
		}
		for (uint32_t w = 0; w < WORDS; w++)
			if (!check_word(unit, at, w, notes[(seen & ~TORN) + w]))
				return false;
	}
	return true;
}

/* The accepted ones by submission; false if one has not ended, or has read what nobody wrote. */
static bool sort_accepted(uint32_t *sorted, uint32_t *ret_n)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_budget + n_looks; i++) {
		const struct model_op *op = &ops[i];

		if ((op->accepted != 0) != (op->ended != 0)) {
			char *end = stpcpy(complaint,
					   op->ended ? "refused, but ended: " : "never ended: ");

			(void)describe(end, sizeof(complaint) - (size_t)(end - complaint), op);
			return false;
		}
		if (op->accepted == 0)
			continue;
		if (op->stray_at != UINT64_MAX) {
			char what[64];

			snprintf(what, sizeof(what), "the word %llu of byte %llu",
				 (unsigned long long)(op->stray >> 32),
				 (unsigned long long)(uint32_t)op->stray * 8);
			return complain(op->stray_at, op, what, NULL, NULL);
		}
		sorted[n++] = i;
	}
	qsort(sorted, n, sizeof(*sorted), by_submission);
	*ret_n = n;
	return true;
}

const char *model_check(void)
{
	uint32_t *sorted = calloc(n_budget + n_looks + 1, sizeof(*sorted));
	bool good = true;
	uint32_t n = 0;

	must(sorted != NULL, "no memory");
	if (!sort_accepted(sorted, &n)) {
		free(sorted);
		return complaint;
	}
	find_settled(sorted, n);
	list_by_unit(sorted, n);
	for (uint64_t unit = 0; unit < n_units && good; unit++)
		good = check_unit(unit);
	free(starts);
	free(of_unit);
	free(sorted);
	return good ? NULL : complaint;
}
