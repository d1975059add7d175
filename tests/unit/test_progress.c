// SPDX-License-Identifier: MIT
// The line that says what a lesson is busy with: on a terminal, after a while, and gone again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <fcntl.h>
#include <heddle/progress.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char seen[4096];
static size_t seen_bytes;

// Reads the terminal's other end until the text was there, for at most ten seconds.
static bool comes(int terminal, const char *text) {
  struct pollfd ready = {.fd = terminal, .events = POLLIN};
  while (!strstr(seen, text)) {
    if (poll(&ready, 1, 10000) != 1) return false;
    const ssize_t got = read(terminal, seen + seen_bytes, sizeof seen - 1 - seen_bytes);
    if (got <= 0) return false;
    seen_bytes += (size_t)got;
  }
  return true;
}

static void a_terminal_shows_it_and_forgets_it(void **state) {
  (void)state;
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY), saved = dup(STDERR_FILENO);
  if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) skip();
  const int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
  if (other < 0) skip();
  assert_true(dup2(other, STDERR_FILENO) >= 0);
  hd_progress("checking", "openmp");
  const bool shown = comes(terminal, "checking openmp  2 s");
  hd_progress_share(0.5);
  const bool barred = comes(terminal, "█·");
  hd_progress(NULL, NULL);
  const bool gone = comes(terminal, "\r\033[K");
  dup2(saved, STDERR_FILENO);
  close(saved), close(other), close(terminal);
  assert_true(shown && barred && gone);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_terminal_shows_it_and_forgets_it)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
