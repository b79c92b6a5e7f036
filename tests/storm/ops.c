/*
 * The storm itself: see ops.h. What is drawn depends on the seed and on what
 * is found in the tree; so one worker does the same each time.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"
#include "proc.h"

enum {
	DEPTH = 7,              /* deepest place that is picked */
	PATH = 8192,            /* bytes: a path may be deeper than picked */
	WARM_FAN = 8,           /* warm directories in a warm directory */
	WIDE = 60,              /* entries made at once in one directory */
};

static struct ops O;
static uint64_t state;
static char names[8][64];
static int nnames;
static char base[4096];         /* the working directory */

/* ----------------------------------------------------------------- chance */

static uint64_t draw(void)      /* splitmix64 */
{
	uint64_t z = (state += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static int below(int n)
{
	return draw() % n;
}

/*
 * All workers of a seed have the same names. Few of them, so that they
 * collide; one or two that records must escape; one that is long.
 */
static void choose_names(void)
{
	static const char *const odd[] = {
		"\n", "\\", "\t", "\377\001", " n", "\\011" };
	int i, strange;

	state = O.seed * 1000003;
	nnames = O.type == NASTY ? 3 + below(2) : 4 + below(5);
	strange = below(nnames);
	for (i = 0; i < nnames; i++) {
		sprintf(names[i], "%c", 'a' + i);
		if (i == strange) {
			strcat(names[i], odd[below(6)]);
		} else if (i == nnames - 1 && O.type == MILD) {
			strcat(names[i], "-a-name-of-thirty-bytes-------");
		}
	}
	state = O.seed * 1000003 + (O.worker + 1) * 7919;
	draw();
}

/* ------------------------------------------------------------------ calls */

/* Every call that changes something ends here. */
static int did(int rc, const char *what, const char *a, const char *b)
{
	int err = errno;
	char c;

	O.tally->tried++;
	O.tally->done += rc == 0;
	if (O.log != NULL) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		fprintf(O.log, "%ld.%06ld %s %s %s%s%s\n", (long)t.tv_sec,
				t.tv_nsec / 1000, what, a, b, rc ? " = " : "",
				rc ? strerror(err) : "");
	}
	if (rc == 0 && O.ask >= 0
			&& (write(O.ask, "", 1) != 1
				|| read(O.answer, &c, 1) != 1)) {
		_exit(1);
	}
	return rc;
}

static int make_dir(const char *path)
{
	return did(mkdir(path, 0755), "mkdir", path, "");
}

static int remove_dir(const char *path)
{
	return did(rmdir(path), "rmdir", path, "");
}

static int remove_file(const char *path)
{
	return did(unlink(path), "unlink", path, "");
}

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
			| O_NOFOLLOW, 0644);

	if (fd >= 0) {
		if (write(fd, "x", 1) != 1) {
			perror(path);
		}
		close(fd);
	}
	return did(fd < 0 ? -1 : 0, "create", path, "");
}

static int make_symlink(const char *path, const char *to)
{
	return did(symlink(to, path), "symlink", path, to);
}

static int make_link(const char *old, const char *path)
{
	return did(link(old, path), "link", old, path);
}

static int move(const char *a, const char *b)
{
	return did(rename(a, b), "rename", a, b);
}

static int swap(const char *a, const char *b)
{
	return did(exchange(a, b), "exchange", a, b);
}

/* ----------------------------------------------------------------- places */

static int is_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void warm_path(char *buf, int i)
{
	int way[16], n = 0;

	for (; i >= 0 && n < 16; i = i < WARM_FAN ? -1 : i / WARM_FAN - 1) {
		way[n++] = i;
	}
	buf += sprintf(buf, "tree");
	while (n > 0) {
		buf += sprintf(buf, "/w%d", way[--n]);
	}
}

/* A place below `top`, or anywhere: something may be there or not. */
static void pick(char *buf, const char *top)
{
	size_t len;
	int depth = 0;

	if (top == NULL) {
		top = below(6) == 0 ? "outside" : "tree";
	}
	if (O.closed) {
		top = "tree";
	}
	strcpy(buf, top);
	if (O.warm > 0 && strcmp(top, "tree") == 0 && below(3) == 0) {
		warm_path(buf, below(O.warm));
		if (below(4) == 0) {
			return;
		}
		if (!is_dir(buf)) {
			strcpy(buf, top);
		}
	}
	len = strlen(buf);
	do {
		len += sprintf(buf + len, "/%s", names[below(nnames)]);
	} while (++depth < DEPTH && below(4) != 0 && is_dir(buf));
}

static void pick_dir(char *buf, const char *top)
{
	int tries = 6;

	do {
		pick(buf, top);
	} while (!is_dir(buf) && --tries > 0);
}

static void pick_any(char *buf, const char *top)
{
	struct stat st;
	int tries = 4;

	do {
		pick(buf, top);
	} while (lstat(buf, &st) < 0 && --tries > 0);
}

/* ------------------------------------------------- operations of many calls */

static void remove_all(char *path, size_t len)
{
	struct dirent *entry;
	DIR *list;
	int fd;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		remove_file(path);
		return;
	}
	list = fdopendir(fd);
	while (list != NULL && (entry = readdir(list)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0
				&& len + strlen(name) + 2 < PATH) {
			remove_all(path, len + sprintf(path + len, "/%s",
					name));
			path[len] = '\0';
		}
	}
	if (list != NULL) {
		closedir(list);
	}
	remove_dir(path);
}

/* mkdir -p, 3 to 6 deep, with a file at the end. */
static void make_chain(char *path)
{
	size_t len = strlen(path);
	int n = 3 + below(4);

	make_dir(path);
	while (--n > 0 && len + 70 < PATH) {
		len += sprintf(path + len, "/%s", names[below(nnames)]);
		make_dir(path);
	}
	sprintf(path + len, "/%s", names[below(nnames)]);
	make_file(path);
}

static void make_wide(char *path)
{
	size_t len = strlen(path);
	int i, n = 10 + below(WIDE);

	for (i = 0; i < n && len + 20 < PATH; i++) {
		sprintf(path + len, "/f%d", i);
		if (i % 8 == 0) {
			make_dir(path);
		} else {
			make_file(path);
		}
	}
}

/* Made, renamed and removed before anybody can look. */
static void quick_tree(char *a, char *b)
{
	size_t len = strlen(a);

	make_dir(a);
	sprintf(a + len, "/%s", names[0]);
	make_dir(a);
	sprintf(a + len, "/%s/%s", names[0], names[1]);
	make_dir(a);
	sprintf(a + len, "/%s", names[2]);
	make_file(a);
	a[len] = '\0';
	move(a, b);
	if (below(2) == 0) {
		make_dir(a);
	}
	if (below(3) != 0) {
		remove_all(b, strlen(b));
	}
}

/* a to b to c to ... in one go; at times back to the first place. */
static void rename_chain(char *a, char *b)
{
	static char first[PATH];
	int n = 2 + below(5);

	strcpy(first, a);
	while (n-- > 0) {
		pick(b, below(8) == 0 ? "outside" : "tree");
		if (move(a, b) == 0) {
			strcpy(a, b);
		}
	}
	if (below(3) == 0) {
		move(a, first);
	}
}

/* Reading a directory makes events too. */
static void list(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir != NULL) {
		while (readdir(dir) != NULL) {
			;
		}
		closedir(dir);
	}
}

/*
 * Symlinks are absolute and without "..", so none leads out of the working
 * directory: another worker may put one where this one just saw a directory.
 */
static void some_symlink(char *a, char *b)
{
	size_t len = sprintf(b, "%s/", base);

	switch (below(5)) {
	case 0:
		make_symlink(a, ".");
		break;
	case 1:
		make_symlink(a, "nowhere");
		break;
	case 2:
		strcpy(b + len, "outside");
		make_symlink(a, b);
		break;
	default:
		pick_any(b + len, NULL);
		make_symlink(a, b);
	}
}

/* A directory gives way to a symlink of the same name. */
static void symlink_instead(char *a, char *b)
{
	pick_dir(a, "tree");
	pick(b, below(2) == 0 ? "outside" : "tree");
	if (move(a, b) == 0) {
		size_t len = strlen(b);

		memmove(b + strlen(base) + 1, b, len + 1);
		memcpy(b, base, strlen(base));
		b[strlen(base)] = '/';
		make_symlink(a, b);
	}
}

enum {
	MKDIR, CHAIN, CREATE, UNLINK, SYMLINK, RMDIR, RM_R, RENAME, RENAME_DIR,
	EXCHANGE, OUT, IN, OUT_IN, LINK, RENAMES, QUICK, INSTEAD, WIDEN, LIST,
	NOPS
};

/* How often, of each type. */
static const unsigned char weight[NOPS][2] = {
	/*              mild nasty */
	[MKDIR]      = { 16, 12 },
	[CHAIN]      = {  6,  6 },
	[CREATE]     = { 16,  5 },
	[UNLINK]     = { 10,  3 },
	[SYMLINK]    = {  4,  3 },
	[RMDIR]      = {  8,  4 },
	[RM_R]       = {  4,  2 },
	[RENAME]     = {  8,  6 },
	[RENAME_DIR] = {  5, 20 },
	[EXCHANGE]   = {  3, 20 },
	[OUT]        = {  2,  5 },
	[IN]         = {  3,  6 },
	[OUT_IN]     = {  1,  3 },
	[LINK]       = {  3,  1 },
	[RENAMES]    = {  3,  6 },
	[QUICK]      = {  4,  4 },
	[INSTEAD]    = {  1,  2 },
	[WIDEN]      = {  1,  1 },
	[LIST]       = {  4,  4 },
};

static int which(void)
{
	int i, sum = 0;

	for (i = 0; i < NOPS; i++) {
		sum += weight[i][O.type];
	}
	sum = below(sum);
	for (i = 0; (sum -= weight[i][O.type]) >= 0; i++) {
		;
	}
	return i;
}

static void operate(char *a, char *b)
{
	switch (which()) {
	case MKDIR:
		pick(a, NULL);
		make_dir(a);
		break;
	case CHAIN:
		pick(a, NULL);
		make_chain(a);
		break;
	case CREATE:
		pick(a, NULL);
		make_file(a);
		break;
	case UNLINK:
		pick_any(a, NULL);
		remove_file(a);
		break;
	case SYMLINK:
		pick(a, "tree");
		some_symlink(a, b);
		break;
	case RMDIR:
		pick_dir(a, NULL);
		remove_dir(a);
		break;
	case RM_R:
		pick_dir(a, NULL);
		remove_all(a, strlen(a));
		break;
	case RENAME:
		pick_any(a, NULL);
		pick(b, NULL);
		move(a, b);
		break;
	case RENAME_DIR:
		pick_dir(a, NULL);
		pick(b, NULL);
		move(a, b);
		break;
	case EXCHANGE:
		pick_any(a, NULL);
		if (below(2) == 0) {
			pick_dir(b, NULL);
		} else {
			pick_any(b, NULL);
		}
		swap(a, b);
		break;
	case OUT:
		pick_any(a, "tree");
		pick(b, "outside");
		move(a, b);
		break;
	case IN:
		pick_any(a, "outside");
		pick(b, "tree");
		move(a, b);
		break;
	case OUT_IN:
		pick_dir(a, "tree");
		pick(b, "outside");
		if (move(a, b) == 0) {
			if (below(2) == 0) {
				pick(a, "tree");
			}
			move(b, a);
		}
		break;
	case LINK:
		pick_any(a, NULL);
		pick(b, NULL);
		make_link(a, b);
		break;
	case RENAMES:
		pick_dir(a, "tree");
		rename_chain(a, b);
		break;
	case QUICK:
		pick(a, "tree");
		pick(b, NULL);
		quick_tree(a, b);
		break;
	case INSTEAD:
		symlink_instead(a, b);
		break;
	case WIDEN:
		pick_dir(a, NULL);
		make_wide(a);
		break;
	case LIST:
		pick_dir(a, NULL);
		list(a);
		break;
	}
}

/* ------------------------------------------------------------------- both */

void ops_warm(const struct ops *ops)
{
	static char path[PATH];
	int i;

	O = *ops;
	for (i = 0; i < O.warm; i++) {
		warm_path(path, i);
		if (mkdir(path, 0755) < 0) {
			perror(path);
			exit(2);
		}
		if (i % 3 == 0) {
			strcat(path, "/file");
			close(open(path, O_WRONLY | O_CREAT, 0644));
		}
	}
}

void ops_run(const struct ops *ops)
{
	static char a[2 * PATH], b[2 * PATH];
	int i;

	O = *ops;
	if (getcwd(base, sizeof(base)) == NULL) {
		perror("storm: getcwd");
		exit(2);
	}
	choose_names();
	for (i = 0; i < O.count; i++) {
		operate(a, b);
		if (O.pause_us > 0 && below(4) == 0) {
			usleep(below(O.pause_us));
		}
	}
}
