// The command line: `mft-runtime COMMAND [--option VALUE]... [FILE]...`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mft/v1/session.pb.h"

namespace mft::main {

struct Arguments {
  std::string command;
  std::string root = "/data/local/tmp/mft";
  std::string sysroot;  // --sysroot, else MFT_SYSROOT
  std::string run;      // --run
  std::uint32_t min_attempt = 0;
  v1::EventId after;  // --after ATTEMPT:SEQUENCE
  std::vector<std::string> files;
};

// Failure usage.* names what is wrong.
Arguments parse_arguments(int argc, char** argv);

extern const char* const kUsage;

}  // namespace mft::main
