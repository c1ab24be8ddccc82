/* SPDX-License-Identifier: MIT
 * fio.c - fio itself as one side of a comparison: finding it, its arguments, running it.
 *
 * What fio writes goes to memory files, so that nobody has to read while it runs. A pipe that fio
 * and its jobs inherit says when the last of them has ended: poll() then sees that, and Ctrl-C.
 * Invariants: see fio.h.
 * Threads:    see fio.h.
 * Ownership:  descriptors and memory are those of one fio_run().
 */
#include "tools/bench/fio.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/interrupt.h"

#define FIO_ARGS_MAX 48

struct fio_process {
	char path[512];
	char *args[FIO_ARGS_MAX];
	uint32_t n_args;
	int out_fd; /* memory files */
	int err_fd;
	int alive_fd; /* hangs up when fio and its jobs are gone; before: why there is none */
	pid_t pid;
};

int fio_find(char *ret_path, size_t size)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t length = strcspn(path, ":");
		struct stat status;

		if (length &&
		    (size_t)snprintf(ret_path, size, "%.*s/fio", (int)length, path) < size &&
		    !access(ret_path, X_OK) && !stat(ret_path, &status) && S_ISREG(status.st_mode))
			return 0;
		path += length + (path[length] == ':');
	}
	return -ENOENT;
}

__attribute__((format(printf, 3, 4))) static int failed(struct job_result *result, int error,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(result->message, sizeof(result->message), format, args);
	va_end(args);
	result->error = error;
	return error;
}

__attribute__((format(printf, 2, 3))) static void add(struct fio_process *fio, const char *format,
						      ...)
{
	va_list args;

	if (fio->n_args >= FIO_ARGS_MAX - 1)
		abort(); /* there are fewer below */
	va_start(args, format);
	if (vasprintf(&fio->args[fio->n_args], format, args) < 0)
		abort(); /* of a few bytes, before a run */
	va_end(args);
	fio->n_args++;
}

static void add_number(struct fio_process *fio, const char *name, uint64_t value)
{
	add(fio, "--%s=%llu", name, (unsigned long long)value);
}

/* fio takes a colon as the end of a name, and "-" as standard input. */
static void add_filename(struct fio_process *fio, const struct target *target)
{
	const char *path = target->files[0].path;
	char *escaped = malloc(2 * strlen(path) + 1), *to = escaped;

	if (!escaped)
		abort(); /* as add() */
	for (const char *from = path; *from; from++) {
		if (*from == ':')
			*to++ = '\\';
		*to++ = *from;
	}
	*to = '\0';
	add(fio, "--filename=%s%s", *path == '/' ? "" : "./", escaped);
	free(escaped);
}

/* How much each job does. */
static int add_length(struct fio_process *fio, const struct bench_options *options,
		      const struct target *target, struct job_result *result)
{
	uint64_t blocks = target->size_bytes / options->bs_bytes, ios = options->number_ios;

	if (!options->time_based && (!ios || blocks < ios))
		ios = blocks;
	if (ios % options->submit_threads)
		return failed(
			result, -EINVAL,
			"fio's jobs do the same number of IOs each: %llu do not divide by %llu",
			(unsigned long long)ios, (unsigned long long)options->submit_threads);
	add_number(fio, "size", target->size_bytes);
	if (ios)
		add_number(fio, "io_size", ios / options->submit_threads * options->bs_bytes);
	else
		add_number(fio, "time_based", 1);
	if (options->runtime_ns)
		add(fio, "--runtime=%lluus", (unsigned long long)(options->runtime_ns / 1000));
	return 0;
}

const char *fio_engine_name(const struct bench_options *options)
{
	switch (options->fio_engine) {
	case BENCH_RAW_AIO:
		return "libaio";
	case BENCH_PSYNC:
		return "psync";
	default:
		return "io_uring";
	}
}

static void add_engine(struct fio_process *fio, const struct bench_options *options)
{
	add(fio, "--ioengine=%s", fio_engine_name(options));
	add_number(fio, "numjobs", options->submit_threads);
	add_number(fio, "iodepth", options->iodepth / options->submit_threads);
	if (options->fio_engine == BENCH_PSYNC)
		return;
	if (options->batch_submit)
		add_number(fio, "iodepth_batch_submit", options->batch_submit);
	add_number(fio, "iodepth_batch_complete_min", options->batch_complete_min);
	if (options->batch_complete_max)
		add_number(fio, "iodepth_batch_complete_max", options->batch_complete_max);
}

static int make_args(struct fio_process *fio, const struct bench_options *options,
		     const struct target *target, struct job_result *result)
{
	add(fio, "%s", "fio");
	add(fio, "--name=%s", options->name);
	add_filename(fio, target);
	add(fio, "--rw=%s", options_choice_name(bench_rws, options->rw));
	add_number(fio, "bs", options->bs_bytes);
	add_number(fio, "direct", options->direct);
	add_number(fio, "randseed", options->randseed);
	if (bench_is_mixed(options))
		add_number(fio, "rwmixread", options->rwmixread);
	add_number(fio, "norandommap", options->norandommap);
	/* Once, by us, for all sides. */
	add_number(fio, "invalidate", 0);
	add_number(fio, "allow_file_create", 0);
	add_engine(fio, options);
	add_number(fio, "group_reporting", 1);
	if (options->gtod_reduce)
		add_number(fio, "gtod_reduce", 1);
	add(fio, "--eta=never");
	add_number(fio, "disk_util", 0);
	add(fio, "--output-format=json+");
	return add_length(fio, options, target, result);
}

/* In the child: become fio. Signals that we block (interrupt.h), or a shell has had us ignore, fio
 * must see. */
static void become_fio(const struct fio_process *fio, pid_t parent, int alive_fd)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;
	int rc;

	sigemptyset(&none);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	rc = getppid() != parent ? -ECANCELED : 0;
	if (!rc)
		rc = (int)sys_result(dup2(null_fd, STDIN_FILENO));
	if (rc >= 0)
		rc = (int)sys_result(dup2(fio->out_fd, STDOUT_FILENO));
	if (rc >= 0)
		rc = (int)sys_result(dup2(fio->err_fd, STDERR_FILENO));
	if (rc >= 0)
		rc = (int)sys_result(execv(fio->path, fio->args));
	(void)!write(alive_fd, &rc, sizeof(rc));
	_exit(127);
}

static int start(struct fio_process *fio, struct job_result *result)
{
	pid_t parent = getpid();
	int pipe_fds[2];
	int rc;

	fio->out_fd = (int)sys_result(memfd_create("fio-out", MFD_CLOEXEC));
	fio->err_fd = (int)sys_result(memfd_create("fio-err", MFD_CLOEXEC));
	rc = (int)sys_result(pipe(pipe_fds));
	if (rc >= 0) {
		fio->alive_fd = pipe_fds[0];
		rc = (int)sys_result(fcntl(pipe_fds[0], F_SETFD, FD_CLOEXEC));
	}
	if (fio->out_fd < 0 || fio->err_fd < 0)
		rc = fio->out_fd < 0 ? fio->out_fd : fio->err_fd;
	if (rc >= 0) {
		fio->pid = fork();
		rc = (int)sys_result(fio->pid);
	}
	if (rc == 0)
		become_fio(fio, parent, pipe_fds[1]);
	if (fio->alive_fd >= 0)
		close(pipe_fds[1]);
	return rc < 0 ? failed(result, rc, "starting fio: %s", strerror(-rc)) : 0;
}

/* Wait for the end of fio, passing Ctrl-C on. Returns its status, or -errno if it could not be
 * run. */
static int watch(struct fio_process *fio, struct job_result *result)
{
	struct pollfd fds[2] = {
		{ .fd = fio->alive_fd, .events = POLLIN },
		{ .fd = interrupt_fd(), .events = POLLIN },
	};
	int status = 0, exec_error = 0;

	while (!fds[0].revents) {
		(void)poll(fds, 2, -1);
		if (!result->interrupted && interrupt_seen()) {
			result->interrupted = true;
			kill(fio->pid, SIGINT);
		}
		/* Seen once; the next one kills us, and with us fio. */
		if (result->interrupted)
			fds[1].fd = -1;
	}
	if (read(fio->alive_fd, &exec_error, sizeof(exec_error)) != (ssize_t)sizeof(exec_error))
		exec_error = 0;
	while (sys_result(waitpid(fio->pid, &status, 0)) == -EINTR)
		;
	return exec_error ? exec_error : status;
}

/* All of a memory file, with a 0 behind it, or NULL. Free with free(). */
static char *read_all(int fd, size_t *ret_length)
{
	struct stat status;
	char *text = NULL;
	ssize_t n = 0;

	if (!fstat(fd, &status))
		text = calloc(1, (size_t)status.st_size + 1);
	if (!text)
		return NULL;
	for (size_t done = 0; done < (size_t)status.st_size; done += (size_t)n) {
		n = pread(fd, text + done, (size_t)status.st_size - done, (off_t)done);
		if (n <= 0) {
			free(text);
			return NULL;
		}
	}
	*ret_length = (size_t)status.st_size;
	return text;
}

/* fio's first words on what is wrong. */
static void quote(const char *err, struct job_result *result)
{
	while (*err == '\n')
		err++;
	if (!strncmp(err, "fio: ", 5))
		err += 5;
	if (*err)
		snprintf(result->message, sizeof(result->message), "fio: %.*s",
			 (int)strcspn(err, "\n"), err);
	else
		snprintf(result->message, sizeof(result->message), "fio has failed: %s",
			 strerror(-result->error));
}

/* What has come of a fio that ended with status. */
static int conclude(int status, const char *out, size_t out_length, const char *err,
		    struct job_result *result)
{
	int rc = fio_result_read(out, out_length, result);

	if (result->interrupted) {
		result->error = 0;
		return 0;
	}
	if (!result->error && (rc || !WIFEXITED(status) || WEXITSTATUS(status)))
		result->error = rc ? rc : -EIO;
	if (result->error)
		quote(err, result);
	return result->error;
}

static int run(struct fio_process *fio, struct job_result *result)
{
	size_t out_length = 0, err_length = 0;
	char *out, *err;
	int rc = start(fio, result), status;

	if (rc)
		return rc;
	status = watch(fio, result);
	if (status < 0)
		return failed(result, status, "%s: %s", fio->path, strerror(-status));
	out = read_all(fio->out_fd, &out_length);
	err = read_all(fio->err_fd, &err_length);
	if (out && err)
		rc = conclude(status, out, out_length, err, result);
	else
		rc = failed(result, -ENOMEM, "no memory for what fio says");
	free(out);
	free(err);
	return rc;
}

int fio_run(const struct bench_options *options, const struct target *target,
	    struct job_result *ret_result)
{
	struct fio_process fio = { .out_fd = -1, .err_fd = -1, .alive_fd = -1 };
	int rc = fio_find(fio.path, sizeof(fio.path));

	if (rc)
		return failed(ret_result, rc, "fio is not installed: none in PATH");
	rc = make_args(&fio, options, target, ret_result);
	if (!rc)
		rc = run(&fio, ret_result);
	if (fio.out_fd >= 0)
		close(fio.out_fd);
	if (fio.err_fd >= 0)
		close(fio.err_fd);
	if (fio.alive_fd >= 0)
		close(fio.alive_fd);
	for (uint32_t i = 0; i < fio.n_args; i++)
		free(fio.args[i]);
	return rc;
}
