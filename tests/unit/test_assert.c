/* SPDX-License-Identifier: MIT
 * test_assert.c - how a bug of ours ends the process: one line, then SIGABRT.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  the assertion fails in a child of the test. */
#include "engine/sys.h"
#include "tests/check.h"

#include <signal.h>
#include <sys/wait.h>

static void expect_line(int number, const char *expected)
{
	char said[256] = "";
	int fds[2], status;
	pid_t child;

	check_sys(pipe2(fds, O_CLOEXEC));
	child = (pid_t)check_sys(fork());
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		ioe__assert_failed("n == 1", "engine/some.c", number);
	}
	check_sys(close(fds[1]));
	check_sys(waitpid(child, &status, 0));
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	check_op(check_sys(read(fds[0], said, sizeof(said) - 1)), >, 0);
	cr_assert_str_eq(said, expected);
	check_sys(close(fds[0]));
}

Test(assert, failed_one_says_what_and_where_in_one_line)
{
	expect_line(7, "ioe: assertion failed: n == 1 at engine/some.c:7\n");
	expect_line(10, "ioe: assertion failed: n == 1 at engine/some.c:10\n");
	expect_line(INT32_MAX, "ioe: assertion failed: n == 1 at engine/some.c:2147483647\n");
}
