/* SPDX-License-Identifier: MIT
 * config.c - the defaults of struct ioe_config, and its checks.
 * Invariants: one table has every number: range, default, whether OFF is allowed.
 * Threads:    any.
 * Ownership:  none. */
#include "engine/engine.h"

#include <string.h>

#define FLAGS_KNOWN       (IOE_ENGINE_NO_MERGE | IOE_ENGINE_NO_TIMING)
#define N_HELPERS_DEFAULT 16u
#define SPIN_NS_DEFAULT   20000u
#define SPIN_NS_MAX       UINT64_C(1000000000)

/* The size of the first struct ioe_config that was released: there was none shorter. */
#define SIZE_FIRST 104u
/* No struct ioe_config will ever be longer: a size that nobody has set is not gone through. */
#define SIZE_MAX_ANY 4096u

_Static_assert(sizeof(struct ioe_config) >= SIZE_FIRST, "struct ioe_config only grows");
_Static_assert(sizeof(struct ioe_config) <= SIZE_MAX_ANY, "struct ioe_config does not grow so far");
_Static_assert(SPIN_NS_MAX < IOE_CONFIG_OFF, "OFF is out of the range of spin_ns");

struct field {
	size_t offset;
	uint32_t min;
	uint32_t max;
	uint32_t def;
	bool off;
};

#define FIELD(name, lo, hi, d, can_be_off)                               \
	{                                                                \
		offsetof(struct ioe_config, name), lo, hi, d, can_be_off \
	}

static const struct field fields[] = {
	FIELD(backend, IOE_BACKEND_AUTO, IOE_BACKEND_THREADS, IOE_BACKEND_AUTO, false),
	FIELD(threading, IOE_THREADING_POOL, IOE_THREADING_NONE, IOE_THREADING_POOL, false),
	FIELD(n_drivers, 1, IOE__DRIVERS_MAX, 1, false),
	FIELD(n_workers, 1, 256, 2, false),
	FIELD(n_helpers, 1, 256, N_HELPERS_DEFAULT, false),
	FIELD(depth_max, 1, 16384, 128, false),
	FIELD(channel_capacity, 1, 1048576, 1024, false),
	FIELD(timers_max, 1, 1048576, 1024, true),
	FIELD(merge_max_bytes, 512, (uint32_t)IOE__TRANSFER_MAX, 262144, true),
	FIELD(merge_max_events, 1, 1024, 256, false),
	FIELD(reserved0, 0, 0, 0, false),
};

static int resolve_field(struct ioe_config *config, const struct field *field)
{
	uint32_t *value = (uint32_t *)(void *)((char *)config + field->offset);

	if (*value == 0) {
		*value = field->def;
		return 0;
	}
	if (*value == IOE_CONFIG_OFF)
		return field->off ? 0 : -EINVAL;
	return *value >= field->min && *value <= field->max ? 0 : -EINVAL;
}

/* Take over what both sides know of it; what only the caller knows must be zero. */
static int copy(const struct ioe_config *config, struct ioe_config *ret_config)
{
	const unsigned char *bytes = (const unsigned char *)config;
	const uint32_t ours = sizeof(*ret_config);
	/* Once: what is compared is what is copied. */
	const uint32_t size = __atomic_load_n(&config->size, __ATOMIC_RELAXED);

	if (size < SIZE_FIRST)
		return -EINVAL;
	if (size > SIZE_MAX_ANY)
		return -E2BIG;
	for (uint32_t i = ours; i < size; i++)
		if (bytes[i] != 0)
			return -E2BIG;
	memcpy(ret_config, config, size < ours ? size : ours);
	ret_config->size = ours;
	return 0;
}

static int check_combination(const struct ioe_config *config)
{
	const bool none = config->threading == IOE_THREADING_NONE;

	if (config->workers != NULL &&
	    (config->threading != IOE_THREADING_POOL || config->n_workers != 0))
		return -EINVAL;
	if (none && config->n_drivers > 1)
		return -EINVAL;
	return 0;
}

int ioe__config_resolve(const struct ioe_config *config, struct ioe_config *ret_config)
{
	struct ioe_config resolved = { .size = sizeof(resolved) };
	bool default_helpers;
	int ret;

	if (config != NULL) {
		ret = copy(config, &resolved);
		if (ret < 0)
			return ret;
	}
	if ((resolved.flags & ~FLAGS_KNOWN) != 0)
		return -EINVAL;
	ret = check_combination(&resolved);
	if (ret < 0)
		return ret;
	default_helpers = resolved.n_helpers == 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		ret = resolve_field(&resolved, &fields[i]);
		if (ret < 0)
			return ret;
	}
	if (resolved.spin_ns == 0)
		resolved.spin_ns = SPIN_NS_DEFAULT;
	else if (resolved.spin_ns > SPIN_NS_MAX && resolved.spin_ns != IOE_CONFIG_OFF)
		return -EINVAL;
	if (resolved.cpus != NULL || resolved.on_late != NULL || resolved.on_late_arg != NULL ||
	    resolved.allocator != NULL)
		return -EOPNOTSUPP;
	if (default_helpers && resolved.depth_max < N_HELPERS_DEFAULT)
		resolved.n_helpers = resolved.depth_max;
	*ret_config = resolved;
	return 0;
}
