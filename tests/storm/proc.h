/* What a watcher is doing, asked from outside. Linux and /proc only. */
#ifndef PROC_H
#define PROC_H

#include <stdint.h>
#include <sys/types.h>

struct proc {
	pid_t pid;
	int queue[4];            /* copies of its inotify descriptors */
	int nqueues;
};

enum { PROC_BUSY, PROC_TIMED, PROC_ASLEEP, PROC_IDLE };

/* Finds the inotify descriptors; again whenever none was found before. */
void proc_attach(struct proc *p, pid_t pid);
void proc_detach(struct proc *p);

/*
 * PROC_IDLE: its queue is empty and it sleeps, without a time limit, in a
 * call that waits for descriptors; so it will do nothing more by itself.
 * PROC_ASLEEP: it sleeps, but the machine does not let us see in what.
 * PROC_TIMED: its queue is empty and it sleeps, but not for ever in such a call:
 * fswatch looks once a second.
 */
int proc_idle(struct proc *p);

uint64_t proc_cpu_ns(pid_t pid);                   /* user and system */
long proc_field(pid_t pid, const char *file, const char *field); /* "VmHWM:" */

/* Renames that exchange: not in every libc. */
int exchange(const char *a, const char *b);

#endif
