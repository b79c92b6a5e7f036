/*
 * bench - what a watcher costs
 *
 *   bench tree DIR DIRS FILES           make a tree, the same each time
 *   bench startup COMMAND...            until it sleeps:
 *                                       CPU in us; RSS, private and, of that,
 *                                       written (not of its file) in KiB
 *   bench resident DIR COMMAND...       the same; {} is DIR
 *   bench growth HOW SHAPE DIR DIRS COMMAND...
 *                                       {} is the tree; CPU in ns for each
 *                                       directory that goes
 *   bench deliver DIR N COMMAND...      CPU in ns for each of N events that
 *                                       were queued; {} is DIR
 *   bench latency HOW DIR N COMMAND...  from the event to its record: median
 *                                       and 99th percentile in ns
 *   bench idle MS COMMAND...            asleep for MS: how often it was
 *                                       switched to, its CPU in ns
 *   HOW is rmdir or rename; SHAPE is flat or mixed; the HOW of latency is
 *   quiet or load (a process for each CPU that computes meanwhile).
 *
 * CPU time is user and system as the scheduler counts it, in nanoseconds, of
 * the watcher alone, and without its start and its end (but for startup).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../storm/proc.h"

enum {
	PATH = 1024,
	DEPTH = 8,
	INNER = 60,             /* of 100 directories may have directories */
	BATCH = 500,            /* directories between two looks at the watcher */
	DEADLINE_MS = 120000,
	QUIET_MS = 200,
	TIMED_MS = 3000,        /* fswatch looks once a second */
};

static void fail(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --------------------------------------------------------------- the tree */

struct tree {
	const char *base;
	int n;
	int *parent;            /* -1: the base */
};

static unsigned chance(unsigned n)
{
	static uint64_t state = 42;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 33) % n;
}

/* How many of 100 directories are so deep: as in /usr. */
static const unsigned char deep[DEPTH + 1] = { 0, 2, 8, 9, 11, 18, 23, 17, 12 };

/*
 * Of each depth, INNER of 100 directories may have directories below. How deep
 * they are does not depend on how many there are. A parent's number is lower
 * than its children's.
 */
static struct tree plan(const char *base, int n, int flat)
{
	struct tree t = { base, n, calloc(n, sizeof(int)) };
	int *inner[DEPTH + 1], inners[DEPTH + 1], depth, i;

	for (depth = 0; depth <= DEPTH; depth++) {
		inner[depth] = calloc(n + 1, sizeof(int));
		inners[depth] = 0;
		if (t.parent == NULL || inner[depth] == NULL) {
			fail("memory");
		}
	}
	inner[0][0] = -1;
	inners[0] = 1;
	for (i = 0; i < n; i++) {
		int left = chance(100);

		for (depth = 1; left >= deep[depth]; depth++) {
			left -= deep[depth];
		}
		while (depth > 1 && (flat || inners[depth - 1] == 0)) {
			depth--;
		}
		t.parent[i] = inner[depth - 1][chance(inners[depth - 1])];
		if (chance(100) < INNER) {
			inner[depth][inners[depth]++] = i;
		}
	}
	for (depth = 0; depth <= DEPTH; depth++) {
		free(inner[depth]);
	}
	return t;
}

/*
 * The order of rm -r: what is below goes before, and neighbours together.
 * Children come from the last to the first.
 */
static int *order_of(const struct tree *t)
{
	int *order = calloc(t->n, sizeof(int));
	int *child = calloc(t->n + 1, sizeof(int)); /* by parent + 1: i + 1 */
	int *next = calloc(t->n, sizeof(int));
	int i, n = 0, at = -1;

	if (order == NULL || child == NULL || next == NULL) {
		fail("memory");
	}
	for (i = 0; i < t->n; i++) {
		next[i] = child[t->parent[i] + 1];
		child[t->parent[i] + 1] = i + 1;
	}
	while (n < t->n) {
		if (child[at + 1] != 0) {
			i = child[at + 1] - 1;
			child[at + 1] = next[i];
			at = i;                 /* down */
		} else {
			order[n++] = at;        /* all below is done */
			at = t->parent[at];
		}
	}
	free(child);
	free(next);
	return order;
}

static void path_of(char *buf, const struct tree *t, int i)
{
	int way[DEPTH + 1], n = 0;

	for (; i >= 0; i = t->parent[i]) {
		way[n++] = i;
	}
	buf += sprintf(buf, "%s", t->base);
	while (n > 0) {
		buf += sprintf(buf, "/d%d", way[--n]);
	}
}

static void grow(const struct tree *t, int files)
{
	char path[PATH];
	int i, k;

	if (mkdir(t->base, 0755) < 0 && errno != EEXIST) {
		fail(t->base);
	}
	for (i = 0; i < t->n; i++) {
		path_of(path, t, i);
		if (mkdir(path, 0755) < 0) {
			fail(path);
		}
		for (k = files > 0 ? chance(2 * files + 1) : 0; k > 0; k--) {
			char file[PATH + 16];
			int fd;

			sprintf(file, "%s/file%d", path, k);
			fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
			if (fd < 0) {
				fail(file);
			}
			close(fd);
		}
	}
}

/* ------------------------------------------------------------ the watcher */

static struct proc watcher;
static int out;

static void start(char **command, const char *tree)
{
	int ends[2], i;
	pid_t pid = -1;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fail("fork");
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; command[i] != NULL && tree != NULL; i++) {
			char *at = strstr(command[i], "{}"), *word;

			if (at != NULL) {
				word = malloc(strlen(command[i])
						+ strlen(tree));
				sprintf(word, "%.*s%s%s",
						(int)(at - command[i]),
						command[i], tree, at + 2);
				command[i] = word;
			}
		}
		dup2(ends[1], 1);
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	close(ends[1]);
	out = ends[0];
	watcher.pid = pid;
	watcher.nqueues = 0;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* Reads what it prints, until it sleeps with nothing left to do. */
static void settle(void)
{
	static char buf[65536];
	long end = now_ms() + DEADLINE_MS, last = now_ms();

	for (;;) {
		struct pollfd p = { .fd = out, .events = POLLIN };
		int idle;

		while (poll(&p, 1, 1) > 0) {
			if (read(out, buf, sizeof(buf)) <= 0) {
				fprintf(stderr, "bench: the watcher ended\n");
				exit(1);
			}
			last = now_ms();
		}
		idle = proc_idle(&watcher);
		if ((idle == PROC_IDLE && poll(&p, 1, 0) == 0)
				|| (idle == PROC_ASLEEP
					&& now_ms() - last > QUIET_MS)
				|| (idle == PROC_TIMED
					&& now_ms() - last > TIMED_MS)) {
			return;
		}
		if (now_ms() > end) {
			fprintf(stderr, "bench: the watcher never sleeps\n");
			exit(1);
		}
	}
}

static void end(void)
{
	proc_detach(&watcher);
	kill(watcher.pid, SIGKILL);
	waitpid(watcher.pid, NULL, 0);
	close(out);
}

/* ------------------------------------------------------------- the benches */

static void startup(char **command, const char *base)
{
	long dirty;

	start(command, base);
	settle();
	dirty = proc_field(watcher.pid, "smaps_rollup", "Private_Dirty:");
	printf("%lu %ld %ld %ld\n",
			(unsigned long)(proc_cpu_ns(watcher.pid) / 1000),
			proc_field(watcher.pid, "smaps_rollup", "Rss:"),
			dirty + proc_field(watcher.pid, "smaps_rollup",
				"Private_Clean:"), dirty);
	end();
}

/*
 * The watcher is stopped while a batch goes, so that it always finds the
 * same amount of work at once.
 */
static void growth(const char *how, const char *shape, const char *base,
		int n, char **command)
{
	struct tree t = plan(base, n, strcmp(shape, "flat") == 0);
	int *order = order_of(&t);
	uint64_t cpu;
	int i;

	grow(&t, 0);
	start(command, base);
	settle();
	cpu = proc_cpu_ns(watcher.pid);
	for (i = 0; i < n; i++) {
		char path[PATH], other[PATH + 8];

		if (i % BATCH == 0) {
			kill(watcher.pid, SIGCONT);
			settle();
			kill(watcher.pid, SIGSTOP);
		}
		path_of(path, &t, order[i]);
		sprintf(other, "%s-old", path);
		if (strcmp(how, "rmdir") == 0 ? rmdir(path) < 0
				: rename(path, other) < 0) {
			fail(path);
		}
	}
	kill(watcher.pid, SIGCONT);
	settle();
	cpu = proc_cpu_ns(watcher.pid) - cpu;
	end();
	printf("%lu\n", (unsigned long)(cpu / n));
}

/* What the child pid and all that it waited for took, in ns each. */
static void cost(pid_t pid, int n)
{
	struct rusage use;
	int status;

	if (wait4(pid, &status, 0, &use) != pid || !WIFEXITED(status)
			|| WEXITSTATUS(status) != 0) {
		fail("wait");
	}
	printf("%lu\n", (unsigned long)(((use.ru_utime.tv_sec
			+ use.ru_stime.tv_sec) * 1000000ull
			+ use.ru_utime.tv_usec + use.ru_stime.tv_usec)
			* 1000 / n));
}

/* The least that n runs of a program can cost */
static void spawn(const char *base, int n, char *prog)
{
	char *args[] = { prog, "n", (char *)base, "f1234", NULL };
	volatile int left = n;  /* vfork might clobber it */
	pid_t pid = fork();

	if (pid == 0) {
		while (left-- > 0) {
			pid = vfork();
			if (pid == 0) {
				execve(prog, args, environ);
				_exit(127);
			}
			waitpid(pid, NULL, 0);
		}
		_exit(0);
	}
	cost(pid, n);
}

/* n events, then the x that ends the watcher, which runs a program for each */
static void runs(const char *base, int n, char **command)
{
	char path[PATH];
	int i;

	mkdir(base, 0755);
	start(command, base);
	settle();
	kill(watcher.pid, SIGSTOP);
	for (i = 1; i < n; i++) {
		sprintf(path, "%s/f%d", base, i);
		close(open(path, O_WRONLY | O_CREAT, 0644));
	}
	for (i = 1; i < n; i++) {
		sprintf(path, "%s/f%d", base, i);
		unlink(path);
	}
	rmdir(base);
	proc_detach(&watcher);
	kill(watcher.pid, SIGCONT);
	cost(watcher.pid, n);
	close(out);
}

/* One of two files in base is written and closed: the kernel merges no event
 * with one that is not its neighbour. */
static void touch(const char *base, int i)
{
	char path[PATH];
	int fd;

	sprintf(path, "%s/%c", base, "ab"[i & 1]);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		fail(path);
	}
	close(fd);
}

static void deliver(const char *base, int n, char **command)
{
	uint64_t cpu;
	int i;

	touch(base, 0);
	touch(base, 1);
	start(command, base);
	settle();
	kill(watcher.pid, SIGSTOP);
	cpu = proc_cpu_ns(watcher.pid);
	for (i = 0; i < n; i++) {
		touch(base, i);
	}
	kill(watcher.pid, SIGCONT);
	settle();
	cpu = proc_cpu_ns(watcher.pid) - cpu;
	end();
	printf("%.1f\n", (double)cpu / n);
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void latency(const char *how, const char *base, int n, char **command)
{
	int cpus = strcmp(how, "load") == 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 0;
	long *took = calloc(n, sizeof(long));
	pid_t *burner = calloc(cpus + 1, sizeof(pid_t));
	struct timespec rest = { 0, 2000000 };
	int i;

	touch(base, 0);
	touch(base, 1);
	start(command, base);
	settle();
	for (i = 0; i < cpus; i++) {
		burner[i] = fork();
		if (burner[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				continue;
			}
		}
	}
	for (i = 0; i < n; i++) {
		char buf[4096];
		long since;
		ssize_t got;

		nanosleep(&rest, NULL);
		since = now_ns();
		touch(base, i);
		do {
			got = read(out, buf, sizeof(buf));
			if (got <= 0) {
				fail("the watcher ended");
			}
		} while (buf[got - 1] != '\n');
		took[i] = now_ns() - since;
	}
	for (i = 0; i < cpus; i++) {
		kill(burner[i], SIGKILL);
		waitpid(burner[i], NULL, 0);
	}
	end();
	qsort(took, n, sizeof(long), by_size);
	printf("%ld %ld\n", took[n / 2], took[n * 99 / 100]);
}

static long switches(void)
{
	return proc_field(watcher.pid, "status", "voluntary_ctxt_switches:")
		+ proc_field(watcher.pid, "status", "nonvoluntary_ctxt_switches:");
}

static void idle(int ms, char **command)
{
	struct timespec rest = { ms / 1000, ms % 1000 * 1000000L };
	uint64_t cpu;
	long before;

	start(command, NULL);
	settle();
	before = switches();
	cpu = proc_cpu_ns(watcher.pid);
	nanosleep(&rest, NULL);
	printf("%ld %lu\n", switches() - before,
			(unsigned long)(proc_cpu_ns(watcher.pid) - cpu));
	end();
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "tree") == 0 && argc == 5) {
		struct tree t = plan(argv[2], atoi(argv[3]), 0);

		grow(&t, atoi(argv[4]));
	} else if (strcmp(what, "startup") == 0) {
		startup(argv + 2, NULL);
	} else if (strcmp(what, "resident") == 0 && argc > 3) {
		startup(argv + 3, argv[2]);
	} else if (strcmp(what, "growth") == 0 && argc > 6) {
		growth(argv[2], argv[3], argv[4], atoi(argv[5]), argv + 6);
	} else if (strcmp(what, "spawn") == 0 && argc == 5) {
		spawn(argv[2], atoi(argv[3]), argv[4]);
	} else if (strcmp(what, "runs") == 0 && argc > 5) {
		runs(argv[2], atoi(argv[3]), argv + 4);
	} else if (strcmp(what, "deliver") == 0 && argc > 4) {
		deliver(argv[2], atoi(argv[3]), argv + 4);
	} else if (strcmp(what, "latency") == 0 && argc > 5) {
		latency(argv[2], argv[3], atoi(argv[4]), argv + 5);
	} else if (strcmp(what, "idle") == 0 && argc > 3) {
		idle(atoi(argv[2]), argv + 3);
	} else {
		fprintf(stderr, "bench: see the top of bench.c\n");
		return 2;
	}
	return 0;
}
