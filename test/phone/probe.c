/* What the conformance suite runs on a phone: small, static, without libraries. `probe WHAT [ARG]`. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 1;
}

/* Sends back what comes, on an abstract socket of the phone's. */
static int echo_server(const char *name) {
  const char *prefix = getenv("MFT_SOCKET_PREFIX");
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s%s", prefix ? prefix : "", name);
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
  if (bind(server, (struct sockaddr *)&address, size) != 0) return fail("bind");
  if (listen(server, 8) != 0) return fail("listen");
  printf("listening\n");
  fflush(stdout);
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client < 0) return fail("accept");
    if (fork() == 0) {
      static char buffer[65536];
      ssize_t got;
      while ((got = read(client, buffer, sizeof buffer)) > 0) {
        for (ssize_t sent = 0; sent < got;) {
          ssize_t put = write(client, buffer + sent, (size_t)(got - sent));
          if (put <= 0) _exit(1);
          sent += put;
        }
      }
      _exit(0);
    }
    close(client);
  }
}

static int spin(double seconds) {
  volatile unsigned long count = 0;
  while ((double)clock() / CLOCKS_PER_SEC < seconds) count++;
  return 0;
}

/* Holds so many MiB. */
static int hold_memory(const char *mebibytes) {
  size_t size = (size_t)atoi(mebibytes) << 20;
  char *memory = malloc(size);
  if (!memory) return fail("malloc");
  memset(memory, 1, size);
  printf("pid %d\n", (int)getpid());
  fflush(stdout);
  sleep(600);
  return memory[size - 1];
}

/* Prints a file, through the sysroot as the runtime does. */
static int print_file(const char *path) {
  const char *root = getenv("MFT_SYSROOT");
  char whole[4096];
  snprintf(whole, sizeof whole, "%s%s", root ? root : "", path);
  FILE *file = fopen(whole, "r");
  if (!file) return fail(path);
  char buffer[4096];
  size_t got;
  while ((got = fread(buffer, 1, sizeof buffer, file)) > 0) fwrite(buffer, 1, got, stdout);
  fclose(file);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  const char *argument = argc > 2 ? argv[2] : "";
  if (strcmp(what, "echo") == 0) return echo_server(argument);
  if (strcmp(what, "spin") == 0) return spin(atof(argument));
  if (strcmp(what, "file") == 0) return print_file(argument);
  if (strcmp(what, "memory") == 0) return hold_memory(argument);
  if (strcmp(what, "exit") == 0) return atoi(argument);
  if (strcmp(what, "abort") == 0) abort();
  if (strcmp(what, "hold") == 0) {
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    sleep((unsigned)atoi(argument));
    return 0;
  }
  if (strcmp(what, "streams") == 0) {
    for (int turn = 0; turn < 3; turn++) {
      fprintf(stdout, "out %d\n", turn);
      fflush(stdout);
      fprintf(stderr, "err %d\n", turn);
    }
    return 5;
  }
  if (strcmp(what, "args") == 0) {
    for (int at = 0; at < argc; at++) printf("[%s]\n", argv[at]);
    return 0;
  }
  if (strcmp(what, "count") == 0) {
    static char buffer[65536];
    size_t total = 0, got;
    while ((got = fread(buffer, 1, sizeof buffer, stdin)) > 0) total += got;
    printf("%zu\n", total);
    return 0;
  }
  fprintf(stderr, "probe: unknown %s\n", what);
  return 2;
}
