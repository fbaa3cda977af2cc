# One INTERFACE target with the flags of our own code: espalier::options, linked PRIVATE.
add_library(espalier_options INTERFACE)
add_library(espalier::options ALIAS espalier_options)
target_compile_features(espalier_options INTERFACE cxx_std_20)
option(ESPALIER_WERROR "Treat warnings of our own code as errors" OFF)
target_compile_options(espalier_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                  -Wold-style-cast -Woverloaded-virtual
                                                  -Wno-missing-field-initializers
                                                  $<$<BOOL:${ESPALIER_WERROR}>:-Werror>)
# GCC 12 warns of every "literal" + std::string (GCC bug 105651), and of the library's own copies where headers are precompiled;
# GCC 14 of copies of one element in LibTorch 2.6.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(espalier_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(espalier_options INTERFACE -Wno-array-bounds -Wno-stringop-overflow)
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
# Programs in bin/, the library in lib/, plugins in lib/espalier/plugins/: found relative to themselves, so that the
# tree can be moved.
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these ccache gives up on sources with a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
endif()

# espalier_precompile(TARGET [headers... | FROM OTHER]): those that nearly every source reads, and that take most of its time.
# They are precompiled once for all targets that name none: espalier_headers' are taken, or OTHER's.
function(espalier_precompile target)
  cmake_parse_arguments(arg "" "FROM" "" ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    target_precompile_headers(${target} PRIVATE ${arg_UNPARSED_ARGUMENTS})
    return()
  endif()
  if(NOT arg_FROM)
    set(arg_FROM espalier_headers)
    # GCC takes what was precompiled only where the same macros are defined.
    target_compile_definitions(${target} PRIVATE $<TARGET_PROPERTY:fmt::fmt,INTERFACE_COMPILE_DEFINITIONS>)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${arg_FROM})
  # And only for code that may lie anywhere alike, in programs as in libraries.
  target_compile_options(${target} PRIVATE -fPIC)
endfunction()

# espalier_add_module(NAME [LIBRARIES ...]): the sources of framework/espalier/NAME, linked into libespalier.
function(espalier_add_module name)
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/espalier/${name}/*.cpp")
  if(NOT sources)
    return()
  endif()
  add_library(espalier_${name} OBJECT ${sources})
  target_include_directories(espalier_${name} PUBLIC "${PROJECT_SOURCE_DIR}/framework")
  target_link_libraries(espalier_${name} PRIVATE espalier::options PUBLIC nlohmann_json::nlohmann_json ${arg_LIBRARIES})
  espalier_precompile(espalier_${name})
  target_link_libraries(espalier PRIVATE espalier_${name})
endfunction()
