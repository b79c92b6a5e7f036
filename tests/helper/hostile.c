/* hostile - a neighbour that means harm
 *
 *	hostile names DIR N         make N files with names of 255 bytes of anything
 *	hostile decode              stdin to stdout: \ooo are bytes, newlines NULs
 *	hostile list DIR            its names, a NUL after each
 *	hostile many DIR N          make N empty files, named 1 to N
 *	hostile socket NAME         make a socket
 *	hostile lure PID DIR OUT N  N times swap directories below DIR for symlinks to
 *	                            OUT; PID may neither open nor list nor watch what
 *	                            is below OUT
 *	hostile eat N               hold N watches, of N directories w1 to wN, as long as
 *	                            stdin is open
 *	hostile limit WHAT N PROG ARG...
 *	                            run PROG with RLIMIT_WHAT (NOFILE, AS, STACK) at N
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned state = 1;

static unsigned any(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}

static int die(const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	return 125;
}

static int touch(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int names(const char *dir, int n)
{
	char name[256];
	int i;

	if (chdir(dir) < 0)
		return die(dir);
	name[255] = '\0';
	while (n-- > 0) {
		for (i = 0; i < 255; i++)
			do
				name[i] = 1 + any(255);
			while (name[i] == '/');
		if (touch(name) < 0)
			return die("touch");
	}
	return 0;
}

static int decode(void)
{
	int c, i, value;

	while ((c = getchar()) != EOF) {
		if (c == '\n')
			c = '\0';
		else if (c == '\\')
			for (i = 0, c = 0; i < 3; i++) {
				value = getchar() - '0';
				if (value < 0 || value > 7)
					return 1;
				c = c * 8 + value;
			}
		putchar(c);
	}
	return 0;
}

static int list(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return die(dir);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fwrite(e->d_name, strlen(e->d_name) + 1, 1, stdout);
	return 0;
}

static int many(const char *dir, int n)
{
	char name[16];
	int i;

	if (chdir(dir) < 0)
		return die(dir);
	for (i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (touch(name) < 0)
			return die(name);
	}
	return 0;
}

static int make_socket(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, name, sizeof(address.sun_path) - 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return die(name);
	return 0;
}

/* ---- lure */

static int ours;               /* our own inotify: watches all below OUT */
static ino_t bait[64];
static int baits;

static int add_bait(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)type;
	(void)at;
	if (baits == 64 || inotify_add_watch(ours, path,
	    IN_OPEN | IN_ACCESS | IN_CLOSE | IN_DONT_FOLLOW) < 0)
		return 1;
	bait[baits++] = st->st_ino;
	return 0;
}

/* Does PID watch bait? */
static int watched(const char *pid)
{
	char path[64], line[512];
	DIR *d;
	struct dirent *e;
	FILE *f;
	unsigned long ino;
	int i, found = 0;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	d = opendir(path);
	if (!d)
		return -1;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%.16s", pid, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "inotify wd:%*x ino:%lx", &ino) == 1)
				for (i = 0; i < baits; i++)
					found |= bait[i] == ino;
		fclose(f);
	}
	closedir(d);
	return found;
}

/* Is it a directory that no symlink leads to? Paths of at most two names */
static int is_inside(const char *place)
{
	struct stat st;

	if (strchr(place, '/') && (lstat(place[0] == 'a' ? "a" : "b", &st) < 0 || !S_ISDIR(st.st_mode)))
		return 0;
	return lstat(place, &st) == 0 && S_ISDIR(st.st_mode);
}

static int lure(const char *pid, const char *dir, const char *out, int n)
{
	/* each has a/, b/ and a symlink l that changes places with one of them */
	static const char *const places[] = { ".", "a", "a/a", "b", "b/a" };
	char path[64], other[64], buffer[4096];
	const char *place;
	int i, k;
	ssize_t got;

	ours = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (ours < 0 || nftw(out, add_bait, 16, FTW_PHYS) != 0)
		return die(out);
	/* our own walk opened them */
	while (read(ours, buffer, sizeof(buffer)) > 0)
		continue;
	if (chdir(dir) < 0)
		return die(dir);
	for (i = 0; i < n; i++) {
		place = places[any(5)];
		snprintf(path, sizeof(path), "%s/%c", place, any(2) ? 'a' : 'b');
		snprintf(other, sizeof(other), "%s/l", place);
		/* not what is outside: it must stay there */
		switch (is_inside(place) ? any(6) : 6) {
		case 0:
		case 1: /* a directory and a symlink change places */
			syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, 2);
			break;
		case 2: /* a directory comes, is gone, and there is a symlink */
			snprintf(other, sizeof(other), "%s/n%u", place, any(8));
			if (mkdir(other, 0755) == 0 && rmdir(other) == 0
			 && symlink(out, other) < 0)
				return die(other);
			break;
		case 3: /* a symlink becomes a directory with something in it */
			snprintf(other, sizeof(other), "%s/n%u", place, any(8));
			unlink(other);
			if (mkdir(other, 0755) == 0) {
				strcat(other, "/s");
				mkdir(other, 0755);
			}
			break;
		case 4:
			snprintf(other, sizeof(other), "%s/n%u/s", place, any(8));
			rmdir(other);
			other[strlen(other) - 2] = '\0';
			rmdir(other);
			break;
		case 5: /* what leads there moves */
			rename(path, "moved");
			rename("moved", path);
			break;
		}
		/* what is missing is made again, or nothing would be left to swap */
		for (k = 0; k < 5; k++) {
			mkdir(places[k], 0755);
			if (!is_inside(places[k]))
				continue;
			snprintf(path, sizeof(path), "%s/l", places[k]);
			if (symlink(out, path) < 0 && errno != EEXIST)
				return die(path);
		}
		if (i % 8 == 0 && watched(pid) != 0) {
			printf("after %d swaps it watches what is outside, or is gone\n", i);
			return 1;
		}
	}
	got = read(ours, buffer, sizeof(buffer));
	if (got > 0) {
		printf("something outside was opened or listed: mask %x\n",
			((struct inotify_event *)buffer)->mask);
		return 1;
	}
	return watched(pid);
}

static int eat(int n)
{
	char name[32];
	int fd = inotify_init1(IN_CLOEXEC);
	int i;

	for (i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "w%d", i);
		mkdir(name, 0755);
		if (inotify_add_watch(fd, name, IN_CREATE) < 0)
			break;
	}
	printf("%d\n", i - 1);
	fflush(stdout);
	while (read(0, name, 1) > 0)
		continue;
	return 0;
}

static int limit(const char *what, const char *number, char **argv)
{
	struct rlimit limit;
	int which = *what == 'N' ? RLIMIT_NOFILE : *what == 'A' ? RLIMIT_AS : RLIMIT_STACK;

	/* the stack begins anywhere: its least would be another each time */
	personality(ADDR_NO_RANDOMIZE);
	limit.rlim_cur = limit.rlim_max = strtoul(number, NULL, 10);
	if (setrlimit(which, &limit) < 0)
		return die("setrlimit");
	execv(argv[0], argv);
	return die(argv[0]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "names") == 0 && argc == 4)
		return names(argv[2], atoi(argv[3]));
	if (strcmp(what, "decode") == 0)
		return decode();
	if (strcmp(what, "list") == 0 && argc == 3)
		return list(argv[2]);
	if (strcmp(what, "many") == 0 && argc == 4)
		return many(argv[2], atoi(argv[3]));
	if (strcmp(what, "socket") == 0 && argc == 3)
		return make_socket(argv[2]);
	if (strcmp(what, "lure") == 0 && argc == 6)
		return lure(argv[2], argv[3], argv[4], atoi(argv[5]));
	if (strcmp(what, "eat") == 0 && argc == 3)
		return eat(atoi(argv[2]));
	if (strcmp(what, "limit") == 0 && argc > 4)
		return limit(argv[2], argv[3], argv + 4);
	errno = EINVAL;
	return die("bad arguments");
}
