/*
 * floor - the least that watching can cost
 *
 *   floor tree DIR
 *   floor lines DIR
 *
 * lines: events of DIR (closed after writing) are read into 64 KiB and printed,
 * one write for one read.
 * tree: for each directory: open, fchdir, inotify_add_watch("."), getdents64 until
 * there is no more, close. Nothing is remembered, nothing is checked. Then it
 * sleeps with all its watches, as a watcher does, until it is killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	DEPTH = 64,
	BUFFER = 32768,         /* bytes, of one level */
	MASK = IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF
		| IN_MOVE_SELF | IN_ONLYDIR,
	TYPE_DIRECTORY = 4,     /* d_type */
};

struct entry {                  /* struct linux_dirent64 */
	uint64_t ino;
	int64_t off;
	unsigned short size;
	unsigned char type;
	char name[];
};

static _Alignas(8) char buffer[DEPTH][BUFFER];
static int queue;

static void walk(int in, const char *name, int depth)
{
	int fd = openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW
			| O_CLOEXEC);
	char *buf = buffer[depth];
	long n, at;

	if (fd < 0 || fchdir(fd) < 0 || depth + 1 == DEPTH
			|| inotify_add_watch(queue, ".", MASK) < 0) {
		perror(name);
		exit(1);
	}
	while ((n = syscall(SYS_getdents64, fd, buf, BUFFER)) > 0) {
		for (at = 0; at < n; ) {
			struct entry *e = (struct entry *)(buf + at);

			at += e->size;
			if (e->type == TYPE_DIRECTORY && !(e->name[0] == '.'
					&& (e->name[1] == '\0'
						|| (e->name[1] == '.'
						&& e->name[2] == '\0')))) {
				walk(fd, e->name, depth + 1);
			}
		}
	}
	close(fd);
}

static char events[65536] __attribute__((aligned(8)));
static char text[sizeof(events) / sizeof(struct inotify_event) * 300];

static char *put(char *to, const char *s)
{
	while (*s) {
		*to++ = *s++;
	}
	return to;
}

static void lines(const char *dir)
{
	ssize_t n;

	if (inotify_add_watch(queue, dir, IN_CLOSE_WRITE) < 0) {
		perror(dir);
		exit(1);
	}
	while ((n = read(queue, events, sizeof(events))) > 0) {
		char *at = events, *to = text;

		while (at < events + n) {
			struct inotify_event *ev = (void *)at;

			to = put(to, "w\t");
			to = put(to, dir);
			*to++ = '\t';
			to = put(to, ev->name);
			*to++ = '\n';
			at += sizeof(*ev) + ev->len;
		}
		if (write(1, text, to - text) != to - text) {
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		return 2;
	}
	queue = inotify_init1(IN_CLOEXEC);
	if (argv[1][0] == 'l') {
		lines(argv[2]);
		return 1;
	}
	walk(AT_FDCWD, argv[2], 0);
	for (;;) {
		pause();
	}
}
