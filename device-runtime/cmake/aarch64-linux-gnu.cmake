# Debian's cross compiler; programs and tests run through qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
find_program(MFT_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(MFT_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${MFT_QEMU})
endif()
