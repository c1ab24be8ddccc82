/* SPDX-License-Identifier: MIT
 * interrupt.c - Ctrl-C, seen by polling instead of in a handler.
 * Invariants: see interrupt.h.
 * Threads:    the main thread.
 * Ownership:  the descriptor is the module's, for the life of the process.
 */
#include "tools/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/sys.h"

static int signal_fd = -1;
static bool seen;
static bool status_asked;

static void signals_of_interest(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

int interrupt_open(void)
{
	sigset_t set;
	int rc;

	if (signal_fd >= 0)
		return 0;
	signals_of_interest(&set);
	sigaddset(&set, SIGUSR1);
	rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (rc)
		return -rc;
	rc = (int)sys_result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	if (rc < 0)
		return rc;
	signal_fd = rc;
	return 0;
}

int interrupt_fd(void)
{
	return signal_fd;
}

/* Take what has come: at most one of each kind is pending. */
static void look(void)
{
	struct signalfd_siginfo info;
	sigset_t set;

	while (signal_fd >= 0 && read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			status_asked = true;
			continue;
		}
		seen = true;
		/* What is in flight may never come back: a second Ctrl-C does not wait for it. */
		signals_of_interest(&set);
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		break;
	}
}

bool interrupt_seen(void)
{
	if (!seen)
		look();
	return seen;
}

bool interrupt_status_asked(void)
{
	bool asked;

	look();
	asked = status_asked;
	status_asked = false;
	return asked;
}
