// The commands of mft-runtime, each returning its exit code (kUsage lists them). Failures pass through to
// main().
#pragma once

#include "main/arguments.h"

namespace mft::main {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;        // also: the program itself is at fault
inline constexpr int kWrongRequest = 2;  // command line, no such run, bad specification, the run has finished
inline constexpr int kAlreadyRunning = 3;  // prints "already running PID"
inline constexpr int kRunFailed = 5;       // run: the run ended with Failed
inline constexpr int kRunStopped = 7;      // run: it was stopped before its last step

int facts(const Arguments& arguments);
int start(const Arguments& arguments);
int run(const Arguments& arguments);
int status(const Arguments& arguments);
int events(const Arguments& arguments);
int hash(const Arguments& arguments);
int bench(const Arguments& arguments);

// The exit code for a Failure that ended a command.
int exit_code_of(const std::string& failure_code);

// To standard output, checked.
void print(std::string_view bytes);

}  // namespace mft::main
