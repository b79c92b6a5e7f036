/*
 * The face of inotifywait: its command line, what --fromfile reads, and lines in any
 * --format of events of any name. It ends with the status of an error and says why,
 * or it watches, and no line leaves its buffer.
 * Regular expressions and the file of -o are not ours: they are taken as they come.
 *
 * The input: a byte that says which names exist (see world.h), arguments, each
 * with a zero byte behind it, 0xff, the file, 0xff, what comes as events.
 */
#include <regex.h>
static int fuzz_regcomp(regex_t *regex, const char *s, int flags)
{
	(void)regex;
	(void)flags;
	return *s == '*';
}

static int fuzz_regexec(const regex_t *regex, const char *s, size_t n, void *match, int flags)
{
	(void)regex;
	(void)n;
	(void)match;
	(void)flags;
	return !(*s & 1);
}

#define regcomp fuzz_regcomp
#define regexec fuzz_regexec
#include "world.h"

enum { ARGS = 32 };

static void start(char **argv)
{
	inotifywait_options(argv);
	inotifywait_start(argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char words[4096];
	char *argv[ARGS + 1], *s, *end;
	const uint8_t *file, *events;
	unsigned n = 0;

	if (size < 2 || size >= sizeof(words)) {
		return 0;
	}
	text_world(*data++);
	size--;
	file = memchr(data, 0xff, size);
	file = file ? file + 1 : data + size;
	events = memchr(file, 0xff, data + size - file);
	events = events ? events + 1 : data + size;
	memcpy(words, data, size);
	end = words + (file - data);
	if (end > words) {
		end[-1] = '\0'; /* was 0xff, or the last */
	}
	for (s = words; s < end && n < ARGS; s += (strlen)(s) + 1) {
		argv[n++] = s;
	}
	argv[n] = NULL;
	text = file;
	text_end = events;
	applet_name = "inotifywait";
	G.is_ready = 0;
	RUN(start(argv));
	if (fuzz_status != FUZZ_GOES_ON) {
		CHECK(fuzz_status == 1);
		CHECK(said_len != 0 || told_len != 0);
		return 0;
	}
	CHECK(G.paths_used >= 1 && G.paths_used <= MAX_PATHS);
	CHECK(G.iw.lists <= NAMES_SIZE && IW_ARG(FORMAT) != NULL && G.iw.asked != 0);
	check_table();
	input = events;
	input_end = data + size;
	RUN(loop());
	CHECK(fuzz_status >= FUZZ_ENOUGH && fuzz_status <= 2);
	return 0;
}
