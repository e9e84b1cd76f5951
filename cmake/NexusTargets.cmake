# Compiler settings and the two functions that declare every library and test of the tree.

include_guard(GLOBAL)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Paths below the source folder are hashed relative to it, so that clones and build folders share
  # what they compile.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

add_library(nexus_flags INTERFACE)
target_include_directories(nexus_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
target_compile_options(nexus_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast
  $<$<BOOL:${NEXUS_WERROR}>:-Werror>
  $<$<CONFIG:RelWithDebInfo>:-O2 -g1 -fno-plt>
  $<$<CONFIG:Debug>:-O1>)
target_compile_definitions(nexus_flags INTERFACE
  FMT_ENFORCE_COMPILE_STRING=0
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(NEXUS_SANITIZE)
  # Reports need lines, not variables, and full debug information doubles the time of such a build.
  target_compile_options(nexus_flags INTERFACE -fsanitize=${NEXUS_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all -g1)
  target_link_options(nexus_flags INTERFACE -fsanitize=${NEXUS_SANITIZE})
  target_compile_definitions(nexus_flags INTERFACE NEXUS_SANITIZED=1)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # The <expected> of libstdc++ 12 hides from a compiler that reports less than C++20's final
  # concepts; clang 16 has what the header uses and reports a draft.
  target_compile_options(nexus_flags INTERFACE
    -Wno-macro-redefined -D__cpp_concepts=202002L)
endif()
if(NEXUS_FUZZ)
  target_compile_options(nexus_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# nexus_library(NAME [folder libraries and imported targets ...])
#   A static library of every source in the calling folder; the libraries named after it are public.
function(nexus_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC nexus_flags ${ARGN})
endfunction()

# nexus_unit_test(NAME libraries ...)
#   One Catch2 program of every *_test.cpp in tests/unit/NAME, registered with CTest as unit.NAME.
function(nexus_unit_test name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(unit_${name} ${sources})
  target_link_libraries(unit_${name} PRIVATE nexus_catch_main ${ARGN})
  # ccache makes __FILE__ relative to the build folder; tests find their samples by it.
  add_test(NAME unit.${name} COMMAND unit_${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
  set_tests_properties(unit.${name} PROPERTIES TIMEOUT 300)
endfunction()

# nexus_fuzz_target(NAME libraries ...)
#   tests/fuzz/NAME_fuzz.cpp with libFuzzer when NEXUS_FUZZ is on. Otherwise a program that replays
#   the corpus folder tests/fuzz/corpus/NAME, registered with CTest as fuzz.NAME.
function(nexus_fuzz_target name)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}_fuzz.cpp)
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  if(NEXUS_FUZZ)
    add_executable(fuzz_${name} ${source})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_targets fuzz_${name})
  else()
    add_executable(fuzz_${name} ${source} ${CMAKE_CURRENT_SOURCE_DIR}/replay_main.cpp)
    add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${corpus})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 300)
  endif()
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
endfunction()
