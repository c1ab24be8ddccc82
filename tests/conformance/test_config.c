/* SPDX-License-Identifier: MIT
 * test_config.c - what ioe_engine_open() accepts and refuses, and what an open engine tells. */
#include "tests/lib/rig.h"

#include <unistd.h>

#define OFFSET(field) offsetof(struct ioe_config, field)

/* The cheapest engine there is. */
static struct ioe_config small_config(void)
{
	return (struct ioe_config){
		.size = sizeof(struct ioe_config),
		.backend = IOE_BACKEND_THREADS,
		.threading = IOE_THREADING_INLINE,
		.n_helpers = 1,
	};
}

static int try_open(const struct ioe_config *config)
{
	struct ioe_engine *const untouched = (struct ioe_engine *)(uintptr_t)64;
	struct ioe_engine *engine = untouched;
	const int ret = ioe_engine_open(config, &engine);

	if (ret == 0)
		check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
	else
		cr_assert(engine == untouched, "*ret_engine was touched on failure");
	return ret;
}

static const struct {
	const char *what;
	size_t offset;
	uint32_t value;
	int expected;
} table[] = {
	{ "size 0", OFFSET(size), 0, -EINVAL },
	{ "size 4", OFFSET(size), 4, -EINVAL },
	{ "size cut in the middle of a field", OFFSET(size), OFFSET(spin_ns) + 3, -EINVAL },
	{ "backend 4", OFFSET(backend), 4, -EINVAL },
	{ "backend of all ones", OFFSET(backend), UINT32_MAX, -EINVAL },
	{ "threading 3", OFFSET(threading), 3, -EINVAL },
	{ "65 drivers", OFFSET(n_drivers), 65, -EINVAL },
	{ "drivers off", OFFSET(n_drivers), IOE_CONFIG_OFF, -EINVAL },
	{ "257 helpers", OFFSET(n_helpers), 257, -EINVAL },
	{ "depth 16385", OFFSET(depth_max), 16385, -EINVAL },
	{ "depth off", OFFSET(depth_max), IOE_CONFIG_OFF, -EINVAL },
	{ "depth 1", OFFSET(depth_max), 1, 0 },
	{ "channel of 1048577", OFFSET(channel_capacity), 1048577, -EINVAL },
	{ "channel off", OFFSET(channel_capacity), IOE_CONFIG_OFF, -EINVAL },
	{ "channel of 1", OFFSET(channel_capacity), 1, 0 },
	{ "channel of 1048576", OFFSET(channel_capacity), 1048576, 0 },
	{ "1048577 timers", OFFSET(timers_max), 1048577, -EINVAL },
	{ "1 timer", OFFSET(timers_max), 1, 0 },
	{ "timers off", OFFSET(timers_max), IOE_CONFIG_OFF, 0 },
	{ "merges of 511 bytes", OFFSET(merge_max_bytes), 511, -EINVAL },
	{ "merges of 512 bytes", OFFSET(merge_max_bytes), 512, 0 },
	{ "merges of the most bytes", OFFSET(merge_max_bytes), 0x7ffff000, 0 },
	{ "merges of more", OFFSET(merge_max_bytes), 0x7ffff001, -EINVAL },
	{ "merging off", OFFSET(merge_max_bytes), IOE_CONFIG_OFF, 0 },
	{ "merges of 1 event", OFFSET(merge_max_events), 1, 0 },
	{ "merges of 1024 events", OFFSET(merge_max_events), 1024, 0 },
	{ "merges of 1025 events", OFFSET(merge_max_events), 1025, -EINVAL },
	{ "reserved0", OFFSET(reserved0), 1, -EINVAL },
};

Test(config, fields_are_checked, .timeout = 60)
{
	for (uint32_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ioe_config config = small_config();
		int ret;

		memcpy((uint8_t *)&config + table[i].offset, &table[i].value, 4);
		ret = try_open(&config);
		cr_assert(ret == table[i].expected, "%s: %d, not %d", table[i].what, ret,
			  table[i].expected);
	}
}

Test(config, workers_are_checked_with_a_pool)
{
	struct ioe_config config = small_config();

	config.threading = IOE_THREADING_POOL;
	config.n_workers = 257;
	check_eq(try_open(&config), -EINVAL);
	config.n_workers = IOE_CONFIG_OFF;
	check_eq(try_open(&config), -EINVAL);
	config.n_workers = 1;
	check_eq(try_open(&config), 0);
}

Test(config, spin_time_is_checked)
{
	struct ioe_config config = small_config();

	config.spin_ns = 1000000001;
	check_eq(try_open(&config), -EINVAL);
	config.spin_ns = UINT64_MAX;
	check_eq(try_open(&config), -EINVAL);
	config.spin_ns = 1000000000;
	check_eq(try_open(&config), 0);
	config.spin_ns = 1;
	check_eq(try_open(&config), 0);
	config.spin_ns = IOE_CONFIG_OFF;
	check_eq(try_open(&config), 0);
}

Test(config, unknown_flags_are_refused)
{
	struct ioe_config config = small_config();

	config.flags = IOE_ENGINE_NO_MERGE | IOE_ENGINE_NO_TIMING;
	check_eq(try_open(&config), 0);
	config.flags = IOE_ENGINE_NO_TIMING << 1;
	check_eq(try_open(&config), -EINVAL);
	config.flags = UINT64_C(1) << 63;
	check_eq(try_open(&config), -EINVAL);
}

static void never_called(struct ioe_event *event, void *arg)
{
	(void)event;
	(void)arg;
	abort();
}

Test(config, fields_for_what_is_to_come_are_refused)
{
	struct ioe_config config = small_config();
	int something;

	config.cpus = &something;
	check_eq(try_open(&config), -EOPNOTSUPP);
	config = small_config();
	config.on_late = never_called;
	check_eq(try_open(&config), -EOPNOTSUPP);
	config = small_config();
	config.on_late_arg = &something;
	check_eq(try_open(&config), -EOPNOTSUPP);
	config = small_config();
	config.allocator = &something;
	check_eq(try_open(&config), -EOPNOTSUPP);
}

Test(config, longer_config_is_accepted_when_its_tail_is_zero)
{
	struct {
		struct ioe_config config;
		uint8_t tail[64];
	} newer = { .config = small_config() };

	newer.config.size = sizeof(newer);
	check_eq(try_open(&newer.config), 0);
	newer.tail[63] = 1;
	check_eq(try_open(&newer.config), -E2BIG);
	newer.tail[63] = 0;
	newer.tail[0] = 1;
	check_eq(try_open(&newer.config), -E2BIG);
}

/* As of a struct that was never set: nothing behind it is touched. */
Test(config, size_that_no_config_has_is_not_gone_through)
{
	struct ioe_config *config = guard_buffer_open(sizeof(*config));

	*config = small_config();
	config->size = UINT32_MAX;
	check_eq(try_open(config), -E2BIG);
	config->size = 4097;
	check_eq(try_open(config), -E2BIG);
	guard_buffer_close(config, sizeof(*config));
}

Test(config, combinations_without_sense_are_refused)
{
	struct ioe_config config = small_config();
	struct ioe_workers *workers;

	check_eq(ioe_workers_open(1, &workers), 0);
	config.threading = IOE_THREADING_NONE;
	config.n_drivers = 2;
	check_eq(try_open(&config), -EINVAL);
	config.n_drivers = 1;
	check_eq(try_open(&config), 0);
	config.workers = workers;
	check_eq(try_open(&config), -EINVAL);
	config.threading = IOE_THREADING_INLINE;
	check_eq(try_open(&config), -EINVAL);
	config.threading = IOE_THREADING_POOL;
	check_eq(try_open(&config), 0);
	config.n_workers = 1;
	check_eq(try_open(&config), -EINVAL);
	check_eq(ioe_workers_close(workers), 0);
}

Test(config, null_is_all_defaults)
{
	struct ioe_engine *engine;
	struct ioe_stats stats = { .size = sizeof(stats) };

	check_eq(ioe_engine_open(NULL, NULL), -EINVAL);
	check_eq(ioe_engine_open(NULL, &engine), 0);
	check_eq(ioe_engine_stats(engine, &stats), 0);
	check_eq(stats.n_drivers, 1);
	check_op(stats.depth, <=, 128);
	check_op(stats.depth, >=, 1);
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
}

MATRIX_TEST(config, engine_tells_its_backend_and_why)
{
	static const char *const names[] = { NULL, "uring", "aio", "threads" };
	const char *reason;

	rig_open(rig, NULL);
	cr_assert_str_eq(ioe_engine_backend(rig->engine), names[rig->row.backend]);
	reason = ioe_engine_reason(rig->engine);
	cr_assert_not_null(reason);
	cr_assert(reason[0] != '\0');
	cr_assert_null(strchr(reason, '\n'));
}

MATRIX_TEST(config, helpers_bound_the_depth_of_the_threads_backend_only)
{
	struct ioe_config config = rig_config(rig);

	config.depth_max = 64;
	config.n_helpers = 4;
	rig_open(rig, &config);
	check_eq(rig_stats(rig).depth, rig->row.backend == IOE_BACKEND_THREADS ? 4 : 64);
}

Test(config, version_is_that_of_the_header)
{
	char version[32];

	snprintf(version, sizeof(version), "%d.%d.%d", IOE_VERSION_MAJOR, IOE_VERSION_MINOR,
		 IOE_VERSION_PATCH);
	cr_assert_str_eq(ioe_version(), version);
}

Test(config, stats_are_filled_up_to_the_callers_size)
{
	struct ioe_config config = small_config();
	struct {
		struct ioe_stats stats;
		uint8_t tail[32];
	} out;
	struct ioe_engine *engine;

	check_eq(ioe_engine_open(&config, &engine), 0);
	check_eq(ioe_engine_stats(engine, NULL), -EINVAL);
	memset(&out, 0xa5, sizeof(out));
	out.stats.size = 7;
	check_eq(ioe_engine_stats(engine, &out.stats), -EINVAL);
	check_eq(ioe_engine_stats(NULL, &out.stats), -EINVAL);
	out.stats.size = 8;
	check_eq(ioe_engine_stats(engine, &out.stats), 0);
	check_eq(out.stats.n_drivers, 1);
	check_eq(bytes_differ((uint8_t *)&out + 8, sizeof(out) - 8, 0xa5), -1);
	/* A program that was built before there were latencies. */
	out.stats.size = offsetof(struct ioe_stats, latency);
	check_eq(ioe_engine_stats(engine, &out.stats), 0);
	check_eq(out.stats.size, offsetof(struct ioe_stats, latency));
	check_eq(out.stats.cq_overflows, 0);
	check_eq(bytes_differ((uint8_t *)out.stats.latency,
			      sizeof(out) - offsetof(struct ioe_stats, latency), 0xa5),
		 -1);
	out.stats.size = sizeof(out);
	check_eq(ioe_engine_stats(engine, &out.stats), 0);
	check_eq(out.stats.events_accepted, 0);
	check_eq(ioe_engine_close(engine, IOE_CLOSE_DRAIN), 0);
}
