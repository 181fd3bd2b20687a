# Highway (headers) and protobuf-lite from their projects' own releases, for compilers that Debian has no libraries for (an
# NDK). The versions and, to the byte, the archives are those that Debian 12 builds from, so that the protoc that Debian
# ships (3.21) fits: install protobuf-compiler, or point MFT_PROTOC at one of that version.
# Offline: -DFETCHCONTENT_SOURCE_DIR_HIGHWAY=... -DFETCHCONTENT_SOURCE_DIR_PROTOBUF=...
include(FetchContent)

FetchContent_Declare(highway
  URL https://github.com/google/highway/archive/refs/tags/1.0.3.tar.gz
  URL_HASH SHA256=566fc77315878473d9a6bd815f7de78c73734acdcb745c3dde8579560ac5440e)
FetchContent_Declare(protobuf
  URL https://github.com/protocolbuffers/protobuf/archive/refs/tags/v3.21.12.tar.gz
  URL_HASH SHA256=930c2c3b5ecc6c9c12615cf5ad93f1cd6e12d0aba862b572e076259970ac3a53)

# Only Highway's headers are used (static dispatch), so nothing of it is built.
FetchContent_GetProperties(highway)
if(NOT highway_POPULATED)
  FetchContent_Populate(highway)
endif()
add_library(mft_hwy INTERFACE)
target_include_directories(mft_hwy SYSTEM INTERFACE ${highway_SOURCE_DIR})

FetchContent_GetProperties(protobuf)
if(NOT protobuf_POPULATED)
  FetchContent_Populate(protobuf)
endif()
# protobuf's own list of the lite library's sources.
file(STRINGS ${protobuf_SOURCE_DIR}/cmake/libprotobuf-lite.cmake LINES REGEX "\\.cc$")
set(MFT_PROTOBUF_LITE_SOURCES)
foreach(LINE ${LINES})
  string(REGEX REPLACE ".*}/" "${protobuf_SOURCE_DIR}/" SOURCE "${LINE}")
  list(APPEND MFT_PROTOBUF_LITE_SOURCES ${SOURCE})
endforeach()
add_library(mft_protobuf STATIC ${MFT_PROTOBUF_LITE_SOURCES})
target_include_directories(mft_protobuf SYSTEM PUBLIC ${protobuf_SOURCE_DIR}/src)
target_compile_options(mft_protobuf PRIVATE -w)
target_link_libraries(mft_protobuf PUBLIC Threads::Threads)
if(ANDROID)
  target_link_libraries(mft_protobuf PUBLIC log)
endif()
