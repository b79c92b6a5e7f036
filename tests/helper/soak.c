/* soak - watchers, writers and slow handlers beside each other for a long time
 *
 *	soak SECONDS DIR WATCHLET...
 *	                    in the folder DIR; WATCHLET is the words of the program
 *	soak look STATE EVENTS FILE [SUBFILE]
 *	                    a handler: keeps in the folder STATE what it sees there
 *	soak batch STATE    the same, for the records on stdin
 *	soak half           a handler of -b that reads a little, or nothing
 *	(without arguments they are taken from SOAK_MODE and SOAK_STATE)
 *
 * Each watcher has a folder of its own in which a writer makes, writes, renames
 * and removes files, and directories where it watches a tree, now and then in
 * bursts that overflow the kernel's queue. Whoever is told looks at the file and
 * keeps what he sees. At each stop the writers wait until all that is kept is
 * what is there: nothing was lost. Descriptors must be as many as at the first
 * stop. Anonymous memory may have grown by SLACK since, for parts of the tables
 * that were used for the first time, and in the second half of the time by nothing.
 */
#define _GNU_SOURCE
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "soak: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* ---- what a handler keeps: in STATE a file for each file that it saw, its path
 * with % for /, its content that of the file */

static void key_of(char *key, const char *state, const char *path)
{
	char *s = key + sprintf(key, "%s/", state);

	while (*path) {
		*s++ = *path == '/' ? '%' : *path;
		path++;
	}
	*s = '\0';
}

/* The content of a small file; -1: there is none. */
static int slurp(const char *path, char buf[32])
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW);
	int n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, 31);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

static void spit(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			die(path);
		close(fd);
	}
}

/* Forgets what is kept at path and below it. */
static void prune(const char *state, const char *path)
{
	char key[PATH_MAX * 2], *name;
	size_t len;
	struct dirent *e;
	DIR *dir;

	key_of(key, state, path);
	unlink(key);
	name = strrchr(key, '/') + 1;
	strcat(name, "%");
	len = strlen(name);
	dir = opendir(state);
	while (dir && (e = readdir(dir)) != NULL) {
		if (strncmp(e->d_name, name, len) == 0)
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

/* Looks at path, and all below it. */
static void look(const char *state, const char *path)
{
	char key[PATH_MAX * 2], below[PATH_MAX], text[32];
	struct dirent *e;
	struct stat st;
	DIR *dir;

	if (lstat(path, &st) != 0) {
		prune(state, path);
		return;
	}
	key_of(key, state, path);
	if (!S_ISDIR(st.st_mode)) {
		if (slurp(path, text) >= 0)
			spit(key, text);
		else
			unlink(key);
		return;
	}
	prune(state, path);
	dir = opendir(path);
	while (dir && (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
			look(state, below);
		}
	}
	if (dir)
		closedir(dir);
}

/* Only when the first stop is over: before it tables are to be filled */
static void rest(unsigned us)
{
	if (access("slow", F_OK) == 0)
		usleep(us);
}

/* Takes records off stdin; slow_us: rests after each. */
static void take_records(const char *state, unsigned slow_us)
{
	static char line[PATH_MAX * 8];
	char path[PATH_MAX];

	while (fgets(line, sizeof(line), stdin)) {
		char *s = line, *file, *name;

		line[strcspn(line, "\n")] = '\0';
		strsep(&s, "\t");
		file = strsep(&s, "\t");
		name = strsep(&s, "\t");
		if (!file)
			continue;
		snprintf(path, sizeof(path), name ? "%s/%s" : "%s", file, name);
		look(state, path);
		if (s)
			look(state, s); /* FROM */
		if (slow_us && rand() % 8 == 0)
			rest(rand() % slow_us);
	}
}

static int handler(int argc, char **argv)
{
	char path[PATH_MAX];
	const char *mode = getenv("SOAK_MODE"), *state = getenv("SOAK_STATE");

	if (!mode) {
		mode = argv[1];
		state = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (strcmp(mode, "look") == 0) {
		snprintf(path, sizeof(path), argc > 3 ? "%s/%s" : "%s", argv[2], argv[3]);
		look(state, path);
		rest(20000);
		return 0;
	}
	if (strcmp(mode, "batch") == 0) {
		rest(30000);
		take_records(state, 0);
		return 0;
	}
	srand(getpid());
	if (rand() % 2)
		return read(0, path, sizeof(path)) < 0;
	if (rand() % 2)
		close(0);
	usleep(10000);
	return 3;
}

/* ---- writers */

struct shared {
	volatile int stop;      /* the writers are to rest */
	volatile int resting;   /* those that do */
	volatile int filled;    /* all tables have been full by now */
	volatile unsigned long calls;
};
static struct shared *shared;

static void write_file(const char *path, unsigned version)
{
	char text[32];

	sprintf(text, "%u\n", version);
	spit(path, text);
	__sync_fetch_and_add(&shared->calls, 1);
}

/* Makes all tables as full as they will ever be. */
static void fill(const char *dir, int tree, int files)
{
	char path[PATH_MAX];
	int i, round;

	for (round = 0; tree && !shared->filled; round++) {
		for (i = 0; i < 700; i++) {
			snprintf(path, sizeof(path), "%s/%0250d", dir, round * 1000 + i);
			mkdir(path, 0755);
			if (i % 20 == 0)
				usleep(8000);
		}
		usleep(200000);
		for (i = 0; i < 700; i++) {
			snprintf(path, sizeof(path), "%s/%0250d", dir, round * 1000 + i);
			rmdir(path);
			if (i % 20 == 0)
				usleep(8000);
		}
	}
	for (i = 0; i < files; i++) {
		snprintf(path, sizeof(path), "%s/%0120d", dir, i);
		write_file(path, i);
		if (i % 20 == 0)
			usleep(1000);
	}
	usleep(500000);
	for (i = 0; i < files; i++) {
		snprintf(path, sizeof(path), "%s/%0120d", dir, i);
		unlink(path);
	}
}

static void writer(const char *dir, int tree, int files, unsigned seed)
{
	char path[PATH_MAX], other[PATH_MAX], sub[PATH_MAX];
	unsigned version = 0, quick = 0;
	int n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srand(seed);
	fill(dir, tree, files);
	for (;;) {
		if (shared->stop) {
			__sync_fetch_and_add(&shared->resting, 1);
			while (shared->stop)
				usleep(10000);
			__sync_fetch_and_sub(&shared->resting, 1);
		}
		strcpy(sub, dir);
		if (tree && rand() % 3) {
			n = strlen(sub);
			snprintf(sub + n, sizeof(sub) - n, "/d%d", rand() % 12);
			if (rand() % 2) {
				n = strlen(sub);
				snprintf(sub + n, sizeof(sub) - n, "/%0150d", rand() % 4);
			}
		}
		snprintf(path, sizeof(path), "%s/f%d", sub, rand() % 20);
		snprintf(other, sizeof(other), "%s/f%d", sub, rand() % 20);
		switch (rand() % (tree ? 12 : 9)) {
		case 0:
			unlink(path);
			break;
		case 1:
			rename(path, other);
			break;
		case 2:
			snprintf(other, sizeof(other), "%s/.tmp", sub);
			write_file(other, ++version);
			rename(other, path);
			break;
		case 9:
			mkdir(sub, 0755);
			break;
		case 10:
			snprintf(other, sizeof(other), "%s/d%d", dir, rand() % 12);
			rename(sub, other);
			break;
		case 11:
			snprintf(path, sizeof(path), "rm -rf '%s'", sub);
			if (strcmp(sub, dir) != 0 && rand() % 20 == 0 && system(path) < 0)
				die("rm");
			break;
		default:
			write_file(path, ++version);
		}
		if (quick)
			quick--;
		else if (rand() % 2000 == 0)
			quick = 3000; /* more than the queue holds */
		else
			usleep(rand() % 4000);
	}
}

/* ---- watchers */

enum { SLACK = 32 };
enum { LINES, LOOK, BATCH, HALF, RULES };
static struct watcher {
	const char *dir;
	int kind, tree, files;
	const char *options[6];
	pid_t pid;
	long first, rss, fds;   /* at the first stop; at the last */
} watchers[] = {
	{ .dir = "plain", .kind = LINES },
	{ .dir = "tree", .kind = LINES, .tree = 1, .options = { "-r", "-i", "-p" } },
	{ .dir = "settled", .kind = LINES, .tree = 1, .files = 1200, .options = { "-r", "-p", "-s", "50" } },
	{ .dir = "each", .kind = LOOK },
	{ .dir = "slow", .kind = LOOK, .files = 1200, .options = { "-s", "50" } },
	{ .dir = "batch", .kind = BATCH, .tree = 1, .files = 1200, .options = { "-r", "-b", "-s", "50" } },
	{ .dir = "half", .kind = HALF, .files = 1200, .options = { "-b", "-s", "50" } },
	{ .dir = "rule1", .kind = RULES, .files = 1200 },
	{ .dir = "rule2", .tree = 1 },
};
enum { WATCHERS = sizeof(watchers) / sizeof(watchers[0]) };

static void in_folder(char *buf, const char *kind, const struct watcher *w)
{
	sprintf(buf, "%s/%s", kind, w->dir);
}

/* The first rule is always the same, the second is not */
static void write_rules(const char *self, int n)
{
	FILE *f = fopen("rules.new", "w");

	if (!f)
		die("rules");
	fprintf(f, "# %d\n-s 30 w/rule1:cwnymd %s look s/rule1\n", n, self);
	fprintf(f, "-r -i -s %d w/rule2:cwnymd %s look s/rule2\n", n % 2 ? 20 : 40, self);
	if (n % 3)
		fprintf(f, "-b -s 10 w/rule%d:n %s half x\n", 1 + n % 2, self);
	if (n % 7 == 6)
		fprintf(f, "-b w/rule1 oops\n"); /* an error: nothing changes */
	fclose(f);
	rename("rules.new", "rules");
}

static void start(struct watcher *w, char **command, const char *self)
{
	char *args[64], state[300], path[300], log[300];
	int n = 0, i, fds[2], errors;

	in_folder(state, "s", w);
	in_folder(path, "w", w);
	strcat(path, ":cwnymd");
	for (; *command; command++)
		args[n++] = *command;
	args[n++] = (char *)"-q";
	for (i = 0; w->options[i]; i++)
		args[n++] = (char *)w->options[i];
	if (w->kind == RULES) {
		args[n++] = (char *)"-f";
		args[n++] = (char *)"rules";
	} else {
		args[n++] = (char *)(w->kind == LINES ? "-" : self);
		args[n++] = path;
	}
	args[n] = NULL;
	if (w->kind == LINES && pipe2(fds, O_CLOEXEC) < 0)
		die("pipe");
	w->pid = fork();
	if (w->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sprintf(log, "log.%s", w->dir);
		errors = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
		dup2(errors, 2);
		close(errors);
		if (w->kind == LINES)
			dup2(fds[1], 1);
		if (w->kind != RULES) {
			setenv("SOAK_MODE", w->kind == LOOK ? "look" : w->kind == BATCH ? "batch" : "half", 1);
			setenv("SOAK_STATE", state, 1);
		}
		execvp(args[0], args);
		_exit(127);
	}
	if (w->kind != LINES)
		return;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[0], 0);
		close(fds[1]);
		take_records(state, 20000);
		_exit(0);
	}
	close(fds[0]);
	close(fds[1]);
}

/* Anonymous memory in KiB, without and of the stack, and descriptors */
static void measure(const struct watcher *w, long *rss, long *stack, long *fds)
{
	int in_stack = 0;
	long kb;
	char path[64], line[256];
	struct dirent *e;
	FILE *f;
	DIR *dir;

	*rss = *stack = *fds = 0;
	sprintf(path, "/proc/%d/smaps", w->pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] < 'A' || line[0] > 'Z')
			in_stack = strstr(line, "[stack]") != NULL;
		else if (sscanf(line, "Anonymous: %ld", &kb) == 1)
			*(in_stack ? stack : rss) += kb;
	}
	if (f)
		fclose(f);
	sprintf(path, "/proc/%d/fd", w->pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)) != NULL)
		*fds += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
}

/* Does the kept state hold what is at path? Counts the files. */
static int compare(const char *state, const char *path, int *count, int say)
{
	char key[PATH_MAX * 2], below[PATH_MAX], there[32], kept[32];
	struct dirent *e;
	DIR *dir = opendir(path);
	int good = 1;

	if (!dir) {
		key_of(key, state, path);
		++*count;
		if (slurp(path, there) >= 0 && slurp(key, kept) >= 0 && strcmp(there, kept) == 0)
			return 1;
		if (say)
			fprintf(stderr, "soak: %s: its last state was not handled\n", path);
		return 0;
	}
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
			good &= compare(state, below, count, say);
		}
	}
	closedir(dir);
	return good;
}

/* Was everything handled that a watcher is to handle? */
static int handled(struct watcher *w, int say)
{
	char state[300], path[300];
	int files = 0, kept = -2, good;
	DIR *dir;

	if (w->kind == HALF)
		return 1;
	in_folder(state, "s", w);
	in_folder(path, "w", w);
	good = compare(state, path, &files, say);
	dir = opendir(state);
	while (dir && readdir(dir))
		kept++;
	if (dir)
		closedir(dir);
	if (kept != files && say)
		fprintf(stderr, "soak: %s: %d files are there, %d are known\n", path, files, kept);
	return good && kept == files;
}

/* A child of pid, or -1 */
static int has_child(pid_t pid)
{
	char path[64], c;
	int fd, n;

	sprintf(path, "/proc/%d/task/%d/children", pid, pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	n = read(fd, &c, 1);
	close(fd);
	return n > 0;
}

/* The writers rest; waits until all was handled. Returns 0 when it wasn't. */
static int stop(long patience_ms)
{
	long end = now_ms() + patience_ms;
	int i, good, quiet = 0;

	shared->stop = 1;
	while (shared->resting < WATCHERS)
		usleep(10000);
	do {
		usleep(100000);
		good = 1;
		for (i = 0; i < WATCHERS; i++) {
			struct watcher *w = &watchers[i];

			if (w->pid != 0 && kill(w->pid, 0) != 0)
				die(w->dir);
			good &= handled(w, 0) && !(w->pid != 0 && has_child(w->pid));
		}
		quiet = good ? quiet + 1 : 0;
	} while (quiet < 5 && now_ms() < end);
	for (i = 0; i < WATCHERS && !good; i++)
		handled(&watchers[i], 1);
	return good;
}

int main(int argc, char **argv)
{
	char self[PATH_MAX] = "", path[300];
	long began = now_ms(), end, next;
	int i, n, stops = 0, reloads = 0, bad = 0, late;
	pid_t all[WATCHERS * 2];

	if (getenv("SOAK_MODE") || (argc > 1 && strchr("lbh", argv[1][0])))
		return handler(argc, argv);
	if (argc < 4 || chdir(argv[2]) < 0 || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("usage: soak SECONDS DIR WATCHLET...");
	end = began + atol(argv[1]) * 1000;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mkdir("w", 0755);
	mkdir("s", 0755);
	for (i = 0; i < WATCHERS; i++) {
		in_folder(path, "w", &watchers[i]);
		mkdir(path, 0755);
		in_folder(path, "s", &watchers[i]);
		mkdir(path, 0755);
	}
	write_rules(self, 0);
	for (i = 0; i < WATCHERS - 1; i++)
		start(&watchers[i], argv + 3, self);
	sleep(1);
	spit("started", "");
	for (i = 0; i < WATCHERS; i++) {
		in_folder(path, "w", &watchers[i]);
		all[i] = fork();
		if (all[i] == 0)
			writer(path, watchers[i].tree, watchers[i].files, i + 1);
	}
	/* the first stop when all tables have been full, then each minute */
	next = end - began > 90000 ? began + 45000 : began + (end - began) / 2;
	while (!bad && (stops == 0 || now_ms() < end)) {
		for (n = 0; now_ms() < next; n++) {
			usleep(200000);
			shared->filled |= next - now_ms() < 12000;
			if (n % 4 == 0) {
				write_rules(self, ++reloads);
				kill(watchers[WATCHERS - 2].pid, SIGHUP);
			}
		}
		/* the second rule as it was at the start */
		write_rules(self, reloads = (reloads / 42 + 1) * 42);
		kill(watchers[WATCHERS - 2].pid, SIGHUP);
		bad = !stop(100000);
		late = stops > 1 && now_ms() > began + (end - began) / 2 + 60000;
		for (i = 0; i < WATCHERS - 1; i++) {
			struct watcher *w = &watchers[i];
			long rss, stack, fds;

			measure(w, &rss, &stack, &fds);
			printf("%4ld s %-8s %ld KiB and %ld of stack, %ld descriptors\n",
				(now_ms() - began) / 1000, w->dir, rss, stack, fds);
			if (stops == 0) {
				w->first = rss;
				w->fds = fds;
			} else if (fds != w->fds || rss > w->first + SLACK || (late && rss != w->rss)) {
				fprintf(stderr, "soak: %s: was %ld KiB, %ld descriptors\n", w->dir, w->rss, w->fds);
				bad = 1;
			}
			w->rss = rss;
		}
		fflush(stdout);
		stops++;
		spit("slow", "");
		next = now_ms() + 60000 < end ? now_ms() + 60000 : end;
		shared->stop = 0;
	}
	for (i = 0; i < WATCHERS - 1; i++)
		kill(watchers[i].pid, SIGUSR1);
	usleep(300000);
	for (i = 0; i < WATCHERS - 1; i++)
		kill(watchers[i].pid, SIGTERM);
	for (i = 0; i < WATCHERS; i++)
		kill(all[i], SIGKILL);
	printf("soak: %ld s, %lu writes, %d reloads, %d stops: %s\n", (now_ms() - began) / 1000,
		shared->calls, reloads, stops, bad ? "NOT OK" : "ok");
	return bad;
}
