// mft-bench SPEC: what `mft-runtime bench SPEC` does, in a program that can load OpenBLAS to measure against.
#include <signal.h>

#include <cstdio>
#include <exception>

#include "base/error.h"
#include "bench/bench.h"
#include "bench/stdio.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fputs("usage: mft-bench SPEC\n", stderr);
    return 2;
  }
  (void)::signal(SIGPIPE, SIG_IGN);
  try {
    mft::bench::Surroundings surroundings = mft::bench::standard_streams();
    surroundings.load_yardstick = mft::bench::load_openblas;
    mft::bench::run(argv[1], surroundings);
    return 0;
  } catch (const mft::Failure& failure) {
    (void)std::fprintf(stderr, "mft-bench: %s\n", failure.what());
    if (!failure.hint().empty()) (void)std::fprintf(stderr, "%s\n", failure.hint().c_str());
    return failure.code() == "bench.no-yardstick" || failure.code() == "bench.spec-invalid" ? 2 : 1;
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "mft-bench: %s\n", error.what());
    return 1;
  }
}
