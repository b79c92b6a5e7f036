/* op - the few things a test needs that a shell can't do
 *
 *	op exchange A B                     two names change places at once
 *	op signals [=N|-N|+N]... PROG ARG...
 *	                                    run PROG with signal number N default (=),
 *	                                    ignored (-) or blocked (+)
 *	op uid N PROG ARG...                run PROG as user and group N, with no others
 *	op replace N FILE                   replace FILE N times by a rename; it has 1 to N
 *	op instances N PROG ARG...          hold N inotify instances while PROG runs
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int die(const char *what)
{
	fprintf(stderr, "op: %s: %s\n", what, strerror(errno));
	return 125;
}

static int run(char **argv)
{
	execvp(argv[0], argv);
	return die(argv[0]);
}

static int signals(char **argv)
{
	sigset_t set;

	sigemptyset(&set);
	for (; *argv && strchr("=-+", **argv); argv++) {
		int sig = atoi(*argv + 1);

		if (**argv == '+')
			sigaddset(&set, sig);
		else if (signal(sig, **argv == '=' ? SIG_DFL : SIG_IGN) == SIG_ERR)
			return die(*argv);
	}
	sigprocmask(SIG_SETMASK, &set, NULL);
	return run(argv);
}

static int instances(int n, char **argv)
{
	int status;
	pid_t pid;

	while (n-- > 0)
		if (inotify_init1(IN_CLOEXEC) < 0)
			return die("inotify_init1");
	pid = fork();
	if (pid == 0)
		_exit(run(argv));
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return die("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int replace(int n, const char *file)
{
	char text[16], new[256];
	int i, fd;

	snprintf(new, sizeof(new), "%s.new", file);
	for (i = 1; i <= n; i++) {
		int len = snprintf(text, sizeof(text), "%d\n", i);

		fd = open(new, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || write(fd, text, len) != len || close(fd) < 0
		 || rename(new, file) < 0)
			return die(file);
	}
	return 0;
}

static int uid(int id, char **argv)
{
	if (setgroups(0, NULL) < 0 || setgid(id) < 0 || setuid(id) < 0)
		return die("setuid");
	return run(argv);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "exchange") == 0) {
		if (syscall(SYS_renameat2, AT_FDCWD, argv[2], AT_FDCWD, argv[3],
			    2 /* RENAME_EXCHANGE */) != 0)
			return die("renameat2");
		return 0;
	}
	if (argc == 4 && strcmp(argv[1], "replace") == 0)
		return replace(atoi(argv[2]), argv[3]);
	if (argc > 2 && strcmp(argv[1], "signals") == 0)
		return signals(argv + 2);
	if (argc > 3 && strcmp(argv[1], "uid") == 0)
		return uid(atoi(argv[2]), argv + 3);
	if (argc > 3 && strcmp(argv[1], "instances") == 0)
		return instances(atoi(argv[2]), argv + 3);
	errno = EINVAL;
	return die("bad arguments");
}
