# Warnings are errors. Contraction is off everywhere: where a fused multiply-add is meant it is written, so that every
# compiler and architecture gives the same bits (docs/engine.md, "Determinism").
add_compile_options(-Wall -Wextra -Wshadow -Wno-psabi -Werror -ffp-contract=off -fno-math-errno)
add_compile_options(-ffunction-sections -fdata-sections)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)  # the baseline of Android's x86_64 ABI; faster sets are chosen at run time
endif()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

if(MFT_SANITIZE)
  add_compile_options(-fsanitize=${MFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g -O1)
  add_link_options(-fsanitize=${MFT_SANITIZE})
endif()

if(MFT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link -Wno-error)  # warnings are for the other builds to say
endif()

# Android 15 phones may have 16 KiB pages.
add_link_options(-Wl,-z,max-page-size=16384 -Wl,--gc-sections)
if(MFT_STATIC)
  add_link_options(-static)
endif()
