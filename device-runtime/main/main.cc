// mft-runtime: the program that trains on the phone.
#include <signal.h>

#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/sysroot.h"
#include "main/arguments.h"
#include "main/commands.h"

namespace {

int carry_out(const mft::main::Arguments& arguments) {
  const std::string& command = arguments.command;
  if (command == "facts") return mft::main::facts(arguments);
  if (command == "start") return mft::main::start(arguments);
  if (command == "run") return mft::main::run(arguments);
  if (command == "status") return mft::main::status(arguments);
  if (command == "events") return mft::main::events(arguments);
  if (command == "hash") return mft::main::hash(arguments);
  if (command == "bench") return mft::main::bench(arguments);
  if (command == "version" || command == "--version") {
    mft::main::print(std::string(MFT_VERSION) + "\n");
    return mft::main::kDone;
  }
  if (command == "help" || command == "--help") {
    mft::main::print(mft::main::kUsage);
    return mft::main::kDone;
  }
  throw mft::Failure("usage.command", "unknown command " + command);
}

}  // namespace

int main(int argc, char** argv) {
  (void)::signal(SIGPIPE, SIG_IGN);
  try {
    const mft::main::Arguments arguments = mft::main::parse_arguments(argc, argv);
    mft::set_sysroot(arguments.sysroot);
    return carry_out(arguments);
  } catch (const mft::Failure& failure) {
    (void)std::fprintf(stderr, "mft-runtime: %s\n", failure.what());
    if (!failure.hint().empty()) (void)std::fprintf(stderr, "%s\n", failure.hint().c_str());
    if (failure.code().starts_with("usage.") && failure.code() != "usage.run-id") {
      (void)std::fputs(mft::main::kUsage, stderr);
    }
    return mft::main::exit_code_of(failure.code());
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "mft-runtime: %s\n", error.what());
    return mft::main::kFailed;
  }
}
