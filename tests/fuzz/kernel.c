/*
 * The event reader, the scanner and the watch table against a kernel that says
 * whatever the input says: torn events, unknown wds, lengths that can't be,
 * names of any bytes, listings that fit to nothing, every call failing.
 *
 * The calls of the applet come here. What they answer is taken from the input,
 * a byte at a time. A read() of events takes what follows as events. After each
 * round the table must be whole, with no descriptor left open.
 *
 * The input: a byte that chooses options, then as above.
 */
#include "libbb.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

enum {
	INODES = 6,
	FDS = 40,
	FIRST_FD = 1000,        /* no real one */
	QUEUE_FD = FIRST_FD - 1,
	HOME_FD = FIRST_FD - 2,
};

static const uint8_t *input, *input_end;
static int fd_inode[FDS];       /* 0: not open */
static int at_inode;            /* the working directory */
static int inode_wd[INODES + 1];
static int next_wd;
static int calls_left;          /* until it is enough */
static int listed[FDS];

/* ends this input */
static void enough(void) __attribute__((noreturn));

static void check_table(void);

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

static int fuzz_openat(int fd, const char *name, int flags, ...)
{
	(void)flags;
	(void)(strlen)(name);
	if (fd == -1) {
		errno = EBADF;
		return -1;
	}
	if (fd != AT_FDCWD) {
		open_fd(fd);
	}
	return fails() ? -1 : new_fd(some_inode());
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
	if (fails()) {
		return -1;
	}
	if (path[0] != '.' || path[1] || inode == 0) {
		inode = some_inode();
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

static int fuzz_stat(struct stat *st)
{
	static const mode_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };

	if (fails()) {
		return -1;
	}
	memset(st, 0, sizeof(*st));
	st->st_mode = types[next_byte() & 3];
	st->st_ino = some_inode();
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
	(void)(strlen)(name);
	if (fd != AT_FDCWD) {
		open_fd(fd);
	}
	return fuzz_stat(st);
}

static int fuzz_lstat(const char *name, struct stat *st)
{
	(void)(strlen)(name);
	return fuzz_stat(st);
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
	if (number == SYS_getdents64) {
		return fuzz_getdents(a, (char *)b, c);
	}
#ifdef SYS_openat2
	if (number == SYS_openat2) {
		return fuzz_openat(a, (char *)b, 0);
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

	if (--calls_left < 0 || input == input_end) {
		enough();
	}
	for (i = 0; i < n; i++) {
		pfd[i].revents = 0;
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

	(void)fd;
	if (--calls_left < 0) {
		enough();
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
	(void)fd;
	(void)buf;
	return size;
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
#define syscall fuzz_syscall
#define ioctl fuzz_ioctl
#define poll fuzz_poll
#define read fuzz_read
#define write fuzz_write
#include "applet.h"

static void enough(void)
{
	fuzz_exit(0);
}

/* Is the table whole? Each slot is found by its wd and by its place, a parent
 * counts its kids, names have their owners, the work queue ends, and no
 * descriptor is left open. */
static void check_table(void)
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

static void watch_and_go(void)
{
	static char a[] = "a", b[] = "b/";

	add_path(a, 0);
	if (next_byte() & 1) {
		add_path(b, 0);
	}
	loop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(fd_inode, 0, sizeof(fd_inode));
	memset(inode_wd, 0, sizeof(inode_wd));
	at_inode = next_wd = 0;
	calls_left = 20000;
	input = data;
	input_end = data + size;
	fuzz_fresh();
	G.is_ready = 1;
	G.fd = QUEUE_FD;
	G.home = HOME_FD;
	G.opts = G.rules[0].opts = OPT_r | (next_byte() & (OPT_i | OPT_p));
	RUN(watch_and_go());
	return 0;
}
