/*
 * A kernel for the applet inside a fuzzer. The calls of the applet come here. What
 * they answer is taken from the input, a byte at a time (fails(), some_inode() …),
 * and all goes well when that has ended. A read() of events takes what follows as
 * events. The clock goes on only while the applet sleeps.
 * With by_name, instead, what exists, and as which inode, is a matter of the name:
 * for harnesses whose input is text.
 *
 * What no answer may bring about is looked for wherever the applet calls: see
 * check_table(), check_pending(), check_sleep(), check_line(). What was not read of
 * events and of directories is poisoned for ASan.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "libbb.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#if defined(__SANITIZE_ADDRESS__) || (defined(__has_feature) && __has_feature(address_sanitizer))
# include <sanitizer/asan_interface.h>
#else
# define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
# define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum {
	INODES = 6,
	FDS = 40,
	FIRST_FD = 1000,        /* no real one */
	QUEUE_FD = FIRST_FD - 1,
	HOME_FD = FIRST_FD - 2,
	TEXT_FD = FIRST_FD - 3,
	SIGNALS_FD = FIRST_FD - 4,
	PID_FD = FIRST_FD - 5,
	LAST_FD = FIRST_FD - 9, /* of those that are no real ones */
	LONG_NAME = 500,        /* more than NAME_MAX: FUSE has such */
	CHILD = 0x7fff0000,     /* no real process */
};

static const uint8_t *input, *input_end;
static int fd_inode[FDS];       /* 0: not open */
static int at_inode;            /* the working directory */
static int inode_wd[INODES + 1];
static int is_spare[INODES + 1];
static int next_wd;
static int calls_left;          /* until it is enough */
static int listed[FDS];

/* A name with n colons in it exists if bit n is set */
static int by_name;
static unsigned exist_bits;
/* The file TEXT; new_text() is called when it is opened */
#define TEXT "RULES"
static const uint8_t *text, *text_end;
static void (*new_text)(void);
/* What was said on stderr; how many bytes were written to stdout */
static char said[64 * 1024];
static size_t said_len, told_len;
/* PROG: does it run, and has it ended; the last that was written to its stdin */
static int child_runs, child_ended;
static int feed_fd;
static char fed_last;
static int signal_now;          /* what SIGNALS_FD has */
static uint64_t clock_ms;
static int fork_answer;         /* as what fork() returns: 0, CHILD or -1 */
static char pidfile[PATH_MAX];  /* that was made */
static int pid_is_device;       /* it isn't one */
static int has_raw;             /* there were events that no kernel gives */
/* The lines on stdout are records, with these letters in EVENTS */
static int tells_records;
static unsigned line_len_of[2]; /* of the one that is being written: stdout, feed */
static uint32_t letters_asked;
static int any_rules;           /* rules may be of any bytes */

/* ends this input */
static void enough(void) __attribute__((noreturn));

static inline void check_table(void);
static void check_sleep(int ms);
static void check_line(int fd, const char *s, size_t size);
static void check_prog(char *const *argv);

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
	if (*name && (strcmp)(name, pidfile) == 0) {
		return INODES;
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
	if (fd != AT_FDCWD && fd != HOME_FD) {
		open_fd(fd);
	}
	if ((strcmp)(name, TEXT) == 0 && !(flags & (O_PATH | O_DIRECTORY | O_CREAT))) {
		if (fails()) {
			return -1;
		}
		if (new_text) {
			new_text();
		}
		return TEXT_FD;
	}
	if (fd == AT_FDCWD && name[0] == '.' && !name[1] && (flags & O_PATH)) {
		return HOME_FD;
	}
	if ((strcmp)(name, "/dev/null") == 0 && (flags & (O_CREAT | O_ACCMODE)) == O_RDWR) {
		return new_fd(1);
	}
	if ((flags & (O_CREAT | O_ACCMODE)) == (O_CREAT | O_RDWR)) {
		errno = ENOENT;
		if (!*name || (strlen)(name) >= sizeof(pidfile) || fails()) {
			return -1;
		}
		pid_is_device = (strrchr)(name, '|') != NULL;
		if (!pid_is_device) {
			(strcpy)(pidfile, name);
		}
		return PID_FD;
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
	if (fd == feed_fd) {
		/* PROG got whole lines, if it took them */
		if (fed_last != '\n' && child_runs) {
			__builtin_trap();
		}
		feed_fd = -1;
	}
	return 0;
}

static int fuzz_dup(int fd)
{
	int inode = *open_fd(fd);

	return fails() ? -1 : new_fd(inode);
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
	if (mask == (IN_ATTRIB | IN_MASK_ADD)) {
		/* -F waits for a change of mode there: it has a step for that, if the
		 * answers that made one fit to this */
		is_spare[inode] = 1;
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

/* The kernel says that it has forgotten this watch. */
static void forget_wd(int wd)
{
	int i;

	for (i = 1; i <= INODES; i++) {
		if (inode_wd[i] == wd) {
			inode_wd[i] = 0;
		}
	}
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
	st->st_ino = fd == PID_FD ? INODES : *open_fd(fd);
	st->st_mode = fd != PID_FD ? S_IFDIR : pid_is_device ? S_IFCHR : S_IFREG;
	return 0;
}

static int fuzz_fstatat(int fd, const char *name, struct stat *st, int flags)
{
	(void)flags;
	if (fd != AT_FDCWD && fd != HOME_FD) {
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

/* A name of a letter, sometimes of any bytes, or long, with a zero; name has
 * LONG_NAME bytes. Returns its length. */
static unsigned some_name(char *name)
{
	unsigned c = next_byte(), n = 1, i;

	if (c >= 0xf8) {
		n = c == 0xff ? NAME_MAX + 1 + next_byte() % 200 : NAME_MAX - next_byte() % 4;
		memset(name, 'a' + c % 5, n);
	} else if (c >= 0xf0) {
		n = 1 + next_byte() % 16;
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
	ASAN_UNPOISON_MEMORY_REGION(buf, size);
	if (fails()) {
		return -1;
	}
	if (listed[fd - FIRST_FD]++ == 2) {
		listed[fd - FIRST_FD] = 0;
		return 0;
	}
	for (entries = next_byte() % 12; entries; entries--) {
		char name[LONG_NAME];
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
	ASAN_POISON_MEMORY_REGION(buf + at, size - at);
	return at;
}

/* The clock: only the monotonic one is asked for. */
static void fuzz_clock_gettime(int clock, void *ts)
{
	int64_t now[2];

	if (clock != CLOCK_MONOTONIC) {
		__builtin_trap();
	}
	now[0] = clock_ms / 1000;
	now[1] = clock_ms % 1000 * 1000000;
#ifdef SYS_clock_gettime64
	memcpy(ts, now, sizeof(now));
#else
	((struct timespec *)ts)->tv_sec = now[0];
	((struct timespec *)ts)->tv_nsec = now[1];
#endif
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
#ifdef SYS_clock_gettime64
	if (number == SYS_clock_gettime64) {
#else
	if (number == SYS_clock_gettime) {
#endif
		fuzz_clock_gettime(a, (void *)b);
		return 0;
	}
	if (number == SYS_signalfd4) {
		return fails() ? -1 : SIGNALS_FD;
	}
	if (number == SYS_rt_sigprocmask || number == SYS_rt_sigaction) {
		return 0;
	}
#ifdef SYS_fork
	if (number == SYS_fork) {
#else
	if (number == SYS_clone) {
#endif
		errno = EAGAIN;
		return fork_answer;
	}
#ifdef SYS_openat2
	if (number == SYS_openat2) {
		return fuzz_openat(a, (char *)b, O_DIRECTORY);
	}
#endif
	errno = ENOSYS;
	return -1;
}

/* What the user gave with -n is open if it is odd. */
static int fuzz_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	if (request == FIONREAD) {
		va_start(ap, request);
		*va_arg(ap, int *) = (next_byte() & 3) * 16;
		va_end(ap);
	} else if (fd >= LAST_FD ? fd < FIRST_FD || fd >= FIRST_FD + FDS || !fd_inode[fd - FIRST_FD] : !(fd & 1)) {
		errno = EBADF;
		return -1;
	}
	return 0;
}

static int fuzz_poll(struct pollfd *pfd, nfds_t n, int ms)
{
	int queue = (pfd[0].fd == QUEUE_FD);
	unsigned c, any = 0;
	nfds_t i;

	for (i = 0; i < n; i++) {
		pfd[i].revents = 0;
	}
	if (--calls_left < 0) {
		enough();
	}
	if (queue) {
		check_table();
		check_sleep(ms);
		if (input == input_end) {
			enough();
		}
	} else if (ms < 0 && pfd[0].fd < 0 && !child_runs) {
		__builtin_trap(); /* it would sleep for ever */
	}
	c = next_byte();
	if (pfd[0].fd >= 0 && !(c & 1)) {
		pfd[0].revents = pfd[0].events;
		any++;
	}
	if (pfd[1].fd >= 0 && c == 0xef) {
		pfd[1].revents = POLLERR;
		any++;
	}
	if (n > 2) {
		if (child_runs && ((c & 2) || (pfd[0].fd < 0 && input == input_end))) {
			child_ended = 1;
			signal_now = SIGCHLD;
		} else if (c >= 0xf0) {
			static const unsigned char signals[] = { SIGHUP, SIGUSR1, SIGCHLD, SIGHUP };

			signal_now = c == 0xf9 ? SIGPIPE : signals[c & 3];
			if (signal_now == SIGHUP && !new_text) {
				signal_now = 0; /* without -f that ends it */
			}
		}
		if (signal_now) {
			pfd[2].revents = POLLIN;
			any++;
		}
		if (pfd[3].fd >= 0 && (c & 4)) {
			open_fd(pfd[3].fd);
			pfd[3].revents = c & 8 ? POLLOUT : POLLERR;
			any++;
		}
		if (pfd[4].fd >= 0 && (c & 0x1c) == 0x18) {
			pfd[4].revents = POLLPRI | POLLERR;
			any++;
		}
	}
	if (!any && ms < 0) {
		if (pfd[0].fd >= 0) {
			pfd[0].revents = pfd[0].events;
		} else {
			child_ended = 1;
			signal_now = SIGCHLD;
			pfd[2].revents = POLLIN;
		}
		any = 1;
	}
	if (!any) {
		clock_ms += ms;
	} else if (pfd[0].events != POLLOUT) {
		clock_ms += (c >> 4) * (ms < 0 ? 50 : ms) / 16;
	}
	return any;
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
		if (!signal_now) {
			__builtin_trap(); /* it is read only when there is one */
		}
		memset(buf, 0, size);
		((struct signalfd_siginfo *)buf)->ssi_signo = signal_now;
		signal_now = 0;
		return size;
	}
	if (fd >= FIRST_FD) {
		/* the parent of -d */
		open_fd(fd);
		return fork_answer > CHILD;
	}
	if (fd == TEXT_FD || fd == STDIN_FILENO) {
		if (fails()) {
			return -1;
		}
		n = text_end - text;
		n = n < size ? n : size;
		memcpy(buf, text, n);
		text += n;
		return n;
	}
	if (fd != QUEUE_FD) {
		__builtin_trap();
	}
	ASAN_UNPOISON_MEMORY_REGION(buf, size);
	n = next_byte();
	if (n >= 0xf8) {
		has_raw = 1;
		for (n = next_byte(); n && at < size; n--) {
			((char *)buf)[at++] = next_byte();
		}
		ASAN_POISON_MEMORY_REGION((char *)buf + at, size - at);
		return at;
	}
	for (n %= 8; n; n--) {
		struct inotify_event ev;
		char name[LONG_NAME + 16];
		unsigned c;

		memset(name, 0, sizeof(name));
		ev.wd = next_byte() % (next_wd + 2);
		c = next_byte();
		ev.mask = masks[c & 15];
		ev.cookie = next_byte() & 3;
		ev.len = 0;
		if (ev.mask & (IN_Q_OVERFLOW)) {
			ev.wd = -1;
		} else if (!(ev.mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT))) {
			/* PATH itself has none, and what should have one may lack it */
			ev.len = c >= 0xe0 ? 0 : (some_name(name) + 1 + 15) & ~15;
		}
		if (ev.mask & IN_IGNORED) {
			forget_wd(ev.wd);
			has_raw |= (ev.wd > next_wd);
		}
		if (at + sizeof(ev) + ev.len > size) {
			break;
		}
		memcpy((char *)buf + at, &ev, sizeof(ev));
		memcpy((char *)buf + at + sizeof(ev), name, ev.len);
		at += sizeof(ev) + ev.len;
	}
	ASAN_POISON_MEMORY_REGION((char *)buf + at, size - at);
	if (at == 0) {
		errno = EAGAIN;
		return -1;
	}
	return at;
}

/* A write of size bytes that doesn't take them all: to less, or to none. */
static ssize_t part_of(size_t size)
{
	unsigned c = next_byte();

	if (c < 0xf0) {
		return size;
	}
	errno = c == 0xff ? ENOSPC : c == 0xfe ? EPIPE : EAGAIN;
	return c >= 0xfc ? -1 : (ssize_t)(size / (c - 0xee));
}

static ssize_t fuzz_write(int fd, const void *buf, size_t size)
{
	check_bounds(buf, size);
	if (fd == STDOUT_FILENO || fd == feed_fd) {
		ssize_t n;

		if (fd == feed_fd) {
			open_fd(fd);
		} else if (tells_records && size > PIPE_BUF && memchr(buf, '\n', size - 1)) {
			__builtin_trap(); /* only one line may be so long */
		}
		if (size == 0) {
			__builtin_trap();
		}
		n = part_of(size);
		if (n > 0) {
			if (tells_records) {
				check_line(fd, buf, n);
			}
			if (fd == feed_fd) {
				fed_last = ((const char *)buf)[n - 1];
			} else {
				told_len += n;
			}
		} else if (n < 0 && errno != EAGAIN) {
			fed_last = '\n'; /* it gets no more */
		}
		return n;
	}
	if (fd == PID_FD && pid_is_device) {
		__builtin_trap();
	}
	if (fd == STDERR_FILENO && said_len + size < sizeof(said)) {
		memcpy(said + said_len, buf, size);
		said_len += size;
	}
	return size;
}

/* PROG is started, as far as what it would get can be looked at, and runs until
 * poll() says that it has ended. */
static jmp_buf fuzz_parent;

static int in_child, parent_inode;

static int fuzz_started(int again)
{
	if (again) {
		in_child = 0;
		at_inode = parent_inode;
		child_runs = 1;
		child_ended = 0;
		fed_last = '\n';
		return CHILD;
	}
	if (child_runs) {
		__builtin_trap(); /* one at a time */
	}
	if (fails()) {
		return -1;
	}
	in_child = 1;
	parent_inode = at_inode;
	return 0;
}

static void fuzz__exit(int status) __attribute__((noreturn));
static void fuzz__exit(int status)
{
	if (in_child) {
		longjmp(fuzz_parent, 1);
	}
	exit(status);
}

static int fuzz_execve(const char *file, char *const *argv, char *const *env)
{
	(void)file;
	(void)env;
	if (!in_child || at_inode != 0) {
		__builtin_trap(); /* PROG starts where the applet did */
	}
	if (next_byte() == 0xff) {
		errno = ENOEXEC;
		return -1;
	}
	check_prog(argv);
	longjmp(fuzz_parent, 1);
}

static pid_t fuzz_waitpid(pid_t pid, int *status, int options)
{
	if (!(options & WNOHANG)) {
		*status = 0;
		return fails() ? -1 : pid; /* that of -d */
	}
	if (pid != CHILD || !child_runs) {
		__builtin_trap();
	}
	if (!child_ended) {
		return 0;
	}
	child_runs = child_ended = 0;
	*status = next_byte();
	*status = *status < 0xc0 ? 0 : *status < 0xe0 ? (*status & 7) << 8 : *status & 15;
	return CHILD;
}

static int fuzz_kill(pid_t pid, int sig)
{
	(void)pid;
	(void)sig;
	enough();
}

static int fuzz_dup2(int old, int new)
{
	if (old >= FIRST_FD) {
		open_fd(old);
	}
	return new;
}

static int fuzz_pipe2(int *fds, int flags)
{
	if (fails()) {
		return -1;
	}
	fds[0] = new_fd(1);
	fds[1] = new_fd(1);
	if (fds[1] < 0) {
		__builtin_trap(); /* so many are never open */
	}
	if (flags) {
		feed_fd = fds[1];
		line_len_of[1] = 0;
	}
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

static int fuzz_inotify_init1(int flags)
{
	if (flags != (IN_NONBLOCK | IN_CLOEXEC)) {
		__builtin_trap();
	}
	return fails() ? -1 : QUEUE_FD;
}

static int fuzz_flock(int fd, int how)
{
	(void)how;
	if (fd != PID_FD || pid_is_device) {
		__builtin_trap();
	}
	return fails() ? -1 : 0;
}

static int fuzz_ftruncate(int fd, off_t size)
{
	return fd == PID_FD && size == 0 ? 0 : -1;
}

static int fuzz_unlinkat(int fd, const char *name, int flags)
{
	(void)flags;
	if (fd != HOME_FD || (strcmp)(name, pidfile) != 0) {
		__builtin_trap(); /* no file but that may be removed */
	}
	pidfile[0] = '\0';
	return 0;
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
#define vfork() fuzz_started(setjmp(fuzz_parent))
#define execve fuzz_execve
#define _exit(status) fuzz__exit(status)
#define dup2 fuzz_dup2
#define flock fuzz_flock
#define ftruncate fuzz_ftruncate
#define unlinkat fuzz_unlinkat
#define setsid() ((pid_t)0)
#define inotify_init1 fuzz_inotify_init1
#define xmmap_anon(size) fuzz_mmap(size)
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
/* A guarded place for G */
static void *fuzz_mmap(size_t size)
{
	static void *zeroed;

	if (!zeroed) {
		zeroed = malloc(size);
	}
	return memset(zeroed, 0, size);
}

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

static char line_of[2][LINE_MAX_BYTES];

/* Adds what PATHs ask for now. A record may be of one that was removed since. */
static inline void note_letters(void)
{
	unsigned w;

	for (w = 1; w <= G.paths_used; w++) {
		letters_asked |= G.paths[w].mask & MASK_LETTERS;
	}
}

/* Is this EVENTS: letters in the order of their bits, or '.', and a slash? */
static void check_letters(const char *s)
{
	const char *start = s;
	unsigned bit;

	note_letters();
	for (bit = 0; bit < 16; bit++) {
		if (*s == bit_letters[bit]) {
			CHECK((MASK_ALWAYS | letters_asked) >> bit & 1);
			s++;
		}
	}
	CHECK(s != start && s[*s == '/'] == '\0');
}

/* Is this FILE below a PATH? All of a harness start with a or b. */
static void check_file(const char *s)
{
	CHECK(any_rules || *s == 'a' || *s == 'b' || *s == '/');
}

/* Is what leaves a record, with no control byte in it? Lines are put together. */
static void check_line(int fd, const char *s, size_t size)
{
	char *line = line_of[fd == feed_fd];
	unsigned *len = &line_len_of[fd == feed_fd];

	for (; size; size--, s++) {
		char *word, *tab;
		unsigned words = 1;

		CHECK(*len < LINE_MAX_BYTES);
		line[(*len)++] = *s;
		if (*s != '\n') {
			CHECK((*s >= ' ' && *s != 0x7f) || *s == '\t');
			continue;
		}
		line[*len - 1] = '\0';
		*len = 0;
		word = line;
		while ((tab = (strchr)(word, '\t')) != NULL) {
			*tab = '\0';
			words++;
			CHECK(tab[1] != '\0' && tab[1] != '\t');
			word = tab + 1;
		}
		check_letters(line);
		CHECK(words >= 2 && words <= 4);
		check_file(line + (strlen)(line) + 1);
	}
}

/* Is what PROG gets its ARGs, EVENTS FILE [SUBFILE [FROM]]? */
static void check_prog(char *const *argv)
{
	unsigned n = 1, words;

	CHECK(argv[0] != NULL);
	if (any_rules) {
		while (argv[n]) {
			n += 1 + ((strlen)(argv[n]) >= 3 * PATH_MAX);
		}
		CHECK(n <= MAX_WORDS + 5 + ROOM_FOR_SHELL);
		return;
	}
	if ((strcmp)(argv[0], "/bin/sh") == 0) {
		CHECK((strcmp)(argv[1], "-c") == 0);
		argv += 3;
	}
	CHECK(argv[0][0] == 'p');
	while (argv[n] && (strcmp)(argv[n], "A R") == 0) {
		n++;
	}
	argv += n;
	if (!argv[0]) {
		CHECK(G.child_stdin != 0);
		return; /* -b: they come on stdin */
	}
	CHECK(G.child_stdin == 0);
	for (words = 0; argv[words]; words++) {
		CHECK((strlen)(argv[words]) < sizeof(G.file)); /* longer than PATH_MAX: of an x */
	}
	CHECK(words >= 2 && words <= 4);
	check_letters(argv[0]);
	check_file(argv[1]);
}

/* Do the records that wait fit into their places, and is there one of an entry? */
static inline void check_pending(void)
{
	struct pending *p, *q;
	unsigned at, other, n = 0;

	for (at = 0; at < G.pending_end; at += p->size) {
		p = pending_at(at);
		CHECK(p->size % 8 == 0 && p->size > sizeof(*p) && at + p->size <= G.pending_end);
		if (p->mask == 0) {
			continue;
		}
		n++;
		CHECK(sizeof(*p) + (strlen)(p->path) < p->size);
		CHECK(p->file_len <= (strlen)(p->path) && p->name <= (strlen)(p->path));
		CHECK(p->root >= 1 && p->root <= G.paths_used && (G.watches[p->root].flags & W_USED));
		CHECK(rule_of(p->root)->opts & OPT_s);
		if (p->from) {
			CHECK(p->from == (strlen)(p->path) + 1);
			CHECK(sizeof(*p) + p->from + (strlen)(p->path + p->from) < p->size);
		}
		CHECK(p->state != P_BATCH || G.feed != 0);
		CHECK(p->state != P_OPEN || (int32_t)(p->limit - p->due) >= 0);
		CHECK((int32_t)(p->due - G.now) <= (int)rule_of(p->root)->settle_ms);
		for (other = at + p->size; p->state == P_OPEN && other < G.pending_end; other += q->size) {
			q = pending_at(other);
			CHECK(q->mask == 0 || q->state != P_OPEN || q->root != p->root || (strcmp)(p->path, q->path) != 0);
		}
	}
	CHECK(n == G.pending_used && n <= MAX_PENDING && G.pending_end <= PENDING_SIZE);
	CHECK(n != 0 || G.pending_end == 0);
}

/* The loop is about to sleep for ms: has all been done that could be, and does it
 * wake in time? */
static void check_sleep(int ms)
{
	struct pending *p;
	unsigned at = 0;
	uint32_t now = clock_ms;

	CHECK((G.child > 0) == child_runs);
	if (G.cur != G.end) {
		CHECK(ms == LATE_MS); /* it waits for the other half of a move */
		return;
	}
	check_pending();
	if (!IS_INOTIFYWAIT || !G.iw.held) {
		CHECK(G.out_len == 0);
	}
	CHECK(G.is_ready || G.scanning);
	CHECK(!G.scanning || G.todo != 0 || G.limbo);
	CHECK(ms >= 0 || (G.todo == 0 && !G.limbo));
	CHECK(!G.reload || G.child != 0 || ms == 0);
	if ((G.opts & OPT_t) && G.pending_used == 0 && G.child == 0) {
		CHECK(ms == 0 || ms == LATE_MS || (ms > 0 && (unsigned)ms <= G.deadline - clock_ms));
	}
	while ((p = next_pending(&at)) != NULL) {
		struct rule *rule = rule_of(p->root);
		int left = (rule->opts & OPT_b ? rule->burst_due : p->due) - now;

		if (G.child == 0 || !rule->prog) {
			CHECK(ms == 0 || (left > 0 && ms > 0 && (ms <= left || ms == LATE_MS)));
		}
	}
}

/* A new world; what its calls answer is in data. */
static void fuzz_world(const uint8_t *data, size_t size)
{
	memset(fd_inode, 0, sizeof(fd_inode));
	memset(inode_wd, 0, sizeof(inode_wd));
	memset(is_spare, 0, sizeof(is_spare));
	at_inode = next_wd = 0;
	calls_left = 20000;
	new_text = NULL;
	by_name = tells_records = has_raw = any_rules = 0;
	child_ended = in_child = signal_now = fork_answer = 0;
	feed_fd = -1;
	clock_ms = 1000;
	pidfile[0] = '\0';
	letters_asked = 0;
	line_len_of[0] = line_len_of[1] = 0;
	input = data;
	input_end = data + size;
	text = text_end = NULL;
	said_len = told_len = 0;
	child_runs = 0;
	if (ptr_to_globals) {
		ASAN_UNPOISON_MEMORY_REGION(&G, sizeof(G));
	}
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
	by_name = any_rules = 1;
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
		int fd = FIRST_FD + n;

		CHECK(fd_inode[n] == 0 || fd == G.mounts - 1 || fd == G.feed - 1 || fd == G.parent_fd);
	}
	for (n = 0; n < G.steps_used; n++) {
		CHECK(!G.steps[n].old && G.steps[n].path <= G.paths_used);
		CHECK(G.steps[n].path == 0 || (has_opt(G.steps[n].path, OPT_F) && G.steps[n].wd > 0));
	}
	for (w = 1, n = 0; w <= G.paths_used; w++) {
		n += (G.watches[w].flags & W_USED) && is_alive(w);
	}
	CHECK(n == G.paths_left);
	note_letters();
	/* no watch is kept that nothing needs */
	for (n = 1; n <= INODES; n++) {
		CHECK(inode_wd[n] == 0 || is_spare[n] || has_raw || wd_in_use(inode_wd[n]));
	}
}

#endif
