/* See proc.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <dirent.h>

#include "proc.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

int exchange(const char *a, const char *b)
{
	enum { EXCHANGE = 2 };  /* RENAME_EXCHANGE */

	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE);
}

static int read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	n = read(fd, buf, size - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

void proc_attach(struct proc *p, pid_t pid)
{
	char path[64], target[64];
	struct dirent *entry;
	int pidfd;
	DIR *fds;

	p->pid = pid;
	p->nqueues = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	if (fds == NULL) {
		return;
	}
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	while (pidfd >= 0 && (entry = readdir(fds)) != NULL) {
		ssize_t n = readlinkat(dirfd(fds), entry->d_name, target,
				sizeof(target) - 1);
		int fd;

		target[n > 0 ? n : 0] = '\0';
		if (strcmp(target, "anon_inode:inotify") != 0
				|| p->nqueues == 4) {
			continue;
		}
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd >= 0) {
			p->queue[p->nqueues++] = fd;
		}
	}
	close(pidfd);
	closedir(fds);
}

void proc_detach(struct proc *p)
{
	while (p->nqueues > 0) {
		close(p->queue[--p->nqueues]);
	}
}

/* Does it wait until it can write? Then it has more to say. */
static int wants_to_write(pid_t pid, uint64_t fds, uint64_t n)
{
	struct pollfd set[16];
	struct iovec here = { set, sizeof(set) };
	struct iovec there = { (void *)(uintptr_t)fds, n * sizeof(set[0]) };
	uint64_t i;

	if (n > 16 || process_vm_readv(pid, &here, 1, &there, 1, 0)
			!= (ssize_t)there.iov_len) {
		return 0;
	}
	for (i = 0; i < n; i++) {
		if (set[i].fd >= 0 && (set[i].events & POLLOUT)) {
			return 1;
		}
	}
	return 0;
}

/* Its State in /proc/PID/stat, as a letter; 0: there is none. */
static int state_of(pid_t pid)
{
	char line[256], *state;

	if (!read_proc(pid, "stat", line, sizeof(line))) {
		return 0;
	}
	state = strrchr(line, ')');
	return state != NULL && state[1] == ' ' ? state[2] : 0;
}

/*
 * Blocked, and with no time limit, in a call that waits for what comes. (A
 * process that was just woken, and one that a tracer or a signal has stopped,
 * looks like that, too: ask for its state.)
 */
static int waits_for_ever(pid_t pid, const char *line)
{
	uint64_t arg[6];
	int nr;

	if (sscanf(line, "%d %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
			" %" SCNx64 " %" SCNx64, &nr, &arg[0], &arg[1],
			&arg[2], &arg[3], &arg[4], &arg[5]) != 7) {
		return 0;       /* "running" */
	}
	switch (nr) {
	case SYS_read:
	case SYS_readv:
#ifdef __x86_64__
	case 3: /* read of i386, and below poll and ppoll_time64 */
#endif
#ifdef SYS_pause
	case SYS_pause:
#endif
		return 1;
	case SYS_ppoll:
#ifdef __x86_64__
	case 414:
#endif
		return arg[2] == 0 && !wants_to_write(pid, arg[0], arg[1]);
	case SYS_pselect6:
		return arg[4] == 0;
#ifdef SYS_poll
	case SYS_poll:
#ifdef __x86_64__
	case 168:
#endif
		return (int)arg[2] < 0
			&& !wants_to_write(pid, arg[0], arg[1]);
#endif
#ifdef SYS_select
	case SYS_select:
		return arg[4] == 0;
#endif
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
	case SYS_epoll_pwait:
		return (int)arg[3] < 0;
	}
	return 0;
}

int proc_idle(struct proc *p)
{
	char before[128], after[128], line[256];
	int i, waiting;

	if (p->nqueues == 0) {
		proc_attach(p, p->pid);
	}
	if (!read_proc(p->pid, "schedstat", before, sizeof(before))) {
		before[0] = '\0';
	}
	waiting = read_proc(p->pid, "syscall", line, sizeof(line))
		? waits_for_ever(p->pid, line) : -1;
	for (i = 0; i < p->nqueues; i++) {
		int queued = 0;

		if (ioctl(p->queue[i], FIONREAD, &queued) == 0 && queued > 0) {
			return PROC_BUSY;
		}
	}
	if (state_of(p->pid) != 'S') {
		return PROC_BUSY;
	}
	if (waiting <= 0 || p->nqueues == 0 || before[0] == '\0') {
		return waiting == 0 ? PROC_TIMED : PROC_ASLEEP;
	}
	/* It did not run since the first look: all this was true at once. */
	if (!read_proc(p->pid, "schedstat", after, sizeof(after))
			|| strcmp(before, after) != 0) {
		return PROC_BUSY;
	}
	return PROC_IDLE;
}

uint64_t proc_cpu_ns(pid_t pid)
{
	char line[128];

	return read_proc(pid, "schedstat", line, sizeof(line))
		? strtoull(line, NULL, 10) : 0;
}

long proc_field(pid_t pid, const char *file, const char *field)
{
	char text[8192], *at;

	if (!read_proc(pid, file, text, sizeof(text))) {
		return -1;
	}
	at = strstr(text, field);
	return at != NULL ? atol(at + strlen(field)) : -1;
}
