// Another process that keeps one core busy, as a program of somebody else would.
#pragma once

#include <sys/types.h>

namespace mft::bench {

class Disturber {
 public:
  // On the last CPU that this process may use. Before threads are started: it forks.
  Disturber();
  ~Disturber();  // ends it
  Disturber(const Disturber&) = delete;
  Disturber& operator=(const Disturber&) = delete;

 private:
  pid_t pid_ = -1;
};

}  // namespace mft::bench
