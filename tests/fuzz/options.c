/*
 * The command line of watchlet and inotifyd, with main(): any words. A second reader
 * of the manual says which options, PROG and PATHs these are, or that they are an
 * error: then it ends with status 1 and says why.
 *
 * The input: a byte that says which names exist (see world.h), one for what fork()
 * and the calls around it do, words, each with a zero byte behind it.
 */
#include "world.h"

enum { ARGS = 40 };

/* What the words say */
static struct {
	unsigned opts;
	int timeout_ms;         /* -1: no number of seconds */
	int settle;             /* as above; in ms / 1000 */
	long fd;
	const char *pidfile, *rules;
	unsigned globs;
	char **rest;            /* PROG PATH... */
	int help, wrong;
} want;

/* The thousandths of the decimal number s; -1 if it is none, or more than 1,000,000 */
static int thousandths(const char *s)
{
	size_t whole = (strspn)(s, "0123456789"), n = whole, i;
	unsigned long long value = 0, unit = 1000;

	if (s[n] == '.') {
		n++;
		n += (strspn)(s + n, "0123456789");
	}
	if (s[n] || n == 0 || (n == 1 && whole == 0)) {
		return -1;
	}
	for (i = 0; i < whole; i++) {
		value = value * 10 + (s[i] - '0') * 1000;
		if (value > 1000000000000) {
			return -1;
		}
	}
	for (i = whole + 1; i < n; i++) {
		unit /= 10;
		value += (s[i] - '0') * unit;
	}
	return value > 1000000000 ? -1 : (int)value;
}

static void want_argument(char option, const char *arg)
{
	char *end;

	switch (option) {
	case 't':
		want.timeout_ms = thousandths(arg);
		want.wrong |= want.timeout_ms < 0;
		break;
	case 's':
		want.settle = thousandths(arg);
		want.wrong |= want.settle < 0;
		break;
	case 'n':
		want.fd = *arg >= '0' && *arg <= '9' ? strtol(arg, &end, 10) : -1;
		want.wrong |= want.fd < 3 || want.fd >= LAST_FD || *end || !(want.fd & 1);
		break;
	case 'P':
		want.pidfile = arg;
		break;
	case 'f':
		want.rules = arg;
		break;
	default:
		want.wrong |= (++want.globs > MAX_GLOBS);
	}
}

/* Reads the words of argv up to PROG, until one is wrong. */
static void read_words(char **argv)
{
	static const char letters[] = "ripFb1qvtsxIdSnPf";

	memset(&want, 0, sizeof(want));
	for (; *argv && argv[0][0] == '-' && argv[0][1]; argv++) {
		const char *s = *argv + 1;

		if (*s == '-' && !s[1]) {
			argv++;
			break;
		}
		for (; *s && !want.wrong; s++) {
			const char *found = (strchr)(letters, *s);

			if (!found) {
				want.wrong = 1;
				return;
			}
			want.opts |= 1u << (found - letters);
			if (!(strchr)("tsxInPf", *s)) {
				continue;
			}
			if (!s[1] && !*++argv) {
				want.wrong = 1;
				return;
			}
			want_argument(*s, s[1] ? s + 1 : *argv);
			break;
		}
		if (want.wrong) {
			return;
		}
	}
	want.rest = argv;
	want.wrong = ((want.opts & (OPT_b | OPT_s)) == OPT_b);
	if (want.opts & OPT_f) {
		want.wrong |= *argv || (want.opts & ~(OPT_f | OPT_q | OPT_v | OPT_d | OPT_S | OPT_n | OPT_P));
	} else {
		want.wrong |= !argv[0] || !argv[1];
	}
}

static int is(const char *a, const char *b)
{
	return (a == NULL && b == NULL) || (a && b && (strcmp)(a, b) == 0);
}

/* Is what was read what should have been? */
static void check_options_of_applet(void)
{
	CHECK(!want.wrong && !want.help);
	CHECK(G.rules[0].opts == want.opts);
	CHECK(G.timeout_ms == want.timeout_ms);
	CHECK(G.rules[0].settle_ms == (unsigned)want.settle / 1000);
	CHECK(G.ready_fd == want.fd);
	CHECK(is(G.pidfile, want.pidfile) && is(G.rules_file, want.rules));
	if (!(want.opts & OPT_f)) {
		unsigned n;

		CHECK(G.globs_used == want.globs && G.rules[0].globs == 0 && G.rules[0].globs_end == want.globs);
		CHECK(is(G.rules[0].prog, is(want.rest[0], "-") ? NULL : want.rest[0]));
		for (n = 1; want.rest[n]; n++) {
			CHECK(n <= MAX_PATHS && G.paths[n].name == want.rest[n]);
		}
		CHECK(n - 1 == G.paths_used);
	}
}

/* What a kernel that does well does at last: PATHs stand, and it waits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char rules[] = "a:nd - \n-F b:w p\n";
	char *argv[ARGS + 1], *words[ARGS + 1];
	const char *face = "watchlet";
	char **arg;
	unsigned n = 0, fork_byte;

	if (size < 3) {
		return 0;
	}
	text_world(data[0]);
	fork_byte = data[1];
	fork_answer = fork_byte & 1 ? 0 : fork_byte & 2 ? CHILD + !(fork_byte & 4) : fork_byte & 8 ? -1 : 0;
	text = (const uint8_t *)rules;
	text_end = text + sizeof(rules) - 1;
	data += 2;
	size -= 2;
	while (size != 0 && n < ARGS) {
		const uint8_t *zero = memchr(data, 0, size);
		size_t len = zero ? (size_t)(zero - data) : size;

		words[n] = argv[n] = malloc(len + 1);
		memcpy(words[n], data, len);
		words[n++][len] = '\0';
		len += !!zero;
		data += len;
		size -= len;
	}
	words[n] = argv[n] = NULL;
	arg = argv + 1;
	if ((strrchr)(argv[0], '/')) {
		face = (strrchr)(argv[0], '/') + 1;
	} else {
		face = argv[0];
	}
	if (n > 1 && (is(argv[1], "watchlet") || is(argv[1], "inotifyd") || is(argv[1], "inotifywait"))) {
		face = *arg++;
	}
	if (is(face, "inotifywait")) {
		goto done; /* has a harness of its own */
	}
	read_words(arg);
	want.help = (*arg && is(*arg, "--help"));
	applet_name = NULL;
	G.is_ready = 0;
	RUN(alone_main(n, argv));
	/* no usage behind a message. No name has a newline there; but we may be called so */
	CHECK(want.help || want.wrong || strstr(argv[0], "Usage") || !memmem(said, said_len, "\nUsage: ", 8));
	if (want.help) {
		CHECK(fuzz_status == 0 && told_len != 0 && said_len == 0);
	} else if (want.wrong) {
		CHECK(fuzz_status == 1 && said_len != 0);
	} else if (fuzz_status == FUZZ_ENOUGH) {
		check_options_of_applet();
		CHECK(G.paths_used >= 1 && G.paths_left >= 1);
		check_pending();
	} else if (!(want.opts & OPT_d) || fork_answer == 0) {
		/* a PATH that isn't there, a PROG that isn't, a mask; or nothing came; or
		 * a PATH that can't be watched was told */
		CHECK(fuzz_status == 1 || (fuzz_status == 0 && (want.opts & OPT_1) && G.records != 0)
			|| (fuzz_status == 2 && (want.opts & OPT_t)));
		CHECK(fuzz_status != 1 || said_len != 0);
	}
	CHECK((fuzz_status >= FUZZ_ENOUGH && fuzz_status <= 2) || (want.opts & OPT_d));
	/* a pidfile is removed, but not where another has it */
	CHECK(fuzz_status < 0 || !pidfile[0] || fuzz_status == 1);
 done:
	while (n-- != 0) {
		free(words[n]);
	}
	return 0;
}
