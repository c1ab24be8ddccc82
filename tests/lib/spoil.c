/* SPDX-License-Identifier: MIT
 * spoil.c - see spoil.h. */
#include "tests/lib/spoil.h"
#include "tests/lib/fail.h"
#include "tests/lib/random.h"
#include "tests/lib/seam.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { BURST_MAX = 4, REAPS_MAX = 4, SECTOR = 512 };

static const char *const names[SPOIL_KINDS] = {
	[SPOIL_REQUEST_CUT] = "request cut",
	[SPOIL_SHORT_ONE] = "short by all but one",
	[SPOIL_SHORT_SECTOR] = "short of a sector",
	[SPOIL_SHORT_HALF] = "short by half",
	[SPOIL_SHORT_SOME] = "short",
	[SPOIL_ZERO] = "nothing",
	[SPOIL_EIO] = "eio of a block",
	[SPOIL_EIO_MERGED] = "eio once",
	[SPOIL_ENOSPC_MERGED] = "enospc once",
	[SPOIL_EAGAIN] = "eagain",
	[SPOIL_EINTR] = "eintr",
	[SPOIL_SUBMIT_PART] = "submit of a part",
	[SPOIL_SUBMIT_EAGAIN] = "submit eagain",
	[SPOIL_SUBMIT_EINTR] = "submit eintr",
	[SPOIL_SUBMIT_EBUSY] = "submit ebusy",
	[SPOIL_DELAYED] = "delayed",
	[SPOIL_REORDERED] = "reordered",
	[SPOIL_DUPLICATE] = "duplicate",
	[SPOIL_STALE] = "stale",
};

static uint32_t (*unit_of)(uint64_t offset);
static uint32_t grain;
static uint64_t seed_of_faults;
static uint32_t one_of;
static bool *guilty;
static uint64_t n_blocks;
static uint64_t counts[SPOIL_KINDS];

bool spoil_is_guilty(uint64_t offset, uint64_t length)
{
	for (uint64_t block = offset / SPOIL_BLOCK; block * SPOIL_BLOCK < offset + length; block++)
		if (block < n_blocks && guilty[block])
			return true;
	return false;
}

#ifdef IOE_TEST_SEAM

/* What is kept for each driver. */
struct spoiler {
	struct random random;
	uint32_t n_again;   /* completions to come that are -EAGAIN */
	uint32_t n_refused; /* and submit calls */
	bool has_kept;
	struct ioe__completion kept;
};

static struct spoiler *spoiler(void)
{
	struct seam_driver *driver = seam_here();
	struct spoiler *spoiler = driver->data;

	if (spoiler == NULL) {
		spoiler = calloc(1, sizeof(*spoiler));
		must(spoiler != NULL, "no memory");
		spoiler->random = random_open_at(seed_of_faults, 1 + driver->index);
		driver->data = spoiler;
	}
	return spoiler;
}

static void count(enum spoil_kind kind)
{
	__atomic_add_fetch(&counts[kind], 1, __ATOMIC_RELAXED);
}

static bool strikes(struct random *random)
{
	return one_of > 0 && random_below(random, one_of) == 0;
}

static bool is_transfer(uint8_t op)
{
	return op == IOE_OP_READ || op == IOE_OP_WRITE;
}

/* What a transfer is cut to multiples of. With O_DIRECT it could not go on from anywhere else:
 * the kernel says -EINVAL, which is the end of the file to a read (law 3) and an error to a
 * write. And where it is not resumed, the caller would see it. */
static uint32_t grain_of(int fd, uint32_t flags, uint64_t offset)
{
	const int fd_flags = grain > 0 ? fcntl(fd, F_GETFL) : -1;

	if ((flags & IOE_EVENT_NO_RESUME) != 0 || fd_flags < 0 || (fd_flags & O_DIRECT) != 0)
		return unit_of(offset);
	return grain;
}

/* Less than length, more than nothing, and a multiple of each; or length itself if that cannot
 * be. */
static uint64_t some_of(struct random *random, uint64_t length, uint32_t each,
			enum spoil_kind *ret_kind)
{
	static const enum spoil_kind kinds[] = { SPOIL_SHORT_ONE, SPOIL_SHORT_SECTOR,
						 SPOIL_SHORT_HALF, SPOIL_SHORT_SOME };
	const uint64_t n = length / each;

	if (length <= each)
		return length;
	*ret_kind = kinds[random_below(random, 4)];
	switch (*ret_kind) {
	case SPOIL_SHORT_ONE:
		return each;
	case SPOIL_SHORT_SECTOR:
		if (each < SECTOR && length >= SECTOR)
			return SECTOR - each;
		return (length - 1) / each * each;
	case SPOIL_SHORT_HALF:
		return n / 2 > 0 ? n / 2 * each : each;
	default:
		return random_between(random, 1, (length - 1) / each) * each;
	}
}

static void shorten(struct ioe__request *request)
{
	struct random *random = &spoiler()->random;
	const uint64_t length = request->length;
	enum spoil_kind kind;

	if (!is_transfer(request->op) || request->n_iov > 0 || !strikes(random))
		return;
	request->length = some_of(random, length,
				  grain_of(request->fd, request->flags, request->offset), &kind);
	if (request->length < length)
		count(SPOIL_REQUEST_CUT);
}

/* Nothing moved: for a read of one event that is the end of the file; a write is tried once
 * more (law 3); of several events each alone will tell. */
static bool may_be_nothing(const struct seam_request *request)
{
	if ((request->flags & IOE_EVENT_NO_RESUME) != 0)
		return false;
	return request->n_events > 1 ||
	       (request->op == IOE_OP_WRITE && request->events->ioe__stalls == 0);
}

/* What a transfer that went well is said to have ended with. */
static int64_t choose_result(struct spoiler *spoiler, int64_t result,
			     const struct seam_request *request, enum spoil_kind *ret_kind)
{
	struct random *random = &spoiler->random;

	switch (random_below(random, 16)) {
	case 0:
	case 1:
		spoiler->n_again = (uint32_t)random_below(random, BURST_MAX);
		*ret_kind = SPOIL_EAGAIN;
		return -EAGAIN;
	case 2:
	case 3:
		*ret_kind = SPOIL_EINTR;
		return -EINTR;
	case 4:
		if (!may_be_nothing(request))
			break;
		*ret_kind = SPOIL_ZERO;
		return 0;
	case 5:
	case 6:
	case 7:
		if (request->n_events == 1)
			break;
		*ret_kind = request->op == IOE_OP_WRITE && random_below(random, 2) == 0 ?
				    SPOIL_ENOSPC_MERGED :
				    SPOIL_EIO_MERGED;
		return *ret_kind == SPOIL_EIO_MERGED ? -EIO : -ENOSPC;
	default:
		break;
	}
	return (int64_t)some_of(random, (uint64_t)result,
				grain_of(request->fd, request->flags, request->offset), ret_kind);
}

static void spoil(struct ioe__completion *completion, const struct seam_request *request)
{
	struct spoiler *here = spoiler();
	enum spoil_kind kind = SPOIL_EAGAIN;
	int64_t result = completion->result;

	if (!seam_is_in_flight(completion)) /* nothing is known of it */
		return;
	if (is_transfer(request->op) && spoil_is_guilty(request->offset, request->length)) {
		kind = SPOIL_EIO;
		result = -EIO;
	} else if (is_transfer(request->op) && result > 0 && here->n_again > 0) {
		here->n_again--;
		result = -EAGAIN;
	} else if (result < 0 || !strikes(&here->random)) {
		return;
	} else if (!is_transfer(request->op)) {
		kind = SPOIL_EINTR; /* a failed sync is not run again, an interrupted one is */
		result = -EINTR;
	} else if (result > 0) {
		result = choose_result(here, result, request, &kind);
	}
	if (result != completion->result)
		count(kind);
	completion->result = result;
}

static uint32_t delay(const struct ioe__completion *completion, const struct seam_request *request)
{
	struct random *random = &spoiler()->random;

	(void)completion;
	(void)request;
	if (!strikes(random))
		return 0;
	count(SPOIL_DELAYED);
	return (uint32_t)random_between(random, 1, REAPS_MAX);
}

static void shuffle(struct random *random, struct ioe__completion *completions, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		const uint64_t k = random_below(random, i);
		const struct ioe__completion completion = completions[k];

		completions[k] = completions[i - 1];
		completions[i - 1] = completion;
	}
}

/* One of the batch again, one of an earlier batch, whose slot may be another request's now; and all
 * in another order. */
static uint32_t repeat(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	struct spoiler *here = spoiler();
	struct random *random = &here->random;
	const struct ioe__completion next = completions[random_below(random, n)];

	if (n < room && strikes(random)) {
		completions[n] = completions[random_below(random, n)];
		n++;
		count(SPOIL_DUPLICATE);
	}
	/* In a new engine at an old address it could be right. */
	if (n < room && here->has_kept && strikes(random) && !seam_is_in_flight(&here->kept)) {
		completions[n++] = here->kept;
		count(SPOIL_STALE);
	}
	if (n > 1 && strikes(random)) {
		shuffle(random, completions, n);
		count(SPOIL_REORDERED);
	}
	if (!here->has_kept || strikes(random)) {
		here->kept = next;
		here->has_kept = true;
	}
	return n;
}

static int refuse(uint32_t n)
{
	struct spoiler *here = spoiler();
	struct random *random = &here->random;

	if (here->n_refused > 0) {
		here->n_refused--;
		count(SPOIL_SUBMIT_EAGAIN);
		return -EAGAIN;
	}
	if (!strikes(random))
		return (int)n;
	switch (random_below(random, 5)) {
	case 0:
		count(SPOIL_SUBMIT_EINTR);
		return -EINTR;
	case 1:
		/* io_submit() has no such answer. */
		if (seam_here()->backend != IOE_BACKEND_URING)
			break;
		count(SPOIL_SUBMIT_EBUSY);
		return -EBUSY;
	case 2:
	case 3:
		if (n < 2)
			break;
		count(SPOIL_SUBMIT_PART);
		return (int)random_between(random, 1, n - 1);
	default:
		break;
	}
	here->n_refused = (uint32_t)random_below(random, BURST_MAX);
	count(SPOIL_SUBMIT_EAGAIN);
	return -EAGAIN;
}

#endif

void spoil_watch(uint64_t bytes_max, uint32_t (*unit_at)(uint64_t offset))
{
	unit_of = unit_at;
	n_blocks = (bytes_max + SPOIL_BLOCK - 1) / SPOIL_BLOCK;
	free(guilty);
	guilty = calloc(n_blocks, sizeof(*guilty));
	must(guilty != NULL, "no memory");
	one_of = 0;
	grain = 0;
	memset(counts, 0, sizeof(counts));
#ifdef IOE_TEST_SEAM
	seam_on_stage = shorten;
	seam_on_submit = refuse;
	seam_on_completion = spoil;
	seam_on_hold = delay;
	seam_on_batch = repeat;
#endif
	seam_watch();
}

void spoil_grain(uint32_t bytes)
{
	grain = bytes;
}

void spoil_begin(uint64_t seed, uint32_t one_request_of, uint32_t one_block_of)
{
	struct random random = random_open_at(seed, 0);

	seam_forget();
	seed_of_faults = seed;
	one_of = one_request_of;
	for (uint64_t block = 0; block < n_blocks; block++)
		guilty[block] = one_block_of > 0 && random_below(&random, one_block_of) == 0;
}

uint64_t spoil_count(enum spoil_kind kind)
{
	return __atomic_load_n(&counts[kind], __ATOMIC_RELAXED);
}

const char *spoil_name(enum spoil_kind kind)
{
	return names[kind];
}

enum spoil_kind spoil_missing(uint32_t backend)
{
	enum spoil_kind kind = 0;

	for (; kind < SPOIL_KINDS; kind++) {
		const bool is_submit = kind >= SPOIL_SUBMIT_PART && kind <= SPOIL_SUBMIT_EBUSY;

		if (spoil_count(kind) > 0 || (is_submit && backend == IOE_BACKEND_THREADS) ||
		    (kind == SPOIL_SUBMIT_EBUSY && backend == IOE_BACKEND_AIO))
			continue;
		break;
	}
	return kind;
}

void spoil_report(void)
{
	printf("faults injected:");
	for (enum spoil_kind kind = 0; kind < SPOIL_KINDS; kind++)
		printf("%s %s %llu", kind > 0 ? "," : "", names[kind],
		       (unsigned long long)spoil_count(kind));
	printf("\n");
}
