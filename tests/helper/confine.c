/* confine - the least that a program can be given
 *
 *	confine DIR UID CALLS PROG ARG...
 *
 * Runs PROG with DIR as its root, as user and group UID, with no capability in any
 * set and no way to get one; a system call that is not one of CALLS (names in one
 * word, with blanks) and not execve kills it. CALLS "" leaves all of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL(name) { #name, SYS_##name }
static const struct {
	const char *name;
	unsigned number;
} calls[] = {
	CALL(execve),
#ifdef SYS_arch_prctl
	CALL(arch_prctl),
#endif
#ifdef SYS_open
	CALL(open),
	CALL(poll),
	CALL(stat),
	CALL(lstat),
	CALL(readlink),
#endif
#ifdef SYS_newfstatat
	CALL(newfstatat),
#endif
	CALL(brk),
	CALL(clock_gettime),
	CALL(close),
	CALL(exit),
	CALL(exit_group),
	CALL(fchdir),
	CALL(fcntl),
	CALL(fstat),
	CALL(getdents64),
	CALL(getpid),
	CALL(gettid),
	CALL(inotify_add_watch),
	CALL(inotify_init1),
	CALL(inotify_rm_watch),
	CALL(ioctl),
	CALL(kill),
	CALL(mmap),
	CALL(mprotect),
	CALL(munmap),
	CALL(openat),
#ifdef SYS_openat2
	CALL(openat2),
#endif
	CALL(ppoll),
	CALL(read),
	CALL(readlinkat),
	CALL(restart_syscall),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(set_tid_address),
	CALL(signalfd4),
	CALL(statfs),
	CALL(fstatfs),
	CALL(tkill),
	CALL(write),
	CALL(writev),
	CALL(wait4),
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static int die(const char *what)
{
	fprintf(stderr, "confine: %s: %s\n", what, strerror(errno));
	return 125;
}

static int listed(const char *word, const char *name)
{
	size_t n = strlen(name);
	const char *s = word;

	while ((s = strstr(s, name)) != NULL) {
		if ((s == word || s[-1] == ' ') && (s[n] == ' ' || s[n] == '\0'))
			return 1;
		s += n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sock_filter filter[2 * CALLS + 2];
	struct sock_fprog prog = { 0, filter };
	unsigned short n = 0;
	int i;
	gid_t id;

	if (argc < 5)
		return die("usage: confine DIR UID CALLS PROG ARG...");
	id = strtoul(argv[2], NULL, 10);
	for (i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++)
		continue;
	if (chroot(argv[1]) < 0 || chdir("/") < 0)
		return die(argv[1]);
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return die("setresuid");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return die("no_new_privs");
	if (argv[3][0]) {
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			offsetof(struct seccomp_data, nr));
		for (i = 0; i < CALLS; i++)
			if (i == 0 || listed(argv[3], calls[i].name)) {
				filter[n++] = (struct sock_filter)BPF_JUMP(
					BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
				filter[n++] = (struct sock_filter)BPF_STMT(
					BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
			}
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
		prog.len = n;
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
			return die("seccomp");
	}
	execv(argv[4], argv + 4);
	return die(argv[4]);
}
