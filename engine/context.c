/* SPDX-License-Identifier: MIT
 * context.c - thread-local facts, the assertion that failed, the seam of the tests.
 * Invariants: no thread number is given twice.
 * Threads:    any.
 * Ownership:  none. */
#include "engine/context.h"

#include "engine/sys.h"

#include <stdlib.h>

_Thread_local uint8_t ioe__context __attribute__((tls_model("initial-exec")));
_Thread_local struct ioe__driver *ioe__driving __attribute__((tls_model("initial-exec")));

uint64_t ioe__thread_number(void)
{
	static uint64_t n_threads;
	static _Thread_local uint64_t number;

	/* Thread ids are reused when a thread has ended; these are not. */
	if (number == 0)
		number = __atomic_add_fetch(&n_threads, 1, __ATOMIC_RELAXED);
	return number;
}

/* The one thing for which the library ends the process: a bug of ours, which would lose or corrupt
 * data if it went on. Written with one write(2): no stdio in a library, nothing allocated. */
/* GCOVR_EXCL_START: what it counts ends with the process; unit/test_assert.c */
void ioe__assert_failed(const char *what, const char *file, int line)
{
	char digits[12];
	size_t n = sizeof(digits);
	struct iovec iov[6] = {
		{ .iov_base = (void *)(uintptr_t) "ioe: assertion failed: ", .iov_len = 23 },
		{ .iov_base = (void *)(uintptr_t)what },
		{ .iov_base = (void *)(uintptr_t) " at ", .iov_len = 4 },
		{ .iov_base = (void *)(uintptr_t)file },
		{ .iov_base = (void *)(uintptr_t) ":", .iov_len = 1 },
	};

	while (what[iov[1].iov_len] != '\0')
		iov[1].iov_len++;
	while (file[iov[3].iov_len] != '\0')
		iov[3].iov_len++;
	digits[--n] = '\n';
	do {
		digits[--n] = (char)('0' + line % 10);
		line /= 10;
	} while (line != 0);
	iov[5].iov_base = digits + n;
	iov[5].iov_len = sizeof(digits) - n;
	ssize_t ret = writev(STDERR_FILENO, iov, 6);

	(void)ret;
	abort();
}
/* GCOVR_EXCL_STOP */

#ifdef IOE_TEST_SEAM
struct ioe__seam ioe__seam;
#endif
