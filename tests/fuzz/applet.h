/*
 * The applet inside a fuzzer: its functions can be called one by one, and its
 * exit() comes back here. watchlet.c is included whole, since all in it is static;
 * and its libbb, so that a kernel of a harness serves both.
 *
 * Built by tests/fuzz/run with -Dexit=fuzz_exit for the applet and its libbb,
 * so that neither ends the fuzzer.
 */
#ifndef FUZZ_APPLET_H
#define FUZZ_APPLET_H

#include <setjmp.h>
#include <stdio.h>

/* Where an exit() of the applet goes, and its status */
static jmp_buf fuzz_home;
static int fuzz_status;

#include "../../applet/watchlet.c"
#include "../../applet/standalone/libbb.c"

void exit(int status) /* fuzz_exit */
{
	fuzz_status = status;
	longjmp(fuzz_home, 1);
}

enum { FUZZ_GOES_ON = -2, FUZZ_ENOUGH = -1 };

/* RUN(what) does what; it may end by exit(): then fuzz_status isn't FUZZ_GOES_ON */
#define RUN(what) do { \
	fuzz_status = FUZZ_GOES_ON; \
	if (setjmp(fuzz_home) == 0) { \
		what; \
	} \
} while (0)

/* The applet as it is at its start: all zeros, and what watchlet_main() sets */
static inline void fuzz_fresh(void)
{
	static int once;

	if (!once) {
		INIT_G();
		once = 1;
	}
	memset(&G, 0, sizeof(G));
	applet_name = "watchlet";
	logmode = LOGMODE_STDIO;
	die_func = NULL;
	G.cur = G.end = G.events;
	G.hash_mask = HASH_START - 1;
	G.chain_limit = CHAIN;
}

#define CHECK(that) do { \
	if (!(that)) { \
		dprintf(STDERR_FILENO, "%s:%d: not true: %s\n", __FILE__, __LINE__, #that); \
		__builtin_trap(); \
	} \
} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
