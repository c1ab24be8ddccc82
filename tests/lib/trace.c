/* SPDX-License-Identifier: MIT
 * trace.c - see trace.h. */
#include "tests/lib/trace.h"
#include "tests/lib/fail.h"
#include "tests/lib/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 24

static pid_t start_probe(int go, void (*probe)(void *arg), void *arg)
{
	const pid_t pid = (pid_t)must_sys(fork());
	char byte;

	if (pid != 0)
		return pid;
	support_is_program = true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Where ptrace is limited to descendants (yama), let any process of ours trace us. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	if (read(go, &byte, 1) == 1)
		probe(arg);
	/* Not exit(): a leak checker cannot work in a traced process. */
	process_exit(0);
}

static pid_t start_strace(const char *const options[], pid_t probe, int output, int errors)
{
	const char *argv[OPTIONS_MAX] = { "strace", "-f", "-o", NULL, "-p", NULL };
	char path[64], number[32];
	uint32_t n = 6;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", output);
	snprintf(number, sizeof(number), "%d", probe);
	argv[3] = path;
	argv[5] = number;
	for (uint32_t i = 0; options[i] != NULL; i++) {
		must(n + 1 < OPTIONS_MAX, "too many options for strace");
		argv[n++] = options[i];
	}
	argv[n] = NULL;
	pid = (pid_t)must_sys(fork());
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(errors, STDERR_FILENO);
	fcntl(output, F_SETFD, 0);
	execvp("strace", (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "strace cannot be run: %s\n", strerror(errno));
	_exit(127);
}

/* Read what strace says until it has attached; true if it has. */
static bool wait_attached(int errors, char *said, size_t size)
{
	size_t n = 0;
	ssize_t got;

	said[0] = '\0';
	while (n + 1 < size && (got = read(errors, said + n, size - n - 1)) > 0) {
		n += (size_t)got;
		said[n] = '\0';
		if (strstr(said, " attached") != NULL)
			return true;
	}
	said[strcspn(said, "\n")] = '\0';
	return false;
}

static char *read_all(int fd)
{
	struct stat st;
	char *text;
	ssize_t n;

	must_sys(fstat(fd, &st));
	text = malloc((size_t)st.st_size + 1);
	must(text != NULL, "no memory");
	n = must_sys(pread(fd, text, (size_t)st.st_size, 0));
	text[n] = '\0';
	return text;
}

void trace_run(struct trace *ret_trace, const char *const options[], void (*probe)(void *arg),
	       void *arg)
{
	int go[2], errors[2], status, strace_status;
	char said[512];
	bool attached;
	const int output = (int)must_sys(memfd_create("strace", MFD_CLOEXEC));
	pid_t child, tracer;

	fflush(NULL);
	must_sys(pipe2(go, O_CLOEXEC));
	must_sys(pipe2(errors, O_CLOEXEC));
	child = start_probe(go[0], probe, arg);
	close(go[0]);
	tracer = start_strace(options, child, output, errors[1]);
	close(errors[1]);
	attached = wait_attached(errors[0], said, sizeof(said));
	if (attached)
		must(write(go[1], "", 1) == 1, "the probe is gone");
	/* End of file for a probe that strace did not attach to: it ends at once. */
	close(go[1]);
	must_sys(waitpid(child, &status, 0));
	/* What strace still has to say (threads that come and go) must not fill the pipe. */
	for (char rest[512]; attached && read(errors[0], rest, sizeof(rest)) > 0;)
		;
	must_sys(waitpid(tracer, &strace_status, 0));
	close(errors[0]);
	ret_trace->text = read_all(output);
	close(output);
	if (!attached)
		support_skip("strace: %s", said);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		support_skip("the traced probe was skipped");
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	     "the traced probe failed: wait status %#x", (unsigned)status);
}

void trace_close(struct trace *trace)
{
	free(trace->text);
	trace->text = NULL;
}

/* A line of strace -f: "1234  name(args) = 0", also "1234  name(args <unfinished ...>"; the
 * "<... name resumed>" that follows is the same call. */
static bool line_is(const char *line, size_t length, const char *name, const char *text)
{
	const char *at = line;
	const size_t n = name != NULL ? strlen(name) : 0;

	while (at < line + length && (*at == ' ' || (*at >= '0' && *at <= '9')))
		at++;
	if (*at == '<' || *at == '+' || *at == '-')
		return false;
	if (name != NULL && (strncmp(at, name, n) != 0 || at[n] != '('))
		return false;
	return text == NULL || memmem(line, length, text, strlen(text)) != NULL;
}

uint32_t trace_count_text(const struct trace *trace, const char *name, const char *text)
{
	uint32_t count = 0;

	for (const char *line = trace->text; *line != '\0';) {
		const size_t length = strcspn(line, "\n");

		count += line_is(line, length, name, text);
		line += length + (line[length] == '\n');
	}
	return count;
}

uint32_t trace_count(const struct trace *trace, const char *name)
{
	return trace_count_text(trace, name, NULL);
}

uint32_t trace_count_injected(const struct trace *trace, const char *name)
{
	static const char mark[] = "(INJECTED)";
	const char *const end = trace->text + strlen(trace->text);
	uint32_t count = 0;

	/* Where a call is shown in two parts, the mark stands in the second. Not by strstr(): that
	 * of a sanitizer measures the whole text each time. */
	for (const char *at = trace->text;
	     (at = memmem(at, (size_t)(end - at), mark, strlen(mark))) != NULL; at++) {
		const char *line = at;

		while (line > trace->text && line[-1] != '\n')
			line--;
		count += name == NULL || memmem(line, (size_t)(at - line), name, strlen(name));
	}
	return count;
}

void trace_inject(struct trace *ret_trace, const char *calls, const char *injection,
		  void (*probe)(void *arg), void *arg)
{
	char what[128], how[256];
	const char *const options[] = { "-e", what, "-e", how, NULL };

	snprintf(what, sizeof(what), "trace=%s", calls);
	snprintf(how, sizeof(how), "inject=%s:%s", calls, injection);
	trace_run(ret_trace, options, probe, arg);
	must(trace_count_injected(ret_trace, NULL) > 0, "no call was made to fail: %s", how);
}

void *trace_shared(uint64_t length)
{
	void *memory =
		mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "mmap: %s", strerror(errno));
	return memory;
}
