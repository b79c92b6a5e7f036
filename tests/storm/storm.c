/*
 * storm - the replay oracle
 *
 * Several processes turn a tree upside down while a watcher prints records of
 * it. The records are replayed; when all is quiet, what the replay knows is
 * compared with what is really there.
 *
 * How it goes: tests/storm/README.md.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"
#include "proc.h"
#include "replay.h"

#define SYSCTL "/proc/sys/fs/inotify/max_queued_events"
#define LOCK "/tmp/watchlet-tests.lock"

enum {
	MAX_WORKERS = 16,
	DEADLINE_MS = 60000,    /* for the first ".", and for the end */
	QUIET_MS = 200,         /* where /proc does not tell more */
	RESTLESS_MS = 5000,     /* silent, done, and still does not sleep */
	SHOW = 20,              /* differences */
	ENOUGH = 20,            /* storms that diverged: no more of them */
};

static struct {
	unsigned long seed;
	int workers, count, warm, queue, type, repeat, pause_us, lag_us, drop;
	int keep, closed, allow_x, jitter, figures, verbose, slow, quiet_ms;
	const char *where;
	char **command;
} opt = {
	.seed = 1, .workers = 2, .count = 3000, .repeat = 1,
	.where = "/dev/shm",
};

static volatile sig_atomic_t stopped;

/* --------------------------------------------------- the size of the queue */

/*
 * The limit is one for the machine, and read when an inotify descriptor is
 * made. So it is set, under a lock, until the watcher stands. A process of
 * its own puts it back: also when this one is killed. The lock stays, shared,
 * until the storm is over, so that nobody sets a limit meanwhile that hurts.
 * In a case that needs sysctl, tests/run has the lock, and says so.
 */
struct limit {
	int hold;               /* a byte: put it back; closed: unlock, too */
	pid_t keeper;
};

static void fail(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void set_limit(const char *text)
{
	int fd = open(SYSCTL, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		fail(SYSCTL);
	}
	close(fd);
}

static struct limit limit_set(int queue)
{
	struct limit l;
	char old[32] = "", new[32];
	const char *name;
	int lock, ends[2];
	sigset_t all, before;
	FILE *f;

	/* it may be another user's, who is the only one to open it with O_CREAT
	 * (fs.protected_regular): to read is enough */
	name = getenv("WATCHLET_TESTS_LOCKED") ? "/dev/null" : LOCK;
	lock = open(name, O_RDONLY | O_CLOEXEC);
	if (lock < 0) {
		lock = open(name, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	}
	while (lock < 0 || flock(lock, queue > 0 ? LOCK_EX : LOCK_SH) < 0) {
		if (lock < 0 || errno != EINTR || stopped) {
			fail(LOCK);
		}
	}
	f = fopen(SYSCTL, "re");
	if (f == NULL || fgets(old, sizeof(old), f) == NULL
			|| pipe2(ends, O_CLOEXEC) < 0) {
		fail(SYSCTL);
	}
	fclose(f);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	l.hold = ends[1];
	l.keeper = fork();
	if (l.keeper < 0) {
		fail("fork");
	}
	if (l.keeper == 0) {
		ssize_t n;
		char c;

		close(ends[1]);
		n = read(ends[0], &c, 1);
		if (queue > 0) {
			set_limit(old);
		}
		if (n > 0) {
			flock(lock, LOCK_SH);
			n = read(ends[0], &c, 1);
		}
		_exit(n != 0);  /* the lock is free */
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[0]);
	close(lock);
	if (queue > 0) {
		snprintf(new, sizeof(new), "%d\n", queue);
		set_limit(new);
	}
	return l;
}

static void limit_back(struct limit *l)
{
	if (write(l->hold, "", 1) != 1) {
		fail("keeper of the limit");
	}
}

static void limit_unlock(struct limit *l)
{
	close(l->hold);
	while (waitpid(l->keeper, NULL, 0) < 0 && errno == EINTR) {
		;
	}
}

/* ------------------------------------------------------------- the watcher */

struct run {
	unsigned long seed;
	char base[256], tree[300];
	struct limit limit;
	struct proc watcher;
	int alive;              /* the watcher, as far as its pipe tells */
	int none;               /* it could not be run */
	int out, err;           /* of the watcher */
	pid_t worker[MAX_WORKERS];
	int ask, answer;        /* with the workers */
	struct tally *tally;    /* of each worker, shared */
	struct replay replay;
	FILE *raw;              /* all records, with the time */
	char *line;             /* what came so far of a record */
	size_t len, room;
	unsigned long lines;
	int sentinel;           /* its record was read */
	char said[16384];       /* on stderr */
	size_t nsaid;
	char step[16384];       /* records of this step, with --slow */
	size_t nstep;
	long rss_kb, cpu_ms;
	unsigned long events;   /* that it has read, says SIGUSR1 */
	char why[256];          /* it is not ok */
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static void blame(struct run *r, const char *why)
{
	if (strstr(r->why, why) == NULL) {
		size_t len = strlen(r->why);

		snprintf(r->why + len, sizeof(r->why) - len, "%s%s",
				len > 0 ? "," : "", why);
	}
}

/* The records of opt.command, or of its usual arguments. */
static void start_watcher(struct run *r)
{
	int out[2], err[2], n = 0, i, told = 0;
	char *args[64], usual[sizeof(r->tree) + 8];
	pid_t pid;

	snprintf(usual, sizeof(usual), "%s:nymd", r->tree);
	for (i = 0; opt.command[i] != NULL && n < 58; i++) {
		char *word = opt.command[i], *at = strstr(word, "{}"), *new;

		if (at != NULL) {
			new = malloc(strlen(word) + sizeof(r->tree));
			sprintf(new, "%.*s%s%s", (int)(at - word), word,
					r->tree, at + 2);
			word = new;
			told = 1;
		}
		args[n++] = word;
	}
	if (!told) {
		args[n++] = "-r";
		args[n++] = "-i";
		args[n++] = "-p";
		args[n++] = "-";
		args[n++] = usual;
	}
	args[n] = NULL;
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
		fail("pipe");
	}
	pid = fork();
	if (pid < 0) {
		fail("fork");
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execvp(args[0], args);
		perror(args[0]);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	r->out = out[0];
	r->err = err[0];
	r->alive = 1;
	r->watcher.pid = pid;
}

static void take_record(struct run *r, char *line, size_t len)
{
	static const char name[] = "\tsentinel";
	size_t n = sizeof(name) - 1, t = strlen(r->tree);

	if (len > n + t && memcmp(line + len - n, name, n) == 0
			&& memcmp(line + len - n - t, r->tree, t) == 0) {
		r->sentinel = 1;
	}
	if (r->raw != NULL) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		fprintf(r->raw, "%ld.%06ld\t%.*s\n", (long)now.tv_sec,
				now.tv_nsec / 1000, (int)len, line);
	}
	if (opt.slow && r->nstep + len + 1 < sizeof(r->step)) {
		memcpy(r->step + r->nstep, line, len);
		r->nstep += len;
		r->step[r->nstep++] = '\n';
	}
	r->lines++;
	if (opt.drop > 0 && r->lines % opt.drop == 0) {
		return;
	}
	replay_record(&r->replay, line, len);
}

static void take_bytes(struct run *r, const char *buf, size_t n)
{
	while (n > 0) {
		const char *end = memchr(buf, '\n', n);
		size_t part = end != NULL ? (size_t)(end - buf) : n;

		if (r->len + part + 1 > r->room) {
			r->room = (r->len + part + 1) * 2;
			r->line = realloc(r->line, r->room);
			if (r->line == NULL) {
				fail("memory");
			}
		}
		memcpy(r->line + r->len, buf, part);
		r->len += part;
		if (end == NULL) {
			return;
		}
		r->line[r->len] = '\0';
		take_record(r, r->line, r->len);
		r->len = 0;
		buf += part + 1;
		n -= part + 1;
	}
}

/*
 * Reads what the watcher says, waiting at most so long for it, and the
 * workers' wish for an answer. True when there was anything.
 */
static int pump(struct run *r, int timeout_ms, int *asked)
{
	static char buf[65536];
	struct pollfd fds[3] = {
		{ .fd = r->out, .events = POLLIN },
		{ .fd = r->err, .events = POLLIN },
		{ .fd = asked != NULL ? r->ask : -1, .events = POLLIN },
	};
	int any = 0;
	ssize_t n;

	if (poll(fds, 3, timeout_ms) < 0) {
		return 0;
	}
	if (fds[0].revents != 0) {
		n = read(r->out, buf, sizeof(buf));
		if (n > 0) {
			take_bytes(r, buf, n);
			any = 1;
		} else if (n == 0) {
			close(r->out);
			r->out = -1;
			r->alive = 0;
		}
	}
	if (fds[1].revents != 0) {
		n = read(r->err, buf, sizeof(buf));
		if (n > 0) {
			size_t fits = sizeof(r->said) - 1 - r->nsaid;

			fits = (size_t)n < fits ? (size_t)n : fits;
			memcpy(r->said + r->nsaid, buf, fits);
			r->nsaid += fits;
			any = 1;
		} else if (n == 0) {
			close(r->err);
			r->err = -1;
		}
	}
	if (fds[2].revents != 0) {
		*asked = 1;
	}
	return any;
}

/*
 * Until the watcher has read and told everything and sleeps, and until the
 * sentinel was told or the first "." came, where that is waited for.
 */
static int settle(struct run *r, const int *sentinel,
		const unsigned long *steps)
{
	long end = now_ms() + DEADLINE_MS, last = now_ms();

	while (r->alive && !stopped) {
		int idle;

		while (pump(r, 0, NULL)) {
			last = now_ms();
		}
		if ((sentinel == NULL || *sentinel)
				&& (steps == NULL || *steps > 0)) {
			idle = opt.quiet_ms > 0 ? PROC_ASLEEP
				: proc_idle(&r->watcher);
			if (idle == PROC_IDLE && !pump(r, 1, NULL)
					&& proc_idle(&r->watcher) == PROC_IDLE
					&& !pump(r, 0, NULL)) {
				return 1;
			}
			if (idle == PROC_ASLEEP && now_ms() - last
					>= (opt.quiet_ms ? opt.quiet_ms
						: QUIET_MS)) {
				return 1;
			}
			if (now_ms() - last > RESTLESS_MS) {
				blame(r, "restless");
				return 1;
			}
		}
		if (now_ms() > end) {
			blame(r, "stuck");
			return 0;
		}
		pump(r, 1, NULL);
	}
	if (!r->alive) {
		blame(r, "watcher-ended");
	}
	return 0;
}

static void end_watcher(struct run *r)
{
	struct rusage use;
	long end = now_ms() + 3000;
	int status;

	if (r->watcher.pid <= 0) {
		return;
	}
	r->rss_kb = proc_field(r->watcher.pid, "status", "VmHWM:");
	proc_detach(&r->watcher);
	if (r->alive && opt.figures && !stopped) {
		size_t before = r->nsaid;

		kill(r->watcher.pid, SIGUSR1);
		while (r->alive && r->nsaid == before && now_ms() < end) {
			pump(r, 10, NULL);
		}
		r->said[r->nsaid] = '\0';
		if (strstr(r->said, "events ") != NULL) {
			sscanf(strstr(r->said, "events "), "events %lu",
					&r->events);
		}
	}
	kill(r->watcher.pid, SIGCONT);
	kill(r->watcher.pid, SIGTERM);
	while (wait4(r->watcher.pid, &status, WNOHANG, &use) == 0) {
		if (now_ms() > end) {
			blame(r, "ignored-SIGTERM");
			kill(r->watcher.pid, SIGKILL);
		}
		pump(r, 1, NULL);
	}
	while (pump(r, 0, NULL)) {
		;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127
			&& r->lines == 0) {
		fprintf(stderr, "%s", r->said);
		r->none = 1;
	}
	if (WIFEXITED(status)) {
		char what[40];

		snprintf(what, sizeof(what), "exit-%d", WEXITSTATUS(status));
		blame(r, what);
	} else if (WTERMSIG(status) != SIGTERM) {
		char what[40];

		snprintf(what, sizeof(what), "signal-%d", WTERMSIG(status));
		blame(r, what);
	}
	r->cpu_ms = (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000
		+ (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
	r->watcher.pid = 0;
	if (r->out >= 0) {
		close(r->out);
	}
	if (r->err >= 0) {
		close(r->err);
	}
	r->out = r->err = -1;
}

/* ------------------------------------------------------------- the workers */

static struct ops describe(struct run *r, int worker)
{
	struct ops o = {
		.seed = r->seed, .worker = worker, .count = opt.count,
		.type = opt.type, .warm = opt.warm, .closed = opt.closed, .pause_us = opt.pause_us,
		.ask = -1, .answer = -1, .tally = &r->tally[worker],
	};

	return o;
}

static void start_workers(struct run *r)
{
	int ask[2], answer[2], go[2], i;
	char c;

	if (pipe2(ask, O_CLOEXEC) < 0 || pipe2(answer, O_CLOEXEC) < 0
			|| pipe2(go, O_CLOEXEC) < 0) {
		fail("pipe");
	}
	for (i = 0; i < opt.workers; i++) {
		struct ops o = describe(r, i);
		pid_t pid = fork();

		if (pid < 0) {
			fail("fork");
		}
		if (pid > 0) {
			r->worker[i] = pid;
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ask[0]);
		close(answer[1]);
		close(go[1]);
		if (chdir(r->base) < 0) {
			fail(r->base);
		}
		if (opt.keep || opt.slow) {
			char name[32];

			sprintf(name, "ops.%d", i);
			o.log = fopen(name, "we");
			if (o.log != NULL && opt.slow) {
				setvbuf(o.log, NULL, _IOLBF, 4096);
			}
		}
		if (opt.slow) {
			o.ask = ask[1];
			o.answer = answer[0];
		}
		if (read(go[0], &c, 1) == 0) {  /* all together */
			ops_run(&o);
		}
		if (o.log != NULL) {
			fclose(o.log);
		}
		_exit(0);
	}
	close(ask[1]);
	close(answer[0]);
	close(go[0]);
	close(go[1]);
	r->ask = ask[0];
	r->answer = answer[1];
}

static void signal_workers(struct run *r, int signal)
{
	int i;

	for (i = 0; i < MAX_WORKERS; i++) {
		if (r->worker[i] > 0) {
			kill(r->worker[i], signal);
		}
	}
}

static void end_workers(struct run *r)
{
	int i, status;

	for (i = 0; i < MAX_WORKERS; i++) {
		if (r->worker[i] > 0) {
			while (waitpid(r->worker[i], &status, 0) < 0
					&& errno == EINTR) {
				;
			}
			r->worker[i] = 0;
		}
	}
	if (r->ask >= 0) {
		close(r->ask);
		close(r->answer);
		r->ask = r->answer = -1;
	}
}

/*
 * One call was made, and the watcher is given the time to tell it: so now
 * everything must be right, and nothing may have been told twice.
 */
static int step(struct run *r)
{
	const struct counts *c = &r->replay.count;
	struct difference d;
	int good;

	if (!settle(r, NULL, NULL)) {
		return 0;
	}
	d = replay_compare(&r->replay, stdout, SHOW);
	good = differences(&d) == 0 && c->bad == 0
		&& (opt.allow_x || (c->repeats == 0 && c->unknown == 0
			&& c->orphans == 0 && c->overflows == 0));
	if (!good) {
		char command[400];

		printf("step %lu, the last calls:\n", r->tally->done);
		fflush(stdout);
		snprintf(command, sizeof(command), "tail -n 4 %s/ops.0",
				r->base);
		if (system(command) != 0) {
			printf("?\n");
		}
		printf("and the records of the last:\n%.*s", (int)r->nstep,
				r->step);
	}
	r->nstep = 0;
	return good;
}

/* Stops the watcher, or the workers, for a moment, now and then. */
static void jitter(struct run *r, unsigned *seed)
{
	static long next;
	static int halted;      /* 1 the watcher, 2 the workers */
	long now = now_ms();

	if (seed == NULL || now >= next) {
		if (halted == 1) {
			kill(r->watcher.pid, SIGCONT);
		} else if (halted == 2) {
			signal_workers(r, SIGCONT);
		}
		halted = 0;
		if (seed == NULL) {
			next = 0;
			return;
		}
		next = now + 1 + rand_r(seed) % 6;
		switch (rand_r(seed) % 3) {
		case 0:
			kill(r->watcher.pid, SIGSTOP);
			halted = 1;
			break;
		case 1:
			signal_workers(r, SIGSTOP);
			halted = 2;
			break;
		}
	}
}

static void storm(struct run *r)
{
	unsigned chance = r->seed;
	int working = 1;
	char c;

	start_workers(r);
	while (working && r->alive && !stopped) {
		int asked = 0;

		if (opt.jitter) {
			jitter(r, &chance);
		}
		if (opt.lag_us > 0) {
			usleep(opt.lag_us);
		}
		pump(r, opt.jitter ? 1 : 100, &asked);
		if (!asked) {
			continue;
		}
		if (read(r->ask, &c, 1) != 1) {
			working = 0;            /* all have ended */
		} else if (!step(r)) {
			blame(r, "step");
			break;
		} else if (write(r->answer, "", 1) != 1) {
			break;
		}
	}
	jitter(r, NULL);
	if (working) {
		signal_workers(r, SIGKILL);
	}
	end_workers(r);
}

/* ---------------------------------------------------------------- one storm */

static int remove_one(const char *path, const struct stat *st, int type,
		struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void open_field(struct run *r)
{
	char outside[300];
	pid_t pid;

	snprintf(r->base, sizeof(r->base), "%s/storm.XXXXXX", opt.where);
	if (mkdtemp(r->base) == NULL) {
		fail(r->base);
	}
	snprintf(r->tree, sizeof(r->tree), "%s/tree", r->base);
	snprintf(outside, sizeof(outside), "%s/outside", r->base);
	if (mkdir(r->tree, 0755) < 0 || mkdir(outside, 0755) < 0) {
		fail(r->base);
	}
	r->tally = mmap(NULL, MAX_WORKERS * sizeof(*r->tally), PROT_READ
			| PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->tally == MAP_FAILED) {
		fail("mmap");
	}
	if (opt.keep) {
		char name[300];

		snprintf(name, sizeof(name), "%s/records", r->base);
		r->raw = fopen(name, "we");
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct ops o = describe(r, 0);

		if (chdir(r->base) < 0) {
			fail(r->base);
		}
		ops_warm(&o);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		;
	}
}

static void close_field(struct run *r, int keep)
{
	munmap(r->tally, MAX_WORKERS * sizeof(*r->tally));
	if (r->raw != NULL) {
		fclose(r->raw);
	}
	free(r->line);
	if (keep) {
		printf("kept: %s\n", r->base);
	} else {
		nftw(r->base, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	}
}

static void print_again(unsigned long seed)
{
	int i;

	printf("again: storm -s %lu -w %d -n %d -t %s", seed, opt.workers,
			opt.count, opt.type == NASTY ? "nasty" : "mild");
	if (opt.warm > 0) {
		printf(" -d %d", opt.warm);
	}
	if (opt.queue > 0) {
		printf(" -q %d", opt.queue);
	}
	if (opt.pause_us > 0) {
		printf(" -z %d", opt.pause_us);
	}
	if (opt.lag_us > 0) {
		printf(" -l %d", opt.lag_us);
	}
	if (opt.drop > 0) {
		printf(" --drop %d", opt.drop);
	}
	if (opt.quiet_ms > 0) {
		printf(" --quiet %d", opt.quiet_ms);
	}
	printf("%s%s%s%s -C %s --", opt.jitter ? " -j" : "",
			opt.closed ? " --closed" : "",
			opt.allow_x ? " -x" : "", opt.slow ? " --slow" : "",
			opt.where);
	for (i = 0; opt.command[i] != NULL; i++) {
		printf(" %s", opt.command[i]);
	}
	printf("\n");
}

/* Sums for the last line, when there were several. */
static struct {
	unsigned long storms, failed, done, records, repeats, overflows;
	unsigned long events, listed;
	char seeds[4096];
} total;

static void print_verdict(struct run *r, const struct difference *d)
{
	const struct counts *c = &r->replay.count;
	unsigned long done = 0;
	int i, lines = 0;
	size_t s;

	for (i = 0; i < opt.workers; i++) {
		done += r->tally[i].done;
	}
	for (s = 0; s < r->nsaid; s++) {
		lines += r->said[s] == '\n';
	}
	total.done += done;
	total.records += c->records;
	total.repeats += c->repeats;
	total.overflows += c->overflows;
	total.events += r->events;
	total.listed += c->listed;
	if (r->why[0] == '\0' && !opt.verbose && opt.repeat > 1) {
		return;
	}
	printf("seed=%lu type=%s workers=%d ops=%d queue=%d dirs=%d calls=%lu "
			"records=%lu n=%lu yn=%lu y=%lu from=%lu d=%lu m=%lu "
			"o=%lu x=%lu dots=%lu repeats=%lu unknown=%lu "
			"orphans=%lu bad=%lu entries=%lu dark=%lu missing=%lu "
			"extra=%lu kind=%lu rss=%ldK cpu=%ldms stderr=%d ",
			r->seed, opt.type == NASTY ? "nasty" : "mild",
			opt.workers, opt.count, opt.queue, opt.warm, done,
			c->records, c->created, c->listed, c->arrived,
			c->moved, c->deleted, c->left, c->overflows,
			c->unwatched, c->steps, c->repeats, c->unknown,
			c->orphans, c->bad, d->entries, d->dark, d->missing,
			d->extra, d->kind, r->rss_kb, r->cpu_ms, lines);
	if (r->why[0] == '\0') {
		printf("ok\n");
	} else {
		printf("DIVERGED (%s)\n", r->why);
	}
	if (c->bad > 0) {
		printf("first bad record: %s\n", c->first_bad);
	}
	if (r->why[0] != '\0' || opt.verbose || opt.figures) {
		printf("%.*s", (int)r->nsaid, r->said);
	}
}

/* 0 when the replay equals the tree. */
static int run_one(unsigned long seed)
{
	static struct run run;
	struct run *r = &run;
	struct difference d = { 0, 0, 0, 0, 0 };
	const struct counts *c = &r->replay.count;
	char name[sizeof(r->tree) + 16];

	memset(r, 0, sizeof(*r));
	r->seed = seed;
	r->out = r->err = r->ask = r->answer = -1;
	open_field(r);
	replay_start(&r->replay, r->tree);
	r->limit = limit_set(opt.queue);
	start_watcher(r);
	if (settle(r, NULL, &c->steps)) {
		limit_back(&r->limit);
		r->nstep = 0;
		storm(r);
		strcat(strcpy(name, r->tree), "/sentinel");
		close(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		settle(r, &r->sentinel, NULL);
	}
	limit_unlock(&r->limit);
	if (!stopped && r->lines > 0) {
		d = replay_compare(&r->replay, stdout, SHOW);
	}
	if (differences(&d) > 0) {
		blame(r, "differs");
	}
	if (c->bad > 0) {
		blame(r, "bad-record");
	}
	if (c->unwatched > 0 && !opt.allow_x) {
		blame(r, "x");
	}
	if (opt.slow && !opt.allow_x && (c->overflows > 0 || c->repeats > 0
				|| c->unknown > 0 || c->orphans > 0)) {
		blame(r, "told-twice");
	}
	/* What it says after this, like the x of the root, is not looked at. */
	{
		struct counts then = *c;

		end_watcher(r);
		r->replay.count = then;
	}
	if (!stopped && !r->none) {
		print_verdict(r, &d);
	}
	fflush(stdout);
	replay_end(&r->replay);
	close_field(r, opt.keep && r->why[0] != '\0' && !stopped && !r->none);
	if (r->none) {
		exit(2);
	}
	return r->why[0] != '\0';
}

/* ---------------------------------------------------------------- self-test */

static int told(const char *title, const char *records, const char *expected,
		const char *counts)
{
	struct replay r;
	char *text = strdup(records), *line, *rest = text, *dump, got[128];
	int good;

	replay_start(&r, "/t");
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
		replay_record(&r, line, strlen(line));
	}
	dump = replay_dump(&r);
	snprintf(got, sizeof(got), "%lu repeats %lu unknown %lu bad",
			r.count.repeats, r.count.unknown, r.count.bad);
	good = strcmp(dump, expected) == 0 && strcmp(got, counts) == 0;
	printf("%s: %s\n", good ? "ok" : "NOT ok", title);
	if (!good) {
		printf("expected:\n%s%s\ngot:\n%s%s\n", expected, counts, dump,
				got);
	}
	free(dump);
	free(text);
	replay_end(&r);
	return !good;
}

static int compared(void)
{
	char base[] = "/tmp/storm.XXXXXX", line[300];
	struct difference d;
	struct replay r;
	int good;

	if (mkdtemp(base) == NULL || chdir(base) < 0) {
		fail(base);
	}
	if (mkdir("a", 0755) < 0 || mkdir("a/b", 0755) < 0
			|| mkdir("dark", 0755) < 0
			|| mkdir("dark/in", 0755) < 0
			|| symlink("a", "link") < 0
			|| symlink("a", "kind") < 0) {
		fail(base);
	}
	replay_start(&r, base);
	/* Missing: a/b, link. Extra: gone, gone/below. Kind: kind. */
	snprintf(line, sizeof(line), "n/\t%s\ta", base);
	replay_record(&r, line, strlen(line));
	snprintf(line, sizeof(line), "n/\t%s\tdark", base);
	replay_record(&r, line, strlen(line));
	snprintf(line, sizeof(line), "x\t%s/dark", base);
	replay_record(&r, line, strlen(line));
	snprintf(line, sizeof(line), "n\t%s/dark\tnot-there", base);
	replay_record(&r, line, strlen(line));
	snprintf(line, sizeof(line), "yn/\t%s\tgone", base);
	replay_record(&r, line, strlen(line));
	snprintf(line, sizeof(line), "yn\t%s/gone\tbelow", base);
	replay_record(&r, line, strlen(line));
	snprintf(line, sizeof(line), "n/\t%s\tkind", base);
	replay_record(&r, line, strlen(line));
	d = replay_compare(&r, NULL, 0);
	good = d.missing == 2 && d.extra == 2 && d.kind == 1 && d.dark == 1
		&& d.entries == 5;
	printf("%s: the tree is compared\n", good ? "ok" : "NOT ok");
	replay_end(&r);
	if (chdir("/") < 0) {
		fail("/");
	}
	nftw(base, remove_one, 32, FTW_DEPTH | FTW_PHYS);
	return !good;
}

/* Until the process is as idle as that, or not, for at most 10 s: is it so? */
static int comes_to_be(struct proc *p, int idle)
{
	long end = now_ms() + 10000;

	while ((proc_idle(p) >= PROC_ASLEEP) != idle) {
		if (now_ms() >= end) {
			return 0;
		}
		poll(NULL, 0, 1);
	}
	return 1;
}

/* A stopped process may have read what it has not told yet: it is not idle. */
static int looked_at(void)
{
	int fd = inotify_init1(IN_CLOEXEC), good, status;
	struct proc p = { .pid = fork() };
	char event[512];

	if (fd < 0 || p.pid < 0) {
		fail("a process to look at");
	}
	if (p.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(read(fd, event, sizeof(event)) < 0);
	}
	good = comes_to_be(&p, 1);
	kill(p.pid, SIGSTOP);
	waitpid(p.pid, &status, WUNTRACED);
	good &= comes_to_be(&p, 0);
	kill(p.pid, SIGCONT);
	good &= comes_to_be(&p, 1);
	kill(p.pid, SIGKILL);
	waitpid(p.pid, &status, 0);
	proc_detach(&p);
	close(fd);
	printf("%s: who sleeps is idle, who is stopped is not\n",
			good ? "ok" : "NOT ok");
	return !good;
}

static int selftest(void)
{
	int bad = 0;

	bad += told("n adds, d and m forget with all below",
		"n/\t/t\ta\nn\t/t/a\tf\nn/\t/t\tb\nn\t/t/b\tg\nd/\t/t\ta\n"
		"m/\t/t\tb\nn\t/t\tz\n",
		"z\n", "0 repeats 0 unknown 0 bad");
	bad += told("y without FROM replaces what was there",
		"n/\t/t\ta\nn/\t/t/a\tb\nn\t/t/a/b\tc\ny/\t/t\ta\nn\t/t/a\tnew\n",
		"a/\na/new\n", "0 repeats 0 unknown 0 bad");
	bad += told("yn/ is y, and a repeat counts all that it forgets",
		"yn/\t/t\ta\nyn\t/t/a\tb\nyn/\t/t\ta\n",
		"a/\n", "2 repeats 0 unknown 0 bad");
	bad += told("y with FROM takes all below along and replaces",
		"n/\t/t\ta\nn/\t/t/a\tb\nn\t/t/a/b\tc\nn/\t/t\tz\nn\t/t/z\told\n"
		"y/\t/t\tz\t/t/a/b\n",
		"a/\nz/\nz/c\n", "0 repeats 0 unknown 0 bad");
	bad += told("a moved directory can be moved again, and below",
		"n/\t/t\ta\nn\t/t/a\tf\nn/\t/t\tb\ny/\t/t/b\tc\t/t/a\n"
		"y/\t/t\ta\t/t/b\nn\t/t/a/c\tg\ny\t/t\tf\t/t/a/c/f\n",
		"a/\na/c/\na/c/g\nf\n", "0 repeats 0 unknown 0 bad");
	bad += told("what is moved may come from below what it replaces",
		"n/\t/t\ta\nn/\t/t/a\tb\nn\t/t/a/b\tc\ny/\t/t\ta\t/t/a/b\n",
		"a/\na/c\n", "0 repeats 0 unknown 0 bad");
	bad += told("nothing is moved below itself",
		"n/\t/t\ta\nn/\t/t/a\tb\ny/\t/t/a/b\tc\t/t/a\n",
		"a/\na/b/\na/b/c ?\n", "0 repeats 0 unknown 1 bad");
	bad += told("FROM may be unknown",
		"y/\t/t\ta\t/t/b\n", "a/\n", "0 repeats 1 unknown 0 bad");
	bad += told("o forgets below, and what is told by x is no longer dark",
		"n/\t/t\ta\nn\t/t/a\tf\nn/\t/t\tb\nn/\t/t/b\td\nx\t/t/b/d\n"
		"o\t/t/b\nyn/\t/t/b\td\n",
		"a/\na/f\nb/\nb/d/\n", "0 repeats 0 unknown 0 bad");
	bad += told("o of the root forgets all",
		"n/\t/t\ta\nn\t/t/a\tf\no\t/t\nyn\t/t\tz\n.\t/t\n",
		"z\n", "0 repeats 0 unknown 0 bad");
	bad += told("x stays through n and a move, and goes with yn/",
		"n/\t/t\ta\nx\t/t/a\nn/\t/t\tb\nx\t/t/b\nn/\t/t\tb\n"
		"y/\t/t\tc\t/t/a\nn/\t/t\td\nx\t/t/d\nyn/\t/t\td\n",
		"b/ x\nc/ x\nd/\n", "2 repeats 0 unknown 0 bad");
	bad += told("names are turned back",
		"n\t/t\ta\\012b\nn/\t/t\tc\\134\nn\t/t/c\\134\t\\011\n"
		"y/\t/t\td\t/t/c\\134\n",
		"a\nb\nd/\t\nd/\n", "0 repeats 0 unknown 0 bad");
	bad += told("what is no record is said",
		"n\nn\t/t\ta\tb\tc\td\nn\t/t\ta\\b\nn\t/t\ta/b\nq\t/t\ta\n"
		"n\t/tt\ta\nn\t/t\t\n\nd\t/t\na\t/t\n",
		"", "0 repeats 0 unknown 9 bad");
	bad += told("other letters do not matter",
		"cw\t/t\ta\nnw\t/t\ta\nw\t/t\ta\n",
		"a\n", "0 repeats 0 unknown 0 bad");
	bad += told("d of what nobody knew is counted",
		"d\t/t\ta\nm/\t/t\tb\n", "", "0 repeats 2 unknown 0 bad");
	bad += compared();
	bad += looked_at();
	printf("%s\n", bad ? "selftest FAILED" : "selftest ok");
	return bad != 0;
}

/* --------------------------------------------------------------------- main */

static void stop(int signal)
{
	stopped = signal;
}

static void usage(void)
{
	fprintf(stderr,
"usage: storm [OPTION]... -- WATCHLET-COMMAND...\n"
"       storm --selftest\n"
"  -s SEED     what is done (1)\n"
"  -r REPEAT   so many seeds, from SEED on\n"
"  -w WORKERS  processes (2)\n"
"  -n OPS      operations of each (3000)\n"
"  -t TYPE     mild, or nasty: mostly renames and exchanges (mild)\n"
"  -d DIRS     directories that are there before the watcher (0)\n"
"  -q QUEUE    set max_queued_events while the watcher starts\n"
"  -C DIR      where the tree is made (/dev/shm)\n"
"  -z US       workers pause now and then, up to so long\n"
"  -l US       records are read so slowly\n"
"  -j          stop the watcher or the workers for moments\n"
"  -x          x is expected: the table is small\n"
"  -u          send SIGUSR1 at the end and show the figures; records per event\n"
"  -k          keep the tree, the calls and the records when it diverged\n"
"  -v          a line for every seed, and what the watcher said\n"
"  --closed    nothing moves out of the tree, or in\n"
"  --slow      wait after each call; nothing may be told twice\n"
"  --drop N    lose every Nth record: must diverge\n"
"  --quiet MS  take silence of MS as the end (else /proc tells)\n"
"{} in the command is the tree; without it -r -i -p - TREE:nymd is added.\n");
	exit(2);
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end != '\0' || end == text || n < 0 || n > 1000000000) {
		fprintf(stderr, "storm: not a number: %s\n", text);
		exit(2);
	}
	return n;
}

static void options(int argc, char **argv)
{
	enum { SLOW = 256, CLOSED, DROP, QUIET, SELFTEST };
	static const struct option longer[] = {
		{ "slow", 0, NULL, SLOW },
		{ "closed", 0, NULL, CLOSED },
		{ "drop", 1, NULL, DROP },
		{ "quiet", 1, NULL, QUIET },
		{ "selftest", 0, NULL, SELFTEST },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+s:r:w:n:t:d:q:C:z:l:jxukv",
					longer, NULL)) != -1) {
		switch (c) {
		case 's': opt.seed = number(optarg); break;
		case 'r': opt.repeat = number(optarg); break;
		case 'w': opt.workers = number(optarg); break;
		case 'n': opt.count = number(optarg); break;
		case 'd': opt.warm = number(optarg); break;
		case 'q': opt.queue = number(optarg); break;
		case 'C': opt.where = optarg; break;
		case 'z': opt.pause_us = number(optarg); break;
		case 'l': opt.lag_us = number(optarg); break;
		case 'j': opt.jitter = 1; break;
		case 'x': opt.allow_x = 1; break;
		case 'u': opt.figures = 1; break;
		case 'k': opt.keep = 1; break;
		case 'v': opt.verbose = 1; break;
		case CLOSED: opt.closed = 1; break;
		case SLOW: opt.slow = 1; break;
		case DROP: opt.drop = number(optarg); break;
		case QUIET: opt.quiet_ms = number(optarg); break;
		case SELFTEST: exit(selftest());
		case 't':
			if (strcmp(optarg, "mild") == 0) {
				opt.type = MILD;
			} else if (strcmp(optarg, "nasty") == 0) {
				opt.type = NASTY;
			} else {
				usage();
			}
			break;
		default:
			usage();
		}
	}
	opt.command = argv + optind;
	if (opt.slow) {
		opt.workers = 1;
	}
	if (*opt.command == NULL || opt.workers < 1
			|| opt.workers > MAX_WORKERS) {
		usage();
	}
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = stop };
	long start = now_ms();
	int i;

	options(argc, argv);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < opt.repeat && !stopped; i++) {
		unsigned long seed = opt.seed + i;
		size_t len = strlen(total.seeds);

		if (run_one(seed) && !stopped) {
			total.failed++;
			snprintf(total.seeds + len, sizeof(total.seeds) - len,
					" %lu", seed);
			print_again(seed);
		}
		total.storms++;
		if (total.failed >= ENOUGH) {
			break;
		}
	}
	if (stopped) {
		signal(stopped, SIG_DFL);
		raise(stopped);
	}
	if (opt.figures && total.events > 0) {
		printf("events=%lu records=%lu listed=%lu: %.2f records for "
				"each event, %.2f not listed\n", total.events,
				total.records, total.listed,
				(double)total.records / total.events,
				(double)(total.records - total.listed)
				/ total.events);
	}
	if (opt.repeat > 1) {
		printf("storms=%lu diverged=%lu%s%s calls=%lu records=%lu "
				"repeats=%lu o=%lu seconds=%ld\n", total.storms,
				total.failed, total.failed ? " seeds:" : "",
				total.seeds, total.done, total.records,
				total.repeats, total.overflows,
				(now_ms() - start) / 1000);
	}
	return total.failed > 0;
}
