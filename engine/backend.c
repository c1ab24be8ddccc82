/* SPDX-License-Identifier: MIT
 * backend.c - the table of backends, and the chain that AUTO goes along.
 * Invariants: a backend asked for by name is never swapped for another.
 * Threads:    any.
 * Ownership:  none. */
#include "engine/backend.h"

#include "engine/ioe.h"

#include <stdio.h>
#include <string.h>

/* In the order in which AUTO tries them. */
static const struct ioe__backend_ops *const table[] = {
	[IOE_BACKEND_URING] = &ioe__backend_uring,
	[IOE_BACKEND_AIO] = &ioe__backend_aio,
	[IOE_BACKEND_THREADS] = &ioe__backend_threads,
};

#define N_BACKENDS (sizeof(table) / sizeof(table[0]))

const struct ioe__backend_ops *ioe__backend_ops(uint32_t backend)
{
	return backend > IOE_BACKEND_AUTO && backend < N_BACKENDS ? table[backend] : NULL;
}

bool ioe__backend_is_unavailable(int error)
{
	switch (error) {
	case -ENOSYS: /* not in the kernel, or a seccomp filter that says so */
	case -EPERM:  /* kernel.io_uring_disabled, or a seccomp filter */
	case -EACCES:
	case -ENOMEM: /* not even at the smallest depth */
	case -EAGAIN: /* fs.aio-max-nr, not even at the smallest depth */
		return true;
	default:
		return false;
	}
}

/* Append to the line; what does not fit is cut. */
static void say(char *reason, const char *format, const char *a, const char *b)
{
	const size_t n = strlen(reason);

	(void)snprintf(reason + n, IOE__REASON_MAX - n, format, a, b);
}

static const char *error_name(int error)
{
	switch (error) {
	case -ENOSYS:
		return "ENOSYS, not in this kernel or forbidden";
	case -EPERM:
		return "EPERM, forbidden";
	case -EACCES:
		return "EACCES, forbidden";
	case -ENOMEM:
		return "ENOMEM, not even at the smallest depth";
	default:
		return "EAGAIN, not even at the smallest depth";
	}
}

static int open_one(const struct ioe__backend_ops *ops, struct ioe__backend_config *config,
		    char *reason, struct ioe__backend **ret_backend)
{
	int ret;

	config->ret_note[0] = '\0';
	ret = ops->open(config, ret_backend);
	if (ret == 0 && config->ret_note[0] != '\0')
		say(reason, "; %s%s", config->ret_note, "");
	return ret;
}

int ioe__backend_open(uint32_t backend, struct ioe__backend_config *config, char *reason,
		      const struct ioe__backend_ops **ret_ops, struct ioe__backend **ret_backend)
{
	char skipped[IOE__REASON_MAX] = "";
	int ret = -ENOSYS;

	reason[0] = '\0';
	if (backend != IOE_BACKEND_AUTO) {
		*ret_ops = table[backend];
		say(reason, "%s: asked for by name%s", table[backend]->name, "");
		return open_one(table[backend], config, reason, ret_backend);
	}
	for (uint32_t i = IOE_BACKEND_AUTO + 1; i < N_BACKENDS; i++) {
		reason[0] = '\0';
		say(reason, "%s: %s", table[i]->name,
		    skipped[0] == '\0' ? "the first choice, available" : "");
		say(reason, "%s%s", skipped, "");
		ret = open_one(table[i], config, reason, ret_backend);
		if (ret == 0) {
			*ret_ops = table[i];
			return 0;
		}
		if (!ioe__backend_is_unavailable(ret))
			return ret;
		say(skipped,
		    skipped[0] == '\0' ? "%s is not available (%s)" : ", %s is not available (%s)",
		    table[i]->name, error_name(ret));
	}
	return ret;
}
