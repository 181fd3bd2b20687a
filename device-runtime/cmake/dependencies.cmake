# Debian packages where they exist (libhwy-dev, libprotobuf-dev, libgtest-dev, also for arm64 by multiarch); with an NDK
# the same libraries as pinned, hashed downloads.
find_package(Threads REQUIRED)

if(ANDROID)
  include(cmake/downloads.cmake)
else()
  find_path(MFT_HWY_INCLUDE hwy/highway.h REQUIRED)
  add_library(mft_hwy INTERFACE)
  target_include_directories(mft_hwy SYSTEM INTERFACE ${MFT_HWY_INCLUDE})

  find_library(MFT_PROTOBUF_LITE NAMES libprotobuf-lite.a REQUIRED)
  find_path(MFT_PROTOBUF_INCLUDE google/protobuf/message_lite.h REQUIRED)
  add_library(mft_protobuf INTERFACE)
  target_include_directories(mft_protobuf SYSTEM INTERFACE ${MFT_PROTOBUF_INCLUDE})
  target_link_libraries(mft_protobuf INTERFACE ${MFT_PROTOBUF_LITE} Threads::Threads)
endif()
find_program(MFT_PROTOC protoc REQUIRED)

if(MFT_TESTS)
  find_library(MFT_GTEST NAMES libgtest.a REQUIRED)
  find_library(MFT_GTEST_MAIN NAMES libgtest_main.a REQUIRED)
  add_library(mft_gtest INTERFACE)
  target_link_libraries(mft_gtest INTERFACE ${MFT_GTEST_MAIN} ${MFT_GTEST} Threads::Threads)
  enable_testing()
endif()
