/* vi: set sw=4 ts=4: */
/*
 * watchlet: tell what changes in files, directories and whole trees
 *
 * Copyright (C) 2026 the watchlet authors
 *
 * Licensed under 0BSD, see file LICENSE in the watchlet source tree.
 */

/*
 * How an event travels
 *
 * The kernel queues an event for every directory or file that has a watch
 * (man 7 inotify). One loop sleeps in poll(), reads as many whole events as
 * fit into G.events and takes them one by one, in the order of the queue.
 *
 * An event names its watch by a number, the wd. A small hash leads from the wd
 * to the slots of G.watches that have it: one for a PATH of the command line,
 * one for each directory below a PATH with -r; and when two PATHs name one
 * inode, one for each of them: the kernel gives one inode one wd. A slot knows
 * its parent and its name, never its path. The path is put together when a
 * record is made, so a renamed directory, with all that is below it, is one
 * write.
 *
 * Every slot that has the wd gets the event: tell() masks it with the letters
 * its PATH asked for and hands it to a sink, a line on stdout or one run of
 * PROG. Lines leave when the queue has been read empty.
 *
 * With -r a directory that appears is a place to look at: a slot without wd,
 * in the work queue. scan() takes the slots in that queue: it opens the
 * directory, watches it, lists it, tells what it found and puts what are
 * directories into the queue in turn. At start and after an overflow of the
 * kernel's queue the only place to look at is PATH itself: there is no other
 * scanner.
 *
 * Where the state of the world comes from
 *
 * The order of the queue is the truth: G.watches is what was true at the event
 * that is being handled. A look sees the world as it is now, and events that
 * are older than the look are still in the queue. The kernel says how many
 * bytes they take (FIONREAD), so every look knows the place in the stream up
 * to which events are older than itself (watch.seen), and they are void: for
 * the names in the directory that was listed, and for the name under which it
 * was found. What a look finds that the table has elsewhere is left alone:
 * the events that bring it here are in the queue, and are waited for.
 */

//config:config WATCHLET
//config:	bool "watchlet (27 kb)"
//config:	default y
//config:	help
//config:	Report changes of files, directories and whole trees as lines on
//config:	standard output, or run a program for each. No change is silently
//config:	lost, memory is fixed, and it sleeps in one system call.
//config:
//config:config WATCHLET_INOTIFYD
//config:	bool "inotifyd, by watchlet (1.8 kb)"
//config:	default y
//config:	depends on !INOTIFYD
//config:	help
//config:	The same program under the name of the applet it replaces. It takes
//config:	what scripts written for inotifyd give it: unknown letters in a
//config:	mask are ignored.
//config:
//config:config FEATURE_WATCHLET_OPTIONS
//config:	bool "Options -1 -t -q -v, flags in MASK"
//config:	default y
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	help
//config:	End after the first report (-1), end when nothing happens (-t SEC),
//config:	say nothing about a PROG that fails (-q), say how PROG ended (-v).
//config:	The flags / L 1 + E of a MASK. A limit of the kernel that is reached
//config:	is named with its sysctl.
//config:
//config:config FEATURE_WATCHLET_TREE
//config:	bool "Whole trees: -r -i -p"
//config:	default y
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	help
//config:	Watch directories with everything below them (-r), report what is
//config:	there already (-i), and tell a move within as one record (-p).
//config:
//config:config FEATURE_WATCHLET_GLOBS
//config:	bool "Leave out or select names: -x -I"
//config:	default y
//config:	depends on FEATURE_WATCHLET_TREE
//config:	help
//config:	-x GLOB leaves out what matches, -I GLOB reports only what matches.
//config:
//config:config FEATURE_WATCHLET_SETTLE
//config:	bool "Settling and batches: -s -b"
//config:	default y
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	help
//config:	Report an entry once it has settled, with all that happened to it in
//config:	one record (-s MS), and go on reading events while PROG runs. Give
//config:	PROG the records of a burst on its standard input (-b).
//config:
//config:config FEATURE_WATCHLET_FIGURES
//config:	bool "Figures on SIGUSR1"
//config:	default y
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	help
//config:	SIGUSR1 prints a line on stderr: how full the tables are, how many
//config:	events, records, overflows and runs of PROG there were.
//config:
//config:config FEATURE_WATCHLET_DAEMON
//config:	bool "Service: -d -n -P -S"
//config:	default y
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	select FEATURE_SYSLOG
//config:	help
//config:	Detach when every watch stands (-d), say so to a descriptor (-n FD),
//config:	keep a file with the process's number (-P FILE), and send messages to
//config:	syslog (-S).
//config:
//config:config FEATURE_WATCHLET_FOLLOW
//config:	bool "Follow names: -F"
//config:	default y
//config:	depends on FEATURE_WATCHLET_TREE
//config:	help
//config:	Watch a PATH by its name (-F): it may be missing, replaced, mounted
//config:	over, or reached through symlinks that are switched.
//config:
//config:config WATCHLET_INOTIFYWAIT
//config:	bool "inotifywait, by watchlet (5 kb)"
//config:	default y
//config:	depends on FEATURE_WATCHLET_TREE && FEATURE_WATCHLET_OPTIONS && FEATURE_WATCHLET_DAEMON
//config:	help
//config:	The same program under the name inotifywait, with the options and
//config:	the output of the one from inotify-tools.
//config:
//config:config FEATURE_WATCHLET_REGEX
//config:	bool "inotifywait --exclude --include (needs libc's regex)"
//config:	default y
//config:	depends on WATCHLET_INOTIFYWAIT
//config:	help
//config:	Leave out or select events by an extended regular expression. A
//config:	static binary grows by regcomp(), 30 to 60 kb; a BusyBox with grep
//config:	has that already.
//config:
//config:config FEATURE_WATCHLET_TIMEFMT
//config:	bool "inotifywait --timefmt (needs libc's strftime)"
//config:	default y
//config:	depends on WATCHLET_INOTIFYWAIT
//config:	help
//config:	%T in --format. A static binary grows by strftime() and what it needs
//config:	to know of time zones, 10 to 30 kb; a BusyBox with date has that
//config:	already.
//config:
//config:config FEATURE_WATCHLET_RULES
//config:	bool "A file of rules: -f"
//config:	default y
//config:	depends on FEATURE_WATCHLET_TREE
//config:	help
//config:	One process for many handlers: each line of a file has options, a
//config:	PATH, and a PROG with arguments. SIGHUP reads it again; rules that
//config:	have not changed go on without a gap.
//config:
//config:config WATCHLET_MAX_PATHS
//config:	int "Number of PATHs on the command line"
//config:	range 1 65535
//config:	default 1024
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	help
//config:	16 bytes each.
//config:
//config:config WATCHLET_MAX_WATCHES
//config:	int "Number of directories watched with -r, all PATHs together"
//config:	range 1 1000000
//config:	default 65535
//config:	depends on FEATURE_WATCHLET_TREE
//config:	help
//config:	28 bytes each and the length of its name. Pages of the table that
//config:	were never used take no memory where there is an MMU.
//config:
//config:config WATCHLET_NAMES_KB
//config:	int "Memory for the names of these directories, in KiB"
//config:	range 1 65535
//config:	default 1024
//config:	depends on FEATURE_WATCHLET_TREE
//config:
//config:config WATCHLET_MAX_GLOBS
//config:	int "Number of -x and -I"
//config:	range 1 255
//config:	default 32
//config:	depends on FEATURE_WATCHLET_GLOBS
//config:
//config:config WATCHLET_MAX_STEPS
//config:	int "Number of directories on the way to the PATHs of -F"
//config:	range 16 65535
//config:	default 1024
//config:	depends on FEATURE_WATCHLET_FOLLOW
//config:	help
//config:	12 bytes each. A PATH takes one for each of its components, and for
//config:	those of each symlink on its way.
//config:
//config:config WATCHLET_MAX_RULES
//config:	int "Number of rules"
//config:	range 1 1024
//config:	default 64
//config:	depends on FEATURE_WATCHLET_RULES
//config:	help
//config:	At most half of WATCHLET_MAX_PATHS, since old and new ones stand side
//config:	by side for a moment.
//config:
//config:config WATCHLET_RULES_KB
//config:	int "Size of the file of rules, in KiB"
//config:	range 1 1024
//config:	default 16
//config:	depends on FEATURE_WATCHLET_RULES
//config:	help
//config:	Twice this is kept. Pages that were never used take no memory where
//config:	there is an MMU.
//config:
//config:config WATCHLET_MAX_PENDING
//config:	int "Number of entries that may wait to settle"
//config:	range 1 65535
//config:	default 1024
//config:	depends on FEATURE_WATCHLET_SETTLE
//config:	help
//config:	160 bytes each, with their path. When there is no room the oldest is
//config:	reported early. Pages that were never used take no memory where
//config:	there is an MMU.
//config:
//config:config WATCHLET_EVENT_BUF
//config:	int "Bytes of events read at a time"
//config:	range 4112 65536
//config:	default 16384
//config:	depends on WATCHLET || WATCHLET_INOTIFYD
//config:	help
//config:	The least is one event of the longest name, which FUSE has: one that
//config:	doesn't fit can't be read, nor any behind it.

//applet:IF_WATCHLET(APPLET(watchlet, BB_DIR_SBIN, BB_SUID_DROP))
//applet:IF_WATCHLET_INOTIFYD(APPLET_ODDNAME(inotifyd, watchlet, BB_DIR_SBIN, BB_SUID_DROP, inotifyd))
//applet:IF_WATCHLET_INOTIFYWAIT(APPLET_ODDNAME(inotifywait, watchlet, BB_DIR_USR_BIN, BB_SUID_DROP, inotifywait))

//kbuild:lib-$(CONFIG_WATCHLET) += watchlet.o
//kbuild:lib-$(CONFIG_WATCHLET_INOTIFYD) += watchlet.o

//usage:#define watchlet_options_usage
//usage:	IF_FEATURE_WATCHLET_TREE("[-r" IF_FEATURE_WATCHLET_FOLLOW("F") "ip] ") IF_FEATURE_WATCHLET_OPTIONS("[-1qv] [-t SEC] ")
//usage:	IF_FEATURE_WATCHLET_GLOBS("[-x GLOB]... [-I GLOB]... ")
//usage:	IF_FEATURE_WATCHLET_SETTLE("[-s MS [-b]] ")
//usage:	IF_FEATURE_WATCHLET_DAEMON("[-dS] [-n FD] [-P PIDFILE] ")
//usage:#define watchlet_events_usage
//usage:     "\nRun PROG EVENTS FILE [SUBFILE] on changes; PROG - prints"
//usage:	IF_FEATURE_WATCHLET_TREE(
//usage:     "\n"
//usage:     "\n	-r	Watch everything below PATH; EVENTS ends in / for directories"
//usage:	IF_FEATURE_WATCHLET_FOLLOW(
//usage:     "\n	-F	Follow the name: PATH may be missing, or be replaced"
//usage:	)
//usage:     "\n	-i	First report what is there, then '.'"
//usage:     "\n	-p	Report a move as one y, with the old path as last word"
//usage:	)
//usage:	IF_FEATURE_WATCHLET_GLOBS(
//usage:     "\n	-x GLOB	Leave out names (with a slash: paths below PATH) that match"
//usage:     "\n	-I GLOB	Report only what matches"
//usage:	)
//usage:	IF_FEATURE_WATCHLET_SETTLE(
//usage:     "\n	-s MS	Report an entry once, MS after its last event"
//usage:     "\n	-b	With -s: run PROG once for a burst, records on its stdin"
//usage:	)
//usage:	IF_FEATURE_WATCHLET_OPTIONS(
//usage:     "\n	-1	Exit after the first report, with PROG's status"
//usage:     "\n	-t SEC	Exit with 2 when nothing was reported for SEC"
//usage:     "\n	-q	Don't say that PROG failed"
//usage:     "\n	-v	Say how PROG ended"
//usage:	)
//usage:	IF_FEATURE_WATCHLET_DAEMON(
//usage:     "\n	-d	Detach when every watch stands"
//usage:     "\n	-n FD	Write a newline to FD then"
//usage:     "\n	-P FILE	Pidfile"
//usage:     "\n	-S	Messages to syslog"
//usage:	)
//usage:	IF_FEATURE_WATCHLET_RULES(
//usage:     "\n	-f FILE	Lines of [-rFipb] [-s MS] [-x GLOB]... [-I GLOB]... PATH[:MASK] PROG [ARG]..."
//usage:	)
//usage:     "\n"
//usage:     "\n	a accessed	c modified	e metadata changed"
//usage:     "\n	w written	0 closed	r opened"
//usage:     "\n	D deleted	M moved	u unmounted	o overflow	x not watched"
//usage:     "\nIn a directory:"
//usage:     "\n	n created	d deleted	m moved away	y moved here"
//usage:	IF_FEATURE_WATCHLET_OPTIONS(
//usage:     "\nIn MASK:"
//usage:     "\n	/ only a directory	L don't follow symlink	1 one event"
//usage:     "\n	+ add to the mask of the inode	E not for unlinked children"
//usage:	)
//usage:#define watchlet_trivial_usage
//usage:	watchlet_options_usage "PROG PATH[:MASK]..." IF_FEATURE_WATCHLET_RULES(" | -f RULES")
//usage:#define watchlet_full_usage "\n" watchlet_events_usage
//usage:#if ENABLE_WATCHLET_INOTIFYD /* instead of what inotifyd.c says */
//usage:# undef inotifyd_trivial_usage
//usage:# undef inotifyd_full_usage
//usage:# define inotifyd_trivial_usage
//usage:	watchlet_options_usage "PROG PATH[:MASK]..." IF_FEATURE_WATCHLET_RULES(" | -f RULES")
//usage:# define inotifyd_full_usage "\n" watchlet_events_usage
//usage:#endif
//usage:#define inotifywait_trivial_usage
//usage:	"[OPTIONS] FILE..."
//usage:#define inotifywait_full_usage "\n\n"
//usage:     "Wait for an event, print 'FILE EVENTS NAME'\n"
//usage:     "\n	-m --monitor	Go on after it"
//usage:     "\n	-d --daemon	... in the background, with -o"
//usage:     "\n	-r --recursive	What is below FILE, too"
//usage:     "\n	-e --event EVENT[,EVENT]..."
//usage:     "\n	-t --timeout SEC"
//usage:     "\n	-o --outfile FILE"
//usage:     "\n	-q --quiet	Only events; -qq nothing"
//usage:     "\n	-s --syslog"
//usage:     "\n	-c --csv"
//usage:     "\n	-P --no-dereference"
//usage:     "\n	--fromfile FILE	FILEs a line; - is stdin"
//usage:     "\n	--format FMT	%w FILE, %f name, %e events, %c cookie, %T time"
//usage:     "\n	--no-newline"
//usage:	IF_FEATURE_WATCHLET_TIMEFMT(
//usage:     "\n	--timefmt FMT"
//usage:	)
//usage:	IF_FEATURE_WATCHLET_REGEX(
//usage:     "\n	--exclude --excludei --include --includei REGEX"
//usage:	)
//usage:     "\n	@FILE		Don't watch FILE"
//usage:     "\n"
//usage:     "\nEVENTs: access modify attrib close_write close_nowrite close open"
//usage:     "\nmoved_to moved_from move move_self create delete delete_self unmount"

#include "libbb.h"
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <poll.h>
#include <syslog.h>
#if ENABLE_FEATURE_WATCHLET_REGEX
# include <regex.h>
#endif

/* ===== Limits =====
 * Every size is here. The ranges of Kconfig are checked again in
 * watchlet_main(), for who gives them by hand.
 */

#if !ENABLE_FEATURE_WATCHLET_TREE
# undef CONFIG_WATCHLET_MAX_WATCHES
# define CONFIG_WATCHLET_MAX_WATCHES CONFIG_WATCHLET_MAX_PATHS
# undef CONFIG_WATCHLET_NAMES_KB
# define CONFIG_WATCHLET_NAMES_KB 0
#endif
#if !ENABLE_FEATURE_WATCHLET_GLOBS
# undef CONFIG_WATCHLET_MAX_GLOBS
# define CONFIG_WATCHLET_MAX_GLOBS 1
#endif
#if !ENABLE_FEATURE_WATCHLET_FOLLOW
# undef CONFIG_WATCHLET_MAX_STEPS
# define CONFIG_WATCHLET_MAX_STEPS 1
#endif
#if !ENABLE_FEATURE_WATCHLET_RULES
# define CONFIG_WATCHLET_MAX_RULES 0
# define CONFIG_WATCHLET_RULES_KB 0
#endif

#if !ENABLE_FEATURE_WATCHLET_SETTLE
# undef CONFIG_WATCHLET_MAX_PENDING
# define CONFIG_WATCHLET_MAX_PENDING 1
#endif

/* The index of a slot, where it is stored. 0 is no slot. In functions it is unsigned:
 * 16 bits cost code. */
#if CONFIG_WATCHLET_MAX_WATCHES < 0x10000
typedef uint16_t idx_t;
#else
typedef uint32_t idx_t;
#endif

/* A place in the stream of events, in bytes. It wraps: see age_looks(). Small
 * only in a test of that. */
#ifndef WATCHLET_POS
# define WATCHLET_POS uint32_t
#endif
typedef WATCHLET_POS pos_t;

/* The next power of two, for up to 2^20 */
#define FILL1(n) ((n) | (n) >> 1)
#define FILL2(n) (FILL1(n) | FILL1(n) >> 2)
#define FILL4(n) (FILL2(n) | FILL2(n) >> 4)
#define FILL8(n) (FILL4(n) | FILL4(n) >> 8)
#define FILL16(n) (FILL8(n) | FILL8(n) >> 16)

enum {
	MAX_PATHS = CONFIG_WATCHLET_MAX_PATHS < CONFIG_WATCHLET_MAX_WATCHES
		? CONFIG_WATCHLET_MAX_PATHS : CONFIG_WATCHLET_MAX_WATCHES,
	MAX_WATCHES = CONFIG_WATCHLET_MAX_WATCHES,
	MAX_GLOBS = CONFIG_WATCHLET_MAX_GLOBS,
	MAX_STEPS = CONFIG_WATCHLET_MAX_STEPS,
	/* symlinks on the way to a PATH, as for the kernel (man 7 path_resolution) */
	MAX_LINKS = 40,
	MAX_RULES = CONFIG_WATCHLET_MAX_RULES < MAX_PATHS / 2
		? CONFIG_WATCHLET_MAX_RULES : MAX_PATHS / 2,
	RULES_SIZE = CONFIG_WATCHLET_RULES_KB * 1024 + 1,
	/* of one rule */
	MAX_WORDS = ENABLE_FEATURE_WATCHLET_RULES ? 32 : 1,
	/* of what is read from the file there are two: the old, the new */
	HALVES = ENABLE_FEATURE_WATCHLET_RULES ? 2 : 1,
	RULES = 1 + HALVES * MAX_RULES,
	HASH_SIZE = FILL16(CONFIG_WATCHLET_MAX_WATCHES | 63) + 1,
	HASH_START = 64,
	NAMES_SIZE = CONFIG_WATCHLET_NAMES_KB * 1024 + 1,
	EVENT_BUF = CONFIG_WATCHLET_EVENT_BUF,
	MAX_PENDING = CONFIG_WATCHLET_MAX_PENDING,
	/* the longest has FILE, SUBFILE and FROM */
	PENDING_SIZE = MAX_PENDING * 160 + 3 * PATH_MAX,
	/* a byte of a name takes up to four in a record: \ooo */
	LINE_MAX_BYTES = 4 * (2 * PATH_MAX + 2 * NAME_MAX) + 64,
	DENTS_BUF = 16 * 1024,
	/* of these in one list; FUSE fills in from one entry to a hundred */
	MAX_READS = 1 << 20,
	LETTERS = ENABLE_FEATURE_WATCHLET_OPTIONS ? 32 : 16,
	/* directories looked at between two reads of the kernel's queue */
	LOOKS = 32,
	/* ... when nothing is in the queue */
	MANY_LOOKS = 1024,
	/* directories open on the way down */
	CHAIN = 16,
	/* how often something that should be explained by an event on its way
	 * is looked at again, 2 ms apart, when the queue is empty */
	TRIES = 7,
	LATE_MS = 2,
	/* some signals come through a descriptor */
	SIGNAL_FD = ENABLE_FEATURE_WATCHLET_SETTLE || ENABLE_FEATURE_WATCHLET_FIGURES
		|| ENABLE_FEATURE_WATCHLET_RULES,
	READY = ENABLE_FEATURE_WATCHLET_DAEMON || ENABLE_FEATURE_WATCHLET_RULES,
};

/* Of two places in the stream, one is later if it is less than this ahead. */
#define POS_HALF ((pos_t)-1 / 2)

/* ===== Event and option tables ===== */

/* The letter of each bit of an inotify mask; see <sys/inotify.h> */
static const char bit_letters[LETTERS] ALIGN1 =
	"a"	// 0x00000001 IN_ACCESS: file was accessed
	"c"	// 0x00000002 IN_MODIFY: file was modified
	"e"	// 0x00000004 IN_ATTRIB: metadata changed
	"w"	// 0x00000008 IN_CLOSE_WRITE: writable file was closed
	"0"	// 0x00000010 IN_CLOSE_NOWRITE: unwritable file was closed
	"r"	// 0x00000020 IN_OPEN: file was opened
	"m"	// 0x00000040 IN_MOVED_FROM: entry was moved from here
	"y"	// 0x00000080 IN_MOVED_TO: entry was moved to here
	"n"	// 0x00000100 IN_CREATE: entry was created
	"d"	// 0x00000200 IN_DELETE: entry was deleted
	"D"	// 0x00000400 IN_DELETE_SELF: self was deleted
	"M"	// 0x00000800 IN_MOVE_SELF: self was moved
	"."	// 0x00001000 ours: in step with what was there
	// always reported:
	"u"	// 0x00002000 IN_UNMOUNT: backing filesystem was unmounted
	"o"	// 0x00004000 IN_Q_OVERFLOW: events were lost
	"x"	// 0x00008000 IN_IGNORED: can't be watched any more
	IF_FEATURE_WATCHLET_OPTIONS(
	"\0\0\0\0\0\0\0\0"
	// flags of a mask:
	"/"	// 0x01000000 IN_ONLYDIR: only if a directory
	"L"	// 0x02000000 IN_DONT_FOLLOW: don't follow a symlink
	"E"	// 0x04000000 IN_EXCL_UNLINK: nothing for unlinked children
	"\0\0"
	"+"	// 0x20000000 IN_MASK_ADD: add to the mask the inode has
	"\0"	// 0x40000000 IN_ISDIR: only in events
	"1"	// 0x80000000 IN_ONESHOT: one event, then no more
	)
;

#define IN_STEP 0x1000u
#define MASK_LETTERS  0x0000ffffu
#define MASK_EVENTS   0x00000fffu
#define MASK_ALWAYS   (IN_STEP | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED)
#define MASK_READS    (IN_ACCESS | IN_CLOSE_NOWRITE | IN_OPEN)
/* what comes and goes in a directory: the engine of -r must hear it of each */
#define MASK_NAMES    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define MASK_TREE     (MASK_NAMES | IN_ONLYDIR)
/* a directory on the way to a PATH of -F must tell of names, and of itself */
#define MASK_STEP     (MASK_TREE | IN_MOVE_SELF | IN_DELETE_SELF | IN_MASK_ADD)
#define MASK_SELF     (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED)
/* what had the name has it no more, whatever has it now */
#define MASK_GONE     (IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_IGNORED)
/* Set by us in a MOVED_TO whose MOVED_FROM was handled: .cookie is its wd then;
 * and in the MOVE_SELF that belongs to them. */
#define IN_PAIRED     0x08000000u

/* Options by letter; OPTS_WITH_ARG take an argument. The first group
 * belongs to a rule. */
#define OPT_LETTERS "" \
	IF_FEATURE_WATCHLET_TREE("r" "i" "p") \
	IF_FEATURE_WATCHLET_FOLLOW("F") \
	IF_FEATURE_WATCHLET_SETTLE("b") \
	IF_FEATURE_WATCHLET_OPTIONS("1" "q" "v" "t") \
	IF_FEATURE_WATCHLET_SETTLE("s") \
	IF_FEATURE_WATCHLET_GLOBS("x" "I") \
	IF_FEATURE_WATCHLET_DAEMON("d" "S" "n" "P") \
	IF_FEATURE_WATCHLET_RULES("f")
enum {
	IF_FEATURE_WATCHLET_TREE(OPTBIT_r, OPTBIT_i, OPTBIT_p,)
	IF_FEATURE_WATCHLET_FOLLOW(OPTBIT_F,)
	IF_FEATURE_WATCHLET_SETTLE(OPTBIT_b,)
	IF_FEATURE_WATCHLET_OPTIONS(OPTBIT_1, OPTBIT_q, OPTBIT_v, OPTBIT_t,)
	IF_FEATURE_WATCHLET_SETTLE(OPTBIT_s,)
	IF_FEATURE_WATCHLET_GLOBS(OPTBIT_x, OPTBIT_I,)
	IF_FEATURE_WATCHLET_DAEMON(OPTBIT_d, OPTBIT_S, OPTBIT_n, OPTBIT_P,)
	IF_FEATURE_WATCHLET_RULES(OPTBIT_f,)
	OPTBITS,
	OPT_r = IF_FEATURE_WATCHLET_TREE((1 << OPTBIT_r)) + 0,
	OPT_i = IF_FEATURE_WATCHLET_TREE((1 << OPTBIT_i)) + 0,
	OPT_p = IF_FEATURE_WATCHLET_TREE((1 << OPTBIT_p)) + 0,
	OPT_F = IF_FEATURE_WATCHLET_FOLLOW((1 << OPTBIT_F)) + 0,
	OPT_b = IF_FEATURE_WATCHLET_SETTLE((1 << OPTBIT_b)) + 0,
	OPT_1 = IF_FEATURE_WATCHLET_OPTIONS((1 << OPTBIT_1)) + 0,
	OPT_q = IF_FEATURE_WATCHLET_OPTIONS((1 << OPTBIT_q)) + 0,
	OPT_v = IF_FEATURE_WATCHLET_OPTIONS((1 << OPTBIT_v)) + 0,
	OPT_t = IF_FEATURE_WATCHLET_OPTIONS((1 << OPTBIT_t)) + 0,
	OPT_s = IF_FEATURE_WATCHLET_SETTLE((1 << OPTBIT_s)) + 0,
	OPT_x = IF_FEATURE_WATCHLET_GLOBS((1 << OPTBIT_x)) + 0,
	OPT_I = IF_FEATURE_WATCHLET_GLOBS((1 << OPTBIT_I)) + 0,
	OPT_d = IF_FEATURE_WATCHLET_DAEMON((1 << OPTBIT_d)) + 0,
	OPT_S = IF_FEATURE_WATCHLET_DAEMON((1 << OPTBIT_S)) + 0,
	OPT_n = IF_FEATURE_WATCHLET_DAEMON((1 << OPTBIT_n)) + 0,
	OPT_P = IF_FEATURE_WATCHLET_DAEMON((1 << OPTBIT_P)) + 0,
	OPT_DIR = 0x8000,       /* of a PATH of inotifywait: it is a directory */
	OPT_f = IF_FEATURE_WATCHLET_RULES((1 << OPTBIT_f)) + 0,
	OPTS_WITH_ARG = OPT_t | OPT_s | OPT_x | OPT_I | OPT_n | OPT_P | OPT_f,
	/* those that a rule may have; and what may stand with -f */
	OPTS_OF_RULE = OPT_r | OPT_i | OPT_p | OPT_F | OPT_b | OPT_s | OPT_x | OPT_I,
	OPTS_WITH_f = OPT_f | OPT_q | OPT_v | OPT_d | OPT_S | OPT_n | OPT_P,
};

/* ===== State ===== */

/* What PATHs are watched for. The command line is G.rules[0]. */
struct rule {
	const char *prog;       /* NULL: lines on stdout */
	unsigned opts;          /* OPT_r ... */
	unsigned settle_ms;     /* of -s */
	/* of -b, in ms of the monotonic clock: when the burst has settled, and
	 * when it leaves at the latest; 0: there is none */
	uint32_t burst_due, burst_limit;
	uint16_t globs;         /* the first of its G.globs */
	uint16_t globs_end;     /* behind the last */
	/* The rest is for the lines of RULES, which are kept as words with a NUL
	 * behind each: options, PATH, PROG, ARGs. */
	const char *text;       /* the first word */
	char *path;             /* PATH[:MASK] */
	unsigned line;
	unsigned words;         /* PROG and its ARGs */
};

/* A PATH. Slot i of G.watches is its watch. */
struct path {
	const char *name;       /* as given; the MASK may follow */
	uint32_t mask;          /* what its user asked for */
	smallint scanned;       /* is part of the scan that is going on */
	uint16_t next_rule;     /* while RULES is read: which new one; 0: none */
	dev_t dev;              /* of the directory, with -r */
	ino_t ino;
	uint16_t len;           /* bytes of name */
	uint16_t opts;          /* of its rule */
	uint16_t rule;          /* which one of G.rules */
	/* the rest is for -F */
	pos_t walked;           /* place in the event stream of the last walk */
	uint8_t follow;         /* F_... */
};

/* path.follow */
enum {
	F_THERE = 1 << 0,       /* something has the name */
	F_X     = 1 << 1,       /* x was told, and is true yet */
	F_STEP  = 1 << 2,       /* . was told, and nothing was listed since */
};

/* With -F: a directory on the way to a PATH, and the name that leads on */
struct step {
	int wd;
	uint32_t hash;          /* of the name */
	uint16_t path;          /* on whose way; 0: free */
	smallint old;           /* not on it any more? */
};

/* A place that is watched, or is to be. */
struct watch {
	int wd;                 /* -1: none, this is a place to look at */
	idx_t wd_next;          /* next of the same hash of wd; next free slot */
	/* the rest is for directories below a PATH */
	idx_t parent;           /* 0: a PATH, or in limbo */
	idx_t name_next;        /* next of the same hash of parent and name */
	idx_t todo_next;        /* next in the work queue */
	idx_t kids;             /* slots whose parent this is */
	uint16_t flags;         /* W_... */
	uint32_t name;          /* where in G.names */
	pos_t seen;             /* place in the event stream of the last look */
};

/* watch.flags. A slot in limbo has left its place (so has all below it), and
 * may come back; it keeps its watch until the queue was read empty, so that
 * it is known by its wd then. */
enum {
	W_USED   = 1 << 0,
	W_QUEUED = 1 << 1,      /* stands in the work queue, so can't be reused */
	W_TODO   = 1 << 2,      /* is to be looked at */
	W_SCAN   = 1 << 3,      /* ... as part of the scan at start or after overflow */
	W_NEWS   = 1 << 4,      /* ... and was not told: is, if something is there */
	W_LIMBO  = 1 << 5,
	W_QUIET  = 1 << 6,      /* its listing was not told */
	W_TRY    = 1 << 7,      /* from here up: counts TRIES */
};

/* The inotifywait face, see there */
struct inotifywait {
	unsigned opts;          /* IW_... */
	smallint on;            /* it is this face */
	smallint held;          /* "Watches established." comes before all output */
	smallint quiet;         /* how often -q */
	unsigned lists;         /* bytes of G.names that are not names of directories */
	uint32_t asked;         /* mask of -e */
	unsigned repeated;      /* a PATH that has told this event; 0: none */
	uint32_t cookie;        /* of the event that is being handled */
	uint32_t walk, walk_end; /* places in the event stream: our own reads */
	uint32_t listed;        /* events and separator of G.iw_list */
	const char *args[10];   /* of options, from IW_ARGS on */
};

/* A record that waits to settle, in G.pending. */
struct pending {
	uint32_t due;           /* ms of the monotonic clock */
	uint32_t limit;         /* ... due is not later than this */
	uint32_t mask;          /* 0: it has left */
	uint32_t hash;          /* of path */
	idx_t root;
	uint16_t size;          /* bytes of all this */
	uint16_t file_len;      /* bytes of FILE, which path starts with */
	uint16_t name;          /* where in path SUBFILE is; 0: none */
	uint16_t from;          /* ... FROM */
	uint16_t state;
	char path[];            /* of the entry; and FROM */
};

/* pending.state */
enum {
	P_OPEN,
	P_CLOSED,               /* nothing may be merged into it any more */
	P_BATCH,                /* it is on its way to the PROG that runs */
};

/* What is used most is in front: the smaller an offset, the shorter the code (see
 * G). Arrays are behind all else. */
struct globals {
	int fd;                 /* of inotify */
	IF_NOT_FEATURE_WATCHLET_RULES(struct rule rules[1];)
	int reader;             /* descriptor + 1 of whom to mind; 0: nobody */
	unsigned opts;          /* OPT_... of the command line and all rules */
	unsigned paths_used;
	unsigned paths_left;    /* that had no x yet */
	unsigned out_len;       /* bytes in out[] */
	char *cur, *end;        /* events[]: the one being handled; end of what was read */
	/* watches[] */
	unsigned top_used;      /* slots ever used */
	unsigned hash_mask;
	unsigned free;          /* first free slot */
	unsigned in_use;        /* slots used now */
	unsigned names_used, names_dead; /* bytes */
	unsigned todo, todo_last; /* work queue */
	unsigned first_put_off; /* in it, during this scan() */
	unsigned last_in_front; /* in it, during this look; if in_front */
	unsigned scan_left;     /* slots with W_SCAN in it */
	unsigned depth;         /* directories in chain[] */
	unsigned chain_limit;   /* how many there may be */
	unsigned path_of;       /* whose path is in path[] */
	char *path_start;
	char *file_at;          /* that escaped, in out[] */
	unsigned file_len;      /* ... bytes; 0: it isn't there */
	pos_t read_pos;         /* bytes of events read so far */
	pos_t horizon;          /* read_pos of the end of the queue, at the last look */
	pos_t pos;              /* ... of the event that is being handled */
	int self_wd;            /* the directory that the move that is handled has moved; or -1 */
	smallint in_front;
	smallint limbo;         /* some slots are in limbo */
	smallint away;          /* the working directory is not home */
	smallint scanning;      /* all that was there is being looked at */
	smallint unwatched;     /* a directory is not watched, so has no slot */
	smallint overflowed;    /* o is still to be told */
	smallint said_full;     /* bit 0: G.watches is full; 1: G.names; 2: the kernel; 3: G.steps, G.pending; 4: a name */
	smallint prints;        /* there are lines on stdout */
	smallint is_ready;      /* all watches stand */
	smallint was_ready;     /* ... and did at least once */
	smallint was_quiet;     /* nothing has come for LATE_MS */
	smallint no_openat2;
	/* of -F */
	smallint mounts_changed;
	smallint found_dir;     /* by the last walk */
	int mounts;             /* descriptor + 1 of /proc/self/mountinfo; 0: none */
	unsigned steps_used;    /* ever */
	unsigned missing_at;    /* step + 1 whose name the last walk found missing, as last of PATH */
	int trouble;            /* why the last walk could not watch: errno, -1: G.steps is full */
	/* PROG, and what settles */
	smallint child_counts;  /* the run is a report, not only '.' */
	smallint reload;        /* SIGHUP has come */
	smallint took_signal;   /* since the loop slept */
	pid_t child;            /* PROG while it runs; 0: it doesn't */
	int child_stdin;        /* what it gets as stdin; 0: ours */
	int feed;               /* descriptor + 1 for the records of a batch; 0: none */
	unsigned fed;           /* bytes of the first of them that were written */
	uint32_t now;           /* ms, when we last woke */
	unsigned pending_used;  /* entries */
	unsigned pending_end;   /* bytes of pending[], with holes */
	unsigned half;          /* of rules[], which one is in use, or is read: 0 or 1 */
	unsigned rules_used;    /* lines that are rules */
	const char *rules_file; /* of -f */
	unsigned globs_used;
	int home;               /* descriptor of the working directory */
	int signal_fd;
	int timeout_ms;         /* of -t */
	const char *pidfile;    /* of -P */
	IF_WATCHLET_INOTIFYWAIT(struct inotifywait iw;)
	int pid_fd;             /* ... open, locked; 0: not yet */
	/* hardly used */
	pid_t pid;              /* the process that has pidfile */
	int ready_fd;           /* of -n */
	int parent_fd;          /* of -d: the pipe to who waits for us */
	unsigned long long deadline; /* in ms of the monotonic clock */
	const char *child_prog;
	unsigned events_read;   /* figures */
	unsigned records;
	unsigned overflows;
	unsigned merged;
	unsigned runs;
	IF_NOT_WATCHLET_INOTIFYWAIT(struct inotifywait iw;)
	char iw_list[256];      /* names of events, room for all */
#if ENABLE_FEATURE_WATCHLET_REGEX
	regex_t regex;
#endif
	/* Directories that are open while scan() is at work: a PATH, and on the
	 * way down what has places to look at in it */
	int chain[CHAIN];       /* their wds */
	int chain_fd[CHAIN];
	const char *globs[HALVES * MAX_GLOBS];
	char glob_kind[HALVES * MAX_GLOBS]; /* 'x' or 'I' */
	jmp_buf reload_failed;
	IF_FEATURE_WATCHLET_RULES(struct rule rules[RULES];)
	struct path paths[MAX_PATHS + 1];
	struct step steps[MAX_STEPS];
	struct watch watches[MAX_WATCHES + 1];
	idx_t wd_heads[HASH_SIZE];
	idx_t name_heads[ENABLE_FEATURE_WATCHLET_TREE ? HASH_SIZE : 1];
	/* By slot: hash of the name that was moved into the directory, if nothing
	 * else came or went since; 0: none. Not in struct watch: hardly used. */
	uint16_t last_move[ENABLE_FEATURE_WATCHLET_TREE ? MAX_WATCHES + 1 : 1];
	char path[PATH_MAX + NAME_MAX + 2];
	char entry[PATH_MAX + NAME_MAX + 2];
	char from[PATH_MAX + NAME_MAX + 2];
	/* FILE of a record that has settled; of an x it may be that of an entry */
	char file[PATH_MAX + NAME_MAX + 2];
	char out[2 * LINE_MAX_BYTES];
	char events[EVENT_BUF] __attribute__((aligned(8)));
	char dents[ENABLE_FEATURE_WATCHLET_TREE ? DENTS_BUF : 1] __attribute__((aligned(8)));
	char names[NAMES_SIZE];
	char rules_text[HALVES][RULES_SIZE];
	char where[ENABLE_FEATURE_WATCHLET_RULES ? PATH_MAX + 32 : 1]; /* watchlet: RULES:LINE */
	char pending[PENDING_SIZE] __attribute__((aligned(8)));
};
/* x86 has short offsets from -128 to 127; elsewhere they are best positive */
#if defined(__i386__) || defined(__x86_64__)
# define G_BIAS (ENABLE_FEATURE_WATCHLET_TREE ? 128 : 0)
#else
# define G_BIAS 0
#endif
#define G (*(struct globals *)((char *)ptr_to_globals - G_BIAS))
/* Is this that face? */
#define IS_INOTIFYWAIT (ENABLE_WATCHLET_INOTIFYWAIT && G.iw.on)
#define INIT_G() do { \
	SET_PTR_TO_GLOBALS((char *)xmmap_anon(sizeof(G)) + G_BIAS); \
} while (0)

/* ===== Messages =====
 * One line each, on stderr. Names that were found, not given, are escaped.
 */

/* Says why inotify_init1() or inotify_add_watch() of what failed. When a limit
 * is reached (man 7 inotify: EMFILE, ENOSPC) that is the sysctl that raises it,
 * and its value. */
static void inotify_msg(const char *what)
{
	const char *limit = "watches";
	char file[sizeof("/proc/sys/fs/inotify/max_user_instances")];
	char value[16];
	ssize_t n;

	if (ENABLE_FEATURE_WATCHLET_OPTIONS && (errno == EMFILE || errno == ENOSPC)) {
		if (errno == EMFILE) {
			limit = "instances";
		}
		strcpy(stpcpy(file, "/proc/sys/fs/inotify/max_user_"), limit);
		n = open_read_close(file, value, sizeof(value) - 1);
		/* EMFILE may also be the limit of this process, see RLIMIT_NOFILE */
		if (n > 0 || errno != EMFILE) {
			strcpy(value + (n < 1 ? 0 : n - 1), n < 1 ? "?" : "");
			bb_error_msg("%s: raise sysctl fs.inotify.max_user_%s (now %s)",
				what, limit, value);
			return;
		}
	}
	bb_simple_perror_msg(what);
}

static void inotify_msg_and_die(const char *what) NORETURN;
static void inotify_msg_and_die(const char *what)
{
	inotify_msg(what);
	xfunc_die();
}

/* ===== Service =====
 * -d -n -P -S. A daemon is a child from before the first watch on. Its parent
 * waits until every watch stands, and ends with 0 then; or as the child does.
 */

/* Is what is open as fd the file at path, relative to directory at? */
static int is_file_at(int fd, int at, const char *path, int flags)
{
	struct stat a, b;

	return fstat(fd, &a) == 0
		&& fstatat(at, path, &b, flags) == 0
		&& a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The directory that relative names of the command line mean */
static int home(void)
{
	return ENABLE_FEATURE_WATCHLET_TREE ? G.home : AT_FDCWD;
}

/* Somebody may have put another pidfile there: that stays. */
static void unlink_pidfile(void)
{
	if (is_file_at(G.pid_fd, home(), G.pidfile, 0)) {
		unlinkat(home(), G.pidfile, 0);
	}
}

/* The end that everything but a signal comes to. */
static void end(int status) NORETURN;
static void end(int status)
{
	if (ENABLE_FEATURE_WATCHLET_DAEMON && G.pid_fd != 0) {
		unlink_pidfile();
	}
	exit(status);
}

/* TERM, INT, HUP or PIPE, when there is a pidfile. It may come at any time: in
 * a write, while PROG runs, and to the child between vfork and exec. */
static void deadly(int sig)
{
	if (getpid() == G.pid) {
		unlink_pidfile();
	}
	/* not raise(): in the child musl's means the parent (bug was here!) */
	signal(sig, SIG_DFL);
	kill(getpid(), sig); /* comes at the latest when this returns */
}

/* The pidfile is ours as long as we hold the lock on it, which the kernel ends
 * with us, however we end; so one that is left over is nobody's, and a process
 * that got our number by chance isn't taken for us. The number is written when
 * every watch stands. A signal waits until it would remove the file. */
static void lock_pidfile(void)
{
	static const char signals[] ALIGN1 = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, 0 };
	const char *sig = signals;
	struct stat st;
	int fd;

	sigprocmask_allsigs(SIG_BLOCK);
	for (;;) {
		fd = open(G.pidfile, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0) {
			bb_simple_perror_msg_and_die(G.pidfile);
		}
		if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
			/* /dev/null is shared, and must stay */
			close(fd);
			G.opts &= ~OPT_P;
			goto unblock;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			if (errno != EWOULDBLOCK) {
				bb_simple_perror_msg_and_die(G.pidfile);
			}
			bb_error_msg_and_die("%s: belongs to a process that runs", G.pidfile);
		}
		if (is_file_at(fd, AT_FDCWD, G.pidfile, 0)) {
			break;
		}
		close(fd); /* its owner has just removed it */
	}
	ftruncate(fd, 0);
	G.pid_fd = fd;
	G.pid = getpid();
	die_func = unlink_pidfile;
	do {
		if (signal(*sig, deadly) == SIG_IGN) {
			signal(*sig, SIG_IGN); /* as it was */
		}
	} while (*++sig);
 unblock:
	if (sigprocmask_allsigs(SIG_UNBLOCK) != 0) {
		bb_simple_perror_msg_and_die(G.pidfile);
	}
}

/* Goes on in a child, from before the first watch. The parent ends when the
 * child is ready() or ends. */
static void detach_child(char **argv UNUSED_PARAM)
{
	int fds[2];
	char c;
	int n;
	pid_t pid;

	if (!BB_MMU) {
		bb_simple_error_msg_and_die("-d needs an MMU");
	}
	xpipe(fds);
	pid = fork_or_rexec(argv);
	close(fds[pid == 0 ? 0 : 1]);
	if (pid == 0) {
		G.parent_fd = fds[1];
		ioctl(fds[1], FIOCLEX);
		return;
	}
	while ((n = read(fds[0], &c, 1)) < 0) {
		if (errno != EINTR) {
			bb_simple_perror_msg("-d");
			kill(pid, SIGTERM);
			exit(EXIT_FAILURE);
		}
	}
	if (n == 0) {
		exit(wait4pid(pid));
	}
	_exit(EXIT_SUCCESS);
}

/* Every watch stands: at start, or after RULES was read again. */
static void ready(void)
{
	if ((G.opts & OPT_f) && (G.opts & OPT_v)) {
		bb_error_msg("%s: %u rules", G.rules_file, G.rules_used);
	}
	G.is_ready = 1;
	if (!ENABLE_FEATURE_WATCHLET_DAEMON || G.was_ready) {
		return;
	}
	G.was_ready = 1;
	if (G.opts & OPT_P) {
		char *s = utoa(G.pid);
		unsigned len = strlen(s);

		s[len] = '\n'; /* its buffer has room */
		if (write(G.pid_fd, s, len + 1) < 0) {
			/* a full disk, at most: who stops us would find no number */
			bb_simple_perror_msg_and_die(G.pidfile);
		}
	}
	if (G.opts & OPT_d) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0
		 || dup2(null, STDIN_FILENO) < 0
		 || (!G.prints && dup2(null, STDOUT_FILENO) < 0)
		 || ((G.opts & OPT_S) && dup2(null, STDERR_FILENO) < 0)
		) {
			/* they stay what they are */
			bb_simple_perror_msg("/dev/null");
		}
		setsid();
		close(null);
	}
	logmode = G.opts & OPT_S ? LOGMODE_SYSLOG : LOGMODE_STDIO;
	if (G.opts & OPT_d) {
		if (write(G.parent_fd, "", 1) != 1) {
			if (errno != EPIPE) { /* the parent was ended meanwhile */
				bb_simple_perror_msg("-d");
			}
			end(EXIT_FAILURE);
		}
		close(G.parent_fd);
	}
	if (G.opts & OPT_n) {
		if (write(G.ready_fd, "\n", 1) < 0) {
			bb_simple_perror_msg("-n");
		}
		close(G.ready_fd);
	}
}

/* ===== Names and paths =====
 * G.names holds the names of the directories below the PATHs, each with the
 * index of its slot in front, so closing the holes is one pass.
 */

static unsigned name_owner(unsigned at)
{
	idx_t w;

	memcpy(&w, G.names + at, sizeof(w));
	return w;
}

static void set_name_owner(unsigned at, idx_t w)
{
	memcpy(G.names + at, &w, sizeof(w));
}

static char *name_of(unsigned w)
{
	return G.names + G.watches[w].name + sizeof(idx_t);
}

/* Closes the holes in G.names. */
static void compact_names(void)
{
	unsigned from, to, size;
	unsigned w;

	for (from = to = G.iw.lists; from < G.names_used; from += size) {
		size = sizeof(idx_t) + strlen(G.names + from + sizeof(idx_t)) + 1;
		w = name_owner(from);
		if (w != 0) {
			memmove(G.names + to, G.names + from, size);
			G.watches[w].name = to;
			to += size;
		}
	}
	G.names_used = to;
	G.names_dead = 0;
}

/* Gives slot w a name. Returns 0 when there is no room. Holes are closed when
 * they are more than the names, and some: then hardly more pages are touched than
 * names need. A G.names that is full may have fewer holes, an eighth of it: so
 * that nearly full is not quadratic. */
static int store_name(unsigned w, const char *name)
{
	unsigned size = sizeof(idx_t) + strlen(name) + 1;

	if (G.names_dead > (size + G.names_used > NAMES_SIZE ? NAMES_SIZE / 8 : G.names_used / 2 + 256)) {
		compact_names();
	}
	if (size + G.names_used > NAMES_SIZE) {
		return 0;
	}
	G.watches[w].name = G.names_used;
	set_name_owner(G.names_used, w);
	strcpy(name_of(w), name);
	G.names_used += size;
	return 1;
}

static void forget_name(unsigned w)
{
	set_name_owner(G.watches[w].name, 0);
	G.names_dead += sizeof(idx_t) + strlen(name_of(w)) + 1;
}

/* FNV-1a, with the slot of the directory in front */
static uint32_t name_hash(unsigned parent, const char *name)
{
	uint32_t h = parent * 0x9e3779b1u;

	while (*name) {
		h = (h ^ (unsigned char)*name++) * 0x01000193;
	}
	return h ^ h >> 15;
}

/* The PATH that slot w belongs to; 0 when w is in limbo. */
static unsigned root_of(unsigned w)
{
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		while (w > G.paths_used) {
			w = G.watches[w].parent;
		}
	}
	return w;
}

/* The rule that PATH root belongs to */
static struct rule *rule_of(unsigned root)
{
	return &G.rules[RULES > 1 ? G.paths[root].rule : 0];
}

static int has_opt(unsigned root, unsigned opt)
{
	return opt && (G.paths[root].opts & opt);
}

/* Writes the path of slot w in front of end, where not more than PATH_MAX
 * bytes are free. Returns its start, or NULL if it doesn't fit. */
static char *path_before(char *end, unsigned w)
{
	const struct path *p;
	char *start = end;
	int slash = 0;

	if (ENABLE_FEATURE_WATCHLET_TREE) {
		for (; w > G.paths_used; w = G.watches[w].parent) {
			size_t len = strlen(name_of(w));

			if (end - start + len + slash + 1 > PATH_MAX) {
				return NULL;
			}
			if (slash) {
				*--start = '/';
			}
			start -= len;
			memcpy(start, name_of(w), len);
			slash = 1;
		}
	}
	p = &G.paths[w];
	if (slash && p->len != 0 && p->name[p->len - 1] != '/') {
		if (end - start + p->len + 2 > PATH_MAX) {
			return NULL;
		}
		*--start = '/';
	}
	if (end - start + p->len + 1 > PATH_MAX) {
		return NULL;
	}
	start -= p->len;
	return memcpy(start, p->name, p->len);
}

/* The path of slot w, in G.path until the next call; NULL if it is longer
 * than PATH_MAX. */
static char *path_of(unsigned w)
{
	char *end = G.path + sizeof(G.path) - 1;

	if (!ENABLE_FEATURE_WATCHLET_TREE) {
		G.path[G.paths[w].len] = '\0';
		return memcpy(G.path, G.paths[w].name, G.paths[w].len);
	}
	if (G.path_of != w) {
		G.path_start = path_before(end, w);
		G.path_of = G.path_start ? w : 0;
		G.file_len = 0;
	}
	return G.path_start;
}

/* The path of the entry name in the directory of slot w, in buf (G.entry or
 * G.from); NULL if it is longer than PATH_MAX. */
static char *entry_path(char *buf, unsigned w, const char *name)
{
	char *end = buf + sizeof(G.entry) - 1 - strlen(name);

	strcpy(end, name);
	if (w > G.paths_used || G.paths[w].len == 0 || G.paths[w].name[G.paths[w].len - 1] != '/') {
		*--end = '/';
	}
	return path_before(end, w);
}

/* ===== Globs ===== */

/* Is there any -x or -I? Asked for each event, before all else of them. */
#define HAS_GLOBS (ENABLE_FEATURE_WATCHLET_GLOBS && G.globs_used != 0)

/* Does s match glob: * ? [a-z] [!a-z], bytes. * takes a slash, too. */
static int glob_match(const char *glob, const char *s)
{
	const char *star = NULL, *star_s = s;

	for (;;) {
		const char *g = glob;
		unsigned char c = *s;
		int ok;

		if (*g == '*') {
			star = ++glob;
			star_s = s;
			continue;
		}
		if (*g == '[' && c) {
			int inverse = (g[1] == '!');
			const char *first = g += 1 + inverse;

			ok = inverse;
			while (*g && (*g != ']' || g == first)) {
				unsigned char lo = *g, hi = lo;

				if (g[1] == '-' && g[2] && g[2] != ']') {
					hi = g[2];
					g += 2;
				}
				if (lo <= c && c <= hi) {
					ok = !inverse;
				}
				g++;
			}
			if (!*g) { /* no ']': the '[' means itself */
				g = glob;
				ok = (c == '[');
			}
		} else {
			if (!c && !*g) {
				return 1;
			}
			ok = (*g == '?' && c) || (unsigned char)*g == c;
		}
		if (ok) {
			glob = g + 1;
			s++;
		} else {
			/* let the last * take one byte more */
			if (!star || !*star_s) {
				return 0;
			}
			glob = star;
			s = ++star_s;
		}
	}
}

/* Does the entry name of the directory of slot w match one of the -x or -I of
 * its rule? Returns -1 when there is none of that kind. */
static int globs_match(char kind, unsigned w, const char *name)
{
	unsigned root = root_of(w);
	const struct rule *rule = rule_of(root);
	unsigned i;
	int match = -1;

	for (i = rule->globs; i < rule->globs_end; i++) {
		const char *glob = G.globs[i];
		const char *s = name;

		if (G.glob_kind[i] != kind) {
			continue;
		}
		match = 0;
		if (strchr(glob, '/')) {
			s = entry_path(G.entry, w, name);
			if (!s) {
				continue;
			}
			s += G.paths[root].len;
			s += (*s == '/');
			glob += (*glob == '/');
		}
		if (glob_match(glob, s)) {
			return 1;
		}
	}
	return match;
}

static int excluded(unsigned w, const char *name)
{
	return HAS_GLOBS && globs_match('x', w, name) > 0;
}

/* ===== Sinks =====
 * Lines, and runs of PROG. Lines are gathered in G.out, where there is always
 * room for one more line.
 */

static void flush_lines(void);
static void feed(void);
static void end_feed(void);

/* Ends by signal sig. */
static void die_by(int sig)
{
	if (SIGNAL_FD) {
		sigprocmask_allsigs(SIG_UNBLOCK);
	}
	kill(getpid(), sig);
}

/* A report was made; status is that of PROG. */
static void reported(int status)
{
	if (G.opts & OPT_1) {
		end(status & 0xff);
	}
	if (ENABLE_FEATURE_WATCHLET_OPTIONS) {
		G.deadline = 0; /* starts anew */
	}
}

/* PROG ended. status is its exit status, 127 if it could not be run, 0x180 + N
 * if signal N ended it. */
static void prog_ended(const char *prog, int status)
{
	if (status >= 0x180) {
		if (!(G.opts & OPT_q)) {
			bb_error_msg("%s: killed by signal %u", prog, status - 0x180);
		}
	} else if (G.opts & OPT_v) {
		bb_error_msg("%s: exit status %u", prog, status);
	}
	if (G.child_counts) {
		reported(status);
	}
}

/* Prints what SIGUSR1 asks for. */
static void print_figures(void)
{
	bb_error_msg("watches %u/%u, names %u/%u bytes, pending %u/%u, "
		"events %u, records %u, merged %u, overflows %u, runs %u",
		ENABLE_FEATURE_WATCHLET_TREE ? G.in_use : G.paths_used, MAX_WATCHES,
		G.names_used - G.names_dead, NAMES_SIZE, G.pending_used, MAX_PENDING,
		G.events_read, G.records, G.merged, G.overflows, G.runs);
}

/* G.signal_fd has something. No signal has a handler: those that must be acted
 * on are blocked and read here, wherever we sleep. */
static void take_signal(void)
{
	struct signalfd_siginfo info;
	pid_t pid = G.child;
	int status;

	if (read(G.signal_fd, &info, sizeof(info)) <= 0) {
		return;
	}
	G.took_signal = 1;
	if (ENABLE_FEATURE_WATCHLET_FIGURES && info.ssi_signo == SIGUSR1) {
		print_figures();
	}
	if (ENABLE_FEATURE_WATCHLET_RULES && info.ssi_signo == SIGHUP) {
		G.reload = 1;
	}
	if (ENABLE_FEATURE_WATCHLET_SETTLE && info.ssi_signo == SIGPIPE && info.ssi_pid != (unsigned)getpid()) {
		die_by(SIGPIPE); /* not by our own write to a PROG that reads no more */
	}
	/* SIGCHLDs may have been merged, and may be of a child that is not ours */
	if (pid != 0 && (pid = waitpid(pid, &status, WNOHANG)) != 0) {
		if (pid < 0) { /* somebody else had it? It isn't waited for for ever */
			bb_simple_perror_msg(G.child_prog);
			status = 127 << 8;
		}
		G.child = 0;
		end_feed();
		prog_ended(G.child_prog, WIFSIGNALED(status)
			? WTERMSIG(status) + 0x180 : WEXITSTATUS(status));
	}
}

/* Sleeps until fd has events (of poll(2)), or for ms (-1: for ever); ends when
 * the reader of stdout goes away meanwhile. Returns 0 when ms are over, -1 when
 * something else came; PROG may have ended then.
 * All sleeping is here. As inotifyd it minds the reader once there was a record:
 * "inotifyd - FILE | head -n0" is used to wait for the first event. */
static int sleep_for(int fd, int events, int ms)
{
	struct pollfd pfd[SIGNAL_FD || ENABLE_FEATURE_WATCHLET_FOLLOW ? 5 : 2];
	int n;

	pfd[0].fd = fd;
	pfd[0].events = events;
	pfd[1].fd = G.reader - 1;
	pfd[1].events = 0;
	if (SIGNAL_FD || ENABLE_FEATURE_WATCHLET_FOLLOW) {
		pfd[2].fd = SIGNAL_FD ? G.signal_fd : -1;
		pfd[2].events = POLLIN;
		pfd[3].fd = G.feed - 1;
		pfd[3].events = POLLOUT;
		pfd[4].fd = G.mounts - 1;
		pfd[4].events = POLLPRI;
	}
	n = poll(pfd, sizeof(pfd) / sizeof(pfd[0]), ms);
	if (ENABLE_FEATURE_WATCHLET_SETTLE) {
		/* the one time of all that is read now: it settles in the order in which it came */
		G.now = monotonic_ms();
	}
	if (n > 0 && (pfd[1].revents & (POLLERR | POLLHUP))) {
		die_by(SIGPIPE); /* as if we had written */
	}
	if ((SIGNAL_FD || ENABLE_FEATURE_WATCHLET_FOLLOW) && n > 0) {
		if (ENABLE_FEATURE_WATCHLET_SETTLE && pfd[3].revents) {
			feed();
		}
		if (ENABLE_FEATURE_WATCHLET_FOLLOW && pfd[4].revents) {
			G.mounts_changed = 1; /* is said once */
		}
		if (SIGNAL_FD && pfd[2].revents) {
			take_signal();
		}
		if (!pfd[0].revents) {
			n = -1;
		}
	}
	return n;
}

/* The signals that take_signal() takes. PROG starts without these blocked. */
static void block_signals(void)
{
	static const char signals[] ALIGN1 = {
		SIGCHLD,
		IF_FEATURE_WATCHLET_SETTLE(SIGPIPE,)
		IF_FEATURE_WATCHLET_FIGURES(SIGUSR1,)
	};
	sigset_t set;
	unsigned i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(signals); i++) {
		sigaddset(&set, signals[i]);
	}
	if (G.opts & OPT_f) {
		sigaddset(&set, SIGHUP);
	}
	G.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (G.signal_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
		bb_simple_perror_msg_and_die("signalfd");
	}
}

/* Writes the first len bytes of G.out. */
static void write_out(unsigned len)
{
	unsigned done = 0;
	ssize_t n;

	while (done != len) {
		/* it may be a pipe that somebody made non-blocking */
		while (sleep_for(STDOUT_FILENO, POLLOUT, -1) < 0 && SIGNAL_FD) {
			continue;
		}
		G.reader = STDOUT_FILENO + 1;
		n = write(STDOUT_FILENO, G.out + done, len - done);
		if (n >= 0) {
			done += n;
		} else if (errno != EAGAIN && errno != EINTR) {
			if (ENABLE_FEATURE_WATCHLET_SETTLE && errno == EPIPE) {
				die_by(SIGPIPE);
			}
			bb_simple_perror_msg_and_die(bb_msg_standard_output);
		}
	}
	G.out_len -= len;
	memmove(G.out, G.out + len, G.out_len);
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		G.file_len = 0;
	}
}

static void flush_lines(void)
{
	if (!IS_INOTIFYWAIT || !G.iw.held) {
		write_out(G.out_len);
	}
}

/* A line was put behind what is in G.out, it ends at end. Lines leave in writes
 * of at most PIPE_BUF bytes, which a pipe takes whole (man 7 pipe); a longer one
 * alone. */
static void end_line(char *end)
{
	unsigned before = G.out_len;

	G.out_len = end - G.out;
	if (G.out_len > PIPE_BUF && (!IS_INOTIFYWAIT || !G.iw.held || G.out_len > LINE_MAX_BYTES)) {
		write_out(before);
	}
}

/* Appends s to dst with control bytes and \ as \ooo. printf %b takes \0ooo as
 * one byte, so an octal digit behind a \0oo is escaped, too. Returns the new
 * end. */
static char *escape(char *dst, const char *s)
{
	unsigned char c, after = 0;

	while ((c = *s++) != '\0') {
		if (c < ' ' || c == '\\' || c == 0x7f || (after && (c & 0xf8) == '0')) {
			*dst++ = '\\';
			*dst++ = '0' + (c >> 6);
			*dst++ = '0' + ((c >> 3) & 7);
			after = c < 0100;
			c = '0' + (c & 7);
		} else {
			after = 0;
		}
		*dst++ = c;
	}
	*dst = '\0';
	return dst;
}

/* s escaped, for a message; until the next line. */
static char *escaped(const char *s)
{
	char *room = G.out + G.out_len;

	escape(room, s);
	return room;
}

/* Makes a line of the fields (up to NULL) behind what is in G.out. Returns its
 * end. FILE is mostly that of the line before, so it is escaped once. */
static char *make_line(char **fields)
{
	char *s = G.out + G.out_len;

	do {
		char *field = *fields;

		if (ENABLE_FEATURE_WATCHLET_TREE && field == G.path_start) {
			if (G.file_len == 0) {
				G.file_at = s;
				G.file_len = escape(s, field) - s;
			}
			s = (char *)memmove(s, G.file_at, G.file_len) + G.file_len;
		} else {
			s = escape(s, field);
		}
		*s++ = '\t';
	} while (*++fields);
	s[-1] = '\n';
	return s;
}

/* Appends the fields as a line. */
static void put_line(char **fields)
{
	end_line(make_line(fields));
}

/* What is in front of PROG where run_prog() finds it */
enum { ROOM_FOR_SHELL = 3 };

/* Starts PROG, args[ROOM_FOR_SHELL]. */
static void run_prog(char **args)
{
	char **prog = args + ROOM_FOR_SHELL;
	pid_t pid;

	if (ENABLE_FEATURE_WATCHLET_RULES) {
		G.child = -1; /* see reload_failed() */
	}
	pid = xvfork();
	if (pid == 0) {
		/* not with signals blocked, with another stdin, in another directory */
		if ((SIGNAL_FD && sigprocmask_allsigs(SIG_UNBLOCK) != 0)
		 || (ENABLE_FEATURE_WATCHLET_SETTLE && G.child_stdin && dup2(G.child_stdin, STDIN_FILENO) < 0)
		 || (ENABLE_FEATURE_WATCHLET_TREE && G.away && fchdir(G.home) != 0)
		) {
			goto failed;
		}
		BB_EXECVP(prog[0], prog);
		if (errno == ENOEXEC) {
			/* A script without #!, which musl's execvp() doesn't hand to
			 * the shell. Without a slash "." finds it in PATH, too. */
			args[0] = (char *)"/bin/sh";
			args[1] = (char *)"-c";
			args[2] = (char *)". \"$0\"";
			BB_EXECVP(args[0], args);
		}
 failed:
		if (!(G.opts & OPT_q)) {
			bb_simple_perror_msg(prog[0]);
		}
		_exit(127);
	}
	if (!SIGNAL_FD) {
		prog_ended(prog[0], wait4pid(pid));
		return;
	}
	G.child = pid;
	G.child_prog = prog[0];
	G.runs++;
}

/* Waits until PROG doesn't run. */
static void wait_prog(void)
{
	while (SIGNAL_FD && G.child != 0) {
		sleep_for(-1, 0, -1);
	}
}

/* A record, and PROG in front of it */
struct record {
	char letters[20];
	char *fields[ROOM_FOR_SHELL + MAX_WORDS + 5];
};

/* Puts the words of PROG into field[]. Returns the last of these. */
static char **put_prog(char **field, const struct rule *rule)
{
	unsigned n;

	field[0] = (char *)rule->prog;
	for (n = 1; ENABLE_FEATURE_WATCHLET_RULES && n < rule->words; n++) {
		field[1] = field[0] + strlen(field[0]) + 1;
		field++;
	}
	return field;
}

/* Makes the record of PATH root: the letters of mask, then the fields. Returns
 * where in r->fields it starts, behind PROG. */
static char **make_record(struct record *r, unsigned root, uint32_t mask,
		const char *file, const char *name, const char *from)
{
	char **field = put_prog(r->fields + ROOM_FOR_SHELL, rule_of(root));
	const char *letter = bit_letters;
	char *s = r->letters;
	uint32_t bits;

	for (bits = mask & MASK_LETTERS; bits; bits >>= 1) {
		if (bits & 1) {
			*s++ = *letter;
		}
		letter++;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE && (mask & IN_ISDIR)) {
		*s++ = '/';
	}
	*s = '\0';
	field[1] = r->letters;
	field[2] = (char *)file;
	field[3] = (char *)name;
	field[4] = (char *)from;
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		field[5] = NULL;
	}
	return field + 1;
}

/* Reports: prints a line, or runs PROG. With -s that runs on, else it is waited
 * for. */
static void report(unsigned root, uint32_t mask, const char *file, const char *name, const char *from)
{
	struct record record;
	char **fields = make_record(&record, root, mask, file, name, from);

	if (SIGNAL_FD) {
		G.records++;
	}
	if (ENABLE_FEATURE_WATCHLET_OPTIONS) {
		G.child_counts = !(mask & IN_STEP);
	}
	if (rule_of(root)->prog) {
		if (ENABLE_FEATURE_WATCHLET_RULES) {
			flush_lines(); /* of other rules: it may take its time */
		}
		wait_prog();
		run_prog(record.fields);
		if (!(rule_of(root)->opts & OPT_s)) {
			wait_prog();
		}
		return;
	}
	put_line(fields);
	if (!(mask & IN_STEP)) {
		if (G.opts & OPT_1) {
			flush_lines();
		}
		reported(0);
	}
}

/* ===== Settling =====
 * With -s MS a record waits in G.pending, and what happens to its entry until it
 * leaves is merged into it: MS after the last event, at the latest 10 * MS after
 * the first. With -b all records of a rule wait for the last, and leave together.
 *
 * Who replays the records must arrive at the true tree all the same:
 * - Directories below a PATH with -r (what is below them comes and goes with
 *   them), and o x . u, are not merged. What is pending at or below them, or came
 *   from there, is told before them, and nothing is merged into it any more.
 * - Where an entry that came from elsewhere (FROM) is pending, and something
 *   happens there, the move is told as its two halves.
 */

/* The pending record behind at; it may have left */
static struct pending *pending_at(unsigned at)
{
	return (struct pending *)(G.pending + at);
}

/* The first record of G.pending that waits, from *at on; NULL if there is none.
 * *at goes behind it. */
static struct pending *next_pending(unsigned *at)
{
	while (*at < G.pending_end) {
		struct pending *p = pending_at(*at);

		*at += p->size;
		if (p->mask != 0 && p->state != P_BATCH) {
			return p;
		}
	}
	return NULL;
}

/* The record of the entry at path that can be merged into; NULL if none. */
static struct pending *find_pending(unsigned root, const char *path)
{
	uint32_t hash = name_hash(root, path);
	struct pending *p;
	unsigned at = 0;

	while ((p = next_pending(&at)) != NULL) {
		if (p->hash == hash && p->root == root && p->state == P_OPEN
		 && strcmp(p->path, path) == 0
		) {
			break;
		}
	}
	return p;
}

/* Is path at top, or below it? */
static int is_under(const char *path, const char *top)
{
	char last = '\0';

	while (*top) {
		last = *top;
		if (*path++ != *top++) {
			return 0;
		}
	}
	return *path == '\0' || *path == '/' || last == '/';
}

/* p is not told as a move any more, but as the second half of one. Returns the
 * letter of the first half, if that was asked for. */
static uint32_t part(struct pending *p)
{
	p->from = 0;
	return G.paths[p->root].mask & IN_MOVED_FROM;
}

/* Something is to be told of top, a directory: what is pending at or below it
 * goes first. */
static void close_under(unsigned root, const char *top)
{
	struct pending *p, *source;
	unsigned at = 0;

	while ((p = next_pending(&at)) != NULL) {
		const char *from = p->path + p->from;

		if (p->root != root || p->state != P_OPEN || !(is_under(p->path, top) || is_under(from, top))) {
			continue;
		}
		p->state = P_CLOSED;
		p->due = G.now;
		source = p->from ? find_pending(root, from) : NULL;
		if (source) {
			/* that stays, and would be told after this */
			source->mask |= part(p);
		}
	}
}

/* p leaves. */
static void forget_pending(struct pending *p)
{
	p->mask = 0;
	if (--G.pending_used == 0) {
		G.pending_end = 0;
	}
}

/* Makes the record of p, see make_record(). */
static char **pending_record(struct record *r, const struct pending *p)
{
	strcpy(stpncpy(G.file, p->path, p->file_len), "");
	return make_record(r, p->root, p->mask, G.file,
		p->name ? p->path + p->name : NULL,
		p->from ? p->path + p->from : NULL);
}

/* Writes what the pipe to PROG takes of the records of its batch. */
static void feed(void)
{
	struct record record;
	struct pending *p;
	unsigned at, len;
	char *line;
	ssize_t n;

	for (at = 0; at < G.pending_end; at += p->size) {
		p = pending_at(at);
		if (p->mask == 0 || p->state != P_BATCH) {
			continue;
		}
		line = G.out + G.out_len;
		len = make_line(pending_record(&record, p)) - line;
		n = write(G.feed - 1, line + G.fed, len - G.fed);
		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR) {
				return;
			}
			if (errno != EPIPE) {
				bb_simple_perror_msg(G.child_prog);
			}
			break; /* it reads no more */
		}
		G.fed += n;
		if (G.fed != len) {
			return;
		}
		G.fed = 0;
		forget_pending(p);
	}
	end_feed();
}

/* PROG gets no more of its batch. */
static void end_feed(void)
{
	struct pending *p;
	unsigned at;

	if (!ENABLE_FEATURE_WATCHLET_SETTLE || G.feed == 0) {
		return;
	}
	close(G.feed - 1);
	G.feed = 0;
	G.fed = 0;
	for (at = 0; at < G.pending_end; at += p->size) {
		p = pending_at(at);
		if (p->mask != 0 && p->state == P_BATCH) {
			forget_pending(p);
		}
	}
}

/* Reports p alone. */
static void report_pending(struct pending *p)
{
	struct record record;
	char **fields = pending_record(&record, p);
	uint32_t mask = p->mask;

	forget_pending(p); /* its text stays until another is appended */
	report(p->root, mask, fields[1], fields[2], fields[3]);
}

/* All records of rule that are pending leave: one run of PROG gets them as
 * lines on its stdin. */
static void start_batch(struct rule *rule)
{
	char *args[ROOM_FOR_SHELL + MAX_WORDS + 1];
	struct pending *p;
	unsigned at = 0;
	int fds[2];

	rule->burst_limit = 0;
	G.child_counts = 0;
	while ((p = next_pending(&at)) != NULL) {
		if (rule_of(p->root) != rule) {
			continue;
		}
		if (!rule->prog) {
			report_pending(p);
			continue;
		}
		p->state = P_BATCH;
		G.child_counts |= !(p->mask & IN_STEP);
		G.records++;
	}
	if (!rule->prog) {
		return;
	}
	G.child = -1; /* see reload_failed() */
	if (pipe2(fds, O_CLOEXEC) != 0) {
		bb_simple_perror_msg_and_die("pipe");
	}
	ndelay_on(fds[1]);
	put_prog(args + ROOM_FOR_SHELL, rule)[1] = NULL;
	G.child_stdin = fds[0];
	run_prog(args);
	G.child_stdin = 0;
	close(fds[0]);
	G.feed = fds[1] + 1;
	feed();
}

/* May p leave? Not while PROG runs: there is one run at a time. */
static int may_go(const struct pending *p)
{
	return G.child == 0 || !rule_of(p->root)->prog;
}

/* p leaves, with -b all of its rule. */
static void let_go(struct pending *p)
{
	struct rule *rule = rule_of(p->root);

	if (rule->opts & OPT_b) {
		start_batch(rule);
	} else {
		report_pending(p);
	}
}

/* Lets the oldest record leave, or waits until something has left. */
static void let_one_go(void)
{
	unsigned at = 0;
	struct pending *p = next_pending(&at);

	if (p && may_go(p)) {
		let_go(p);
	} else {
		sleep_for(-1, 0, -1);
	}
}

/* Tells all that is pending of PATH root (0: of all), and waits for PROG. */
static void drain(unsigned root)
{
	struct pending *p;
	unsigned at = 0;

	while (ENABLE_FEATURE_WATCHLET_SETTLE && (p = next_pending(&at)) != NULL) {
		if (root == 0 || p->root == root) {
			wait_prog();
			let_go(p);
		}
	}
	wait_prog();
}

/* Lets go what has settled. Returns the ms until more will have; -1 when nothing
 * waits but for the end of PROG. */
static int settle(void)
{
	uint32_t now;
	struct pending *p;
	unsigned at = 0;
	int ms = -1;

	if (G.pending_used == 0) {
		return -1;
	}
	now = monotonic_ms();
	while ((p = next_pending(&at)) != NULL) {
		struct rule *rule = rule_of(p->root);
		int left = (rule->opts & OPT_b ? rule->burst_due : p->due) - now;

		if (!may_go(p)) {
			continue;
		}
		if (left <= 0) {
			let_go(p);
		} else if (ms < 0 || left < ms) {
			ms = left;
		}
	}
	return ms;
}

/* Is there room for size bytes in G.pending? Closes the holes in it. */
static int room_for(unsigned size)
{
	unsigned from, to = 0, len;

	if (G.pending_end + size > PENDING_SIZE) {
		for (from = 0; from < G.pending_end; from += len) {
			len = pending_at(from)->size;
			if (pending_at(from)->mask != 0) {
				memmove(G.pending + to, G.pending + from, len);
				to += len;
			}
		}
		G.pending_end = to;
	}
	return G.pending_used < MAX_PENDING && G.pending_end + size <= PENDING_SIZE;
}

/* The path of the entry name (NULL: of FILE itself) in file, in G.entry. */
static char *full_path(const char *file, const char *name)
{
	char *s = G.entry + strlen(file);

	memmove(G.entry, file, s - G.entry + 1); /* it may be there */
	if (name) {
		if (s[-1] != '/') {
			*s++ = '/';
		}
		strcpy(s, name);
	}
	return G.entry;
}

/* Puts a record into G.pending, or merges it into the one that is there. */
static void pend(unsigned root, uint32_t mask, const char *file, const char *name, const char *from)
{
	struct rule *rule = rule_of(root);
	uint32_t due = G.now + rule->settle_ms;
	uint32_t limit = G.now + 10 * rule->settle_ms;
	unsigned file_len = strlen(file); /* first: it may be in G.entry */
	char *path = full_path(file, name);
	unsigned len = strlen(path) + 1;
	unsigned from_len = from ? strlen(from) + 1 : 0;
	unsigned size = (offsetof(struct pending, path) + len + from_len + 7) & ~7;
	unsigned at = 0, state = P_OPEN;
	struct pending *p;

	if (rule->opts & OPT_b) {
		if (rule->burst_limit == 0) {
			rule->burst_limit = limit | 1;
		}
		rule->burst_due = (int32_t)(rule->burst_limit - due) < 0 ? rule->burst_limit : due;
	}
	if ((mask & MASK_ALWAYS)
	 || (has_opt(root, OPT_r) && (mask & MASK_NAMES) && (!name || (mask & IN_ISDIR)))
	) {
		close_under(root, path);
		if (from) {
			close_under(root, from);
		}
		state = P_CLOSED;
		due = G.now;
	} else {
		if (has_opt(root, OPT_r) && (mask & IN_MOVED_TO)) {
			/* it may have changed places with a directory */
			strcpy(path + len - 1, "/");
			close_under(root, path);
			path[len - 1] = '\0';
		}
		while ((p = next_pending(&at)) != NULL) {
			if (p->root == root && p->from && p->state == P_OPEN && strcmp(p->path + p->from, path) == 0) {
				mask |= part(p);
			}
		}
		p = find_pending(root, path);
		if (p) {
			p->mask |= mask;
			p->due = (int32_t)(p->limit - due) < 0 ? p->limit : due;
			G.merged++;
			return;
		}
	}
	while (!room_for(size)) {
		if (!(G.said_full & 8)) {
			G.said_full |= 8;
			bb_error_msg("WATCHLET_MAX_PENDING=%u is full, the oldest is told early", MAX_PENDING);
		}
		let_one_go();
	}
	p = pending_at(G.pending_end);
	G.pending_end += size;
	G.pending_used++;
	p->due = due;
	p->limit = limit;
	p->mask = mask;
	p->hash = name_hash(root, path);
	p->root = root;
	p->size = size;
	p->file_len = file_len;
	p->name = name ? len - 1 - strlen(name) : 0;
	p->from = from ? len : 0;
	p->state = state;
	strcpy(p->path, path);
	if (from) {
		strcpy(p->path + len, from);
	}
}

/* Can a move from below PATH from_root to the entry name in the directory of
 * slot w be one record? dir: of a directory */
static int can_join(unsigned from_root, unsigned w, const char *name, uint32_t dir)
{
	unsigned root = root_of(w);
	char *path;

	if (!(ENABLE_FEATURE_WATCHLET_SETTLE && (rule_of(root)->opts & OPT_s))) {
		return 1;
	}
	path = entry_path(G.entry, w, name);
	return from_root == root && path && (dir || !find_pending(root, path));
}

/* A record is made: it is reported, now or when it has settled. */
static void emit(unsigned root, uint32_t mask, const char *file, const char *name, const char *from)
{
	if (ENABLE_FEATURE_WATCHLET_SETTLE && (rule_of(root)->opts & OPT_s)) {
		pend(root, mask, file, name, from);
	} else {
		report(root, mask, file, name, from);
	}
}

/* ===== Telling =====
 * tell() is the one way out.
 */

static void inotifywait_event(unsigned w, uint32_t mask, const char *path, const char *name);
static void say_unwatchable(const char *path);
static void unwatchable(unsigned w, const char *name, const char *why, unsigned limit, int bit);
static int inotifywait_skips(unsigned parent, const char *name);
static void established(void);

/* Tells what happened to the directory or file of slot w, or to the entry name
 * in it, if its PATH asked for that. from: the old path of an entry that was
 * moved, or NULL. */
static void tell(unsigned w, uint32_t mask, const char *name, const char *from)
{
	unsigned root = root_of(w);
	int found = !!(mask & IN_CREATE);
	char *path;

	if (IS_INOTIFYWAIT) {
		/* root 0: it has gone into limbo */
		inotifywait_event(w, mask, root != 0 ? path_of(w) : NULL, name);
		return;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		if (has_opt(root, OPT_r) && (mask & IN_ISDIR)) {
			mask &= ~MASK_READS;
		}
		if (!has_opt(root, OPT_r) || !name) {
			mask &= ~IN_ISDIR;
		}
	}
	mask &= G.paths[root].mask | MASK_ALWAYS | IN_ISDIR;
	if (!(mask & MASK_LETTERS) || (ENABLE_FEATURE_WATCHLET_TREE && root == 0)) {
		return; /* not asked for; or it has gone into limbo */
	}
	if (HAS_GLOBS
	 && name
	 && globs_match('I', w, name) == 0
	 /* what is below a directory moves with it */
	 && (found || !(mask & IN_ISDIR) || !(mask & (IN_MOVED_FROM | IN_MOVED_TO)))
	) {
		return;
	}
	path = path_of(w);
	if (ENABLE_FEATURE_WATCHLET_TREE && !path) {
		/* longer than PATH_MAX, by a move. Not an o, as in too_long() */
		unwatchable(w, NULL, NULL, 0, 0);
		return;
	}
	emit(root, mask, path, name, from);
}

/* ===== Watch table =====
 * Slots are found by wd, and by parent and name. The hashes start small and
 * grow with the number of slots, so a small tree touches few pages.
 */

static idx_t *wd_head(int wd)
{
	return &G.wd_heads[wd & G.hash_mask];
}

static idx_t *name_head(unsigned parent, const char *name)
{
	return &G.name_heads[name_hash(parent, name) & G.hash_mask];
}

static void link_wd(unsigned w)
{
	idx_t *head;

	if (!ENABLE_FEATURE_WATCHLET_TREE) {
		return;
	}
	head = wd_head(G.watches[w].wd);
	G.watches[w].wd_next = *head;
	*head = w;
}

static void link_name(unsigned w)
{
	idx_t *head = name_head(G.watches[w].parent, name_of(w));

	G.watches[w].name_next = *head;
	*head = w;
}

/* A slot with this wd whose PATH comes after that of index after, the first of
 * them; 0 if there is none. Slots in limbo have no PATH. The loop
 * for (w = 0; (w = next_watch(wd, root_of(w))) != 0;) visits all PATHs that
 * share an inode, whatever is done to the table meanwhile. */
static unsigned next_watch(int wd, unsigned after)
{
	unsigned w, root, found = 0, found_root = 0;

	if (!ENABLE_FEATURE_WATCHLET_TREE) {
		/* Only PATHs: a loop over 1000 of them takes less time than a system
		 * call, and 200 bytes less than the hash. An overflow, wd -1, is for
		 * all that are left. */
		do {
			if (++after > G.paths_used) {
				return 0;
			}
		} while (G.watches[after].wd != wd && wd >= 0);
		return after;
	}
	for (w = *wd_head(wd); w != 0; w = G.watches[w].wd_next) {
		if (G.watches[w].wd != wd) {
			continue;
		}
		root = root_of(w);
		if (root > after && (found == 0 || root < found_root)) {
			found = w;
			found_root = root;
		}
	}
	return found;
}

/* The slot with this wd below PATH root, or in limbo; 0 if there is none. */
static unsigned watch_of(int wd, unsigned root)
{
	unsigned w, r, limbo = 0;

	for (w = *wd_head(wd); w != 0; w = G.watches[w].wd_next) {
		if (G.watches[w].wd == wd) {
			r = root_of(w);
			if (r == root) {
				return w;
			}
			if (r == 0) {
				limbo = w;
			}
		}
	}
	return limbo;
}

/* The slot of the entry name in the directory of slot parent; 0 if none. */
static unsigned kid_of(unsigned parent, const char *name)
{
	unsigned w;

	for (w = *name_head(parent, name); w != 0; w = G.watches[w].name_next) {
		if (G.watches[w].parent == parent && strcmp(name_of(w), name) == 0) {
			break;
		}
	}
	return w;
}

/* Does any slot, or step, have this wd? */
static int wd_in_use(int wd)
{
	unsigned w;
	unsigned i;

	for (w = *wd_head(wd); w != 0; w = G.watches[w].wd_next) {
		if (G.watches[w].wd == wd) {
			return 1;
		}
	}
	for (i = 0; ENABLE_FEATURE_WATCHLET_FOLLOW && i < G.steps_used; i++) {
		if (G.steps[i].path != 0 && G.steps[i].wd == wd) {
			return 1;
		}
	}
	return 0;
}

/* Lets the kernel forget a watch that no slot has. It may have done so already
 * (EINVAL). The IN_IGNORED that this raises says nothing new. */
static void unwatch(int wd)
{
	if (wd >= 0 && !wd_in_use(wd) && inotify_rm_watch(G.fd, wd) == 0) {
		G.horizon += sizeof(struct inotify_event);
	}
}

/* Slot w has no wd any more. */
static void unlink_wd(unsigned w)
{
	idx_t *link;

	if (ENABLE_FEATURE_WATCHLET_TREE && G.watches[w].wd >= 0) {
		link = wd_head(G.watches[w].wd);
		while (*link != w) {
			link = &G.watches[*link].wd_next;
		}
		*link = G.watches[w].wd_next;
	}
	G.watches[w].wd = -1;
}

/* Takes slot w from its place. Its name stays in G.names as a hole. */
static void detach(unsigned w)
{
	struct watch *p = &G.watches[w];
	idx_t *link;

	if (p->parent == 0) {
		return;
	}
	link = name_head(p->parent, name_of(w));
	while (*link != w) {
		link = &G.watches[*link].name_next;
	}
	*link = p->name_next;
	G.watches[p->parent].kids--;
	p->parent = 0;
	forget_name(w);
	G.path_of = 0;
}

/* Puts slot w, which has no place, at name in the directory of slot parent.
 * Returns 0 when G.names is full; it is in no place then. */
static int attach(unsigned w, unsigned parent, const char *name)
{
	if (!store_name(w, name)) {
		return 0;
	}
	G.watches[w].parent = parent;
	G.watches[parent].kids++;
	link_name(w);
	return 1;
}

/* Slot w is no more to be looked at. */
static void not_todo(unsigned w)
{
	struct watch *p = &G.watches[w];

	if (p->flags & W_TODO && p->flags & W_SCAN) {
		G.scan_left--;
	}
	p->flags &= W_TRY - 1 - W_TODO - W_SCAN - W_NEWS;
}

/* Puts slot w into the work queue: at its end, or, while a directory is being
 * listed, in front, behind what that has put there: the way down goes on from
 * directories that are open. */
static void enqueue(unsigned w)
{
	struct watch *p = &G.watches[w];
	unsigned after = G.in_front ? G.last_in_front : G.todo_last;

	if (p->flags & W_QUEUED) {
		return;
	}
	p->flags |= W_QUEUED;
	if (after == 0 || G.todo == 0) {
		p->todo_next = G.todo;
		G.todo = w;
	} else {
		p->todo_next = G.watches[after].todo_next;
		G.watches[after].todo_next = w;
	}
	if (p->todo_next == 0) {
		G.todo_last = w;
	}
	G.last_in_front = w;
}

/* Slot w is to be looked at; how: W_SCAN, W_NEWS. */
static void set_todo(unsigned w, unsigned how)
{
	not_todo(w);
	if (how & W_SCAN) {
		G.scan_left++;
		G.scanning = 1;
		if (w <= G.paths_used) {
			G.paths[w].scanned = 1;
		}
	}
	G.watches[w].flags |= W_TODO | how;
	enqueue(w);
}

/* Makes a slot free for other use, once it is out of the work queue. Those of
 * PATHs stay theirs. */
static void recycle(unsigned w)
{
	if (ENABLE_FEATURE_WATCHLET_RULES && w <= G.paths_used) {
		return;
	}
	G.watches[w].wd_next = G.free;
	G.free = w;
}

static void free_watch(unsigned w)
{
	struct watch *p = &G.watches[w];
	int wd = p->wd;

	detach(w);
	unlink_wd(w);
	unwatch(wd);
	not_todo(w);
	p->flags &= W_QUEUED;
	G.in_use--;
	if (!p->flags) {
		recycle(w);
	}
}

/* Slot w, with all below it, leaves its place for one that is not known. */
static void to_limbo(unsigned w)
{
	struct watch *p = &G.watches[w];

	not_todo(w);
	detach(w);
	if (p->flags & W_LIMBO) {
		return;
	}
	if (p->wd < 0 && p->kids == 0) {
		free_watch(w);
	} else {
		p->flags |= W_LIMBO;
		G.limbo = 1;
	}
}

/* All that is in the directory of slot w leaves its place: a listing is about
 * to tell what is there. */
static void kids_to_limbo(unsigned w)
{
	unsigned k;

	for (k = G.paths_used + 1; G.watches[w].kids != 0 && k <= G.top_used; k++) {
		if (G.watches[k].parent == w) {
			to_limbo(k);
		}
	}
}

/* Frees all slots in limbo. */
static void sweep_limbo(void)
{
	unsigned w;

	if (!G.limbo) {
		return;
	}
	for (w = G.paths_used + 1; w <= G.top_used; w++) {
		if ((G.watches[w].flags & W_USED) && root_of(w) == 0) {
			G.watches[w].flags |= W_LIMBO;
		}
	}
	for (w = G.paths_used + 1; w <= G.top_used; w++) {
		if (G.watches[w].flags & W_LIMBO) {
			free_watch(w);
		}
	}
	G.limbo = 0;
}

/* Doubles the part of the hashes that is in use. */
static void grow_hash(void)
{
	unsigned w;

	memset(G.wd_heads, 0, (G.hash_mask + 1) * sizeof(idx_t));
	memset(G.name_heads, 0, (G.hash_mask + 1) * sizeof(idx_t));
	G.hash_mask = G.hash_mask * 2 + 1;
	for (w = 1; w <= G.top_used; w++) {
		if (G.watches[w].flags & W_USED) {
			if (G.watches[w].wd >= 0) {
				link_wd(w);
			}
			if (G.watches[w].parent != 0) {
				link_name(w);
			}
		}
	}
}

/* A new slot without wd and place. Returns 0 when the table is full. */
static unsigned new_watch(void)
{
	unsigned w;

	if (G.free == 0 && G.top_used == MAX_WATCHES) {
		sweep_limbo();
	}
	if (G.free != 0) {
		w = G.free;
		G.free = G.watches[w].wd_next;
	} else if (G.top_used < MAX_WATCHES) {
		w = ++G.top_used;
	} else {
		return 0;
	}
	memset(&G.watches[w], 0, sizeof(G.watches[w]));
	G.watches[w].wd = -1;
	G.watches[w].flags = W_USED;
	if (++G.in_use > G.hash_mask && G.hash_mask < HASH_SIZE - 1) {
		grow_hash();
	}
	return w;
}

/* ===== Scanner =====
 * Looks at the slots in the work queue: opens, watches and lists directories.
 * Nothing outside of a PATH is ever watched or listed: the way down from PATH
 * is taken without symlinks.
 */

/* Directory entries as getdents64(2) gives them */
struct dent {
	uint64_t ino;
	uint64_t off;
	uint16_t len;
	uint8_t type;
	char name[1];
};

enum {
	DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC,
};

/* The place in the stream of events where the kernel's queue ends now: events
 * before it are older than this call, those after it are newer. Both the bytes
 * that were read and those that FIONREAD tells count (man 7 inotify). */
static pos_t stream_end(void)
{
	int n = 0;

	ioctl(G.fd, FIONREAD, &n);
	return G.read_pos + n;
}

/* The place of the event at G.cur */
static uint32_t next_pos(void)
{
	return G.read_pos - (G.end - G.cur);
}

/* Was the event that is being handled queued before place pos of the stream? */
static int older_than(pos_t pos)
{
	return (pos_t)(G.pos - pos) > POS_HALF;
}

/* The mask the kernel gets for a directory below PATH root. */
static uint32_t tree_mask(unsigned root)
{
	uint32_t mask = G.paths[root].mask & (MASK_EVENTS | IN_EXCL_UNLINK);

	if (has_opt(root, OPT_r)) {
		if (!IS_INOTIFYWAIT) {
			mask &= ~IN_DELETE_SELF;
		}
		mask |= MASK_TREE | IN_MOVE_SELF;
	}
	return mask | IN_MASK_ADD;
}

/* Tells that the entry name in the directory of slot w, or (NULL) the PATH w, is
 * there, but can't be watched. why: NULL for errno, or what to say; limit: the table that is full,
 * how large it is, and its bit of said_full: these are said once. */
static void unwatchable(unsigned w, const char *name, const char *why, unsigned limit, int bit)
{
	char *path = name ? entry_path(G.entry, w, name) : path_of(w);

	if (!path) {
		if (IS_INOTIFYWAIT) {
			inotifywait_event(w, IN_Q_OVERFLOW, G.path, NULL);
			return;
		}
		/* longer than PATH_MAX: of the nearest that isn't */
		while (!(path = path_of(w))) {
			w = G.watches[w].parent;
		}
		why = NULL;
		bit = 16;
		errno = ENAMETOOLONG;
	}
	if (IS_INOTIFYWAIT && G.iw.held && errno == EACCES) {
		return; /* what is forbidden at start is left out */
	}
	if (errno == ENOSPC && !why) {
		bit = 4;
	}
	if (!(G.said_full & bit)) {
		G.said_full |= bit;
		if (IS_INOTIFYWAIT && !why) {
			say_unwatchable(escaped(path));
		} else if (!why) {
			inotify_msg(escaped(path));
		} else if (limit) {
			bb_error_msg("%s: not watched, %s=%u is full", escaped(path), why, limit);
		} else {
			bb_error_msg("%s: not watched, %s", escaped(path), why);
		}
	}
	if (!IS_INOTIFYWAIT) {
		emit(root_of(w), IN_IGNORED, path, NULL, NULL);
	} else if (G.iw.held && bit) {
		exit(EXIT_FAILURE); /* a limit, at start */
	}
}

static void names_full(unsigned w, const char *name)
{
	G.unwatched = 1;
	unwatchable(w, name, "WATCHLET_NAMES_KB", CONFIG_WATCHLET_NAMES_KB, 2);
}

/* Opens the directory at path, relative to that of fd, without following any
 * symlink. Writes into path. Returns -1 on failure. */
static int open_below(int fd, char *path)
{
#ifdef SYS_openat2
	struct {
		uint64_t flags, mode, resolve;
	} how = { DIR_FLAGS, 0, 0x04 }; /* RESOLVE_NO_SYMLINKS: linux/openat2.h */

	if (!G.no_openat2) {
		int at = syscall(SYS_openat2, fd, path, &how, sizeof(how));

		if (at >= 0 || (errno != ENOSYS && errno != EPERM)) {
			return at;
		}
		G.no_openat2 = 1; /* before Linux 5.6, or a strict sandbox */
	}
#endif
	fd = dup(fd);
	G.path_of = 0;
	do {
		char *slash = strchrnul(path, '/');
		int more = (*slash != '\0');
		int up = fd;

		*slash = '\0';
		fd = openat(up, path, DIR_FLAGS | O_NOFOLLOW);
		close(up);
		path = slash + more;
	} while (fd >= 0 && *path);
	return fd;
}

/* The directory that looks are made from now */
static int at_fd(void)
{
	return G.chain_fd[G.depth - 1];
}

static void close_chain(unsigned depth)
{
	while (G.depth > depth) {
		close(G.chain_fd[--G.depth]);
	}
}

/* Closes what looks were made from, and goes home. */
static void leave(void)
{
	close_chain(0);
	if (IS_INOTIFYWAIT) {
		G.iw.walk_end = stream_end();
	}
	if (G.away) {
		if (fchdir(G.home) != 0) {
			bb_simple_perror_msg_and_die("working directory");
		}
		G.away = 0;
	}
}

/* Is the directory that is open as fd the one that slot w watches? Its wd tells. */
static int is_watched(int fd, unsigned w)
{
	int wd;

	G.away = 1;
	if (fchdir(fd) != 0) {
		return 0;
	}
	wd = inotify_add_watch(G.fd, ".", tree_mask(root_of(w)));
	if (wd >= 0 && wd == G.watches[w].wd) {
		return 1;
	}
	unwatch(wd);
	errno = ESTALE;
	return 0;
}

/* Goes on from slot w, the directory that is open as fd. */
static void go_on_from(unsigned w, int fd)
{
	G.chain[G.depth] = G.watches[w].wd;
	G.chain_fd[G.depth++] = fd;
}

/* Goes to PATH root. It must be the directory it was at start. */
static int go_to_path(unsigned root)
{
	struct path *p = &G.paths[root];
	struct stat st;
	int fd;

	if (G.depth != 0 && G.chain[0] == G.watches[root].wd) {
		close_chain(1);
		return 1;
	}
	leave();
	if (IS_INOTIFYWAIT && (int32_t)(G.iw.walk_end - next_pos()) <= 0) {
		G.iw.walk = stream_end();
	}
	memcpy(G.path, p->name, p->len);
	G.path[p->len] = '\0';
	G.path_of = 0;
	fd = open(G.path, DIR_FLAGS | (p->mask & IN_DONT_FOLLOW ? O_NOFOLLOW : 0));
	if (fd < 0) {
		return 0;
	}
	if (fstat(fd, &st) != 0) {
		st.st_ino = 0;
	}
	if (p->ino == 0) {
		p->dev = st.st_dev;
		p->ino = st.st_ino;
	}
	/* this first, since nothing else may be watched, not even for a moment */
	errno = ESTALE;
	if (p->dev != st.st_dev || p->ino != st.st_ino || !is_watched(fd, root)) {
		close(fd);
		return 0;
	}
	go_on_from(root, fd);
	return 1;
}

/* Goes to the directory of slot w. Returns 0 when it isn't where the table has
 * it. */
static int reach(unsigned w)
{
	unsigned root = root_of(w);
	unsigned depth;
	char *below;
	int fd;

	for (depth = G.depth; depth != 0; depth--) {
		if (G.chain[depth - 1] == G.watches[w].wd) {
			close_chain(depth);
			return 1;
		}
	}
	if (!go_to_path(root)) {
		leave();
		return 0;
	}
	if (w == root) {
		return 1;
	}
	below = path_of(w);
	if (!below) {
		return 0;
	}
	below += G.paths[root].len;
	below += (*below == '/');
	fd = open_below(at_fd(), below);
	if (fd < 0) {
		return 0;
	}
	if (!is_watched(fd, w)) {
		close(fd);
		return 0;
	}
	go_on_from(w, fd);
	return 1;
}

/* The type (DT_...) of what is at path, from the directory fd; -1: errno says why not */
static int type_at(int fd, const char *path, int flags)
{
	struct stat st;

	return fstatat(fd, path, &st, flags) == 0 ? (int)IFTODT(st.st_mode) : -1;
}

/* The events that tell of something that was found; type: DT_... */
static uint32_t found_mask(int type)
{
	return IN_CREATE | IN_MOVED_TO
		| (type == DT_REG ? IN_CLOSE_WRITE : 0)
		| (type == DT_DIR ? IN_ISDIR : 0);
}

/* There is no room to look later at the entry name in the directory of slot w,
 * of which nobody was told: looks now. Returns 1 if it is a directory. */
static int look_now(unsigned w, const char *name)
{
	int type = -1;

	if (!reach(w)) {
		/* what is in there can't be known: forgotten, and listed anew */
		tell(w, IN_Q_OVERFLOW, NULL, NULL);
		kids_to_limbo(w);
		set_todo(w, 0);
	} else {
		type = type_at(at_fd(), name, AT_SYMLINK_NOFOLLOW);
		if (type >= 0) {
			tell(w, found_mask(type), name, NULL);
		}
	}
	leave();
	return type == DT_DIR;
}

/* Puts a slot for the entry name in the directory of slot parent into the work
 * queue. how: W_SCAN, W_NEWS. If there is no room, tells so. */
static void place(unsigned parent, const char *name, unsigned how)
{
	const char *full = NULL;
	unsigned limit = 0, bit = 0;
	char *path;
	unsigned w;

	if (root_of(parent) == 0) {
		return; /* has gone into limbo with what the table had wrong */
	}
	path = path_of(parent);
	if (IS_INOTIFYWAIT && inotifywait_skips(parent, name)) {
		G.unwatched = 1;
		return;
	}
	if (path && strlen(path) + strlen(name) + 2 <= PATH_MAX) {
		w = new_watch();
		if (w == 0) {
			full = "WATCHLET_MAX_WATCHES";
			limit = MAX_WATCHES;
			bit = 1;
		} else if (!attach(w, parent, name)) {
			free_watch(w);
			full = "WATCHLET_NAMES_KB";
			limit = CONFIG_WATCHLET_NAMES_KB;
			bit = 2;
		} else {
			set_todo(w, how);
			return;
		}
	}
	G.unwatched = 1;
	if (!(how & W_NEWS) || look_now(parent, name)) {
		errno = ENAMETOOLONG;
		unwatchable(parent, name, full, limit, bit);
	}
}

/* FUSE allows names that are longer than NAME_MAX. They can't be told, nor what is
 * in such a directory. An o would have who replays the records forget what else is
 * in slot w, of which nothing follows. */
static int too_long(unsigned w, const char *name)
{
	if (strlen(name) <= NAME_MAX) {
		return 0;
	}
	if (IS_INOTIFYWAIT || !has_opt(root_of(w), OPT_r | OPT_i)) {
		tell(w, IN_Q_OVERFLOW, NULL, NULL);
	} else {
		errno = ENAMETOOLONG;
		unwatchable(w, NULL, NULL, 0, 16);
	}
	return 1;
}

/* Lists the directory of slot w, open as fd: tells what is in it, and puts
 * directories into the work queue. Returns 0 when it can't. */
static int list(unsigned w, int fd, unsigned how)
{
	int tree = has_opt(root_of(w), OPT_r);
	unsigned left = MAX_READS;
	long n;

	while ((n = syscall(SYS_getdents64, fd, G.dents, DENTS_BUF)) > 0) {
		char *next = G.dents;

		if (--left == 0) {
			errno = EFBIG; /* of FUSE: it would go on for ever */
			break;
		}
		do {
			struct dent *d = (struct dent *)next;
			int type = d->type;

			next += d->len;
			n -= d->len;
			/* FUSE can list a name that begins with its end: nothing has that */
			if (!*d->name || LONE_CHAR(d->name, '.') || strcmp(d->name, "..") == 0) {
				continue;
			}
			if (too_long(w, d->name) || excluded(w, d->name)) {
				continue;
			}
			if (type == DT_UNKNOWN) {
				type = type_at(fd, d->name, AT_SYMLINK_NOFOLLOW);
			}
			if (!(G.watches[w].flags & W_QUIET)) {
				tell(w, found_mask(type), d->name, NULL);
			}
			/* a name that comes and goes may be listed twice */
			if (tree && type == DT_DIR && kid_of(w, d->name) == 0) {
				place(w, d->name, how);
			}
		} while (n > 0);
	}
	return n == 0 || errno == ENOENT; /* ENOENT: it was removed */
}

/* Slot w goes to the end of the work queue; the first that does ends scan(). */
static void put_off(unsigned w)
{
	if (G.first_put_off == 0) {
		G.first_put_off = w;
	}
	G.in_front = 0;
	enqueue(w);
}

/* Slot w is to be looked at again after more events have been read. Returns 0
 * when none came often enough. */
static int later(unsigned w)
{
	if (G.was_quiet) {
		if (G.watches[w].flags / W_TRY >= TRIES) {
			return 0;
		}
		G.watches[w].flags += W_TRY;
	}
	put_off(w);
	return 1;
}

/* What slot w has is not where the table has it, and no event says so: it is
 * told as gone from there, and its place is looked at. */
static void doubt(unsigned w)
{
	unsigned parent = G.watches[w].parent;
	char name[NAME_MAX + 1];

	strcpy(name, name_of(w));
	to_limbo(w);
	tell(parent, IN_MOVED_FROM | IN_ISDIR, name, NULL);
	place(parent, name, W_NEWS);
}

/* Slot w keeps its place, but has no wd, and nothing is below it. */
static void clear(unsigned w)
{
	kids_to_limbo(w);
	unlink_wd(w);
	not_todo(w);
}

/* ... and its watch is no more. */
static void blind(unsigned w)
{
	int wd = G.watches[w].wd;

	clear(w);
	unwatch(wd);
}

/* Looks at slot w, a directory below a PATH: finds out which directory is at
 * its place, and lists it. */
static void look(unsigned w)
{
	unsigned parent = G.watches[w].parent;
	unsigned root = root_of(w);
	unsigned known;
	unsigned how = G.watches[w].flags & (W_SCAN | W_NEWS);
	pos_t end;
	char name[NAME_MAX + 1];
	int fd, wd;

	if (root == 0 || (G.watches[parent].flags & W_TODO)) {
		/* it left, or the listing of its parent is about to say more */
		not_todo(w);
		return;
	}
	strcpy(name, name_of(w));
	if (!reach(parent)) {
		if (!later(w)) {
			if (parent == root) {
				unwatchable(parent, name, NULL, 0, 0);
				blind(w);
			} else {
				doubt(parent);
			}
		}
		return;
	}
	fd = openat(at_fd(), name, DIR_FLAGS | O_NOFOLLOW);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
			/* The event that says so is on its way. The slot stays as
			 * long as the name does. */
			if (how & W_NEWS) {
				int type = type_at(at_fd(), name, AT_SYMLINK_NOFOLLOW);

				to_limbo(w);
				if (type >= 0) {
					tell(parent, found_mask(type), name, NULL);
				}
			} else {
				blind(w);
			}
			return;
		}
		if (errno == EMFILE && G.depth > 2) {
			/* so few descriptors: the way down from PATH anew each time */
			G.chain_limit = 2;
			leave();
			enqueue(w);
			return;
		}
		goto fail;
	}
	G.away = 1;
	if (fchdir(fd) != 0) {
		goto fail;
	}
	wd = inotify_add_watch(G.fd, ".", tree_mask(root));
	if (wd < 0) {
		goto fail;
	}
	known = watch_of(wd, root);
	if (known != 0 && known != w && root_of(known) != 0) {
		/* It has moved here, and the event is on its way. If that doesn't
		 * come, the directory can be reached by two paths. */
		close(fd);
		if (!later(w)) {
			unsigned other = G.watches[known].parent;
			int same = (other == 0);

			if (!same && reach(other)) {
				fd = openat(at_fd(), name_of(known), DIR_FLAGS | O_NOFOLLOW);
				same = (fd >= 0 && is_watched(fd, known));
				close(fd);
			}
			if (stream_end() != G.horizon) {
				put_off(w); /* something happens after all */
				return;
			}
			if (same) {
				if (how & W_NEWS) {
					tell(parent, IN_MOVED_TO | IN_ISDIR, name, NULL);
				}
				unwatchable(parent, name, "it has another path, too (a bind mount?)", 0, 0);
				blind(w);
				return;
			}
			set_todo(w, how); /* first: doubt() may free what is below known */
			doubt(known);
		}
		return;
	}
	end = stream_end();
	if (end != G.horizon) {
		/* Something happened meanwhile. Is the directory, that is watched
		 * now, still here? */
		G.horizon = end;
		if (!is_file_at(fd, at_fd(), name, AT_SYMLINK_NOFOLLOW)) {
			unwatch(wd);
			close(fd);
			put_off(w);
			return;
		}
	}
	if (known != w) {
		if (known != 0) {
			/* it is back */
			to_limbo(w);
			detach(known);
			G.watches[known].flags |= W_LIMBO;
			if (!attach(known, parent, name)) {
				names_full(parent, name);
				close(fd);
				return;
			}
			w = known;
		} else {
			int old = G.watches[w].wd;

			if (old >= 0) {
				unlink_wd(w);
				unwatch(old);
			}
			G.watches[w].wd = wd;
			link_wd(w);
		}
	}
	kids_to_limbo(w);
	not_todo(w);
	G.watches[w].flags &= ~(W_LIMBO | W_QUIET);
	if ((how & W_SCAN) && !has_opt(root, OPT_i)) {
		G.watches[w].flags |= W_QUIET;
	}
	G.watches[w].seen = end;
	if (how & W_NEWS) {
		tell(parent, IN_MOVED_TO | IN_ISDIR, name, NULL);
	}
	how &= ~W_NEWS;
	if (!list(w, fd, how)) {
		goto fail;
	}
	if (G.watches[w].kids != 0 && G.depth < G.chain_limit) {
		go_on_from(w, fd);
	} else {
		close(fd);
	}
	return;
 fail:
	if (how & W_NEWS) {
		int error = errno;

		tell(parent, IN_MOVED_TO | IN_ISDIR, name, NULL);
		errno = error;
	}
	unwatchable(parent, name, NULL, 0, 0);
	if (fd >= 0) {
		close(fd);
	}
	blind(w);
}

/* PATH root got its x: it is watched no more. Ends when it was the last. */
static void end_path(unsigned root)
{
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		clear(root);
	} else {
		unlink_wd(root);
	}
	if (--G.paths_left == 0 && !IS_INOTIFYWAIT) {
		drain(0);
		flush_lines();
		end(EXIT_SUCCESS);
	}
}

/* PATH root isn't where it was: it gets its x. */
static void lose_path(unsigned root)
{
	int wd = G.watches[root].wd;

	tell(root, IN_IGNORED, NULL, NULL);
	if (!has_opt(root, OPT_F)) {
		end_path(root);
		unwatch(wd);
	}
}

/* Looks at PATH root: lists it, or with -i tells of it if it isn't a
 * directory. */
static void look_at_path(unsigned root)
{
	unsigned how = G.watches[root].flags & W_SCAN;
	int quiet = how && !has_opt(root, OPT_i);
	int absent = has_opt(root, OPT_F) && !(G.paths[root].follow & F_THERE);
	int error = 0;

	leave();
	if (!absent && !go_to_path(root)) {
		error = errno;
		if (has_opt(root, OPT_F) && error != ENOTDIR && error != ELOOP && later(root)) {
			return; /* the event that says so is on its way */
		}
	}
	kids_to_limbo(root);
	not_todo(root);
	G.watches[root].flags &= ~W_QUIET;
	if (quiet) {
		G.watches[root].flags |= W_QUIET;
	}
	if (absent) {
		if (!quiet) {
			tell(root, IN_DELETE | IN_MOVED_FROM, NULL, NULL);
		}
		return;
	}
	if (!error) {
		G.watches[root].seen = stream_end();
		if (list(root, at_fd(), how)) {
			return;
		}
		error = errno;
	}
	if (error == ENOTDIR || error == ELOOP) {
		/* a file, or with L a symlink */
		int type = quiet ? -1 : type_at(AT_FDCWD, path_of(root),
			G.paths[root].mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0);

		if (type >= 0) {
			tell(root, found_mask(type), NULL, NULL);
		}
		return;
	}
	errno = error;
	bb_simple_perror_msg(path_of(root));
	lose_path(root);
}

/* All that was there at start, or after an overflow, has been told. */
static void scan_done(void)
{
	unsigned root;
	uint32_t mask;

	for (root = 1; root <= G.paths_used; root++) {
		mask = has_opt(root, OPT_i) ? IN_STEP
			: G.overflowed && has_opt(root, OPT_r) ? IN_Q_OVERFLOW : 0;
		if (ENABLE_FEATURE_WATCHLET_FOLLOW && has_opt(root, OPT_F)) {
			if (G.paths[root].follow & F_STEP) {
				mask = 0;
			}
			G.paths[root].follow |= F_STEP;
		} else if (G.watches[root].wd < 0 || !G.paths[root].scanned) {
			mask = 0;
		}
		if (mask) {
			tell(root, mask, NULL, NULL);
		}
		G.paths[root].scanned = 0;
	}
	G.overflowed = 0;
	G.scanning = 0;
}

/* Takes up to LOOKS slots from the work queue and looks at them. Returns 0 when
 * all that is left waits for events. */
static int scan(void)
{
	unsigned n, done = 0;

	G.first_put_off = 0;
	G.horizon = stream_end();
	for (n = 0; n < (G.horizon == G.read_pos ? MANY_LOOKS : LOOKS); n++) {
		unsigned w = G.todo;
		struct watch *p = &G.watches[w];

		if (w == G.first_put_off) {
			break; /* or there is none left */
		}
		G.todo = p->todo_next;
		G.in_front = 1;
		G.last_in_front = 0;
		p->flags &= ~W_QUEUED;
		if (!(p->flags & W_USED)) {
			recycle(w);
		} else if (p->flags & W_TODO) {
			if (w <= G.paths_used) {
				look_at_path(w);
			} else {
				look(w);
			}
		}
		done += !(p->flags & W_QUEUED);
	}
	G.in_front = 0;
	leave();
	return done;
}

/* ===== Following names =====
 * With -F a PATH is a name, whatever has it. walk() resolves it as the kernel
 * would, and watches every directory on the way for the name in it that leads
 * on: a step. It watches first and looks then, so what changes behind it is an
 * event of a step, and the PATH is walked anew. Touches G.steps and the slots of
 * PATHs; what is below them is left to the scanner.
 */

/* Does errno say that there is nothing of that name? */
static int is_missing(void)
{
	return !ENABLE_FEATURE_WATCHLET_OPTIONS /* small, and wrong only in a message */
		|| errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG;
}

/* The way to PATH root leads over name in the working directory. Returns the
 * number of the step + 1, 0 if it can't be watched. */
static unsigned add_step(unsigned root, const char *name)
{
	uint32_t hash = name_hash(0, name);
	unsigned i, at = G.steps_used;
	int wd = inotify_add_watch(G.fd, ".", MASK_STEP);
	struct step *s;

	if (wd < 0) {
		G.trouble = errno;
		return 0;
	}
	for (i = 0; i < G.steps_used; i++) {
		s = &G.steps[i];
		if (s->path == root && s->wd == wd && s->hash == hash) {
			at = i;
			break;
		}
		if (s->path == 0) {
			at = i;
		}
	}
	if (at == MAX_STEPS) {
		unwatch(wd);
		G.trouble = -1;
		return 0;
	}
	if (at == G.steps_used) {
		G.steps_used++;
	}
	s = &G.steps[at];
	s->wd = wd;
	s->hash = hash;
	s->path = root;
	s->old = 0;
	return at + 1;
}

/* Resolves PATH root from its first component on, and watches all of the way,
 * and what is at its end. Changes the working directory. Returns the wd of what
 * has the name; -1: nothing; -2: something that can't be watched. */
static int walk(unsigned root)
{
	struct path *p = &G.paths[root];
	char *rest = G.entry + sizeof(G.entry) - 1 - p->len;
	char *name;
	unsigned links = 0, at = 0;
	int more, fd, n, start = 1, wd = -1;
	struct stat st;

	memcpy(rest, p->name, p->len);
	rest[p->len] = '\0';
	leave();
	G.away = 1;
	for (;;) {
		if (start && *rest == '/') {
			chdir("/");
		}
		start = 0;
		while (*rest == '/') {
			rest++;
		}
		name = rest;
		rest = strchrnul(name, '/');
		more = !!*rest;
		*rest = '\0';
		rest += more;
		if (!*name) {
			name = (char *)".";
			break;
		}
		if (LONE_CHAR(name, '.')) {
			continue;
		}
		at = add_step(root, name);
		if (strcmp(name, "..") != 0) {
			n = readlink(name, G.entry, name - G.entry);
			if (n >= 0 && (more || !(p->mask & IN_DONT_FOLLOW))) {
				/* what it says is put in front of the rest */
				if (n == name - G.entry || ++links > MAX_LINKS) {
					return -1;
				}
				if (more) {
					*--rest = '/';
				}
				rest -= n;
				memmove(rest, G.entry, n);
				start = 1;
				continue;
			}
			if (!more) {
				break;
			}
		}
		fd = open(name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			goto absent;
		}
		n = fchdir(fd);
		close(fd);
		if (n != 0) {
			goto absent;
		}
	}
	n = inotify_add_watch(G.fd, name, (tree_mask(root) & ~IN_ONLYDIR)
		| (p->mask & IN_ONLYDIR) | IN_DONT_FOLLOW | IN_MOVE_SELF | IN_DELETE_SELF);
	if (n >= 0) {
		/* if this is another file by now, or none, an event says so */
		st.st_ino = 0;
		G.found_dir = (lstat(name, &st) != 0 || S_ISDIR(st.st_mode));
		p->dev = st.st_dev;
		p->ino = st.st_ino;
		return n;
	}
	if (errno == EACCES) {
		G.trouble = EACCES;
		wd = -2;
	} else if (errno == ENOENT) {
		G.missing_at = at;
	}
 absent:
	if (!is_missing() && errno != EACCES && errno != ELOOP) {
		/* nothing will say when that is over */
		G.trouble = errno;
		wd = -2;
	}
	if (errno == EACCES) {
		/* until somebody changes its mode */
		inotify_add_watch(G.fd, ".", IN_ATTRIB | IN_MASK_ADD);
	}
	return wd;
}

/* Something may have changed about PATH root: finds out what has the name now,
 * and tells. mask: of the event that says so; IN_STEP: none, this is the start.
 * step: the number + 1 of the step whose name the event is about. */
static void follow(unsigned root, uint32_t mask, unsigned step)
{
	struct path *p = &G.paths[root];
	int was = p->follow & F_THERE;
	int old = G.watches[root].wd;
	int wd, now, gone, came, flash;
	unsigned i;

	if (G.mounts == 0) {
		/* it may take a while until there is a /proc */
		G.mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) + 1;
	}
	/* events that are older say nothing that the walk doesn't see */
	p->walked = stream_end();
	for (i = 0; i < G.steps_used; i++) {
		G.steps[i].old = (G.steps[i].path == root);
	}
	G.missing_at = 0;
	G.trouble = 0;
	wd = walk(root);
	leave();
	now = (wd != -1);
	if (wd < 0) {
		wd = -1;
	}
	gone = was && (!now || (mask & MASK_GONE));
	came = now && (!was || gone || wd != old);
	/* It came, and had gone when it was looked for. */
	flash = !was && !now && step != 0 && step == G.missing_at && (mask & (IN_CREATE | IN_MOVED_TO));
	if (gone || came) {
		clear(root);
		if (wd >= 0) {
			G.watches[root].wd = wd;
			link_wd(root);
		}
		p->follow ^= was ^ now;
	}
	/* only now, since what leaves one place may have another */
	for (i = 0; i < G.steps_used; i++) {
		if (G.steps[i].old) {
			G.steps[i].old = 0;
			G.steps[i].path = 0;
			unwatch(G.steps[i].wd);
		}
	}
	unwatch(old);
	if (!(mask & IN_STEP)) {
		if (gone) {
			tell(root, IN_DELETE | IN_MOVED_FROM, NULL, NULL);
		}
		if (came || flash) {
			tell(root, IN_CREATE | IN_MOVED_TO, NULL, NULL);
		}
		if (flash) {
			tell(root, IN_DELETE | IN_MOVED_FROM, NULL, NULL);
		}
	}
	if (G.trouble == 0) {
		p->follow &= ~F_X;
	} else if (!(p->follow & F_X)) {
		p->follow |= F_X;
		errno = G.trouble;
		unwatchable(root, NULL, G.trouble < 0 ? "WATCHLET_MAX_STEPS" : NULL, MAX_STEPS, 8);
	}
	if (came && G.found_dir && has_opt(root, OPT_r | OPT_i)) {
		/* what is in it is news; at the start only with -i */
		p->follow &= ~F_STEP;
		set_todo(root, (mask & IN_STEP) || has_opt(root, OPT_i) ? W_SCAN : 0);
	}
}

/* What an event says about the ways to PATHs */
static void follow_event(const struct inotify_event *ev)
{
	uint32_t about = ev->len ? MASK_NAMES | IN_ATTRIB : MASK_SELF;
	unsigned i;

	if (!(ev->mask & about)) {
		return;
	}
	for (i = 0; i < G.steps_used; i++) {
		const struct step *s = &G.steps[i];

		if (s->path != 0 && s->wd == ev->wd
		 && (ev->len == 0 || s->hash == name_hash(0, ev->name))
		 && !older_than(G.paths[s->path].walked)
		) {
			/* what goes away itself is told by the directory it was in */
			follow(s->path, ev->len ? ev->mask : 0, i + 1);
		}
	}
}

/* What is mounted has changed: goes all ways anew. Directories below a PATH may
 * be covered, or not any more. */
static void follow_mounts(void)
{
	unsigned root, w;

	if (stream_end() != G.read_pos) {
		return; /* first the events that are there */
	}
	G.mounts_changed = 0;
	for (root = 1; root <= G.paths_used; root++) {
		if (!has_opt(root, OPT_F)) {
			continue;
		}
		follow(root, 0, 0);
		if (!has_opt(root, OPT_r) || !reach(root)) {
			continue;
		}
		for (w = G.paths_used + 1; w <= G.top_used; w++) {
			unsigned lost = w, up;

			if (root_of(w) != root || G.watches[w].wd < 0 || reach(w)) {
				continue;
			}
			while ((up = G.watches[lost].parent) != root && !reach(up)) {
				lost = up;
			}
			doubt(lost);
		}
	}
	leave();
}

/* ===== Events ===== */

/* One end of a move, or the place of any other event with a name */
struct place {
	unsigned w;                /* whose directory; 0: not watched */
	unsigned kid;              /* slot of the entry, if it has one */
	const char *name;
	smallint news;          /* is to be told */
};

/* Fills in p. An event of directory w about name is no news when the user
 * leaves it out. What came or went is no news either when that was before the
 * listing of w, or the look that found what has that name now. Other events are
 * told all the same: the kernel merges an event with an equal one that is the
 * last of its queue, so one that is older may stand for one that is newer, too. */
static void get_place(struct place *p, unsigned w, const char *name, uint32_t mask)
{
	unsigned kid;

	p->w = w;
	p->kid = 0;
	p->name = name;
	p->news = 0;
	if (w == 0 || excluded(w, name)) {
		return;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE && (mask & MASK_NAMES) && has_opt(root_of(w), OPT_r)) {
		if ((G.watches[w].flags & W_TODO) || older_than(G.watches[w].seen)) {
			return;
		}
		kid = kid_of(w, name);
		if (kid != 0 && G.watches[kid].wd >= 0 && older_than(G.watches[kid].seen)) {
			if ((G.watches[kid].flags & W_QUIET) && (mask & (IN_CREATE | IN_MOVED_TO))) {
				/* it came after its parent was listed, and was not told */
				set_todo(kid, W_NEWS);
			}
			return;
		}
		p->kid = kid;
	}
	if (HAS_GLOBS && !(mask & IN_ISDIR) && globs_match('I', w, name) == 0) {
		return;
	}
	p->news = 1;
}

/* Is there an entry of that name in the directory of slot w? Returns -1 when
 * the directory isn't where the table has it. */
static int exists(unsigned w, const char *name)
{
	int there = -1;

	if (reach(w)) {
		there = (type_at(at_fd(), name, AT_SYMLINK_NOFOLLOW) >= 0);
	}
	leave();
	return there;
}

/* Is slot w, which has a watch, where the table has it? */
static int is_there(unsigned w)
{
	int there = reach(w);

	leave();
	return there;
}

/* Is slot w below slot above, or that itself? */
static int is_below(unsigned w, unsigned above)
{
	while (w != 0 && w != above) {
		w = G.watches[w].parent;
	}
	return w != 0;
}

/* Something came to the directory of slot w under this name (NULL: something
 * else came or went). Is it the name that came last? */
static int note_move(unsigned w, const char *name, const char *last)
{
	uint16_t *mark = &G.last_move[w];
	int same = last && *mark == (uint16_t)(name_hash(w, last) | 1);
	uint16_t new = name ? (uint16_t)(name_hash(w, name) | 1) : 0;

	/* only written when it must: pages of zeros take no memory */
	if (*mark != new) {
		*mark = new;
	}
	return same;
}

/* An entry went from a to b. One of them may be unknown, or nowhere: it was
 * created, deleted, moved in or out. mask: of the first event.
 *
 * A directory that has a watch has moved if it says so itself (G.self_wd): else
 * it is not what the table has at a. An exchange (RENAME_EXCHANGE) is two moves,
 * the second the way back of the first, and what the first came over is what goes
 * back in the second. For all that has no watch, nothing in the events tells it
 * from something that moves in and on at once, so that is looked at. */
static void moved(struct place *a, struct place *b, uint32_t mask)
{
	unsigned from_root = root_of(a->w), to_root = root_of(b->w);
	unsigned kid = a->kid;
	uint32_t dir = mask & IN_ISDIR;
	int from_tree = has_opt(from_root, OPT_r);
	int both, check = 0, keeps = 0, back;
	char *from = NULL;

	back = note_move(a->w, NULL, a->name);
	note_move(b->w, mask & IN_CREATE ? NULL : b->name, NULL);
	if (!a->news || !has_opt(from_root, OPT_r | OPT_p)) {
		/* as it comes */
	} else if (from_tree && !dir != !kid && !(dir && G.unwatched)) {
		/* What the table has here is what was here before, or came after. */
		a->news = 0;
	} else if (mask & IN_DELETE) {
		/* whatever it was */
	} else if (kid != 0 && G.watches[kid].wd >= 0) {
		if (G.self_wd != G.watches[kid].wd) {
			/* In an exchange it has just come, and stays. */
			a->news = !is_there(kid);
			check = a->news;
		}
	} else if (back) {
		int there = exists(a->w, a->name);

		a->news = there <= 0;
		check = there < 0;
	}
	if (!a->news) {
		kid = 0;
		if (dir && b->kid != 0 && (G.watches[b->kid].flags & W_TODO)
		 && G.watches[b->kid].wd < 0 && !(G.watches[b->w].flags & W_QUIET)
		) {
			return; /* The listing saw it first. */
		}
	}
	both = a->news && b->news;
	if (kid && both && from_root == to_root) {
		/* nothing moves below itself: that is no way the table knows */
		check |= is_below(b->w, kid);
		keeps = !check;
	}
	if (both && !check && has_opt(to_root, OPT_p) && (!dir || kid || !from_tree)
	 && can_join(from_root, b->w, b->name, dir)
	) {
		from = entry_path(G.from, a->w, a->name);
	}
	if (b->kid != 0 && b->kid != kid) {
		to_limbo(b->kid);
	}
	if (keeps) {
		detach(kid);
		if (attach(kid, b->w, b->name)) {
			if (G.watches[kid].wd < 0) {
				set_todo(kid, 0);
			}
		} else {
			G.watches[kid].flags |= W_LIMBO;
			G.limbo = 1;
			keeps = 0; /* place() will say so */
			kid = 0;
		}
	}
	if (a->news && (!from || !(G.paths[to_root].mask & IN_MOVED_TO))) {
		tell(a->w, (mask & IN_DELETE ? IN_DELETE : IN_MOVED_FROM) | dir, a->name, NULL);
	}
	if (kid != 0 && !keeps) {
		if (IS_INOTIFYWAIT && G.watches[kid].wd >= 0) {
			/* the last that is heard of it */
			tell(kid, mask & IN_DELETE ? IN_DELETE_SELF : IN_MOVE_SELF, NULL, NULL);
		}
		to_limbo(kid);
	}
	if (b->news) {
		tell(b->w, (mask & IN_CREATE ? IN_CREATE : IN_MOVED_TO) | dir, b->name, from);
		if (dir && !keeps && has_opt(to_root, OPT_r)) {
			place(b->w, b->name, 0);
		}
	}
	if (check) {
		place(a->w, a->name, W_NEWS);
	}
}

/* Something happened to the directory of slot w, below a PATH, itself. */
static void directory_event(unsigned w, uint32_t mask)
{
	unsigned parent = G.watches[w].parent;
	char name[NAME_MAX + 1];

	if (mask & IN_UNMOUNT) {
		/* what it was mounted on is there again */
		strcpy(name, name_of(w));
		to_limbo(w);
		place(parent, name, W_NEWS);
	} else if (mask & IN_IGNORED) {
		/* deleted; its parent's event frees the slot */
		blind(w);
	} else if ((mask & (IN_MOVE_SELF | IN_PAIRED)) == IN_MOVE_SELF
	 && !(G.watches[w].flags & W_TODO)
	 && !older_than(G.watches[w].seen)
	 && !is_there(w)
	) {
		/* it moved, and not by a move that the table could follow */
		doubt(w);
	}
}

/* Slots in limbo that have this wd lose it. */
static void ignored(int wd)
{
	unsigned w = *wd_head(wd);

	while (w != 0) {
		unsigned next = G.watches[w].wd_next;

		if (G.watches[w].wd == wd) {
			unlink_wd(w);
			if (G.watches[w].flags & W_LIMBO && G.watches[w].kids == 0) {
				G.watches[w].flags &= ~W_LIMBO;
				free_watch(w);
			}
		}
		w = next;
	}
}

/* The kernel's queue was full, and it dropped events. With -r and -i all is
 * looked at anew; without -i o is told after that, so that whoever looks for
 * himself at that moment misses nothing. */
static void overflow(void)
{
	unsigned w;

	for (w = G.paths_used + 1; w <= G.top_used; w++) {
		if (G.watches[w].flags & W_USED) {
			to_limbo(w);
		}
	}
	G.unwatched = 0;
	G.said_full = 0;
	G.overflowed = 1;
	for (w = 1; w <= G.paths_used; w++) {
		if (has_opt(w, OPT_F)) {
			follow(w, 0, 0);
			G.paths[w].follow &= ~F_STEP;
		} else if (G.watches[w].wd < 0) {
			continue;
		}
		if (has_opt(w, OPT_r | OPT_i)) {
			if (G.watches[w].flags & W_TODO) {
				continue; /* nothing was told since the last */
			}
			set_todo(w, W_SCAN);
			if (!has_opt(w, OPT_i)) {
				continue;
			}
		}
		tell(w, IN_Q_OVERFLOW, NULL, NULL);
		if (!has_opt(w, OPT_r | OPT_i | OPT_F)) {
			/* its x may be among what was lost */
			int wd = inotify_add_watch(G.fd, path_of(w), G.paths[w].mask | IN_MASK_ADD);

			if (wd != G.watches[w].wd) {
				unwatch(wd);
				lose_path(w);
			}
		}
	}
}

/* A look of long ago would seem to be one to come when the stream has gone on by
 * half of the range of pos_t. So each quarter of it all looks that are older than an
 * eighth are said to be no older than that. */
static void age(pos_t *seen)
{
	pos_t years = G.read_pos - *seen;

	if (years <= POS_HALF && years > POS_HALF / 4) {
		*seen = G.read_pos - POS_HALF / 4;
	}
}

static void age_looks(void)
{
	unsigned w;

	for (w = 1; w <= G.top_used; w++) {
		age(&G.watches[w].seen);
		if (ENABLE_FEATURE_WATCHLET_FOLLOW && w <= G.paths_used) {
			age(&G.paths[w].walked);
		}
	}
}

static struct inotify_event *event_after(struct inotify_event *ev)
{
	return (struct inotify_event *)((char *)ev + sizeof(*ev) + ev->len);
}

/* Are all events from ev to end whole, with their names, and those of what comes
 * and goes with one? The kernel gives no others (man 7 inotify). From the first that
 * isn't on they become an overflow. */
static void check_events(struct inotify_event *ev)
{
	for (; (char *)ev < G.end; ev = event_after(ev)) {
		size_t left = G.end - (char *)ev - sizeof(*ev);

		if (ev->len > left || (ev->len
			? ev->len % sizeof(*ev) != 0 || ((char *)event_after(ev))[-1]
			: ev->mask & MASK_NAMES)
		) {
			ev->mask = IN_Q_OVERFLOW;
			ev->wd = -1;
			ev->len = 0;
			G.end = (char *)event_after(ev);
		}
	}
}

/* Reads what the kernel's queue holds, behind what is left in G.events.
 * Returns 0 when it is empty. */
static int read_more(void)
{
	unsigned left = 0;
	ssize_t n;

	if (ENABLE_FEATURE_WATCHLET_TREE) {
		left = G.end - G.cur;
		memmove(G.events, G.cur, left);
	}
	G.cur = G.events;
	G.end = G.cur + left;
	n = read(G.fd, G.end, EVENT_BUF - left);
	if (n <= 0) {
		/* EAGAIN; or EINVAL: no room for the next event */
		return 0;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		pos_t before = G.read_pos;

		G.read_pos += n;
		G.end += n - n % sizeof(struct inotify_event);
		check_events((struct inotify_event *)(G.events + left));
		if ((before ^ G.read_pos) > POS_HALF / 2) {
			age_looks();
		}
	} else {
		G.end += n;
	}
	return 1;
}

/* The wd of the directory name in the directory with this wd; -1 if the table
 * has none there. */
static int wd_of_kid(int wd, const char *name)
{
	unsigned w = 0, kid;

	while ((w = next_watch(wd, root_of(w))) != 0) {
		kid = kid_of(w, name);
		if (kid != 0 && G.watches[kid].wd >= 0) {
			return G.watches[kid].wd;
		}
	}
	return -1;
}

/* The other half of the move that the event at G.cur began; NULL if it isn't
 * there. It nearly always follows at once, but another process may be heard in
 * between, and it may not have been queued yet. What comes last is MOVE_SELF of
 * the inode that has moved, if that has a watch: G.self_wd is set to self if
 * that is the one, else to -1. Until then both directories are locked, so their
 * next event of a name is too late. Moves the events in memory. */
static struct inotify_event *other_half(int self)
{
	unsigned at = 0, to = 0, waits = self < 0 ? 1 : TRIES;
	struct inotify_event *ev = (struct inotify_event *)G.cur;
	uint32_t cookie = ev->cookie;
	int from_wd = ev->wd, to_wd = from_wd;

	G.self_wd = -1;
	for (;;) {
		for (; G.cur + at < G.end; at += sizeof(*ev) + ev->len) {
			ev = (struct inotify_event *)(G.cur + at);
			if (at == 0) {
				/* the one half */
			} else if ((ev->mask & (IN_MOVED_TO | IN_PAIRED)) == IN_MOVED_TO && ev->cookie == cookie) {
				to = at;
				to_wd = ev->wd;
				if (self < 0) {
					goto done;
				}
			} else if (self >= 0) {
				if ((ev->mask & MASK_NAMES) && (ev->wd == from_wd || ev->wd == to_wd)) {
					goto done;
				}
				if ((ev->mask & IN_MOVE_SELF) && ev->wd == self) {
					ev->mask |= IN_PAIRED;
					G.self_wd = self;
					goto done;
				}
			}
		}
		if (at > 1024) {
			break;
		}
		if (!read_more()) {
			if (waits == 0 || (self < 0 && (char *)event_after((struct inotify_event *)G.cur) != G.end)) {
				break;
			}
			waits--;
			sleep_for(G.fd, POLLIN, LATE_MS);
		}
	}
 done:
	ev = (struct inotify_event *)(G.cur + to);
	/* each half of a name that is too_long() is told alone */
	return to && ev->len <= NAME_MAX + 1
		&& ((struct inotify_event *)G.cur)->len <= NAME_MAX + 1 ? ev : NULL;
}

/* The slot with wd below PATH root itself, not in limbo; 0 if none */
static unsigned placed_watch_of(int wd, unsigned root)
{
	unsigned w = wd < 0 ? 0 : watch_of(wd, root);

	return root_of(w) == root ? w : 0;
}

/* Where a move that PATH root saw leave the directory from_wd arrived, for
 * to_wd: below the same PATH; else below one that did not see it leave. */
static unsigned arrival(int from_wd, int to_wd, unsigned root)
{
	unsigned w = placed_watch_of(to_wd, root);

	if (w == 0) {
		while ((w = next_watch(to_wd, root_of(w))) != 0) {
			if (placed_watch_of(from_wd, root_of(w)) == 0) {
				break;
			}
		}
	}
	return w;
}

/* Has the move that ended in slot w been told when it began? */
static int was_paired(unsigned w, const struct inotify_event *ev)
{
	int from_wd = ev->cookie;
	unsigned a = 0;

	while ((a = next_watch(from_wd, root_of(a))) != 0) {
		if (arrival(from_wd, ev->wd, root_of(a)) == w) {
			return 1;
		}
	}
	return 0;
}

/* Hands the event at G.cur to all slots that have its wd. */
static void handle_event(void)
{
	struct inotify_event *ev = (struct inotify_event *)G.cur;
	struct inotify_event *to = NULL;
	uint32_t mask = ev->mask;
	pos_t pos;
	unsigned w, root = 0;
	int wd = ev->wd;

	if (ENABLE_FEATURE_WATCHLET_FIGURES && (mask & IN_Q_OVERFLOW)) {
		G.overflows++;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE && (mask & IN_Q_OVERFLOW)) {
		overflow();
		return;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE && (mask & IN_MOVED_FROM)
	 && (G.opts & (mask & IN_ISDIR ? OPT_r | OPT_p : OPT_p))
	) {
		to = other_half(mask & IN_ISDIR ? wd_of_kid(wd, ev->name) : -1);
		ev = (struct inotify_event *)G.cur;
		if (to) {
			to->mask |= IN_PAIRED;
			to->cookie = wd;
		}
	}
	pos = next_pos();
	while ((w = next_watch(wd, root)) != 0) {
		struct place a, b;

		if (IS_INOTIFYWAIT) {
			G.iw.repeated = root;
			G.iw.cookie = ev->cookie;
		}
		root = root_of(w);
		if (ENABLE_FEATURE_WATCHLET_TREE) {
			G.pos = pos;
		}
		if (ENABLE_FEATURE_WATCHLET_TREE && ev->len > NAME_MAX + 1 && too_long(w, ev->name)) {
			continue;
		}
		if (!ENABLE_FEATURE_WATCHLET_TREE || ev->len == 0) {
			if (w == root) {
				if (has_opt(root, OPT_F)) {
					/* who knows of mounts tells of them by n y d m */
					tell(w, mask & ~(MASK_SELF & ~(G.mounts ? 0 : IN_UNMOUNT)), NULL, NULL);
					if (mask & MASK_SELF) {
						follow(root, mask & ~MASK_NAMES, 0);
					}
					continue;
				}
				tell(w, mask, ev->len ? ev->name : NULL, NULL);
				if (mask & IN_IGNORED) {
					end_path(w);
				}
			} else {
				if (IS_INOTIFYWAIT) {
					tell(w, mask, NULL, NULL);
				}
				directory_event(w, mask);
			}
		} else {
			if ((mask & IN_PAIRED) && has_opt(root, OPT_r | OPT_p) && was_paired(w, ev)) {
				continue;
			}
			get_place(&a, w, ev->name, mask);
			if (!ENABLE_FEATURE_WATCHLET_TREE || !(mask & MASK_NAMES)) {
				if (a.news) {
					tell(w, mask, ev->name, NULL);
				}
				continue;
			}
			get_place(&b, 0, NULL, mask);
			if (mask & (IN_CREATE | IN_MOVED_TO)) {
				moved(&b, &a, mask);
				continue;
			}
			if (to && has_opt(root, OPT_r | OPT_p) && (w = arrival(wd, to->wd, root)) != 0) {
				G.pos = G.read_pos - (G.end - (char *)to);
				get_place(&b, w, to->name, to->mask);
			}
			moved(&a, &b, mask);
		}
	}
	if (ENABLE_FEATURE_WATCHLET_FOLLOW && G.steps_used != 0) {
		G.pos = pos;
		follow_event(ev);
	}
	if (IS_INOTIFYWAIT) {
		G.iw.repeated = 0;
		G.iw.cookie = 0;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE && (mask & IN_IGNORED)) {
		ignored(wd);
	}
}

/* ===== Loop ===== */

/* How long -t leaves to sleep, in ms; ends when that is over. */
static int time_left(void)
{
	unsigned long long now = monotonic_ms();

	if (G.deadline == 0) {
		G.deadline = now + G.timeout_ms;
	}
	if (now >= G.deadline) {
		flush_lines();
		end(2);
	}
	return G.deadline - now;
}

static void reload(void);

static void loop(void) NORETURN;
static void loop(void)
{
	for (;;) {
		int got, ms = -1;

		if (ENABLE_FEATURE_WATCHLET_TREE) {
			if (G.todo != 0) {
				ms = scan() ? 0 : LATE_MS;
			}
			if (G.limbo && G.todo == 0 && G.was_quiet) {
				sweep_limbo();
			}
			/* behind that: it may free the last that was to be looked at */
			if (G.scanning && G.scan_left == 0) {
				scan_done();
			}
			if (G.limbo && ms < 0) {
				ms = LATE_MS;
			}
		}
		if (ENABLE_FEATURE_WATCHLET_SETTLE) {
			int left = settle();

			if (ms < 0) {
				ms = left;
			}
		}
		flush_lines();
		if (READY && !G.is_ready && !G.scanning) {
			ready();
			if (IS_INOTIFYWAIT) {
				established();
				flush_lines();
			}
		}
		if (ENABLE_FEATURE_WATCHLET_OPTIONS && (G.opts & OPT_t)
		 && !(ENABLE_FEATURE_WATCHLET_SETTLE && (G.pending_used != 0 || G.child != 0))
		) {
			int left = time_left();

			if (ms < 0) {
				ms = left;
			}
		}
		if (SIGNAL_FD && G.took_signal) {
			ms = 0; /* in a write, or by reload(): PROG may have ended */
		}
		got = sleep_for(G.fd, POLLIN, ms);
		if (SIGNAL_FD) {
			G.took_signal = 0;
		}
		if (ENABLE_FEATURE_WATCHLET_TREE) {
			G.was_quiet = (got == 0 && ms > 0);
		}
		read_more();
		while (G.cur < G.end) {
			if (ENABLE_FEATURE_WATCHLET_FIGURES) {
				G.events_read++;
			}
			handle_event();
			G.cur = (char *)event_after((struct inotify_event *)G.cur);
		}
		if (ENABLE_FEATURE_WATCHLET_FOLLOW && G.mounts_changed) {
			follow_mounts();
		}
		/* PROG that runs needs the text of its rule */
		if (ENABLE_FEATURE_WATCHLET_RULES && G.reload && G.child == 0) {
			G.reload = 0;
			reload();
		}
	}
}

/* ===== Command line ===== */

/* The milliseconds that SEC, with decimals, says; -1 if it says none. */
static int parse_seconds(const char *s)
{
	unsigned ms = 0, unit = 1000;
	int digits = 0, point = 0;

	for (; *s; s++) {
		if (*s == '.' && !point) {
			point = 1;
		} else if (*s >= '0' && *s <= '9') {
			digits = 1;
			if (point) {
				unit /= 10;
				ms += (*s - '0') * unit;
			} else if (ms > 100 * 1000 * 1000) {
				break;
			} else {
				ms = ms * 10 + (*s - '0') * 1000;
			}
		} else {
			break;
		}
	}
	return *s || !digits || ms > 1000 * 1000 * 1000 ? -1 : (int)ms;
}

/* The descriptor that -n names. */
static int parse_fd(const char *arg)
{
	const char *s = arg;
	int fd = 0;

	while (*s >= '0' && *s <= '9' && fd < 100 * 1000 * 1000) {
		fd = fd * 10 + *s++ - '0';
	}
	if (*s || fd <= STDERR_FILENO || ioctl(fd, FIOCLEX) != 0) {
		bb_error_msg_and_die("-n %s: not an open descriptor above 2", arg);
	}
	return fd;
}

/* For a rule, who has no use for the usage of the command line, it is short. */
static void usage_and_die(void) NORETURN;
static void usage_and_die(void)
{
	if (ENABLE_FEATURE_WATCHLET_RULES && applet_name == G.where) {
		xfunc_die();
	}
	bb_show_usage();
}

/* Is this the face that takes what scripts for BusyBox's applet give? */
static int is_inotifyd(void)
{
	return ENABLE_WATCHLET_INOTIFYD && (!ENABLE_WATCHLET || applet_name[0] == 'i');
}

/* PROG as it was given */
static void set_prog(struct rule *rule, char *word)
{
	if (!NOT_LONE_DASH(word)) {
		if (ENABLE_FEATURE_WATCHLET_DAEMON) {
			G.prints = 1;
		}
		if (!is_inotifyd()) {
			G.reader = STDOUT_FILENO + 1;
		}
	} else {
		rule->prog = word;
		if (strchr(word, '/') && access(word, X_OK) != 0) {
			bb_simple_perror_msg_and_die(word);
		}
	}
}

/* Takes the options of rule off argv. Returns what follows them. */
static char **parse_options(char **argv, struct rule *rule)
{
	static const char letters[] ALIGN1 = OPT_LETTERS;
	const char *s, *arg;
	unsigned opt;

	if (ENABLE_FEATURE_WATCHLET_GLOBS) {
		rule->globs = G.globs_used;
	}
	while ((s = *argv) != NULL && *s == '-' && s[1]) {
		argv++;
		if (s[1] == '-' && !s[2]) {
			break;
		}
		while (*++s) {
			arg = strchr(letters, *s);
			if (!arg) {
				bb_error_msg("unknown option -%c", *s);
				usage_and_die();
			}
			opt = 1 << (arg - letters);
			if (ENABLE_FEATURE_WATCHLET_RULES && rule->line && !(opt & OPTS_OF_RULE)) {
				bb_error_msg_and_die("-%c is no option of a rule", *s);
			}
			rule->opts |= opt;
			if (!(opt & OPTS_WITH_ARG)) {
				continue;
			}
			arg = s[1] ? s + 1 : *argv++;
			if (!arg) {
				bb_error_msg("option -%c needs an argument", *s);
				usage_and_die();
			}
			if (opt == OPT_t) {
				G.timeout_ms = parse_seconds(arg);
				if (G.timeout_ms < 0) {
					bb_error_msg_and_die("-t %s: not a number of seconds from 0 to 1000000", arg);
				}
			} else if (ENABLE_FEATURE_WATCHLET_SETTLE && opt == OPT_s) {
				int ms = parse_seconds(arg);

				if (ms < 0) {
					bb_error_msg_and_die("-s %s: not a number of milliseconds from 0 to 1000000", arg);
				}
				rule->settle_ms = ms / 1000;
			} else if (opt == OPT_n) {
				G.ready_fd = parse_fd(arg);
			} else if (opt == OPT_P) {
				G.pidfile = arg;
			} else if (opt == OPT_f) {
				G.rules_file = arg;
			} else if (ENABLE_FEATURE_WATCHLET_GLOBS) {
				if (G.globs_used == (G.half + 1) * MAX_GLOBS) {
					bb_error_msg_and_die("more than %u of -x and -I (WATCHLET_MAX_GLOBS)", MAX_GLOBS);
				}
				G.glob_kind[G.globs_used] = *s;
				G.globs[G.globs_used++] = arg;
			}
			break;
		}
	}
	if (ENABLE_FEATURE_WATCHLET_GLOBS) {
		rule->globs_end = G.globs_used;
	}
	G.opts |= rule->opts;
	if (ENABLE_FEATURE_WATCHLET_SETTLE && (rule->opts & (OPT_b | OPT_s)) == OPT_b) {
		bb_error_msg_and_die("-b needs -s");
	}
	return argv;
}

static uint32_t default_mask(unsigned opts)
{
	return opts & (OPT_r | OPT_F) ? MASK_EVENTS & ~MASK_READS : MASK_EVENTS;
}

/* The bit of a letter of a MASK; 0 if it is none */
static uint32_t letter_bit(char c)
{
	uint32_t bit = 0;
	unsigned i;

	for (i = 0; i < LETTERS; i++) {
		if (bit_letters[i] == c) {
			bit = 1u << i;
		}
	}
	return bit & ~IN_STEP;
}

/* The bits of the MASK s, which arg ends with; opts: of its rule. */
static uint32_t parse_mask(const char *s, const char *arg, unsigned opts)
{
	uint32_t mask = 0;

	for (; *s; s++) {
		uint32_t bit = letter_bit(*s);

		mask |= bit;
		if (ENABLE_WATCHLET && bit == 0 && *s != ':' && !is_inotifyd()) {
			bb_error_msg_and_die("unknown letter '%c' in the mask of %s", *s, arg);
		}
	}
	if (ENABLE_FEATURE_WATCHLET_OPTIONS && !(mask & MASK_LETTERS)) {
		mask |= default_mask(opts); /* nothing but flags, or colons */
	}
	return mask;
}

/* Where the PATH of arg ends, with -F: it need not exist. */
static char *end_of_name(char *arg)
{
	struct stat st;
	char *end = arg + strlen(arg);
	char *colon = strrchr(arg, ':');
	const char *s;

	if (!colon || lstat(arg, &st) == 0) {
		return end;
	}
	for (s = colon + 1; *s && letter_bit(*s) != 0; s++) {
		continue;
	}
	if (*s) {
		/* part of the name, unless what is before it is there */
		*colon = '\0';
		if (lstat(arg, &st) != 0) {
			*colon = ':';
			return end;
		}
		*colon = ':';
	}
	if (colon > arg && colon[-1] == ':') {
		colon--;
	}
	return colon;
}

/* Another PATH, of len bytes, for rule number rule; it is watched as wd, with the
 * mask of its user. With -f slots are those that are there for rules. */
static void new_path(const char *name, unsigned len, unsigned rule, uint32_t mask, int wd)
{
	unsigned w = 0;
	struct path *p;
	unsigned opts = G.rules[rule].opts;

	if (G.opts & OPT_f) {
		do {
			w++;
		} while (G.watches[w].flags & W_USED);
	} else {
		w = ++G.paths_used;
		if (G.paths_used > MAX_PATHS) {
			bb_error_msg_and_die("%s: more than WATCHLET_MAX_PATHS=%u", name, MAX_PATHS);
		}
	}
	p = &G.paths[w];
	p->mask = mask;
	p->name = name;
	p->len = len;
	G.paths_left++;
	if (ENABLE_FEATURE_WATCHLET_OPTIONS && (mask & IN_MASK_ADD) && !(opts & OPT_F)) {
		unsigned other = next_watch(wd, 0);

		p->mask |= G.paths[other].mask;
	}
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		if (G.opts & OPT_f) {
			/* the rest of it is as it was left */
			G.watches[w].flags |= W_USED;
			G.in_use++;
			G.last_move[w] = 0;
			p->ino = 0;
			p->follow = 0;
			p->next_rule = rule;
			G.path_of = 0;
		} else {
			new_watch(); /* in turn, so it is w */
		}
		p->opts = opts;
		p->rule = rule;
		if (opts & OPT_F) {
			follow(w, IN_STEP, 0);
		} else {
			G.watches[w].wd = wd;
			link_wd(w);
		}
		if (opts & (OPT_r | OPT_i)) {
			set_todo(w, W_SCAN);
		}
	} else {
		G.watches[w].wd = wd;
	}
}

/* Says that what happens at path may not be heard of, if it is on a filesystem
 * where inotify only tells what this machine does by way of the kernel. */
static void warn_of_silence(const char *path)
{
	static const struct {
		uint32_t magic;         /* linux/magic.h */
		char name[8];
	} silent[] = {
		{ 0x6969, "nfs" },
		{ 0xff534d42, "cifs" },
		{ 0xfe534d42, "smb2" },
		{ 0x01021997, "9p" },
		{ 0x65735546, "fuse" },
		{ 0x9fa0, "proc" },
	};
	struct statfs fs;
	unsigned i;

	if (G.opts & OPT_q || statfs(path, &fs) != 0) {
		return;
	}
	for (i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		if (silent[i].magic == (uint32_t)fs.f_type) {
			bb_error_msg("%s: on %s, where changes may go unheard", path, silent[i].name);
		}
	}
}

/* Watches PATH[:MASK] for rule number rule. The PATH is the longest that
 * exists: all of arg, or what is before one of its colons. */
static void add_path(char *arg, unsigned rule)
{
	unsigned opts = G.rules[rule].opts;
	char *colon = arg + strlen(arg);
	uint32_t mask = default_mask(opts);
	int wd = -1;

	if (opts & OPT_F) {
		colon = end_of_name(arg);
		if (colon[0] && colon[1]) {
			mask = parse_mask(colon + 1, arg, opts);
		}
		if (colon == arg || colon - arg >= PATH_MAX) {
			errno = colon == arg ? ENOENT : ENAMETOOLONG;
			inotify_msg_and_die(arg);
		}
	}
	while (!(opts & OPT_F)) {
		char was = *colon;
		char *before;

		*colon = '\0';
		wd = inotify_add_watch(G.fd, arg, mask | IN_MASK_ADD
			| (opts & OPT_r ? MASK_TREE & ~IN_ONLYDIR : 0));
		before = strrchr(arg, ':');
		if (wd < 0 && (!before || !is_missing())) {
			inotify_msg_and_die(arg);
		}
		*colon = was; /* the command line stays as it was */
		if (wd >= 0) {
			break;
		}
		colon = before;
		if (colon[1]) {
			mask = parse_mask(colon + 1, arg, opts);
		}
	}
	if (ENABLE_WATCHLET && ENABLE_FEATURE_WATCHLET_OPTIONS && !is_inotifyd()) {
		char was = *colon;

		*colon = '\0';
		warn_of_silence(arg);
		*colon = was;
	}
	new_path(arg, colon - arg, rule, mask, wd);
}

/* ===== inotifywait =====
 * A parser of options and events, and a way to print a record. All PATHs have
 * the same mask, G.iw.asked, and G.iw.on says for the engine that it is this face:
 * it hands over reads of directories and what happens to directories below PATH
 * themselves.
 */

/* What --help prints is what the options and events are found in. An option has
 * an argument if something follows its name. */
#define IW_USAGE "Usage: inotifywait [OPTIONS] [@]FILE...\n"
#define IW_OPTIONS \
	"-h --help\n" \
	"-m --monitor\n" \
	"-r --recursive\n" \
	"-c --csv\n" \
	"-d --daemon\n" \
	"-s --syslog\n" \
	"-P --no-dereference\n" \
	"-q --quiet\n" \
	"-I --inotify\n" \
	"   --no-newline\n" \
	"-t --timeout SEC\n" \
	"-e --event LIST\n" \
	"-o --outfile FILE\n" \
	"   --fromfile FILE\n" \
	"   --format FMT\n" \
	"   --timefmt FMT\n" \
	"   --exclude RE\n" \
	"   --excludei RE\n" \
	"   --include RE\n" \
	"   --includei RE\n"
/* by bit, but for IN_CLOSE, where IN_STEP is, and the last */
#define IW_EVENTS \
	"ACCESS MODIFY ATTRIB CLOSE_WRITE CLOSE_NOWRITE OPEN MOVED_FROM MOVED_TO" \
	" CREATE DELETE DELETE_SELF MOVE_SELF CLOSE UNMOUNT Q_OVERFLOW IGNORED ISDIR" \
	" MOVE ALL_EVENTS\n"
static const char iw_text[] ALIGN1 = IW_USAGE IW_OPTIONS IW_EVENTS;
static const char *const iw_options = iw_text + sizeof(IW_USAGE) - 1;
static const char *const event_names = iw_text + sizeof(IW_USAGE IW_OPTIONS) - 1;
enum {
	NAME_CLOSE = 12,
	NAME_ISDIR = 16,
	NAME_MOVE,
	NAME_ALL,
};
enum {
	IW_HELP, IW_MONITOR, IW_RECURSIVE, IW_CSV, IW_DAEMON, IW_SYSLOG,
	IW_NO_DEREFERENCE, IW_QUIET, IW_INOTIFY, IW_NO_NEWLINE,
	IW_TIMEOUT, IW_EVENT, IW_OUTFILE, IW_FROMFILE, IW_FORMAT, IW_TIMEFMT,
	IW_EXCLUDE, IW_EXCLUDEI, IW_INCLUDE, IW_INCLUDEI,
	/* G.iw.args[] starts with the first that has one */
	IW_ARGS = IW_TIMEOUT,
	IW_MISSING = (ENABLE_FEATURE_WATCHLET_REGEX ? 0 : 15 << IW_EXCLUDE)
		| (ENABLE_FEATURE_WATCHLET_TIMEFMT ? 0 : 1 << IW_TIMEFMT),
};
#define IW_ARG(option) G.iw.args[IW_##option - IW_ARGS]

#define iw_has(option) (G.iw.opts & (1u << (option)))

/* Says text on stderr, with arg in place of the first %, and what errno means in
 * place of the second. */
static void say(const char *text, const char *arg)
{
	char *s = G.entry;
	int error = errno;

	for (; *text; text++) {
		if (*text == '%') {
			while (*arg && s < G.entry + PATH_MAX) {
				*s++ = *arg++;
			}
			arg = strerror(error);
		} else {
			*s++ = *text;
		}
	}
	*s = '\n';
	if (!iw_has(IW_SYSLOG)) {
		write(STDERR_FILENO, G.entry, s + 1 - G.entry);
	} else {
		*s = '\0';
		bb_error_msg("%s", G.entry);
	}
}

static void say_and_die(const char *text, const char *arg) NORETURN;
static void say_and_die(const char *text, const char *arg)
{
	say(text, arg);
	exit(EXIT_FAILURE);
}

/* Opens the outfile as standard output. */
static int open_outfile(int flags)
{
	close(STDOUT_FILENO); /* that is what open() gives again */
	return open(IW_ARG(OUTFILE), O_WRONLY | O_CREAT | O_APPEND | flags, 0600);
}

/* All watches stand. */
static void established(void)
{
	if (!G.iw.held) {
		return;
	}
	if (G.iw.quiet == 0) {
		say("Watches established.", NULL);
	}
	G.iw.held = 0;
	if (iw_has(IW_DAEMON)) {
		open_outfile(0); /* begin() did not wait */
	}
}

/* path can't be watched: says why. */
static void say_unwatchable(const char *path)
{
	if (errno == ENOSPC) {
		say("Failed to watch %; upper limit on inotify watches reached!", path);
		errno = ENOSPC;
		inotify_msg(path);
	} else {
		say("Couldn't watch %: %", path);
	}
}

/* Is the entry name of directory parent not to be watched? The @FILEs, without
 * slash at the end, stand in front in G.names. */
static int inotifywait_skips(unsigned parent, const char *name)
{
	char *path = entry_path(G.entry, parent, name);
	const char *s;

	if (path) {
		for (s = G.names; s < G.names + G.iw.lists; s += strlen(s) + 1) {
			if (*s == '@' && strcmp(s + 1, path) == 0) {
				return 1;
			}
		}
#if ENABLE_FEATURE_WATCHLET_REGEX
		if (G.iw.opts & 3 << IW_EXCLUDE) {
			path = strcpy(G.from, path);
			return regexec(&G.regex, path, 0, NULL, 0) == 0
				|| regexec(&G.regex, strcat(path, "/"), 0, NULL, 0) == 0;
		}
#endif
	}
	return 0;
}

/* Puts a field of a line, with quotes if it is a field of CSV that needs them. */
static char *put_field(char *dst, const char *s)
{
	char *end = G.out + G.out_len + LINE_MAX_BYTES - 8;
	int quotes = 0;
	const char *p;

	for (p = s; iw_has(IW_CSV) && *p; p++) {
		quotes |= *p == '"' || *p == ',' || *p == '\n' || (*p == ' ' && (p == s || !p[1]));
	}
	if (quotes) {
		*dst++ = '"';
	}
	for (; *s && dst < end; s++) {
		if (quotes && *s == '"') {
			*dst++ = '"';
		}
		*dst++ = *s;
	}
	if (quotes) {
		*dst++ = '"';
	}
	return dst;
}

/* Puts the names of the events of mask, with separator in between. The list is
 * kept: the next event is likely to be the same. */
static char *put_events(char *dst, uint32_t mask, unsigned separator)
{
	const char *name = event_names;
	char *s = G.iw_list;

	mask = (mask & (MASK_LETTERS & ~IN_STEP))
		| (mask & IN_CLOSE ? 1 << NAME_CLOSE : 0)
		| (mask & IN_ISDIR ? 1 << NAME_ISDIR : 0)
		| separator << 24;
	if (mask != G.iw.listed) {
		G.iw.listed = mask;
		mask &= 0xffffff;
		for (; mask; mask >>= 1) {
			for (; *name > ' '; name++) {
				if (mask & 1) {
					*s++ = *name;
				}
			}
			name++;
			if ((mask & 1) && mask != 1) {
				*s++ = separator;
			}
		}
		*s = '\0';
	}
	return put_field(dst, G.iw_list);
}

/* Puts a line: the event of mask for name in file. */
static void put_event(uint32_t mask, const char *file, const char *name)
{
	const char *f = IW_ARG(FORMAT);
	char *s = G.out + G.out_len;
	char *end = s + LINE_MAX_BYTES / 2;
	char number[12];
	uint32_t n;

	for (; *f && s < end; f++) {
		char *digit = number + sizeof(number) - 1;

		if (*f != '%' || !f[1]) {
			*s++ = *f;
			continue;
		}
		switch (*++f) {
		case 'w':
			s = put_field(s, file);
			break;
		case 'f':
			s = put_field(s, name);
			break;
		case 'e':
			s = put_events(s, mask, ',');
			break;
		case 'c':
			*digit = '\0';
			n = G.iw.cookie;
			do {
				*--digit = (n & 15) + ((n & 15) > 9 ? 'a' - 10 : '0');
			} while (n >>= 4);
			s = put_field(s, digit);
			break;
		case '%':
			*s++ = '%';
			break;
		case '0':
			*s++ = '\0';
			break;
		case 'n':
			*s++ = '\n';
			break;
#if ENABLE_FEATURE_WATCHLET_TIMEFMT
		case 'T': {
			time_t now = time(NULL);

			s += strftime(s, PATH_MAX, IW_ARG(TIMEFMT), localtime(&now));
			break;
		}
#endif
		default:
			if (f[1] == 'e') {
				s = put_events(s, mask, *f);
				f++;
				break;
			}
			*s++ = '%';
			*s++ = *f;
		}
	}
	if (!iw_has(IW_NO_NEWLINE)) {
		*s++ = '\n';
	}
	end_line(s);
}

/* What tell() has for us. mask may hold several events of an entry that was
 * found: it came, and a file was written. */
static void inotifywait_event(unsigned w, uint32_t mask, const char *path, const char *name)
{
	uint32_t asked = mask & G.iw.asked & MASK_LETTERS;
	uint32_t now;
	char *s;

	if (G.iw.repeated || !path
	 /* reads of ours */
	 || ((mask & MASK_READS) && (mask & IN_ISDIR) && !older_than(G.iw.walk) && older_than(G.iw.walk_end))
	 /* only the end of a PATH is an end that is told by the exit status */
	 || (!asked && (w > G.paths_used || !(mask & MASK_ALWAYS) || iw_has(IW_MONITOR)))
	) {
		return;
	}
	s = stpcpy(G.entry, mask & IN_Q_OVERFLOW ? "" : path);
	if (s != G.entry && s[-1] != '/' && (w > G.paths_used || has_opt(w, OPT_DIR))) {
		*s++ = '/';
	}
	strcpy(s, name ? name : "");
#if ENABLE_FEATURE_WATCHLET_REGEX
	if (asked && (G.iw.opts >> IW_EXCLUDE)
	 && !regexec(&G.regex, G.entry, 0, NULL, 0) == !(G.iw.opts >> IW_INCLUDE)
	) {
		return;
	}
#endif
	*s = '\0';
	if (asked & (IN_CREATE | IN_CLOSE_WRITE)) {
		asked &= ~IN_MOVED_TO;
	}
	do {
		now = asked & IN_CREATE ? asked & ~IN_CLOSE_WRITE : asked;
		asked &= ~now;
		if (now && G.iw.quiet < 2) {
			put_event(now | (mask & IN_ISDIR), G.entry, name ? name : "");
		}
		if (!iw_has(IW_MONITOR)) {
			established();
			flush_lines();
		}
		reported(!now);
	} while (asked);
}

/* How many bytes at s are the letters of name, in upper or lower case */
static unsigned same_letters(const char *s, const char *name)
{
	unsigned n = 0;

	while (name[n] > ' ' && !((s[n] ^ name[n]) & ~0x20)) {
		n++;
	}
	return n;
}

/* The events of the list arg; 0 when a part of it is empty, as it always was. */
static uint32_t parse_events(const char *arg)
{
	const char *s = arg;
	uint32_t mask = 0;

	do {
		const char *name = event_names;
		unsigned i, n;

		if (*s == ',' || !*s) {
			return 0;
		}
		for (i = 0; n = same_letters(s, name), name[n] > ' ' || (s[n] && s[n] != ','); i++) {
			do {
				if (*name == '\n') {
					say_and_die("'%' is not a valid event!", arg);
				}
			} while (*name++ > ' ');
		}
		mask |= i == NAME_CLOSE ? IN_CLOSE
			: i == NAME_MOVE ? IN_MOVE
			: i == NAME_ALL ? MASK_EVENTS
			: i == NAME_ISDIR ? IN_ISDIR
			: 1u << i;
		s += n;
	} while (*s++);
	return mask;
}

/* Takes one option, its number in iw_options, and its argument. */
static void take_option(unsigned i, const char *arg)
{
	if (i == IW_HELP) {
		write(STDOUT_FILENO, iw_text, sizeof(iw_text) - 1);
		exit(EXIT_FAILURE);
	}
	G.iw.quiet += (i == IW_QUIET);
	if (i == IW_EVENT) {
		G.iw.asked |= parse_events(arg);
	} else if (i == IW_TIMEOUT) {
		/* a negative one is none */
		if (*arg != '-' && (G.timeout_ms = parse_seconds(arg)) < 0) {
			say_and_die("'%' is not a valid timeout value.", arg);
		}
	} else if (i >= IW_ARGS) {
		const char **old = &G.iw.args[i - IW_ARGS];

		if (*old && (i == IW_OUTFILE || i == IW_FROMFILE)) {
			say_and_die("Multiple --% options given.", i == IW_OUTFILE ? "outfile" : "fromfile");
		}
		if (ENABLE_FEATURE_WATCHLET_REGEX && *old && (i == IW_EXCLUDE || i == IW_EXCLUDEI)) {
			say("--%: only the last option will be taken into consideration.",
				i == IW_EXCLUDE ? "exclude" : "excludei");
		}
		*old = arg;
	}
	G.iw.opts |= 1 << i;
}

/* The number of the option that is meant by letter, or, if that is 0, whose name
 * is at s or begins as s does, up to a '='; -1 if there is none, or several. */
static int find_option(char letter, const char *s)
{
	const char *option = iw_options;
	int i, found = -1;

	for (i = 0; i <= IW_INCLUDEI; i++) {
		unsigned n = letter ? 0 : same_letters(s, option + 5);

		if (letter ? letter == option[1] : !s[n] || s[n] == '=') {
			if (letter || option[5 + n] <= ' ') {
				return i;
			}
			found = found == -1 ? i : -2;
		}
		option = strchr(option, '\n') + 1;
	}
	return found;
}

static void bad_option(const char *s, const char *what) NORETURN;
static void bad_option(const char *s, const char *what)
{
	bb_error_msg_and_die("option '%s' %s", s, what);
}

/* Two of options that exclude each other */
static void not_both(unsigned a, unsigned b, const char *what)
{
	if ((G.iw.opts & a) && (G.iw.opts & b)) {
		say_and_die("% cannot both be specified.", what);
	}
}

static void needs_format(unsigned option, const char *what)
{
	if (iw_has(option) && !iw_has(IW_FORMAT)) {
		say_and_die("% cannot be specified without --format.", what);
	}
}

/* Ends when options don't go together. */
static void check_options(void)
{
	const char *format = IW_ARG(FORMAT);

	if (ENABLE_FEATURE_WATCHLET_REGEX) {
		not_both(1 << IW_EXCLUDE, 1 << IW_EXCLUDEI, "--exclude and --excludei");
		not_both(1 << IW_INCLUDE, 1 << IW_INCLUDEI, "--include and --includei");
		not_both(3 << IW_INCLUDE, 3 << IW_EXCLUDE, "include and exclude regexp");
	}
	not_both(1 << IW_FORMAT, 1 << IW_CSV, "-c and --format");
	needs_format(IW_NO_NEWLINE, "--no-newline");
	if (ENABLE_FEATURE_WATCHLET_TIMEFMT) {
		needs_format(IW_TIMEFMT, "--timefmt");
	}
	if (!format) {
		IW_ARG(FORMAT) = iw_has(IW_CSV) ? "%w,%e,%f" : "%w %e %f";
	} else if (ENABLE_FEATURE_WATCHLET_TIMEFMT && !iw_has(IW_TIMEFMT)) {
		for (; *format; format++) {
			if (format[0] == '%' && format[1] == 'T') {
				say_and_die("% is in --format string, but --timefmt was not specified.", "%T");
			}
		}
	}
	if (iw_has(IW_DAEMON)) {
		if (!iw_has(IW_OUTFILE)) {
			say_and_die("-o must be specified with -d.", NULL);
		}
		G.iw.opts |= 1 << IW_MONITOR | 1 << IW_SYSLOG;
	}
}

#if ENABLE_FEATURE_WATCHLET_REGEX
/* Compiles the last of --exclude or --include. */
static void compile_regex(void)
{
	unsigned i;

	for (i = IW_EXCLUDE; i <= IW_INCLUDEI; i++) {
		if (iw_has(i) && regcomp(&G.regex, G.iw.args[i - IW_ARGS],
			REG_EXTENDED | REG_NOSUB | ((i - IW_EXCLUDE) & 1 ? REG_ICASE : 0)) != 0
		) {
			say_and_die("Error in `%' regular expression.", i < IW_INCLUDE ? "exclude" : "include");
		}
	}
}
#endif

/* Takes the options off argv, wherever they are. */
static void inotifywait_options(char **argv)
{
	char **operand = argv;
	int i;
	char *s, *word, *arg;

	G.iw.on = 1;
	G.iw.held = 1;
	while ((word = *argv) != NULL) {
		argv++;
		s = word + 1;
		if (*word != '-' || !*s) {
			*operand++ = word;
			continue;
		}
		if (*s == '-' && !s[1]) {
			while (*argv) {
				*operand++ = *argv++;
			}
			break;
		}
		do {
			if (*s == '-') {
				i = find_option('\0', s + 1);
				arg = strchr(s, '=');
				s = arg ? arg : (char *)"-";
			} else {
				i = *s > ' ' ? find_option(*s, NULL) : -1;
				arg = NULL;
			}
			if (i < 0) {
				bad_option(word, "is unknown");
			}
			if (IW_MISSING >> i & 1) {
				bad_option(word, "is not built in");
			}
			s++;
			if (i < IW_ARGS) {
				if (arg) {
					bad_option(word, "takes no value");
				}
			} else {
				arg = s;
				if (!*s && s[-1] != '=') {
					arg = *argv++;
				}
				if (!arg) {
					bad_option(word, "needs a value");
				}
				s = (char *)"";
			}
			take_option(i, arg);
		} while (*s);
	}
	*operand = NULL;
	check_options();
#if ENABLE_FEATURE_WATCHLET_REGEX
	compile_regex();
#endif
	if (!G.iw.asked) {
		G.iw.asked = MASK_EVENTS;
	}
	G.prints = 1;
	G.opts = (iw_has(IW_RECURSIVE) ? OPT_r : 0)
		| (iw_has(IW_MONITOR) ? 0 : OPT_1)
		| (G.timeout_ms != 0 ? OPT_t : 0)
		| (iw_has(IW_DAEMON) ? OPT_d : 0)
		| (iw_has(IW_SYSLOG) ? OPT_S : 0);
	G.rules[0].opts = G.opts & OPT_r;
}

/* Room for len bytes of lists in G.names */
static char *list_room(size_t len)
{
	if (len > NAMES_SIZE - G.iw.lists) {
		bb_error_msg_and_die("%s: not watched, %s=%u is full", "@", "WATCHLET_NAMES_KB", CONFIG_WATCHLET_NAMES_KB);
	}
	return G.names + G.iw.lists;
}

/* There is something to watch. */
static void begin(void)
{
	const char *out = IW_ARG(OUTFILE);

	if (out && open_outfile(iw_has(IW_DAEMON) ? O_NONBLOCK : 0) < 0) {
		if (errno != ENXIO) {
			say_and_die("Couldn't open %: %", out);
		}
		/* a FIFO that nobody reads yet: the parent must not wait for that */
		open("/dev/null", O_WRONLY);
	}
	if (G.iw.quiet == 0 && !iw_has(IW_DAEMON)) {
		say("Setting up watches.%", iw_has(IW_RECURSIVE)
			? "  Beware: since -r was given, this may take a while!" : "");
	}
}

/* Watches FILE; @FILE loses a slash at its end. */
static void add_file(char *name)
{
	uint32_t mask = G.iw.asked;
	unsigned recursive = iw_has(IW_RECURSIVE);
	size_t len = strlen(name);
	struct stat st;
	int dir, wd = 0;

	if (*name == '@' && name[len - 1] == '/') {
		name[len - 1] = '\0';
	}
	if (len == 0 || *name == '@') {
		return;
	}
	if (G.paths_used == 0) {
		begin();
	}
	st.st_mode = 0;
	if (fstatat(AT_FDCWD, name, &st, recursive ? 0 : AT_SYMLINK_NOFOLLOW) != 0 && !is_missing()) {
		wd = -1;
	}
	dir = S_ISDIR(st.st_mode);
	if (iw_has(IW_NO_DEREFERENCE) && (!dir || !recursive)) {
		mask |= IN_DONT_FOLLOW;
	}
	if (wd == 0) {
		wd = inotify_add_watch(G.fd, name, mask);
	}
	if (wd < 0) {
		say_unwatchable(name);
		exit(EXIT_FAILURE);
	}
	if (next_watch(wd, 0)) {
		return; /* given twice */
	}
	new_path(name, len, 0, mask, wd);
	if (dir) {
		G.paths[G.paths_used].opts |= OPT_DIR;
	}
}

/* Watches the files of --fromfile and those of argv. */
static void inotifywait_start(char **argv)
{
	const char *from = IW_ARG(FROMFILE);
	char *s, *end;
	ssize_t n;
	int fd = STDIN_FILENO;

	if (iw_has(IW_SYSLOG) && !iw_has(IW_DAEMON)) {
		logmode = LOGMODE_SYSLOG;
	}
	if (from) {
		if (NOT_LONE_DASH(from)) {
			fd = open(from, O_RDONLY | O_CLOEXEC);
		}
		n = fd;
		while (fd >= 0 && (n = read(fd, list_room(1), NAMES_SIZE - G.iw.lists)) > 0) {
			G.iw.lists += n;
		}
		if (n < 0) {
			say_and_die("Couldn't open %: %", from);
		}
		*list_room(1) = '\0';
		end = G.names + G.iw.lists++;
		for (s = G.names; s < end; s += strlen(s) + 1) {
			*strchrnul(s, '\n') = '\0';
			add_file(s);
		}
	}
	for (; (s = *argv) != NULL; argv++) {
		if (*s == '@') {
			size_t len = strlen(s) + 1;

			s = memcpy(list_room(len), s, len);
			G.iw.lists += len;
		}
		add_file(s);
	}
	if (G.paths_used == 0) {
		say_and_die("No files specified to watch!", NULL);
	}
	G.names_used = G.iw.lists;
}

/* ===== Rules =====
 * -f RULES. The text of a rule is kept in G.rules_text, what it says in G.rules.
 * Of all that there are two halves: while the file is read again, the old one is
 * in use, and stays so if there is any error. A rule has a slot of its own in
 * G.paths; it keeps that, with its watches, while its options, PATH and MASK are
 * the same to the byte.
 */

/* With -f there is nothing else that a rule may say. */
static void check_rules_options(char **argv)
{
	static const char letters[] ALIGN1 = OPT_LETTERS;
	unsigned others = G.opts & ~OPTS_WITH_f;
	const char *letter = letters;

	if (argv[0]) {
		bb_error_msg_and_die("%s: with -f PROG and PATH are in the file", argv[0]);
	}
	if (others) {
		for (; !(others & 1); others >>= 1) {
			letter++;
		}
		bb_error_msg_and_die("-%c doesn't go with -f", *letter);
	}
}

/* From here on messages name the file and this line of it. */
static void at_line(unsigned line)
{
	char *s = stpcpy(stpcpy(G.where, "watchlet: "), G.rules_file);

	*s++ = ':';
	strcpy(s, utoa(line));
	applet_name = G.where;
}

/* Reads the file into the half of the rules that G.half says. Returns the number
 * behind the last rule; the first is 1 + G.half * MAX_RULES. */
static unsigned read_rules(void)
{
	char *words[MAX_WORDS + 1];
	char **word;
	struct rule *rule;
	char *text = G.rules_text[G.half];
	char *s = text, *dst = text, *end;
	unsigned r, n, newlines, line = 1;
	char c;
	ssize_t size = open_read_close(G.rules_file, text, RULES_SIZE);

	if (size < 0) {
		bb_simple_perror_msg_and_die(G.rules_file);
	}
	if (size == RULES_SIZE) {
		bb_error_msg_and_die("%s: more than WATCHLET_RULES_KB=%u",
			G.rules_file, CONFIG_WATCHLET_RULES_KB);
	}
	end = text + size;
	*end = '\0';
	r = 1 + G.half * MAX_RULES;
	G.globs_used = G.half * MAX_GLOBS;
	G.rules_used = 0;
	do {
		at_line(line);
		n = newlines = 0;
		c = ' ';
		while (c != '\0' && c != '\n') {
			int quoted = 0;

			if (*s == '#') {
				s = strchrnul(s, '\n');
			}
			if (*s == '\\' && s[1] == '\n') {
				s += 2;
				newlines++;
				continue;
			}
			c = *s;
			if (strchr(" \t\r\n", c)) { /* or the end */
				s++;
				continue;
			}
			if (n == MAX_WORDS) {
				bb_error_msg_and_die("more than %u words", MAX_WORDS);
			}
			words[n++] = dst;
			while ((c = *s) != '\0' && (quoted || !strchr(" \t\r\n", c))) {
				s++;
				if (c == '"') {
					quoted = !quoted;
					continue;
				}
				if (c == '\\' && *s) {
					c = *s++;
					if (c == '\n') {
						newlines++;
						continue;
					}
				}
				newlines += (c == '\n');
				*dst++ = c;
			}
			if (quoted) {
				bb_simple_error_msg_and_die("no closing \"");
			}
			s++;
			*dst++ = '\0'; /* perhaps where c was */
		}
		if (c == '\0' && s <= end) {
			bb_simple_error_msg_and_die("a NUL byte");
		}
		if (n != 0) {
			if (G.rules_used++ == MAX_RULES) {
				bb_error_msg_and_die("more than WATCHLET_MAX_RULES=%u", MAX_RULES);
			}
			words[n] = NULL;
			rule = &G.rules[r++];
			memset(rule, 0, sizeof(*rule));
			rule->line = line;
			rule->text = words[0];
			word = parse_options(words, rule);
			if (!word[0] || !word[1]) {
				bb_error_msg_and_die("no %s", word[0] ? "PROG" : "PATH");
			}
			rule->path = word[0];
			rule->words = words + n - word - 1;
			set_prog(rule, word[1]);
			if (!rule->prog && word[2]) {
				bb_simple_error_msg_and_die("- takes no ARGs");
			}
		}
		line += newlines + 1;
	} while (c != '\0');
	applet_name = "watchlet";
	if (G.rules_used == 0) {
		bb_error_msg_and_die("%s: no rules", G.rules_file);
	}
	return r;
}

/* Is slot w a PATH that had no x yet? */
static int is_alive(unsigned w)
{
	return G.watches[w].wd >= 0 || has_opt(w, OPT_F);
}

/* A PATH that no rule has any more; its slot is free. */
static void remove_path(unsigned w)
{
	unsigned i;

	drain(w);
	G.paths_left -= is_alive(w);
	blind(w);
	for (i = 0; ENABLE_FEATURE_WATCHLET_FOLLOW && i < G.steps_used; i++) {
		if (G.steps[i].path == w) {
			G.steps[i].path = 0;
			unwatch(G.steps[i].wd);
		}
	}
	G.watches[w].flags &= W_QUEUED;
	G.paths[w].opts = 0;
	G.in_use--;
}

/* Rules that are as before get the slot they had, new ones a new one. */
static void place_rules(unsigned end)
{
	unsigned r;
	unsigned w;

	for (w = 1; w <= G.paths_used; w++) {
		G.paths[w].next_rule = 0;
	}
	for (r = 1 + G.half * MAX_RULES; r < end; r++) {
		struct rule *rule = &G.rules[r];
		size_t size = rule->path + strlen(rule->path) + 1 - rule->text;

		for (w = G.paths_used; w != 0; w--) {
			struct path *p = &G.paths[w];

			if (is_alive(w) && p->next_rule == 0
			 && memcmp(G.rules[p->rule].text, rule->text, size) == 0
			) {
				p->next_rule = r;
				break;
			}
		}
		if (w == 0) {
			at_line(rule->line);
			add_path(rule->path, r);
		}
	}
}

/* Reads RULES at start. */
static void start_rules(void)
{
	unsigned w;

	G.paths_used = G.top_used = 2 * MAX_RULES;
	for (w = 1; w <= G.paths_used; w++) {
		G.watches[w].wd = -1;
	}
	place_rules(read_rules());
	applet_name = "watchlet";
}

/* Which half is this rule in? */
static unsigned half_of(unsigned rule)
{
	return rule > MAX_RULES;
}

/* die_func while RULES is read again. That PROG can't be started, for an x, isn't
 * the fault of the file, and its records would be lost: that is the end. */
static void reload_failed(void)
{
	if (G.child < 0) {
		end(EXIT_FAILURE);
	}
	longjmp(G.reload_failed, 1);
}

/* Reads RULES again. With any error all is as it was. */
static void reload(void)
{
	void (*old_die_func)(void) = die_func;
	unsigned used = G.rules_used;
	unsigned w;

	G.half ^= 1;
	die_func = reload_failed;
	if (setjmp(G.reload_failed) == 0) {
		place_rules(read_rules());
		/* no way back from here, whatever dies, and no line to name */
		die_func = old_die_func;
		applet_name = "watchlet";
		for (w = 1; w <= G.paths_used; w++) {
			struct path *p = &G.paths[w];

			if (G.watches[w].flags & W_USED) {
				if (p->next_rule == 0) {
					remove_path(w);
				} else {
					G.rules[p->next_rule].burst_due = G.rules[p->rule].burst_due;
					G.rules[p->next_rule].burst_limit = G.rules[p->rule].burst_limit;
					p->rule = p->next_rule;
					p->name = G.rules[p->rule].path;
				}
			}
		}
		G.is_ready = 0;
	} else {
		for (w = 1; w <= G.paths_used; w++) {
			/* those that were new */
			if ((G.watches[w].flags & W_USED) && half_of(G.paths[w].rule) == G.half) {
				remove_path(w);
			}
		}
		G.half ^= 1;
		G.rules_used = used;
	}
	die_func = old_die_func;
	applet_name = "watchlet";
}

/* The stack grows as it is used, up to RLIMIT_STACK. All that will ever be used
 * (scripts/stack: 3.4 KiB) is so now: if there isn't as much, it doesn't start,
 * rather than end at some event. */
static NOINLINE void use_stack(void)
{
	char bytes[3584];

	*(volatile char *)bytes = 0;
}

int watchlet_main(int argc, char **argv) MAIN_EXTERNALLY_VISIBLE;
int watchlet_main(int argc UNUSED_PARAM, char **argv)
{
	BUILD_BUG_ON(CONFIG_WATCHLET_MAX_PATHS < 1 || CONFIG_WATCHLET_MAX_PATHS > 65535);
	BUILD_BUG_ON(CONFIG_WATCHLET_MAX_WATCHES < 1 || CONFIG_WATCHLET_MAX_WATCHES > 1000000);
	BUILD_BUG_ON(CONFIG_WATCHLET_NAMES_KB > 65535);
	BUILD_BUG_ON(CONFIG_WATCHLET_MAX_GLOBS > 255);
	BUILD_BUG_ON(CONFIG_WATCHLET_MAX_STEPS > 65535);
	BUILD_BUG_ON(CONFIG_WATCHLET_MAX_PENDING > 65535);
	BUILD_BUG_ON(CONFIG_WATCHLET_EVENT_BUF < 16 + PATH_MAX || CONFIG_WATCHLET_EVENT_BUF > 65536);

	INIT_G();
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		use_stack();
	}
	/* so that no descriptor of ours is one of these */
	bb_sanitize_stdio();
	/* TERM, INT and HUP end us wherever we are, unless they are ignored; PROG
	 * starts with no signal blocked, and can be waited for */
	sigprocmask_allsigs(SIG_UNBLOCK);
	bb_signals((1 << SIGCHLD) | (1 << SIGPIPE), SIG_DFL);

	argv++;
	if (ENABLE_WATCHLET_INOTIFYWAIT && strcmp(applet_name, "inotifywait") == 0) {
		inotifywait_options(argv);
		goto start;
	}
	if (OPTBITS != 0) {
		argv = parse_options(argv, &G.rules[0]);
	}
	if (G.opts & OPT_f) {
		check_rules_options(argv);
	} else if (!argv[0] || !argv[1]) {
		bb_show_usage();
	}
	argv++;
 start:
	if (G.opts & OPT_S) {
		/* until all watches stand somebody may be looking at stderr, too */
		logmode = LOGMODE_BOTH;
		/* now, since a child by vfork must not be who opens it */
		openlog(applet_name, LOG_NDELAY, LOG_DAEMON);
	}
	if (!IS_INOTIFYWAIT && !(G.opts & OPT_f)) {
		set_prog(&G.rules[0], argv[-1]);
	}
	if (G.opts & OPT_d) {
		detach_child(argv);
	}
	G.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (G.fd < 0) {
		inotify_msg_and_die("inotify");
	}
	if (ENABLE_FEATURE_WATCHLET_TREE) {
		G.cur = G.end = G.events;
		G.hash_mask = HASH_START - 1;
		G.chain_limit = CHAIN;
		G.home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (G.home < 0 && errno == EACCES) {
			/* one that we have no right to: there is no way back to it */
			G.home = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (G.home < 0) {
			bb_simple_perror_msg_and_die("working directory");
		}
	}
	if (ENABLE_FEATURE_WATCHLET_SETTLE) {
		G.now = monotonic_ms();
	}
	if (G.opts & OPT_P) {
		lock_pidfile();
	}
	if (SIGNAL_FD) {
		block_signals();
	}
	if (IS_INOTIFYWAIT) {
		inotifywait_start(argv);
	} else if (G.opts & OPT_f) {
		start_rules();
	} else {
		for (; *argv; argv++) {
			add_path(*argv, 0);
		}
	}
	loop();
}
