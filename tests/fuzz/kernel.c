/*
 * The event reader, the scanner, the watch table, followed names, settling, PROG and
 * rules that are read again, against a kernel that says whatever the input says:
 * torn events, unknown wds, lengths that can't be, names of any bytes, listings that
 * fit to nothing, every call failing, clocks and signals at any moment.
 *
 * Wherever it sleeps the table must be whole, with no descriptor left open and no
 * watch that nothing needs; what has settled has left; and it wakes in time. What it
 * prints are records, and only of what was asked for.
 *
 * The input: bytes that choose options and PATHs, or rules, then what world.h takes
 * from it.
 */
#include "world.h"

static char file[RULES_SIZE];

/* Puts the next lines of rules into the file TEXT: mostly such as could be. */
static void make_rules(void)
{
	static const char *const options[] = {
		"", "-r ", "-ri ", "-rip ", "-F ", "-Fri ", "-Fi ", "-s20 ",
		"-rips 30 ", "-bs50 ", "-Frbs9 ", "-rx a ", "-ri -x b/* ", "-I*c ", "-rpI ? ", "-s0 -b ",
	};
	static const char *const paths[] = {
		"a ", "b/ ", "a/b:nyd ", "a:wyL ", "\"b\":+ ", "a/../b ", "a:D ", "b/:m/ ",
	};
	static const char *const progs[] = { "-", "p", "p \"A R\"", "p \\\n A\\ R A\" \"R" };
	unsigned c = next_byte(), n;
	char *s = file;

	if (c >= 0xf0) {
		/* or any bytes */
		any_rules = 1;
		for (n = next_byte(); n != 0; n--) {
			*s++ = next_byte();
		}
	} else if (text == NULL || !(c & 0x80)) {
		for (n = c & 3; n != 0; n--) {
			s = (stpcpy)(s, options[next_byte() & 15]);
			s = (stpcpy)(s, paths[next_byte() & 7]);
			s = (stpcpy)(s, progs[next_byte() & 3]);
			*s++ = '\n';
		}
	} else {
		s = (char *)text_end; /* it is as it was */
	}
	text = (uint8_t *)file;
	text_end = (uint8_t *)s;
}

static void set_options(void)
{
	static const char *const globs[] = { "a", "*b", "?/a", "b*", "[a-c]", "/a/*", "*", "[!a]" };
	static const unsigned settle[] = { 0, 1, 30, 1000000 };
	struct rule *rule = &G.rules[0];
	unsigned c = next_byte();

	rule->opts = next_byte() & (OPT_r | OPT_i | OPT_p | OPT_F);
	if (c & 1) {
		rule->opts |= OPT_s | (c & 2 ? OPT_b : 0);
		rule->settle_ms = settle[c >> 2 & 3];
	}
	if (c & 0x10) {
		rule->prog = "p";
	} else {
		G.prints = 1;
		G.reader = STDOUT_FILENO + 1;
	}
	if (c & 0x20) {
		for (c = next_byte(); G.globs_used < (c & 3) && G.globs_used < MAX_GLOBS; G.globs_used++) {
			G.globs[G.globs_used] = globs[next_byte() & 7];
			G.glob_kind[G.globs_used] = next_byte() & 1 ? 'x' : 'I';
		}
		rule->globs_end = G.globs_used;
		rule->opts |= OPT_x | OPT_I;
		if (c & 4) {
			G.opts |= OPT_t;
			G.timeout_ms = next_byte() * 10;
		}
		if (c & 8) {
			G.opts |= OPT_1;
		}
		G.opts |= c & 0x10 ? OPT_q : OPT_v;
	}
	G.opts |= rule->opts;
}

static void add_paths(void)
{
	static char far[PATH_MAX - 100];
	static const char *const paths[] = {
		"a", "b/", "a/b", "b//c/", "/", "a/../b", "a:nymd/", "a:1", "b:+d", "a:L", "b:D", "a:aer0wc",
		"a:y", "a:x", "/a/b:md", far,
	};
	static char args[MAX_PATHS + 1][sizeof(far)];
	unsigned c = next_byte(), n;

	memset(far, 'a', sizeof(far) - 1);
	for (n = 0; n <= (c & 3); n++) {
		add_path((strcpy)(args[n], paths[n == 0 ? c >> 4 : next_byte() & 15]), 0);
	}
}

static void watch_and_go(unsigned mode)
{
	static char *const faces[][4] = {
		{ "-mr", "a" }, { "-mrqe", "move,create,delete_self", "a", "b/" },
		{ "-rt1", "a", "@a/b", "b" }, { "-mqc", "--timefmt=%s", "b", "a" },
	};
	char *argv[5] = { NULL };
	char words[4][64];
	unsigned n;

	if (mode & 1) {
		G.opts = OPT_f | (mode & 2 ? OPT_v : 0);
		G.rules_file = TEXT;
		G.reader = STDOUT_FILENO + 1;
		new_text = make_rules;
		start_rules();
	} else if ((mode & 0xe) == 0xe) {
		tells_records = 0;
		applet_name = "inotifywait";
		for (n = 0; n < 4 && faces[mode >> 4 & 3][n]; n++) {
			argv[n] = (strcpy)(words[n], faces[mode >> 4 & 3][n]);
		}
		inotifywait_options(argv);
		inotifywait_start(argv);
	} else {
		set_options();
		add_paths();
	}
	loop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode;

	fuzz_world(data, size);
	mode = next_byte();
	tells_records = 1;
	G.is_ready = 0;
	if (mode & 0x80) {
		clock_ms = 0xffffffff - 50; /* its 32 bits wrap */
	}
	G.now = clock_ms;
	RUN(watch_and_go(mode));
	if (fuzz_status == FUZZ_ENOUGH) {
		return 0;
	}
	CHECK(fuzz_status >= 0 && fuzz_status <= 0xff);
	if (!(mode & 1) && G.opts & OPT_1) {
		return 0; /* as PROG */
	}
	CHECK(fuzz_status <= 2);
	CHECK(fuzz_status != 1 || said_len != 0 || IS_INOTIFYWAIT);
	CHECK(fuzz_status != 2 || (G.opts & OPT_t));
	if (fuzz_status == 0) {
		/* nothing is kept back */
		CHECK(G.paths_left == 0 && G.pending_used == 0 && G.out_len == 0 && !child_runs);
	}
	return 0;
}
