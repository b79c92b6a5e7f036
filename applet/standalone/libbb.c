/*
 * What applet/watchlet.c uses of BusyBox's libbb, for building it alone.
 * Written for size: no stdio, no heap.
 *
 * Licensed under 0BSD, see file LICENSE in the watchlet source tree.
 */
#include "libbb.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "usage.h"

const char *applet_name;
/* libbb.h calls it a constant, so that it is kept in a register; it isn't one. */
struct globals *pointer_to_globals __asm__("ptr_to_globals");

/* A message or a path; what doesn't fit is cut. A cut path is too long for the
 * kernel, too. */
static char line[PATH_MAX + 1024];
static unsigned line_len;

/* In front of a message is what syslog wants: <LOG_DAEMON | LOG_ERR> */
enum {
	TAG_LEN = ENABLE_FEATURE_WATCHLET_DAEMON ? 4 : 0,
};

/* Appends s up to its end or the byte stop to line. Returns where it stopped. */
static const char *put(const char *s, char stop)
{
	while (*s && *s != stop) {
		if (line_len < sizeof(line) - 2) {
			line[line_len++] = *s;
		}
		s++;
	}
	return s;
}

/* Appends s with control bytes as \ooo: it may go to a terminal. */
static void put_escaped(const char *s)
{
	char buf[5];

	for (; *s; s++) {
		buf[0] = *s;
		buf[1] = '\0';
		if ((unsigned char)*s < ' ' || *s == 0x7f) {
			buf[0] = '\\';
			buf[1] = '0' + (*s >> 6);
			buf[2] = '0' + ((*s >> 3) & 7);
			buf[3] = '0' + (*s & 7);
			buf[4] = '\0';
		}
		put(buf, 0);
	}
}

static int same(const char *a, const char *b)
{
	while (*a == *b) {
		if (!*a) {
			return 1;
		}
		a++;
		b++;
	}
	return 0;
}

/* Writes the decimal digits of n, the last of them at last. Returns the first. */
static char *put_digits(char *last, unsigned n)
{
	for (; *last = '0' + n % 10, n > 9; last--) {
		n /= 10;
	}
	return last;
}

/* Until the next call */
char *utoa(unsigned n)
{
	static char buf[sizeof("4294967295\n")];

	buf[sizeof(buf) - 2] = '\0';
	return put_digits(buf + sizeof(buf) - 3, n);
}

void (*die_func)(void);

#if HAVE_DIE_FUNC
void xfunc_die(void)
{
	if (die_func) {
		die_func();
	}
	exit(EXIT_FAILURE);
}
#endif

#if ENABLE_FEATURE_WATCHLET_DAEMON
smallint logmode = LOGMODE_STDIO;

/* What syslogd of BusyBox, and any other, takes: <PRIORITY>TAG: TEXT. Not the
 * syslog() of libc: that is 6 KiB with what it calls. */
static void to_syslog(const char *text, size_t len)
{
	static const struct sockaddr_un dev_log = { AF_UNIX, "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	sendto(fd, text, len, MSG_NOSIGNAL, (const void *)&dev_log, sizeof(dev_log));
	close(fd);
}
#endif

/* Knows %s %u %d %c. */
void bb_error_msg(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line_len = 0;
	if (ENABLE_FEATURE_WATCHLET_DAEMON) {
		put("<27>", 0);
	}
	if (ENABLE_FEATURE_WATCHLET_RULES) {
		put_escaped(applet_name); /* the name of RULES is in it */
	} else {
		put(applet_name, 0);
	}
	put(": ", 0);
	while (*fmt) {
		char buf[12];
		char *s = buf + sizeof(buf) - 2;

		s[1] = '\0';
		*s = *fmt++;
		if (*s == '%') {
			switch (*fmt++) {
			case 'c':
				*s = va_arg(ap, int);
				put_escaped(s);
				continue;
			case 's':
				put_escaped(va_arg(ap, char *));
				continue;
			default:
				s = put_digits(s, va_arg(ap, unsigned));
			}
		}
		put(s, 0);
	}
	va_end(ap);
#if ENABLE_FEATURE_WATCHLET_DAEMON
	if (logmode & LOGMODE_SYSLOG) {
		to_syslog(line, line_len);
	}
	if (!(logmode & LOGMODE_STDIO)) {
		return;
	}
#endif
	line[line_len++] = '\n';
	if (write(STDERR_FILENO, line + TAG_LEN, line_len - TAG_LEN) < 0) {
		return; /* nowhere to say so */
	}
}

/* strerror() of musl is 2.2 KiB of messages, of which these can be seen here */
#define ERRORS \
	E(EPERM, "Operation not permitted") \
	E(ENOENT, "No such file or directory") \
	E(EIO, "I/O error") \
	E(ENOMEM, "Out of memory") \
	E(EACCES, "Permission denied") \
	E(ENOTDIR, "Not a directory") \
	E(EINVAL, "Invalid argument") \
	E(EMFILE, "Too many open files") \
	IF_FEATURE_WATCHLET_TREE(E(EFBIG, "File too large")) \
	E(ENOSPC, "No space left on device") \
	E(ENAMETOOLONG, "File name too long") \
	E(ELOOP, "Too many symbolic links") \
	E(ETXTBSY, "Text file busy") \
	E(ESTALE, "Not what it was at start") \
	IF_WATCHLET( \
	E(EISDIR, "Is a directory") \
	E(EROFS, "Read-only file system"))
/* "" when it is none of them */
const char *small_strerror(int error)
{
	static const char errors[] ALIGN1 =
#define E(number, text) text "\0"
		ERRORS
#undef E
	;
	static const unsigned char numbers[] ALIGN1 = {
#define E(number, text) number,
		ERRORS
#undef E
	};
	const char *text = errors;
	int i;

	for (i = 0; i < (int)sizeof(numbers) && numbers[i] != error; i++) {
		while (*text++) {
			continue;
		}
	}
	return text;
}

void bb_simple_perror_msg(const char *s)
{
	int error = errno;
	const char *text = small_strerror(error);

	if (*text) {
		bb_error_msg("%s: %s", s, text);
	} else {
		bb_error_msg("%s: error %u", s, error);
	}
}

void bb_simple_perror_msg_and_die(const char *s)
{
	bb_simple_perror_msg(s);
	xfunc_die();
}

static void usage(int fd, int status) NORETURN;
static void usage(int fd, int status)
{
	static const char watchlet[] ALIGN1 = watchlet_trivial_usage watchlet_full_usage "\n";

	line_len = 0;
	put("Usage: ", 0);
	put(applet_name, 0);
	put(" ", 0);
	put(watchlet, 0);
	exit(write(fd, line, line_len) < 0 ? EXIT_FAILURE : status);
}

void bb_show_usage(void)
{
	usage(STDERR_FILENO, EXIT_FAILURE);
}

int small_openat(int fd, const char *name, int flags, mode_t mode)
{
	return syscall(SYS_openat, fd, name, flags, mode);
}

/* fcntl() is 400 bytes in musl. */
int ndelay_on(int fd)
{
	int on = 1;

	return ioctl(fd, FIONBIO, &on);
}

void bb_sanitize_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0) {
		/* in an initramfs it may not be there yet */
		fd = open("/", O_RDONLY);
	}
	while ((unsigned)fd < 2) {
		fd = dup(fd);
	}
	if (fd > 2) {
		close(fd);
	}
}

ssize_t open_read_close(const char *filename, void *buf, size_t maxsz)
{
	int fd = open(filename, O_RDONLY);
	ssize_t n;

	if (fd < 0) {
		return fd;
	}
	n = read(fd, buf, maxsz);
	close(fd);
	return n;
}

/* The kernel's own calls: musl's take ten times the space. An array as large as
 * any sigset_t and sigaction of the kernel, all ones or all zeros, means the
 * same on every architecture. */
static long signals[16];

int sigprocmask_allsigs(int how)
{
	memset(signals, 0xff, sizeof(signals));
	return syscall(SYS_rt_sigprocmask, how, signals, NULL, _NSIG / 8);
}

/* f: SIG_DFL, SIG_IGN, or a handler that never returns: what it would return by
 * isn't given. Returns what was there. */
sighandler_t small_signal(int sig, sighandler_t f)
{
	/* SA_RESETHAND, SA_NODEFER, and the kernel's own SA_RESTORER */
	uint32_t flags = SA_RESETHAND | SA_NODEFER | 0x04000000;

	memset(signals, 0, sizeof(signals));
#ifdef __mips__
# define HANDLER 1
	memcpy(signals, &flags, sizeof(flags));
#else
# define HANDLER 0
	signals[1] = flags;
#endif
	signals[HANDLER] = (long)f;
	/* what was there goes to the other half: no struct has more than 8 words, and
	 * qemu-user fills it in before it has read what is new */
	syscall(SYS_rt_sigaction, sig, signals, signals + 8, _NSIG / 8);
	return (sighandler_t)signals[8 + HANDLER];
}

/* f: SIG_DFL, no other is asked for */
void bb_signals(int sigs, void (*f)(int) UNUSED_PARAM)
{
	int sig = 0;

	memset(signals, 0, sizeof(signals));
	while (sigs >>= 1) {
		sig++;
		if (sigs & 1) {
			syscall(SYS_rt_sigaction, sig, signals, NULL, _NSIG / 8);
		}
	}
}

char *small_strchr(const char *s, int c)
{
	while (*s != (char)c) {
		if (!*s++) {
			return NULL;
		}
	}
	return (char *)s;
}

char *small_strchrnul(const char *s, int c)
{
	while (*s && *s != (char)c) {
		s++;
	}
	return (char *)s;
}

char *small_strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c) {
			last = s;
		}
	} while (*s++);
	return (char *)last;
}

/* Returns the end of what was copied. */
char *small_stpcpy(char *dst, const char *src)
{
	while ((*dst = *src++) != '\0') {
		dst++;
	}
	return dst;
}

char *small_strcpy(char *dst, const char *src)
{
	small_stpcpy(dst, src);
	return dst;
}

/* execvp() is 1.1 KiB in musl, with what it calls. A name without slash is
 * looked for in PATH; of what was found but could not be run the error is kept. */
int BB_EXECVP(const char *file, char *const argv[])
{
	const char *dirs = "/usr/local/bin:/bin:/usr/bin";
	const char *s;
	char **env;
	int error = ENOENT;

	if (strchr(file, '/')) {
		return execve(file, argv, environ);
	}
	for (env = environ; *env; env++) {
		s = *env;
		if (s[0] == 'P' && s[1] == 'A' && s[2] == 'T' && s[3] == 'H' && s[4] == '=') {
			dirs = s + 5;
			break;
		}
	}
	do {
		line_len = 0;
		dirs = put(dirs, ':');
		if (line_len != 0) { /* else it is the working directory */
			put("/", 0);
		}
		put(file, 0);
		line[line_len] = '\0';
		execve(line, argv, environ);
		if (errno != ENOENT && errno != ENOTDIR) {
			error = errno;
		}
	} while (error != ENOEXEC && *dirs++);
	errno = error;
	return -1;
}

int wait4pid(pid_t pid)
{
	int status;

	if (pid <= 0) {
		return -1;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -1;
		}
	}
	if (WIFSIGNALED(status)) {
		return WTERMSIG(status) + 0x180;
	}
	return WEXITSTATUS(status);
}

/* clock_gettime() is 1 KiB in musl, to do without a system call. Where longs have
 * 32 bits, kernels before 5.1 have the other call only, and some later ones the first.
 * If it fails, time stands still. */
unsigned long long monotonic_ms(void)
{
#ifdef SYS_clock_gettime64
	static int64_t ts[2];

	if (syscall(SYS_clock_gettime64, CLOCK_MONOTONIC, ts) != 0) {
		long old[2];

		if (syscall(SYS_clock_gettime32, CLOCK_MONOTONIC, old) == 0) {
			ts[0] = old[0];
			ts[1] = old[1];
		}
	}
	return ts[0] * 1000ULL + (unsigned)ts[1] / 1000000;
#else
	static struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
#endif
}

int main(int argc, char **argv)
{
	if (argc == 0) {
		return 127;
	}
	/* a link to another name, or that name as first argument, is that face */
	applet_name = strrchr(argv[0], '/');
	applet_name = applet_name ? applet_name + 1 : argv[0];
	if (argv[1]) {
		if (IF_WATCHLET(same(argv[1], "watchlet") ||)
			IF_WATCHLET_INOTIFYD(same(argv[1], "inotifyd") ||)
			IF_WATCHLET_INOTIFYWAIT(same(argv[1], "inotifywait") ||)
			0
		) {
			applet_name = *++argv;
			argc--;
		}
		if (argv[1] && same(argv[1], "--help")
			IF_WATCHLET_INOTIFYWAIT(&& !same(applet_name, "inotifywait"))
		) {
			usage(STDOUT_FILENO, EXIT_SUCCESS);
		}
	}
	return watchlet_main(argc, argv);
}
