/*
 * What applet/watchlet.c uses of BusyBox's libbb, for building it alone: the
 * same names, signatures and meaning as in BusyBox 1.35 and later.
 *
 * Licensed under 0BSD, see file LICENSE in the watchlet source tree.
 */
#ifndef WATCHLET_LIBBB_H
#define WATCHLET_LIBBB_H

#if defined(BB_VER) || defined(LIBBB_H)
# error "this is the stand-in for building watchlet alone, not for a BusyBox tree"
#endif

#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "autoconf.h"

#define FAST_FUNC
#define NORETURN __attribute__((noreturn))
#define UNUSED_PARAM __attribute__((unused))
#define NOINLINE __attribute__((noinline))
#define ALIGN1
#define MAIN_EXTERNALLY_VISIBLE
#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))
#define LONE_CHAR(s, c) ((s)[0] == (c) && !(s)[1])
#define NOT_LONE_DASH(s) ((s)[0] != '-' || (s)[1])

typedef signed char smallint;

extern const char *applet_name;
#define bb_msg_standard_output "standard output"

/* As in BusyBox, a constant pointer that is written once: gcc keeps it in a
 * register. Alone, the one allocation is a static object. */
struct globals;
extern struct globals *const ptr_to_globals;
#define barrier() __asm__ volatile("" ::: "memory")
static inline void *not_const_pp(const void *p)
{
	void *pp;
	__asm__ volatile("" : "=r"(pp) : "0"(p));
	return pp;
}
#define SET_PTR_TO_GLOBALS(x) do { \
	*(void **)not_const_pp(&ptr_to_globals) = (void *)(x); \
	barrier(); \
} while (0)
#define xmmap_anon(size) __extension__ ({ \
	static char zeroed[size] __attribute__((aligned(16))); \
	(void *)zeroed; \
})

#define xvfork() __extension__ ({ \
	pid_t xvfork_pid = vfork(); \
	if (xvfork_pid < 0) \
		bb_simple_perror_msg_and_die("vfork"); \
	xvfork_pid; \
})
#define BB_MMU 1
/* fork() of musl is 2 KiB with its locks, which nobody takes here */
#ifdef SYS_fork
# define small_fork() syscall(SYS_fork)
#else
# define small_fork() syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)
#endif
#define fork_or_rexec(argv) __extension__ ({ \
	pid_t xfork_pid = ((void)(argv), small_fork()); \
	if (xfork_pid < 0) \
		bb_simple_perror_msg_and_die("fork"); \
	xfork_pid; \
})
#define xpipe(fds) ({ \
	if (pipe2(fds, 0) != 0) \
		bb_simple_perror_msg_and_die("can't create pipe"); \
})
int BB_EXECVP(const char *file, char *const argv[]);

void bb_error_msg(const char *s, ...) __attribute__((format(printf, 1, 2)));
#define bb_error_msg_and_die(...) (bb_error_msg(__VA_ARGS__), xfunc_die())
#define bb_simple_error_msg_and_die(s) bb_error_msg_and_die("%s", s)
void bb_simple_perror_msg(const char *s);
void bb_simple_perror_msg_and_die(const char *s) NORETURN;
void bb_show_usage(void) NORETURN;
#define HAVE_DIE_FUNC (ENABLE_FEATURE_WATCHLET_DAEMON || ENABLE_FEATURE_WATCHLET_RULES)
#if HAVE_DIE_FUNC
void xfunc_die(void) NORETURN;
#else
# define xfunc_die() exit(EXIT_FAILURE)
#endif
extern void (*die_func)(void);

enum {
	LOGMODE_STDIO = 1 << 0,
	LOGMODE_SYSLOG = 1 << 1,
	LOGMODE_BOTH = LOGMODE_STDIO + LOGMODE_SYSLOG,
};
extern smallint logmode;
/* ours keeps nothing open */
#define openlog(ident, option, facility) ((void)0)

void bb_sanitize_stdio(void);
ssize_t open_read_close(const char *filename, void *buf, size_t maxsz);
int sigprocmask_allsigs(int how);
void bb_signals(int sigs, void (*f)(int));
sighandler_t small_signal(int sig, sighandler_t f);
#define signal(sig, f) small_signal(sig, f)

/* musl's take 800 bytes more */
char *small_strchr(const char *s, int c);
char *small_strchrnul(const char *s, int c);
char *small_strrchr(const char *s, int c);
char *small_stpcpy(char *dst, const char *src);
char *small_strcpy(char *dst, const char *src);
#define strchr(s, c) small_strchr(s, c)
#define strchrnul(s, c) small_strchrnul(s, c)
#define strrchr(s, c) small_strrchr(s, c)
#define stpcpy(dst, src) small_stpcpy(dst, src)
#define strcpy(dst, src) small_strcpy(dst, src)
const char *small_strerror(int error);
#define strerror(error) small_strerror(error)
#define strlen(s) ((size_t)(small_strchr(s, '\0') - (s)))

/* The kernel's own calls: musl's take 1.3 KiB more, for kernels before 3.5 */
#define small_two(flags, mode, ...) (flags) | O_LARGEFILE, mode
#define openat(fd, name, ...) small_openat(fd, name, small_two(__VA_ARGS__, 0, 0))
#define open(name, ...) openat(AT_FDCWD, name, __VA_ARGS__)
int small_openat(int fd, const char *name, int flags, mode_t mode);
#define pipe2(fds, flags) syscall(SYS_pipe2, fds, flags)
#define fchdir(fd) syscall(SYS_fchdir, fd)
#define readlink(name, buf, size) syscall(SYS_readlinkat, AT_FDCWD, name, buf, size)
#define signalfd(fd, set, flags) syscall(SYS_signalfd4, fd, set, _NSIG / 8, flags)
#define sigprocmask(how, set, old) syscall(SYS_rt_sigprocmask, how, set, old, _NSIG / 8)
/* struct stat is the kernel's there; what musl has for all machines is 480 bytes more */
#if (defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__)
# define fstat(fd, st) syscall(SYS_fstat, fd, st)
# define fstatat(fd, name, st, flags) syscall(SYS_newfstatat, fd, name, st, flags)
# define lstat(name, st) fstatat(AT_FDCWD, name, st, AT_SYMLINK_NOFOLLOW)
#endif
#ifndef SYS_socketcall /* i386, s390x: SYS_socket is newer there */
# define socket(domain, type, protocol) syscall(SYS_socket, domain, type, protocol)
#endif

int ndelay_on(int fd);
int wait4pid(pid_t pid);
char *utoa(unsigned n);
unsigned long long monotonic_ms(void);

int watchlet_main(int argc, char **argv);

#endif
