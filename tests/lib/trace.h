/* SPDX-License-Identifier: MIT
 * trace.h - run a function in a child under strace: its system calls, counted, or made to fail.
 * Invariants: the child does nothing before strace has attached.
 * Threads:    the test's own; the process must have one thread only.
 * Ownership:  trace_close() frees what was recorded. */
#ifndef IOE_TESTS_TRACE_H
#define IOE_TESTS_TRACE_H

#include <stdint.h>

struct trace {
	char *text; /* what strace wrote */
};

/* Run probe(arg) in a child traced with these options of strace (NULL at the end, -f is added):
 *     (const char *const[]){ "-e", "trace=io_submit", "-e", "inject=...", NULL }
 * In the child must() ends it and support_skip() skips; both are handed on to the test. Skips when
 * strace cannot run here. */
void trace_run(struct trace *ret_trace, const char *const options[], void (*probe)(void *arg),
	       void *arg);
/* The same with these calls ("fsync,fdatasync"), which are then the only ones that are recorded,
 * made to fail as strace says it ("error=EIO:when=2+3"). At least one has been, or the test
 * fails. */
void trace_inject(struct trace *ret_trace, const char *calls, const char *injection,
		  void (*probe)(void *arg), void *arg);
void trace_close(struct trace *trace);

/* How often the call was made, those made to fail included; name NULL: any. */
uint32_t trace_count(const struct trace *trace, const char *name);
/* How often a call was made to fail by strace. */
uint32_t trace_count_injected(const struct trace *trace, const char *name);
/* Calls whose line holds the text. */
uint32_t trace_count_text(const struct trace *trace, const char *name, const char *text);

/* Memory that a probe shares with its test, zeroed. Freed with the process. */
void *trace_shared(uint64_t length);

#endif
