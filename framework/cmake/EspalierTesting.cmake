# Tests of the source tree.
find_package(Catch2 REQUIRED)
add_library(espalier_catch_main OBJECT "${PROJECT_SOURCE_DIR}/tests/support/main.cpp")
target_compile_features(espalier_catch_main PRIVATE cxx_std_20)
target_link_libraries(espalier_catch_main PRIVATE Catch2::Catch2)

# espalier_add_catch_test(NAME sources...): one program, one ctest entry, exit code 4 of "skipped" honoured.
function(espalier_add_catch_test name)
  string(REPLACE "." "_" target "${name}")
  add_executable(${target} ${ARGN})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support" "${PROJECT_SOURCE_DIR}/framework")
  target_link_libraries(${target} PRIVATE espalier_catch_main Catch2::Catch2 espalier::espalier espalier::options fmt::fmt)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77
                       SKIP_REGULAR_EXPRESSION "(^|\n)skipped: ")
endfunction()
