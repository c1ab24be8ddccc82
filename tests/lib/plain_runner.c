/* SPDX-License-Identifier: MIT
 * plain_runner.c - run the tests of a program, each in a child, without Criterion: for sanitizers.
 *     suite [--filter=GLOB] [--list] [--verbose] [-jN] [--timeout=SECONDS]
 * GLOB is matched against SUITE/NAME, with @(A|B) and !(A|B), too. Prints Criterion's lines
 * ([FAIL], [SKIP] and, with --verbose, [RUN ] and [PASS]), so that tests/run.sh reads both, and at
 * the end the counts.
 * Invariants: the output of a test stands together; a test that hangs is killed with everything
 *             in its process group.
 * Threads:    none here: children are forked from a process with one thread.
 * Ownership:  a child ends by exit(), so that a leak checker runs, unless a check has failed. */
#include "tests/check.h"

#ifdef IOE_PLAIN_RUNNER

#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX          16
#define TIMEOUT_DEFAULT_S 60.0
/* A sanitizer makes everything slower than the timeouts in the tests allow for. */
#define TIMEOUT_FACTOR     (CHECK_SANITIZED ? 6.0 : 2.0)
#define PLAIN_EXIT_FAILED  1
#define PLAIN_EXIT_SKIPPED 77

extern const struct plain_test *const __start_ioe_tests[] __attribute__((weak));
extern const struct plain_test *const __stop_ioe_tests[] __attribute__((weak));
extern const struct plain_suite *const __start_ioe_suites[] __attribute__((weak));
extern const struct plain_suite *const __stop_ioe_suites[] __attribute__((weak));

struct job {
	const struct plain_test *test;
	pid_t pid;
	int pidfd;
	int output;
	double started_s;
	double timeout_s;
};

static struct {
	const char *filter;
	double timeout_s;
	bool verbose;
	unsigned n_jobs;
	struct job jobs[JOBS_MAX];
	unsigned n_running;
	unsigned passed, failed, crashed, skipped;
} runner = { .n_jobs = 2, .timeout_s = TIMEOUT_DEFAULT_S };

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const struct plain_options *suite_options(const char *name)
{
	for (const struct plain_suite *const *s = __start_ioe_suites; s < __stop_ioe_suites; s++)
		if (strcmp((*s)->name, name) == 0)
			return (*s)->data;
	return NULL;
}

static void run_child(const struct plain_test *test)
{
	const struct plain_options *suite = suite_options(test->category);
	void (*init)(void) = test->data->init;
	void (*fini)(void) = test->data->fini;

	if (init == NULL && suite != NULL)
		init = suite->init;
	if (fini == NULL && suite != NULL)
		fini = suite->fini;
	if (init != NULL)
		init();
	test->test();
	if (fini != NULL)
		fini();
	fflush(NULL);
	exit(plain_n_failed() == 0 ? 0 : PLAIN_EXIT_FAILED);
}

static void start(const struct plain_test *test)
{
	const struct plain_options *suite = suite_options(test->category);
	struct job *job = &runner.jobs[runner.n_running++];
	double timeout_s = test->data->timeout;

	if (timeout_s == 0 && suite != NULL)
		timeout_s = suite->timeout;
	job->test = test;
	job->timeout_s = timeout_s > 0 ? timeout_s * TIMEOUT_FACTOR : runner.timeout_s;
	job->started_s = now_s();
	if (runner.verbose)
		printf("[RUN ] %s::%s\n", test->category, test->name);
	fflush(NULL);
	job->output = (int)check_sys(memfd_create("test", MFD_CLOEXEC));
	job->pid = (pid_t)check_sys(fork());
	if (job->pid == 0) {
		plain_current_test = test;
		setpgid(0, 0);
		dup2(job->output, STDOUT_FILENO);
		dup2(job->output, STDERR_FILENO);
		run_child(test);
	}
	setpgid(job->pid, job->pid);
#ifdef IOE_VALGRIND
	job->pidfd = -1; /* valgrind 3.19 does not know pidfd_open() */
#else
	job->pidfd = (int)check_sys(syscall(SYS_pidfd_open, job->pid, 0));
#endif
}

static void show_output(int fd)
{
	char text[4096];
	ssize_t n;
	off_t at = 0;

	while ((n = pread(fd, text, sizeof(text), at)) > 0) {
		fwrite(text, 1, (size_t)n, stdout);
		at += n;
	}
}

static void finish(struct job *job, bool timed_out)
{
	const struct plain_options *options = job->test->data;
	const double took_s = now_s() - job->started_s;
	const char *verdict = "PASS";
	char why[64] = "";
	int status;

	if (timed_out)
		kill(-job->pid, SIGKILL);
	check_sys(waitpid(job->pid, &status, 0));
	kill(-job->pid, SIGKILL);
	show_output(job->output);
	if (timed_out) {
		verdict = "FAIL";
		snprintf(why, sizeof(why), " Timed out.");
	} else if (WIFSIGNALED(status)) {
		if (WTERMSIG(status) != options->signal) {
			verdict = "FAIL";
			snprintf(why, sizeof(why), " CRASH! (%s)", strsignal(WTERMSIG(status)));
			runner.crashed++;
		}
	} else if (WEXITSTATUS(status) == PLAIN_EXIT_SKIPPED) {
		verdict = "SKIP";
	} else if (WEXITSTATUS(status) != options->exit_code || options->signal != 0) {
		verdict = "FAIL";
		snprintf(why, sizeof(why), " exit status %d", WEXITSTATUS(status));
	}
	runner.passed += strcmp(verdict, "PASS") == 0;
	runner.failed += strcmp(verdict, "FAIL") == 0;
	runner.skipped += strcmp(verdict, "SKIP") == 0;
	/* A skipped test has printed its own line. */
	if (strcmp(verdict, "FAIL") == 0 || (runner.verbose && strcmp(verdict, "PASS") == 0))
		printf("[%s] %s::%s:%s (%.2fs)\n", verdict, job->test->category, job->test->name,
		       why, took_s);
	fflush(NULL);
	close(job->output);
	if (job->pidfd >= 0)
		close(job->pidfd);
	*job = runner.jobs[--runner.n_running];
}

/* Asked of the kernel where there is no pidfd to poll. */
static bool has_ended(const struct job *job)
{
	siginfo_t info = { 0 };

	check_sys(waitid(P_PID, (id_t)job->pid, &info, WEXITED | WNOHANG | WNOWAIT));
	return info.si_pid != 0;
}

/* Wait until a test has ended, or must. */
static void finish_some(void)
{
	struct pollfd fds[JOBS_MAX];
	const unsigned n = runner.n_running;
	int wait_ms = 200;

	for (unsigned i = 0; i < n; i++) {
		fds[i] = (struct pollfd){ .fd = runner.jobs[i].pidfd, .events = POLLIN };
		if (fds[i].fd < 0)
			wait_ms = 10;
	}
	check_sys(poll(fds, n, wait_ms));
	for (unsigned i = n; i-- > 0;) {
		struct job *job = &runner.jobs[i];
		const bool ended = fds[i].fd >= 0 ? fds[i].revents != 0 : has_ended(job);

		if (ended || now_s() - job->started_s > job->timeout_s)
			finish(job, !ended);
	}
}

static bool selected(const struct plain_test *test)
{
	char name[256];

	if (runner.filter == NULL)
		return true;
	snprintf(name, sizeof(name), "%s/%s", test->category, test->name);
	return fnmatch(runner.filter, name, FNM_EXTMATCH) == 0;
}

static bool parse(int argc, char **argv, bool *ret_list)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--filter=", 9) == 0) {
			runner.filter = argv[i] + 9;
		} else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
			runner.filter = argv[++i];
		} else if (strncmp(argv[i], "--timeout=", 10) == 0) {
			runner.timeout_s = atof(argv[i] + 10);
		} else if (strncmp(argv[i], "--verbose", 9) == 0) {
			runner.verbose = true;
		} else if (strcmp(argv[i], "--list") == 0 || strcmp(argv[i], "-l") == 0) {
			*ret_list = true;
		} else if (strncmp(argv[i], "-j", 2) == 0 && atoi(argv[i] + 2) > 0) {
			runner.n_jobs = (unsigned)atoi(argv[i] + 2);
		} else {
			fprintf(stderr,
				"usage: %s [--filter=GLOB] [--list] [--verbose] [-jN] "
				"[--timeout=SECONDS]\n",
				argv[0]);
			return false;
		}
	}
	if (runner.n_jobs > JOBS_MAX)
		runner.n_jobs = JOBS_MAX;
	return true;
}

int main(int argc, char **argv)
{
	bool list = false;

	if (!parse(argc, argv, &list))
		return 2;
	for (const struct plain_test *const *t = __start_ioe_tests; t < __stop_ioe_tests; t++) {
		if (!selected(*t))
			continue;
		if (list) {
			printf("%s/%s\n", (*t)->category, (*t)->name);
			continue;
		}
		if ((*t)->data->disabled) {
			printf("[SKIP] %s::%s: Test is disabled\n", (*t)->category, (*t)->name);
			runner.skipped++;
			continue;
		}
		while (runner.n_running == runner.n_jobs)
			finish_some();
		start(*t);
	}
	while (runner.n_running > 0)
		finish_some();
	if (list)
		return 0;
	printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: %u\n",
	       runner.passed + runner.failed, runner.passed, runner.failed, runner.crashed);
	printf("%u passed, %u failed, %u skipped\n", runner.passed, runner.failed, runner.skipped);
	return runner.failed == 0 ? 0 : 1;
}

#endif
