/*
 * A kernel for the applet inside a fuzzer. The calls of the applet come here. What
 * they answer is taken from the input, a byte at a time (fails(), some_inode() …),
 * and all goes well when that has ended. A read() of events takes what follows as
 * events.
 * With by_name, instead, what exists, and as which inode, is a matter of the name:
 * for harnesses whose input is text.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "libbb.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

enum {
	INODES = 6,
	FDS = 40,
	FIRST_FD = 1000,        /* no real one */
	QUEUE_FD = FIRST_FD - 1,
	HOME_FD = FIRST_FD - 2,
	TEXT_FD = FIRST_FD - 3,
	SIGNALS_FD = FIRST_FD - 4,
	CHILD = 0x7fff0000,     /* no real process */
};

static const uint8_t *input, *input_end;
static int fd_inode[FDS];       /* 0: not open */
static int at_inode;            /* the working directory */
static int inode_wd[INODES + 1];
static int next_wd;
static int calls_left;          /* until it is enough */
static int listed[FDS];

/* A name with n colons in it exists if bit n is set */
static int by_name;
static unsigned exist_bits;
/* The file TEXT */
#define TEXT "RULES"
static const uint8_t *text, *text_end;
/* What was said on stderr; how many bytes were written to stdout */
static char said[64 * 1024];
static size_t said_len, told_len;
static int child_runs;

/* ends this input */
static void enough(void) __attribute__((noreturn));

static inline void check_table(void);

/* Of size bytes at buf, that are written: are they inside one array of G? */
static void check_bounds(const void *buf, size_t size);

static unsigned next_byte(void)
{
	return input < input_end ? *input++ : 0;
}

/* Fails now and then, with one of the errors that such a call can have. */
static int fails(void)
{
	static const unsigned char errors[] = {
		ENOENT, ENOTDIR, EACCES, ENOSPC, EMFILE, ENOMEM, EIO, ELOOP,
		EINVAL, ESTALE, ENAMETOOLONG, EAGAIN, EBADF, EPERM, ENOENT, ENODEV,
	};
	unsigned c;

	if (--calls_left < 0) {
		enough();
	}
	c = next_byte();
	if (c < 0xd0) {
		return 0;
	}
	errno = errors[c & 15];
	return 1;
}

static int new_fd(int inode)
{
	int fd;

	for (fd = 0; fd < FDS; fd++) {
		if (fd_inode[fd] == 0) {
			fd_inode[fd] = inode;
			listed[fd] = 0;
			return FIRST_FD + fd;
		}
	}
	errno = EMFILE;
	return -1;
}

static int *open_fd(int fd)
{
	if (fd < FIRST_FD || fd >= FIRST_FD + FDS || fd_inode[fd - FIRST_FD] == 0) {
		__builtin_trap(); /* it uses a descriptor that isn't open */
	}
	return &fd_inode[fd - FIRST_FD];
}

static int some_inode(void)
{
	return 1 + next_byte() % INODES;
}

/* The inode that has this name; 0 if there is none: errno says why. */
static int inode_of(const char *name)
{
	unsigned colons = 0, sum = 0;
	const char *s;

	if (fails()) {
		return 0;
	}
	if (!by_name) {
		(void)(strlen)(name);
		return some_inode();
	}
	for (s = name; *s; s++) {
		colons += (*s == ':');
		sum += (unsigned char)*s;
	}
	if ((strlen)(name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return 0;
	}
	if (!*name || !(exist_bits >> (colons & 7) & 1)) {
		errno = ENOENT;
		return 0;
	}
	return 1 + sum % INODES;
}

static int fuzz_openat(int fd, const char *name, int flags, ...)
{
	int inode;

	if (fd == -1) {
		errno = EBADF;
		return -1;
	}
	if (fd != AT_FDCWD) {
		open_fd(fd);
	}
	if (by_name && (strcmp)(name, TEXT) == 0 && !(flags & (O_PATH | O_DIRECTORY))) {
		return TEXT_FD;
	}
	inode = inode_of(name);
	if (by_name && inode != 0 && !(flags & (O_PATH | O_DIRECTORY))) {
		/* what is open until the end: to read, or as stdout */
		return flags & O_ACCMODE ? STDOUT_FILENO : TEXT_FD;
	}
	return inode == 0 ? -1 : new_fd(inode);
}

static int fuzz_close(int fd)
{
	if (fd >= FIRST_FD) {
		*open_fd(fd) = 0;
	}
	return 0;
}

static int fuzz_dup(int fd)
{
	return fails() ? -1 : new_fd(*open_fd(fd));
}

static int fuzz_fchdir(int fd)
{
	if (fd == HOME_FD) {
		at_inode = 0;
		return 0;
	}
	if (fails()) {
		return -1;
	}
	at_inode = *open_fd(fd);
	return 0;
}

static int fuzz_add_watch(int fd, const char *path, uint32_t mask)
{
	int inode = at_inode;

	(void)mask;
	if (fd != QUEUE_FD) {
		__builtin_trap();
	}
	if (path[0] != '.' || path[1] || inode == 0) {
		inode = inode_of(path);
	} else if (fails()) {
		return -1;
	}
	if (inode == 0) {
		return -1;
	}
	if (inode_wd[inode] == 0) {
		inode_wd[inode] = ++next_wd;
	}
	return inode_wd[inode];
}

static int fuzz_rm_watch(int fd, int wd)
{
	int i;

	(void)fd;
	for (i = 1; i <= INODES; i++) {
		if (inode_wd[i] == wd) {
			inode_wd[i] = 0;
			return 0;
		}
	}
	errno = EINVAL;
	return -1;
}

static int fuzz_stat(const char *name, struct stat *st)
{
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };
	int inode = inode_of(name);

	if (inode == 0) {
		return -1;
	}
	memset(st, 0, sizeof(*st));
	st->st_mode = types[next_byte() & 3];
	st->st_ino = inode;
	return 0;
}

static int fuzz_fstat(int fd, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = *open_fd(fd);
	st->st_mode = S_IFDIR;
	return 0;
}

static int fuzz_fstatat(int fd, const char *name, struct stat *st, int flags)
{
	(void)flags;
	if (fd != AT_FDCWD) {
		open_fd(fd);
	}
	return fuzz_stat(name, st);
}

static int fuzz_lstat(const char *name, struct stat *st)
{
	return fuzz_stat(name, st);
}

/* Of names, those that start with l are symlinks to what follows. */
static ssize_t fuzz_readlink(const char *name, char *buf, size_t size)
{
	size_t n = (strlen)(name);

	if (fails()) {
		return -1;
	}
	if (!by_name || *name != 'l') {
		errno = EINVAL;
		return -1;
	}
	n = n - 1 < size ? n - 1 : size;
	memcpy(buf, name + 1, n);
	return n;
}

static int fuzz_chdir(const char *name)
{
	int inode = inode_of(name);

	if (inode == 0) {
		return -1;
	}
	at_inode = inode;
	return 0;
}

static int fuzz_access(const char *name, int mode)
{
	(void)mode;
	return inode_of(name) == 0 ? -1 : 0;
}

static int fuzz_statfs(const char *name, struct statfs *fs)
{
	memset(fs, 0, sizeof(*fs));
	return inode_of(name) == 0 ? -1 : 0;
}

/* A name of one or two letters, sometimes of any bytes, with a zero. Returns
 * its length. */
static unsigned some_name(char *name)
{
	unsigned c = next_byte(), n = 1, i;

	if (c >= 0xf0) {
		n = 1 + next_byte() % NAME_MAX;
		for (i = 0; i < n; i++) {
			name[i] = next_byte();
			if (name[i] == '\0' || name[i] == '/') {
				name[i] = 'z';
			}
		}
	} else {
		name[0] = 'a' + c % 5;
	}
	name[n] = '\0';
	return n;
}

/* Two calls list all that a directory has. */
static long fuzz_getdents(int fd, char *buf, size_t size)
{
	static const unsigned char types[] = {
		DT_DIR, DT_DIR, DT_DIR, DT_REG, DT_LNK, DT_UNKNOWN, DT_FIFO, DT_DIR
	};
	unsigned entries;
	size_t at = 0;

	open_fd(fd);
	if (fails()) {
		return -1;
	}
	if (listed[fd - FIRST_FD]++ == 2) {
		listed[fd - FIRST_FD] = 0;
		return 0;
	}
	for (entries = next_byte() % 12; entries; entries--) {
		char name[NAME_MAX + 1];
		unsigned len = some_name(name);
		unsigned short record = (19 + len + 1 + 7) & ~7;

		if (at + record > size) {
			break;
		}
		memset(buf + at, 0, record);
		memcpy(buf + at + 16, &record, 2);
		buf[at + 18] = types[next_byte() & 7];
		memcpy(buf + at + 19, name, len + 1);
		at += record;
	}
	return at;
}

static long fuzz_syscall(long number, ...)
{
	va_list ap;
	long a, b, c;

	va_start(ap, number);
	a = va_arg(ap, int);
	b = (long)va_arg(ap, void *);
	c = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat) {
		return fuzz_openat(a, (char *)b, c);
	}
	if (number == SYS_getdents64) {
		return fuzz_getdents(a, (char *)b, c);
	}
	if (number == SYS_clock_gettime) {
		return clock_gettime(a, (struct timespec *)b);
	}
#ifdef SYS_openat2
	if (number == SYS_openat2) {
		return fuzz_openat(a, (char *)b, O_DIRECTORY);
	}
#endif
	errno = ENOSYS;
	return -1;
}

static int fuzz_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	(void)fd;
	if (request == FIONREAD) {
		va_start(ap, request);
		*va_arg(ap, int *) = (next_byte() & 3) * 16;
		va_end(ap);
	}
	return 0;
}

static int fuzz_poll(struct pollfd *pfd, nfds_t n, int ms)
{
	nfds_t i;

	for (i = 0; i < n; i++) {
		pfd[i].revents = 0;
	}
	if (child_runs && n > 2) {
		pfd[2].revents = POLLIN; /* it has ended */
		return 1;
	}
	if (--calls_left < 0 || (input == input_end && pfd[0].events == POLLIN)) {
		enough();
	}
	if (pfd[0].events == POLLIN) {
		check_table();
	}
	if (ms >= 0 && next_byte() & 1) {
		return 0;
	}
	pfd[0].revents = pfd[0].events;
	return 1;
}

/* Events: mostly whole ones of wds that may exist, sometimes just bytes */
static ssize_t fuzz_read(int fd, void *buf, size_t size)
{
	static const uint32_t masks[] = {
		IN_CREATE, IN_CREATE | IN_ISDIR, IN_DELETE, IN_DELETE | IN_ISDIR,
		IN_MOVED_FROM, IN_MOVED_FROM | IN_ISDIR, IN_MOVED_TO, IN_MOVED_TO | IN_ISDIR,
		IN_MOVE_SELF, IN_DELETE_SELF, IN_IGNORED, IN_UNMOUNT,
		IN_CLOSE_WRITE, IN_MODIFY, IN_ATTRIB | IN_ISDIR, IN_Q_OVERFLOW,
	};
	size_t at = 0;
	unsigned n;

	if (--calls_left < 0) {
		enough();
	}
	if (fd == SIGNALS_FD) {
		memset(buf, 0, size);
		((struct signalfd_siginfo *)buf)->ssi_signo = SIGCHLD;
		return size;
	}
	if (fd == TEXT_FD || fd == STDIN_FILENO) {
		n = text_end - text;
		n = n < size ? n : size;
		memcpy(buf, text, n);
		text += n;
		return n;
	}
	n = next_byte();
	if (n >= 0xf8) {
		for (n = next_byte(); n && at < size; n--) {
			((char *)buf)[at++] = next_byte();
		}
		return at;
	}
	for (n %= 8; n; n--) {
		struct inotify_event ev;
		char name[NAME_MAX + 1 + 16];

		memset(name, 0, sizeof(name));
		ev.wd = next_byte() % (next_wd + 2);
		ev.mask = masks[next_byte() & 15];
		ev.cookie = next_byte() & 3;
		ev.len = 0;
		if (ev.mask & (IN_Q_OVERFLOW)) {
			ev.wd = -1;
		} else if (!(ev.mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT))) {
			ev.len = (some_name(name) + 1 + 15) & ~15;
		}
		if (at + sizeof(ev) + ev.len > size) {
			break;
		}
		memcpy((char *)buf + at, &ev, sizeof(ev));
		memcpy((char *)buf + at + sizeof(ev), name, ev.len);
		at += sizeof(ev) + ev.len;
	}
	if (at == 0) {
		errno = EAGAIN;
		return -1;
	}
	return at;
}

static ssize_t fuzz_write(int fd, const void *buf, size_t size)
{
	check_bounds(buf, size);
	if (fd == STDOUT_FILENO) {
		told_len += size;
	} else if (fd == STDERR_FILENO && said_len + size < sizeof(said)) {
		memcpy(said + said_len, buf, size);
		said_len += size;
	}
	return size;
}

/* No PROG is run: it ends at once, well. */
static pid_t fuzz_vfork(void)
{
	if (fails()) {
		return -1;
	}
	child_runs = 1;
	return CHILD;
}

static pid_t fuzz_waitpid(pid_t pid, int *status, int options)
{
	(void)options;
	if (pid != CHILD || !child_runs) {
		__builtin_trap();
	}
	child_runs = 0;
	*status = 0;
	return CHILD;
}

static int fuzz_kill(pid_t pid, int sig)
{
	(void)pid;
	(void)sig;
	enough();
}

static int fuzz_pipe2(int *fds, int flags)
{
	(void)flags;
	if (fails()) {
		return -1;
	}
	fds[0] = new_fd(1);
	fds[1] = new_fd(1);
	return 0;
}

static ssize_t fuzz_sendto(int fd, const void *buf, size_t size, int flags, const void *to, size_t len)
{
	(void)flags;
	(void)to;
	(void)len;
	return fuzz_write(fd == -1 ? fd : STDERR_FILENO, buf, size);
}

static int fuzz_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	return new_fd(1);
}

#define openat fuzz_openat
#define open(name, ...) fuzz_openat(AT_FDCWD, name, __VA_ARGS__)
#define close fuzz_close
#define dup fuzz_dup
#define fchdir fuzz_fchdir
#define inotify_add_watch fuzz_add_watch
#define inotify_rm_watch fuzz_rm_watch
#define fstat fuzz_fstat
#define fstatat fuzz_fstatat
#define lstat fuzz_lstat
#define readlink fuzz_readlink
#define chdir fuzz_chdir
#define access fuzz_access
#define statfs(name, fs) fuzz_statfs(name, fs)
#define vfork fuzz_vfork
#define waitpid fuzz_waitpid
#define kill fuzz_kill
#define pipe2 fuzz_pipe2
#define socket fuzz_socket
#define sendto fuzz_sendto
#define syscall fuzz_syscall
#define ioctl fuzz_ioctl
#define poll fuzz_poll
#define read fuzz_read
#define write fuzz_write
#include "applet.h"

static void enough(void)
{
	fuzz_exit(FUZZ_ENOUGH);
}

static void check_bounds(const void *buf, size_t size)
{
	const char *s = buf;

#define INSIDE(array) if (s >= array && s < array + sizeof(array)) { \
		CHECK(size <= (size_t)(array + sizeof(array) - s)); \
	}
	INSIDE(G.out)
	INSIDE(G.entry)
	INSIDE(G.path)
}

/* A new world; what its calls answer is in data. */
static void fuzz_world(const uint8_t *data, size_t size)
{
	memset(fd_inode, 0, sizeof(fd_inode));
	memset(inode_wd, 0, sizeof(inode_wd));
	at_inode = next_wd = 0;
	calls_left = 20000;
	input = data;
	input_end = data + size;
	text = text_end = NULL;
	said_len = told_len = 0;
	child_runs = 0;
	fuzz_fresh();
	G.is_ready = 1;
	G.fd = QUEUE_FD;
	G.home = HOME_FD;
	G.signal_fd = SIGNALS_FD;
}

/* A world whose calls do well, by name */
static inline void text_world(unsigned exist)
{
	fuzz_world((const uint8_t *)"", 0);
	by_name = 1;
	exist_bits = exist;
}

/* Were there only whole lines on stderr, each with the name of the applet in
 * front? Returns how many. */
static inline unsigned check_said(const char *front)
{
	size_t n = (strlen)(front);
	unsigned lines = 0;
	char *s = said, *end;

	while (s < said + said_len) {
		CHECK((size_t)(said + said_len - s) > n && memcmp(s, front, n) == 0);
		end = memchr(s, '\n', said + said_len - s);
		CHECK(end != NULL);
		s = end + 1;
		lines++;
	}
	return lines;
}

/* Is the table whole? Each slot is found by its wd and by its place, a parent
 * counts its kids, names have their owners, the work queue ends, and no
 * descriptor is left open. */
static inline void check_table(void)
{
	unsigned w, k, n, used = 0, scan_left = 0;

	for (w = 1; w <= G.top_used; w++) {
		struct watch *p = &G.watches[w];

		if (!(p->flags & W_USED)) {
			continue;
		}
		used++;
		if (p->wd >= 0) {
			for (k = *wd_head(p->wd), n = 0; k != w; k = G.watches[k].wd_next) {
				CHECK(k != 0 && ++n <= MAX_WATCHES);
			}
		}
		if (p->parent != 0) {
			CHECK(p->parent <= G.top_used && (G.watches[p->parent].flags & W_USED));
			for (k = *name_head(p->parent, name_of(w)), n = 0; k != w; k = G.watches[k].name_next) {
				CHECK(k != 0 && ++n <= MAX_WATCHES);
			}
			CHECK(name_owner(p->name) == w);
			for (k = w, n = 0; k != 0; k = G.watches[k].parent) {
				CHECK(++n <= MAX_WATCHES);
			}
		}
		for (k = 1, n = 0; k <= G.top_used; k++) {
			n += (G.watches[k].flags & W_USED) && G.watches[k].parent == w;
		}
		CHECK(n == p->kids);
		if (p->flags & W_TODO) {
			CHECK((p->flags & W_QUEUED) || root_of(w) == 0);
			scan_left += !!(p->flags & W_SCAN);
		}
	}
	CHECK(used == G.in_use);
	CHECK(scan_left == G.scan_left);
	for (w = G.todo, n = 0; w != 0; w = G.watches[w].todo_next) {
		CHECK((G.watches[w].flags & W_QUEUED) && ++n <= MAX_WATCHES);
		CHECK(G.watches[w].todo_next != 0 || w == G.todo_last);
	}
	for (w = G.free, n = 0; w != 0; w = G.watches[w].wd_next) {
		CHECK(!(G.watches[w].flags & (W_USED | W_QUEUED)) && ++n <= MAX_WATCHES);
	}
	CHECK(at_inode == 0 && G.depth == 0);
	for (n = 0; n < FDS; n++) {
		CHECK(fd_inode[n] == 0);
	}
}

#endif
