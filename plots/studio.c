// SPDX-License-Identifier: MIT
// Where plots are made: the folders, and gnuplot.
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

extern char **environ;

enum { GNUPLOT_SECONDS = 60 };

void hd_cannot(const char *what, const char *path) {
  fprintf(stderr, "heddle-report: cannot %s %s: %s\n", what, path, strerror(errno));
  exit(1);
}

static void make_folder(const char *path) {
  char part[1100];
  snprintf(part, sizeof part, "%s", path);
  for (char *c = part + 1; *c; c++) {
    if (*c != '/') continue;
    *c = '\0';
    if (mkdir(part, 0777) != 0 && errno != EEXIST) hd_cannot("make the folder", part);
    *c = '/';
  }
  if (mkdir(part, 0777) != 0 && errno != EEXIST) hd_cannot("make the folder", part);
}

static void remove_files(const char *folder, const char *const *endings) {
  DIR *list = opendir(folder);
  if (list == NULL) return;
  for (struct dirent *entry; (entry = readdir(list)) != NULL;)
    for (int i = 0; endings[i] != NULL; i++) {
      const char *dot = strrchr(entry->d_name, '.');
      if (dot != NULL && strcmp(dot, endings[i]) == 0) unlinkat(dirfd(list), entry->d_name, 0);
    }
  closedir(list);
}

static void find_program(char *out, size_t size, const char *name) {
  const char *path = getenv("PATH");
  *out = '\0';
  while (path != NULL && *path != '\0') {
    int length = (int)strcspn(path, ":");
    snprintf(out, size, "%.*s/%s", length, path, name);
    if (length > 0 && access(out, X_OK) == 0) return;
    *out = '\0';
    path += length + (path[length] == ':');
  }
}

void hd_studio_open(hd_studio *studio, const char *out, const char *scripts) {
  *studio = (hd_studio){0};
  snprintf(studio->out, sizeof studio->out, "%s", out);
  if (realpath(scripts, studio->scripts) == NULL) hd_cannot("find the plot scripts in", scripts);
  find_program(studio->gnuplot, sizeof studio->gnuplot, "gnuplot");
  char folder[1100];
  snprintf(folder, sizeof folder, "%s/plots/data", out);
  make_folder(folder);
  remove_files(folder, (const char *const[]){".dat", ".gp", NULL});
  snprintf(folder, sizeof folder, "%s/plots", out);
  remove_files(folder, (const char *const[]){".svg", ".png", NULL});
}

// Waits for a process with a deadline. Returns true if it ended with 0.
static bool wait_for(pid_t child) {
  for (int tick = 0; tick < GNUPLOT_SECONDS * 200; tick++) {
    int status;
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return false;
}

bool hd_run_gnuplot(const hd_studio *studio, const char *name) {
  char folder[1100], driver[160], scripts[1100];
  snprintf(folder, sizeof folder, "%s/plots", studio->out);
  snprintf(driver, sizeof driver, "data/%s.gp", name);
  snprintf(scripts, sizeof scripts, "scripts = '%s'", studio->scripts);
  char *arguments[] = {(char *)"gnuplot", (char *)"-d", (char *)"-e", scripts, driver, NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, folder);
  int error = posix_spawn(&child, studio->gnuplot, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 && wait_for(child);
}
