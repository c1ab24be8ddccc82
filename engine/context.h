/* SPDX-License-Identifier: MIT
 * context.h - what the calling thread is doing for an engine: is it inside a callback?
 * Invariants: not IOE__CONTEXT_PLAIN exactly while a callback runs on this thread.
 * Threads:    thread-local.
 * Ownership:  none. */
#ifndef IOE_CONTEXT_H
#define IOE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

enum ioe__context {
	IOE__CONTEXT_PLAIN = 0,
	IOE__CONTEXT_WORKER, /* in a callback on a worker (POOL) */
	IOE__CONTEXT_DRIVER, /* in a callback on a driver (INLINE) or on the owner (NONE) */
};

/* initial-exec: one byte of the static TLS, read without a call in every submit. */
extern _Thread_local uint8_t ioe__context __attribute__((tls_model("initial-exec")));

struct ioe__driver;

/* The driver whose callbacks are running on this thread (IOE__CONTEXT_DRIVER), or NULL. */
extern _Thread_local struct ioe__driver *ioe__driving __attribute__((tls_model("initial-exec")));

static inline bool ioe__in_callback(void)
{
	return ioe__context != IOE__CONTEXT_PLAIN;
}

/* A number for the calling thread that no other thread of the process ever has; not 0. */
uint64_t ioe__thread_number(void);

#endif
