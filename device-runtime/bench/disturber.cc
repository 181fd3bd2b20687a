#include "bench/disturber.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"

namespace mft::bench {
namespace {

void pin_to_last_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int last = -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) last = cpu;
  }
  if (last < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(last), &one);
  (void)sched_setaffinity(0, sizeof one, &one);  // else it wanders, which disturbs as well
}

}  // namespace

Disturber::Disturber() {
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) fail_io("fork", "this process", errno);
  if (pid_ > 0) return;
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  pin_to_last_cpu();
  for (volatile unsigned long spin = 0;;) spin = spin + 1;
}

Disturber::~Disturber() {
  (void)::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace mft::bench
