/*
 * What applet/watchlet.c uses of BusyBox's libbb, for building it alone.
 * Written for size: no stdio, no heap.
 *
 * Licensed under 0BSD, see file LICENSE in the watchlet source tree.
 */
#include "libbb.h"
#include "usage.h"

const char *applet_name;
struct globals *const ptr_to_globals __attribute__((section(".data")));

/* The text of a message; what doesn't fit is cut. */
static char line[PATH_MAX + 256];
static unsigned line_len;

static void put(const char *s)
{
	while (*s && line_len < sizeof(line) - 1) {
		line[line_len++] = *s++;
	}
}

static void put_number(unsigned n)
{
	char digits[sizeof(n) * 3 + 1];
	char *s = digits + sizeof(digits) - 1;

	*s = '\0';
	do {
		*--s = '0' + n % 10;
		n /= 10;
	} while (n);
	put(s);
}

/* Knows %s %u %d %c. */
static void error_msg(const char *fmt, va_list ap, const char *strerr)
{
	char c[2] = "";

	line_len = 0;
	put(applet_name);
	put(": ");
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			c[0] = *fmt;
			put(c);
			continue;
		}
		fmt++;
		if (*fmt == 's') {
			put(va_arg(ap, const char *));
		} else if (*fmt == 'c') {
			c[0] = va_arg(ap, int);
			put(c);
		} else {
			put_number(va_arg(ap, unsigned));
		}
	}
	if (strerr) {
		put(": ");
		put(strerr);
	}
	line[line_len++] = '\n';
	if (write(STDERR_FILENO, line, line_len) < 0) {
		return; /* nowhere to say so */
	}
}

void bb_error_msg(const char *s, ...)
{
	va_list ap;

	va_start(ap, s);
	error_msg(s, ap, NULL);
	va_end(ap);
}

void bb_error_msg_and_die(const char *s, ...)
{
	va_list ap;

	va_start(ap, s);
	error_msg(s, ap, NULL);
	va_end(ap);
	exit(EXIT_FAILURE);
}

void bb_perror_msg(const char *s, ...)
{
	va_list ap;

	va_start(ap, s);
	error_msg(s, ap, strerror(errno));
	va_end(ap);
}

void bb_simple_perror_msg(const char *s)
{
	bb_perror_msg("%s", s);
}

void bb_simple_perror_msg_and_die(const char *s)
{
	bb_simple_perror_msg(s);
	exit(EXIT_FAILURE);
}

static void usage(int fd, int status) NORETURN;
static void usage(int fd, int status)
{
	static const char watchlet[] ALIGN1 = watchlet_trivial_usage "\n" watchlet_full_usage "\n";

	line_len = 0;
	put("Usage: ");
	put(applet_name);
	put(" ");
	put(watchlet);
	exit(write(fd, line, line_len) < 0 ? EXIT_FAILURE : status);
}

void bb_show_usage(void)
{
	usage(STDERR_FILENO, EXIT_FAILURE);
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

int sigprocmask_allsigs(int how)
{
	sigset_t set;

	sigfillset(&set);
	return sigprocmask(how, &set, NULL);
}

void kill_myself_with_sig(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	_exit(sig | 128);
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

unsigned long long monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
#if ENABLE_WATCHLET_INOTIFYD
		"inotifyd",
#endif
#if ENABLE_WATCHLET
		"watchlet",
#endif
		NULL
	};
	const char *slash;
	int i;

	if (argc == 0) {
		return 127;
	}
	/* a link to another name, or that name as first argument, is that face */
	slash = strrchr(argv[0], '/');
	applet_name = slash ? slash + 1 : argv[0];
	if (argv[1]) {
		for (i = 0; names[i]; i++) {
			if (strcmp(argv[1], names[i]) == 0) {
				applet_name = *++argv;
				argc--;
				break;
			}
		}
		if (argv[1] && strcmp(argv[1], "--help") == 0) {
			usage(STDOUT_FILENO, EXIT_SUCCESS);
		}
	}
	return watchlet_main(argc, argv);
}
