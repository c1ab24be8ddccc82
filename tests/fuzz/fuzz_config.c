/* SPDX-License-Identifier: MIT
 * fuzz_config.c - fuzz target: configurations of any content and any size. The answer of
 *                 ioe_engine_open() is judged by what ioe.h says, written down here once more, and
 *                 so are the defaults; engines that are small enough are opened for real.
 *
 * The input: the size; then for each change a field (or a place behind the struct) and a value.
 *
 * Where several things are wrong, any of them may be named: ioe.h knows no order of checks.
 *
 * Invariants: what a configuration says is behind it, is there: where it says more than HELD_MAX,
 *             as a mapping of zeros, with something else early in it.
 * Threads:    main, and those of the engines.
 * Ownership:  engines are closed before the next input. */
#include "engine/engine.h"
#include "tests/lib/fail.h"
#include "tests/lib/input.h"

#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_OURS ((uint32_t)sizeof(struct ioe_config))
#define HELD_MAX  UINT32_C(65536)
#define ZEROS     (UINT64_C(1) << 32)
/* An engine of no more is opened for real. */
#define THREADS_MAX 12u
#define DEPTH_MAX   256u
#define CHANNEL_MAX 4096u

/* What can be wrong, as bits. */
enum { IS_INVALID = 1, IS_TOO_BIG = 2, IS_NOT_SUPPORTED = 4 };

static struct ioe_workers *shared_workers;
static uint8_t *zeros;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	support_aborts = true;
	must(ioe_workers_open(1, &shared_workers) == 0, "no pool of workers");
	zeros = mmap(NULL, ZEROS, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(zeros != MAP_FAILED, "mmap: %s", strerror(errno));
	return 0;
}

/* ---- What ioe.h says ---- */

static bool in_range(uint32_t value, uint32_t low, uint32_t high)
{
	return value == 0 || (value >= low && value <= high);
}

static bool numbers_are_good(const struct ioe_config *c)
{
	return c->backend <= IOE_BACKEND_THREADS && c->threading <= IOE_THREADING_NONE &&
	       in_range(c->n_drivers, 1, 64) && in_range(c->n_workers, 1, 256) &&
	       in_range(c->n_helpers, 1, 256) && in_range(c->depth_max, 1, 16384) &&
	       in_range(c->channel_capacity, 1, 1048576) &&
	       (in_range(c->timers_max, 1, 1048576) || c->timers_max == IOE_CONFIG_OFF) &&
	       (in_range(c->merge_max_bytes, 512, 0x7ffff000) ||
		c->merge_max_bytes == IOE_CONFIG_OFF) &&
	       in_range(c->merge_max_events, 1, 1024) && c->reserved0 == 0 &&
	       (c->spin_ns <= 1000000000 || c->spin_ns == IOE_CONFIG_OFF) && c->flags < 4;
}

static bool combination_is_good(const struct ioe_config *c)
{
	if (c->workers != NULL && (c->threading != IOE_THREADING_POOL || c->n_workers != 0))
		return false;
	return c->threading != IOE_THREADING_NONE || c->n_drivers <= 1;
}

/* What is wrong with a configuration of that size, of which c is as much as we know. */
static unsigned wrong_with(const struct ioe_config *c, uint32_t size, bool has_more)
{
	unsigned wrong = 0;

	/* There has been one size so far, and nothing shorter. */
	if (size < SIZE_OURS)
		return IS_INVALID;
	/* ioe.h: "longer than 4096". */
	if (has_more || size > 4096)
		wrong |= IS_TOO_BIG;
	if (!numbers_are_good(c) || !combination_is_good(c))
		wrong |= IS_INVALID;
	if (c->cpus != NULL || c->on_late != NULL || c->on_late_arg != NULL || c->allocator != NULL)
		wrong |= IS_NOT_SUPPORTED;
	return wrong;
}

static bool is_named(unsigned wrong, int answer)
{
	return (answer == -EINVAL && (wrong & IS_INVALID) != 0) ||
	       (answer == -E2BIG && (wrong & IS_TOO_BIG) != 0) ||
	       (answer == -EOPNOTSUPP && (wrong & IS_NOT_SUPPORTED) != 0);
}

static struct ioe_config with_defaults(struct ioe_config c)
{
	c.size = SIZE_OURS;
	c.n_drivers += c.n_drivers == 0 ? 1 : 0;
	c.n_workers += c.n_workers == 0 ? 2 : 0;
	c.depth_max += c.depth_max == 0 ? 128 : 0;
	c.n_helpers += c.n_helpers == 0 ? (c.depth_max < 16 ? c.depth_max : 16) : 0;
	c.channel_capacity += c.channel_capacity == 0 ? 1024 : 0;
	c.timers_max += c.timers_max == 0 ? 1024 : 0;
	c.merge_max_bytes += c.merge_max_bytes == 0 ? 262144 : 0;
	c.merge_max_events += c.merge_max_events == 0 ? 256 : 0;
	c.spin_ns += c.spin_ns == 0 ? 20000 : 0;
	return c;
}

/* ---- The input ---- */

static const struct {
	uint16_t offset;
	uint16_t size;
} fields[] = {
#define FIELD(name)                                                                       \
	{                                                                                 \
		offsetof(struct ioe_config, name), sizeof(((struct ioe_config *)0)->name) \
	}
	FIELD(backend),
	FIELD(threading),
	FIELD(n_drivers),
	FIELD(n_workers),
	FIELD(n_helpers),
	FIELD(depth_max),
	FIELD(channel_capacity),
	FIELD(timers_max),
	FIELD(merge_max_bytes),
	FIELD(merge_max_events),
	FIELD(reserved0),
	FIELD(spin_ns),
	FIELD(flags),
	FIELD(cpus),
	FIELD(on_late),
	FIELD(on_late_arg),
	FIELD(allocator),
#undef FIELD
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* Put a number into c[0..size), as far as it fits. */
static void put(uint8_t *c, uint32_t size, uint32_t offset, const void *value, uint32_t n)
{
	if (offset < size)
		memcpy(c + offset, value, n < size - offset ? n : size - offset);
}

static void change(struct input *input, uint8_t *c, uint32_t size)
{
	const uint8_t what = input_byte(input);
	uint64_t value;

	if (what == 0xff) { /* the one pointer that is looked at must be one */
		put(c, size, offsetof(struct ioe_config, workers), &shared_workers, sizeof(void *));
		return;
	}
	value = input_number(input);
	if (what >= 0xf0) /* behind what we know */
		put(c, size, SIZE_OURS + (uint32_t)input_bytes(input, 2), &value, 1);
	else
		put(c, size, fields[what % N_FIELDS].offset, &value, fields[what % N_FIELDS].size);
}

/* ---- The answer ---- */

static void look_at(struct ioe_engine *engine, const struct ioe_config *c)
{
	static const char *const names[] = { "", "uring", "aio", "threads" };
	struct ioe_stats stats = { .size = sizeof(stats) };
	const bool is_none = c->threading == IOE_THREADING_NONE;
	const char *name = ioe_engine_backend(engine);
	uint32_t depth = c->depth_max;

	must(c->backend == IOE_BACKEND_AUTO || strcmp(name, names[c->backend]) == 0,
	     "%s opened for backend %u", name, c->backend);
	if (strcmp(name, "threads") == 0 && c->n_helpers < depth)
		depth = c->n_helpers;
	must(ioe_engine_stats(engine, &stats) == 0, "no stats");
	must(stats.n_drivers == c->n_drivers, "%u drivers, not %u", stats.n_drivers, c->n_drivers);
	must(stats.depth == depth, "depth %u, not %u", stats.depth, depth);
	must(ioe_engine_run(engine, 0, 0) == (is_none ? 0 : -EINVAL), "run, threading %u",
	     c->threading);
	must(ioe_engine_close(engine, 2) == -EINVAL, "closed, nobody knows how");
	must(ioe_engine_close(engine, c->n_drivers & 1) == 0, "not closed");
}

/* One that is right: resolved as it should be, and opened if it is not too large. */
static void use(const struct ioe_config *given, struct ioe_config c)
{
	struct ioe_engine *engine;
	struct ioe_config resolved;
	int ret;

	c = with_defaults(c);
	memset(&resolved, 0xa5, sizeof(resolved));
	ret = ioe__config_resolve(given, &resolved);
	must(ret == 0, "a configuration that is right: %d", ret);
	must(memcmp(&c, &resolved, sizeof(c)) == 0, "resolved to something else");
	if (c.n_drivers * c.n_helpers + c.n_workers > THREADS_MAX || c.depth_max > DEPTH_MAX ||
	    c.channel_capacity > CHANNEL_MAX)
		return;
	ret = ioe_engine_open(given, &engine);
	must(ret == 0 || (c.backend != IOE_BACKEND_AUTO && ioe__backend_is_unavailable(ret)),
	     "open: %s", strerror(-ret));
	if (ret == 0)
		look_at(engine, &c);
}

static void judge(const struct ioe_config *given, uint32_t size, bool has_more)
{
	struct ioe_engine *const untouched = (struct ioe_engine *)(void *)shared_workers;
	struct ioe_engine *engine = untouched;
	struct ioe_config c = { 0 };
	unsigned wrong;
	int ret;

	memcpy(&c, given, size < SIZE_OURS ? size : SIZE_OURS);
	wrong = wrong_with(&c, size, has_more);
	if (wrong == 0) {
		use(given, c);
		return;
	}
	ret = ioe_engine_open(given, &engine);
	must(is_named(wrong, ret), "size %u, wrong %u: %d", size, wrong, ret);
	must(engine == untouched, "*ret_engine was touched on failure");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { .data = data, .size = size };
	const uint8_t code = input_byte(&input);
	uint32_t config_size = SIZE_OURS;
	uint32_t held;
	uint8_t *config;
	bool has_more = false;

	if (code >= 0xc0)
		config_size = (uint32_t)input_number(&input);
	else if (code >= 0x80)
		config_size = SIZE_OURS - 0x20 + (code - 0x80);
	held = config_size < sizeof(uint32_t) ? sizeof(uint32_t) : config_size;
	/* Of just its size where that can be, so that asan knows its end. */
	config = held <= HELD_MAX ? calloc(1, held) : zeros;
	must(config != NULL, "no memory");
	memcpy(config, &config_size, sizeof(config_size));
	while (input_has_more(&input))
		change(&input, config, config_size);
	if (held > HELD_MAX)
		config[HELD_MAX / 2] = 1;
	for (uint32_t i = SIZE_OURS; i < config_size && !has_more; i++)
		has_more = config[i] != 0;
	judge((const struct ioe_config *)(const void *)config, config_size, has_more);
	if (held > HELD_MAX)
		memset(config, 0, SIZE_OURS + HELD_MAX);
	else
		free(config);
	return 0;
}
