// The one function through which every absolute path goes. A virtual phone sets a sysroot, and the runtime
// then sees that phone's /proc, /sys and /data instead of the machine's. base/file.h and base/mapped_file.h
// call on_disk() themselves: everywhere else a path is a path of the phone, and nothing but base/ opens
// files. What this is not: a jail. Symbolic links inside the sysroot are followed by the kernel as they are.
#pragma once

#include <string>

namespace mft {

// dir: an existing directory, made absolute here (the process may change its working directory later); "" for
// none. Call once, before any thread is started.
void set_sysroot(const std::string& dir);
const std::string& sysroot();

// Where a phone's path lies on this machine: sysroot + normalised path for an absolute one ("/../x" can't
// climb out), the path itself for a relative one or without a sysroot.
std::string on_disk(const std::string& path);

}  // namespace mft
